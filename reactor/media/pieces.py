"""Splits what is there into pieces that an upload takes (`split_mib`): a film or a sound into ones that play by
themselves, cut at keyframes, anything else into bytes that make the file again when they are put together.

    split(find_ffmpeg, folder, files, limit, …) -> notes

All of it appears as one folder, as staging expects it, or none. The sizes of what is cut out of a film are known when
it is there: a piece that is too large is cut again.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path, PurePosixPath

import anyio
from anyio import from_thread, to_thread

from reactor.errors import DownloadError, ReactorError
from reactor.files.copying import copy_bytes
from reactor.files.deleting import delete
from reactor.files.names import candidates, split_suffix, trim_name
from reactor.files.publish import link_or_copy
from reactor.files.staging import RESULT_FOLDER, results_in
from reactor.files.suffixes import TIMED_SUFFIXES
from reactor.media.inputs import file_input
from reactor.media.mp4_index import Target, lacking, reserve
from reactor.media.muxing import INDEXED, MUXERS, index_option, suffix_of
from reactor.media.probing import Probed, failed, probe
from reactor.media.process import run_ffmpeg
from reactor.media.room import Room, Written
from reactor.records import dataclass

MAKING = ".splitting"
"""The folder that the pieces are made in."""
CUTS = ".cuts"
"""Beside it: where those of one film come from ffmpeg."""
AIM = 0.95
"""Of the limit: what a piece of even bit rate is to have, so that few are cut again."""
SHORTER = (1.0, 0.6, 0.3)
"""Where no keyframe comes after so long, one may come earlier."""
ROUNDED_S = 0.05
"""So much before its moment a keyframe counts: moments are rounded."""
SCRAP_S = 1.0
"""What lasts less at the end stays with the piece before it."""
NAME_BYTES_MAX = 230
"""Of a name, before its number."""
PIECES_MAX = 999
"""Of one file: their numbers have three digits."""
BASE_S = 120.0
COPIED_MIN = 2 * 1024 * 1024
"""Bytes a second that the slowest disk copies."""
DEADLINE_MAX_S = 6 * 3600.0
SHARE_MIN, LACKS_MAX_S = 0.98, 1.0
"""So much of a film has to be in its pieces: ffmpeg ends well also where it could not read on."""

Files = Sequence[tuple[Path, PurePosixPath]]
"""What is to be published: each file, and its path in the result."""


class NotCut(Exception):
    """A film that cannot be cut so; the text says why."""


async def split(
    find_ffmpeg: Callable[[], Path],
    folder: Path,
    files: Files,
    limit: int,
    *,
    progress: Callable[[float], None] | None = None,
    room: Room = Room(),  # noqa: B008 - frozen
    strict: bool = False,
) -> tuple[str, ...]:
    """Make of `files` the same where none has more than `limit` bytes, as the folder in `folder` that staging expects.
    Where all are small enough nothing is made. Returns sentences for the person.

    The files stay, but for those that were made of others; nothing else is left behind, also after a cancellation.
    `progress` gets 0 to 1. Raises DownloadError (`no_space`, `too_large`; with `strict` `not_as_wished`), OSError."""
    work = _Work(find_ffmpeg, folder, limit, progress, room, strict)
    try:
        await room.watch(folder, partial(work.run, files))
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(work.tidy)
    return tuple(work.notes)


@dataclass(slots=True)
class _Work:
    """See `split`."""

    find_ffmpeg: Callable[[], Path]
    folder: Path
    limit: int
    progress: Callable[[float], None] | None
    room: Room
    strict: bool
    notes: list[str] = field(default_factory=list)
    total: int = 0
    done: int = 0
    """Bytes of what is to be split, and of what is."""

    async def run(self, files: Files) -> None:
        """All of them."""
        sizes = await to_thread.run_sync(lambda: [source.stat().st_size for source, _ in files])
        large = [each for each, size in zip(files, sizes, strict=True) if size > self.limit]
        if not large:
            return
        self.total = sum(size for size in sizes if size > self.limit)
        self.room.check(self.folder, Written(result=self.total))
        await to_thread.run_sync(self.tidy)
        await to_thread.run_sync(self._take, [each for each in files if each not in large])
        for source, path in large:
            await self._split(source, self.folder / MAKING / path)
        await to_thread.run_sync(self._arrange)

    def _take(self, small: Files) -> None:
        """What is small enough is there as it is."""
        (self.folder / MAKING).mkdir()
        for source, path in small:
            target = self.folder / MAKING / path
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source, target, self.room.copy)

    async def _split(self, source: Path, target: Path) -> None:
        """One file; `target` is where it would be as a whole."""
        size = await to_thread.run_sync(lambda: source.stat().st_size)
        await to_thread.run_sync(partial(target.parent.mkdir, parents=True, exist_ok=True))
        if target.suffix.lower()[1:] in TIMED_SUFFIXES:
            try:
                return await self._film(source, target, size)
            except NotCut as error:
                told = f"{target.name} could not be cut into pieces that play by themselves (`split_mib`): {error}."
            if self.strict:
                raise DownloadError(told, hint="Without `strict` it is split by bytes.", code="not_as_wished")
            self.notes.append(told)
        count = math.ceil(size / self.limit)
        if count > PIECES_MAX:
            message = f"{target.name} would be more than {PIECES_MAX} pieces of {self.limit} bytes."
            raise DownloadError(message, code="too_large")
        for n in range(count):
            piece = _free(target.with_name(f"{trim_name(target.name, NAME_BYTES_MAX)}.{n + 1:03}"))
            copied = partial(copy_bytes, source, piece, check=from_thread.check_cancelled)
            await to_thread.run_sync(partial(copied, offset=n * self.limit, length=self.limit))
            self._done(min(size - n * self.limit, self.limit))

    # A film

    async def _film(self, source: Path, target: Path, size: int) -> None:
        """Raises NotCut where it cannot be had in pieces that play."""
        cuts = self.folder / CUTS
        try:
            ffmpeg = self.find_ffmpeg()
            found = await probe(ffmpeg, source)
            suffix = target.suffix.lower()
            suffix = suffix if suffix in MUXERS else suffix_of(found.video, found.audio)
            await to_thread.run_sync(cuts.mkdir)
            pieces = await self._cut(ffmpeg, source, found, cuts / f"p{suffix}", size)
            await _check(ffmpeg, found, pieces)
        except ReactorError as error:
            if error.code == "no_space":
                raise
            await to_thread.run_sync(partial(shutil.rmtree, cuts, ignore_errors=True))
            raise NotCut(error.failure.message.rstrip(".")) from error
        except NotCut:
            await to_thread.run_sync(partial(shutil.rmtree, cuts, ignore_errors=True))
            raise
        stem = trim_name(split_suffix(target.name)[0], NAME_BYTES_MAX)
        for n, piece in enumerate(pieces, 1):
            await to_thread.run_sync(piece.rename, _free(target.with_name(f"{stem}.{n:03}{suffix}")))
        await to_thread.run_sync(cuts.rmdir)
        self._done(size)

    async def _cut(self, ffmpeg: Path, source: Path, found: Probed, target: Path, size: int) -> list[Path]:
        """The pieces of a film in their order, each small enough. `target` is what their names are made of."""
        if not found.duration_s:
            raise NotCut("nobody can tell how long it lasts")
        count = math.ceil(size / (self.limit * AIM))
        if count > PIECES_MAX:
            raise NotCut(f"it would be more than {PIECES_MAX} pieces")
        for share in SHORTER:
            made = await self._segments(ffmpeg, source, found, target, share * found.duration_s / count)
            if len(made) > 1:
                break
        else:
            raise NotCut("there is no keyframe where it would have to be cut")
        pieces = list[Path]()
        for piece, bytes_ in made:
            if bytes_ <= self.limit:
                pieces.append(piece)
            else:
                again = await probe(ffmpeg, piece)
                pieces += await self._cut(ffmpeg, piece, again, piece.with_stem(f"{piece.stem}-"), bytes_)
                await to_thread.run_sync(piece.unlink)
            if len(pieces) > PIECES_MAX:
                raise NotCut(f"it would be more than {PIECES_MAX} pieces")
        return pieces

    async def _segments(
        self, ffmpeg: Path, source: Path, found: Probed, target: Path, each_s: float
    ) -> list[tuple[Path, int]]:
        """Cut at the first keyframe after each so many seconds: the pieces with their sizes. Of the end no scrap is cut
        off (`-segment_time` would): two frames by themselves are nothing that a player opens."""
        lasts_s = found.duration_s or each_s
        whole = lasts_s - min(SCRAP_S, each_s / 2)
        times = [f"{each_s * n:.6f}" for n in range(1, math.ceil(lasts_s / each_s)) if each_s * n < whole]
        picture = found.video is not None
        same = picture and source.suffix.lower() == target.suffix
        maps = ["-map", "0:V:0", "-map", "0:a?"] if picture else ["-map", "0:a:0"]
        maps += ["-map", "0:s?"] if same else []
        muxer = ["-f", "segment", "-segment_times", ",".join(times), "-segment_time_delta", f"{ROUNDED_S}"]
        muxer += ["-reset_timestamps", "1"]
        muxer += ["-segment_format", MUXERS[target.suffix]]
        if target.suffix == ".mp4" and found.video == "hevc":
            muxer += ["-tag:v:0", "hvc1"]
        names = f"file:{CUTS}/{target.stem}%05d{target.suffix}"
        inputs = file_input(str(source.relative_to(self.folder))).arguments
        arguments = [*inputs, *maps, "-c", "copy", "-map_chapters", "-1"]
        size, begun = (await to_thread.run_sync(source.stat)).st_size, self.done

        def follow(written_s: float) -> None:
            if source.parent.name != CUTS:  # what is cut again was counted already
                self._told(begun + int(size * min(1.0, written_s / lasts_s)))

        one = Target(self.folder / target.name, found.video, int(size * each_s / lasts_s), each_s)
        deadline_s = min(BASE_S + size / COPIED_MIN, DEADLINE_MAX_S)
        reserved = await reserve(ffmpeg, arguments, one, deadline_s)
        for index in dict.fromkeys((reserved, None)):
            options = ["-segment_format_options", index_option(index)] if target.suffix in INDEXED else []
            run = await run_ffmpeg(
                ffmpeg,
                ["-v", "warning", *arguments, *muxer, *options, names],
                folder=self.folder,
                deadline_s=deadline_s,
                on_progress=follow,
            )
            if not lacking(run):
                break
        if run.code != 0:
            raise failed(run, self.folder, "cut this into pieces")
        return await to_thread.run_sync(_made, target)

    # Putting it where it belongs

    def _done(self, size: int) -> None:
        self.done += size
        self._told(self.done)

    def _told(self, done: int) -> None:
        if self.progress:
            self.progress(min(1.0, done / self.total))

    def _arrange(self) -> None:
        """Last of all: what it was made of goes only when it is whole."""
        for path in results_in(self.folder):
            delete(path)
        (self.folder / MAKING).rename(self.folder / RESULT_FOLDER)

    def tidy(self) -> None:
        """Delete what is half."""
        for name in (MAKING, CUTS):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def _made(target: Path) -> list[tuple[Path, int]]:
    pieces = sorted(target.parent.glob(f"{target.stem}[0-9][0-9][0-9][0-9][0-9]{target.suffix}"))
    return [(piece, piece.stat().st_size) for piece in pieces]


def _free(path: Path) -> Path:
    """A name that is not taken: there may be such a file already."""
    return next(free for name in candidates(path.name) if not (free := path.with_name(name)).exists())


async def _check(ffmpeg: Path, source: Probed, pieces: Sequence[Path]) -> None:
    """Raises NotCut where the pieces are not all of it, or one of them does not play."""
    found = [await probe(ffmpeg, piece) for piece in pieces]
    if source.video is not None and any(each.video is None for each in found):
        raise NotCut("a piece lacks its picture")
    if source.audio is not None and not any(each.audio is not None for each in found):
        raise NotCut("the pieces lack their sound")
    lasts, whole = sum(each.duration_s or 0.0 for each in found), source.duration_s or 0.0
    if lasts < whole * SHARE_MIN - LACKS_MAX_S:
        raise NotCut(f"its pieces last {lasts:.1f} s instead of {whole:.1f} s")
