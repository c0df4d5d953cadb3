"""Probes a URL for its headers: by HEAD, or by a GET of the first byte where HEAD does not help."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

import anyio

from reactor import numbers
from reactor.errors import DownloadError
from reactor.files.content import HEAD_BYTES, content_of, is_text
from reactor.models import Content, HttpProbe
from reactor.net.client import NoAnswer, Response
from reactor.net.disposition import choose_name, parse_disposition
from reactor.net.failures import status_failure
from reactor.net.redirects import follow
from reactor.net.session import HttpSession
from reactor.net.validators import validator_of

PAGE_TYPES = ("text/html", "application/xhtml+xml")
RANGE_REFUSED = (400, 403, 405, 501)
"""Statuses of servers that do not understand a Range header; a request without one decides."""
CHALLENGES = (403, 503)
"""What is answered, with a page, to whoever is not a browser."""
_CONTENT_RANGE = re.compile(r"bytes\s+(?:\d+-\d+|\*)/(\d+)", re.IGNORECASE)


class BrowsersOnly(DownloadError):
    """The server refuses programs; a browser may get the page."""

    def __init__(self, failure: DownloadError) -> None:
        super().__init__(failure.message, hint=failure.hint, code=failure.code, retryable=failure.retryable)


async def probe(url: str, session: HttpSession) -> HttpProbe:
    """Ask for the headers of `url`, an http or https URL that may contain user info.

    Sends one request where HEAD is answered well, else a second one: where HEAD is refused, gives no size, or is
    answered with a page, as servers without HEAD do; a third one, without a range, where that is refused. Of a page it
    reads the first bytes. Raises DownloadError, MagnetRedirect."""
    by_head = await _by_head(url, session)
    if by_head is not None:
        return by_head
    try:
        return await _by_get(url, session, {"Range": "bytes=0-0"})
    except _RangeRefused:
        return await _by_get(url, session, {})


class _RangeRefused(Exception):
    """The server may only dislike the Range header."""


async def _by_get(url: str, session: HttpSession, headers: Mapping[str, str]) -> HttpProbe:
    async with follow("GET", url, session, headers, patient=True) as (final, response):
        if headers and response.status in RANGE_REFUSED:
            raise _RangeRefused
        if response.status not in (200, 203, 206, 416):
            failure = status_failure(response.status, response.url, response.headers)
            raise BrowsersOnly(failure) if _challenges(response) else failure
        seen = read_headers(final, response, sent=url)
        if seen.content_type not in PAGE_TYPES or seen.attachment:
            return seen
        head = await beginning(response, session) if response.status != 206 else b""
    return read_headers(final, response, head or await _first_bytes(url, session), sent=url)


async def beginning(response: Response, session: HttpSession) -> bytes:
    """The first bytes of a body, as far as they arrive in time."""
    head = bytearray()
    with suppress(NoAnswer, TimeoutError), anyio.fail_after(session.timeout_s):
        async for piece in response.pieces():
            head += piece
            if len(head) >= HEAD_BYTES:
                break
    return bytes(head[:HEAD_BYTES])


async def _first_bytes(url: str, session: HttpSession) -> bytes:
    """Those of what stands at `url`; none where it does not answer a second time."""
    try:
        async with follow("GET", url, session, {"Range": f"bytes=0-{HEAD_BYTES - 1}"}) as (_, response):
            return await beginning(response, session) if response.status in (200, 203, 206) else b""
    except DownloadError:
        return b""


def _challenges(response: Response) -> bool:
    """True for a page instead of an answer, unless it says when to come again: then it means it."""
    page = response.headers.get("content-type", "").partition(";")[0].strip().lower() in PAGE_TYPES
    return response.status in CHALLENGES and page and "retry-after" not in response.headers


async def _by_head(url: str, session: HttpSession) -> HttpProbe | None:
    """What HEAD shows, or None when it has to be asked otherwise."""
    try:
        async with follow("HEAD", url, session) as (final, response):
            if response.status == 429:
                raise status_failure(response.status, response.url, response.headers)
            if response.status not in (200, 203):
                return None
            seen = read_headers(final, response, sent=url)
    except DownloadError as error:
        if error.code in ("timeout", "connection_lost", "bad_answer"):
            return None
        raise
    return None if not seen.size or seen.content_type in PAGE_TYPES else seen.model_copy(update={"by_head": True})


def read_headers(url: str, response: Response, head: bytes = b"", *, sent: str = "") -> HttpProbe:
    """What the headers of an answer from `url` say, and, of what is said to be a page, its first bytes: scripts call
    everything a page. `sent`: the URL that led there by redirects, whose name counts where the server gives none."""
    headers, status = response.headers, response.status
    begins = (content_of(head) or (Content.TEXT if is_text(head) else Content.BINARY)) if head else None
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower() or None
    if status == 416 or begins is Content.BINARY:  # not even a first byte: the type is that of the error page
        content_type = None
    disposition = parse_disposition(_raw(response, b"content-disposition"))
    plain, (validator, strong) = url.partition("#")[0], validator_of(headers)
    return HttpProbe(
        url=plain,
        content_type=content_type,
        begins=begins,
        size=_size(response),
        name=choose_name(disposition, plain, content_type, sent=sent.partition("#")[0]),
        attachment=disposition.attachment,
        validator=validator,
        strong=strong,
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
