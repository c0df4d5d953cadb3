"""Subtitles of every form as cues: WebVTT, SRT, ASS, TTML, and both of the last in fragments of an MP4. Pure.

    cues_of(data, place) -> Iterator[Cue]       of one file, on the clock of the joined video

What the form is shows in the bytes, never in a name: servers call each of them each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from reactor.errors import DownloadError
from reactor.media import text_mp4, ttml
from reactor.media.encodings import decoded
from reactor.media.timeline import WRAP_S
from reactor.patterns import pattern
from reactor.records import dataclass

SECONDS_MAX = 1_000_000.0
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = pattern(rf"[ \t]*{_TIME}[ \t]+-->[ \t]+{_TIME}", re.ASCII)
_LOCAL = pattern(rf"LOCAL:{_TIME}", re.ASCII)
_MPEGTS = pattern(r"MPEGTS:(\d{1,12})", re.ASCII)
_TAG = pattern(r"<(?!/?[biu]>)[^<>\n]{0,1000}>")
_INVISIBLE = pattern(r"[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ASS = pattern(
    r"Dialogue:[^,\n]{0,100},[ \t]*(\d{1,4}):(\d{1,2}):(\d{1,2})\.(\d{1,3}),"
    r"[ \t]*(\d{1,4}):(\d{1,2}):(\d{1,2})\.(\d{1,3})(?:,[^,\n]{0,200}){6},(.*)",
    re.ASCII,
)
"""A line of an ASS or SSA script, whose columns have been the same ever since."""
_OVERRIDE = pattern(r"\{[^{}\n]{0,2000}\}")

Cue = tuple[float, float, str]
"""Beginning and end in seconds, and the text."""


@dataclass(frozen=True, slots=True)
class Place:
    """How the clock of a file relates to the video's."""

    clock_s: float | None = 0.0
    """A moment of the section's media clock, …; None: of the media nothing is known, and the first file that tells
    its clock is the beginning."""
    at_s: float = 0.0
    """… and when that is in the joined video."""
    late_s: float = 0.0
    """By how much the clock of its fragments is ahead of the media's."""
    anew: bool = False
    """True if also the times of a whole file are those of its section, not of the video."""

    @property
    def shift_s(self) -> float:
        """What a time of the section is to be moved by."""
        return self.at_s - (self.clock_s or 0.0) - self.late_s


def cues_of(data: bytes, place: Place, init: bytes = b"") -> tuple[list[Cue], Place]:
    """The cues of a file, and its place: where the clock is known from now on. `init`: the init section of its
    fragments. Raises DownloadError (`bad_part`)."""
    if text_mp4.is_mp4(data):
        return _fragments(init + data, place)
    text, shift_s = decoded(data), place.shift_s if place.anew else 0.0
    if ttml.is_ttml(text):
        return [(begin + shift_s, end + shift_s, _cleaned(said)) for begin, end, said in ttml.cues(text)], place
    if "\nDialogue:" in text:
        return [(begin + shift_s, end + shift_s, said) for begin, end, said in _ass(text)], place
    if place.clock_s is None and (told := _mapped(text)) is not None:
        place = replace(place, clock_s=told)
    return list(cues(text, place.clock_s or 0.0, place.at_s, shift_s)), place


def cues(text: str, clock_s: float = 0.0, at_s: float = 0.0, shift_s: float = 0.0) -> Iterator[Cue]:
    """The cues of one file of WebVTT or SRT, on the clock of the joined video. Times by `X-TIMESTAMP-MAP` (RFC 8216,
    section 3.5) are mapped by the clock of the section; other times are those of the video as a whole, but for
    `shift_s`."""
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


def _mapped(text: str) -> float | None:
    """When, on the media clock, the cues' own clock is at 0."""
    for line in text.splitlines()[:20]:
        if line.startswith("X-TIMESTAMP-MAP"):
            local, mpegts = _LOCAL.search(line), _MPEGTS.search(line)
            if local and mpegts:
                return int(mpegts[1]) / 90_000 - _seconds(local.groups())
    return None


def _fragments(data: bytes, place: Place) -> tuple[list[Cue], Place]:
    found = list[Cue]()
    shift_s = place.shift_s
    for sample in text_mp4.samples(data):
        if sample.form == "wvtt":
            said = [_plain(line) for line in sample.text.splitlines()]
            found.append((sample.begin_s + shift_s, sample.end_s + shift_s, "\n".join(filter(None, said))))
            continue
        try:
            inside = list(ttml.cues(sample.text)) if ttml.is_ttml(sample.text) else []
        except DownloadError:
            continue
        # Times are those of the track, but some packagers count each document from its own beginning.
        own = bool(inside) and max(end for _, end, _ in inside) <= sample.begin_s
        shown_s = shift_s + (sample.begin_s if own else 0.0)
        found += [(begin + shown_s, end + shown_s, _cleaned(said)) for begin, end, said in inside]
    return [each for each in found if each[1] > max(each[0], 0.0) and each[0] < SECONDS_MAX], place


def _ass(text: str) -> Iterator[Cue]:
    for line in text.splitlines():
        found = _ASS.match(line)
        if found is None:
            continue
        begin, end = _seconds(found.groups()[:4]), _seconds(found.groups()[4:8])
        said = _OVERRIDE.sub("", found[9]).replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
        if end > begin:
            yield begin, end, _cleaned(said)


def _cleaned(text: str) -> str:
    """Lines without what is invisible, and without empty ones."""
    lines = (_INVISIBLE.sub("", line.replace("-->", "→")).strip() for line in text.splitlines())
    return "\n".join(filter(None, lines))


def _seconds(groups: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (each or "0" for each in groups)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")


def _plain(line: str) -> str:
    """A line of a cue without what only WebVTT knows."""
    from html import unescape

    return _cleaned(unescape(_TAG.sub("", line)))
