"""A feed (RSS or Atom) → the things that it names, each to be a download of its own."""

from __future__ import annotations

from typing import NoReturn

from reactor.errors import DownloadError
from reactor.extractors.base import Context, Reclassified, Several, reclassified
from reactor.extractors.feed_document import bad_feed
from reactor.lists import Entry, Listing, ListRequest
from reactor.models import Kind
from reactor.net.failures import status_failure
from reactor.net.redirects import MagnetRedirect, follow, read_body
from reactor.net.urls import normalise
from reactor.plan import Detection

DOCUMENT_BYTES_MAX = 16 * 1024 * 1024


async def extract_feed(detection: Detection, context: Context, read: tuple[str, bytes] | None = None) -> NoReturn:
    """Raises Several; of a feed with one entry, Reclassified: that is what is wanted. Else DownloadError. `read`: where
    it stands, and its content, if it is known."""
    context.parsers.warm()
    try:
        url, raw = read or await _fetch(detection.url, context)
    except MagnetRedirect as magnet:
        raise Reclassified(reclassified(magnet)) from magnet
    title, items = await context.parsers.feed(raw, url)
    entries = list(_entries(items))
    if len(entries) == 1:
        only = normalise(entries[0].url)
        kind = Kind.TORRENT if only.startswith("magnet:") else Kind.DIRECT
        raise Reclassified(Detection(kind=kind, url=only, why="the only entry of a feed"))
    wanted = list_wanted(context)
    if wanted is None:
        raise refused(f"{len(entries):,}")
    raise Several(
        Listing.of(entries, wanted, kind=Kind.YTDLP, title=title or None, listed_only=context.options.want == "info")
    )


def list_wanted(context: Context) -> ListRequest | None:
    """What the row wants of a list; None where a list is refused."""
    options = context.options.playlist
    return None if options.mode == "one" or not context.playlist_max else ListRequest(options, context.playlist_max)


def refused(number: str, kind: type[DownloadError] = DownloadError) -> DownloadError:
    """The error for a list where one thing is wanted; `number`: of its entries, for people."""
    return kind(
        f"This is a list of {number} videos, not one video.", hint="Send the link of one video.", code="playlist"
    )


def _entries(items: list[tuple[str, str, str]]) -> list[Entry]:
    found: list[Entry] = []
    for key, url, title in items:
        try:
            found.append(Entry(key=key, url=normalise(url), title=title or None, position=len(found) + 1))
        except (DownloadError, ValueError):  # no address that could be fetched
            continue
    return found


async def _fetch(url: str, context: Context) -> tuple[str, bytes]:
    """The feed itself, and where it stands."""
    too_long = bad_feed(f"it is longer than {DOCUMENT_BYTES_MAX // 1024**2} MiB")
    async with follow("GET", url, context.http) as (final, response):
        if response.status not in (200, 203):
            raise status_failure(response.status, response.url, response.headers)
        return final, await read_body(response, context.http, DOCUMENT_BYTES_MAX, too_long)
