"""Parses MPEG transport streams (ISO/IEC 13818-1): the streams of a segment and their timestamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import field
from itertools import compress, pairwise
from operator import or_
from statistics import median
from typing import BinaryIO

from reactor.media import adts
from reactor.media.clocks import Measured, StreamClock, StreamKind
from reactor.records import dataclass

PACKET = 188
SEARCH_BYTES = 128 * 1024
"""The longest picture before a stream that is skipped."""
HEAD_BYTES = 512 * PACKET
HEAD_BYTES_MAX = 32 * 1024 * 1024
"""So far it is read where a stream that the tables name is not in the first HEAD_BYTES: a large picture comes first."""
TAIL_BYTES = 512 * PACKET
"""More is read if it has fewer than TAIL_UNITS units of a stream."""
TAIL_UNITS: dict[StreamKind, int] = {"video": 6, "audio": 2}
"""Pictures are stored in decoding order: the last one shown is among so many."""
CLOCK = 90_000
WRAP = 2**33
GATHERED_MAX = 64 * 1024
"""Bytes of the last audio packet that are kept."""

_TYPES: dict[int, tuple[StreamKind, str]] = {
    0x01: ("video", "mpeg1video"), 0x02: ("video", "mpeg2video"), 0x10: ("video", "mpeg4"), 0x1B: ("video", "h264"),
    0x24: ("video", "hevc"), 0x33: ("video", "vvc"), 0xEA: ("video", "vc1"),
    0x03: ("audio", "mp3"), 0x04: ("audio", "mp3"), 0x0F: ("audio", "aac"), 0x11: ("audio", "aac_latm"),
    0x81: ("audio", "ac3"), 0x82: ("audio", "dts"), 0x83: ("audio", "truehd"), 0x84: ("audio", "eac3"),
    0x87: ("audio", "eac3"),
}  # fmt: skip
_BEGINS = bytes(0x40 <= flags < 0x80 for flags in range(256))
"""1 for the second byte of a packet in which a unit starts, and which has no error."""
_PRIVATE = {0x6A: "ac3", 0x7A: "eac3", 0x7B: "dts", 0x7C: "aac"}
"""Codecs by the descriptor of a private stream."""
_REGISTERED = {b"AC-3": "ac3", b"EAC3": "eac3", b"Opus": "opus", b"DTS1": "dts", b"HEVC": "hevc"}


@dataclass(slots=True)
class _Stream:
    """The stream of one packet identifier (PID)."""

    kind: StreamKind
    codec: str
    head: list[int] = field(default_factory=list)
    tail: list[int] = field(default_factory=list)
    setup: str = ""
    last: bytearray = field(default_factory=bytearray)
    """The last PES packet of an audio stream."""


def find_packets(start: bytes) -> int | None:
    """The offset of the first packet: a sync byte that is repeated in every packet."""
    at = -1
    while (at := start.find(b"\x47", at + 1)) >= 0:
        if is_stream(start, at):
            return at
    return None


def is_stream(start: bytes, at: int = 0) -> bool:
    """True if packets follow one another from `at` on."""
    again = range(at, min(len(start), at + 5 * PACKET), PACKET)
    return len(start) - at >= PACKET and all(start[n] == 0x47 for n in again)


def kinds(start: bytes) -> set[StreamKind]:
    """The kinds of streams by the tables (PAT, PMT)."""
    tables = _Tables({})
    for pid, _, payload in _packets(start):
        tables.take(pid, payload)
    return {stream.kind for stream in tables.streams.values()}


def measure(file: BinaryIO, start: int, end: int) -> Measured:
    """The streams between two offsets of a file."""
    whole = (end - start) // PACKET * PACKET
    head_bytes = HEAD_BYTES
    while True:
        file.seek(start)
        head = file.read(min(head_bytes, whole))
        streams = _read_head(head)
        if head_bytes >= min(whole, HEAD_BYTES_MAX) or all(each.head for each in streams.values()):
            break
        head_bytes *= 4
    tail_bytes = TAIL_BYTES
    while True:
        file.seek(start + max(whole - tail_bytes, 0))
        _read_tail(head if whole <= len(head) else file.read(min(tail_bytes, whole)), streams)
        enough = all(len(each.tail) >= TAIL_UNITS[each.kind] for each in streams.values() if each.head)
        if tail_bytes >= whole or enough:
            break
        tail_bytes *= 4
    found = [clock for stream in streams.values() if (clock := _clock(stream))]
    return Measured(tuple(found), ragged=whole != end - start)


def _read_head(data: bytes) -> dict[int, _Stream]:
    """The streams that its tables name, by their PIDs, with the moments that are in `data`."""
    streams: dict[int, _Stream] = {}
    tables = _Tables(streams)
    for pid, _, payload in _packets(data):
        tables.take(pid, payload)
        if (stream := streams.get(pid)) and (moment := _moment(payload)) is not None:
            stream.head.append(moment)
            if stream.kind == "audio" and not stream.setup:
                stream.setup = adts.setup_of(_body(payload))
    return streams


def _read_tail(data: bytes, streams: dict[int, _Stream]) -> None:
    sounds = frozenset(pid for pid, stream in streams.items() if stream.kind == "audio")
    for stream in streams.values():
        stream.tail.clear()
        stream.last.clear()
    for pid, unit, payload in _packets(data, sounds):
        found = streams.get(pid)
        if found is None:
            continue
        if unit:
            found.last.clear()
            if (moment := _moment(payload)) is not None:
                found.tail.append(moment)
                found.last += _body(payload)
        elif found.last and len(found.last) < GATHERED_MAX:
            found.last += payload


def _packets(data: bytes, whole: frozenset[int] = frozenset()) -> Iterator[tuple[int, bool, bytes]]:
    """PID, payload unit start and payload of packets: of those in which a unit starts, and of all packets of the PIDs
    in `whole`. Packets without a sync byte are skipped."""
    chosen: Iterable[int] = data[1::PACKET].translate(_BEGINS)
    if whole:
        lows = {pid & 0xFF for pid in whole}
        chosen = map(or_, chosen, data[2::PACKET].translate(bytes(n in lows for n in range(256))))
    # Most packets are in the midst of a picture: they are passed over without a step of Python.
    for at in compress(range(0, len(data) - PACKET + 1, PACKET), chosen):
        flags, low, control = data[at + 1], data[at + 2], data[at + 3]
        pid, unit = (flags & 0x1F) << 8 | low, bool(flags & 0x40)
        if data[at] != 0x47 or flags & 0x80 or not control & 0x10 or not (unit or pid in whole):
            continue
        body = at + 4 + (data[at + 4] + 1 if control & 0x20 else 0)
        yield pid, unit, data[body : at + PACKET]


@dataclass(slots=True)
class _Tables:
    """Program association and program map tables: the PIDs of video and audio."""

    streams: dict[int, _Stream]
    maps: set[int] = field(default_factory=set)

    def take(self, pid: int, payload: bytes) -> None:
        """Read a packet in which a unit starts, if it belongs to a table."""
        if not payload or not (pid == 0 or pid in self.maps):
            return
        section = payload[1 + payload[0] :]
        if len(section) < 12:
            return
        length = 3 + ((section[1] & 0x0F) << 8 | section[2]) - 4  # without its checksum
        section = section[:length]
        if pid == 0 and section[0] == 0x00:
            entries = (section[at : at + 4] for at in range(8, len(section) - 3, 4))
            self.maps.update((each[2] & 0x1F) << 8 | each[3] for each in entries if each[0] or each[1])
        elif section[0] == 0x02 and not self.streams:
            self._map(section)

    def _map(self, section: bytes) -> None:
        at = 12 + ((section[10] & 0x0F) << 8 | section[11])
        while at + 5 <= len(section):
            pid = (section[at + 1] & 0x1F) << 8 | section[at + 2]
            length = (section[at + 3] & 0x0F) << 8 | section[at + 4]
            known = _TYPES.get(section[at]) or _private(section[at], section[at + 5 : at + 5 + length])
            if known:
                self.streams[pid] = _Stream(*known)
            at += 5 + length


def _private(stream_type: int, descriptors: bytes) -> tuple[StreamKind, str] | None:
    at = 0
    while stream_type == 0x06 and at + 2 <= len(descriptors):
        tag, length = descriptors[at], descriptors[at + 1]
        codec = _PRIVATE.get(tag)
        if tag == 0x05:
            codec = _REGISTERED.get(descriptors[at + 2 : at + 6])
        if codec:
            return ("video" if codec == "hevc" else "audio"), codec
        at += 2 + length
    return None


def _moment(payload: bytes) -> int | None:
    """The presentation timestamp of the PES packet that starts here."""
    if len(payload) < 14 or payload[:3] != b"\0\0\1" or not payload[7] & 0x80:
        return None
    high, middle, low = payload[9], payload[10] << 8 | payload[11], payload[12] << 8 | payload[13]
    return (high & 0x0E) << 29 | (middle & 0xFFFE) << 14 | low >> 1


def _body(payload: bytes) -> bytes:
    return payload[9 + payload[8] :] if len(payload) > 8 else b""


def _clock(stream: _Stream) -> StreamClock | None:
    if not stream.head or not stream.tail:
        return None
    zero = stream.head[0]
    head = sorted(_unwrapped(moment, zero) for moment in stream.head)
    tail = sorted({_unwrapped(moment, zero) for moment in stream.tail})
    last_s = adts.duration_of(bytes(stream.last)) if stream.kind == "audio" else 0.0
    if not last_s:
        steps = [after - before for before, after in pairwise(tail[-17:])]
        last_s = (median(steps) if steps else 0) / CLOCK
    start = head[0] + zero
    return StreamClock(stream.kind, stream.codec, start / CLOCK, (tail[-1] + zero) / CLOCK + last_s, stream.setup)


def _unwrapped(moment: int, zero: int) -> int:
    """The difference to `zero`, modulo the 33-bit clock."""
    return (moment - zero + WRAP // 2) % WRAP - WRAP // 2
