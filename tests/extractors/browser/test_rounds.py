"""Pages that are started by clicks, and clicks that lead away from them."""

from __future__ import annotations

import pytest

from reactor.extractors.browser.browser import Browser
from reactor.extractors.browser.extractor import parse_found
from tests.extractors.browser.seen import sniffed
from tests.pages.site import Site


async def test_a_player_behind_a_banner(site: Site, browser: Browser) -> None:
    seen = await sniffed(browser, site.page("consent", "/hls/main.m3u8"))
    assert seen.best.url == site.url("/hls/main.m3u8")


async def test_a_button_under_what_never_goes_away(site: Site, browser: Browser) -> None:
    url = site.html(
        "<div style='position: fixed; inset: 0'></div>"
        "<button class=play-button onclick='fetch(`/hls/main.m3u8`)'>Play</button>"
    )
    assert (await sniffed(browser, url)).best.url == site.url("/hls/main.m3u8")


@pytest.mark.nightly
async def test_a_click_that_leads_away(site: Site, browser: Browser) -> None:
    site.html("<title>Casino</title><video autoplay muted src=/clip.mp4></video>", path="/casino")
    away = site.url("/casino", host="localhost")
    leave = f"if (!sessionStorage.n) {{ sessionStorage.n = 1; location.href = `{away}` }} else fetch(`/hls/main.m3u8`)"
    url = site.html(f"<title>The film</title><button class=play-button onclick='{leave}'>Play</button>")
    seen = await sniffed(browser, url)
    assert [each.url for each in seen.found.candidates] == [site.url("/hls/main.m3u8")]
    assert seen.found.titles.title == "The film"
    assert site.requests("/casino"), "it was there"


@pytest.mark.nightly
async def test_a_click_that_leads_away_for_good(site: Site, browser: Browser) -> None:
    """The advertisement takes the page's place in the history, and does not let the browser go back to it."""
    trap = "history.pushState(1, ''); onpopstate = () => history.pushState(1, '')"
    site.html(f"<title>Casino</title><script>{trap}</script>", path="/casino")
    away = site.url("/casino", host="localhost")
    leave = f"sessionStorage.n ? fetch(`/hls/main.m3u8`) : (sessionStorage.n = 1, location.replace(`{away}`))"
    url = site.html(f"<title>The film</title><button class=play-button onclick='{leave}'>Play</button>")
    seen = await sniffed(browser, url)
    assert [each.url for each in seen.found.candidates] == [site.url("/hls/main.m3u8")]
    assert (seen.found.titles.title, seen.found.status) == ("The film", 200)


@pytest.mark.nightly
async def test_a_page_that_leads_away_whenever_it_is_opened(site: Site, browser: Browser) -> None:
    """It is opened a few times more, not until its time is over."""
    site.put("/casino", b"<title>Casino</title>", content_type="text/html", status=404)
    away = site.url("/casino", host="localhost")
    leave = f"sessionStorage.n = 1, location.replace(`{away}`)"
    script = f"<script>if (sessionStorage.n) {leave}</script>"
    url = site.html(f"{script}<title>The film</title><button class=play-button onclick='{leave}'>Play</button>")
    found = parse_found(await browser.sniff(url))
    assert (found.candidates, found.failure, found.status) == ([], None, 200)
    assert 2 <= len(site.requests("/casino")) <= 40
