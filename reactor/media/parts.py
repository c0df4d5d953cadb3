"""The result of reading a manifest: its streams, made of parts at URLs, or the playlists to read next."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Literal
from urllib.parse import unquote_to_bytes, urljoin

from reactor.errors import DownloadError
from reactor.media.choice import NO_TRAITS, Traits
from reactor.numbers import FETCHES_MAX, PLAN_BYTES_MAX
from reactor.patterns import pattern
from reactor.records import dataclass

URL_MAX = 16 * 1024
"""Characters of one URL."""
URLS_MAX = PLAN_BYTES_MAX
"""Characters of all URLs of a stream: a small manifest can expand to many long ones."""
SERVERS_MAX = 4
"""Addresses of one part that are tried."""
LABEL_MAX = 100
"""Characters of an id, a language or a name."""
ID_MAX = 80
_NO_ID = pattern(r"[^A-Za-z0-9_.-]")

Holds = tuple[Literal["video", "audio"], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A file to fetch."""

    url: str
    """Absolute; not yet checked."""
    name: str
    """The local name; unique in its stream."""
    optional: bool = False
    """True if it may not exist: its number was computed from a duration, or it is of subtitles."""


@dataclass(frozen=True, slots=True)
class Subtitles:
    """Subtitles, as the manifest describes them."""

    language: str = ""
    """A BCP-47 tag, or empty."""
    name: str = ""

    @property
    def label(self) -> str:
        """For people: the name, else the language."""
        return self.name or self.language or "without a name"


@dataclass(frozen=True, slots=True)
class MediaStream:
    """One track of the result, as `plan.Track` has it."""

    form: Literal["file", "hls", "concat", "webvtt"]
    parts: tuple[Part, ...]
    playlist: str | None = None
    duration_s: float | None = None
    """Set if the manifest gives it exactly."""
    holds: Holds = ()
    """What it is announced to contain; empty if unknown."""
    needed: tuple[int, ...] = ()
    """Indexes of the parts that no other part can do without: init sections, keys, files of several segments."""
    open_s: float | None = None
    """The target duration of a playlist without an end; None if it has ended."""
    label: str = ""
    """The id of a DASH representation."""
    subtitles: Subtitles | None = None
    """Set for form `webvtt`."""
    traits: Traits = NO_TRAITS
    """What it was chosen by."""
    lasts: tuple[float, ...] = ()
    """For `concat`, where that was asked for: seconds of each part but the needed ones; empty if unknown."""
    late_s: float = 0.0
    """Of subtitles in fragments: by how much their clock is ahead of the video's."""
    sections: tuple[tuple[int, float, float], ...] = ()
    """Of subtitles in several sections: as `plan.Track` has them."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A media playlist to read."""

    url: str
    holds: Holds = ()
    subtitles: Subtitles | None = None
    """Set for a playlist of subtitles."""
    traits: Traits = NO_TRAITS


@dataclass(frozen=True, slots=True)
class Way:
    """One choice among the variants of a multivariant playlist."""

    picks: tuple[Pick, ...]
    """The video, then its audio if separate."""
    lines: int | None = None
    """Height of the video in pixels, if known."""
    subtitles: tuple[Pick, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The usable choices of a multivariant playlist, best first: the next one stands in for one that is dead."""

    ways: tuple[Way, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    """EXT-X-DEFINE, for the media playlists to import."""


def absolute(base: str, uri: str) -> str:
    """The absolute URL of `uri` in a manifest at `base`. Raises DownloadError (`bad_manifest`)."""
    try:
        found = urljoin(base, uri.strip()) if len(uri) <= URL_MAX else ""
    except ValueError as error:
        raise bad_manifest("an address in it is not valid") from error
    if not 0 < len(found) <= URL_MAX:
        raise bad_manifest("an address in it is too long")
    return found


def format_id(told: str) -> str:
    """The id of a format, as `options` take it: what no id has becomes `-`."""
    return _NO_ID.sub("-", told[:ID_MAX])


def is_data(uri: str) -> bool:
    """True for a `data:` URI (RFC 2397)."""
    return uri[:5].lower() == "data:"


def data_of(uri: str) -> bytes:
    """The content of a `data:` URI. Raises DownloadError (`bad_manifest`)."""
    head, _, body = uri.partition(",")
    raw = unquote_to_bytes(body)
    try:
        return base64.b64decode(raw, validate=True) if head.lower().endswith(";base64") else raw
    except binascii.Error as error:
        raise bad_manifest("a data: URI in it cannot be read") from error


def bounded(urls: Iterable[str]) -> Iterator[str]:
    """The URLs, checked against the limits of a stream. Raises DownloadError (`too_many_parts`, `too_large`)."""
    length = 0
    for count, url in enumerate(urls, 1):
        length += len(url)
        if count > FETCHES_MAX:
            raise too_many_parts()
        if length > URLS_MAX:
            raise too_large()
        yield url


def bad_manifest(why: str, *, code: str = "bad_manifest") -> DownloadError:
    """The error for an unusable manifest; `why` ends the sentence."""
    return DownloadError(f"The manifest of this stream cannot be used: {why}.", code=code)


def too_many_parts(count: int | None = None) -> DownloadError:
    """The error for a stream in more parts than one download may have."""
    said = f"{count:,}" if count is not None else f"more than {FETCHES_MAX:,}"
    return DownloadError(f"This stream comes in {said} parts; the limit is {FETCHES_MAX:,}.", code="too_many_parts")


def too_large() -> DownloadError:
    """The error for a manifest that is too large."""
    return bad_manifest("it is too large", code="too_large")


RECORD = "Try again when it is over, or have it recorded (`live`)."


def live() -> DownloadError:
    """The error for a stream without an end."""
    return DownloadError("This is a live stream: it has no end yet.", hint=RECORD, code="live")


def protected(system: str = "") -> DownloadError:
    """The error for media that needs a licensed player."""
    return DownloadError(f"This stream is protected by DRM{f' ({system})' if system else ''}.", code="drm")


class BadParts(DownloadError):
    """Parts are missing, or were deleted because they are unusable. All others are intact."""

    retryable_by_default = True

    def __init__(self, message: str, *names: str, code: str) -> None:
        super().__init__(message, code=code)
        self.names = names
