"""Parses cookies from responses and browsers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from reactor.net.client import Response
from reactor.net.jar import Jar
from reactor.plan import Cookie

if TYPE_CHECKING:
    from http.cookiejar import Cookie as TheirCookie


def keep_cookies(response: Response, jar: Jar) -> None:
    """Put the cookies that a response sets into a jar, as far as its host may set them, and take out what it ends."""
    if "set-cookie" not in response.headers:
        return
    from http.cookiejar import CookieJar  # behind first use: it brings the whole of urllib.request
    from urllib.request import Request

    class Noting(CookieJar):
        """Which is asked to forget what has expired."""

        def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
            if name is not None:
                jar.forget(name, (domain or "").lstrip("."), path or "/")

    told, host = Noting(), urlsplit(response.url).hostname or ""
    told.extract_cookies(_Answer(response), Request(response.url))  # type: ignore[arg-type]
    jar.add(kept_cookies(_fields(each, host) for each in told))


def kept_cookies(told: Iterable[Mapping[str, Any]]) -> Iterator[Cookie]:
    """Make cookies from their fields. Skips those that a browser would reject: too long, with an invalid domain, or
    with characters that would break the header."""
    for fields in told:
        try:
            yield Cookie(**fields)
        except ValidationError:
            continue


def _fields(told: TheirCookie, host: str) -> dict[str, Any]:
    return {
        "name": told.name,
        "value": told.value or "",
        "domain": told.domain.lstrip(".") if told.domain_specified else host,
        "path": told.path,
        "secure": bool(told.secure),  # "true" after `Secure=true`
        "host_only": not told.domain_specified,
    }


class _Answer:
    """The only thing that CookieJar wants of one."""

    def __init__(self, response: Response) -> None:
        self._message = Message()
        for name, value in response.raw:
            if name == b"set-cookie":
                self._message.add_header("Set-Cookie", value.decode("latin-1"))

    def info(self) -> Message:
        return self._message
