"""A folder of small secrets beside a database: 0700, its files 0600 whatever the umask, or the group's where the
database is its (`private.mode_for`).

Names are made by who calls, never by a stranger. Nothing in it is followed that is a symbolic link, and nothing read
that is no plain file: every step goes by the descriptor of the folder before it, so that nobody who can write beside
the database leads it elsewhere while it is used. A file is replaced as a whole, so whoever reads gets the one or the
other. Blocks.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reactor.files import private

BY_DESCRIPTOR = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd
"""Not on Windows, which has no such links that anybody may make, and rights that a folder inherits."""
TEMPORARY = "."
"""Before the name of a file that is being written."""
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

Stamp = tuple[int, int, int]


class NotPrivate(OSError):
    """Somebody else could have put things there: `strerror` says why."""


class PrivateFolder:
    """One folder, or a folder in it. `database`: the file whose owner may read it."""

    def __init__(self, path: Path, database: Path) -> None:
        self.path = path
        self._database = database

    @contextmanager
    def open(self, *, create: bool = False) -> Iterator[OpenFolder | None]:
        """None where there is none. Raises NotPrivate, OSError."""
        mode = private.mode_for(self.path, self._database)
        with _opened(None, str(self.path), mode, self._database, create=create) as folder:
            yield folder


class OpenFolder:
    """See PrivateFolder."""

    def __init__(self, path: Path, descriptor: int | None, mode: int, database: Path) -> None:
        self._path = path
        self._descriptor = descriptor
        self._mode = mode
        self._database = database

    @contextmanager
    def folder(self, name: str, *, create: bool = False) -> Iterator[OpenFolder | None]:
        """A folder in it; None where there is none."""
        with _opened(self, name, self._mode, self._database, create=create) as folder:
            yield folder

    def names(self) -> list[str]:
        """Of what is in it, but for what is being written."""
        return [name for name in self._all() if not name.startswith(TEMPORARY)]

    def stamp(self, name: str) -> Stamp | None:
        """Another one with each replacement of a file; None where there is none."""
        try:
            found = os.stat(self._place(name), dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def read(self, name: str, most: int) -> bytes | None:
        """The bytes of a file; None where there is no plain file of at most so many."""
        flags = _FLAGS | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe would keep us waiting
        try:
            descriptor = os.open(self._place(name), flags, dir_fd=self._descriptor)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > most:
                return None
            data = file.read(most + 1)
            return data if len(data) <= most else None

    def write(self, name: str, data: bytes) -> None:
        """Put a file there, in place of what has this name. On the disk when this returns."""
        new = f"{TEMPORARY}{name}.{secrets.token_hex(4)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._place(new), flags, self._mode, dir_fd=self._descriptor)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _set_mode(descriptor, self._mode)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(self._place(new), self._place(name), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except BaseException:
            with suppress(OSError):
                os.unlink(self._place(new), dir_fd=self._descriptor)
            raise

    def remove(self, name: str) -> bool:
        """Delete a file. False when there is none."""
        try:
            os.unlink(self._place(name), dir_fd=self._descriptor)
        except FileNotFoundError:
            return False
        return True

    def remove_unfinished(self, older_than: float) -> None:
        """Delete what was begun to be written before that moment (seconds since the epoch) and never finished."""
        for name in self._all():
            with suppress(OSError):
                place = self._place(name)
                found = os.stat(place, dir_fd=self._descriptor, follow_symlinks=False) if name[0] == TEMPORARY else None
                if found is not None and found.st_mtime < older_than:
                    os.unlink(place, dir_fd=self._descriptor)

    def remove_folder(self, name: str) -> None:
        """Delete an empty folder in it; one that is not stays."""
        with suppress(OSError):
            os.rmdir(self._place(name), dir_fd=self._descriptor)

    def _all(self) -> list[str]:
        return os.listdir(self._path if self._descriptor is None else self._descriptor)  # noqa: PTH208  (a descriptor)

    def _place(self, name: str) -> str:
        assert Path(name).name == name  # it is ours, not a stranger's
        return name if self._descriptor is not None else str(self._path / name)


@contextmanager
def _opened(
    outer: OpenFolder | None, name: str, mode: int, database: Path, *, create: bool
) -> Iterator[OpenFolder | None]:
    path = Path(name) if outer is None else outer._path / name
    place = name if outer is None else outer._place(name)
    inside = outer._descriptor if outer is not None else None
    rights = stat.S_IRWXU | (stat.S_IRWXG | stat.S_ISGID if mode & stat.S_IRGRP else 0)
    made = False
    if create:
        with suppress(FileExistsError):
            os.mkdir(place, rights & 0o777, dir_fd=inside)
            made = True
    if not BY_DESCRIPTOR:
        found = path.is_dir() and not path.is_symlink()
        yield OpenFolder(path, None, mode, database) if found else None
        return
    try:
        descriptor = os.open(place, _FLAGS | os.O_DIRECTORY, dir_fd=inside)
    except FileNotFoundError:
        yield None
        return
    except NotADirectoryError:
        raise NotPrivate(20, f"{path} is no folder of its own") from None
    except OSError as error:
        if os.path.islink(path):  # noqa: PTH114  (only for the sentence)
            raise NotPrivate(error.errno, f"{path} is a symbolic link") from None
        raise
    try:
        if made:
            _set_mode(descriptor, rights)
        _check(descriptor, path, rights, database)
        yield OpenFolder(path, descriptor, mode, database)
    finally:
        os.close(descriptor)


def _check(descriptor: int, path: Path, rights: int, database: Path) -> None:
    """Raises NotPrivate for a folder that is, or was made writable by, somebody who has nothing to do with it."""
    found, ours = os.fstat(descriptor), os.geteuid()
    more = stat.S_IMODE(found.st_mode) & 0o777 & ~rights
    if more and found.st_uid == ours:
        _set_mode(descriptor, stat.S_IMODE(found.st_mode) & rights)
    elif more & 0o022:
        raise NotPrivate(1, f"others may write into {path}")
    owner = database.stat()
    together = bool(rights & stat.S_IRWXG) and found.st_gid == owner.st_gid
    if found.st_uid not in (ours, 0, owner.st_uid) and not together:
        raise NotPrivate(1, f"{path} belongs to another user than the database")


def _set_mode(descriptor: int, mode: int) -> None:
    with suppress(OSError, NotImplementedError, TypeError):  # a file system without modes
        os.chmod(descriptor, mode)
