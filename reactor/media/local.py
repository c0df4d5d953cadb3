"""The media playlist of our own that lies beside the fetched parts: written here, and read back here.

It holds local names only. Key and init section are told again after every discontinuity, so that what
stands between two of them is a playlist by itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

END = "#EXT-X-ENDLIST"
_NONE = "#EXT-X-KEY:METHOD=NONE"
_DISCONTINUITY = "#EXT-X-DISCONTINUITY"
_KEY = re.compile(r'#EXT-X-KEY:METHOD=AES-128,URI="([^"]+)",IV=0x([0-9a-f]{32})')
_MAP = re.compile(r'#EXT-X-MAP:URI="([^"]+)"(?:,BYTERANGE="(\d+)@(\d+)")?')
_RANGE = re.compile(r"#EXT-X-BYTERANGE:(\d+)@(\d+)")


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
    """What comes before the segments of fMP4."""

    name: str
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
    discontinuity: bool = False
    """Its timestamps, or its codecs, do not follow those of the segment before."""


def write_playlist(segments: Iterable[Segment]) -> str:
    """The playlist, ended by a line break."""
    segments = list(segments)
    longest = max((math.ceil(segment.duration_s) for segment in segments), default=1)
    head = ["#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{max(longest, 1)}", "#EXT-X-PLAYLIST-TYPE:VOD"]
    return "\n".join([*head, *_lines(segments), END, ""])


def read_playlist(text: str) -> list[Segment]:
    """What `write_playlist` wrote."""
    segments: list[Segment] = []
    key: Key | None = None
    init: Init | None = None
    span: Span | None = None
    duration, discontinuity = 0.0, False
    for line in text.split("\n"):
        if line == _DISCONTINUITY:
            key, init, discontinuity = None, None, True
        elif line == _NONE:
            key = None
        elif found := _KEY.fullmatch(line):
            key = Key(found[1], found[2])
        elif found := _MAP.fullmatch(line):
            init = Init(found[1], Span(int(found[3]), int(found[2])) if found[2] else None, key)
        elif found := _RANGE.fullmatch(line):
            span = Span(int(found[2]), int(found[1]))
        elif line.startswith("#EXTINF:"):
            duration = float(line[len("#EXTINF:") :].rstrip(","))
        elif line and not line.startswith("#"):
            segments.append(Segment(line, duration, span, key, init, discontinuity))
            span, discontinuity = None, False
    return segments


def groups(segments: Iterable[Segment]) -> list[list[Segment]]:
    """The segments between discontinuities."""
    found: list[list[Segment]] = []
    for segment in segments:
        if segment.discontinuity or not found:
            found.append([])
        found[-1].append(segment)
    return found


def _lines(segments: Iterable[Segment]) -> Iterator[str]:
    key: Key | None = None
    init: Init | None = None
    for segment in segments:
        if segment.discontinuity:
            yield _DISCONTINUITY
            if key:
                yield _NONE
            key = init = None
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
