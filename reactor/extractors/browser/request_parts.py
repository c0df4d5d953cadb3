"""What of the browser's requests goes along with ours: its cookies, and the headers that are not each request's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from reactor.net.cookies import kept_cookies
from reactor.net.jar import Jar
from reactor.net.session import HttpSession
from reactor.plan import HEADERS_MAX, Cookie, Header

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


def jar_of(cookies: Iterable[BrowserCookie], session: HttpSession) -> Jar:
    """The browser's cookies as ours, with those that it was given."""
    hosts = ((each, each.domain.lstrip(".").strip("[]"), not each.domain.startswith(".")) for each in cookies)
    found = kept_cookies(each.model_dump() | {"domain": host, "host_only": only} for each, host, only in hosts)
    return session.jar(session.new_cookies(found))


def for_browser(cookies: Iterable[Cookie]) -> list[dict[str, Any]]:
    """Cookies as Playwright's `add_cookies` takes them. They last as long as the page does."""
    return [
        {
            "name": each.name,
            "value": each.value,
            "domain": f"{'' if each.host_only else '.'}{f'[{each.domain}]' if ':' in each.domain else each.domain}",
            "path": each.path,
            "secure": each.secure,
            "httpOnly": each.http_only,
        }
        for each in cookies
    ]


def _header(name: str, value: str) -> tuple[Header, ...]:
    try:
        return (Header(name=name, value=value),)
    except ValidationError:
        return ()
