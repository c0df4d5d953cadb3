"""Unpacks what a server has packed by gzip though nobody asked for that: a `.csv` full of gzip is of no use."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from reactor.errors import DownloadError

PIECE = 1024 * 1024
UNPACKED = ".unpacked"
"""What is added to the name while it is written."""


def unpack(path: Path, most: int | None) -> None:
    """Put the content of a gzip file in its place; what is none, or is damaged, stays as it is. Blocks on the disk.

    Raises DownloadError (`too_large`) when that has `most` bytes or more, and OSError."""
    written, to = 0, path.with_name(f"{path.name}{UNPACKED}")
    try:
        with gzip.open(path) as packed, to.open("wb") as plain:
            while piece := packed.read(PIECE):
                written += len(piece)
                if most is not None and written >= most:
                    raise _too_large(most)
                plain.write(piece)
        to.replace(path)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        pass
    finally:
        to.unlink(missing_ok=True)


def _too_large(most: int) -> DownloadError:
    return DownloadError(
        f"The server has packed this file, and unpacked it is larger than the {most // PIECE:,} MiB there may be.",
        hint="Whoever runs this can allow more: MAX_FILE_SIZE_MIB.",
        code="too_large",
    )
