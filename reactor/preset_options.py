"""What a preset may ask for: all that a row may, and more."""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

import base64
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, StringConstraints, field_validator

from reactor.options import STRICT, Options
from reactor.ytdlp_options import YtdlpOptions

__all__ = ["ONLY_PRESETS", "PresetOptions"]

HEADERS_MAX = 30
HOSTS_MAX = 50
_HOST = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
_PROXY = r"^(https?|socks[45]|socks5h|socks4a)://[^\s/?#\\]+/?$"
_FOLDER = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_HEADER = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"
_OWN = frozenset({"host", "range", "content-length", "connection", "transfer-encoding", "accept-encoding", "cookie"})

HeaderName = Annotated[str, StringConstraints(pattern=_HEADER)]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=8000)]


class _AtHosts(BaseModel):
    """What is sent to some hosts only: a row that names the preset may have any URL."""

    model_config = STRICT

    hosts: tuple[Annotated[str, StringConstraints(pattern=_HOST, to_lower=True)], ...] = Field(
        min_length=1, max_length=HOSTS_MAX, description="a list of hosts; those below them count, too"
    )

    def fits(self, url: str) -> bool:
        """True for a URL of http or https at one of its hosts."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").rstrip(".")
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and any(
            host == each or host.endswith(f".{each}") for each in self.hosts
        )


class Headers(_AtHosts):
    """Headers of requests."""

    values: dict[HeaderName, HeaderValue] = Field(
        max_length=HEADERS_MAX, description="an object of names and values of headers", repr=False
    )

    @field_validator("values")
    @classmethod
    def _check_names(cls, values: dict[str, str]) -> dict[str, str]:
        if not _OWN.isdisjoint(name.lower() for name in values):
            raise ValueError("a header that is not a preset's business")
        return values


class Login(_AtHosts):
    """A name and a password."""

    user: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f:]+$", max_length=500)] = Field(
        description="a name without a colon"
    )
    password: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=500)] = Field(
        description="a password", repr=False
    )

    @property
    def basic(self) -> str:
        """As a header says it (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode(errors="replace")).decode()


class PresetOptions(Options):
    """What a preset may say: all of a row's options, and what would be unsafe from a stranger."""

    headers: Headers | None = Field(
        None, description="an object with hosts and values: headers for these hosts and those below them", repr=False
    )
    login: Login | None = Field(
        None,
        description="an object with hosts, user and password: a login at these hosts and those below them",
        repr=False,
    )
    format_expression: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        None, description="a format expression of yt-dlp's, as its -f"
    )
    format_sort: tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...] = Field(
        (), max_length=50, description="a list of fields that yt-dlp sorts formats by, as its -S"
    )
    extractor_args: dict[str, dict[str, list[str]]] = Field(
        {}, description="an object of arguments for extractors of yt-dlp's, by their names"
    )
    seed_ratio: float | None = Field(
        None,
        ge=0,
        le=1000,
        description="a number: the share ratio up to which a torrent is seeded, in place of SEED_RATIO",
    )
    proxy: Annotated[str, StringConstraints(pattern=_PROXY, max_length=1000)] | None = Field(
        None,
        description="a URL of http, https or socks5: a proxy for yt-dlp's requests, in place of YTDLP_PROXY",
        repr=False,
    )
    folder: Annotated[str, StringConstraints(pattern=_FOLDER)] | None = Field(
        None, description="a plain name: the folder in DOWNLOAD_DIR that the result is put into"
    )
    ytdlp: YtdlpOptions | None = Field(None, description="an object of options of YoutubeDL's, as YTDLP_OPTIONS has it")

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    def plain(self) -> Options:
        """Without what only a preset may say: what is kept with a plan, and in a recording."""
        said = self.model_dump(by_alias=True, exclude_unset=True, include=set(Options.model_fields))
        return Options(**said)

    def home_headers(self, url: str) -> Mapping[str, str]:
        """See Options."""
        login = {"Authorization": self.login.basic} if self.login is not None and self.login.fits(url) else {}
        headers = self.headers.values if self.headers is not None and self.headers.fits(url) else {}
        return {**login, **headers, **super().home_headers(url)}

    def shares_up_to(self) -> float | None:
        """See Options."""
        return self.seed_ratio

    def put_into(self) -> str:
        """See Options."""
        return self.folder or ""

    def ytdlp_params(self, url: str) -> dict[str, Any]:
        """See Options."""
        raw = self.ytdlp.model_dump(exclude_none=True) if self.ytdlp is not None else {}
        if self.login is not None and self.login.fits(url):
            raw |= {"username": self.login.user, "password": self.login.password}
        said = {
            "format": self.format_expression,
            "format_sort": list(self.format_sort) or None,
            "extractor_args": self.extractor_args or None,
            "proxy": self.proxy,
        }
        return raw | {name: value for name, value in said.items() if value is not None}


ONLY_PRESETS = frozenset(PresetOptions.model_fields) - frozenset(Options.model_fields)
"""What a row may not say itself."""
