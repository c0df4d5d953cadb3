"""SQLite's errors as DatabaseError, with a sentence for a person."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from reactor.database.contract import BUSY, FULL, GONE
from reactor.errors import DatabaseError

WRITE_HINT = "Give this user the right to write to it and to its folder."


def cannot_open(path: Path, *, create: bool) -> DatabaseError | None:
    """What is wrong with the path; SQLite reports the same error for all of these."""
    try:
        if path.is_dir():
            return DatabaseError(f"The database {path} is a folder.")
        if path.exists():
            return None if path.is_file() else DatabaseError(f"The database {path} is not a file.")
        if not path.parent.is_dir():
            return no_folder(path)
    except OSError as error:
        return DatabaseError(f"The database {path} cannot be reached: {error.strerror}.")
    return None if create else DatabaseError(f"There is no database {path}.", code=GONE)


def no_folder(path: Path) -> DatabaseError:
    """The folder is not created: as a rule it is a mount that is missing."""
    return DatabaseError(
        f"The database {path} cannot be made: there is no folder {path.parent}.",
        hint="Make that folder, or set DOWNLOAD_DB to the bot's database.",
    )


def is_busy(error: sqlite3.Error) -> bool:
    """True when somebody else holds a lock that we need."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def translate(error: sqlite3.DatabaseError, path: Path) -> DatabaseError:
    """SQLite's error as ours. `retryable` when the same may succeed later without anybody changing a thing here."""
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return DatabaseError(f"The database {path} is locked by another program.", code=BUSY, retryable=True)
        case sqlite3.SQLITE_NOTADB:
            return DatabaseError(f"{path} is not an SQLite database.")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return DatabaseError(f"The database {path} cannot be written.", hint=WRITE_HINT)
        case sqlite3.SQLITE_CANTOPEN:
            return DatabaseError(f"The database {path} cannot be opened.", hint=WRITE_HINT, retryable=True)
        case sqlite3.SQLITE_FULL:
            return DatabaseError(f"The disk of the database {path} is full.", code=FULL, retryable=True)
        case sqlite3.SQLITE_IOERR:
            return DatabaseError(f"The database {path} cannot be read or written: {error}.", retryable=True)
        case sqlite3.SQLITE_CORRUPT:
            return DatabaseError(f"The database {path} is damaged: {error}.", hint="Restore it from a backup.")
        case _:
            return DatabaseError(f"The database {path} refused: {error}.")


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 for what Python's module raised by itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
