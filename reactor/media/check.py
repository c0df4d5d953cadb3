"""Checks fetched parts before ffmpeg sees them: missing parts, error pages or pictures instead of media, truncated
parts, wrong keys; and measures the clock of each part.

A part that is not what it must be is deleted, so that it is fetched again.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread

from reactor.errors import DownloadError
from reactor.media.clocks import Measured
from reactor.media.local import Segment, Span, each_segment, init_data
from reactor.media.measuring import LOOK_BYTES, Measure, PartFindings, PartQuery, Unreadable
from reactor.media.parts import BadParts
from reactor.media.timeline import KINDS, Group, Grouping, Piece, jump_s
from reactor.plan import Extraction, Fetch, Track
from reactor.records import dataclass

KEY_BYTES = 16
SECTIONS_MAX = 100_000
"""More than a playlist has."""
BATCH = 64
"""Parts that are checked at a time; a cancellation takes effect in between."""
MEASURED = 64
"""Parts per request to a worker: some hundredths of a second, some dozens of KiB."""
FAILURES_MAX = 12
"""Failed requests while an unreadable part is searched by bisection; seven find one."""
HELPER = ".join-"
"""Prefix of the names of helper files. A clean name never begins with a dot."""
SHORT_MIN_S, SHORT_SHARE = 0.5, 0.2
"""A part that is shorter than announced by this, with a pause after it, is truncated."""
GZIP_RATIO_MAX = 4
"""Media is compressed already: what expands more is something else."""
PIECE = 1024 * 1024
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f"))


@dataclass(slots=True)
class CheckedTrack:
    """A track whose parts are there, or as many of them as it needs."""

    track: Track
    names: tuple[str, ...]
    """Its parts that are there."""
    missing: frozenset[str] = frozenset()
    """Its parts that are not."""
    planned: tuple[str, ...] = ()
    """All of them."""
    found: dict[str, Span] = field(default_factory=dict)
    """Where the media begins in a part that has a picture before it."""
    groups: list[Group] = field(default_factory=list)
    """Its segments or parts, in groups."""

    inits: dict[str, str] = field(default_factory=dict)
    """Helper files with the init sections that are in the playlist itself."""

    def segments(self) -> Iterator[Segment]:
        """The segments of its playlist that are there. An iterator: there may be 20 000."""
        gap = False
        for each in each_segment(self.track.playlist or ""):
            if each.name in self.missing:
                gap = True
                continue
            if gap:
                each, gap = replace(each, gap=True), False
            if each.init and each.init.name in self.inits:
                each = replace(each, init=replace(each.init, name=self.inits[each.init.name]))
            found = self.found.get(each.name) if each.span is None else None
            yield replace(each, span=found) if found else each

    def holes(self, duration_s: float | None) -> list[tuple[float, float]]:
        """Beginning and length of the segments that are missing in the midst, in seconds, as the manifest has them.
        `duration_s`: of the video, as far as it is known."""
        if self.track.form != "hls":
            return self._holes_of_parts(duration_s)
        found, now_s = list[tuple[float, float]](), 0.0
        for each in each_segment(self.track.playlist or ""):
            if each.name in self.missing:
                found.append((now_s, each.duration_s))
            now_s += each.duration_s
        return found

    def _holes_of_parts(self, duration_s: float | None) -> list[tuple[float, float]]:
        each_s = (duration_s or 0.0) / max(1, len(self.names) + len(self.missing) - len(self.track.needed))
        places = (place for place, name in enumerate(self.planned) if name in self.missing)
        return [((place - len(self.track.needed)) * each_s, each_s) for place in places]


@dataclass(slots=True)
class Checked:
    """All tracks, and the sizes of their parts by name."""

    tracks: list[CheckedTrack]
    sizes: dict[str, int]


async def check_parts(folder: Path, extraction: Extraction) -> Checked:
    """Check the beginning of every part of every track.

    Raises BadParts: `files_missing`, `bad_part`, `bad_key`."""
    sizes: dict[str, int] = {}
    bad: list[BadParts] = []
    tracks = []
    for number, track in enumerate(extraction.finish.tracks):
        fetches = extraction.fetches[track.first : track.first + track.count]
        text = track.playlist or ""
        keys, closed = set[str](), set[str]()
        for each in each_segment(text):
            keys.update(key.uri for key in (each.key, each.init and each.init.key) if key)
            closed.update((each.name,) if each.key else ())
        text_ = track.form == "webvtt"
        for first in range(0, len(fetches), BATCH):
            some = fetches[first : first + BATCH]
            await anyio.to_thread.run_sync(partial(_look, folder, some, keys, closed, sizes, bad, are_texts=text_))
        planned = tuple(fetch.name for fetch in fetches)
        missing = frozenset(name for name in planned if name not in sizes)
        names = tuple(name for name in planned if name in sizes) if missing else planned
        checked = CheckedTrack(track, names, missing, planned)
        await anyio.to_thread.run_sync(_write_inits, folder, number, checked, sizes)
        tracks.append(checked)
    known_bad = {name for each in bad for name in each.names}
    absent = [n for n, fetch in enumerate(extraction.fetches) if fetch.name not in sizes]
    gone = [name for n in absent if (name := extraction.fetches[n].name) not in known_bad]
    if gone and not extraction.tolerates(absent):
        bad.append(_missing(gone))
    _raise(bad)
    return Checked(tracks, sizes)


def _write_inits(folder: Path, number: int, checked: CheckedTrack, sizes: dict[str, int]) -> None:
    """Write the init sections that are in the playlist itself into helper files."""
    for each in each_segment(checked.track.playlist or ""):
        if each.init and each.init.name not in checked.inits and (data := init_data(each.init)) is not None:
            name = f"{HELPER}init-{number}-{len(checked.inits)}.mp4"
            (folder / name).write_bytes(data)
            checked.inits[each.init.name], sizes[name] = name, len(data)


def _missing(names: Sequence[str]) -> BadParts:
    if len(names) == 1:
        sentence = f"A part of this video ({names[0]}) was missing when the parts were joined."
    else:
        sentence = f"{len(names)} parts of this video ({names[0]}, …) were missing when the parts were joined."
    return BadParts(sentence, *names, code="files_missing")


async def measure_parts(folder: Path, checked: Checked, measure: Measure) -> None:
    """Unpack parts that were compressed without being asked for, and measure the clock of every part.

    Raises BadParts (`bad_part`), OSError, and what `measure` raises."""
    bad: list[BadParts] = []
    reading = _Reading(folder, measure)
    for track in checked.tracks:
        if track.track.form != "webvtt":
            await _measure(reading, track, checked.sizes, bad)
    _raise(bad)


def _raise(bad: list[BadParts]) -> None:
    if bad:
        bad[0].names = tuple(dict.fromkeys(name for each in bad for name in each.names))
        raise bad[0]


def _look(
    folder: Path,
    fetches: Sequence[Fetch],
    keys: set[str],
    closed: set[str],
    sizes: dict[str, int],
    bad: list[BadParts],
    *,
    are_texts: bool,
) -> None:
    for fetch in fetches:
        try:
            size = _checked(
                folder, fetch, is_key=fetch.name in keys, is_closed=fetch.name in closed, is_text_wanted=are_texts
            )
        except BadParts as error:
            bad.append(error)
        else:
            if size is not None:
                sizes[fetch.name] = size


def _checked(folder: Path, fetch: Fetch, *, is_key: bool, is_closed: bool, is_text_wanted: bool) -> int | None:
    """The size of a part; None if it is not there."""
    try:
        with open_part(folder, fetch.name) as file:
            start, size = file.read(LOOK_BYTES), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return None
    if is_text_wanted:
        return size
    if is_key and size != KEY_BYTES:
        (folder / fetch.name).unlink()
        what = "an error page" if is_text(start) and size > 2 * KEY_BYTES else f"{size} bytes long, not {KEY_BYTES}"
        raise BadParts(f"The key of this video ({fetch.name}) is {what}.", fetch.name, code="bad_key")
    if not is_key and is_text(start):
        raise _bad(folder, fetch.name, "an error page in place of media" if start else "empty")
    if is_closed and size % 16 and not start.startswith(b"\x47"):  # whole blocks of AES
        raise _bad(folder, fetch.name, "cut short")
    return size


def _bad(folder: Path, name: str, what: str) -> BadParts:
    """Delete an unusable part; return the error."""
    (folder / name).unlink(missing_ok=True)
    return BadParts(f"A part of this video ({name}) is {what}.", name, code="bad_part")


def _unpack(folder: Path, name: str) -> int:
    """Replace a part that is compressed by gzip by its content; return the new size."""
    path, target = folder / name, folder / f"{HELPER}unpacked"
    most = GZIP_RATIO_MAX * path.stat().st_size + PIECE
    reader, written = zlib.decompressobj(31), 0
    try:
        with path.open("rb") as source, target.open("wb") as file:
            while written <= most and (piece := reader.unconsumed_tail or source.read(PIECE)):
                data = reader.decompress(piece, PIECE)
                written += len(data)
                file.write(data)
    except zlib.error:
        written = most + 1
    if written > most or not reader.eof:
        raise _bad(folder, name, "not media")
    target.replace(path)
    return written


# Clocks


async def _measure(reading: _Reading, checked: CheckedTrack, sizes: dict[str, int], bad: list[BadParts]) -> None:
    """Measure the parts of a track, and find those that are truncated or no media."""
    grouping, shorts = Grouping(), _Shorts(reading.folder, bad)

    def some(jobs: Sequence[_Job], found: Sequence[PartFindings | None]) -> None:
        for job, each in zip(jobs, found, strict=True):
            piece = _judged(reading.folder, job, each, bad)
            if each and each.offset:
                checked.found[job.name] = Span(each.offset, sizes[job.name] - each.offset)
            if checked.track.form == "hls":
                shorts.take(job.name, piece)
            elif job.leads and piece.measured is None:
                continue  # an init section
            grouping.take(piece)

    jobs = _segment_jobs(checked) if checked.track.form == "hls" else _part_jobs(checked)
    while batch := list(islice(jobs, MEASURED)):
        found = await reading.some(batch, sizes, bad)
        some(batch, found)
    if checked.track.form == "hls":
        shorts.take()
    checked.groups = grouping.groups


@dataclass(slots=True)
class _Job:
    """A part to measure."""

    name: str
    piece: Piece
    span: Span | None = None
    init: str | None = None
    closed: bool = False
    leads: bool = False
    """It is the first of several, and may be only an init section."""


def _segment_jobs(checked: CheckedTrack) -> Iterator[_Job]:
    before: Segment | None = None
    for segment in checked.segments():
        cut = before is not None and before.init != segment.init
        init = segment.init if segment.init and not segment.init.key and segment.init.name != segment.name else None
        section = checked.track.section * SECTIONS_MAX + segment.section
        piece = Piece(section, segment.duration_s, cut, segment.gap)
        closed = segment.key is not None
        yield _Job(segment.name, piece, segment.span, init.name if init else None, closed)
        before = segment


def _part_jobs(checked: CheckedTrack) -> Iterator[_Job]:
    first = checked.names[0] if checked.track.form == "concat" and checked.names else None
    place, hole = 0, False
    for name in checked.planned:
        if name in checked.missing:
            hole = True
            continue
        piece = Piece(checked.track.section, hole=hole)
        leads, closed = not place and len(checked.names) > 1, checked.track.form == "pieces"
        yield _Job(name, piece, init=first if place else None, closed=closed, leads=leads and not closed)
        place, hole = place + 1, False


@dataclass(slots=True)
class _Reading:
    """Has parts measured, many at a time; after a failure the part at fault is searched by bisection."""

    folder: Path
    measure: Measure
    failures: int = 0

    async def some(self, jobs: Sequence[_Job], sizes: dict[str, int], bad: list[BadParts]) -> list[PartFindings | None]:
        """What each turned out to be; None for what is encrypted."""
        opened = [job for job in jobs if not job.closed]
        found = dict(zip(map(id, opened), await self._found(opened), strict=True))
        packed = [job for job in opened if found[id(job)].what == "packed"]
        if packed:
            names = dict.fromkeys(job.name for job in packed)
            await anyio.to_thread.run_sync(_unpack_all, self.folder, names, sizes, bad)
            found |= zip(map(id, packed), await self._found(packed), strict=True)
        return [found.get(id(job)) for job in jobs]

    async def _found(self, jobs: Sequence[_Job]) -> list[PartFindings]:
        if not jobs:
            return []
        try:
            return await self.measure(self.folder, [PartQuery(job.name, job.span, job.init) for job in jobs])
        except Unreadable as error:
            self.failures += 1
            if len(jobs) == 1:
                raise _bad(self.folder, jobs[0].name, f"not to be read: {error.message}") from None
            if self.failures >= FAILURES_MAX:
                message = f"The parts of this video cannot be read: {error.message}."
                raise DownloadError(message, code="bad_part") from None
        half = len(jobs) // 2
        return await self._found(jobs[:half]) + await self._found(jobs[half:])


def _unpack_all(folder: Path, names: Iterable[str], sizes: dict[str, int], bad: list[BadParts]) -> None:
    for name in names:
        try:
            sizes[name] = _unpack(folder, name)
        except BadParts as error:
            bad.append(error)


def _judged(folder: Path, job: _Job, found: PartFindings | None, bad: list[BadParts]) -> Piece:
    """The part with its clock; one that is bad is deleted."""
    if found is None:
        return job.piece
    if found.what == "short":
        bad.append(_bad(folder, job.name, "cut short"))
    elif found.what in ("foreign", "packed"):
        bad.append(_bad(folder, job.name, "something else than media"))
    return replace(job.piece, measured=found.measured)


def open_part(folder: Path, name: str) -> BinaryIO:
    """Open a part for reading. Without a `Path` of its own: pathlib interns every name, and a table of 20 000 stays."""
    return open(f"{folder}/{name}", "rb")  # noqa: PTH123


@dataclass(slots=True)
class _Shorts:
    """Finds the parts that last less than they are said to, with nothing in the time until the next: two say it."""

    folder: Path
    bad: list[BadParts]
    before: tuple[str, Piece] | None = None

    def take(self, name: str = "", piece: Piece | None = None) -> None:
        """The next part, or the end."""
        if self.before is not None and _is_short(self.before[1], piece):
            self.bad.append(_bad(self.folder, self.before[0], "shorter than it is said to be"))
        self.before = None if piece is None else (name, piece)


def _is_short(piece: Piece, following: Piece | None) -> bool:
    measured = piece.measured
    if measured is None or measured.main is None:
        return False
    lacks = piece.told_s - (measured.main.end_s - measured.main.start_s)
    if lacks <= max(SHORT_MIN_S, SHORT_SHARE * piece.told_s):
        return False
    if following is None:
        return measured.ragged
    alike = following.section == piece.section and not following.gap
    return alike and following.measured is not None and _leaves_a_hole(measured, following.measured, lacks)


def _leaves_a_hole(one: Measured, two: Measured, lacks_s: float) -> bool:
    """True when all streams pause for about as long as is missing."""
    pauses = []
    for kind in KINDS:
        if one.of(kind) and two.of(kind):
            mine = replace(one, streams=tuple(each for each in one.streams if each.kind == kind))
            pauses.append(jump_s(mine, replace(two, streams=tuple(each for each in two.streams if each.kind == kind))))
    return bool(pauses) and all(pause is not None and lacks_s / 2 <= pause <= 2 * lacks_s + 1 for pause in pauses)


def is_text(start: bytes) -> bool:
    """True for what begins like a page or a message, and for nothing: media and ciphertext never do."""
    if start.translate(None, _CONTROL) != start:
        return False
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.end == len(start) and error.start > len(start) - 4 and len(start) == LOOK_BYTES
    return True
