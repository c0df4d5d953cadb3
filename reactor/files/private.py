"""Creates files with private permissions: databases and their companions, locks, journals, records.

They hold links with logins, cookies, what people asked for. Whatever the umask is, a new one is its owner's alone
(0600), and its group's (0660) where the folder is setgid, or the database may be written by its group: that is how a
bot and a reactor of two users share one. What somebody else owns, or has made readable on purpose, stays as it is.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

OWN, SHARED = 0o600, 0o660


def mode_for(path: Path, database: Path | None = None) -> int:
    """The mode of a new file at `path`; one that belongs to a `database` is as open to the group as that is."""
    with suppress(OSError):
        if path.parent.stat().st_mode & stat.S_ISGID:
            return SHARED
    with suppress(OSError):
        if database is not None and database.stat().st_mode & stat.S_IWGRP:
            return SHARED
    return OWN


def make(path: Path) -> None:
    """Make an empty file for SQLite, unless there is one. Where that cannot be done SQLite says why.

    It gets its name when it is closed: closing a database's file by other means than SQLite's would drop the locks
    that others of this process have on it."""
    try:
        descriptor, new = tempfile.mkstemp(prefix=".reactor-", dir=path.parent)
    except OSError:
        return
    try:
        _give(descriptor, mode_for(path))
        os.close(descriptor)
        with suppress(OSError):  # somebody was quicker; or a file system without links
            os.link(new, path)
    finally:
        Path(new).unlink(missing_ok=True)


def open_private(path: str | os.PathLike[str], flags: int) -> int:
    """As an opener of `open`: what is made is private, what is there and ours is made so."""
    mode = mode_for(Path(path))
    if flags & os.O_CREAT:
        with suppress(FileExistsError):
            descriptor = os.open(path, flags | os.O_EXCL | os.O_CLOEXEC, mode)
            _give(descriptor, mode)  # whatever the umask has left of it
            return descriptor
    descriptor = os.open(path, flags | os.O_CLOEXEC, mode)
    narrow(descriptor, mode)
    return descriptor


def narrow(file: int | Path, mode: int) -> None:
    """Take from everybody else what `mode` does not give them, if it is a plain file of ours that others may read.

    One that only its group may read was made so by somebody, for whoever ships logs. A path is not opened."""
    with suppress(OSError):
        found = os.lstat(file) if isinstance(file, Path) else os.fstat(file)
        bits = stat.S_IMODE(found.st_mode)
        if stat.S_ISREG(found.st_mode) and _is_ours(found) and bits & stat.S_IRWXO:
            _give(file, bits & mode)


def exposed(path: Path) -> str:
    """The mode of a file that everybody on this machine may read; "" of any other, and of one in a closed folder."""
    path = path.resolve()
    try:
        bits = stat.S_IMODE(path.stat().st_mode)
        open_way = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    except OSError:
        return ""
    return f"{bits:04o}" if bits & stat.S_IROTH and open_way and hasattr(os, "geteuid") else ""


def _give(file: int | Path, mode: int) -> None:
    """Where a file system has no modes, or a system knows none of a descriptor, there is nobody to keep out by them."""
    with suppress(OSError, NotImplementedError, TypeError):
        os.chmod(file, mode)  # noqa: PTH101  (a descriptor: what was opened, whatever stands under its name by now)


def _is_ours(found: os.stat_result) -> bool:
    return hasattr(os, "geteuid") and found.st_uid == os.geteuid()
