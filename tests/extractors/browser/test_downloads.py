"""Downloads that pages begin, in a real browser: by a button, by themselves, after a countdown, in another tab."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO

import pytest

from reactor.extractors.browser.browser import MIB, Browser
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


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    needed("chromium")
    async with Site() as site:
        yield site


async def found(browser: Browser, site: Site, name: str, body: str) -> PageFindings:
    site.put(f"/{name}/x.zip", b"PK", disposition="attachment; filename=given.zip")
    text = f"<!doctype html><title>{name}</title><body>{body.replace('FILE', 'x.zip')}</body>"
    return parse_found(await browser.sniff(site.html(text, path=f"/page/{name}")))


@pytest.mark.nightly
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


MADE = {
    "blob": """<button id=d>Download</button><script>
        d.onclick = () => {
          const a = document.createElement("a");
          a.href = URL.createObjectURL(new Blob(["made"]));
          a.download = "a.txt";
          a.click();
          URL.revokeObjectURL(a.href);
        }</script>""",
    "data": "<a download=a.txt href='data:text/plain,made'>Download</a>",
    "large": "<a download=a.txt href='data:text/plain,%s'>Download</a>" % ("x" * 5000),
    "button": PAGES["button"],
}


@pytest.mark.parametrize("names", [("blob", "large", "button"), pytest.param([*MADE], marks=pytest.mark.nightly)])
async def test_what_only_a_browser_can_fetch_is_saved(site: Site, names: Sequence[str]) -> None:
    """As much as may be; a file that has a link of its own only when it is asked for so."""
    handed: list[bytes] = []

    def hand_over(file: BinaryIO, size: int) -> str:
        with file:
            handed.append(file.read())
        assert len(handed[-1]) == size
        return f"http://handed/{len(handed)}"

    async with Browser(timeout_s=TIMEOUT_S, memory_max=2048 * MIB, hand_over=hand_over, browsers_max=1) as browser:
        browser.save_bytes_max = 1000
        seen = await asyncio.gather(*(found(browser, site, name, MADE[name]) for name in names))
        site.put("/button/x.zip", b"once", disposition="attachment")
        again = parse_found(await browser.sniff(site.url("/page/button"), save=True))
    offers = {name: offers_of(each.offers)[0] for name, each in zip(names, seen, strict=True)}
    saved = {"blob": (True, False), "data": (True, False), "large": (False, True), "button": (False, False)}
    assert {name: (each.saved is not None, each.too_large) for name, each in offers.items()} == {
        name: saved[name] for name in names
    }
    made = [b"made" for name in names if saved[name][0]]
    assert (offers["blob"].name, offers["blob"].size, sorted(handed)) == ("a.txt", 4, [*made, b"once"])
    assert offers_of(again.offers)[0].saved == f"http://handed/{len(handed)}"
