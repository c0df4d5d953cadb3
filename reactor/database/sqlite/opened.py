"""Which file a connection has open, and whether that still stands under the database's name."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from reactor.database.contract import GONE, REPLACED
from reactor.database_path import database_path
from reactor.errors import DatabaseError
from reactor.files import private

Identity = tuple[int, int]
"""Device and inode: which file it is, whatever its name."""


class OpenedFile:
    """The file of a database, with the -wal and -shm beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """As it was given, absolute; may be a symbolic link."""
        self.file = path.resolve()
        """The file itself, symbolic links resolved: the -wal is beside it."""
        self._beside = {suffix: self.file.with_name(f"{self.file.name}{suffix}") for suffix in ("-wal", "-shm")}
        self._identity: Identity | None = None
        self._wal: Identity | None = None
        self._shm: Identity | None = None

    def remember(self) -> None:
        """This is the one that the connection has open."""
        self._identity = _identity(self.path)
        self._wal, self._shm = _identity(self._beside["-wal"]), _identity(self._beside["-shm"])

    def trouble(self) -> DatabaseError | None:
        """As of `Database`."""
        found, wal = _identity(self.path), _identity(self._beside["-wal"])
        if found is None:
            return DatabaseError(f"The database {self.path} is gone.", code=GONE, retryable=True)
        if found != self._identity or self._wal not in (None, wal):
            message = f"The database {self.path} was replaced by another file."
            return DatabaseError(message, code=REPLACED, retryable=True)
        self._wal = wal
        return None

    def is_replaced(self) -> bool:
        """True when another file stands under its name."""
        return _identity(self.path) not in (None, self._identity)

    def close_to_others(self) -> None:
        """SQLite gives a new -wal and -shm the database's mode. They keep it when that is changed."""
        with suppress(OSError):
            mode = self.file.stat().st_mode & 0o777
            for path in self._beside.values():
                private.narrow(path, mode)

    def leave_nothing(self, connection: sqlite3.Connection) -> None:
        """Checkpoint the -wal into the file it belongs to, wherever that is now; then remove it."""
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        for suffix, ours in (("-wal", self._wal), ("-shm", self._shm)):
            if ours is not None and _identity(self._beside[suffix]) == ours:
                self._beside[suffix].unlink(missing_ok=True)


def read_only_mode(path: Path) -> str:
    """The mode of an URI in which to open a database for reading. Opened `rw` where that is permitted, or SQLite would
    leave a -wal and a -shm behind; `immutable` where these are missing and cannot be created."""
    file = path.resolve()
    if not os.access(file.parent, os.W_OK):
        return "ro" if file.with_name(f"{file.name}-wal").exists() else "ro&immutable=1"
    return "rw" if os.access(file, os.W_OK) else "ro"


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path as messages and locks have it, symbolic links left alone. Raises DatabaseError for what is none."""
    return database_path(path).absolute()


def _identity(path: Path) -> Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116  (a third of the price of Path.stat)
    except OSError:
        return None
    return found.st_dev, found.st_ino
