"""What was published, known again later and deleted: the file side of retention.

Only a plain name in DOWNLOAD_DIR, or in a folder there, is touched, and only while what stands there is what was
published: of one file its inode, size and moment of change, of a folder those of everything in it. It is moved into
reactor's own folder first, where it is looked at once more: what somebody puts in its place meanwhile goes back. A move
is all or nothing; what was moved is deleted by the next run where this one is killed.

Blocks on the disk.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO

from reactor.files.deleting import delete
from reactor.files.names import candidates
from reactor.files.publish import is_place
from reactor.files.renaming import UNSUPPORTED, rename_new
from reactor.patterns import pattern

ID = "folder-id"
"""In reactor's own folder: which DOWNLOAD_DIR this is. Who has it locked takes something away."""
UNPLACED = f"{ID}."
"""Before the name of an id until it is the folder's; one stays where the process is killed meanwhile."""
ID_BYTES = 16
TRIES = 3
"""Of giving a folder its id."""
_IDENTITY = pattern(r"[0-9a-f]{32}")
MOVED, CHECKING = "deleted-", "checking-"
"""Before the name of what was moved: it is what was published; it is not known yet whether it is."""
INSIDE = "@"
"""Behind that name, before the folder in which it stood."""


class Found(Enum):
    """What became of one that was to be taken away."""

    TAKEN = auto()
    """It is in reactor's own folder, and to be deleted there."""
    GONE = auto()
    """Somebody else has deleted or moved it."""
    CHANGED = auto()
    """Something else stands there, or it was changed: it stays."""


def folder_id(private: Path, *, create: bool = True) -> str:
    """The id of a DOWNLOAD_DIR, `private` being reactor's own folder in it; "" where there is none yet, and none is to
    be made. Raises OSError."""
    path = private / ID
    known = _known_id(path)
    for _ in range(TRIES if create else 0):
        if known:
            break
        _make_id(path)
        known = _known_id(path)
    return known


def _make_id(path: Path) -> None:
    """Unless somebody else is sooner. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{UNPLACED}{secrets.token_hex(4)}")
    with new.open("x", encoding="ascii") as file:
        file.write(secrets.token_hex(ID_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        if os.path.lexists(path):  # no id, as a disk leaves it that lost its power
            path.unlink()
        with suppress(FileExistsError, FileNotFoundError):  # the latter where it was taken for one that was left
            _place(new, path)
    finally:
        new.unlink(missing_ok=True)


def _known_id(path: Path) -> str:
    try:
        known = path.read_bytes().decode("ascii", "replace").strip()
    except FileNotFoundError:
        return ""
    return known if _IDENTITY.fullmatch(known) else ""


def _place(source: Path, target: Path) -> None:
    """Give it this name. Raises FileExistsError where something has it, another OSError."""
    try:
        return rename_new(source, target)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    if os.path.lexists(target):
        raise FileExistsError(target)
    source.rename(target)
    return None


def content_of(path: Path) -> str:
    """What a file or folder is, as a digest. Raises FileNotFoundError where nothing stands there, another OSError, and
    ValueError where it is or holds anything but plain files and folders."""
    digest = hashlib.sha256()
    for name, found in _tree(path, ""):
        told = f"{name}\0{found.st_ino}\0{found.st_size}\0{found.st_mtime_ns}\0" if found else f"{name}\0"
        digest.update(os.fsencode(told))
    return digest.hexdigest()[:32]


def _tree(path: Path, name: str) -> Iterator[tuple[str, os.stat_result | None]]:
    """All below, in order, by its name below the first; a folder without its own figures, which others change."""
    found = path.lstat()
    if stat.S_ISREG(found.st_mode):
        yield name, found
    elif stat.S_ISDIR(found.st_mode):
        yield f"{name}/", None
        for each in sorted(os.listdir(path)):  # noqa: PTH208  (the order of names, not of paths)
            yield from _tree(path / each, f"{name}/{each}")
    else:
        raise ValueError(path)


class KeptFiles:
    """Those of one database in one DOWNLOAD_DIR; `private` is the folder of reactor's own in it that is for this."""

    def __init__(self, download_dir: Path, private: Path, instance: str) -> None:
        self._download_dir = download_dir
        self._private = private
        self._prefix = f"{MOVED}{instance[:12]}-"

    def lock(self) -> BinaryIO:
        """Nobody else who asks takes anything away until the file that is returned is closed. Waits for whoever does:
        as long as it takes to delete one. Where the disk knows no locks, nobody waits. Raises OSError."""
        file = (self._private / ID).open("r+b")
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        return file

    @property
    def folder(self) -> str:
        """The id of the folder; "" where nothing was published yet. Raises OSError."""
        return folder_id(self._private, create=False)

    def path(self, name: str) -> Path:
        """Where one was put. Raises ValueError for what is no name of a published file."""
        if not is_place(name) or name.startswith(".reactor"):
            raise ValueError(name)
        return self._download_dir / name

    def exists(self, name: str) -> bool:
        """True while something has this name, or one that is none of ours."""
        try:
            return os.path.lexists(self.path(name))
        except ValueError:
            return True

    def shown(self, name: str) -> str:
        """Its path, for people."""
        return str(self._download_dir / name)

    def look(self, name: str, content: str) -> Found:
        """What `take` would find."""
        try:
            return Found.TAKEN if content_of(self.path(name)) == content else Found.CHANGED
        except (FileNotFoundError, NotADirectoryError):
            return Found.GONE
        except ValueError:
            return Found.CHANGED

    def links(self, name: str) -> int:
        """How many names a file has, on this disk and with this one; of a folder, the file in it that has the most. 0
        where there is none."""
        try:
            return max((found.st_nlink for _, found in _tree(self.path(name), "") if found), default=1)
        except (OSError, ValueError):
            return 0

    def take(self, id: int, name: str, content: str) -> Found:
        """Move one, of the entry `id`, out of DOWNLOAD_DIR, if it is there as it was. Raises OSError; then it is where
        it was."""
        inside = f"{INSIDE}{name.partition('/')[0]}" if "/" in name else ""
        place, checked = self._private / f"{CHECKING}{self._prefix}{id}{inside}", self._moved(id)
        if os.path.lexists(checked):  # by a run that was killed
            return Found.TAKEN
        try:
            path = self.path(name)
        except ValueError:
            return Found.CHANGED
        moved = place / path.name
        if not os.path.lexists(moved):  # as above
            found = self.look(name, content)
            if found is not Found.TAKEN:
                return found
            place.mkdir(exist_ok=True)
            try:
                path.rename(moved)
            except FileNotFoundError:
                return Found.GONE
            finally:
                with suppress(OSError):  # it holds what was moved
                    place.rmdir()
        taken = self._is(moved, content)
        if taken:
            moved.rename(checked)
        else:
            self._put_back(moved, path.parent)
        place.rmdir()
        return Found.TAKEN if taken else Found.CHANGED

    def delete_unplaced(self) -> None:
        """What a run has left that was killed while it gave the folder its id. Raises OSError."""
        for path in self._private.glob(f"{UNPLACED}*"):
            path.unlink(missing_ok=True)

    def put_back_unchecked(self) -> None:
        """What a run had moved that was killed before it looked at that once more goes back under its name, which it
        has there. Raises OSError."""
        for place in self._private.glob(f"{CHECKING}{self._prefix}*"):
            _, _, inside = place.name.partition(INSIDE)
            for moved in place.iterdir():
                self._put_back(moved, self._download_dir / inside)
            place.rmdir()

    def taken(self) -> list[int]:
        """The entries of what was moved and is not deleted yet. Raises OSError."""
        names = [path.name.removeprefix(self._prefix) for path in self._private.glob(f"{self._prefix}*")]
        return [int(name) for name in names if name.isdecimal()]

    def delete(self, id: int) -> None:
        """Delete what was moved. Raises OSError."""
        with suppress(FileNotFoundError):  # somebody else does it, too
            delete(self._moved(id))

    def _moved(self, id: int) -> Path:
        return self._private / f"{self._prefix}{id}"

    def _is(self, path: Path, content: str) -> bool:
        try:
            return content_of(path) == content
        except ValueError:
            return False

    def _put_back(self, moved: Path, directory: Path) -> None:
        """Under its own name, or one like it where that is taken by now."""
        directory.mkdir(exist_ok=True)
        for candidate in candidates(moved.name):
            target = directory / candidate
            try:
                return _place(moved, target)
            except FileExistsError:
                continue
