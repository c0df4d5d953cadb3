"""Makes of a film or a sound that is there what the row asks for: sound alone, clips, covers, chapters, tags.

    convert(ffmpeg, folder, source, finish, …) -> Converted

Nothing is lost by it: where something cannot be made, the source is given as it is, with a sentence.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from reactor.errors import DownloadError, ReactorError
from reactor.files.converted import PICTURES
from reactor.files.deleting import delete
from reactor.files.names import clean_name
from reactor.files.staging import RESULT, RESULT_FOLDER
from reactor.media.chapters import Range, moved
from reactor.media.conversion import H264, OGG, Output, Plan, left_out, plan
from reactor.media.inputs import file_input
from reactor.media.mp4_index import Target, write
from reactor.media.probing import Probed, disk_trouble, failed, probe
from reactor.media.process import run_ffmpeg
from reactor.media.room import Room, Written
from reactor.media.tagging import ffmetadata, jpg_size, picture_tag, plain, tag_arguments, tags_of
from reactor.plan import Finish
from reactor.records import dataclass

HELPER = ".convert-"
"""Prefix of the names of helper files."""
BASE_S = 120.0
"""For however small a file; a large one gets more."""
COPIED_MIN = 2 * 1024 * 1024
"""Bytes a second that the slowest disk copies."""
PICTURES_MIN = 0.02
SOUND_MIN = 1.0
"""Seconds of media that the slowest machine encodes in a second."""
DEADLINE_MAX_S = 6 * 3600.0
TOLERANCE = 0.02
TOLERANCE_MIN_S = 0.5
COVER_BYTES_MAX = 1024 * 1024
COVER_SIDE = 1280
"""Pixels of a cover's longer side."""
COVER_DEADLINE_S = 60.0
COVER_AT = 0.1
"""Where in a film the picture stands that is shown of it: after its beginning, which is often black."""
_SEEKABLE = (".mp4", ".m4a", ".mkv", ".mka", ".webm", ".mp3", ".ogg", ".opus", ".flac", ".wav")
"""Of these any moment is found; others are written into such a container first."""
_PICTURES = "gif_pipe,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,mov"
_JUNK = ("major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id", "encoder")
"""What an mp4 says of itself, and no tag of an Ogg."""

FetchCover = Callable[[str, Path], Awaitable[bool]]
"""Fetches the picture at a URL into a file; False where it is not to be had."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What there is to give now."""

    notes: tuple[str, ...] = ()
    """Sentences for the person."""


async def convert(
    ffmpeg: Path,
    folder: Path,
    source: Path,
    finish: Finish,
    *,
    begins: Sequence[float] = (),
    fetch_cover: FetchCover | None = None,
    progress: Callable[[float], None] | None = None,
    room: Room = Room(),  # noqa: B008 - frozen
) -> Converted:
    """Make of `source`, a file in `folder`, what `finish.options` ask for: the result stands beside it as staging
    expects it, a file or a folder of several. Without one the source is to be given: there was nothing to do, or it
    could not be done, which the notes say.

    `begins`: see `conversion.plan`. `progress` gets 0 to 1. Nothing else is left behind, also after a cancellation.
    Raises DownloadError (`not_as_wished`) where the row is strict, or nothing of what it wants is in the source."""
    work = _Work(ffmpeg, folder, source, finish, begins, fetch_cover, progress, room)
    done = False
    try:
        notes = await room.watch(folder, work.run)
        done = True
    except OSError as error:
        notes = work.refused(disk_trouble(error))
    except ReactorError as error:
        notes = work.refused(error)
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(partial(_tidy, folder, source, all_of_it=not done))
    return Converted(notes)


@dataclass(slots=True)
class _Work:
    """See `convert`."""

    ffmpeg: Path
    folder: Path
    source: Path
    finish: Finish
    begins: Sequence[float]
    fetch_cover: FetchCover | None
    progress: Callable[[float], None] | None
    room: Room
    done_s: float = 0.0
    total_s: float = 0.0
    lasts_s: float = 0.0
    """What the source lasts, in seconds."""
    notes: list[str] = field(default_factory=list)

    def refused(self, error: ReactorError) -> tuple[str, ...]:
        """What is said of an error that costs the row nothing. Raises it where the row is strict, or it is about what
        was asked for."""
        code, message = error.failure.code, error.failure.message
        if code == "not_as_wished":
            raise error
        if self.finish.options.strict:
            raise DownloadError(message, code="not_as_wished") from error
        return (f"{message} It is given as it came.",)

    async def run(self) -> tuple[str, ...]:
        """Make all of it."""
        if self.finish.options.want == "cover" and self.source.suffix.lower() in PICTURES.values():
            return await self._jpg()
        try:
            found = await probe(self.ffmpeg, self.source)
        except DownloadError as error:
            if error.code != "join_failed":
                raise
            raise DownloadError(
                left_out(self.finish.options, "This is neither a film nor a sound"), code="join_failed"
            ) from None
        suffix, self.lasts_s = self.source.suffix.lower(), found.duration_s or 0.0
        wanted = plan(found, self.finish, suffix, self.begins)
        self.notes += wanted.notes
        if self.finish.options.strict and self.notes:
            raise DownloadError(self.notes[0], code="not_as_wished")
        if wanted.nothing:
            return tuple(self.notes)
        cover = await self._cover(found) if wanted.embeds or wanted.beside or wanted.cover_alone else None
        if cover is None and (wanted.beside or wanted.cover_alone):
            raise DownloadError("No cover could be had of this.", code="join_failed")
        made = [] if wanted.cover_alone else await self._outputs(found, wanted, cover)
        await to_thread.run_sync(self._arrange, made, cover if wanted.beside or wanted.cover_alone else None, wanted)
        return tuple(self.notes)

    async def _jpg(self) -> tuple[str, ...]:
        """Of a picture: as jpg, which it mostly is."""
        if self.source.suffix.lower() != ".jpg":
            cover = self.folder / f"{HELPER}cover.jpg"
            if not await self._picture(_picture_input(self.source), cover):
                raise DownloadError("The cover cannot be read.", code="join_failed")
            await to_thread.run_sync(cover.replace, self.folder / f"{RESULT}.jpg")
        return ()

    async def _outputs(self, found: Probed, wanted: Plan, cover: Path | None) -> list[tuple[Output, Path]]:
        source = self.source
        if any(each.ranges for each in wanted.outputs) and source.suffix.lower() not in _SEEKABLE:
            source = await self._remuxed(found)
        lengths = [_length(each.ranges) or found.duration_s or 0.0 for each in wanted.outputs]
        self.total_s = sum(lengths) * (2 if any(each.ranges for each in wanted.outputs) else 1)
        made = []
        for n, output in enumerate(wanted.outputs):
            path = self.folder / f"{HELPER}{n}{output.suffix}"
            await self._output(source, found, wanted, output, cover if wanted.embeds else None, path)
            made.append((output, path))
        return made

    async def _remuxed(self, found: Probed) -> Path:
        """The source in a container in which any moment is found."""
        whole = self.folder / f"{HELPER}whole.mkv"
        arguments = [*file_input(self.source.name).arguments, "-map", "0:V:0?", "-map", "0:a?", "-c", "copy"]
        await self._ffmpeg(arguments, whole, found.duration_s or 0.0, final=False)
        return whole

    async def _output(
        self, source: Path, found: Probed, wanted: Plan, output: Output, cover: Path | None, path: Path
    ) -> None:
        """One file: its ranges are cut out first, then they are put together, encoded, tagged."""
        length_s = _length(output.ranges) or found.duration_s or 0.0
        chapters, pieces = output.chapters, list[tuple[Path, float]]()
        kept = list[Range]()
        for n, range_ in enumerate(output.ranges):
            piece, lasts = await self._piece(source, wanted, output, range_, n)
            pieces.append((piece, lasts))
            kept.append((max(0.0, range_[1] - lasts), range_[1]))  # at a keyframe it begins earlier
        if pieces:
            length_s = sum(lasts for _, lasts in pieces)
            chapters = moved(chapters, kept) if chapters else chapters
        arguments = await self._input_of(source, [*pieces])
        pictures = "0:v?" if found.cover and not pieces and cover is None else "0:V:0?"
        maps = ["-map", "0:a:0"] if wanted.sound else ["-map", pictures, "-map", "0:a?"]
        encode = [*wanted.sound.arguments] if wanted.sound else []
        same = output.suffix == self.source.suffix.lower() and not wanted.sound
        maps += ["-map", "0:s?"] if same else []
        maps += ["-map", "0:t?"] if same and output.suffix == ".mkv" and not pieces else []
        inputs = 1
        if cover and output.suffix not in (*OGG, ".mka", ".mkv"):
            arguments += ["-protocol_whitelist", "file", "-f", "jpeg_pipe", "-i", f"file:{cover.name}"]
            maps += ["-map", f"{inputs}:v"]
            place = 0 if wanted.sound else 1
            encode += [f"-disposition:v:{place}", "attached_pic"]
            encode += [f"-metadata:s:v:{place}", "title=Cover", f"-metadata:s:v:{place}", "comment=Cover (front)"]
            inputs += 1
        picture = await to_thread.run_sync(_picture_tag, cover) if cover and output.suffix in OGG else {}
        if chapters is not None or picture:
            name = f"{HELPER}meta.txt"
            await anyio.Path(self.folder / name).write_text(ffmetadata(chapters or (), picture), encoding="utf-8")
            arguments += ["-protocol_whitelist", "file", "-f", "ffmetadata", "-i", f"file:{name}"]
            encode += ["-map_chapters", str(inputs) if chapters is not None else "0"]
        encode += self._tags(found, wanted, output, str(inputs) if picture else None)
        if cover and output.suffix in (".mka", ".mkv"):
            encode += ["-attach", cover.name, "-metadata:s:t", "mimetype=image/jpeg"]
            encode += ["-metadata:s:t:0", "filename=cover.jpg"]
        video = "h264" if wanted.exact else found.video
        copied = ["-c", "copy", "-dn", "-strict", "-2"]
        await self._ffmpeg(
            [*arguments, *maps, *copied, *encode],
            path,
            length_s,
            video=None if wanted.sound else video,
            rate=None if wanted.sound is None or wanted.sound.copied else SOUND_MIN,
        )
        await self._check(path, length_s if pieces or found.duration_s else None, wanted, found)

    async def _piece(self, source: Path, wanted: Plan, output: Output, range_: Range, n: int) -> tuple[Path, float]:
        """A range of the source, from a keyframe on unless it is to be exact; and how long it lasts."""
        start, end = range_
        suffix = ".mka" if wanted.sound else output.suffix
        piece = self.folder / f"{HELPER}piece-{n}{suffix}"
        inside = file_input(source.name)
        arguments = ["-ss", f"{start:.6f}", "-t", f"{end - start:.6f}", *(["-threads", "8"] if wanted.exact else [])]
        arguments += [*inside.arguments, "-map_chapters", "-1"]
        if wanted.sound:
            arguments += ["-map", "0:a:0", "-c", "copy", "-copypriorss", "0", "-avoid_negative_ts", "make_zero"]
        else:
            same = suffix == self.source.suffix.lower() == source.suffix.lower()
            arguments += ["-map", "0:V:0?", "-map", "0:a?", *(["-map", "0:s?"] if same else [])]
            arguments += ["-c", "copy", "-dn", "-strict", "-2"]
            # Picture and sound begin together: at the keyframe, or both at the very moment.
            arguments += (
                [*H264, "-bf", "0", "-copypriorss:a", "0"] if wanted.exact else ["-avoid_negative_ts", "make_zero"]
            )
        await self._ffmpeg(arguments, piece, end - start, rate=PICTURES_MIN if wanted.exact else None, final=False)
        found = await probe(self.ffmpeg, piece)
        lasts = await self._shown_s(piece) if found.subtitles else found.duration_s or 0.0
        if lasts < (end - start) * (1 - TOLERANCE) - TOLERANCE_MIN_S:
            raise DownloadError(
                f"A clip of {end - start:.1f} s could not be cut: only {lasts:.1f} s came of it.", code="incomplete"
            )
        return piece, lasts

    async def _shown_s(self, piece: Path) -> float:
        """What picture and sound of a piece last: its last subtitle may be shown for longer."""
        ends = [0.0]
        run = await run_ffmpeg(
            self.ffmpeg,
            [*file_input(piece.name).arguments, "-map", "0:V?", "-map", "0:a?", "-c", "copy", "-f", "null", "-"],
            folder=self.folder,
            deadline_s=BASE_S,
            on_progress=ends.append,
        )
        if run.code != 0:
            raise failed(run, self.folder, "read what it had cut out")
        return ends[-1]

    async def _input_of(self, source: Path, pieces: Sequence[tuple[Path, float]]) -> list[str]:
        """What is read for an output: the source, its piece, or its pieces one after another."""
        if len(pieces) < 2:
            return [*file_input(pieces[0][0].name if pieces else source.name).arguments]
        lines = ["ffconcat version 1.0"]
        for piece, lasts in pieces:
            lines += [f"file '{piece.name}'", f"duration {lasts:.6f}"]
        name = f"{HELPER}list.txt"
        await anyio.Path(self.folder / name).write_text("\n".join([*lines, ""]))
        plain_ = file_input(name)
        options = [each if not each.startswith("aac,") else f"concat,{each}" for each in plain_.options]
        return [*options, "-f", "concat", "-safe", "0", "-i", f"file:{name}"]

    def _tags(self, found: Probed, wanted: Plan, output: Output, picture: str | None) -> list[str]:
        """Tags: the source's own, and over them what is known of it. `picture`: the input that holds an Ogg's cover."""
        if not wanted.tags:
            return ["-map_metadata", "-1", "-map_metadata:s:a", "-1"]
        tags = tags_of(self.finish.about)
        if output.name:
            tags["title"] = plain(output.name)
        if output.suffix not in OGG:
            within = ["-map_metadata", "0:g", "-map_metadata", "0:s:a:0"] if self.source.suffix.lower() in OGG else []
            return [*within, *tag_arguments(tags)]
        # Of an Ogg all tags are its stream's.
        arguments = ["-map_metadata", "-1", "-map_metadata:s:a:0", "0:g", "-map_metadata:s:a:0", "0:s:a:0"]
        arguments += ["-map_metadata:s:a:0", f"{picture}:g"] if picture else []
        arguments += [word for name in _JUNK for word in ("-metadata:s:a:0", f"{name}=")]
        return [*arguments, *tag_arguments(tags, "-metadata:s:a:0")]

    async def _check(self, path: Path, wanted_s: float | None, wanted: Plan, source: Probed) -> None:
        """Raises DownloadError where a result is not what it is to be."""
        found = await probe(self.ffmpeg, path)
        lacks_picture = wanted.sound is None and source.video is not None and found.video is None
        lasts = await self._shown_s(path) if found.subtitles else found.duration_s or 0.0
        if lacks_picture or (source.audio is not None and found.audio is None):
            raise DownloadError("What was made of this video lacks its picture or its sound.", code="incomplete")
        if wanted_s is not None and abs(lasts - wanted_s) > max(TOLERANCE * wanted_s, TOLERANCE_MIN_S):
            raise DownloadError(
                f"What was made of this lasts {lasts:.1f} s instead of {wanted_s:.1f} s.", code="incomplete"
            )

    async def _cover(self, found: Probed) -> Path | None:
        """A picture of it, as jpg: that of its page, else its own, else one of the film; None where there is none."""
        cover, url = self.folder / f"{HELPER}cover.jpg", self.finish.about.thumbnail
        told = self.folder / f"{HELPER}thumbnail"
        shown = bool(url) and self.fetch_cover is not None and await self.fetch_cover(url, told)
        if shown and await self._picture(_picture_input(told), cover):
            return cover
        own = [*file_input(self.source.name).arguments, "-map", "0:v", "-map", "-0:V"]
        if found.cover and await self._picture(own, cover):
            return cover
        if found.video is None:
            return None
        at_s = COVER_AT * (found.duration_s or 0.0)
        for start in (at_s, 0.0):
            frame = ["-ss", f"{start:.3f}", *file_input(self.source.name).arguments, "-map", "0:V:0"]
            if await self._picture(frame, cover):
                return cover
        return None

    async def _picture(self, arguments: Sequence[str], cover: Path) -> bool:
        """Write one picture as jpg; False where it is none."""
        side = f"scale='min({COVER_SIDE},iw)':'min({COVER_SIDE},ih)':force_original_aspect_ratio=decrease"
        how = ["-frames:v", "1", "-vf", side, "-pix_fmt", "yuvj420p", "-q:v", "3", "-strict", "-2", "-update", "1"]
        try:
            run = await run_ffmpeg(
                self.ffmpeg,
                ["-v", "warning", *arguments, *how, "-map_metadata", "-1", "-f", "image2", "-y", f"file:{cover.name}"],
                folder=self.folder,
                deadline_s=COVER_DEADLINE_S,
            )
        except DownloadError:  # it took too long
            return False
        size = await to_thread.run_sync(_size, cover)
        return run.code == 0 and 0 < size <= COVER_BYTES_MAX

    async def _ffmpeg(
        self,
        arguments: Sequence[str],
        path: Path,
        length_s: float,
        *,
        video: str | None = None,
        rate: float | None = None,
        final: bool = True,
    ) -> None:
        """One run that writes `path`; `video`, `final`: see `Target`. `rate`: seconds of media a second, where it
        encodes. Raises DownloadError."""
        size, copied = await to_thread.run_sync(_size, self.source), 0
        if rate is None:  # what is copied is a part of what is there
            share = min(1.0, length_s / self.lasts_s) if self.lasts_s else 1.0
            copied = int(size * share)
            self.room.check(self.folder, Written(result=copied))
        largest = self.room.largest(self.folder)
        begun_s = self.done_s
        deadline_s = BASE_S + size / COPIED_MIN + (length_s / rate if rate else 0.0)

        def follow(written_s: float) -> None:
            if self.progress and self.total_s:
                self.progress(min(1.0, (begun_s + min(written_s, length_s)) / self.total_s))

        run = await write(
            self.ffmpeg,
            arguments,
            Target(path, video, copied, length_s, largest, final=final),
            deadline_s=min(deadline_s, DEADLINE_MAX_S),
            on_progress=follow,
        )
        if run.code != 0:
            raise failed(run, self.folder, "make of this what was asked for")
        self.room.check_result(await to_thread.run_sync(_size, path), largest)
        self.done_s = begun_s + length_s

    def _arrange(self, made: Sequence[tuple[Output, Path]], cover: Path | None, wanted: Plan) -> None:
        """Put what was made, and the `cover` that is given with it, where staging expects it, last of all."""
        if cover is not None and wanted.cover_alone:
            self._clear()
            cover.replace(self.folder / f"{RESULT}.jpg")
            return
        if len(made) == 1 and not made[0][0].name and cover is None:
            output, path = made[0]
            self._clear()
            path.replace(self.folder / f"{RESULT}{output.suffix}")
            return
        stem = clean_name(Path(self.finish.name).stem)
        new = self.folder / f"{HELPER}folder"
        new.mkdir()
        for output, path in made:
            path.replace(new / clean_name(f"{output.name or stem}{output.suffix}"))
        if cover is not None:
            cover.replace(new / f"{stem}.jpg")
        if not made:
            self.source.replace(new / clean_name(f"{stem}{self.source.suffix}"))
        self._clear()
        new.replace(self.folder / RESULT_FOLDER)

    def _clear(self) -> None:
        """Delete the joined film that something else was made of."""
        if self.source.name.startswith(f"{RESULT}."):
            self.source.unlink(missing_ok=True)


def _picture_input(path: Path) -> list[str]:
    return ["-protocol_whitelist", "file", "-format_whitelist", _PICTURES, "-i", f"file:{path.name}"]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _picture_tag(cover: Path) -> dict[str, str]:
    data = cover.read_bytes()
    return picture_tag(data, *jpg_size(data))


def _length(ranges: Sequence[Range]) -> float:
    return sum(end - start for start, end in ranges)


def _tidy(folder: Path, source: Path, *, all_of_it: bool) -> None:
    """Delete the helper files, and, where it was not done, `all_of_it` but the source."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith((HELPER, f"{RESULT}."))]
    for path in map(folder.joinpath, names):
        if path.name.startswith(HELPER) or (all_of_it and path != source):
            delete(path)
