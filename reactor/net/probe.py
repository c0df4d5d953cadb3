"""Probes a URL for its headers: by HEAD, or by a GET of the first byte where HEAD does not help."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from urllib.parse import urljoin, urlsplit

import anyio

from reactor import numbers
from reactor.errors import DownloadError
from reactor.files.content import HEAD_BYTES, content_of, is_text
from reactor.models import Content
from reactor.net.client import NoAnswer, Response, request_target
from reactor.net.credentials import referer_for, split_credentials
from reactor.net.disposition import choose_name, parse_disposition
from reactor.net.failures import status_failure
from reactor.net.jar import Jar
from reactor.net.redirects import MagnetRedirect, follow
from reactor.net.refresh import refresh_in, refresh_to
from reactor.net.session import HttpSession
from reactor.net.urls import normalise, normalise_http
from reactor.net.validators import checksum_of, validator_of
from reactor.patterns import pattern
from reactor.plan import Header, HttpProbe
from reactor.records import dataclass

PAGE_TYPES = ("text/html", "application/xhtml+xml")
RANGE_REFUSED = (400, 403, 405, 501)
"""Statuses of servers that do not understand a Range header; a request without one decides."""
CHALLENGES = (202, 403, 503)
"""What is answered, with a page, to whoever is not a browser."""
PAGE_BYTES = 32 * 1024
"""So much of a page is read to see whether it leads on by itself."""
SEVERAL_BYTES = 8 * 1024 * 1024
"""What can be continued, and is as large, is fetched by several connections, if the server gives it again."""
AGAIN_S = 5.0
"""How long a server that has begun to answer may take to answer once more."""
REFRESHES_MAX = 3
"""Pages that lead on, one to the next."""
_CONTENT_RANGE = pattern(r"bytes\s+(?:\d+-\d+|\*)/(\d+)", re.IGNORECASE)


Referer = Callable[[str], str | None]
"""The page from which a URL is asked for; None: it was typed."""


class BrowsersOnly(DownloadError):
    """The server refuses programs; a browser may get the page."""

    def __init__(self, failure: DownloadError) -> None:
        super().__init__(failure.message, hint=failure.hint, code=failure.code, retryable=failure.retryable)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What answered, and where it sends its reader by itself."""

    probe: HttpProbe
    onward: str | None = None
    """As it is written."""

    @property
    def is_page(self) -> bool:
        seen = self.probe
        return seen.content_type in PAGE_TYPES and not seen.attachment and seen.begins in (None, Content.PAGE)


async def probe(
    url: str, session: HttpSession, *, head: bool = True, hold: bool = False, get: bool = True
) -> HttpProbe:
    """Ask for the headers of `url`, an http or https URL that may contain user info.

    By HEAD (`head`); where that is refused, gives no size, or is answered with a page, as servers without HEAD do,
    by a GET of the first byte, and without a range where that is refused. With `hold` the GET is a plain one, as
    browsers ask, and what answers is held for the fetch (`session.held`), if it is no page, and not worth to be
    fetched by several connections: that has to be given once more while the first answer stands. What is forbidden
    is asked for as if from a page of the same site. Of a page it reads the beginning; where that sends its reader
    on to a file, the file is what is seen. Without `get` nothing but HEAD is asked. Raises DownloadError,
    MagnetRedirect."""
    jar = session.jar()
    first = seen = await _probe(url, url, session, jar, _from_nowhere, head=head, hold=hold, get=get)
    for _ in range(REFRESHES_MAX):
        target = _target(seen) if seen.is_page else None
        if target is None:
            break
        page = split_credentials(seen.probe.url)[0]
        try:
            seen = await _probe(target, url, session, jar, partial(referer_for, page))
        except DownloadError:  # then the page is all there is
            break
    return _with_home_headers(first.probe if seen.is_page else seen.probe, session)


def _with_home_headers(found: HttpProbe, session: HttpSession) -> HttpProbe:
    """With the headers that the row asks for, which the fetch is to send too."""
    wanted = session.home_headers(found.url) if session.home_headers is not None else {}
    there = {header.name.lower() for header in found.headers}
    more = tuple(Header(name=name, value=value) for name, value in wanted.items() if name.lower() not in there)
    return found.model_copy(update={"headers": (*found.headers, *more)}) if more else found


def _target(seen: _Seen) -> str | None:
    """Where a page leads. Raises MagnetRedirect."""
    onward = seen.onward or ""
    try:
        if onward[:7].lower() == "magnet:":
            raise MagnetRedirect(normalise(onward))
        return normalise_http(urljoin(seen.probe.url, onward)) if onward else None
    except (DownloadError, ValueError):
        return None


def _from_nowhere(_: str) -> None:
    """As from an address that was typed."""


def _from_its_own_site(url: str) -> str | None:
    parts = urlsplit(url)
    return referer_for(f"{parts.scheme}://{parts.netloc}/", url)


class _RangeRefused(Exception):
    """The server may only dislike how it was asked: the Range header, or that there is no Referer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def _probe(
    url: str,
    sent: str,
    session: HttpSession,
    jar: Jar,
    referer: Referer,
    *,
    head: bool = True,
    hold: bool = False,
    get: bool = True,
) -> _Seen:
    """`sent`: the URL that led here; `jar`: with what pages on the way have set."""
    by_head = await _by_head(url, sent, session, jar.copy(), referer) if head else None
    if by_head is not None:
        return _Seen(by_head)
    if not get:
        raise DownloadError("HEAD does not tell what is there.", code="bad_answer")
    if hold:
        return await _once(url, sent, session, jar, referer)
    try:
        return await _by_get(url, sent, session, jar, referer, {"Range": "bytes=0-0"})
    except _RangeRefused as refused:
        return await _by_get(url, sent, session, jar, _from_its_own_site if refused.status == 403 else referer, {})


async def _once(url: str, sent: str, session: HttpSession, jar: Jar, referer: Referer) -> _Seen:
    """By one plain request, whose answer is held; a second one where that is forbidden."""
    try:
        return await _by_get(url, sent, session, jar, referer, {}, hold=True)
    except _RangeRefused:
        return await _by_get(url, sent, session, jar, _from_its_own_site, {}, hold=True, last=True)


async def _by_get(
    url: str,
    sent: str,
    session: HttpSession,
    jar: Jar,
    referer: Referer,
    headers: Mapping[str, str],
    *,
    hold: bool = False,
    last: bool = False,
) -> _Seen:
    async with follow("GET", url, session, _lines(headers, referer), jar, patient=True) as (final, response):
        if (headers and response.status in RANGE_REFUSED) or (hold and not last and response.status == 403):
            raise _RangeRefused(response.status)
        if response.status not in (200, 203, 206, 416):
            failure = status_failure(response.status, response.url, response.headers)
            raise BrowsersOnly(failure) if _challenges(response) else failure
        seen = read_headers(final, response, sent=sent, referer=referer)
        if seen.content_type not in PAGE_TYPES or seen.attachment:
            large = seen.resumable and (seen.size or 0) >= SEVERAL_BYTES
            if hold and not (large and await _gives_again(final, seen, session, jar, referer)):
                response.held = True
                session.held.keep(seen.url, response)
            return _Seen(seen)
        page = await _beginning(response, session) if response.status != 206 else b""
    page = page or await _first_bytes(url, session, jar, referer)
    onward = refresh_to(response.headers.get("refresh", "")) or refresh_in(page)
    return _Seen(read_headers(final, response, page, sent=sent, referer=referer), onward)


async def _gives_again(url: str, seen: HttpProbe, session: HttpSession, jar: Jar, referer: Referer) -> bool:
    """Whether a server gives what was seen to a further connection, while the first answer stands: a link may be used
    up, and one connection be all that there may be."""
    headers = _lines({"Range": "bytes=0-0"}, referer)
    with suppress(DownloadError, MagnetRedirect), anyio.move_on_after(AGAIN_S):
        async with follow("GET", url, session, headers, jar.copy()) as (final, response):
            again = read_headers(final, response, referer=referer)
            return response.status == 206 and (again.size, again.validator) == (seen.size, seen.validator)
    return False


async def _beginning(response: Response, session: HttpSession) -> bytes:
    """The first bytes of a body, as far as they arrive in time."""
    head = bytearray()
    with suppress(NoAnswer, TimeoutError), anyio.fail_after(session.timeout_s):
        async for piece in response.pieces():
            head += piece
            if len(head) >= PAGE_BYTES:
                break
    return bytes(head[:PAGE_BYTES])


async def _first_bytes(url: str, session: HttpSession, jar: Jar, referer: Referer) -> bytes:
    """Those of what stands at `url`; none where it does not answer a second time."""
    headers = _lines({"Range": f"bytes=0-{PAGE_BYTES - 1}"}, referer)
    try:
        async with follow("GET", url, session, headers, jar) as (_, response):
            return await _beginning(response, session) if response.status in (200, 203, 206) else b""
    except DownloadError:
        return b""


def _lines(headers: Mapping[str, str], referer: Referer) -> Callable[[str], Mapping[str, str]]:
    def lines(url: str) -> Mapping[str, str]:
        page = referer(url)
        return {**headers, "Referer": page} if page else headers

    return lines


def _challenges(response: Response) -> bool:
    """True for a page instead of an answer, unless it says when to come again: then it means it."""
    page = response.headers.get("content-type", "").partition(";")[0].strip().lower() in PAGE_TYPES
    return response.status in CHALLENGES and page and "retry-after" not in response.headers


async def _by_head(url: str, sent: str, session: HttpSession, jar: Jar, referer: Referer) -> HttpProbe | None:
    """What HEAD shows, or None when it has to be asked otherwise."""
    try:
        async with follow("HEAD", url, session, _lines({}, referer), jar) as (final, response):
            if response.status == 429 and "retry-after" in response.headers:
                raise status_failure(response.status, response.url, response.headers)
            if response.status != 200:  # also 203, which aria2 does not take: it is handed over
                return None
            seen = read_headers(final, response, sent=sent, referer=referer)
    except DownloadError as error:
        if error.code in ("timeout", "connection_lost", "bad_answer"):
            return None
        raise
    if not seen.size or seen.content_type in PAGE_TYPES:
        return None
    return seen.model_copy(update={"by_head": response.digest is None})  # a login by Digest is for GET only


def read_headers(
    url: str, response: Response, head: bytes = b"", *, sent: str = "", referer: Referer = _from_nowhere
) -> HttpProbe:
    """What the headers of an answer from `url` say, and, of what is said to be a page, its first bytes: scripts call
    everything a page. `sent`: the URL that led there, whose name counts where the server gives none; `referer`: by
    which it was asked for."""
    headers, status, head = response.headers, response.status, head[:HEAD_BYTES]
    begins = (content_of(head) or (Content.TEXT if is_text(head) else Content.BINARY)) if head else None
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower() or None
    if status == 416 or begins is Content.BINARY:  # not even a first byte: the type is that of the error page
        content_type = None
    disposition = parse_disposition(_raw(response, b"content-disposition"))
    plain, (validator, strong) = url.partition("#")[0], validator_of(headers)
    given = {"Referer": referer(plain)}
    if response.digest is not None:
        plain = split_credentials(plain)[0]
        given["Authorization"] = response.digest.header("GET", request_target(plain))
    return HttpProbe(
        url=plain,
        headers=tuple(Header(name=name, value=value) for name, value in given.items() if value),
        cookies=response.cookies,
        content_type=content_type,
        begins=begins,
        size=_size(response),
        name=choose_name(disposition, plain, content_type, sent=sent.partition("#")[0]),
        attachment=disposition.attachment,
        validator=validator,
        strong=strong,
        checksum=checksum_of(headers) if status in (200, 206) else None,
        packed=response.packed,
        resumable=status in (206, 416) or "bytes" in headers.get("accept-ranges", "").lower(),
    )


def _size(response: Response) -> int | None:
    """Bytes of the whole, or None when nobody says so, or when they are those of a compressed form."""
    headers = response.headers
    if headers.get("content-encoding", "identity").lower() != "identity":
        return None
    if response.status in (206, 416):
        total = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
        digits = total[1] if total else ""
    else:
        digits = headers.get("content-length", "")
    return numbers.size(digits)


def _raw(response: Response, name: bytes) -> bytes | None:
    return next((value for key, value in response.raw if key == name), None)
