"""Our own HTTP requests: the client, and the way along redirects that we go ourselves, step by step."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit

import anyio
import certifi
import httpx

from reactor import __version__
from reactor.errors import DownloadError
from reactor.extractors.base import Context, HandOver
from reactor.extractors.failures import transport_failure
from reactor.extractors.urls import normalise, normalise_http
from reactor.guard.credentials import same_host, split_credentials
from reactor.models import Detection, Kind

REDIRECTS_MAX = 10
LOCATION_MAX = 16 * 1024
LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=8, keepalive_expiry=15.0)
CLOSE_S = 5.0
"""How long closing a connection may take."""
REDIRECTS = (301, 302, 303, 307, 308)
_LOCATION = "reactor_location"
USER_AGENT = f"reactor/{__version__}"

Headers = Mapping[str, str] | Callable[[str], Mapping[str, str]]
"""Of every request on a way; or, by a request's URL, what may go to that host."""


class _Https(httpx.AsyncBaseTransport):
    """The way to https servers, with certificates checked. Made when the first one is asked: reading all CAs takes
    40 ms, which a start has better use for."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._transport is None:
            tls = self._tls or ssl.create_default_context(cafile=certifi.where())
            self._transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=LIMITS)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        if self._transport is not None:
            await self._transport.aclose()


@asynccontextmanager
async def open_context(
    *, user_agent: str = "", http_timeout_s: float = 20.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Context]:
    """The one client of a reactor, with certifi's CAs unless told otherwise, closed at the end."""
    async with httpx.AsyncClient(
        trust_env=False,
        verify=False,  # of what is not https: that goes another way
        mounts={"https://": _Https(tls)},
        http2=False,
        follow_redirects=False,
        timeout=http_timeout_s,
        limits=LIMITS,
        # A jar that takes and gives nothing: what one row's server sets is not sent for another's.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
        event_hooks={"response": [_set_location_aside]},
        headers={"User-Agent": user_agent or USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
    ) as client:
        yield Context(client=client, http_timeout_s=http_timeout_s)


@asynccontextmanager
async def follow(
    method: str, url: str, context: Context, headers: Headers | None = None
) -> AsyncIterator[tuple[str, httpx.Response]]:
    """Ask for `url` and go where it redirects; yield the URL that answered and its answer, body unread.

    The URL's user info goes to its own host only, and is part of the yielded URL only there. Cookies set
    on the way live as long as the way. The answer may have any status. Raises DownloadError when there is
    none within `http_timeout_s`, and HandOver when the way ends at a magnet link."""
    response: httpx.Response | None = None
    try:
        try:
            with anyio.fail_after(context.http_timeout_s):
                final, response = await _walk(method, url, context, headers or {})
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise transport_failure(error, url) from error
        yield final, response
    finally:
        if response is not None:
            with anyio.move_on_after(CLOSE_S, shield=True):
                await response.aclose()


async def _walk(method: str, url: str, context: Context, headers: Headers) -> tuple[str, httpx.Response]:
    """One request after the other, until an answer is no redirect."""
    start, credentials = split_credentials(url)
    current, cookies = start, httpx.Cookies()
    for _ in range(REDIRECTS_MAX + 1):
        request = context.client.build_request(
            method,
            urlsplit(current)._replace(fragment="").geturl(),
            headers=headers(current) if callable(headers) else headers,
        )
        cookies.set_cookie_header(request)
        at_home = credentials is not None and same_host(start, current)
        if credentials and at_home:
            request.headers["Authorization"] = credentials.basic
        # An answer without a body is read to its end, so that the next question finds the connection open.
        response = await context.client.send(request, stream=method != "HEAD")
        location = response.extensions.get(_LOCATION, "").strip()
        if response.status_code not in REDIRECTS or not location:
            return credentials.into(current) if credentials and at_home else current, response
        await response.aclose()
        cookies.extract_cookies(response)
        current = _target(current, location)
    raise DownloadError(
        f"{urlsplit(start).hostname} keeps redirecting: {REDIRECTS_MAX} redirects led to no answer.",
        code="redirect_loop",
    )


async def _set_location_aside(response: httpx.Response) -> None:
    """Keep httpx from looking at a redirect: it fails on a Location it cannot read, even when it follows none."""
    if "location" in response.headers:
        response.extensions[_LOCATION] = response.headers.pop("location")


def _target(current: str, location: str) -> str:
    """Where a redirect leads: an http or https URL without user info. Raises DownloadError or HandOver."""
    host = urlsplit(current).hostname
    if location[:8].lower() == "magnet:?":
        raise HandOver(Detection(kind=Kind.TORRENT, url=normalise(location), why="redirects to a magnet link"))
    try:
        target = split_credentials(urljoin(current, location))[0]
    except ValueError:
        target = ""
    scheme = urlsplit(target).scheme
    if scheme not in ("http", "https") or len(location) > LOCATION_MAX:
        raise DownloadError(f"{host} redirects to something that is no http or https address.", code="bad_redirect")
    try:
        return normalise_http(target)
    except DownloadError as error:
        raise DownloadError(f"{host} redirects to an address that is not valid.", code="bad_redirect") from error
