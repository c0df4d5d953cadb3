"""The video and audio elements of a page, and what each is there for. Pure.

elements_of(told, frame)    what a frame told, as far as it makes sense
role(element, others)       the film, or what decorates the page and lies beside it
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from reactor.patterns import pattern
from reactor.records import dataclass

SMALL_WIDTH = 260
"""A film's player is wider."""
BESIDE = 0.35
"""What is so much smaller than the largest player stands beside it."""
FOLD = 860
"""Pixels from the top of the page: what is further down is not its film, if something above is as large."""

_HEIGHT = pattern(r"(?<!\d)(\d{3,4})(?:p\b|$)|\b(4k|uhd|full ?hd|fhd|hd|sd)\b", re.IGNORECASE)
_NAMED_HEIGHTS = {"4k": 2160, "uhd": 2160, "fullhd": 1080, "fhd": 1080, "hd": 720, "sd": 480}


class Role(IntEnum):
    """What an element is there for; the higher, the likelier the film."""

    DECOR = 0
    """Played over and over without its sound, or behind everything: a background, a teaser."""
    SIDE = 1
    """Small, or further down than another one: what is related."""
    TEASER = 2
    """Began by itself, without its sound and without anything to stop it by."""
    MAIN = 3


@dataclass(frozen=True, slots=True)
class Source:
    """One of the qualities that an element may play."""

    url: str
    height: int
    """0: not told."""


@dataclass(frozen=True, slots=True)
class Element:
    """A video or audio element of the page."""

    source: str
    duration_s: float | None = None
    endless: bool = False
    """Its player knows of no end."""
    loop: bool = False
    """It is played over and over, without its sound: a background, or a teaser."""
    behind: bool = False
    """Everything else lies over it."""
    y: float = 0.0
    """Pixels from the top of the page."""
    width: float = 0.0
    height: float = 0.0
    """0: it is not shown."""
    silent: bool = False
    """The page has muted it."""
    controls: bool = False
    clicked: bool = False
    """It began after something was clicked."""
    playable: bool = False
    """Its player has read a header and plays it, whatever its type."""
    started: bool = False
    fetched: tuple[str, ...] = ()
    """What its `blob:` address was made of."""
    fed: tuple[str, ...] = ()
    """Some of what its MediaSource was fed with."""
    assembled: bool = False
    """A script feeds it."""
    frame: str = ""
    """The address of its frame."""
    sources: tuple[Source, ...] = ()

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height


class _Told(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    source: str
    duration: float | None
    endless: bool
    loop: bool
    muted: bool
    controls: bool
    behind: bool
    y: float
    width: float
    height: float
    playable: bool
    started: bool
    running: bool
    fetched: list[str]
    fed: list[str]
    mse: int | None
    sources: list[dict[str, str]]


def elements_of(told: Any, frame: str) -> tuple[list[Element], bool]:
    """The elements of the frame at that address, and whether one is running to an end."""
    found, running = list[Element](), False
    for one in told if isinstance(told, list) else ():
        try:
            each = _Told.model_validate(one)
        except ValidationError:
            continue
        running = running or each.running
        found.append(_element(each, frame))
    return found, running


def _element(told: _Told, frame: str) -> Element:
    seconds = told.duration
    return Element(
        source=told.source if told.source.startswith("data:") else told.source.partition("#")[0],
        duration_s=seconds if seconds is not None and 0 < seconds < 1e9 else None,
        endless=told.endless,
        loop=told.loop and told.muted and not told.controls,
        behind=told.behind,
        y=told.y,
        width=told.width,
        height=told.height,
        silent=told.muted,
        controls=told.controls,
        playable=told.playable,
        started=told.started,
        fetched=tuple(told.fetched),
        fed=tuple(told.fed),
        assembled=told.mse is not None or bool(told.fed),
        frame=frame,
        sources=tuple(
            Source(each["url"], height_of(each.get("label", ""))) for each in told.sources if each.get("url")
        ),
    )


def height_of(label: str) -> int:
    """The height that a label of a quality names: `720p`, `1080`, `HD`; 0 where it names none."""
    found = _HEIGHT.search(label)
    if not found:
        return 0
    return int(found[1]) if found[1] else _NAMED_HEIGHTS[found[2].lower().replace(" ", "")]


def role(element: Element, others: Iterable[Element]) -> Role:
    """What an element is there for, among all of its page."""
    if element.loop or element.behind:
        return Role.DECOR
    shown = [each for each in others if each.area and not each.loop and not each.behind]
    if element.area and _lies_beside(element, shown):
        return Role.SIDE
    quiet = element.silent and not element.controls and not element.clicked and element.started
    return Role.TEASER if quiet else Role.MAIN


def _lies_beside(element: Element, shown: Sequence[Element]) -> bool:
    if element.silent and element.width < SMALL_WIDTH and not element.controls:
        return True
    if element.area < BESIDE * max((each.area for each in shown), default=0.0):
        return True
    return element.y > FOLD and any(each.y < FOLD and each.area >= 0.8 * element.area for each in shown)
