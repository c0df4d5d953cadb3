"""Measures parts of a download in a worker process: the queries, the findings, and their encoding.

    asked(parts) → bytes            the request, for a process that reads strangers' documents
    answer(folder, bytes) → bytes   in that process
    found(bytes, count) → PartFindings …   the answer, held against what it may say

A part is a stranger's: what reads it may take long, or die. `Measure` is whoever has it done (`extractors.parsing`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from reactor.errors import DownloadError
from reactor.media.clocks import CutShort, Measured, StreamClock, StreamKind, is_foreign
from reactor.media.containers import find_transport_stream, measure
from reactor.media.local import Span
from reactor.numbers import SIZE_MAX, bounded
from reactor.records import dataclass

LOOK_BYTES = 512
SEARCH_BYTES = 128 * 1024
"""The longest picture before a segment that is skipped."""
GZIP = b"\x1f\x8b\x08"
STREAMS_MAX = 32
"""Streams of one part that are read."""
CODEC_CHARS_MAX = 16
SETUP_CHARS_MAX = 64
"""A longer one is replaced by its hash, since it is only compared."""
MOMENT_MAX_S = 1e12
"""The latest valid timestamp."""

What = Literal["measured", "packed", "foreign", "short", "gone"]
"""Readable; compressed by gzip; a picture, an archive or a document; truncated; missing."""
_WHATS: dict[str, What] = {what: what for what in get_args(What)}
_KINDS: dict[str, StreamKind] = {"video": "video", "audio": "audio"}


@dataclass(frozen=True, slots=True)
class PartQuery:
    """A part, or a byte range of one."""

    name: str
    span: Span | None = None
    init: str | None = None
    """The file with the init section, if separate."""


@dataclass(frozen=True, slots=True)
class PartFindings:
    """The findings about one part."""

    what: What
    measured: Measured | None = None
    """None if its format has no clock that is read here."""
    offset: int = 0
    """Where the stream begins, after a picture."""


class Unreadable(DownloadError):
    """Parsing one of these parts crashes the process, or exceeds its limits."""


Measure = Callable[[Path, Sequence[PartQuery]], Awaitable[list[PartFindings]]]
"""Folder and parts → the findings about each part. Raises Unreadable, OSError, DownloadError (`bad_answer`)."""


def asked(parts: Sequence[PartQuery]) -> bytes:
    """Encode the queries."""
    told = [[each.name, each.span and [each.span.offset, each.span.length], each.init] for each in parts]
    return json.dumps(told, separators=(",", ":")).encode()


def answer(folder: Path, document: bytes) -> bytes:
    """Measure the parts. Reads about 1 MiB of each, and writes nothing."""
    parts = (PartQuery(name, Span(*span) if span else None, init) for name, span, init in json.loads(document))
    try:
        return told([_look(folder, part) for part in parts])
    except OSError as error:
        return _json({"errno": error.errno or errno.EIO})


def told(parts: Sequence[PartFindings]) -> bytes:
    """Encode the findings compactly: a video may have 20 000 parts."""
    return _json({"parts": [_told(part) for part in parts]})


def found(document: bytes, count: int) -> list[PartFindings]:
    """Decode the findings about `count` parts. Raises OSError when the disk failed, and ValueError and the like for an
    invalid answer."""
    said = json.loads(document)
    match said:
        case {"errno": int(number)}:
            raise OSError(number, os.strerror(number))
        case {"parts": list(parts)} if len(parts) == count:
            alike: dict[str, str] = {}
            return [_found(each, alike) for each in parts]
    raise ValueError(said)


def _look(folder: Path, part: PartQuery) -> PartFindings:
    init = folder / part.init if part.init else None
    try:
        with (folder / part.name).open("rb") as file:
            if part.span:
                return PartFindings("measured", measured(file, init, part.span))
            start = file.read(LOOK_BYTES)
            if start.startswith(GZIP):
                return PartFindings("packed")
            if not is_foreign(start):
                return PartFindings("measured", measured(file, init))
            offset = find_transport_stream(start + file.read(SEARCH_BYTES))
            if offset is None:
                return PartFindings("foreign")
            return PartFindings("measured", measured(file, init, Span(offset, file.seek(0, 2) - offset)), offset)
    except FileNotFoundError:
        return PartFindings("gone")
    except CutShort:
        return PartFindings("short")


def measured(file: BinaryIO, init: Path | None = None, span: Span | None = None) -> Measured | None:
    """The streams of a part; None if its headers are invalid. Raises CutShort, OSError, MemoryError."""
    try:
        if span is None:
            return measure(file, init=init)
        return measure(file, offset=span.offset, length=span.length, init=init)
    except (CutShort, OSError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - headers that make no sense: no clock; whether it is media, ffmpeg will say
        return None


def _told(part: PartFindings) -> Any:
    """As compact as possible: there may be 20 000."""
    measured = part.measured
    if measured is None or not all(_is_moment(each.start_s) and _is_moment(each.end_s) for each in measured.streams):
        return [part.what, part.offset]
    streams = [
        [each.kind, each.codec[:CODEC_CHARS_MAX], each.start_s, each.end_s, _short(each.setup)]
        for each in measured.streams[:STREAMS_MAX]
    ]
    return [part.what, part.offset, measured.ragged, streams]


def _is_moment(seconds: float) -> bool:
    return -MOMENT_MAX_S <= seconds <= MOMENT_MAX_S


def _short(setup: str) -> str:
    return setup if len(setup) <= SETUP_CHARS_MAX else hashlib.blake2b(setup.encode(), digest_size=16).hexdigest()


def _found(told: Any, alike: dict[str, str]) -> PartFindings:
    match told:
        case [str(what), int(offset), *more] if what in _WHATS and 0 <= offset <= SIZE_MAX:
            match more:
                case []:
                    return PartFindings(_WHATS[what], None, offset)
                case [bool(ragged), list(streams)] if len(streams) <= STREAMS_MAX:
                    clocks = tuple(_stream(each, alike) for each in streams)
                    return PartFindings(_WHATS[what], Measured(clocks, ragged), offset)
    raise ValueError(told)


def _stream(told: Any, alike: dict[str, str]) -> StreamClock:
    """`alike` interns strings."""
    match told:
        case [str(kind), str(codec), start, end, str(setup)] if (
            kind in _KINDS and len(codec) <= CODEC_CHARS_MAX and len(setup) <= SETUP_CHARS_MAX
        ):
            start_s, end_s = (bounded(each, least=-MOMENT_MAX_S, most=MOMENT_MAX_S) for each in (start, end))
            if start_s is not None and end_s is not None:
                codec, setup = alike.setdefault(codec, codec), alike.setdefault(setup, setup)
                return StreamClock(_KINDS[kind], codec, start_s, end_s, setup)
    raise ValueError(told)


def _json(told: Any) -> bytes:
    return json.dumps(told, separators=(",", ":")).encode()
