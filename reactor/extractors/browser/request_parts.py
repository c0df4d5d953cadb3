"""What of the browser's requests goes along with ours: its cookies, and the headers that are not each request's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from reactor.models import HEADERS_MAX, Header
from reactor.net.cookies import kept_cookies
from reactor.net.jar import Jar

_OF_EACH_REQUEST = """
    accept-encoding cache-control connection content-length content-type cookie host keep-alive pragma priority purpose
    range te trailer transfer-encoding upgrade upgrade-insecure-requests"""
_LEFT_OUT = frozenset(_OF_EACH_REQUEST.split())
_LEFT_OUT_PREFIXES = (":", "sec-", "if-", "proxy-", "x-client-data", "x-playwright")


class BrowserCookie(BaseModel):
    """One of the browser's cookies."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)

    name: str
    value: str
    domain: str
    path: str
    secure: bool = False


def kept_headers(sent: Mapping[str, str]) -> tuple[Header, ...]:
    """What of the player's request goes along: not cookies, nor what each request has to say for itself."""
    kept = [
        (name, value)
        for name, value in sent.items()
        if name.lower() not in _LEFT_OUT and not name.lower().startswith(_LEFT_OUT_PREFIXES)
    ]
    return tuple(header for name, value in kept[:HEADERS_MAX] for header in _header(name, value))


def jar_of(cookies: Iterable[BrowserCookie]) -> Jar:
    """The browser's cookies as ours."""
    return Jar(
        kept_cookies(
            each.model_dump() | {"domain": each.domain.lstrip("."), "host_only": not each.domain.startswith(".")}
            for each in cookies
        )
    )


def _header(name: str, value: str) -> tuple[Header, ...]:
    try:
        return (Header(name=name, value=value),)
    except ValidationError:
        return ()
