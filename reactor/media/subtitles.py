"""Subtitles: files of every form → one text on the clock of the joined video. Runs in a worker process.

    asked(files, …) → bytes         the request
    answer(folder, bytes) → bytes   in the worker: SRT, WebVTT or ASS, empty if there is no cue

A cue that several segments repeat is kept once; one that several segments share becomes whole again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Literal

from reactor.media.cues import Cue, Place, cues_of
from reactor.media.local import Span
from reactor.records import dataclass

Form = Literal["srt", "vtt", "ass"]
FILE_BYTES_MAX = 4 * 1024 * 1024
BYTES_MAX = 16 * 1024 * 1024
"""Of all files of one track."""
CUES_MAX = 100_000
TOGETHER_S = 0.02
"""A cue that goes on so soon with the same words is one."""
_ASS_HEAD = """[Script Info]
ScriptType: v4.00+
WrapStyle: 0
ScaledBorderAndShadow: yes
PlayResX: 1280
PlayResY: 720

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,48,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,2,1,2,40,40,40,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of subtitles, and how its clock relates to the video's: see `cues.Place`."""

    name: str
    clock_s: float | None = 0.0
    at_s: float = 0.0
    late_s: float = 0.0
    init: str = ""
    """The file with the init section of its fragments."""
    span: Span | None = None
    """Which of its bytes."""
    within: tuple[float, float] | None = None
    """Of one that counts from the beginning of its section: when that begins and ends in the video."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which text is to be made of the files."""

    length_s: float
    """Of the video."""
    start_s: float = 0.0
    """What is shown before is left out, and all else so much earlier."""
    form: Form = "srt"


def asked(files: Sequence[TextFile], wanted: Wanted) -> bytes:
    """The request, as a document."""
    told = [
        [each.name, each.clock_s, each.at_s, each.late_s, each.init, each.span and astuple(each.span), each.within]
        for each in files
    ]
    request = {"files": told, "length_s": wanted.length_s, "start_s": wanted.start_s, "form": wanted.form}
    return json.dumps(request, separators=(",", ":")).encode()


def answer(folder: Path, document: bytes) -> bytes:
    """The text of the files that are asked for. Missing files are skipped. Raises DownloadError (`bad_part`)."""
    told = json.loads(document)
    files = [
        TextFile(name, clock_s, at_s, late_s, init, Span(*span) if span else None, within and tuple(within))
        for name, clock_s, at_s, late_s, init, span, within in told["files"]
    ]
    wanted = Wanted(told["length_s"], told["start_s"], told["form"])
    return text(_cues(folder, files), wanted).encode()


def text(cues: Iterable[Cue], wanted: Wanted) -> str:
    """The cues of what is wanted of the video, sorted; empty if there is none."""
    kept: dict[Cue, None] = {}
    for begin, end, said in cues:
        begin, end = max(begin, wanted.start_s), min(end, wanted.length_s)
        cue = (round(begin - wanted.start_s, 3), round(end - wanted.start_s, 3), said)
        if cue[0] < cue[1] and said:
            kept[cue] = None
        if len(kept) >= CUES_MAX:
            break
    found = list(_together(sorted(kept)))
    match wanted.form:
        case "srt":
            blocks = enumerate(found, 1)
            return "\n".join(f"{n}\n{_time(b)} --> {_time(e)}\n{said}\n" for n, (b, e, said) in blocks)
        case "vtt":
            blocks_ = (f"\n{_time(b, '.')} --> {_time(e, '.')}\n{_escaped(said)}\n" for b, e, said in found)
            return "".join(["WEBVTT\n", *blocks_]) if found else ""
        case "ass":
            lines = (
                f"Dialogue: 0,{_ass_time(b)},{_ass_time(e)},Default,,0,0,0,,{_ass(said)}\n" for b, e, said in found
            )
            return "".join([_ASS_HEAD, *lines]) if found else ""


def _together(cues: Iterable[Cue]) -> Iterator[Cue]:
    """Cues of the same words that follow one another as one."""
    found, latest = list[Cue](), dict[str, int]()
    for begin, end, said in cues:
        n = latest.get(said)
        if n is not None and begin <= found[n][1] + TOGETHER_S:
            found[n] = (found[n][0], max(found[n][1], end), said)
        else:
            latest[said] = len(found)
            found.append((begin, end, said))
    return iter(found)


def _cues(folder: Path, files: Sequence[TextFile]) -> Iterator[Cue]:
    left, begun = BYTES_MAX, None
    inits: dict[str, bytes] = {}
    for each in files:
        try:
            data = _read(folder / each.name, min(left, FILE_BYTES_MAX), each.span)
            if each.init and each.init not in inits:
                inits[each.init] = _read(folder / each.init, FILE_BYTES_MAX)
        except FileNotFoundError:
            continue
        left -= len(data)
        clock_s = begun if each.clock_s is None else each.clock_s
        place = Place(clock_s, each.at_s, each.late_s, anew=each.within is not None)
        found, place = cues_of(data, place, inits.get(each.init, b""))
        begun = place.clock_s
        first_s, last_s = each.within or (-math.inf, math.inf)
        yield from ((max(begin, first_s), min(end, last_s), said) for begin, end, said in found)


def _read(path: Path, most: int, span: Span | None = None) -> bytes:
    with path.open("rb") as file:
        file.seek(span.offset if span else 0)
        return file.read(min(most, span.length) if span else most)


def _time(seconds: float, point: str = ",") -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{point}{whole % 1000:03}"


def _escaped(said: str) -> str:
    """Of the signs that mean something in WebVTT, those of our own tags stay."""
    text_ = said.replace("&", "&amp;").replace("<", "&lt;")
    for tag in ("i", "b", "u"):
        text_ = text_.replace(f"&lt;{tag}>", f"<{tag}>").replace(f"&lt;/{tag}>", f"</{tag}>")
    return text_


def _ass_time(seconds: float) -> str:
    whole = round(seconds * 100)
    return f"{whole // 360_000}:{whole // 6000 % 60:02}:{whole // 100 % 60:02}.{whole % 100:02}"


def _ass(said: str) -> str:
    """Braces begin orders in a script."""
    text_ = said.replace("{", "(").replace("}", ")").replace("\\", "/").replace("\n", "\\N")
    for tag in ("i", "b", "u"):
        text_ = text_.replace(f"<{tag}>", f"{{\\{tag}1}}").replace(f"</{tag}>", f"{{\\{tag}0}}")
    return text_
