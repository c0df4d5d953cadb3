"""What joining writes, and what it may write: helper files (playlists, encrypted byte ranges cut out) and the result.
Reckoned before, looked at while it is written, checked at the end.

Nothing of it is in proportion to what was fetched: a playlist may name one segment 20 000 times.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import CancelScope, from_thread, to_thread

from reactor.errors import DownloadError
from reactor.files.copying import copy_bytes
from reactor.media.local import Segment, Span, each_segment
from reactor.options import Options
from reactor.plan import Extraction, Track
from reactor.programs import can_open
from reactor.records import dataclass

LOOK_S = 1.0
"""How often the disk is looked at while something is joined."""
BLOCK = 4096
"""Bytes that the smallest file takes."""
LISTS_AT_ONCE, OTHER_FILES = 2, 64
"""What ffmpeg has open: a track of the picture, one of the sound, and its libraries, helpers and pipes."""
MIB = 1024**2
MORE = "Whoever runs this can allow more."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes that joining writes: at least so many while the sizes of some parts are unknown."""

    helpers: int = 0
    result: int = 0

    @property
    def total(self) -> int:
        """All of them; they are there at the same time."""
        return self.helpers + self.result


def reckon(extraction: Extraction, sizes: Mapping[str, int]) -> Written:
    """What joining an extraction writes; `sizes` of its parts by their names, as far as they are known."""
    helpers = result = 0
    for track in extraction.finish.tracks:
        if track.form == "hls":
            ranges = dict[tuple[str, Span], None]()
            for segment in each_segment(track.playlist or ""):
                ranges |= cuts((segment,))
                result += _length(segment.name, segment.span, sizes)
            helpers += _playlists(track) + sum(_blocks(_length(*cut, sizes)) for cut in ranges)
        else:
            mine = extraction.fetches[track.first : track.first + track.count]
            whole = sum(sizes.get(fetch.name, 0) for fetch in mine)
            helpers += _helper(track, whole, [fetch.name for fetch in mine])
            result += whole
    return Written(helpers, result)


def cuts(segments: Iterable[Segment]) -> dict[tuple[str, Span], None]:
    """The byte ranges that are cut out as files of their own, since they are encrypted; each once, in order."""
    found: dict[tuple[str, Span], None] = {}
    for segment in segments:
        if segment.init and segment.init.span and segment.init.key:
            found[segment.init.name, segment.init.span] = None
        if segment.key and segment.span:
            found[segment.name, segment.span] = None
    return found


def read_in_place(parts: int) -> bool:
    """Whether ffmpeg reads so many parts as one file, of which it has all open at once; else they are put together
    first."""
    return can_open(LISTS_AT_ONCE * parts + OTHER_FILES)


def parts_list(names: Iterable[str]) -> str:
    """What names them to ffmpeg."""
    return "".join(f"'file:{_quoted(name)}'\n" for name in names)


def _quoted(name: str) -> str:
    return name.replace("'", "'\\''")


def _helper(track: Track, whole: int, names: Sequence[str]) -> int:
    if len(names) < 2:
        return 0
    listed = track.form != "webvtt" and read_in_place(len(names))
    return _blocks(len(parts_list(names))) if listed else whole


def _length(name: str, span: Span | None, sizes: Mapping[str, int]) -> int:
    size = sizes.get(name)
    if span is None:
        return size or 0
    return span.length if size is None else max(0, min(span.length, size - span.offset))


def _blocks(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _playlists(track: Track) -> int:
    return _blocks(len(track.playlist or ""))


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes may be written; 0: no limit."""

    spare: int = 0
    """What has to stay free on the disk."""
    size_max: int = 0
    """What a result may have, and so may all helper files together."""
    said_by: str = "MAX_FILE_SIZE_MIB"
    """What set that."""

    def of(self, options: Options) -> Room:
        """That of a row that asks for less."""
        most = (options.max_mib or 0) * MIB
        return self if not most or 0 < self.size_max <= most else replace(self, size_max=most, said_by="max_mib")

    def check(self, folder: Path, written: Written) -> None:
        """Raises DownloadError (`too_large`, `no_space`) when it cannot be written into `folder`, and OSError."""
        for what, size in (
            ("The joined file", written.result),
            ("The space to join the parts", written.helpers),
        ):
            if self.size_max and size > self.size_max:
                raise _too_large(
                    f"{what} has {_mib(size)} MiB; {_mib(self.size_max)} MiB are allowed ({self.said_by})."
                )
        disk = shutil.disk_usage(folder)
        if disk.free - written.total < self.spare:
            has = max(0, disk.free - self.spare)
            raise no_space(
                f"Joining the parts needs {_mib(written.total)} MiB of disk space; {_mib(has)} MiB are available.",
                lasting=disk.total - written.total < self.spare,
            )

    def copy(self, source: Path, target: Path) -> None:
        """Copy a file, where there is room for it. To be called from a thread of anyio's, and stopped with whoever
        waits for that. Raises DownloadError (`too_large`, `no_space`), OSError."""
        self.check(target.parent, Written(result=source.stat().st_size))
        copy_bytes(source, target, check=from_thread.check_cancelled)

    def largest(self, folder: Path) -> int | None:
        """With so many bytes a result is too large, or fills the disk: it is not written any further."""
        limits = [self.size_max + 1] if self.size_max else []
        limits += [max(1, shutil.disk_usage(folder).free - self.spare)] if self.spare else []
        return min(limits, default=None)

    def check_result(self, size: int, largest: int | None) -> None:
        """Raises DownloadError (`too_large`, `no_space`) for a result that has so many bytes, and may be cut off."""
        if self.size_max and size > self.size_max:
            message = f"The joined file is larger than the {_mib(self.size_max)} MiB allowed ({self.said_by})."
            raise _too_large(message)
        if largest is not None and size >= largest:
            raise no_space()

    async def watch(self, folder: Path, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work` while enough disk space stays free; below that cancel it and raise DownloadError (`no_space`)."""
        done: list[T] = []
        failed: Exception | None = None
        async with anyio.create_task_group() as tasks:
            if self.spare:
                tasks.start_soon(self._until_full, folder, tasks.cancel_scope)
            try:
                done.append(await work())
            except Exception as error:  # noqa: BLE001 - raised below, where it is in no group
                failed = error
            tasks.cancel_scope.cancel()
        if failed is not None:
            raise failed
        if not done:
            raise no_space()
        return done[0]

    async def _until_full(self, folder: Path, work: CancelScope) -> None:
        while True:
            if (await to_thread.run_sync(shutil.disk_usage, folder)).free < self.spare:
                return work.cancel()
            await anyio.sleep(LOOK_S)


def no_space(
    message: str = "There is not enough room on the disk to join the parts.", *, lasting: bool = False
) -> DownloadError:
    """The error where the disk has no room; `lasting` where it is too small for it as a whole."""
    return DownloadError(message, code="no_space", retryable=not lasting)


def _too_large(message: str) -> DownloadError:
    return DownloadError(message, hint=MORE, code="too_large")


def _mib(size: int) -> str:
    return f"{size / MIB:.1f}".removesuffix(".0")
