"""Follows redirects: one request after another, with the credentials and cookies that each host may have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urljoin, urlsplit

import anyio

from reactor.errors import DownloadError
from reactor.net.client import NoAnswer, Response, request_target
from reactor.net.cookies import keep_cookies
from reactor.net.credentials import Credentials, same_host, split_credentials
from reactor.net.digest import digest_login
from reactor.net.failures import transport_failure
from reactor.net.jar import Jar
from reactor.net.session import HttpSession
from reactor.net.urls import normalise, normalise_http

REDIRECTS_MAX = 20
"""As browsers and aria2c have it."""
LOCATION_MAX = 16 * 1024
BODY_TIMEOUTS = 6
"""A body may take so many times as long as an answer may."""
REDIRECTS = (300, 301, 302, 303, 307, 308)

Headers = Mapping[str, str] | Callable[[str], Mapping[str, str]]
"""Of every request on a way; or, by a request's URL, what may go to that host."""


class MagnetRedirect(Exception):
    """A redirect led to a magnet link."""

    def __init__(self, url: str) -> None:
        super().__init__("redirects to a magnet link")
        self.url = url
        """The magnet link, normalised."""


@asynccontextmanager
async def follow(
    method: str,
    url: str,
    session: HttpSession,
    headers: Headers | None = None,
    jar: Jar | None = None,
    *,
    patient: bool = False,
) -> AsyncIterator[tuple[str, Response]]:
    """Send a request and follow its redirects; yield the final URL and its response, the body unread.

    A URL's user info, also that of a Location, is sent to its own host only, and is part of the yielded URL only there;
    by Digest where the server asks for that. Cookies that a response sets are sent with the requests that follow, and
    kept in `jar` where one is given. The response may have any status; it is closed behind, unless it is `held`.
    Raises DownloadError when there is none within the session's timeout, or its patience where `patient`, and
    MagnetRedirect."""
    try:
        with anyio.fail_after(session.patience_s if patient else session.timeout_s):
            final, response = await _walk(method, url, session, headers or {}, session.jar() if jar is None else jar)
    except (NoAnswer, TimeoutError) as error:
        raise transport_failure(error, url) from error
    try:
        yield final, response
    finally:
        if not response.held:
            response.close()


async def read_body(response: Response, session: HttpSession, most: int, too_long: DownloadError) -> bytes:
    """The whole body, up to `most` bytes. Raises `too_long` above that, and DownloadError when the body is incomplete
    or late."""
    body = bytearray()
    try:
        with anyio.fail_after(BODY_TIMEOUTS * session.timeout_s):
            async for piece in response.pieces():
                body += piece
                if len(body) > most:
                    raise too_long
    except (NoAnswer, TimeoutError) as error:
        raise transport_failure(error, response.url) from error
    return bytes(body)


async def _walk(method: str, url: str, session: HttpSession, headers: Headers, jar: Jar) -> tuple[str, Response]:
    """One request after the other, until an answer is no redirect."""
    start, credentials = split_credentials(url)
    current = start
    for _ in range(REDIRECTS_MAX + 1):
        lines = dict(headers(current) if callable(headers) else headers)
        if session.home_headers is not None:
            said = {name.lower() for name in lines}
            lines |= {name: value for name, value in session.home_headers(current).items() if name.lower() not in said}
        if cookie := jar.line(current):
            lines["Cookie"] = "; ".join(filter(None, (lines.get("Cookie"), cookie)))
        at_home = credentials is not None and same_host(start, current)
        response = await _asked(method, current, session, lines, credentials if at_home else None)
        response.cookies, response.cookie_line = session.new_cookies(jar.of(current)), lines.get("Cookie", "")
        keep_cookies(response, jar)
        location = response.headers.get("location", "").strip()
        if response.status not in REDIRECTS or not location:
            return credentials.into(current) if credentials and at_home else current, response
        response.close()
        current, found = _target(current, location)
        if found is not None:
            start, credentials = current, found
    raise DownloadError(
        f"{urlsplit(start).hostname} redirects in a loop: no answer after {REDIRECTS_MAX} redirects.",
        code="redirect_loop",
    )


async def _asked(
    method: str, current: str, session: HttpSession, lines: dict[str, str], credentials: Credentials | None
) -> Response:
    """One request; a second one where the server takes the login by Digest only."""
    url = urlsplit(current)._replace(fragment="").geturl()
    if credentials is None:
        return await session.client.ask(method, url, lines)
    response = await session.client.ask(method, url, {**lines, "Authorization": credentials.basic})
    login = digest_login(response.headers.get("www-authenticate", ""), credentials) if response.status == 401 else None
    if login is None:
        return response
    response.close()
    response = await session.client.ask(
        method, url, {**lines, "Authorization": login.header(method, request_target(url))}
    )
    response.digest = login
    return response


def _target(current: str, location: str) -> tuple[str, Credentials | None]:
    """Where a redirect leads: an http or https URL, and the user info in it. Raises DownloadError or MagnetRedirect."""
    host = urlsplit(current).hostname
    if location[:7].lower() == "magnet:":
        raise MagnetRedirect(normalise(location))
    try:
        target, credentials = split_credentials(urljoin(current, location))
        scheme = urlsplit(target).scheme
    except ValueError:
        target, scheme, credentials = "", "", None
    if scheme not in ("http", "https") or len(location) > LOCATION_MAX:
        raise DownloadError(f"{host} redirects to a URL that is neither http nor https.", code="bad_redirect")
    try:
        return normalise_http(target), credentials
    except DownloadError as error:
        raise DownloadError(f"{host} redirects to an address that is not valid.", code="bad_redirect") from error
