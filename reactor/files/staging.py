"""Where the files of one row are while they come, and how they become what the person gets.

Each row has a staging folder of its own, named by the database's instance and the row's id: resuming is
always safe, and two equal titles never meet. When all is there it is checked, and published into
DOWNLOAD_DIR under a clean, unique name.

With a remote aria2c there are two cases. DOWNLOAD_PATH_MAP says that the disk is shared: aria2 gets its own
view of the staging folder, and all goes on as at home. Without it nothing here can be seen or moved: the
folder on its side is the final place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import field
from functools import lru_cache
from pathlib import Path, PurePosixPath

import anyio

from reactor.errors import DownloadError, Failure, SettingsError
from reactor.files.converted import converts
from reactor.files.deleting import delete
from reactor.files.kept import content_of, folder_id
from reactor.files.magic import named_by_content
from reactor.files.names import INNER_BYTES_MAX, clean_name, split_suffix, tame_name
from reactor.files.publish import Copy, forget, noted, publish, published, take_back
from reactor.files.reuse import REUSED, clone, forget_clone, still_there
from reactor.files.served import served_at
from reactor.files.staged_checks import (
    CONTROL_SUFFIXES,
    FilesMissing,
    StagedFiles,
    check_whole,
    collect,
    is_certain,
    is_made_of,
    look_into,
    size_of,
    was_described,
)
from reactor.files.unpack import unpack
from reactor.files.whole_parts import forget_whole
from reactor.models import Placed
from reactor.options import Options
from reactor.plan import Brought
from reactor.records import dataclass
from reactor.settings import Settings

FOLDER = ".reactor"
"""In DOWNLOAD_DIR: on the same file system, so that publishing is a rename."""
THUMBNAILS = ".reactor-thumbnails"
"""Beside it: what rows name is not in a folder that is emptied."""
KEPT = ".reactor-kept"
"""As above: by which DOWNLOAD_DIR is known again, and where what is to be deleted goes first (`kept.py`)."""
PRIVATE = (FOLDER, THUMBNAILS, KEPT)
THUMBNAILS_KEPT_S = 7 * 86_400.0
MOVED = "moved already"
"""Stands for a source that is not in its folder any more."""
RESULT = ".joined"
"""The stem of the file that joining makes. A clean name never begins with a dot."""
RESULT_FOLDER = f"{RESULT}.folder"
"""What several files are given in."""
COLLECTED = ".collected"
"""The folder that several files are put into: no name of a file begins with a dot."""
FOLDERS_KEPT = 16
"""Paths: a row asks for its own again and again, and pathlib interns each part of each new one."""


TooLarge = Callable[[int, Options], Failure | None]
"""Why a file of so many bytes is refused to a row with these options; None: it is not."""


def _no_limit(size: int, options: Options) -> Failure | None:
    return None


@dataclass(slots=True)
class _Turn:
    """Whose turn it is in a row's folder, and how many want it."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    wanted: int = 0


@dataclass(slots=True)
class Staging:
    """The folders of one database."""

    download_dir: Path
    """Absolute."""
    path_map: tuple[str, str] | None = None
    shared: bool = True
    """True when what aria2 writes can be seen from here."""
    remote_dir: str | None = None
    """Where an aria2c that shares no disk with us puts files; unknown until it was asked."""
    instance: str = ""
    """The database's, known when it was read."""
    programs: bool = True
    """Whether programs and shortcuts keep their names."""
    too_large: TooLarge = _no_limit
    lasting: bool = True
    """Whether what is published is to be known again later."""
    _turns: dict[int, _Turn] = field(default_factory=dict)

    def folder(self, download_id: int) -> Path:
        """The local path of a row's staging folder."""
        return _folder(self.download_dir, f"{self.instance[:12]}-{download_id}")

    def seen_by_aria2(self, download_id: int) -> str:
        """The path of the same folder on aria2's machine."""
        if not self.shared:
            return str(PurePosixPath(self.remote_dir or "/") / f"reactor-{self.instance[:12]}-{download_id}")
        folder = str(self.folder(download_id))
        if self.path_map is None:
            return folder
        remote, local = self.path_map
        inside = PurePosixPath(folder).relative_to(local)
        return str(PurePosixPath(remote) / inside)

    def is_new(self, download_id: int) -> bool:
        """Make the row's folder, and tell whether there was none. Raises OSError."""
        try:
            self.folder(download_id).mkdir()
        except FileExistsError:
            return False
        except FileNotFoundError:
            self.folder(download_id).mkdir(parents=True)
        return True

    @asynccontextmanager
    async def turn(self, download_id: int) -> AsyncIterator[None]:
        """Serialise work in a row's folder. A cancelled thread runs to its end first, so that its undoing begins after
        it."""
        turn = self._turns.setdefault(download_id, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[download_id]

    def prepare(self, download_id: int, *, fresh: bool, spoilt: Collection[str] = ()) -> None:
        """Make the row's folder. `fresh` empties it; otherwise the files named in `spoilt` are deleted. Undoes a
        publication that was not recorded in the row. Raises OSError."""
        folder = self.folder(download_id)
        if not self.is_new(download_id):
            take_back(folder / MOVED, self.download_dir)
            self.thumbnail(download_id).unlink(missing_ok=True)
            if fresh:
                _remove(folder)
                self.is_new(download_id)
            if spoilt:
                forget_whole(folder, spoilt)
            for name in spoilt:
                for suffix in ("", *CONTROL_SUFFIXES):
                    delete(folder / f"{name}{suffix}")

    def metadata(self, download_id: int, info_hash: str, bytes_max: int) -> bytes:
        """The `.torrent` that aria2 has made of a magnet link's metadata, and one byte more than it may have at most.
        Raises FilesMissing, OSError."""
        path = self.folder(download_id) / f"{info_hash}.torrent"
        try:
            with path.open("rb") as file:
                raw = file.read(bytes_max + 1)
        except FileNotFoundError:
            raw = b""
        if not raw:  # after a power cut there may be an empty one, over which aria2 would not write
            path.unlink(missing_ok=True)
            raise FilesMissing("The metadata of the magnet link is not there.")
        return raw

    def discard(self, download_id: int, *, keep_result: bool = False) -> None:
        """Delete the row's folder, and, unless `keep_result`, what was published from it. Raises OSError."""
        if not self.shared:
            return
        folder = self.folder(download_id)
        if not keep_result:
            take_back(folder / MOVED, self.download_dir)
        _remove(folder)

    def thumbnail(self, download_id: int) -> Path:
        """Where a small picture of what a row has brought stands."""
        return self.download_dir / THUMBNAILS / f"{self.instance[:12]}-{download_id}.jpg"

    def tidy_thumbnails(self, now: float) -> None:
        """Delete those that were made a week before `now`, seconds since the epoch: they were for an upload."""
        with suppress(OSError):
            for path in (self.download_dir / THUMBNAILS).glob("*.jpg"):
                with suppress(OSError):
                    if path.lstat().st_mtime < now - THUMBNAILS_KEPT_S:
                        path.unlink()

    def url_of(self, path: str, template: str) -> str | None:
        """Where others can fetch what was published as `path`, as FILE_URL (`template`) says; None: nowhere."""
        root = self.download_dir.as_posix() if self.shared else self.remote_dir
        return served_at(template, root or "/", path, folder=self.shared and Path(path).is_dir()) if template else None

    def free(self) -> int | None:
        """Free bytes in DOWNLOAD_DIR; None when that is unknown."""
        if not self.shared:
            return None
        with suppress(OSError):
            return shutil.disk_usage(self.download_dir).free
        return None

    def held(self, download_id: int) -> int:
        """Disk space used by a row's folder, in bytes. Ignores files that vanish meanwhile."""
        total = 0
        for folder, _, names in os.walk(self.folder(download_id)):
            for path in (Path(folder, name) for name in names):
                with suppress(OSError):
                    found = path.lstat()
                    # Of a file that is fetched by several connections the gaps between them are not there.
                    total += found.st_blocks * 512 if hasattr(found, "st_blocks") else found.st_size
        return total

    def adopt(self, instance: str) -> None:
        """Switch to this database instance, and delete the folders of the previous one where possible."""
        if self.instance not in ("", instance):
            for download_id in self.leftovers():
                with suppress(OSError):
                    _remove(self.folder(download_id))
        self.instance = instance

    def published(self, download_id: int) -> Path | None:
        """Where what was made in a row's folder was published, if it is there yet."""
        return published(self.folder(download_id) / MOVED, self.download_dir) if self.shared else None

    def leftovers(self) -> set[int]:
        """Ids that have a staging folder."""
        prefix = f"{self.instance[:12]}-"
        names = [path.name for path in (self.download_dir / FOLDER).glob(f"{prefix}*")] if self.shared else []
        return {int(name.removeprefix(prefix)) for name in names if name.removeprefix(prefix).isdecimal()}

    def check(self, command: StagedFiles, largest: int | None = None) -> Path:
        """Check the one file that something else is to be made of, as `finish` does; return where it is."""
        source = self.folder(command.attempt.download_id) / command.extraction.fetches[0].name
        check_whole(source, command, None)
        if command.extraction.finish.packed:
            unpack(source, largest)
        look_into(source, command)
        return source

    def finish(
        self, command: StagedFiles, largest: int | None = None, *, checked: bool = False, notes: Sequence[str] = ()
    ) -> tuple[str, int]:
        """Check what is there, unless it is `checked`, and publish it: (path, bytes). Beside the folder stays the
        record of it, with the `notes`, until the row says so. What came packed is unpacked first, while it has fewer
        than `largest` bytes. Blocks on the disk.

        Raises FilesMissing when bytes are not there, OtherThing when they are those of something else, another
        DownloadError or an OSError when they cannot be published."""
        if not self.shared:
            return self._finish_remotely(command)
        folder = self.folder(command.attempt.download_id)
        source = self._source(folder, command)
        wanted = None if _is_made(source) else self._wanted(folder, command)
        if published(source, self.download_dir) is None:
            if command.resumed and not is_certain(source, command):
                raise FilesMissing("Whether the file is whole is not known.")
            self._check_whole(command, source, wanted, largest, checked=checked)
        name = self.tame(self._name(source, command), source.is_dir())
        final = publish(
            source,
            self.download_dir,
            name,
            keep=command.keep,
            tame=self._tame_inside,
            wanted=wanted,
            notes=notes,
            inside=command.inside,
        )
        size = size_of(final)
        if not command.keep:
            for path in folder.iterdir():
                delete(path)
        return str(final), size

    def forget_made(self, command: StagedFiles) -> None:
        """Delete what a process that died has made of what came: it is made anew. Raises OSError."""
        for path in results_in(self.folder(command.attempt.download_id)):
            delete(path)

    def ready(
        self, command: StagedFiles, largest: int | None = None, *, checked: bool = False
    ) -> list[tuple[Path, PurePosixPath]]:
        """Check what is there as `finish` does; return the files that would be published, each with its path in the
        result. Blocks on the disk. Raises what `finish` does."""
        folder = self.folder(command.attempt.download_id)
        source = self._source(folder, command)
        wanted = None if _is_made(source) else self._wanted(folder, command)
        self._check_whole(command, source, wanted, largest, checked=checked)
        if not source.is_dir():
            return [(source, PurePosixPath(self.tame(self._name(source, command))))]
        files = sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
        return [(path, _inside(path, source)) for path in files if wanted is None or path in wanted]

    def _check_whole(
        self,
        command: StagedFiles,
        source: Path,
        wanted: frozenset[Path] | None,
        largest: int | None,
        *,
        checked: bool,
    ) -> None:
        """See `finish`."""
        finish = command.extraction.finish
        if finish.how == "folder" and not _is_made(source):
            collect(source.parent, source, command.extraction)
        checked = checked or finish.how == "media"  # which was checked when it was joined
        if not checked:
            check_whole(source, command, wanted)
        if finish.packed and not checked:
            unpack(source, largest)
        refusal = self.too_large(size_of(source, wanted), finish.options) if source.exists() else None
        if refusal is not None:
            raise DownloadError(refusal.message, hint=refusal.hint, code=refusal.code)
        if not checked and finish.how == "file":
            look_into(source, command)

    def still_there(self, brought: Brought) -> bool:
        """True if what a row has brought is there as it was."""
        return self.shared and still_there(brought, self.download_dir, PRIVATE) is not None

    def placed(self, path: Path) -> Placed | None:
        """What stands there, to be known again; None where that is not wanted, or it is not ours to see. Blocks on the
        disk."""
        with suppress(OSError, ValueError):
            if self.shared and self.lasting:
                inside = path.relative_to(self.download_dir).as_posix()
                return Placed(folder_id(self.download_dir / KEPT), content_of(path), inside)
        return None

    def reuse(self, command: StagedFiles, brought: Brought, copy: Copy) -> tuple[str, int]:
        """Publish what another row has brought, as this row's own: (path, bytes). Beside the folder stays the record of
        it, until the row says so. Blocks on the disk.

        Raises FilesMissing where it is not there any more, another DownloadError where it is too large, OSError."""
        folder, finish = self.folder(command.attempt.download_id), command.extraction.finish
        self.is_new(command.attempt.download_id)
        if published(folder / REUSED, self.download_dir) is None:
            source = still_there(brought, self.download_dir, PRIVATE)
            if source is None:
                forget_clone(folder)  # which is in the way of what is fetched instead
                raise FilesMissing("What was there already is there no more.")
            refusal = self.too_large(brought.bytes, finish.options)
            if refusal is not None:
                raise DownloadError(refusal.message, hint=refusal.hint, code=refusal.code)
            clone(source, folder, copy)
        name = self.tame(_name_of_reused(command, Path(brought.path)), (folder / REUSED).is_dir())
        final = publish(
            folder / REUSED,
            self.download_dir,
            name,
            tame=self._tame_inside,
            notes=brought.notes,
            shared=True,
            inside=command.inside,
        )
        for path in folder.iterdir():
            delete(path)
        return str(final), size_of(final)

    def noted(self, download_id: int) -> tuple[str, ...]:
        """What there was to say of what was published from the row's folder. Raises OSError."""
        return noted(self.folder(download_id) / MOVED) if self.shared else ()

    def tame(self, name: str, folder: bool = False) -> str:
        """A clean name; executable suffixes are defused unless ALLOW_EXECUTABLES is set."""
        clean = clean_name(name, bytes_max=INNER_BYTES_MAX)
        return clean if self.programs else tame_name(clean, folder=folder)

    def _tame_inside(self, name: str, folder: bool) -> str:
        """The same of what is in the folder that is published."""
        clean = clean_name(name, bytes_max=INNER_BYTES_MAX, inside=True)
        return clean if self.programs else tame_name(clean, folder=folder)

    def tidy(self, ids: Iterable[int]) -> None:
        """Delete the empty folders of these rows, and their records. Raises OSError."""
        for folder in map(self.folder, ids) if self.shared else ():
            with suppress(FileNotFoundError):
                if not any(folder.iterdir()):  # else another attempt is at work in it
                    _remove(folder)

    def _source(self, folder: Path, command: StagedFiles) -> Path:
        fetches, finish = command.extraction.fetches, command.extraction.finish
        if is_made_of(finish):
            (made, *_) = (*results_in(folder), folder / MOVED)
            if made.name != MOVED or finish.how == "media" or published(made, self.download_dir) is not None:
                return made
        if finish.how == "file":
            return folder / fetches[0].name
        if finish.how == "folder":
            return folder / COLLECTED
        if was_described(command.extraction):
            return folder / fetches[0].name
        # What aria2 made of the name nobody else knows: the one thing in the folder that is no bookkeeping.
        found = [path for path in folder.glob("*") if not _is_bookkeeping(path)]
        if len(found) > 1:
            raise FilesMissing("The torrent's files are not where aria2c said.")
        return found[0] if found else folder / MOVED

    def _wanted(self, folder: Path, command: StagedFiles) -> frozenset[Path] | None:
        """The files of a torrent of which others are not wanted; None: all are."""
        torrent = command.extraction.fetches[0].torrent
        if torrent is None or not torrent.select:
            return None
        there = self.seen_by_aria2(command.attempt.download_id)
        paths = (PurePosixPath(path) for reported in command.files for path in reported)
        return frozenset(folder / path.relative_to(there) for path in paths if path.is_relative_to(there))

    def _name(self, source: Path, command: StagedFiles) -> str:
        finish, fetch = command.extraction.finish, command.extraction.fetches[0]
        several = finish.how == "folder" or (fetch.torrent is not None and fetch.torrent.folder)
        made = _is_made(source)
        if made and not several:  # the container is what the codecs allowed; texts have their language
            suffix = "" if source.is_dir() else source.name.removeprefix(RESULT)
            return clean_name(f"{PurePosixPath(finish.name).stem}{suffix}")
        if was_described(command.extraction):
            return finish.name
        if finish.how == "file" and not made:
            return named_by_content(clean_name(finish.name), source)
        return clean_name(source.name if finish.how == "torrent" and not made else finish.name)

    def _finish_remotely(self, command: StagedFiles) -> tuple[str, int]:
        if command.resumed:
            raise FilesMissing("What an aria2c elsewhere has done meanwhile only it can say.")
        files = [path for reported in command.files for path in reported]
        if (
            not files and command.extraction.finish.how == "file"
        ):  # it has forgotten the result; where it is was our word
            folder = PurePosixPath(self.seen_by_aria2(command.attempt.download_id))
            return str(folder / command.extraction.fetches[0].name), command.total or command.extraction.size or 0
        if not files:
            raise FilesMissing("aria2c did not say where the files are.")
        if command.extraction.finish.how != "torrent" or len(files) == 1:
            return files[0], command.total
        folder = PurePosixPath(self.seen_by_aria2(command.attempt.download_id))
        top = PurePosixPath(files[0]).relative_to(folder).parts[0]
        return str(folder / top), command.total


@lru_cache(maxsize=FOLDERS_KEPT)
def _folder(download_dir: Path, name: str) -> Path:
    return download_dir / FOLDER / name


def staging_of(settings: Settings, too_large: TooLarge = _no_limit, *, lasting: bool = True) -> Staging:
    """The staging that the settings describe. Raises SettingsError when its folder is not writable."""
    folder = settings.download_dir.expanduser().absolute()
    shared = settings.aria2c_rpc_url is None or settings.path_map is not None
    if shared:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".reactor-probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise SettingsError(f"DOWNLOAD_DIR: {folder} cannot be written: {error.strerror}.") from error
    path_map = settings.path_map if settings.aria2c_rpc_url is not None else None
    if path_map is not None and not folder.is_relative_to(path_map[1]):
        raise SettingsError(f"DOWNLOAD_PATH_MAP: {path_map[1]} does not hold DOWNLOAD_DIR ({folder}).")
    return Staging(
        folder,
        path_map,
        shared,
        settings.aria2c_dir,
        programs=settings.allow_executables,
        too_large=too_large,
        lasting=lasting,
    )


def _name_of_reused(command: StagedFiles, path: Path) -> str:
    """The row's own name for it; the suffix is that of what is there, where something else was made of what came."""
    finish = command.extraction.finish
    if path.is_dir() and finish.how in ("file", "media"):
        return clean_name(PurePosixPath(finish.name).stem)
    if finish.how == "file" and not converts(finish):
        return named_by_content(clean_name(finish.name), path)
    if finish.how != "media" and not converts(finish):
        return clean_name(finish.name)
    return clean_name(f"{split_suffix(finish.name)[0]}{split_suffix(path.name)[1]}")


def _is_bookkeeping(path: Path) -> bool:
    """Control files, and the metadata aria2 saves for a magnet link (`HASH.torrent`)."""
    hash_name = path.suffix == ".torrent" and len(path.stem) in (40, 64)
    return path.name.endswith(CONTROL_SUFFIXES) or hash_name


def _is_made(source: Path) -> bool:
    """True for what was made of what came, and is no more in the form in which it came."""
    return source.name.startswith(f"{RESULT}.")


def results_in(folder: Path) -> list[Path]:
    """What was made of what came, whole or not. Raises OSError."""
    with os.scandir(folder) as entries:  # one by one: pathlib would hold all of the parts
        return [folder / each.name for each in entries if each.name.startswith(f"{RESULT}.")]


def _inside(path: Path, source: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(source).as_posix())


def _remove(folder: Path) -> None:
    """Delete a row's folder, and the record beside it first: one without its folder would be found by nobody."""
    forget(folder / MOVED)
    delete(folder)
