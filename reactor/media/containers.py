"""Tells a container by its first bytes and measures it: headers and timestamps, no decoding.

    measure(file) -> Measured | None        None: a format whose clock is not read here
    find_transport_stream(start) -> offset  where a transport stream begins that a picture precedes
    kinds(head) -> {"video", "audio"}       the streams of a file, by its first bytes

Reads the beginning and the end of a transport stream, the headers of mp4 boxes, the frames of ADTS.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from reactor.media import adts, mp4, mpegts
from reactor.media.clocks import CutShort, Measured, StreamKind, is_picture
from reactor.patterns import pattern

START_BYTES = 4096
"""Enough to tell a format by."""
_EBML = b"\x1a\x45\xdf\xa3"
_TRACK_TYPE = pattern(rb"\x83\x81([\x01\x02])")
_WEBM: dict[bytes, StreamKind] = {b"\x01": "video", b"\x02": "audio"}


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


def kinds(head: bytes) -> set[StreamKind] | None:
    """The kinds of streams in a file that begins with `head`; None when that does not tell them."""
    if head.startswith(_EBML):
        return {_WEBM[kind] for kind in _TRACK_TYPE.findall(head)} or None
    if mp4.is_mp4(head):
        return mp4.kinds(BytesIO(head), len(head))
    return (mpegts.kinds(head) or None) if mpegts.is_stream(head) else None


def is_fragment(head: bytes) -> bool:
    """True for the beginning of a piece of a fragmented mp4, without its header."""
    return head[4:8] in (b"moof", b"styp", b"sidx")


def find_transport_stream(start: bytes) -> int | None:
    """Where a transport stream begins that has a picture before it; None where there is none."""
    found = mpegts.find_packets(start) if is_picture(start) else None
    return found or None
