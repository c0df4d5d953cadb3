"""AAC in ADTS (ISO/IEC 13818-7): frames that tell their own length, alone in a file or inside of another stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from reactor.media.clocks import Measured, StreamClock

FILE_BYTES_MAX = 64 * 1024 * 1024
"""Of a longer file the clock is not read."""
SAMPLES = 1024
RATES = 96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350
_OWNER = b"com.apple.streaming.transportStreamTimestamp\0"


def is_adts(start: bytes) -> bool:
    """True for frames of AAC, with tags before them or not."""
    at = _after_tags(start)
    return _is_frame(start, at) or (at + 7 > len(start) and start[:3] == b"ID3")


def measure(file: BinaryIO, start: int, end: int) -> Measured | None:
    """The one sound between two places of a file."""
    if end - start > FILE_BYTES_MAX:
        return None
    file.seek(start)
    data = file.read(end - start)
    at = _after_tags(data)
    if not _is_frame(data, at):
        return None
    frames, whole = _count(data, at)
    begin = _timestamp(data[:at])
    rate = RATES[(data[at + 2] >> 2) & 0x0F]
    clock = StreamClock("audio", "aac", begin, begin + frames * SAMPLES / rate, setup_of(data[at:]))
    return Measured((clock,), ragged=not whole)


def setup_of(data: bytes) -> str:
    """Rate and channels of the first frame; empty where there is none."""
    if not _is_frame(data, 0):
        return ""
    return f"{RATES[(data[2] >> 2) & 0x0F]} Hz, {(data[2] & 1) << 2 | data[3] >> 6} channels"


def duration_of(data: bytes) -> float:
    """Seconds of the frames that begin in `data`; 0 where there are none."""
    return _count(data, 0)[0] * SAMPLES / RATES[(data[2] >> 2) & 0x0F] if _is_frame(data, 0) else 0.0


def _is_frame(data: bytes, at: int) -> bool:
    return (
        len(data) >= at + 7
        and data[at] == 0xFF
        and data[at + 1] & 0xF6 == 0xF0
        and (data[at + 2] >> 2) & 0x0F < len(RATES)
    )


def _count(data: bytes, at: int) -> tuple[int, bool]:
    """How many frames begin, and whether the last one is whole."""
    frames = 0
    while _is_frame(data, at):
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if length < 7:
            break
        frames += ((data[at + 6]) & 3) + 1
        at += length
    return frames, at <= len(data)


def _tags(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each ID3 tag begins and ends."""
    at = 0
    while data[at : at + 3] == b"ID3" and len(data) >= at + 10:
        size = (data[at + 6] & 127) << 21 | (data[at + 7] & 127) << 14 | (data[at + 8] & 127) << 7 | data[at + 9] & 127
        yield at, at + 10 + size
        at += 10 + size


def _after_tags(data: bytes) -> int:
    return max((end for _, end in _tags(data)), default=0)


def _timestamp(tags: bytes) -> float:
    """When the first frame is heard, as packed audio in HLS tells it (RFC 8216, section 3.4)."""
    at = tags.find(_OWNER)
    told = tags[at + len(_OWNER) : at + len(_OWNER) + 8] if at >= 0 else b""
    return (int.from_bytes(told) % 2**33) / 90_000 if len(told) == 8 else 0.0
