"""The local media playlist for the fetched parts: written here, and read back here.

It has local names only. A section is what lies between two discontinuities; its tracks share a clock. Sections are
numbered like `EXT-X-DISCONTINUITY-SEQUENCE`; a track may lack some of them. Key and init section are repeated after
every discontinuity, so that each section is a playlist by itself.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from reactor.patterns import pattern
from reactor.records import dataclass

END = "#EXT-X-ENDLIST"
_NONE = "#EXT-X-KEY:METHOD=NONE"
_DISCONTINUITY = "#EXT-X-DISCONTINUITY"
_GAP = "#EXT-X-REACTOR-GAP"
_LINE = pattern(r"[^\n]+")
_SECTION = pattern(r"#EXT-X-DISCONTINUITY-SEQUENCE:(\d{1,18})")
_KEY = pattern(r'#EXT-X-KEY:METHOD=AES-128,URI="([^"]+)",IV=0x([0-9a-f]{32})')
_MAP = pattern(r'#EXT-X-MAP:URI="([^"]+)"(?:,BYTERANGE="(\d+)@(\d+)")?')
DATA = "data:application/octet-stream;base64,"
"""How a `data:` URI of ours begins."""
_KEY_DATA = pattern(r"data:application/octet-stream;base64,[A-Za-z0-9+/]{22}==")
_RANGE = pattern(r"#EXT-X-BYTERANGE:(\d+)@(\d+)")


@dataclass(frozen=True, slots=True)
class Span:
    """A range of bytes in a file."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Key:
    """AES-128 in CBC mode."""

    uri: str
    """A local name, or a `data:` URI that we wrote."""
    iv: str
    """32 hex digits, lower case."""


@dataclass(frozen=True, slots=True)
class Init:
    """The init section of fMP4 segments."""

    name: str
    """A local name, or a `data:` URI that we wrote."""
    span: Span | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of media."""

    name: str
    duration_s: float
    span: Span | None = None
    key: Key | None = None
    init: Init | None = None
    section: int = 0
    """Timestamps are continuous only between segments of the same section."""
    gap: bool = False
    """Segments before it are missing."""


def write_playlist(segments: Iterable[Segment]) -> str:
    """The playlist, ended by a line break."""
    longest, first, body = 1, 0, io.StringIO()

    def noted() -> Iterator[Segment]:
        nonlocal longest, first
        for place, segment in enumerate(segments):
            longest = max(longest, math.ceil(segment.duration_s))
            first = first if place else segment.section
            yield segment

    body.writelines(f"{line}\n" for line in _lines(noted()))
    head = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{longest}", "#EXT-X-PLAYLIST-TYPE:VOD"]
    head += [f"{_DISCONTINUITY}-SEQUENCE:{first}"] if first else []
    body.write(f"{END}\n")
    lines = body.getvalue()
    body.close()  # there may be 20 000: not more copies of them at once than need be
    return "\n".join([*head, lines])


def read_playlist(text: str) -> list[Segment]:
    """The segments that `write_playlist` has written."""
    return list(each_segment(text))


def each_segment(text: str) -> Iterator[Segment]:
    """The same as an iterator: there may be 20 000."""
    key: Key | None = None
    init: Init | None = None
    span: Span | None = None
    duration, section, gap = 0.0, 0, False
    for line in (found[0] for found in _LINE.finditer(text)):
        if not line.startswith("#"):
            yield Segment(line, duration, span, key, init, section, gap)
            span, gap = None, False
        elif line.startswith("#EXTINF:"):
            duration = float(line[len("#EXTINF:") :].rstrip(","))
        elif line == _DISCONTINUITY:
            key, init, section = None, None, section + 1
        elif found := _SECTION.fullmatch(line):
            section = int(found[1])
        elif line == _GAP:
            gap = True
        elif line == _NONE:
            key = None
        elif found := _KEY.fullmatch(line):
            key = Key(found[1], found[2])
        elif found := _MAP.fullmatch(line):
            init = Init(found[1], Span(int(found[3]), int(found[2])) if found[2] else None, key)
        elif found := _RANGE.fullmatch(line):
            span = Span(int(found[2]), int(found[1]))


def files_of(segment: Segment) -> Iterator[str]:
    """The names of the files that this segment is read from: the segment, its init section, their keys."""
    yield segment.name
    if segment.init and not segment.init.name.startswith(DATA):
        yield segment.init.name
    for key in (segment.key, segment.init and segment.init.key):
        if key and not _KEY_DATA.fullmatch(key.uri):
            yield key.uri


def names_of(segments: Iterable[Segment]) -> list[str]:
    """The names of all their files, each once, in the order in which they are of use: what a segment needs comes before
    it."""
    return list(dict.fromkeys(name for each in segments for name in reversed([*files_of(each)])))


def data_uri(data: bytes) -> str:
    """The bytes as a `data:` URI."""
    return f"{DATA}{base64.b64encode(data).decode()}"


def key_data(key: bytes) -> str:
    """A key of 16 bytes as a `data:` URI."""
    return data_uri(key)


def init_data(init: Init) -> bytes | None:
    """The bytes of an init section that is in the playlist itself; None if it is a file."""
    return base64.b64decode(init.name[len(DATA) :]) if init.name.startswith(DATA) else None


def renamed(playlist: str, role: str) -> str:
    """A local playlist with `role` before the name of each part."""

    def key(old: Key | None) -> Key | None:
        return replace(old, uri=f"{role}-{old.uri}") if old and not old.uri.startswith("data:") else old

    def segment(old: Segment) -> Segment:
        init = old.init
        if init:
            name = init.name if init.name.startswith(DATA) else f"{role}-{init.name}"
            init = replace(init, name=name, key=key(init.key))
        return replace(old, name=f"{role}-{old.name}", key=key(old.key), init=init)

    return write_playlist(map(segment, each_segment(playlist)))


def _lines(segments: Iterable[Segment]) -> Iterator[str]:
    key: Key | None = None
    init: Init | None = None
    section: int | None = None
    for segment in segments:
        for _ in range(segment.section - (segment.section if section is None else section)):
            yield _DISCONTINUITY
            if key:
                yield _NONE
            key = init = None
        section = segment.section
        if segment.gap:
            yield _GAP
        if segment.init != init and segment.init:
            # A key in force when the init section is named is the init section's too (RFC 8216, section 4.3.2.5).
            init = segment.init
            if init.key != key:
                key = init.key
                yield _key_line(key)
            yield f'#EXT-X-MAP:URI="{init.name}"' + (f',BYTERANGE="{_range(init.span)}"' if init.span else "")
        if segment.key != key:
            key = segment.key
            yield _key_line(key)
        yield f"#EXTINF:{segment.duration_s:.6f},"
        if segment.span:
            yield f"#EXT-X-BYTERANGE:{_range(segment.span)}"
        yield segment.name


def _key_line(key: Key | None) -> str:
    return f'#EXT-X-KEY:METHOD=AES-128,URI="{key.uri}",IV=0x{key.iv}' if key else _NONE


def _range(span: Span) -> str:
    return f"{span.length}@{span.offset}"
