"""Every setting: its variable, its unit, its default.

Strength, rising: `.env`, the environment, flags. A setting is one field here and nowhere else; its
variable is the field's name in capitals. `tests/test_house.py` checks that the README lists each one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from reactor.database_path import database_path
from reactor.errors import DatabaseError, SettingsError


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


TOKEN_CHARS_MIN = 16

Seconds = Annotated[float, Field(ge=0, le=7 * 24 * 3600, allow_inf_nan=False)]
Period = Annotated[float, Field(ge=0.05, le=3600, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1000)]


class Settings(BaseSettings):
    """The settings of one reactor. Make it with `Settings.load`, which says in one sentence what is wrong."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    download_db: Path = Field(Path("downloads.db"), description="the SQLite database that holds the table `downloads`")
    download_dir: Path = Field(Path("downloads"), description="where finished files go; made if missing")
    max_concurrent_downloads: Count = Field(1, description="how many rows are under way at once")
    download_poll_interval: Period = Field(
        1.0, description="s; the light poll behind hook and file watching; while watching misses nothing, every 5th"
    )
    progress_interval: Period = Field(5.0, description="s; how often progress is asked for and written")
    max_download_retries: Annotated[int, Field(ge=0, le=100)] = Field(5, description="retries after the first attempt")
    retry_base_delay: Seconds = Field(30.0, description="s before the first retry; doubles each time, with jitter")
    retry_max_delay: Seconds = Field(3600.0, description="s; no retry waits longer")
    stall_timeout: Seconds = Field(120.0, description="s without a byte until a transfer counts as stalled; 0: never")
    torrent_stall_timeout: Seconds = Field(600.0, description="s without a byte until a torrent is given up; 0: never")
    min_speed: Annotated[float, Field(ge=0, le=2**20, allow_inf_nan=False)] = Field(
        1.0, description="KiB/s; what is slower on the average of a stall timeout counts as stalled; 0: any speed"
    )
    download_timeout: Annotated[float, Field(ge=0, le=30 * 24 * 3600, allow_inf_nan=False)] = Field(
        0.0, description="s for one attempt from its start to the file; 0: as long as it takes"
    )
    max_file_size: Annotated[int, Field(ge=0, le=2**40)] = Field(
        0, description="MiB that one download may have, and what is made of it; 0: any size"
    )
    min_free_disk: Annotated[int, Field(ge=0, le=2**30)] = Field(
        100,
        description="MiB that stay free on the disk; what does not fit fails, and with less the queue waits",
    )
    max_parts: Annotated[int, Field(ge=1, le=20_000)] = Field(20_000, description="parts that one video may come in")
    http_timeout: Annotated[float, Field(gt=0, le=600)] = Field(
        20.0, description="s for a server to answer our look at its headers"
    )
    seed_ratio: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0, description="share ratio up to which a finished torrent is served to others; 0: not at all"
    )
    max_concurrent_parts: Count = Field(16, description="parts of one video that are fetched at once")
    connections_per_server: Annotated[int, Field(ge=1, le=16)] = Field(4, description="connections for one file")
    user_agent: str = Field("", description="the User-Agent sent to servers; empty: reactor's own")
    aria2c_rpc_url: str | None = Field(
        None, description="an aria2c elsewhere (ws, wss, http, https); unset: one of our own is started"
    )
    aria2c_rpc_secret: SecretStr | None = Field(None, description="its RPC secret")
    aria2c_rpc_ca: Path | None = Field(
        None, description="CA bundle for wss, when its certificate is not publicly signed"
    )
    aria2c_dir: str | None = Field(
        None, description="where a remote aria2c without a shared disk puts files; unset: its own `dir`"
    )
    download_path_map: str | None = Field(
        None, description="REMOTE=LOCAL: the shared disk as the remote aria2c and as we see it"
    )
    aria2c_path: Path | None = Field(None, description="the aria2c to start; unset: PATH, then the wheel")
    aria2c_conf: Path | None = Field(
        None, description="the configuration of our own aria2c; unset: the shipped aria2.conf"
    )
    aria2c_unknown: bool = Field(
        False, description="whether another engine than aria2 1.36 and 1.37 is used, at your own risk"
    )
    ffmpeg_path: Path | None = Field(None, description="the ffmpeg to use; unset: PATH, then the wheel")
    ytdlp_format: str = Field(
        "",
        description="which quality is taken, as yt-dlp's `-f` has it (of a bare manifest: its `height`, or `ba`); "
        "empty: the best that fits into one mp4 or mkv",
    )
    ytdlp_cookies: Path | None = Field(
        None, description="a Netscape cookie file of a browser that is signed in; read, never written"
    )
    ytdlp_proxy: SecretStr | None = Field(None, description="the proxy (http, https, socks5) that yt-dlp asks through")
    ytdlp_options: SecretStr | None = Field(
        None, description="more options of yt-dlp's `YoutubeDL` as a JSON object; those that run or write nothing"
    )
    ytdlp_timeout: Annotated[float, Field(gt=0, le=3600)] = Field(
        120.0, description="s for yt-dlp to find out what there is to fetch; then its process is killed"
    )
    browser_path: Path | None = Field(
        None, description="the browser to start; unset: Playwright's own, then Chrome, Chromium or Edge on the PATH"
    )
    browser_timeout: Annotated[float, Field(ge=5, le=600)] = Field(
        45.0, description="s for the browser to find out what a page plays; then it is killed"
    )
    browser_idle: Seconds = Field(120.0, description="s until a browser that nobody needs is ended")
    browser_memory: Annotated[int, Field(ge=512, le=1024 * 1024)] = Field(
        2048, description="MiB of memory that one browser may use; then it is killed"
    )

    torrents: bool = Field(True, description="whether torrents are fetched; their peers are asked past the guard")
    torrent_udp: bool = Field(
        True, description="whether torrents may use UDP, which goes past the guard: the DHT, and trackers by udp://"
    )
    allow_executables: bool = Field(
        False,
        description="whether programs and shortcuts (`.exe`, `.sh`, `.lnk`, …) keep their names; else `….renamed`",
    )
    egress_guard: bool = Field(
        True, description="whether everything goes out through the guard, which asks no private address"
    )
    allowed_private_hosts: str = Field(
        "", description="hosts, addresses and networks the guard lets through: `nas.lan, 10.0.0.0/8, [fd00::1]:8080`"
    )

    reactor_python: Path | None = Field(
        None, description="the Python that `Runner` starts reactor with; unset: the bot's own, which a frozen bot lacks"
    )

    metrics_address: str | None = Field(
        None, description="HOST:PORT (or only PORT, on this machine) where Prometheus reads `/metrics`; unset: nowhere"
    )
    http_address: str | None = Field(
        None, description="HOST:PORT (or only PORT, on this machine) of the page; unset: none"
    )
    http_token: SecretStr | None = Field(
        None, description="what opens the page, 16 characters or more; unset: one is made at each start and told once"
    )
    http_hosts: str = Field(
        "", description="names the page may be called by, beside localhost and plain addresses: `nas.lan, get.example`"
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
        "ytdlp_cookies",
        "ytdlp_proxy",
        "ytdlp_options",
        "metrics_address",
        "http_address",
        "http_token",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("download_db", mode="before")
    @classmethod
    def _is_database_path(cls, value: Any) -> Any:
        try:
            return database_path(value) if isinstance(value, str | Path) else value
        except DatabaseError as error:
            raise ValueError(str(error).removesuffix(".")) from error

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

    @field_validator("metrics_address", "http_address")
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

    @field_validator("http_token")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < TOKEN_CHARS_MIN:
            raise ValueError(f"takes {TOKEN_CHARS_MIN} characters or more, or somebody would guess it")
        return value

    @property
    def path_map(self) -> tuple[str, str] | None:
        """`download_path_map` as (remote prefix, local prefix)."""
        if self.download_path_map is None:
            return None
        remote, _, local = self.download_path_map.partition("=")
        return remote.rstrip("/") or "/", local.rstrip("/") or "/"

    @classmethod
    def load(cls, **flags: Any) -> Settings:
        """Read `.env`, the environment and `flags` (those that are None count as not given).

        Raises SettingsError with the variable's name and what it takes."""
        try:
            return cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            variable = ".".join(str(part) for part in first["loc"]).upper()
            raise SettingsError(f"{variable}: {_wanted(first)}.") from error
        except UnicodeDecodeError as error:
            raise SettingsError("The file .env is not UTF-8.", hint="Save it as UTF-8.") from error
        except OSError as error:
            raise SettingsError(f"The file .env cannot be read: {error.strerror}.") from error


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


def _wanted(error: ErrorDetails) -> str:
    sentence = _WANTED.get(error["type"])
    if sentence is None:
        return error["msg"].removeprefix("Value error, ")
    return sentence.format(**error.get("ctx", {}))
