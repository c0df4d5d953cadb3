"""What a part of a stream holds and when it begins and ends, by its own clock: headers and timestamps, no decoding.

    measure(file) -> Measured | None        None: a format whose clock is not read here
    find_transport_stream(start) -> offset  where a TS begins that hides behind a picture

Reads the beginning and the end of a transport stream, the headers of mp4 boxes, the frames of ADTS.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

StreamKind = Literal["video", "audio"]
LOOK_BYTES = 4096
"""Enough to tell a format by."""


class CutShort(Exception):
    """The file ends before its own headers say that it does."""


@dataclass(frozen=True, slots=True)
class StreamClock:
    """One stream of a part."""

    kind: StreamKind
    codec: str
    """As ffmpeg calls it, where it is known; else how the container calls it."""
    start_s: float
    """When its first picture or sound is shown."""
    end_s: float
    """When its last one is over."""
    setup: str = ""
    """What a decoder is set up with once: parts in which it differs cannot follow each other. Empty: unknown."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one part holds."""

    streams: tuple[StreamClock, ...]
    """In the order that ffmpeg numbers them in."""
    ragged: bool = False
    """Its last packet is not whole. A muxer that was stopped leaves that too: no proof that something is missing."""

    def of(self, kind: StreamKind) -> StreamClock | None:
        """The first stream of a kind."""
        return next((stream for stream in self.streams if stream.kind == kind), None)

    @property
    def main(self) -> StreamClock | None:
        """The stream that tells how long the part is: the picture, where there is one."""
        return self.of("video") or self.of("audio")


def measure(file: BinaryIO, *, offset: int = 0, length: int | None = None, init: Path | None = None) -> Measured | None:
    """Measure `length` bytes of `file` from `offset` on; `init` holds the header of a fragmented mp4 that stands apart.

    Blocks on the disk, reads about a megabyte. Raises CutShort, OSError."""
    from reactor.media import adts, mp4, mpegts

    size = file.seek(0, 2)
    end = size if length is None else offset + length
    if end > size:
        raise CutShort
    file.seek(offset)
    start = file.read(min(LOOK_BYTES, end - offset))
    if mpegts.is_stream(start):
        return mpegts.measure(file, offset, end)
    if is_picture(start):
        start += file.read(min(mpegts.SEARCH_BYTES, end - offset - len(start)))
        packets = mpegts.find_packets(start)
        return None if packets is None else mpegts.measure(file, offset + packets, end)
    if mp4.is_mp4(start):
        return mp4.measure(file, offset, end, init)
    if adts.is_adts(start):
        return adts.measure(file, offset, end)
    return None


_PICTURES = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"
_OTHERS = b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"Rar!"


def is_picture(start: bytes) -> bool:
    """True for what begins as a picture."""
    return start.startswith(_PICTURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def is_foreign(start: bytes) -> bool:
    """True for what begins as a picture, an archive or a document: no part of a stream, whatever its name."""
    return is_picture(start) or start.startswith(_OTHERS)


def find_transport_stream(start: bytes) -> int | None:
    """Where a transport stream begins that has a picture before it; None where there is none."""
    from reactor.media import mpegts

    found = mpegts.find_packets(start) if is_picture(start) else None
    return found or None
