"""What aria2's control file (`NAME.aria2`) says of the bytes that are there. Pure.

Its format is in aria2's manual, "Technical notes": numbers are big-endian, a bit for each piece, and for each piece
under way a bit for each block of 16 KiB."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from reactor.records import dataclass

CONTROL_BYTES_MAX = 32 * 1024 * 1024
_BLOCK = 16 * 1024


@dataclass(frozen=True, slots=True)
class Present:
    """The bytes of a file that are there."""

    total: int
    """Bytes of the whole."""
    runs: tuple[tuple[int, int], ...]
    """First byte and the one behind the last, in order, apart from one another."""

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return sum(end - start for start, end in self.runs)


def read_control_file(raw: bytes) -> Present | None:
    """What a control file says; None for one that cannot be read."""
    try:
        version, _, hash_length = struct.unpack_from(">HII", raw)
        piece, total, _, length = struct.unpack_from(">IQQI", raw, 10 + hash_length)
        at = 10 + hash_length + 24
        bits, at = raw[at : at + length], at + length
        (count,) = struct.unpack_from(">I", raw, at)
        pieces = (total + piece - 1) // piece if piece else 0
        if version != 1 or not piece or len(bits) != length or length != (pieces + 7) // 8:
            return None
        spans = [(n * piece, min((n + 1) * piece, total)) for n in _set_bits(bits)]
        at += 4
        for _ in range(min(count, len(raw))):
            index, size, length = struct.unpack_from(">III", raw, at)
            start, end = index * piece, min(index * piece + size, total)
            blocks = raw[at + 12 : at + 12 + length]
            spans += [(start + n * _BLOCK, min(start + (n + 1) * _BLOCK, end)) for n in _set_bits(blocks)]
            at += 12 + length
    except struct.error:
        return None
    return Present(total, tuple(_merged(spans)))


def _set_bits(bits: bytes) -> Iterator[int]:
    """The numbers of the bits that are set, the highest of the first byte being 0."""
    for place, byte in enumerate(bits):
        for bit in range(8) if byte else ():
            if byte & 0x80 >> bit:
                yield place * 8 + bit


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start = end = 0
    for first, last in sorted(spans):
        if first > end:
            if end > start:
                yield start, end
            start = first
        end = max(end, last)
    if end > start:
        yield start, end
