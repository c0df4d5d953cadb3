"""The streams of what yt-dlp found: their fetches, and what is sent for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field, replace
from urllib.parse import urlsplit

from pydantic import ValidationError

from reactor.errors import DownloadError
from reactor.extractors.ytdlp.formats import Format
from reactor.extractors.ytdlp.process import bad_answer
from reactor.media.local import renamed
from reactor.net.credentials import HeaderSets, referer_for
from reactor.net.jar import Jar
from reactor.net.urls import normalise_http
from reactor.plan import Cookie, Extraction, Fetch, Header, Track
from reactor.records import dataclass

PLAIN = "http", "https"
HLS = "m3u8", "m3u8_native"
_NEVER = ("accept-encoding", "connection", "content-length", "cookie", "host", "range", "te", "transfer-encoding")


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent for the fetches of a video."""

    jar: Jar
    headers: HeaderSets = field(default_factory=HeaderSets)
    given: tuple[Cookie, ...] = ()
    """Of the jar, those of whoever asked, which are in no plan."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One stream: its fetches, and how they make it up."""

    fetches: tuple[Fetch, ...]
    track: Track
    """Counted from its own first fetch."""
    duration_s: float | None = None


def taken_over(found: Extraction, role: str, sent: Sent) -> list[Piece]:
    """The streams of a manifest, under names that begin with `role`."""
    numbers = [sent.headers.number(headers) for headers in found.headers]
    pieces = []
    for track in found.finish.tracks:
        fetches = found.fetches[track.first : track.first + track.count]
        taken = tuple(
            replace(
                fetch,
                name=f"{role}-{fetch.name}",
                headers=None if fetch.headers is None else numbers[fetch.headers],
            )
            for fetch in fetches
        )
        playlist = renamed(track.playlist, role) if track.playlist else None
        track = track.model_copy(update={"first": 0, "playlist": playlist})
        pieces.append(Piece(taken, track, found.finish.duration_s))
    return pieces


def headers_of(format_: Format, sent: Sent) -> Callable[[str], int | None]:
    """Which headers go to a URL of this format: what may be a secret only to the host it is for."""
    return sent.headers.given(told_headers(format_), format_.url)


def told_headers(format_: Format) -> tuple[Header, ...]:
    """What yt-dlp would send, without what is aria2's to say. Its Referer is the page as it was asked for, with all
    that stands in its address."""
    told = [(name, value) for name, value in format_.http_headers.items() if name.lower() not in _NEVER]
    cut = [(name, referer_for(value, format_.url) if name.lower() == "referer" else value) for name, value in told]
    try:
        return tuple(Header(name=name, value=value) for name, value in cut if value is not None)
    except ValidationError as error:
        raise bad_answer() from error


def checked(url: str) -> str:
    """An http or https URL that is safe in a request."""
    try:
        if urlsplit(url).scheme.lower() in ("http", "https") and not re.search(r"[\x00-\x1f\x7f]", url):
            return normalise_http(url)
    except (DownloadError, ValueError):
        pass
    raise bad_answer()
