"""What the servers say of the formats that yt-dlp chose: their sizes, and whether they are there at all.

A site shows the size of a file rounded, of another quality, or of the day before yesterday. So the number that yt-dlp
tells is a hint; what the server of the file itself says is a promise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.ytdlp.formats import Format, Info
from reactor.extractors.ytdlp.pieces import told_headers
from reactor.net.cookies import kept_cookies
from reactor.net.credentials import headers_for
from reactor.net.failures import status_failure
from reactor.net.probe import PAGE_TYPES, read_headers
from reactor.net.redirects import MagnetRedirect, follow
from reactor.net.urls import normalise_http

PROBE_S = 8.0
"""A server that has not answered by then is asked again by who fetches; until then nothing is known."""
GONE = (403, 404, 410)
PLAIN = ("http", "https")


async def choose(info: Info, context: Context) -> Info:
    """The info with the first of its choices that the servers have, and with their own word on its size.

    Raises FormatsGone when the servers give none of them."""
    gone: FormatsGone | None = None
    for formats in (info.formats, *info.others):
        try:
            known = await _described(formats, info, context)
        except FormatsGone as error:
            gone = gone or error
        else:
            then = [await _described(each, info, context, sure=False) for each in info.then]
            return info.model_copy(update={"formats": known, "then": then})
    assert gone is not None  # there is at least one choice
    raise gone


class FormatsGone(DownloadError):
    """The servers do not give what yt-dlp found. What a browser finds may be something else."""


async def _described(formats: Sequence[Format], info: Info, context: Context, *, sure: bool = True) -> list[Format]:
    """The formats with what their servers say. `sure`: raises FormatsGone where one of them is not there."""
    found = dict(enumerate(map(_unpromised, formats)))
    gone: list[FormatsGone] = []

    async def look(place: int, format_: Format) -> None:
        try:
            with anyio.move_on_after(PROBE_S):
                found[place] = await _asked(format_, info, context)
        except FormatsGone as error:
            gone.append(error)
        except (DownloadError, MagnetRedirect):  # it is told where it is fetched
            pass

    async with anyio.create_task_group() as tasks:
        for place, format_ in enumerate(formats):
            if format_.protocol in PLAIN and not format_.special:
                tasks.start_soon(look, place, format_)
    if gone and sure:
        raise gone[0]
    return [found[place] for place in sorted(found)]


async def _asked(format_: Format, info: Info, context: Context) -> Format:
    home, given = normalise_http(format_.url), told_headers(format_)

    def lines(url: str) -> Mapping[str, str]:
        return {header.name: header.value for header in headers_for(given, home, url)}

    jar = context.http.jar(kept_cookies(info.cookies))
    async with follow("GET", home, context.http, lines, jar) as (final, response):
        seen = read_headers(final, response)
        if response.status in GONE or (response.status == 200 and seen.content_type in PAGE_TYPES):
            failure = status_failure(404 if response.status == 200 else response.status, home)
            raise FormatsGone(failure.message, hint=failure.hint, code=failure.code)
        if response.status not in (200, 203, 206):
            return _unpromised(format_)
    known = {"filesize": seen.size, "validator": seen.validator, "strong": seen.strong}
    return format_.model_copy(update=known)


def _unpromised(format_: Format) -> Format:
    return format_.model_copy(update={"filesize": None, "validator": None, "strong": False})
