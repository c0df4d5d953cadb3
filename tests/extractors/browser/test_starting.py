"""Clicks, in a real browser, on pages of a few lines."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright

from reactor.extractors.browser.controls import EXPLICIT, worth_agreeing, worth_starting
from reactor.extractors.browser.elements import elements_of
from reactor.extractors.browser.page_script import PREPARE, asking
from reactor.extractors.browser.starting import choose, click, click_through
from reactor.extractors.browser.worker import options
from tests.servers import FileServer
from tests.tools import needed

COUNTED = "onclick='this.dataset.n = 1 + +(this.dataset.n || 0); this.dataset.own = event.isTrusted'"
BUTTON = f"<button id=play {COUNTED}>Play</button>"


@pytest.fixture(scope="module")
async def page() -> AsyncIterator[Page]:
    setup = {"executable": needed("chromium"), "sandbox": False, "proxy": None, "headless_tells": False}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**options(setup))
        page = await browser.new_page()
        await page.add_init_script(PREPARE)
        yield page
        await browser.close()


async def test_a_click_is_a_persons(page: Page) -> None:
    await page.set_content(BUTTON)
    choice = await choose(page.frames, worth_starting)
    assert choice
    clicked = await click(choice)
    assert clicked
    assert clicked.reached
    assert await page.evaluate("() => [play.dataset.n, play.dataset.own]") == ["1", "true"]


async def test_what_lies_over_it_is_clicked_too(page: Page) -> None:
    await page.set_content(f"{BUTTON}<div id=over style='position: fixed; inset: 0' {COUNTED}></div>")
    choice = await choose(page.frames, worth_starting)
    assert choice
    clicked = await click(choice)
    assert clicked
    assert not clicked.reached
    await click_through(clicked)
    assert await page.evaluate("() => [play.dataset.n, over.dataset.own]") == ["1", "true"]


async def test_the_best_of_all_frames(page: Page) -> None:
    await page.set_content(
        "<button id=no>Play trailer</button><iframe srcdoc='<button>Watch full movie</button>'></iframe>"
    )
    await page.frames[1].wait_for_load_state()
    choice = await choose(page.frames, worth_starting, least=EXPLICIT)
    assert choice
    assert (choice.frame is page.frames[1], choice.control.text) == (True, "Watch full movie")


async def test_in_a_closed_shadow(page: Page) -> None:
    await page.goto("data:text/html,<div id=host></div>")
    await page.evaluate("() => { host.attachShadow({mode: 'closed'}).innerHTML = '<button>Play</button>' }")
    choice = await choose(page.frames, worth_starting)
    assert choice
    assert choice.control.text == "Play"


async def test_what_is_gone_is_not_clicked(page: Page) -> None:
    await page.set_content(BUTTON)
    choice = await choose(page.frames, worth_starting)
    assert choice
    await page.evaluate("() => play.remove()")
    assert await click(choice) is None


MAKE = """async () => {
  const one = await (await fetch("/a")).blob(), two = await (await fetch("/b")).arrayBuffer();
  const x = new XMLHttpRequest();
  x.responseType = "arraybuffer", x.open("GET", "/c"), x.send();
  await new Promise(done => x.onload = done);
  const reader = (await fetch("/d")).body.getReader(), {value} = await reader.read();
  const all = new Uint8Array(8);
  all.set(new Uint8Array(two)), all.set(value, 4);
  const parts = {film: [new Blob([one], {type: "video/mp4"})], list: [one, two, x.response], copied: [all]};
  for (const [id, made] of Object.entries(parts))
    document.getElementById(id).src = URL.createObjectURL(new Blob(made, {type: "video/mp4"}));
  fetch("data:application/x-mpegurl,%23EXTM3U"), URL.createObjectURL(new Blob(["#EXTM3U\\n#EXTINF:1,"]));
  await new Promise(done => setTimeout(done, 50));
}"""


async def test_what_an_address_was_made_of(page: Page) -> None:
    async with FileServer() as server:
        url = server.put(
            "/", b"<video id=film></video><video id=list></video><video id=copied></video>", content_type="text/html"
        )
        for path in ("/a", "/b", "/c", "/d"):
            server.put(path, b"1234")
        await page.goto(url)
        await page.evaluate(MAKE)
        told = await page.evaluate(asking("media"))
        found, _ = elements_of(told["films"], url)
        names = [[each.rpartition("/")[2] for each in element.fetched] for element in found]
    assert names == [["a"], ["a", "b", "c"], ["b", "d"]]
    assert sorted(each["text"][:7] for each in told["manifests"]) == ["#EXTM3U", "#EXTM3U"]


async def test_signs_and_boxes_without_a_pointer(page: Page) -> None:
    await page.set_content(
        "<div><span>▶</span></div><label><input type=checkbox>I am over 18</label><button>Enter</button>"
    )
    start, agree = await choose(page.frames, worth_starting), await choose(page.frames, worth_agreeing)
    assert start
    assert agree
    assert (start.control.text, agree.control.box) == ("▶", True)


async def test_a_year_of_birth_in_a_list(page: Page) -> None:
    days, years = "<option>Day<option>1<option>2", "<option>Year<option>2015<option>1985"
    await page.set_content(f"<select id=day>{days}</select><select id=year>{years}</select>")
    assert await page.evaluate(asking("age"), "1985") is True
    assert await page.evaluate("() => [day.value, year.value]") == ["1", "1985"]
    assert await page.evaluate(asking("age"), "1985") is False
    await page.set_content("<select id=sort><option>Newest<option>Oldest</select>")
    assert await page.evaluate(asking("age"), "1985") is False
    assert await page.evaluate("() => sort.value") == "Newest"


async def test_a_clock_counts_down(page: Page) -> None:
    await page.set_content("<b id=clock></b>")
    told = []
    for clock in ("01:00", "00:59", "00:59"):
        await page.evaluate(f"() => {{ clock.textContent = '{clock}' }}")
        told.append(await page.evaluate(asking("counting")))
    assert told == [False, True, False]


async def test_a_page_that_looks_at_the_browser_first(page: Page) -> None:
    for title, waits in (("Just a moment...", True), ("A moment in time", False)):
        await page.set_content(f"<title>{title}</title><p>x")
        assert await page.evaluate(asking("waiting")) is waits


async def test_nothing_tells_that_a_program_drives_it(page: Page) -> None:
    told = "() => [navigator.webdriver, navigator.plugins.length > 0, navigator.languages.length > 0]"
    assert await page.evaluate(told) == [False, True, True]
    assert "native code" in await page.evaluate("() => String(fetch) + String(URL.createObjectURL)")
