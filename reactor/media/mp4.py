"""Parses MP4 boxes (ISO/IEC 14496-12): streams of a fragment, their timestamps, whether the file is truncated."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from reactor.media.adts import RATES
from reactor.media.clocks import CutShort, Measured, StreamClock, StreamKind
from reactor.records import dataclass

BOX_BYTES_MAX = 32 * 1024 * 1024
"""Longer header boxes are not read."""
BOXES_MAX = 1_000_000
_FIRST = frozenset((b"ftyp", b"styp", b"moov", b"moof", b"sidx", b"mdat", b"free", b"skip", b"emsg", b"prft", b"wide"))
_HANDLERS: dict[bytes, StreamKind] = {b"vide": "video", b"soun": "audio"}
_CODECS = {
    b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc", b"av01": "av1", b"vp09": "vp9", b"vp08": "vp8",
    b"mp4a": "aac", b"ac-3": "ac3", b"ec-3": "eac3", b"Opus": "opus", b"fLaC": "flac", b"alac": "alac", b".mp3": "mp3",
}  # fmt: skip
_IN_BAND = b"avc1", b"avc3", b"vp09", b"vp08", b"av01"
"""Video codecs whose parameter sets are in band, or are inserted by the muxer."""


@dataclass(slots=True)
class _Track:
    kind: StreamKind
    codec: str
    setup: str
    scale: int
    shift: float
    """Seconds from a timestamp to its presentation time, by the edit list."""
    step: int = 0
    first: int | None = None
    last: int = 0

    def shown_s(self, time: int) -> float:
        return time / self.scale + self.shift


@dataclass(slots=True)
class _Header:
    """The content of a `moov` box."""

    tracks: dict[int, _Track] = field(default_factory=dict)


def is_mp4(start: bytes) -> bool:
    """True if it begins with a box type that files or segments begin with."""
    return start[4:8] in _FIRST


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the content of each box. Raises CutShort if one extends beyond `end`."""
    for _ in range(BOXES_MAX):
        file.seek(start)
        head = file.read(min(16, end - start))
        if len(head) < 8:
            return
        size, kind, body = int.from_bytes(head[:4]), head[4:8], start + 8
        if size == 1 and len(head) == 16:
            size, body = int.from_bytes(head[8:16]), start + 16
        stop = end if size == 0 else start + size
        if (size and stop < body) or not _is_type(kind):
            return  # not a box: something behind the last one
        if stop > end:
            raise CutShort
        yield kind, body, stop
        start = stop


def measure(file: BinaryIO, start: int, end: int, init: Path | None) -> Measured | None:
    """The streams of a segment; None for a file that is not fragmented. Raises CutShort."""
    header = _Header()
    if init:
        known = _read_init(init, init.stat().st_mtime_ns)
        header = _Header({number: replace(track) for number, track in known.tracks.items()})
    moofs = 0
    for kind, body, stop in boxes(file, start, end):
        if kind == b"moov" and stop - body <= BOX_BYTES_MAX:
            header = _moov(_read(file, body, stop))
        elif kind == b"moof" and stop - body <= BOX_BYTES_MAX:
            moofs += 1
            _moof(_read(file, body, stop), header, first=moofs == 1)
    if not moofs:
        return None
    found = tuple(
        StreamClock(each.kind, each.codec, each.shown_s(each.first), each.shown_s(each.last), each.setup)
        for each in header.tracks.values()
        if each.first is not None
    )
    return Measured(found)


def kinds(file: BinaryIO, end: int) -> set[StreamKind] | None:
    """The kinds of streams by the file's header; None if the header is not in the first `end` bytes."""
    try:
        for kind, body, stop in boxes(file, 0, end):
            if kind == b"moov":
                return {track.kind for track in _moov(_read(file, body, stop)).tracks.values()}
    except CutShort:
        pass
    return None


@lru_cache(maxsize=64)
def _read_init(path: Path, _changed: int) -> _Header:
    with path.open("rb") as file:
        for kind, body, stop in boxes(file, 0, file.seek(0, 2)):
            if kind == b"moov" and stop - body <= BOX_BYTES_MAX:
                return _moov(_read(file, body, stop))
    return _Header()


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _is_type(kind: bytes) -> bool:
    return all(32 <= byte < 127 or byte == 0xA9 for byte in kind)


def _inside(data: bytes, start: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the boxes inside a box that is in memory."""
    while start + 8 <= len(data):
        size, kind = int.from_bytes(data[start : start + 4]), data[start + 4 : start + 8]
        if size < 8:
            return
        yield kind, data[start + 8 : start + size]
        start += size


def _path(data: bytes, *kinds: bytes) -> bytes:
    for kind in kinds:
        data = next((body for each, body in _inside(data) if each == kind), b"")
    return data


def _moov(moov: bytes) -> _Header:
    header = _Header()
    movie = _path(moov, b"mvhd")
    movie_scale = int.from_bytes(movie[20:24] if movie[:1] == b"\1" else movie[12:16]) or 1
    for kind, body in _inside(moov):
        if kind == b"trak" and (found := _trak(body, movie_scale)):
            header.tracks[found[0]] = found[1]
        elif kind == b"mvex":
            for each, trex in _inside(body):
                track = header.tracks.get(int.from_bytes(trex[4:8]))
                if each == b"trex" and track:
                    track.step = int.from_bytes(trex[12:16])
    return header


def _trak(trak: bytes, movie_scale: int) -> tuple[int, _Track] | None:
    head, media = _path(trak, b"tkhd"), _path(trak, b"mdia")
    kind = _HANDLERS.get(_path(media, b"hdlr")[8:12])
    if kind is None:
        return None
    times = _path(media, b"mdhd")
    scale = int.from_bytes(times[20:24] if times[:1] == b"\1" else times[12:16]) or 1
    number = int.from_bytes(head[20:24] if head[:1] == b"\1" else head[12:16])
    entry, body = next(_inside(_path(media, b"minf", b"stbl", b"stsd"), 8), (b"", b""))
    if entry in (b"encv", b"enca"):
        entry = _path(body, b"sinf", b"frma")[:4]
    shift = _edit(_path(trak, b"edts", b"elst"), scale, movie_scale)
    codec = _CODECS.get(entry, entry.decode("latin-1").strip())
    return number, _Track(kind, codec, _setup(kind, entry, body), scale, shift)


def _setup(kind: StreamKind, entry: bytes, body: bytes) -> str:
    if entry == b"mp4a":
        return _config(next((data for each, data in _inside(body, 28) if each == b"esds"), b""))
    if kind == "audio":
        return f"{int.from_bytes(body[24:26])} Hz, {int.from_bytes(body[16:18])} channels"
    if entry in _IN_BAND:
        return ""
    return next((data.hex() for each, data in _inside(body, 78) if each.endswith(b"C")), "")


def _config(esds: bytes) -> str:
    """Sample rate and channels from the decoder configuration (ISO/IEC 14496-3, section 1.6.2.1)."""
    found = re.search(rb"\x05(?:\x80\x80\x80)?[\x02-\x40](..)", esds[4:], re.DOTALL)
    if found is None:
        return ""
    bits = int.from_bytes(found[1])
    kind, rate, channels = bits >> 11, bits >> 7 & 15, bits >> 3 & 15
    return f"{RATES[rate]} Hz, {channels} channels" if kind == 2 and rate < len(RATES) else f"AAC of kind {kind}"


def _edit(elst: bytes, scale: int, movie_scale: int) -> float:
    """Seconds from media time to presentation time: empty edits delay, the first other edit sets the start."""
    wide, shift, at = elst[:1] == b"\1", 0.0, 8
    for _ in range(min(int.from_bytes(elst[4:8]), 16)):
        entry = elst[at : at + (20 if wide else 12)]
        if len(entry) < 12:
            break
        lasts = int.from_bytes(entry[: 8 if wide else 4])
        begin = int.from_bytes(entry[8:16] if wide else entry[4:8], signed=True)
        if begin >= 0:
            return shift - begin / scale
        shift += lasts / movie_scale
        at += 20 if wide else 12
    return shift


def _moof(moof: bytes, header: _Header, *, first: bool) -> None:
    for kind, traf in _inside(moof):
        if kind != b"traf":
            continue
        head = _path(traf, b"tfhd")
        track = header.tracks.get(int.from_bytes(head[4:8]))
        if track is None:
            continue
        flags, at, step = int.from_bytes(head[1:4]), 8, track.step
        at += 8 if flags & 1 else 0
        at += 4 if flags & 2 else 0
        if flags & 8:
            step = int.from_bytes(head[at : at + 4])
        decode = _path(traf, b"tfdt")
        time = int.from_bytes(decode[4:12] if decode[:1] == b"\1" else decode[4:8]) if decode else track.last
        delays = list[int]()
        for each, run in _inside(traf):
            if each == b"trun":
                time = _run(run, time, step, delays)
        begin = int.from_bytes(decode[4:12] if decode[:1] == b"\1" else decode[4:8]) if decode else track.last
        delay = min(delays, default=0)
        if track.first is None:
            track.first = begin + delay
        track.last = max(track.last, time + delay)


def _run(run: bytes, time: int, step: int, delays: list[int]) -> int:
    """The decoding time after the last sample of a run; composition offsets of its first samples go into `delays`."""
    flags, count = int.from_bytes(run[1:4]), int.from_bytes(run[4:8])
    at = 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    fields = [flag for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag]
    width = 4 * len(fields)
    count = min(count, (len(run) - at) // width) if width else count
    begin = time
    form = struct.Struct(">" + "".join("i" if flag == 0x800 and run[:1] == b"\1" else "I" for flag in fields))
    if not width or not flags & 0x900:
        return time + count * step
    for values in form.iter_unpack(run[at : at + count * width]):
        told = dict(zip(fields, values, strict=True))
        if 0x800 in told and len(delays) < 64:
            delays.append(time - begin + told[0x800])
        time += told.get(0x100, step)
    return time
