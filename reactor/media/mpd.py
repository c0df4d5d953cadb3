"""The elements of an MPD (ISO/IEC 23009-1), with the attributes they inherit. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cached_property
from typing import Literal
from xml.etree.ElementTree import Element

from reactor import numbers
from reactor.media.parts import absolute, bad_manifest, too_large
from reactor.media.xml_tree import read_tree
from reactor.patterns import pattern
from reactor.records import dataclass

_DURATION = pattern(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,6})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9}(?:\.\d{1,20})?)S)?)?",
    re.ASCII,
)
_DURATION_UNITS_S = (31_536_000, 2_592_000, 86_400, 3600, 60, 1)
NUMBER_MAX = 2**64 - 1
_SEEKING = ("http://dashif.org/guidelines/trickmode", "http://dashif.org/guidelines/thumbnail_tile")


class AdaptationSet:
    """An AdaptationSet, with the properties that all of its Representations share."""

    def __init__(self, mpd: Element, period: Element, element: Element, url: str, server: int = 0) -> None:
        """`server`: which BaseURL is taken where an element has several, from 0; the last one if there are fewer."""
        self.element = element
        self.period = period
        self.server = server
        self._above = (mpd, period, element)
        self._url = url

    @cached_property
    def base(self) -> str:
        """The base of relative URLs in it."""
        base = self._url
        for element in self._above:
            base = based(base, element, self.server)
        return base

    @cached_property
    def content(self) -> str:
        """Its content type: `video`, `audio`, another one, or empty if there is none."""
        components = (each.get("contentType") or "" for each in self.element.findall("ContentComponent"))
        return self.element.get("contentType") or sort_of(self.element) or next(components, "")

    @cached_property
    def protections(self) -> list[Element]:
        return self.element.findall("ContentProtection")

    @cached_property
    def main(self) -> bool | None:
        """True if its Role is `main`, False if it has another one or is for accessibility, None without a Role."""
        if self.element.find("Accessibility") is not None:
            return False
        roles = {role.get("value") for role in self.element.findall("Role")}
        return "main" in roles if roles else None


@dataclass(frozen=True, slots=True)
class Representation:
    """A Representation, with the attributes it inherits."""

    element: Element
    above: AdaptationSet
    kind: Literal["video", "audio"]
    codecs: tuple[str, ...]

    @property
    def base(self) -> str:
        """Computed only for those that are chosen: long ones of many would take too much memory."""
        return based(self.above.base, self.element, self.above.server)

    @property
    def levels(self) -> tuple[Element, ...]:
        """Representation, AdaptationSet, Period: the order in which attributes are looked up."""
        return (self.element, self.above.element, self.above.period)

    @property
    def protections(self) -> list[Element]:
        """Its own, else those of its AdaptationSet."""
        return self.element.findall("ContentProtection") or self.above.protections

    def attribute(self, name: str) -> str | None:
        return next((value for level in self.levels[:2] if (value := level.get(name)) is not None), None)

    def number(self, name: str) -> int:
        return integer(self.attribute(name), name, 0)


@dataclass(frozen=True, slots=True)
class Addressing:
    """A SegmentTemplate, SegmentList or SegmentBase, with the attributes it inherits from those of its name above."""

    elements: tuple[Element, ...]

    def attribute(self, name: str) -> str | None:
        return next((value for each in self.elements if (value := each.get(name)) is not None), None)

    def number(self, name: str, default: int) -> int:
        return integer(self.attribute(name), name, default)

    def child(self, name: str) -> Element | None:
        return next((found for each in self.elements if (found := each.find(name)) is not None), None)


def read_mpd(text: str) -> Element:
    """The MPD element, names without namespaces. Raises DownloadError (`bad_manifest`, `too_large`)."""
    return read_tree(text, "MPD", bad_manifest, too_large())


def integer(text: str | None, what: str, default: int) -> int:
    """An attribute as an integer. Raises DownloadError (`bad_manifest`) if it is none."""
    if text is None:
        return default
    number = numbers.whole(text, least=-NUMBER_MAX, most=NUMBER_MAX)
    if number is None:
        raise bad_manifest(f"its {what} is not a number")
    return number


def seconds(text: str, *, zero: bool = False) -> float:
    """An xs:duration in seconds, a year being 365 days; `zero`: 0 is allowed. Raises DownloadError
    (`bad_manifest`)."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise bad_manifest("its duration cannot be read")
    total = sum(float(digits or 0) * unit for digits, unit in zip(found.groups(), _DURATION_UNITS_S, strict=True))
    if total <= 0 and not zero:
        raise bad_manifest("it lasts no time at all")
    return total


def moment(text: str) -> float | None:
    """An xs:dateTime in seconds since the epoch, UTC unless it says otherwise; None if it is none."""
    try:
        found = datetime.fromisoformat(text.strip()[:40])
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def based(base: str, element: Element, server: int = 0) -> str:
    """The base of relative URLs below `element`; of several, number `server` or the last one."""
    found = [text for each in element.findall("BaseURL") if (text := (each.text or "").strip())]
    return absolute(base, found[min(server, len(found) - 1)]) if found else base


def is_seeking(element: Element) -> bool:
    """True for an AdaptationSet or a Representation that is there to seek by, as thumbnails are."""
    return any(each.get("schemeIdUri") in _SEEKING for each in element.findall("EssentialProperty"))


def sort_of(element: Element) -> str:
    """The type of its `mimeType`: `video` for `video/mp4`."""
    return (element.get("mimeType") or "").partition("/")[0]
