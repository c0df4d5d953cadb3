"""What a row has brought, given to another row that asks for the same (`again: reuse`).

The other row gets names of its own for the same files, hard links, so that deleting or moving what one row has takes
nothing from the other; where the disk has no links it gets copies.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reactor.files.deleting import delete
from reactor.files.publish import Copy, link_or_copy
from reactor.plan import Brought

REUSED, MAKING = ".reused", ".reusing"
"""In the row's folder: what is to be published, and what is to become that."""


def still_there(brought: Brought, download_dir: Path, private: tuple[str, ...]) -> Path | None:
    """Where what a row has brought stands, if it does so in `download_dir` as it was: as plain files and folders of as
    many bytes. `private`: folders in there that hold nothing of any row's."""
    path = Path(brought.path)
    try:
        inside = (path.parent.resolve(strict=True) / path.name).relative_to(download_dir.resolve(strict=True))
        if not inside.parts or inside.parts[0] in private or _bytes(path) != brought.bytes:
            return None
    except (OSError, ValueError, RuntimeError):
        return None
    return path


def _bytes(path: Path) -> int:
    """Raises ValueError where there is anything but plain files and folders; a link is never followed."""
    found = path.lstat()
    if stat.S_ISREG(found.st_mode):
        return found.st_size
    if not stat.S_ISDIR(found.st_mode):
        raise ValueError(path)
    return sum(map(_bytes, path.iterdir()))


def clone(source: Path, folder: Path, copy: Copy) -> Path:
    """Make `folder`/REUSED of `source`, whole or not at all. Raises OSError."""
    whole, making = folder / REUSED, folder / MAKING
    if whole.exists():
        return whole
    forget_clone(folder)
    if not source.is_dir():
        link_or_copy(source, making, copy)
    else:
        for above, _, names in os.walk(source):
            there = making / Path(above).relative_to(source)
            there.mkdir()
            for name in names:
                link_or_copy(Path(above, name), there / name, copy)
    making.rename(whole)
    return whole


def forget_clone(folder: Path) -> None:
    """Delete what is there of it. Raises OSError."""
    for path in (folder / MAKING, folder / REUSED):
        delete(path)
