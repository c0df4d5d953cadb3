"""What answers set, and what goes along with the requests that follow on the same way."""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import ValidationError

from reactor.extractors.client import Response
from reactor.guard.credentials import cookie_goes_to
from reactor.models import Cookie

if TYPE_CHECKING:
    from http.cookiejar import Cookie as TheirCookie


def set_cookies(response: Response) -> tuple[Cookie, ...]:
    """The cookies of an answer, as far as it may set them."""
    if "set-cookie" not in response.headers:
        return ()
    from http.cookiejar import CookieJar  # behind first use: it brings the whole of urllib.request
    from urllib.request import Request

    jar, host = CookieJar(), urlsplit(response.url).hostname or ""
    jar.extract_cookies(_Answer(response), Request(response.url))  # type: ignore[arg-type]
    return tuple(cookie for each in jar if (cookie := _cookie(each, host)))


def _cookie(told: TheirCookie, host: str) -> Cookie | None:
    """A cookie as ours; None for one that no browser would keep: too long, or of a domain that is none."""
    domain = told.domain.lstrip(".") if told.domain_specified else host
    try:
        return Cookie(
            name=told.name,
            value=told.value or "",
            domain=domain,
            path=told.path,
            secure=bool(told.secure),  # "true" after `Secure=true`
            host_only=not told.domain_specified,
        )
    except ValidationError:
        return None


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
