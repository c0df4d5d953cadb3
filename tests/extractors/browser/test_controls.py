"""What of a page a person would click."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.extractors.browser.controls import (
    CLICKS_MAX,
    Control,
    Worth,
    best,
    controls_of,
    worth_agreeing,
    worth_choosing,
    worth_starting,
    worth_starting_beside,
)

PAGE = "https://films.test/watch/17"
PLAIN: dict[str, Any] = {
    **{"n": 0, "x": 100.0, "y": 100.0, "width": 80.0, "height": 40.0, "tag": "button", "text": "", "long": 0},
    **{"labels": [], "names": "", "href": "", "download": False, "method": "", "button": True, "pointer": True},
    **{"player": 0, "skips": False, "banner": False, "film": False, "box": False, "picture": False, "playing": False},
    **{"middle": False, "clicks": 0},
}


def control(text: str = "", **more: Any) -> Control:
    return Control(**(PLAIN | {"text": text, "long": len(text)} | more))


def chosen(worth: Worth, *controls: Control, least: float = 0.0) -> Control | None:
    found = best(controls, worth, PAGE, least=least)
    return found[1] if found else None


# Of each pair the first goes before the second.
BETTER: dict[str, tuple[Worth, Control, Control]] = {
    "what skips an advertisement": (worth_starting, control(skips=True), control("Play", player=2)),
    "a known player's button": (worth_starting, control(player=2), control("Play")),
    "the film before its trailer": (worth_starting, control("Watch full movie"), control("Play trailer")),
    "a button before a link to another page": (
        worth_starting,
        control("▶"),
        control("Watch now", href="https://films.test/watch/18"),
    ),
    "a link that says it before a poster": (
        worth_starting,
        control("Watch now", href="https://films.test/play/17"),
        control(button=False, picture=True, width=640, height=360),
    ),
    "a class before a poster": (
        worth_starting,
        control(names="w play", button=False),
        control(button=False, picture=True, width=640, height=360),
    ),
    "a film that stands still before a poster": (
        worth_starting,
        control(film=True, width=640, height=360),
        control(button=False, picture=True, width=640, height=360),
    ),
    "the larger film": (
        worth_starting,
        control(film=True, width=640, height=360),
        control(film=True, width=320, height=180),
    ),
    "the one that was not tried": (worth_starting, control("Play", player=1), control(player=2, clicks=2)),
    "a known banner": (worth_agreeing, control(banner=True), control("Accept all")),
    "a box to tick before the button": (worth_agreeing, control(box=True, labels=["I am over 18"]), control("Enter")),
    "consent before what is outside": (worth_agreeing, control("Accept"), control("Load video")),
    "the best quality": (worth_choosing, control("1080p"), control("720p")),
}
NOTHING: dict[str, tuple[Worth, Control]] = {
    "any button": (worth_starting, control("Share")),
    "a related film": (
        worth_starting,
        control(names="play-icon", player=1, href="https://films.test/watch/18", picture=True),
    ),
    "a list of films": (worth_starting, control(names="playlist play")),
    "a thumbnail": (worth_starting, control(button=False, picture=True, width=120, height=68)),
    "a paragraph": (worth_starting, control("x" * 90, button=False, width=640, height=360)),
    "a wide button in the middle": (worth_starting, control("Buy", middle=True, width=300, height=60)),
    "a tiny film": (worth_starting, control(film=True, width=100, height=56)),
    "what lies over a film that plays": (worth_starting_beside, control("Play", playing=True)),
    "what was tried twice": (worth_starting_beside, control("Play", clicks=2)),
    "consent on another site": (worth_agreeing, control("Continue", href="https://casino.test/")),
    "text that agrees": (worth_agreeing, control("OK", button=False, pointer=False)),
    "a newsletter": (worth_agreeing, control(box=True, labels=["I agree to receive offers"])),
    "a server that was tried": (worth_choosing, control("Server 1", clicks=1)),
}


@pytest.mark.parametrize("name", BETTER)
def test_which_goes_first(name: str) -> None:
    worth, first, second = BETTER[name]
    assert chosen(worth, second, first) is first
    assert chosen(worth, second) is second


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_left_alone(name: str) -> None:
    worth, one = NOTHING[name]
    assert chosen(worth, one) is None


def test_enough_is_enough() -> None:
    assert chosen(worth_starting, control("Play", clicks=CLICKS_MAX)) is None
    assert chosen(worth_starting, control(film=True, width=640, height=360), least=60.0) is None


def test_a_link_within_the_page_leads_nowhere() -> None:
    assert [control(href=href).leads_away(PAGE) for href in (f"{PAGE}#x", "javascript:x()", "", f"{PAGE}?x=1")] == [
        *(False, False, False, True)
    ]


@pytest.mark.parametrize("told", [None, 7, [7], [PLAIN | {"width": "wide"}], [PLAIN | {"x": float("nan")}]])
def test_nonsense_is_no_control(told: Any) -> None:
    assert controls_of(told) == []
