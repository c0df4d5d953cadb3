"""One reactor for each database, and one process of any other role that must be single, such as an uploader.

The lock is flock(2) on a file beside the database, so it ends with the process, however that ends. The file stays; the
pid in it is only for the error message of the second process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reactor.database.sqlite.errors import no_folder
from reactor.database_path import database_path
from reactor.errors import DatabaseError, DatabaseInUse
from reactor.files import private


@contextmanager
def lock(database: str | os.PathLike[str], who: str = "reactor") -> Iterator[None]:
    """Hold the lock of a database, of which each `who` has one. Raises DatabaseInUse when another has it."""
    path = database_path(database).resolve()
    if not path.parent.is_dir():  # the lock would make it, and the database be another one than is meant
        raise no_folder(path)
    place = path.with_name(f"{path.name}.{who}.lock")
    mode = private.mode_for(place, path)
    try:
        holder = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode)
    except OSError as error:
        raise _unable(place, error) from error
    try:
        _take(holder, place, path, who)
        private.narrow(place, mode)  # who may only read it could take the lock
        place.write_text(f"{os.getpid()}\n")
        yield
    finally:
        os.close(holder)


def _take(holder: int, place: Path, path: Path, who: str) -> None:
    try:
        fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DatabaseInUse(
            f"Another {who}{_pid(place)} serves the database {path}.", hint="One is enough: stop it, or use it."
        ) from error
    except OSError as error:
        raise _unable(place, error) from error


def _unable(place: Path, error: OSError) -> DatabaseError:
    return DatabaseError(f"The lock {place} of the database cannot be made: {error.strerror}.")


def _pid(place: Path) -> str:
    try:
        pid = place.read_text().strip()
    except OSError:
        return ""
    return f" (pid {pid})" if pid.isdecimal() else ""
