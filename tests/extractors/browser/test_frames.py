"""Which tabs and frames are those of a page."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reactor.extractors.browser.frames import FRAMES_MAX, Frames, site_of


def page(url: str, *inner: str) -> Any:
    main = SimpleNamespace(url=url)
    return SimpleNamespace(main_frame=main, frames=[main, *(SimpleNamespace(url=each) for each in inner)])


def shown(frames: Frames) -> list[str]:
    return [each.url for each in frames.all]


def test_those_of_advertisers_are_none_of_it() -> None:
    own = page("https://film.example/", "https://player.other/", "https://ad.doubleclick.net/x")
    frames = Frames(SimpleNamespace(pages=[own]), own)  # type: ignore[arg-type]
    assert shown(frames) == ["https://film.example/", "https://player.other/"]


def test_where_a_click_has_led_is_none_of_it() -> None:
    own, tab = page("https://film.example/"), page("https://www.film.example/play")
    advert = page("https://casino.test/")
    frames = Frames(SimpleNamespace(pages=[own, tab, advert]), own)  # type: ignore[arg-type]
    assert (frames.clicked, frames.astray) == (False, False)
    frames.click()
    assert shown(frames) == ["https://film.example/", "https://www.film.example/play"]
    own.main_frame.url = "https://casino.test/"
    assert frames.astray
    assert shown(frames) == ["https://www.film.example/play"]
    own.main_frame.url = "about:blank"
    assert frames.astray


def test_another_site_may_be_welcome() -> None:
    own = page("https://film.example/")
    frames = Frames(SimpleNamespace(pages=[own]), own)  # type: ignore[arg-type]
    frames.click()
    frames.welcome("https://cdn.host.test/watch")
    own.main_frame.url = "https://host.test/watch/1"
    assert not frames.astray
    assert (frames.dismiss_guests(), frames.astray, frames.dismiss_guests()) == (True, True, False)


def test_only_so_many_are_asked() -> None:
    own = page("https://film.example/", *(f"https://film.example/{n}" for n in range(FRAMES_MAX)))
    assert len(Frames(SimpleNamespace(pages=[own]), own).all) == FRAMES_MAX  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "site"),
    [("https://a.b.example.com/x", "example.com"), ("http://localhost:80/", "localhost"), ("about:blank", "")],
)
def test_the_site_of_a_url(url: str, site: str) -> None:
    assert site_of(url) == site
