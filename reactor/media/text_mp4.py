"""Reads the samples of text tracks in a fragmented MP4 (ISO/IEC 14496-30): WebVTT (`wvtt`) and TTML (`stpp`). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

from reactor.records import dataclass

SAMPLES_MAX = 100_000
"""Of one file."""
_FIRST = frozenset((b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"emsg", b"prft"))
_FORMS: dict[bytes, Literal["wvtt", "stpp"]] = {b"wvtt": "wvtt", b"stpp": "stpp"}

_Timed = tuple[Literal["wvtt", "stpp"], float, float, int]
"""Form, beginning and end in seconds, and bytes of a sample."""
Box = tuple[bytes, int, int]
"""Type, and where its content begins and ends."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a track shows for a while."""

    form: Literal["wvtt", "stpp"]
    begin_s: float
    end_s: float
    text: str
    """The payload of a cue, or a whole document."""


@dataclass(slots=True)
class _Track:
    form: Literal["wvtt", "stpp"]
    scale: int
    step: int = 0
    time: int = 0


def is_mp4(data: bytes) -> bool:
    """True if it begins as an MP4 or a segment of one does."""
    return data[4:8] in _FIRST


def samples(data: bytes) -> Iterator[Sample]:
    """The samples of its text tracks, an init section first. What is cut off is left out.

    They are read one after another, wherever their offsets point: of such small files those are often wrong."""
    tracks: dict[int, _Track] = {}
    waiting, bodies, left = list[_Timed](), list[bytes](), SAMPLES_MAX
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind == b"moov":
            tracks = _tracks(data, start, end)
        elif kind == b"moof":
            yield from _filled(waiting, b"".join(bodies))
            bodies.clear()
            waiting = list(islice(_moof(data, start, end, tracks), left))
            left -= len(waiting)
        elif kind == b"mdat":
            bodies.append(data[start:end])
    yield from _filled(waiting, b"".join(bodies))


def _filled(waiting: Iterable[_Timed], body: bytes) -> Iterator[Sample]:
    at = 0
    for form, begin_s, end_s, size in waiting:
        sample, at = body[at : at + size], at + size
        for each in _cues(sample) if form == "wvtt" else [sample]:
            if text := each.decode("utf-8", "replace").strip("\0"):
                yield Sample(form, begin_s, end_s, text)


def _boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    while start + 8 <= end:
        size, kind, body = int.from_bytes(data[start : start + 4]), data[start + 4 : start + 8], start + 8
        if size == 1:
            size, body = int.from_bytes(data[start + 8 : start + 16]), start + 16
        stop = end if size == 0 else start + size
        if stop < body or stop > end:
            return
        yield kind, body, stop
        start = stop


def _inside(data: bytes, start: int, end: int, *path: bytes) -> tuple[int, int] | None:
    """Where the content of a box is that lies below others."""
    for wanted in path:
        found = next(((body, stop) for kind, body, stop in _boxes(data, start, end) if kind == wanted), None)
        if found is None:
            return None
        start, end = found
    return start, end


def _number(data: bytes, at: int, size: int = 4) -> int:
    return int.from_bytes(data[at : at + size])


def _tracks(data: bytes, start: int, end: int) -> dict[int, _Track]:
    found: dict[int, _Track] = {}
    for kind, body, stop in _boxes(data, start, end):
        if kind == b"trak":
            head, times = _inside(data, body, stop, b"tkhd"), _inside(data, body, stop, b"mdia", b"mdhd")
            entries = _inside(data, body, stop, b"mdia", b"minf", b"stbl", b"stsd")
            form = _FORMS.get(data[entries[0] + 12 : entries[0] + 16]) if entries else None
            if head and times and form:
                scale = _number(data, times[0] + (20 if data[times[0]] == 1 else 12)) or 1
                found[_number(data, head[0] + (20 if data[head[0]] == 1 else 12))] = _Track(form, scale)
    extends = _inside(data, start, end, b"mvex")
    for kind, body, _ in _boxes(data, *extends) if extends else ():
        if kind == b"trex" and (track := found.get(_number(data, body + 4))):
            track.step = _number(data, body + 12)
    return found


def _moof(data: bytes, start: int, end: int, tracks: dict[int, _Track]) -> Iterator[_Timed]:
    for kind, body, stop in _boxes(data, start, end):
        head = _inside(data, body, stop, b"tfhd") if kind == b"traf" else None
        track = tracks.get(_number(data, head[0] + 4)) if head else None
        if head is None or track is None:
            continue
        flags, at = _number(data, head[0] + 1, 3), head[0] + 8
        at += (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
        step = _number(data, at) if flags & 8 else track.step
        at += 4 if flags & 8 else 0
        size = _number(data, at) if flags & 16 else 0
        if decode := _inside(data, body, stop, b"tfdt"):
            track.time = _number(data, decode[0] + 4, 8 if data[decode[0]] == 1 else 4)
        for each, run, run_end in _boxes(data, body, stop):
            for lasts, bytes_ in _run(data, run, run_end, step, size) if each == b"trun" else ():
                begin, track.time = track.time, track.time + lasts
                yield track.form, begin / track.scale, track.time / track.scale, bytes_


def _run(data: bytes, start: int, end: int, step: int, size: int) -> Iterator[tuple[int, int]]:
    """Ticks and bytes of each sample of a run."""
    flags, count, at = _number(data, start + 1, 3), _number(data, start + 4), start + 8
    at += (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    fields = [flag for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag]
    most = (end - at) // (4 * len(fields)) if fields else count
    for _ in range(min(count, most, SAMPLES_MAX)):
        told = {flag: _number(data, at + 4 * n) for n, flag in enumerate(fields)}
        at += 4 * len(fields)
        yield told.get(0x100, step), told.get(0x200, size)


def _cues(sample: bytes) -> list[bytes]:
    """The payloads of the cues in a sample of WebVTT; none while nothing is shown."""
    found = []
    for kind, start, end in _boxes(sample, 0, len(sample)):
        payload = _inside(sample, start, end, b"payl") if kind == b"vttc" else None
        if payload:
            found.append(sample[payload[0] : payload[1]])
    return found
