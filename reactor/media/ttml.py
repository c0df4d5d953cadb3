"""Reads TTML (W3C) and its kin, DFXP and IMSC: paragraphs with their times. Pure.

Of the styles only italics are kept; pictures in place of text have no cues.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reactor import numbers
from reactor.errors import DownloadError
from reactor.media.xml_tree import read_tree
from reactor.patterns import pattern

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

HOURS_MAX = 100 * 3600.0
RATE_MAX = 1e9
FRAME_RATE = 30.0
_ROOT = pattern(r"<(?:\w{1,40}:)?tt[\s>]")
_END = pattern(r"</(?:\w{1,40}:)?tt\s*>")
_CLOCK = pattern(r"(\d{1,4}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9})|:(\d{1,4})(?:\.\d{1,9})?)?", re.ASCII)
_OFFSET = pattern(r"(\d{1,12}(?:\.\d{1,9})?)(h|ms|m|s|f|t)", re.ASCII)
_SPACE = pattern(r"[ \t\r\n]+")

Cue = tuple[float, float, str]


def is_ttml(text: str) -> bool:
    """True if the text has a `tt` element near its beginning."""
    return _ROOT.search(text[:8192]) is not None


def cues(text: str) -> Iterator[Cue]:
    """Its paragraphs, on its own clock. Raises DownloadError (`bad_part`)."""
    end = _END.search(text)  # behind it there may be pictures
    root = read_tree(text[: end.end()] if end else text, "tt", _bad, _bad("it is too large"))
    clock = _Clock(root)
    for body in root.findall("body"):
        yield from _within(body, clock, 0.0, HOURS_MAX)


def _bad(why: str) -> DownloadError:
    return DownloadError(f"The subtitles cannot be read: {why}.", code="bad_part")


class _Clock:
    """How the document counts."""

    def __init__(self, root: Element) -> None:
        multiplier = (_attribute(root, "frameRateMultiplier") or "").replace(":", " ").split()
        above, below = (numbers.decimal(each) or 1.0 for each in [*multiplier, "1", "1"][:2])
        frames = numbers.decimal(_attribute(root, "frameRate"), least=1.0, most=RATE_MAX)
        self.frame_rate = (frames or FRAME_RATE) * above / below
        ticks = numbers.decimal(_attribute(root, "tickRate"), least=1.0, most=RATE_MAX)
        self.tick_rate = ticks or (self.frame_rate if frames else 1.0)

    def seconds(self, told: str | None) -> float | None:
        """A time expression; None for what is none."""
        text = (told or "").strip()[:40]
        if found := _CLOCK.fullmatch(text):
            whole = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
            return whole + float(f"0.{found[4] or 0}") + int(found[5] or 0) / self.frame_rate
        if found := _OFFSET.fullmatch(text):
            units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "f": 1 / self.frame_rate, "t": 1 / self.tick_rate}
            return float(found[1]) * units[found[2]]
        return None


def _within(element: Element, clock: _Clock, begin_s: float, end_s: float) -> Iterator[Cue]:
    """The cues of an element; its times count from those of the one around it."""
    begin_s, end_s = _span(element, clock, begin_s, end_s)
    if element.tag != "p":
        for child in element:
            if child.tag in ("div", "p"):
                yield from _within(child, clock, begin_s, end_s)
        return
    timed = [each for each in element.iter("span") if _attribute(each, "begin") is not None]
    for each in timed:
        begin, end = _span(each, clock, begin_s, end_s)
        yield from _cue(begin, end, each)
    if not timed:
        yield from _cue(begin_s, end_s, element)


def _cue(begin_s: float, end_s: float, element: Element) -> Iterator[Cue]:
    text = "\n".join(line.strip() for line in _said(element).split("\n")).strip()
    if text and begin_s < end_s < HOURS_MAX:
        yield begin_s, end_s, text


def _span(element: Element, clock: _Clock, begin_s: float, end_s: float) -> tuple[float, float]:
    start = clock.seconds(_attribute(element, "begin")) or 0.0
    end, lasts = clock.seconds(_attribute(element, "end")), clock.seconds(_attribute(element, "dur"))
    ends = [begin_s + end] if end is not None else []
    ends += [begin_s + start + lasts] if lasts is not None else []
    return begin_s + start, min([end_s, *ends])


def _said(element: Element) -> str:
    """The text of an element, with the line breaks that it asks for and no others."""
    parts = [_SPACE.sub(" ", element.text or "")]
    for child in element:
        if child.tag == "br":
            parts.append("\n")
        elif child.tag == "span":
            said = _said(child)
            italic = _attribute(child, "fontStyle") == "italic" and said.strip()
            parts.append(f"<i>{said}</i>" if italic else said)
        parts.append(_SPACE.sub(" ", child.tail or ""))
    return "".join(parts)


def _attribute(element: Element, name: str) -> str | None:
    """An attribute by its name, in whatever namespace."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), None)
