"""What a page's video elements are there for."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.extractors.browser.elements import Element, Role, Source, elements_of, height_of, role


def element(*, width: float = 640.0, height: float = 360.0, **more: Any) -> Element:
    return Element("x", width=width, height=height, **more)


MAIN = element(started=True, controls=True)

ROLES: dict[str, tuple[Element, Role]] = {
    "with controls": (MAIN, Role.MAIN),
    "after a click": (element(started=True, silent=True, clicked=True), Role.MAIN),
    "with its sound": (element(started=True), Role.MAIN),
    "not begun": (element(silent=True), Role.MAIN),
    "by itself, without sound": (element(started=True, silent=True), Role.TEASER),
    "over and over": (element(loop=True), Role.DECOR),
    "behind everything": (element(behind=True, width=1280, height=720), Role.DECOR),
    "much smaller": (element(started=True, controls=True, width=200, height=112), Role.SIDE),
    "as large, but far below": (element(started=True, controls=True, y=2000), Role.SIDE),
    "larger, and far below": (element(controls=True, y=2000, width=900, height=600), Role.MAIN),
    "sound, which is not shown": (Element("x", started=True), Role.MAIN),
}


@pytest.mark.parametrize("name", ROLES)
def test_roles(name: str) -> None:
    one, wanted = ROLES[name]
    assert role(one, [MAIN, one]) is wanted


def test_a_small_film_alone_is_the_film_unless_it_is_muted() -> None:
    small = element(started=True, width=200, height=112)
    muted = element(started=True, silent=True, width=200, height=112)
    assert (role(small, [small]), role(muted, [muted])) == (Role.MAIN, Role.SIDE)


TOLD: dict[str, Any] = {
    **{"source": "https://h/a.mp4#t=3", "duration": 12.5, "endless": False, "loop": True, "muted": True},
    **{"controls": False, "behind": False, "y": 10.0, "width": 640.0, "height": 360.0, "playable": True},
    **{"started": True, "running": True, "fetched": [], "fed": [], "mse": None},
    "sources": [{"url": "https://h/a.mp4", "label": "360p"}, {"url": "", "label": "x"}],
}


def test_what_a_frame_tells() -> None:
    (found,), running = elements_of([TOLD], "https://h/")
    assert (found.source, found.duration_s, found.loop, found.silent, running) == (
        "https://h/a.mp4",
        12.5,
        True,
        True,
        True,
    )
    assert (found.sources, found.assembled) == ((Source("https://h/a.mp4", 360),), False)
    (fed,), _ = elements_of([TOLD | {"mse": 0, "controls": True, "duration": 1e12}], "https://h/")
    assert (fed.assembled, fed.loop, fed.duration_s) == (True, False, None)


@pytest.mark.parametrize("told", [None, "x", [7], [TOLD | {"y": "low"}], [{"source": 1}], [TOLD | {"duration": "x"}]])
def test_nonsense_is_no_element(told: Any) -> None:
    assert elements_of(told, "https://h/") == ([], False)


def test_heights() -> None:
    labels = ("720p", "1080", "Full HD", "4K UHD", "SD", "auto", "")
    assert [height_of(label) for label in labels] == [720, 1080, 1080, 2160, 480, 0, 0]
