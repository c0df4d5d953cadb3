"""Parses cookies from responses and browsers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from reactor.models import Cookie
from reactor.net.client import Response

if TYPE_CHECKING:
    from http.cookiejar import Cookie as TheirCookie


def set_cookies(response: Response) -> tuple[Cookie, ...]:
    """The cookies of a response that its host may set."""
    if "set-cookie" not in response.headers:
        return ()
    from http.cookiejar import CookieJar  # behind first use: it brings the whole of urllib.request
    from urllib.request import Request

    jar, host = CookieJar(), urlsplit(response.url).hostname or ""
    jar.extract_cookies(_Answer(response), Request(response.url))  # type: ignore[arg-type]
    return tuple(kept_cookies(_fields(each, host) for each in jar))


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
