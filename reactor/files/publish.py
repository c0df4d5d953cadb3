"""A staged file or folder → its final place, whole or not at all, never over anything, once.

The law: what is to appear (the source itself, or a hidden copy of it beside its final place) has an
identity on the disk before it is placed. That identity and the name tried are first written into a record
beside the source's folder, where no name that a stranger chose can stand in its stead. After a crash at any
point the same call finds out by the record whether the placing happened, and ends with the same path.

Killing the process at any point loses nothing. Nothing is synced to the disk: after a power cut a file of
the last seconds may have to be fetched again, as the database may have lost the same seconds (synchronous=NORMAL);
syncing a large file would hold up the row for as long as writing it took.

The record is deleted by `forget`, before the source's folder is, once the path is saved.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from reactor.errors import DownloadError
from reactor.files.deleting import delete
from reactor.files.names import candidates, clean_name
from reactor.files.private import open_private
from reactor.files.renaming import UNSUPPORTED, rename_new
from reactor.records import dataclass

RECORD = ".published"
"""What follows the name of the folder that holds the source in the record's name."""
RECORDS_KEPT = 16
"""Their paths: each is asked for several times, and pathlib interns each part of each new one."""

Copy = Callable[[Path, Path], None]
"""Makes a copy of a file. Raises OSError."""
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)

Identity = tuple[int, int]
"""Device and inode."""
Tame = Callable[[str, bool], str]
"""What a name becomes; True: a folder's."""


def _as_it_is(name: str, folder: bool) -> str:
    return name


@dataclass(frozen=True, slots=True)
class _Record:
    """Which source was tried under which name, what was to appear there, and the empty place kept for it."""

    name: str
    source: Identity
    thing: Identity
    reserved: Identity | None = None
    notes: tuple[str, ...] = ()
    shared: bool = False


def publish(
    source: Path,
    directory: Path,
    name: str,
    *,
    keep: bool = False,
    tame: Tame = _as_it_is,
    wanted: Collection[Path] | None = None,
    notes: Sequence[str] = (),
    shared: bool = False,
    inside: str = "",
) -> Path:
    """Move `source`, a file or a folder, into `directory` as `name` or `name (n)`; return where it stands.

    `name` is a clean base name, `directory` exists. A file or folder that has the name already, an empty one
    too, is never touched. Calling it again, after a crash or after success, returns the same path. `keep`
    leaves the source in place and publishes hard links to it, or copies where links are impossible. `tame` says
    what each name inside a folder becomes, `wanted` which files below the source are published; None: all.
    `notes` are kept in the record, for whoever asks after a crash (`noted`). `shared` says that the file at `source`
    has other names, in `directory` too: then what tells that it was placed is the name that was kept for it.
    `inside` is a folder in `directory`, by a plain name, that it is put into; it is made where it is not there.

    Blocks on the disk. Raises FileNotFoundError when there is no source and it was never published, another
    OSError when the disk refuses, DownloadError when the source is or holds anything but plain files and
    folders: a symbolic link is never followed."""
    copy, record = _hidden_copy(source, directory), _read_record(source)
    final = _placed(record, source, directory)
    if final is None:
        _refuse_special_files(source)
        kept = None if wanted is None else {source, *wanted, *(above for path in wanted for above in path.parents)}
        final = _publish(source, copy, directory, name, _Ways(keep, tame, kept, tuple(notes), shared, inside), record)
    _delete_hidden(copy)
    if not keep:
        delete(source)
    return final


def published(source: Path, directory: Path) -> Path | None:
    """The path at which `publish` put `source`; None when it did not, or the result is gone."""
    return _placed(_read_record(source), source, directory)


def _placed(record: _Record | None, source: Path, directory: Path) -> Path | None:
    if record is None or _identity(source) not in (None, record.source):
        return None
    if record.shared and record.reserved is None:
        return None  # what stands there may be another's, which is the same file
    final = directory / record.name
    return final if _identity(final) == record.thing else None


def is_place(name: str) -> bool:
    """True for a plain name, and for one in a folder of a plain name."""
    parts = name.split("/")
    return len(parts) <= 2 and all(part not in ("", ".", "..") for part in parts)


def noted(source: Path) -> tuple[str, ...]:
    """The notes with which `source` was published; none where it was not."""
    record = _read_record(source)
    return record.notes if record is not None else ()


def take_back(source: Path, directory: Path) -> None:
    """Delete what `publish` put into `directory`, if it is still there, what it had begun, and its record. Raises
    OSError."""
    final = published(source, directory)
    if final is not None:
        delete(final)
    _delete_hidden(_hidden_copy(source, directory))
    forget(source)


def forget(source: Path) -> None:
    """Delete the record, not the published file. Raises OSError."""
    _record_path(source).unlink(missing_ok=True)


def _publish(source: Path, copy: Path, directory: Path, name: str, ways: _Ways, record: _Record | None) -> Path:
    """Place the source itself, or a copy of it, where it has to stay, comes from another disk or holds what is to have
    another name, or is not wanted. `record`: of an earlier try."""
    copied = record is not None and record.source == _identity(source) and record.thing == _identity(copy)
    tree = _tree(source)
    next(tree)  # the source itself has a name already
    as_it_is = all(ways.wants(path) and ways.tame(path.name, path.is_dir()) == path.name for path in tree)
    if not ways.keep and as_it_is and not copied:
        try:
            return _place(source, source, directory, name, ways, record)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
    if not copied:
        delete(copy)
        _clone(source, copy, ways)
    return _place(copy, source, directory, name, ways, _read_record(source))


def _place(thing: Path, source: Path, directory: Path, name: str, ways: _Ways, earlier: _Record | None) -> Path:
    """Give `thing` the first name that is free, or the one an `earlier` try had already got."""
    identity = _known(thing)
    if ways.inside:
        (directory / ways.inside).mkdir(exist_ok=True)
    for candidate in candidates(name):
        placed = str(PurePosixPath(ways.inside, candidate))
        final = directory / placed
        holder = _identity(final)
        mine = earlier is not None and earlier.thing == identity and holder is not None and holder == earlier.reserved
        if not mine and holder is not None and (ways.shared or holder != identity):
            continue
        reserved = holder if mine else None
        record = _Record(placed, _known(source), identity, reserved, ways.notes, ways.shared)
        _write_record(source, record)
        try:
            if mine or ways.shared:
                _replace(thing, final, source, record)
            elif thing.is_dir():
                _rename(thing, final, source, record)
            else:
                _link(thing, final, source, record)
        except FileExistsError:
            continue
        return final
    raise AssertionError("there is always another candidate")


def _link(thing: Path, final: Path, source: Path, record: _Record) -> None:
    try:
        os.link(thing, final, follow_symlinks=False)
    except FileExistsError:
        if _identity(final) != record.thing:
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename(thing, final, source, record)


def _rename(thing: Path, final: Path, source: Path, record: _Record) -> None:
    try:
        rename_new(thing, final)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        _replace(thing, final, source, record)


def _replace(thing: Path, final: Path, source: Path, record: _Record) -> None:
    """Take the name with something empty of our own, then put the thing in its stead, atomically.

    Renaming alone would replace another's file, and another's empty folder, without a word."""
    if record.reserved is None:
        _reserve(thing, final, source, record)
    try:
        thing.replace(final)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:  # somebody put a file into our empty folder: now it is theirs
            raise FileExistsError(error.errno, error.strerror) from error
        final.rmdir() if thing.is_dir() else final.unlink()
        raise


def _reserve(thing: Path, final: Path, source: Path, record: _Record) -> None:
    """What keeps the name is made elsewhere and noted first: a kill leaves nothing that nobody knows. Where the disk
    cannot do that, it is made in its place; killed before that is noted, it stays there, empty."""
    directory = final.parents[len(PurePosixPath(record.name).parts) - 1]
    keeper = _keeper_beside(_hidden_copy(source, directory))
    delete(keeper)
    _make_empty(keeper, like=thing)
    _write_record(source, replace(record, reserved=_identity(keeper)))
    try:
        rename_new(keeper, final)
    except OSError as error:
        delete(keeper)
        if error.errno not in UNSUPPORTED:
            raise
        _make_empty(final, like=thing)
        _write_record(source, replace(record, reserved=_identity(final)))


def _make_empty(path: Path, *, like: Path) -> None:
    """Raises FileExistsError."""
    if like.is_dir():
        path.mkdir()
    else:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _clone(source: Path, copy: Path, ways: _Ways) -> None:
    """The same tree once more, as far as it is wanted, of hard links where they are possible, under the names that are
    to be. What has such a name already keeps it."""
    if not source.is_dir():
        return link_or_copy(source, copy)
    copy.mkdir()
    twins = {source: copy}
    for folder, folders, files in os.walk(source):
        here, there = Path(folder), _Names(twins[Path(folder)])
        folders[:] = [name for name in folders if ways.wants(here / name)]
        inside = [(name, ways.tame(name, True), True) for name in folders] + [
            (name, ways.tame(name, False), False) for name in files if ways.wants(here / name)
        ]
        for name, tamed, is_folder in sorted(inside, key=lambda each: each[0] != each[1]):
            twin = there.free(tamed)
            if is_folder:
                twin.mkdir()
                twins[here / name] = twin
            else:
                link_or_copy(here / name, twin)
    return None


@dataclass(frozen=True, slots=True)
class _Ways:
    """How a source is published."""

    keep: bool
    tame: Tame
    kept: Collection[Path] | None
    notes: tuple[str, ...] = ()
    shared: bool = False
    inside: str = ""

    def wants(self, path: Path) -> bool:
        return self.kept is None or path in self.kept


class _Names:
    """The names inside a new folder. Where several become the same, whoever comes later gets a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wanted: dict[str, Iterator[str]] = {}

    def free(self, name: str) -> Path:
        """Where nothing stands yet. A name that many want is counted on, not from its beginning."""
        wanted = self._wanted.setdefault(name, candidates(name))
        return next(free for each in wanted if not (free := self._folder / each).exists())


def _with_its_times(source: Path, target: Path) -> None:
    shutil.copy2(source, target, follow_symlinks=False)


def link_or_copy(source: Path, target: Path, copy: Copy = _with_its_times) -> None:
    """A hard link, or a copy where links are impossible. Raises OSError, and what `copy` does."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (*_NO_LINKS, errno.EXDEV):
            raise
        copy(source, target)


def _tree(path: Path) -> Iterator[Path]:
    """`path` and all below it, a folder before what it holds; symbolic links are not followed."""
    yield path
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*folders, *files))


def _refuse_special_files(source: Path) -> None:
    for path in _tree(source):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise DownloadError(
                f"The download contains something that is neither a file nor a folder: {clean_name(path.name)}.",
                code="unsafe_file",
            )


def _identity(path: Path) -> Identity | None:
    """What stands under this name, or None when nothing does."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _known(path: Path) -> Identity:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _hidden_copy(source: Path, directory: Path) -> Path:
    """Where a copy of this source is made: the same place on every try, on the disk it is meant for."""
    return directory / f".publishing-{hashlib.sha256(os.fsencode(source.absolute())).hexdigest()[:16]}"


def _delete_hidden(copy: Path) -> None:
    delete(copy)
    delete(_keeper_beside(copy))


def _keeper_beside(copy: Path) -> Path:
    """Where the empty file or folder is made that keeps its name."""
    return copy.with_suffix(".name")


@lru_cache(maxsize=RECORDS_KEPT)
def _record_path(source: Path) -> Path:
    return source.parent.with_name(f"{source.parent.name}{RECORD}")


def _read_record(source: Path) -> _Record | None:
    try:
        values = json.loads(_record_path(source).read_bytes())
        name = str(values["name"])
        places = {key: tuple(values[key]) for key in ("source", "thing", "reserved") if values[key]}
        notes, shared = tuple(map(str, values.get("notes", ()))), values.get("shared") is True
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    return _Record(name=name, notes=notes, shared=shared, **places) if is_place(name) else None


def _write_record(source: Path, record: _Record) -> None:
    path = _record_path(source)
    new = path.with_name(f"{path.name}.new")
    with open(new, "w", encoding="utf-8", opener=open_private) as file:
        file.write(json.dumps({name: getattr(record, name) for name in _Record.__slots__}))
    new.replace(path)
