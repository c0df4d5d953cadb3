"""Subtitles of a video that is being put together: which go into it, and which stand beside it as files.

None of them costs the video: what cannot be read is left out, and said.
"""

from __future__ import annotations

import os
import shutil
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Protocol

import anyio

from reactor.errors import DownloadError
from reactor.files.names import clean_name
from reactor.files.staging import RESULT, RESULT_FOLDER
from reactor.media.check import HELPER, Checked, CheckedTrack
from reactor.media.languages import plain_tag
from reactor.media.subtitles import Form, TextFile, Wanted
from reactor.media.tagging import language_arguments
from reactor.media.timeline import Entry, Timeline
from reactor.options import SubtitleOptions
from reactor.patterns import pattern
from reactor.plan import Finish, Track
from reactor.records import dataclass

BESIDE = ".beside"
"""The folder, in that of the parts, of what is to stand beside the video."""
ALONE = SubtitleOptions.model_construct(languages=())
"""How subtitles are given where nothing else is wanted, and no more is said."""
WHOLE_S = 1_000_000.0
"""The length of a video that nobody knows."""
_NO_TAG = pattern(r"[^a-z0-9-]+")


class ReadTexts(Protocol):
    """Reads files of subtitles in processes that can be killed: `extractors.parsing.Parsers`."""

    async def __call__(self, folder: Path, files: list[TextFile], wanted: Wanted) -> str:
        """One text; empty if there is no cue. Raises DownloadError."""
        ...


@dataclass(frozen=True, slots=True)
class TextTracks:
    """The tracks of subtitles, written as files of one text each."""

    embedded: tuple[CheckedTrack, ...] = ()
    """Those that go into the video, as SRT: see `name_of`."""
    beside: int = 0
    """How many stand beside it."""
    dropped: tuple[str, ...] = ()
    """What the others are called."""
    unmet: tuple[str, ...] = ()
    """What is said of what was asked for and cannot be had."""

    def inputs(self, start_s: float) -> Iterator[str]:
        """ffmpeg's options for reading those that go into the video; `start_s`: where it begins."""
        skipped = ["-ss", f"{start_s:.6f}"] if start_s else []
        for track in self.embedded:
            yield from ("-protocol_whitelist", "file", *skipped, "-f", "srt", "-i", f"file:{name_of(track)}")

    def maps(self, first: int) -> Iterator[str]:
        """… and for writing them; `first`: the number of their first input."""
        for number, track in enumerate(self.embedded):
            yield from ("-map", f"{first + number}:s:0", *_described(track.track, number))

    def codec(self, suffix: str, form: Form) -> list[str]:
        """… as what."""
        if not self.embedded:
            return ["-sn"]
        return ["-c:s", {".mp4": "mov_text", ".webm": "webvtt"}.get(suffix, "ass" if form == "ass" else "srt")]


def name_of(track: CheckedTrack) -> str:
    return f"{HELPER}text-{track.track.first}.srt"


def are_texts(track: Track) -> bool:
    return track.form == "webvtt"


async def write_texts(
    folder: Path, checked: Checked, timeline: Timeline | None, finish: Finish, read: ReadTexts, *, sound_alone: bool
) -> TextTracks:
    """Write the tracks of subtitles on the clock of the result. Without a `timeline` nothing is known of the media."""
    options, alone = finish.options, finish.options.want == "subtitles"
    asked = options.subtitles or (ALONE if alone else None)
    cut = timeline is not None and is_cut(finish)  # what is cut later takes its subtitles along, if they are in it
    embeds = not sound_alone and timeline is not None and (asked is None or asked.where != "file" or cut)
    files = asked is not None and (asked.where != "embed" or alone) and not cut
    length_s = timeline.length_s if timeline else finish.end_s or finish.duration_s or WHOLE_S
    beside = _Beside(folder / BESIDE)
    embedded, dropped = list[CheckedTrack](), list[str]()
    for track in checked.tracks if embeds or files else ():
        if not are_texts(track.track):
            continue
        found, done = _files(track, timeline), False
        if embeds and (text := await _read(folder, found, Wanted(length_s), read)):
            await anyio.Path(folder / name_of(track)).write_text(text, encoding="utf-8")
            embedded.append(track)
            done = True
        if files and asked is not None:
            end_s = min(length_s, finish.end_s or length_s)
            text = await _read(folder, found, Wanted(end_s, finish.start_s, asked.format), read)
            done = done or bool(text)
            if text:
                await anyio.Path(beside.free(track.track.language, asked)).write_text(text, encoding="utf-8")
        if not done:
            dropped.append(track.track.label or track.track.language or "unnamed")
    unmet = ("The subtitles are in the video: beside what is cut they would not fit.",) if cut and embedded else ()
    inside = asked is None or asked.where == "embed"
    return TextTracks(tuple(embedded), beside.count, tuple(dropped), () if inside else unmet)


def is_cut(finish: Finish) -> bool:
    """True if the film is cut after it was put together."""
    asked = finish.options
    removes = asked.sponsorblock.mode == "remove" and bool(finish.marks)
    return bool(asked.clip) or asked.chapters == "split" or removes


def gather(folder: Path, finish: Finish) -> None:
    """Put the video and what stands beside it into one folder, where staging finds it; of one file nothing is made.
    The files are named like the video, and by their languages. Raises OSError."""
    beside = folder / BESIDE
    texts = sorted(path.name for path in beside.glob("*"))
    if not texts:
        return
    with os.scandir(folder) as entries:
        results = [folder / each.name for each in entries if each.name.startswith(f"{RESULT}.")]
    if not results and len(texts) == 1:
        (beside / texts[0]).replace(folder / f"{RESULT}.{texts[0]}")
        return
    stem = PurePath(finish.name).stem
    there = next((result for result in results if result.is_dir()), beside)
    for name in texts:
        (beside / name).replace(there / clean_name(f"{stem}.{name}"))
    for result in results:
        if result != there:
            result.replace(there / clean_name(f"{stem}{result.suffix}"))
    if there == beside:
        beside.replace(folder / RESULT_FOLDER)


def forget_texts(folder: Path) -> None:
    """Delete what is to stand beside a video that is not to be published. Raises OSError."""
    shutil.rmtree(folder / BESIDE, ignore_errors=True)


class _Beside:
    """Names for files of subtitles, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uses: dict[str, int] = {}
        self.count = 0

    def free(self, language: str, asked: SubtitleOptions) -> Path:
        """Where the next one is written."""
        self._folder.mkdir(exist_ok=True)
        tag = _NO_TAG.sub("", plain_tag(language)).strip("-") or "subtitles"
        self._uses[tag] = self._uses.get(tag, 0) + 1
        self.count += 1
        number = f"-{self._uses[tag]}" if self._uses[tag] > 1 else ""
        return self._folder / f"{tag}{number}.{asked.format}"


def _files(track: CheckedTrack, timeline: Timeline | None) -> list[TextFile]:
    shown = (*timeline.audio, *timeline.video) if timeline else ()
    entries = {entry.group.section: entry for entry in shown if entry.group.known}
    if track.track.sections:
        return list(_files_of_sections(track, entries, timeline))
    files = []
    for each in track.segments():
        place = entries.get(each.section)
        clock_s, at_s = (place.group.start_s, place.at_s) if place else (None if timeline is None else 0.0, 0.0)
        init = each.init.name if each.init else ""
        files.append(TextFile(each.name, clock_s, at_s, track.track.late_s, init, each.span))
    return files


def _files_of_sections(
    track: CheckedTrack, entries: Mapping[int, Entry], timeline: Timeline | None
) -> Iterator[TextFile]:
    """Those whose sections each count their times anew. What is not in the video is not shown either."""
    begins = {number: start_s for number, start_s, _ in track.track.sections}
    if timeline is not None:
        begins = {}
        for entry in (*timeline.audio, *timeline.video):
            section = entry.group.section
            begins[section] = min(entry.at_s, begins.get(section, entry.at_s))
    order = sorted({*begins.values(), WHOLE_S})
    ends = {section: order[bisect_right(order, at_s)] for section, at_s in begins.items() if at_s < WHOLE_S}
    lates = {number: late_s for number, _, late_s in track.track.sections}
    for each in track.segments():
        place = entries.get(each.section)
        if each.section not in ends or each.section not in lates or (place is None and timeline is not None):
            continue
        clock_s, at_s = (place.group.start_s, place.at_s) if place else (0.0, begins[each.section])
        within = begins[each.section], ends[each.section]
        init = each.init.name if each.init else ""
        yield TextFile(each.name, clock_s, at_s, lates[each.section], init, each.span, within)


async def _read(folder: Path, files: list[TextFile], wanted: Wanted, read: ReadTexts) -> str:
    try:
        return await read(folder, files, wanted)
    except DownloadError:
        return ""


def _described(track: Track, number: int) -> list[str]:
    """Language and name of a track of subtitles, as ffmpeg's options."""
    name = "".join(each for each in track.label if each.isprintable())
    language = language_arguments(track.language, f"s:{number}")
    return [*language, f"-metadata:s:s:{number}", f"title={name}"] if name else language
