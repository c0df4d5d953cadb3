"""Subtitles: files of WebVTT (or SRT) → one SRT text on the clock of the joined video. Runs in a worker process.

    asked(files) → bytes            the request
    answer(folder, bytes) → bytes   in the worker: the SRT text, empty if there is no cue

Times by `X-TIMESTAMP-MAP` (RFC 8216, section 3.5) are mapped by the clock of the section; other times are those of the
video as a whole. A cue that several segments repeat is kept once.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from reactor.media.encodings import decoded
from reactor.media.timeline import WRAP_S
from reactor.records import dataclass

FILE_BYTES_MAX = 4 * 1024 * 1024
BYTES_MAX = 16 * 1024 * 1024
"""Of all files of one track."""
CUES_MAX = 100_000
SECONDS_MAX = 1_000_000.0

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"[ \t]*{_TIME}[ \t]+-->[ \t]+{_TIME}", re.ASCII)
_LOCAL = re.compile(rf"LOCAL:{_TIME}", re.ASCII)
_MPEGTS = re.compile(r"MPEGTS:(\d{1,12})", re.ASCII)
_TAG = re.compile(r"<(?!/?[biu]>)[^<>\n]{0,1000}>")
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e]")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of subtitles, and how its clock relates to the video's."""

    name: str
    clock_s: float = 0.0
    """A moment of the section's media clock, …"""
    at_s: float = 0.0
    """… and when that is in the joined video."""


ReadSubtitles = Callable[[Path, Sequence[TextFile], float], Awaitable[str]]
"""Folder, files of one track, length of the video in seconds → SRT text. Raises DownloadError."""

Cue = tuple[float, float, str]
"""Beginning and end in seconds, and the text."""


def asked(files: Sequence[TextFile], length_s: float) -> bytes:
    """The request, as a document."""
    told = [[each.name, each.clock_s, each.at_s] for each in files]
    return json.dumps({"files": told, "length_s": length_s}, separators=(",", ":")).encode()


def answer(folder: Path, document: bytes) -> bytes:
    """The SRT text of the files that are asked for. Missing files are skipped."""
    told = json.loads(document)
    return srt(_cues(folder, [TextFile(*each) for each in told["files"]]), told["length_s"]).encode()


def srt(cues: Iterator[Cue], length_s: float) -> str:
    """The cues that begin before `length_s`, sorted, as SRT."""
    kept: dict[Cue, None] = {}
    for begin, end, text in cues:
        cue = (round(max(begin, 0.0), 3), round(min(end, length_s), 3), text)
        if cue[0] < cue[1] and text:
            kept[cue] = None
        if len(kept) >= CUES_MAX:
            break
    blocks = enumerate(sorted(kept), 1)
    return "\n".join(f"{n}\n{_time(begin)} --> {_time(end)}\n{text}\n" for n, (begin, end, text) in blocks)


def cues(text: str, clock_s: float = 0.0, at_s: float = 0.0) -> Iterator[Cue]:
    """The cues of one file, on the clock of the joined video."""
    shift_s = 0.0
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("X-TIMESTAMP-MAP"):
            local, mpegts = _LOCAL.search(line), _MPEGTS.search(line)
            if local and mpegts:
                seconds = int(mpegts[1]) / 90_000 - clock_s
                shift_s = seconds - round(seconds / WRAP_S) * WRAP_S + at_s - _seconds(local.groups())
            continue
        found = _TIMES.match(line)
        if found is None:
            continue
        begin, end = _seconds(found.groups()[:4]) + shift_s, _seconds(found.groups()[4:]) + shift_s
        said = []
        for more in lines:
            if not more.strip():
                break
            said.append(_plain(more))
        if end > begin and end > 0 and begin < SECONDS_MAX:
            yield begin, end, "\n".join(filter(None, said))


def _cues(folder: Path, files: Sequence[TextFile]) -> Iterator[Cue]:
    left = BYTES_MAX
    for each in files:
        try:
            with (folder / each.name).open("rb") as file:
                data = file.read(min(left, FILE_BYTES_MAX))
        except FileNotFoundError:
            continue
        left -= len(data)
        yield from cues(decoded(data), each.clock_s, each.at_s)


def _seconds(groups: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (each or "0" for each in groups)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _plain(line: str) -> str:
    """A line of a cue without what only WebVTT knows."""
    text = html.unescape(_TAG.sub("", line)).replace("-->", "→")
    return _INVISIBLE.sub("", text).strip()


def _time(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02},{whole % 1000:03}"
