"""Parses HLS playlists (RFC 8216). Pure: sends no requests.

    parse(text, url) -> Master | Media      a multivariant or a media playlist; `variants` chooses among the former's
    stream(media, …) -> MediaStream         the parts, and a local playlist for them

All raise DownloadError: `bad_manifest`, `live`, `drm`, `unsupported`, `playlist`, `too_many_parts`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace

from reactor import numbers
from reactor.errors import DownloadError
from reactor.media.local import Init, Key, Segment, Span, data_uri, key_data, write_playlist
from reactor.media.parts import (
    URLS_MAX,
    Holds,
    MediaStream,
    Part,
    Subtitles,
    absolute,
    bad_manifest,
    data_of,
    is_data,
    live,
    protected,
    too_large,
    too_many_parts,
)
from reactor.media.tags import Attributes, InitTag, Playlist, SegmentTag, Variant, lines_of, read
from reactor.media.variables import Variables
from reactor.numbers import FETCHES_MAX
from reactor.patterns import pattern
from reactor.records import dataclass

LINE_MAX = 64 * 1024
"""Characters of one line."""
LINES_MAX = 12 * FETCHES_MAX
ATTRIBUTES_MAX = 500_000
"""Attributes of all tags together."""
KEY_BYTES = 16

_EXACT = pattern(r"^#EXTINF:[ ]*\d+\.\d", re.MULTILINE)
_URI_LINE = pattern(r"^[^#\s]", re.MULTILINE)
_BYTE_RANGE = pattern(r"(\d{1,15})(?:\s*@\s*(\d{1,15}))?")
_IV = pattern(r"0x([0-9a-f]{1,32})", re.IGNORECASE)
_SYSTEMS = {
    "com.apple.streamingkeydelivery": "FairPlay",
    "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed": "Widevine",
    "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95": "PlayReady",
    "com.microsoft.playready": "PlayReady",
    "com.widevine": "Widevine",
}
SEGMENT_S_MAX = 86_400.0
SECTIONS_MAX = 10**15


@dataclass(frozen=True, slots=True)
class Master:
    """A multivariant playlist."""

    url: str
    variants: tuple[Variant, ...]
    media: tuple[Attributes, ...]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """A media playlist whose first segments are still there."""

    url: str
    segments: tuple[SegmentTag, ...]
    sequence: int | None
    """EXT-X-MEDIA-SEQUENCE; None if it is not a number."""
    exact: bool
    """True if the durations have decimals: they are not rounded to seconds."""
    section: int = 0
    """EXT-X-DISCONTINUITY-SEQUENCE."""
    open_s: float | None = None
    """The target duration of a playlist without an end; None if it has ended."""


def is_hls(text: str) -> bool:
    """True if the text begins with `#EXTM3U`."""
    return text.lstrip("\ufeff \t\r\n").startswith("#EXTM3U")


def list_of_links() -> DownloadError:
    """The error for an M3U that names files or stations, and no segments."""
    return DownloadError("This is a list of links, not one video.", hint="Send one of its links.", code="playlist")


def parse(text: str, url: str, imported: Mapping[str, str] | None = None, *, running: bool = False) -> Master | Media:
    """Parse the playlist at `url`; `imported` are the variables of the multivariant playlist that names it. `running`:
    one of a broadcast is read, too, whose first segments are gone or that has none yet."""
    if not is_hls(text):
        raise bad_manifest("it is not a playlist")
    count = len(_URI_LINE.findall(text))
    if count > FETCHES_MAX:
        raise too_many_parts(count)
    lines = lines_of(text)
    if any(len(line) > LINE_MAX for line in lines):
        raise bad_manifest("a line in it is too long")
    if len(lines) > LINES_MAX or sum(line.count("=") for line in lines if line.startswith("#")) > ATTRIBUTES_MAX:
        raise too_large()
    variables = Variables(url, imported)
    found = read(lines, variables)
    if found.master:
        return Master(url, tuple(found.variants), tuple(found.media), variables.values)
    if found.target is None and not found.ended and "#EXT-X-" not in text.upper():
        raise list_of_links()
    if found.seeking:
        raise DownloadError("This playlist holds pictures to seek by, not the video.", code="unsupported")
    open_s = _open_s(found, running=running)
    if not found.segments and not (running and open_s is not None):
        raise bad_manifest("it names no segment") if open_s is None else live()
    sequence = numbers.whole(found.sequence or "0")
    section = numbers.whole(found.section, most=SECTIONS_MAX) or 0
    return Media(url, tuple(found.segments), sequence, _EXACT.search(text) is not None, section, open_s)


def stream(media: Media, *, prefix: str = "", holds: Holds = ()) -> MediaStream:
    """The parts of a media playlist, their names prefixed by `prefix`, and a local playlist for them."""
    naming = _Naming(media.url, prefix)
    segments = [each for _, each in _segments(media, naming)]
    if not segments:
        raise bad_manifest("all of its segments are missing")
    total = sum(segment.duration_s for segment in segments)
    exact = media.exact and total > 0
    uses = Counter(segment.name for segment in segments)
    return MediaStream(
        "hls",
        tuple(naming.parts),
        write_playlist(segments),
        total if exact else None,
        holds,
        needed=tuple(place for place, part in enumerate(naming.parts) if uses[part.name] != 1),
        open_s=media.open_s,
    )


def subtitle_stream(media: Media, subtitles: Subtitles, *, prefix: str) -> MediaStream:
    """The same for a playlist of subtitles; all of its parts are optional."""
    found = stream(media, prefix=prefix)
    if any(segment.key and segment.key.get("METHOD", "").upper() != "NONE" for segment in media.segments):
        raise DownloadError("These subtitles are encrypted.", code="unsupported")
    parts = tuple(replace(part, optional=True) for part in found.parts)
    return replace(found, form="webvtt", parts=parts, duration_s=None, subtitles=subtitles)


def numbered(media: Media, *, prefix: str) -> tuple[list[tuple[int, Segment]], dict[str, Part]]:
    """The segments by their numbers in the stream, as of a local playlist, and the parts by their names."""
    naming = _Naming(media.url, prefix)
    segments = [((media.sequence or 0) + place, each) for place, each in _segments(media, naming)]
    return segments, {part.name: part for part in naming.parts}


def _open_s(found: Playlist, *, running: bool = False) -> float | None:
    """The target duration if it has no end yet. Raises DownloadError (`live`) if its first segments are gone."""
    if found.ended or found.form == "vod":
        return None
    if not running and found.form != "event" and numbers.whole(found.sequence or "0"):
        raise live()
    return numbers.decimal(found.target, most=SEGMENT_S_MAX) or 0.0


# The segments


@dataclass(slots=True)
class _Naming:
    """Assigns a local name to each URL. Caches what many segments share."""

    base: str
    prefix: str
    parts: list[Part] = field(default_factory=list)
    _urls: dict[str, str] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _length: int = 0

    def url(self, uri: str) -> str:
        """The absolute URL of `uri`."""
        if uri not in self._urls:
            self._urls[uri] = absolute(self.base, uri)
            self._length += len(self._urls[uri])
            if self._length > URLS_MAX:
                raise too_large()
        return self._urls[uri]

    def name(self, kind: str, uri: str, form: Callable[[int], str]) -> str:
        url = self.url(uri)
        if (kind, url) not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            name = self._names[kind, url] = self.prefix + form(self._counts[kind])
            self.parts.append(Part(url, name))
            if len(self.parts) > FETCHES_MAX:
                raise too_many_parts()
        return self._names[kind, url]

    def known(self, kind: str, uri: str) -> str | None:
        return self._names.get((kind, self.url(uri)))

    def data_key(self, uri: str) -> str:
        if uri not in self._keys:
            self._keys[uri] = _data_key(uri)
        return self._keys[uri]

    def inline(self, uri: str) -> str:
        """The canonical `data:` URI of an init section that is in the playlist itself."""
        if uri not in self._keys:
            self._keys[uri] = data_uri(data_of(uri))
        return self._keys[uri]


def _segments(media: Media, naming: _Naming) -> Iterator[tuple[int, Segment]]:
    """With their places in the playlist."""
    ends: dict[str, int] = {}
    section, gap = media.section, False
    for place, raw in enumerate(media.segments):
        number = None if media.sequence is None else media.sequence + place
        section += bool(place and raw.discontinuity)
        if raw.gap:
            gap = True
            continue
        key = _key(raw.key, number, naming)
        init = _init(raw.init, number, naming)
        span = _span(raw.byterange, naming.url(raw.uri), ends)
        name = _segment_name(raw.uri, init, naming)
        yield place, Segment(name, _duration(raw.duration), span, key, init, section, gap)
        gap = False


def _segment_name(uri: str, init: Init | None, naming: _Naming) -> str:
    # ffmpeg looks at the suffix; the manifest's own may be anything, so it is ours by what the segment must be.
    suffix = "m4s" if init else "ts"
    if init and naming.known("init", uri) == init.name:
        return init.name  # one file holds the init section and all segments, as ranges
    return naming.name("segment", uri, lambda n: f"{n:04}.{suffix}")


def _init(raw: InitTag | None, number: int | None, naming: _Naming) -> Init | None:
    if raw is None:
        return None
    if not raw.uri:
        raise bad_manifest("an init section in it has no address")
    if is_data(raw.uri):
        return Init(naming.inline(raw.uri), None, _key(raw.key, number, naming))
    span = _span(raw.byterange, naming.url(raw.uri), {})
    name = naming.name("init", raw.uri, lambda n: f"init-{n}.mp4")
    return Init(name, span, _key(raw.key, number, naming))


def _key(raw: Attributes | None, number: int | None, naming: _Naming) -> Key | None:
    """The key of segment `number`, which is also the IV unless one is given (RFC 8216, section 5.2)."""
    method = "NONE" if raw is None else raw.get("METHOD", "").upper()
    if raw is None or method == "NONE":
        return None
    uri, form = raw.get("URI", ""), raw.get("KEYFORMAT", "identity").lower()
    if method and (method != "AES-128" or form != "identity" or uri[:4].lower() == "skd:"):
        raise protected(_SYSTEMS.get(form, ""))
    iv = _IV.fullmatch(raw["IV"]) if "IV" in raw else None
    if not method or not uri or ("IV" in raw and iv is None):
        raise bad_manifest("a key in it is not described as it must be")
    value = int(iv[1], 16) if iv else number
    if value is None:
        raise bad_manifest("the number of its first segment is not valid")
    if is_data(uri):
        return Key(naming.data_key(uri), f"{value:032x}")
    return Key(naming.name("key", uri, lambda n: f"key-{n}.bin"), f"{value:032x}")


def _data_key(uri: str) -> str:
    key = data_of(uri)
    if len(key) != KEY_BYTES:
        raise bad_manifest(f"a key in it has {len(key)} bytes, not {KEY_BYTES}", code="bad_key")
    return key_data(key)


def _span(raw: str | None, url: str, ends: dict[str, int]) -> Span | None:
    """A byte range. Without an offset it begins where the last one of the same URL ended."""
    if raw is None:
        return None
    found = _BYTE_RANGE.fullmatch(raw.strip())
    if found is None or not int(found[1]):
        raise bad_manifest("a byte range in it is not valid")
    span = Span(int(found[2]) if found[2] else ends.get(url, 0), int(found[1]))
    if span.offset + span.length > numbers.SIZE_MAX:
        raise bad_manifest("a byte range in it is not valid")
    ends[url] = span.offset + span.length
    return span


def _duration(raw: str | None) -> float:
    """The nominal duration in seconds; 0 if it is invalid. The segment's own clock tells the real one."""
    return round(numbers.decimal(raw, most=SEGMENT_S_MAX) or 0.0, 6)
