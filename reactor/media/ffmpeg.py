"""Joins the fetched parts into one file, without re-encoding.

    join(ffmpeg, folder, extraction, reader, progress=…, room=…) -> Joined

The container is mp4 if it can hold the codecs, else mkv; for audio alone it is the usual one of the codec.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import Protocol

import anyio
import anyio.to_thread

from reactor.errors import DownloadError, ProgramMissing
from reactor.files.deleting import delete
from reactor.files.publish import link_or_copy
from reactor.files.staging import RESULT
from reactor.media.chapters import marked
from reactor.media.check import HELPER, Checked, CheckedTrack, check_parts, measure_parts
from reactor.media.clocks import StreamClock, StreamKind
from reactor.media.inputs import Input, list_input, track_inputs
from reactor.media.measuring import PartFindings, PartQuery
from reactor.media.mp4_index import Target, write
from reactor.media.muxing import holds, suffix_of
from reactor.media.notes import hole_notes, left_out_notes, subtitle_notes
from reactor.media.probing import PROBE_DEADLINE_S, Probed, disk_trouble, failed, probe, probe_input
from reactor.media.process import run_ffmpeg
from reactor.media.room import Room, Written, reckon
from reactor.media.subtitles import TextFile, Wanted
from reactor.media.tagging import ffmetadata, language_arguments, tag_arguments, tags_of
from reactor.media.text_tracks import BESIDE, are_texts, forget_texts, write_texts
from reactor.media.timeline import Entry, Group, Timeline, arrange
from reactor.plan import Extraction, Finish, Track
from reactor.records import dataclass

AUDIO_SUFFIXES = (".aac", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav")
"""A wished name that ends so asks for the sound alone."""
JOIN_DEADLINE_S = 120.0
"""For however small a video; a large one gets more: its bytes, `RATE_MIN` at a time."""
RATE_MIN = 2 * 1024 * 1024
"""Bytes a second that the slowest disk copies."""
TOLERANCE = 0.01
TOLERANCE_MIN_S = 0.5
"""Short videos are forgiven this much: a frame of sound, a rounded segment."""
UNKNOWN_SHARE = 0.5
"""Where no clock of the parts could be read, so much of what was promised has to be there: such numbers are nominal."""
EARLY_SHARE = 0.9
"""So much of the announced duration has to be there if segments at the end do not exist."""
_ARTICLES = {".mp4": "an", ".mkv": "an"}
PROBES_MAX = 100
"""Groups of parts that ffmpeg looks into, where their own clocks are not readable."""

_PICKY: dict[Path, bool] = {}
"""What was found out about each ffmpeg."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The result of a join."""

    path: Path
    """The video; where only subtitles are wanted, the folder `text_tracks.BESIDE`."""
    notes: tuple[str, ...] = ()
    """Sentences for the person: what is not as it was offered."""
    unmet: tuple[str, ...] = ()
    """The same about what was asked for: with `strict` a failure."""
    begins: tuple[float, ...] = ()
    """Where each excerpt of the film begins in it, in seconds."""


class PartReader(Protocol):
    """Parses parts in processes that can be killed: `extractors.parsing.Parsers`."""

    async def clocks(self, folder: Path, parts: Sequence[PartQuery]) -> list[PartFindings]:
        """`measuring.Measure`."""
        ...

    async def subtitles(self, folder: Path, files: Sequence[TextFile], wanted: Wanted) -> str:
        """`text_tracks.ReadTexts`."""
        ...


async def join(
    ffmpeg: Path,
    folder: Path,
    extraction: Extraction,
    reader: PartReader,
    *,
    progress: Callable[[float], None] | None = None,
    room: Room = Room(),  # noqa: B008 - frozen
) -> Joined:
    """Join the fetched parts in `folder` by the tracks of `extraction.finish` into a file in `folder`.

    Its suffix is that of the container that it needs, and may differ from the wished name's. `progress` gets 0 to 1.
    Fails before it starts, or while it writes, if there is no `room`. The parts stay; nothing else is left behind, also
    after a cancellation. Unusable parts are deleted, so that they are fetched again.

    Raises DownloadError (`too_large`, `no_space`, `killed`, `timeout`, `join_failed`, `incomplete`, `unsupported`),
    BadParts (`files_missing`, `bad_part`, `bad_key`) and ProgramMissing."""
    joined: Joined | None = None
    await anyio.to_thread.run_sync(forget_texts, folder)
    try:
        checked = await check_parts(folder, extraction)
        room.check(folder, reckon(extraction, checked.sizes))
        work = partial(_measured_and_joined, ffmpeg, folder, extraction, checked, reader, progress, room)
        joined = await room.watch(folder, work)
    except OSError as error:
        raise disk_trouble(error) from error
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_tidy, folder, joined.path if joined else None)
            if joined is None:
                await anyio.to_thread.run_sync(forget_texts, folder)
    return joined


async def _measured_and_joined(
    ffmpeg: Path,
    folder: Path,
    extraction: Extraction,
    checked: Checked,
    reader: PartReader,
    progress: Callable[[float], None] | None,
    room: Room,
) -> Joined:
    await measure_parts(folder, checked, reader.clocks)
    written = reckon(extraction, checked.sizes)
    room.check(folder, written)
    return await _join(ffmpeg, folder, extraction, checked, reader, written, progress, room)


async def _join(
    ffmpeg: Path,
    folder: Path,
    extraction: Extraction,
    checked: Checked,
    reader: PartReader,
    written: Written,
    progress: Callable[[float], None] | None,
    room: Room,
) -> Joined:
    finish = extraction.finish
    if (given := await _without_ffmpeg(folder, extraction, checked, reader)) is not None:
        return given
    sound_alone = PurePath(finish.name).suffix.lower() in AUDIO_SUFFIXES
    in_parts = any(track.form != "file" and not are_texts(track) for track in finish.tracks)
    picky = await _is_picky(ffmpeg, folder) if in_parts else False
    sources = [
        await _source(ffmpeg, folder, number, track, checked.sizes, picky=picky)
        for number, track in enumerate(checked.tracks)
        if not are_texts(track.track)
    ]
    if finish.options.want == "audio":
        sound_alone = any(group.of("audio") for source in sources for group in source.groups)
    timeline = arrange([source.groups for source in sources], sound_alone=sound_alone)
    video = await _codec(ffmpeg, folder, sources, timeline.video, "video")
    audio = await _codec(ffmpeg, folder, sources, timeline.audio, "audio")
    suffix, unmet = _container(finish, video, audio)
    result = folder / f"{RESULT}{suffix}"
    arguments, maps = list[str](), list[str]()
    lists = [entries for entries in dict.fromkeys((timeline.video, timeline.audio)) if entries]
    for number, entries in enumerate(lists):
        mine = [sources[entry.track].input_of(entry.group) for entry in entries]
        listed = await list_input(folder, f"list-{number}", entries, mine, timeline.length_s)
        arguments += listed.from_moment(finish.start_s).arguments
        maps += ["-map", f"{number}:V:0"] if entries == timeline.video else []
        maps += ["-map", f"{number}:a:0"] if entries == timeline.audio else []
    texts = await write_texts(folder, checked, timeline, finish, reader.subtitles, sound_alone=sound_alone)
    arguments += texts.inputs(finish.start_s)
    maps += texts.maps(len(lists))
    if chapters := await _write_chapters(folder, finish, timeline.length_s):
        arguments += chapters.arguments
        maps += ["-map_chapters", str(len(lists) + len(texts.embedded))]
    arguments += [*maps, "-c", "copy", "-dn", "-strict", "-2"]
    arguments += texts.codec(suffix, finish.options.subtitles.format if finish.options.subtitles else "srt")
    arguments += tag_arguments(tags_of(finish.about))
    spoken = checked.tracks[timeline.audio[0].track].track.language if timeline.audio else ""
    arguments += language_arguments(spoken, "a:0")
    largest = room.largest(folder)
    length_s = _length_s(finish, timeline)
    ends = ("-t", f"{length_s:.6f}") if _is_clip(finish) else ()
    run = await write(
        ffmpeg,
        arguments,
        Target(result, video, written.result, length_s or finish.duration_s or 0.0, largest, ends),
        deadline_s=JOIN_DEADLINE_S + written.total / RATE_MIN,
        on_progress=_share(progress, timeline.length_s or finish.duration_s or 0.0),
    )
    if run.code != 0:
        raise failed(run, folder)
    room.check_result(result.stat().st_size, largest)
    ends_early = any(fetch.optional and fetch.name not in checked.sizes for fetch in extraction.fetches)
    _check(await probe(ffmpeg, result), extraction, timeline, sound_alone=sound_alone, ends_early=ends_early)
    if progress:
        progress(1.0)
    holes = hole_notes(checked.tracks, finish.duration_s)
    others = left_out_notes(timeline.left_out)
    notes = (*finish.notes, *holes, *others, *subtitle_notes(texts.dropped))
    return Joined(result, notes, (*unmet, *texts.unmet), begins=tuple(_begins(finish, timeline)))


def _begins(finish: Finish, timeline: Timeline) -> Iterator[float]:
    """Where the sections of each excerpt begin; at the end where they were left out."""
    ends = [each.section for each in finish.excerpts[1:]] + [None]
    entries = timeline.video or timeline.audio
    for excerpt, end in zip(finish.excerpts, ends, strict=False):
        mine = (each for each in entries if excerpt.section <= each.group.section)
        yield min((each.at_s for each in mine if end is None or each.group.section < end), default=timeline.length_s)


async def _without_ffmpeg(folder: Path, extraction: Extraction, checked: Checked, reader: PartReader) -> Joined | None:
    """Subtitles alone, or beside a video that comes in one file and stays as it is; None for all else."""
    finish = extraction.finish
    films = [track for track in checked.tracks if not are_texts(track.track)]
    if films and not _stays(films, finish):
        return None
    texts = await write_texts(folder, checked, None, finish, reader.subtitles, sound_alone=False)
    if not films and not texts.beside:
        raise DownloadError("None of the subtitles could be read.", code="bad_part")
    result = folder / BESIDE
    if films:
        source = folder / films[0].names[0]
        result = folder / f"{RESULT}{source.suffix}"
        await anyio.to_thread.run_sync(link_or_copy, source, result)
    return Joined(result, (*finish.notes, *subtitle_notes(texts.dropped)))


def _stays(films: Sequence[CheckedTrack], finish: Finish) -> bool:
    """True if the video is one file that needs no ffmpeg: what it holds nobody has promised, as of a plain link."""
    asked = finish.options
    whole = len(films) == 1 and films[0].track.form == "file" and not films[0].track.holds and not _is_clip(finish)
    beside = asked.subtitles is not None and asked.subtitles.where == "file" and asked.want != "audio"
    return whole and beside and asked.container in ("auto", PurePath(films[0].names[0]).suffix[1:])


def _container(finish: Finish, video: str | None, audio: str | None) -> tuple[str, tuple[str, ...]]:
    """The suffix of the result, and what is said where it is not the one that was asked for."""
    suffix, asked = suffix_of(video, audio), finish.options.container
    if video is None or asked == "auto" or suffix == f".{asked}":
        return suffix, ()
    if holds(f".{asked}", video, audio):
        return f".{asked}", ()
    both = " and ".join(filter(None, (video, audio)))
    return suffix, (f"A {asked} does not hold {both}: this is {_ARTICLES.get(suffix, 'a')} {suffix[1:]}.",)


async def _write_chapters(folder: Path, finish: Finish, length_s: float) -> Input | None:
    """The chapters of the film as an input; None where it has none. Those of a clip are written where it is cut."""
    if finish.options.chapters == "none" or finish.excerpts or _is_clip(finish):
        return None
    marks = finish.marks if finish.options.sponsorblock.mode == "mark" else ()
    chapters = marked(finish.chapters, marks, length_s)
    if not chapters:
        return None
    name = f"{HELPER}chapters.txt"
    await anyio.Path(folder / name).write_text(ffmetadata(chapters), encoding="utf-8")
    return Input(("-protocol_whitelist", "file", "-f", "ffmetadata"), name)


@dataclass(slots=True)
class _Source:
    """A track: its groups, what reads each of them, and what ffmpeg saw in some."""

    groups: list[Group]
    inputs: list[Input]
    seen: dict[int, Probed]
    """By the group's first part."""

    def input_of(self, group: Group) -> Input:
        return next(mine for mine, each in zip(self.inputs, self.groups, strict=True) if each.first == group.first)


async def _source(
    ffmpeg: Path, folder: Path, number: int, checked: CheckedTrack, sizes: Mapping[str, int], *, picky: bool
) -> _Source:
    """The groups of a track, each with what is known of it: ffmpeg looks where the clocks of the parts tell nothing."""
    groups = list(checked.groups)
    source = _Source(groups, await track_inputs(folder, number, checked, sizes, picky=picky), {})
    is_file = checked.track.form != "hls"
    for place, group in enumerate(groups):
        if group.known or len(source.seen) >= PROBES_MAX:
            continue
        found = source.seen[group.first] = await probe_input(ffmpeg, folder, source.inputs[place])
        length = (found.duration_s if is_file else None) or group.length_s
        streams = tuple(StreamClock(kind, _same(codec), 0.0, length) for kind, codec in found.streams)
        known = is_file and found.duration_s is not None
        groups[place] = replace(
            group, streams=streams, start_s=found.start_s or 0.0, length_s=length, sound_s=length, known=known
        )
    alike = next((group.streams for group in groups if group.streams), ())
    source.groups = [group if group.streams else replace(group, streams=alike) for group in groups]
    return source


async def _codec(
    ffmpeg: Path, folder: Path, sources: Sequence[_Source], entries: Sequence[Entry], kind: StreamKind
) -> str | None:
    """What ffmpeg calls the codec of a list; None where it has nothing."""
    if not entries:
        return None
    source, group = sources[entries[0].track], entries[0].group
    if group.first not in source.seen:
        source.seen[group.first] = await probe_input(ffmpeg, folder, source.input_of(group))
    found, measured = source.seen[group.first], group.of(kind)
    return (found.video if kind == "video" else found.audio) or (measured.codec if measured else None)


def _same(codec: str) -> str:
    """Layers of MPEG sound have one name in a transport stream."""
    return "mp3" if codec in ("mp1", "mp2") else codec


async def _is_picky(ffmpeg: Path, folder: Path) -> bool:
    """True when this ffmpeg compares the suffixes of segments with their content, which of ours says nothing.

    Raises ProgramMissing when it is too old to be kept from playlists in segments, and to read a list of parts."""
    if ffmpeg not in _PICKY:
        run = await run_ffmpeg(ffmpeg, ["-v", "quiet", "-h", "demuxer=hls"], folder=folder, deadline_s=PROBE_DEADLINE_S)
        if "seg_format_options" not in run.output:
            raise ProgramMissing(f"ffmpeg at {ffmpeg} is too old.", hint="Install ffmpeg 5 or newer.")
        _PICKY[ffmpeg] = "extension_picky" in run.output
    return _PICKY[ffmpeg]


def _share(progress: Callable[[float], None] | None, total_s: float) -> Callable[[float], None] | None:
    """Seconds written as a share of all."""
    if progress is None or total_s <= 0:
        return None
    return lambda written_s: progress(min(written_s / total_s, 1.0))


def _check(found: Probed, extraction: Extraction, timeline: Timeline, *, sound_alone: bool, ends_early: bool) -> None:
    """Compare the result with what was announced, and with how long its parts last. `ends_early`: segments at its end
    do not exist, which may have been counted wrongly, or be missing."""
    promised = _promised(extraction.finish.tracks) - ({"video"} if sound_alone else set())
    if "video" in promised and not found.video:
        raise DownloadError("The joined video has no picture, although one was announced.", code="incomplete")
    if "audio" in promised and not found.audio:
        raise DownloadError("The joined video has no sound, although it was announced.", code="incomplete")
    wanted, lasts = _length_s(extraction.finish, timeline), found.duration_s or 0.0
    tolerance = max(TOLERANCE * wanted, TOLERANCE_MIN_S)
    if timeline.known and not wanted - tolerance <= lasts <= wanted + tolerance:
        raise DownloadError(
            f"The joined video lasts {lasts:.1f} s, but its parts last {wanted:.1f} s together.", code="incomplete"
        )
    told = extraction.finish.duration_s
    if ends_early and told and not _is_clip(extraction.finish) and lasts < EARLY_SHARE * told:
        raise DownloadError(
            f"The end of this video is missing on the server: {lasts:.1f} of {told:.1f} s are there.", code="incomplete"
        )
    least = extraction.finish.least_s
    if least is not None and lasts < least:
        raise DownloadError(
            f"This is only a piece of the video: it lasts {lasts:.1f} s, its player announces more than {least:.1f} s.",
            code="incomplete",
        )
    if lasts < wanted * UNKNOWN_SHARE:
        raise DownloadError(
            f"The joined video lasts {lasts:.1f} s, but {wanted:.1f} s were announced.", code="incomplete"
        )


def _is_clip(finish: Finish) -> bool:
    return bool(finish.start_s or finish.end_s)


def _length_s(finish: Finish, timeline: Timeline) -> float:
    """Seconds that the result is to last. Raises DownloadError (`incomplete`) for a clip of what is not there."""
    if not _is_clip(finish):
        return timeline.length_s
    length_s = min(timeline.length_s, finish.end_s or timeline.length_s) - finish.start_s
    if length_s <= 0:
        raise DownloadError("The clip begins after the end of the video.", code="incomplete")
    return length_s


def _promised(tracks: Sequence[Track]) -> set[str]:
    tracks = [track for track in tracks if not are_texts(track)]
    promised: set[str] = {kind for track in tracks for kind in track.holds}
    return promised if len(tracks) < 2 else promised | {"video", "audio"}


def _tidy(folder: Path, keep: Path | None) -> None:
    """Delete the helper files, and every result but the one that is whole."""
    with os.scandir(folder) as entries:  # one by one: pathlib would hold all of the parts
        names = [entry.name for entry in entries if entry.name.startswith((HELPER, f"{RESULT}."))]
    for path in map(folder.joinpath, names):
        if path != keep:
            delete(path)
