"""Tells a container by its first bytes and measures it: headers and timestamps, no decoding.

    measure(file) -> Measured | None        None: a format whose clock is not read here
    find_transport_stream(start) -> offset  where a transport stream begins that a picture precedes

Reads the beginning and the end of a transport stream, the headers of mp4 boxes, the frames of ADTS.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from reactor.media import adts, mp4, mpegts
from reactor.media.clocks import CutShort, Measured, is_picture

START_BYTES = 4096
"""Enough to tell a format by."""


def measure(file: BinaryIO, *, offset: int = 0, length: int | None = None, init: Path | None = None) -> Measured | None:
    """Measure `length` bytes of `file` from `offset` on; `init` holds the header of a fragmented mp4 that stands apart.

    Blocks on the disk, reads about a megabyte. Raises CutShort, OSError."""
    size = file.seek(0, 2)
    end = size if length is None else offset + length
    if end > size:
        raise CutShort
    file.seek(offset)
    start = file.read(min(START_BYTES, end - offset))
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


def find_transport_stream(start: bytes) -> int | None:
    """Where a transport stream begins that has a picture before it; None where there is none."""
    found = mpegts.find_packets(start) if is_picture(start) else None
    return found or None
