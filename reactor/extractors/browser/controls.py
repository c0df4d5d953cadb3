"""What can be clicked on a page, and what of it a person would click. Pure: `page_script.js` tells, this judges.

controls_of(told)                   what a frame told, as far as it makes sense
best(controls, worth_starting)      the one that most likely starts a player, or None
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from reactor.extractors.browser import words
from reactor.patterns import pattern

CLICKS_MAX = 3
"""The first click may be caught by a banner, the second by an advertisement."""
EXPLICIT = 60.0
"""What is worth so much says that it starts something; below that it only looks like it."""
PER_CLICK = 8.0
"""Each click that was of no use makes it worth so much less."""
POSTER_WIDTH, POSTER_HEIGHT = 200, 110
FILM_SIDE = 120
SIGN_SIDE = 64
"""A picture without a word that is as large, and can be clicked, is more than an icon of a menu."""

_PLAYS = pattern(r"(?:^|[\s_-])(?:play|player-?start|startplay|watch-?now|btn-?watch)(?:$|[\s_-])", re.IGNORECASE)
_IS_PART = pattern(
    r"playlist|playback|replay|autoplay|display|play-?store|google-?play|player-?menu|pause", re.IGNORECASE
)


class Control(BaseModel):
    """Something that can be clicked."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)

    n: int
    """Its number in its frame, until the frame is asked again."""
    x: float
    y: float
    width: float
    height: float
    tag: str
    text: str
    long: int
    """Characters of its whole text."""
    labels: list[str]
    """What it says otherwise: `aria-label`, `title`, …"""
    names: str
    """Its id and classes."""
    href: str
    """Where it leads, without query or fragment of the page itself."""
    download: bool
    """It is a link to a file to be saved."""
    method: str
    """Of the form that it sends; empty where there is none."""
    button: bool
    pointer: bool
    """The mouse's pointer becomes a hand over it."""
    player: int
    """2: the start button of a player that is known; 1: it has a name as such buttons have."""
    skips: bool
    """It skips an advertisement."""
    banner: bool
    """It agrees to what a known banner asks."""
    box: bool
    """It is a box that is not ticked; its labels stand beside it."""
    film: bool
    """It is a video element that stands still."""
    picture: bool
    playing: bool
    """It lies over a film that is playing."""
    middle: bool
    """It lies about the middle of what is shown."""
    clicks: int

    def says(self, vocabulary: words.Vocabulary) -> bool:
        """Whether it says, in any of its ways, what the vocabulary is for."""
        return any(words.says(text, vocabulary) for text in (self.text, *self.labels))

    def leads_away(self, page: str) -> bool:
        """Whether it is a link to another page than the one at `page`."""
        to, here = urlsplit(self.href), urlsplit(page)
        return to.scheme in ("http", "https") and to[:4] != here[:4]


_CONTROLS = TypeAdapter(list[Control])


def controls_of(told: Any) -> list[Control]:
    """What a frame told of its controls; none where the page has tampered with it."""
    try:
        return _CONTROLS.validate_python(told)
    except ValidationError:
        return []


Worth = Callable[[Control, str], float]
"""What clicking it is worth, on the page of that address; 0: nothing."""


def best(controls: Iterable[Control], worth: Worth, page: str, *, least: float = 0.0) -> tuple[float, Control] | None:
    """The control that is worth most, more than `least`, and what it is worth; of equals the larger, the first."""
    found: tuple[float, Control] | None = None
    for each in controls:
        value = worth(each, page) - PER_CLICK * each.clicks
        if each.clicks >= CLICKS_MAX or value <= least:
            continue
        if found is None or (value, _area(each)) > (found[0], _area(found[1])):
            found = value, each
    return found


def worth_starting(control: Control, page: str) -> float:
    """How likely it starts a player, or skips an advertisement."""
    if control.skips:
        return 100.0
    if control.box:
        return 0.0
    said = control.says(words.PLAY)
    away = control.leads_away(page)
    aside = 10.0 if any(map(words.is_aside, (control.text, *control.labels))) else 0.0
    if control.player == 2 and not away:
        return 92.0
    if said:
        return (64.0 if away else 82.0) - aside
    if away:
        return 0.0
    if control.player or any(map(words.is_play_sign, (control.text, *control.labels))):
        return 76.0 - aside
    named = _PLAYS.search(control.names) and not _IS_PART.search(control.names)
    if named and control.long <= 30 and (control.pointer or control.button):
        return 70.0 - aside
    return _worth_by_looks(control)


def worth_starting_beside(control: Control, page: str) -> float:
    """The same while something plays: not what lies over it, nor what was tried twice."""
    return 0.0 if control.playing or control.clicks > 1 else worth_starting(control, page)


def _worth_by_looks(control: Control) -> float:
    width, height = control.width, control.height
    if control.film:
        return 50.0 if min(width, height) >= FILM_SIDE else 0.0
    if control.playing:
        return 0.0
    shaped = width >= POSTER_WIDTH and height >= POSTER_HEIGHT and 1.1 < width / height < 2.7
    if shaped and control.pointer and control.long <= 60 and (control.picture or not control.long):
        return 44.0
    short, long = sorted((width, height))
    if (
        control.middle
        and short >= 40
        and long < short * 1.6
        and control.long < 12
        and (control.button or control.pointer)
    ):
        return 40.0
    drawn = control.pointer and control.picture and not control.long
    return 34.0 if drawn and short >= SIGN_SIDE and long < short * 1.6 else 0.0


def worth_agreeing(control: Control, page: str) -> float:
    """How likely it agrees to what a banner asks, says that a person is old enough, or loads what is outside."""
    if control.banner:
        return 90.0
    if control.box:
        return 86.0 if control.says(words.AGREE) else 0.0
    if not (control.button or control.pointer) or _other_site(control, page):
        return 0.0
    if control.says(words.AGREE):
        return 80.0
    return 72.0 if control.says(words.LOAD) else 0.0


def worth_choosing(control: Control, page: str) -> float:
    """How likely it is one of several places that the film comes from. Each is tried once."""
    if control.clicks or control.leads_away(page) or not (control.button or control.pointer):
        return 0.0
    if not control.says(words.SERVER):
        return 0.0
    heights = [int(each) for each in re.findall(r"\b(\d{3,4})p\b", control.text)]
    return 60.0 + min(max(heights, default=0), 4320) / 432


def _other_site(control: Control, page: str) -> bool:
    return control.leads_away(page) and urlsplit(control.href).hostname != urlsplit(page).hostname


def _area(control: Control) -> float:
    return control.width * control.height if control.film else 0.0
