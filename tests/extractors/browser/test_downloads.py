"""Downloads that pages begin, in a real browser: by a button, by themselves, after a countdown, in another tab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from reactor.extractors.browser.browser import Browser
from reactor.extractors.browser.extractor import PageFindings, parse_found
from reactor.extractors.browser.offers import offers_of
from tests.pages.site import Site
from tests.tools import needed

TIMEOUT_S = 60.0
COUNTDOWN = """<p>Please wait <b id=n>4</b> seconds</p><button id=b disabled>Create download link</button><script>
const timer = setInterval(() => {
  n.textContent -= 1;
  if (n.textContent == 0) clearInterval(timer), b.disabled = false, b.onclick = () => location = "/count/FILE";
}, 1000)</script>"""
PAGES = {
    "button": "<button onclick='location = `/button/FILE`'>Free Download</button>",
    "itself": "<script>setTimeout(() => location = `/itself/FILE`, 300)</script>Your download begins.",
    "count": COUNTDOWN,
    "tab": "<a target=_blank href=/tab/FILE>Herunterladen</a>",
    "link": "<p>The file: <a href=/link/FILE>x.zip</a>",
    "player": "<button class=play-button onclick='location = `/player/FILE`'>Play</button>",
}


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser(timeout_s=TIMEOUT_S) as browser:
        yield browser


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    needed("chromium")
    async with Site() as site:
        yield site


async def found(browser: Browser, site: Site, name: str, body: str) -> PageFindings:
    site.put(f"/{name}/x.zip", b"PK", disposition="attachment; filename=given.zip")
    text = f"<!doctype html><title>{name}</title><body>{body.replace('FILE', 'x.zip')}</body>"
    return parse_found(await browser.sniff(site.html(text, path=f"/page/{name}")))


async def test_each_page_gives_its_file(site: Site, browser: Browser) -> None:
    seen = dict(zip(PAGES, await asyncio.gather(*(found(browser, site, *page) for page in PAGES.items())), strict=True))
    offers = {name: offers_of(each.offers) for name, each in seen.items()}
    assert {name: [offer.url for offer in each] for name, each in offers.items()} == {
        name: [site.url(f"/{name}/x.zip")] for name in PAGES
    }
    assert {name for name, each in offers.items() if each[0].name == "given.zip"} == set(PAGES) - {"link"}
    assert [each.wanted for each in seen["player"].offers.begun] == [False], "mostly it is an advertisement's"
    sent = offers["button"][0].sent
    assert sent is not None
    assert (sent["referer"], "user-agent" in sent) == (site.url("/page/button"), True)
    assert site.requests("/link/x.zip") == [], "a link that stands there is not clicked"


@pytest.mark.parametrize(
    ("body", "gates"),
    [
        ("<p>text", []),
        ("<p>Please log in to download this file.", ["login"]),
        (
            "<div class=h-captcha style='width: 300px; height: 80px'>x</div><button disabled>Download</button>",
            ["captcha"],
        ),
    ],
)
async def test_what_stands_before_the_file(site: Site, browser: Browser, body: str, gates: list[str]) -> None:
    seen = await found(browser, site, "gate", body)
    assert (seen.offers.gates, offers_of(seen.offers)) == (gates, [])
