"""Copies of bytes that take their time, and can be stopped in the midst of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

PIECE_BYTES = 4 * 1024 * 1024
"""So much is copied between two looks at whether to go on."""


def _go_on() -> None:
    pass


def copy_bytes(
    source: Path, target: Path, *, offset: int = 0, length: int | None = None, check: Callable[[], None] = _go_on
) -> int:
    """Write `length` bytes of `source`, from `offset` on, into the new file `target`; None: all that follow. Returns
    how many there were. `check` is called again and again, and stops it by raising. Raises OSError."""
    left, copied = length, 0
    with source.open("rb") as read, target.open("xb") as write:
        read.seek(offset)
        while left is None or left > 0:
            check()
            piece = read.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
            if not piece:
                break
            write.write(piece)
            copied += len(piece)
            left = None if left is None else left - len(piece)
    return copied
