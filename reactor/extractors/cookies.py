"""What answers set, and what goes along with the requests that follow on the same way."""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message
from urllib.parse import urlsplit

from reactor.extractors.client import Response
from reactor.guard.credentials import cookie_goes_to
from reactor.models import Cookie


def set_cookies(response: Response) -> tuple[Cookie, ...]:
    """The cookies of an answer, as far as it may set them."""
    if "set-cookie" not in response.headers:
        return ()
    from http.cookiejar import CookieJar  # behind first use: it brings the whole of urllib.request
    from urllib.request import Request

    jar, host = CookieJar(), urlsplit(response.url).hostname or ""
    jar.extract_cookies(_Answer(response), Request(response.url))  # type: ignore[arg-type]
    return tuple(
        Cookie(
            name=each.name,
            value=each.value or "",
            domain=each.domain.lstrip(".") if each.domain_specified else host,
            path=each.path,
            secure=each.secure,
            host_only=not each.domain_specified,
        )
        for each in jar
    )


def cookie_header(cookies: Iterable[Cookie], url: str) -> str:
    """The `Cookie` line of a request; empty when none of them goes there. The latest of one name, host and path
    counts."""
    latest = {(each.name, each.domain, each.path): each for each in cookies if cookie_goes_to(each, url)}
    return "; ".join(f"{each.name}={each.value}" for each in latest.values())


class _Answer:
    """The only thing that CookieJar wants of one."""

    def __init__(self, response: Response) -> None:
        self._message = Message()
        for name, value in response.raw:
            if name == b"set-cookie":
                self._message.add_header("Set-Cookie", value.decode("latin-1"))

    def info(self) -> Message:
        return self._message
