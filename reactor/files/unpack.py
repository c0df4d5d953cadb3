"""Unpacks what a server has packed (gzip, deflate) though nobody asked for that: a `.csv` full of gzip is of no use."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from reactor.errors import DownloadError

PIECE = 1024 * 1024
UNPACKED = ".unpacked"
"""What is added to the name while it is written."""


def unpack(path: Path, most: int | None) -> None:
    """Put the content of a packed file in its place; what is none, or is damaged, stays as it is. Blocks on the disk.

    Raises DownloadError (`too_large`) when that has `most` bytes or more, and OSError."""
    to = path.with_name(f"{path.name}{UNPACKED}")
    try:
        for pieces in (_gzip(path), _deflate(path, zlib.MAX_WBITS), _deflate(path, -zlib.MAX_WBITS)):
            if _written(pieces, to, most):
                to.replace(path)
                return
    finally:
        to.unlink(missing_ok=True)


def _written(pieces: Iterator[bytes], to: Path, most: int | None) -> bool:
    """False where that is no packed file of this kind."""
    written = 0
    try:
        with to.open("wb") as plain:
            for piece in pieces:
                written += len(piece)
                if most is not None and written >= most:
                    raise _too_large(most)
                plain.write(piece)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False
    return True


def _gzip(path: Path) -> Iterator[bytes]:
    with gzip.open(path) as packed:
        while piece := packed.read(PIECE):
            yield piece


def _deflate(path: Path, window_bits: int) -> Iterator[bytes]:
    """`deflate` is that of zlib (RFC 9110), and what many servers send is the same without head and checksum. Raises
    EOFError where it has no end, or something stands behind that."""
    unpacker = zlib.decompressobj(window_bits)
    with path.open("rb") as packed:
        while piece := packed.read(PIECE):
            while piece:
                yield unpacker.decompress(piece, PIECE)
                piece = unpacker.unconsumed_tail
    if not unpacker.eof or unpacker.unused_data:
        raise EOFError


def _too_large(most: int) -> DownloadError:
    return DownloadError(
        f"The server has packed this file, and unpacked it is larger than the {most // PIECE:,} MiB there may be.",
        hint="Whoever runs this can allow more: MAX_FILE_SIZE_MIB.",
        code="too_large",
    )
