"""The page in a real browser, in front of the real reactor."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.pages import players
from tests.servers import FileServer
from tests.web.visitor import TOKEN, bar_over, browsing, served, visiting

pytestmark = pytest.mark.needs("chromium")
DATA = random.Random(6).randbytes(600_000)
HOSTILE = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>\u202egpj.exe'


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all: each visit is by a person of its own."""
    async with browsing() as browser:
        yield browser


@pytest.mark.nightly
async def test_add_watch_and_cancel_by_keyboard_alone(browser: Browser, tmp_path: Path) -> None:
    async with FileServer() as server, served(tmp_path, MAX_CONCURRENT_DOWNLOADS="1") as reactor:
        slow, next_one = (server.put(f"/{name}.mp4", DATA, rate=60_000) for name in ("harbour", "marsh"))
        async with visiting(browser, reactor) as page:
            assert page.url == reactor.address, "the token does not stay in the address"
            (cookie,) = await page.context.cookies()
            assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
            assert TOKEN not in cookie["value"]

            await page.keyboard.press("Tab")  # Sign out
            await page.keyboard.press("Tab")
            await page.keyboard.type(slow)
            await page.keyboard.press("Shift+Enter")
            await page.keyboard.type(next_one)
            await page.keyboard.press("Enter")
            await expect(page.locator("#said")).to_have_text("2 links added.")
            await expect(page.locator("#under-way .title")).to_have_text("harbour.mp4")
            await expect(page.locator("#queue .title")).to_have_text("marsh.mp4")
            assert await bar_over(page, await bar_over(page, 0)) > 0
            await expect(page.locator("#under-way .facts")).to_contain_text("of 585.9 KiB")

            for _ in range(3):  # Add, Options, then the button of the first row
                await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.getAttribute('aria-label')") == "Cancel harbour.mp4"
            await page.keyboard.press("Enter")
            await expect(page.locator("#finished .chip")).to_have_text("cancelled")
            assert await page.evaluate("document.activeElement.id") == "h-under-way", "focus is not lost"
            await expect(page.locator("#said")).to_have_text("harbour.mp4: cancelled.")
            await expect(page.locator("#under-way .title")).to_have_text("marsh.mp4")
        assert [row["status"] for row in reactor.rows()] == ["cancelled", "downloading"]


async def test_what_failed_says_why_and_begins_again(browser: Browser, tmp_path: Path) -> None:
    async with FileServer() as server, served(tmp_path, MAX_DOWNLOAD_RETRIES="0") as reactor:
        (one,) = reactor.add(server.url("/lost.bin"))
        async with visiting(browser, reactor) as page:
            failed = page.locator("#failed li")
            await failed.wait_for()
            assert await failed.locator(".error").text_content() == reactor.row(one)["error"]
            server.put("/lost.bin", DATA)
            await page.get_by_role("button", name="Retry lost.bin").click()
            await expect(page.locator("#finished .title")).to_have_text("lost.bin")
            facts = page.locator("#finished .facts")
            await expect(facts).to_contain_text("585.9 KiB")
            await expect(facts).to_contain_text("…/downloads/lost.bin")
            await expect(facts).to_have_attribute("title", str(reactor.downloads / "lost.bin"))
            await expect(page.locator("#failed li")).to_have_count(0)
        assert (reactor.downloads / "lost.bin").read_bytes() == DATA


@pytest.mark.nightly
async def test_what_failed_is_seen_however_many_others_ended_since(browser: Browser, tmp_path: Path) -> None:
    async with served(tmp_path) as reactor:
        for n in range(60):
            reactor.execute("INSERT INTO downloads(url, status, title) VALUES('u', 'failed', ?)", f"lost {n}")
        for _ in range(60):
            reactor.execute("INSERT INTO downloads(url, status) VALUES('u', 'uploaded')")
        async with visiting(browser, reactor) as page:
            await expect(page.locator("#n-failed")).to_have_text("60")
            await expect(page.locator("#failed li")).to_have_count(50)
            await expect(page.locator("#more-failed")).to_have_text("and 10 more")
            await expect(page.locator("#n-finished")).to_have_text("50+")


async def test_a_hostile_title_is_only_text(browser: Browser, tmp_path: Path) -> None:
    async with served(tmp_path) as reactor:
        for status in ("failed", "uploading"):
            reactor.execute(
                "INSERT INTO downloads(url, status, title, error, file_path) VALUES(?, ?, ?, ?, ?)",
                *("javascript:window.pwned=1", status, HOSTILE, HOSTILE, HOSTILE),
            )
        async with visiting(browser, reactor) as page:
            await expect(page.locator("#failed .title")).to_have_text(HOSTILE.replace("\u202e", "\\u202e"))
            await expect(page.locator("#finished .chip")).to_have_text("uploading")
            assert await page.locator("main img, main script, main a").count() == 0
            # Even a mistake of the page's own would not run: neither markup nor a script of its own making.
            for mistake in ("document.body.innerHTML = '<b>'", "document.body.append(inline())"):
                await page.evaluate(
                    f"""() => {{
                        const inline = () => Object.assign(document.createElement('script'), {{text: 'pwned = 1'}});
                        try {{ {mistake}; }} catch {{}}
                    }}"""
                )
            assert await page.evaluate("window.pwned") is None


async def test_a_row_that_asks_is_answered_and_a_list_unfolds(browser: Browser, tmp_path: Path) -> None:
    async with FileServer() as server, served(tmp_path, MAX_CONCURRENT_DOWNLOADS="2") as reactor:
        urls = [server.put(f"/{n}.bin", DATA, stall_after=1000 if n == 2 else None) for n in range(4)]
        item = "<item><title>{}</title><guid>g{}</guid><enclosure url='{}' type='video/mp4'/></item>"
        items = "".join(item.format(escape(f"{n} {HOSTILE}"), n, url) for n, url in enumerate(urls))
        document = f"<rss version='2.0'><channel><title>Pod</title>{items}</channel></rss>"
        feed = server.put("/feed", document.encode(), content_type="application/rss+xml")
        insert = "INSERT INTO downloads(url, title, status, {}) VALUES('u', ?, 'uploaded', {})"
        reactor.execute(insert.format("items_total", "120"), "Archive")
        for n in range(1, 121):
            reactor.execute(insert.format("parent_id, item_key, position", "1, ?, ?"), f"Old {n}", n, n)
        async with visiting(browser, reactor) as page:
            archive = page.locator("#finished > li")
            await page.get_by_role("button", name="Show entries of Archive").press("Enter")
            await expect(archive.locator(".entries > li")).to_have_count(50)
            for left, count in ((120, 100), (120, 120)):
                await archive.get_by_role("button", name=f"more of {left}").press("Enter")
                await expect(archive.locator(".entries > li")).to_have_count(count)
            await expect(archive.locator(".entries .title")).to_have_text([f"Old {n}" for n in range(1, 121)])
            assert await page.evaluate("document.activeElement.textContent") == "Hide entries", "focus is not lost"
            await page.keyboard.press("Enter")
            await expect(archive.locator(".entries > li")).to_have_count(0)

            await page.locator("#options summary").press("Enter")
            await page.get_by_label("Clip").fill("2:10")
            await page.locator("#urls").fill(feed)
            await page.locator("#urls").press("Enter")
            await expect(page.locator("#add-error")).to_contain_text("2:10 is no part of a film")
            await page.get_by_label("Clip").fill("")
            await page.get_by_label("Ask first").press("Space")
            await expect(page.locator("#options-said")).to_have_text("ask first")
            await page.locator("#urls").press("Enter")

            await page.get_by_role("button", name="Choose: Pod").press("Enter")
            choices = page.locator(".picker bdi")
            await expect(choices).to_have_count(4)
            assert HOSTILE.replace("\u202e", "\\u202e") in (await choices.first.text_content() or "")
            await page.get_by_role("button", name="Download").press("Enter")
            await expect(page.locator(".picker .error")).to_have_text("Nothing is chosen.")
            for place in (1, 2):
                await page.locator(".picker input").nth(place).press("Space")
            await page.keyboard.press("Enter")

            pod = page.locator("#under-way > li")
            await expect(pod.locator(".facts")).to_contain_text("1 of 2".replace(" ", "\u00a0"))
            await page.get_by_role("button", name="Show entries of Pod").press("Enter")
            await expect(pod.locator(".entries .facts").first).to_contain_text("585.9 KiB · ")
            assert await pod.locator(".entries bdi").count() == 2
            await pod.get_by_role("button", name="Cancel Pod").press("Enter")
            await expect(page.locator("#finished > li > .row .chip").first).to_have_text("cancelled")
            await expect(page.locator("#finished .entries .chip").last).to_have_text("cancelled")
            server.release()
            await page.get_by_role("button", name="Retry Pod").press("Enter")
            await expect(page.locator("#finished > li > .row .facts").first).to_contain_text("2 of 2")
            await expect(page.locator("#finished .entries .facts").last).to_contain_text("585.9 KiB · ")
            assert await page.evaluate("window.pwned") is None
        assert sorted(reactor.files().values()) == [DATA, DATA]


@pytest.mark.nightly
async def test_a_phone_needs_no_sideways_scrolling(browser: Browser, tmp_path: Path) -> None:
    async with FileServer() as server, served(tmp_path) as reactor:
        reactor.add(server.put(f"/{'long' * 50}.mp4", DATA, rate=50_000), f"{server.url('/')}{'x' * 300}")
        reactor.execute(
            "INSERT INTO downloads(url, status, title, error) VALUES('x', 'failed', ?, ?)", "t" * 500, "e" * 500
        )
        async with visiting(browser, reactor, viewport={"width": 320, "height": 640}, has_touch=True) as page:
            await page.locator("#under-way li").wait_for()
            await page.locator("#queue li").wait_for()
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320
            for button in await page.locator("button:visible").all():
                box = await button.bounding_box()
                assert box is not None
                assert box["height"] >= 36
            await page.get_by_role("button", name="Cancel").first.tap()
            await page.locator("#finished li").wait_for()


@pytest.mark.nightly
async def test_those_who_do_not_see_it_find_their_way(browser: Browser, tmp_path: Path) -> None:
    """No complaint of axe's, in either colours: names, roles, contrasts, headings, landmarks."""
    axe = players.files()["axe.min.js"].decode()
    async with FileServer() as server, served(tmp_path, MAX_DOWNLOAD_RETRIES="0", STALL_TIMEOUT_S="0") as reactor:
        reactor.add(server.put("/done.bin", DATA), server.url("/lost.bin"))
        await reactor.until_final()
        reactor.add(server.put("/slow.bin", DATA, stall_after=300_000), server.put("/next.bin", DATA))
        async with visiting(browser, reactor, bypass_csp=True) as page:  # axe is no script of the page's
            for ended in (f"#{name} li" for name in ("under-way", "queue", "failed", "finished")):
                await page.locator(ended).wait_for()
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                await page.evaluate(axe)
                found = await page.evaluate("axe.run()")
                assert [(wrong["id"], wrong["nodes"]) for wrong in found["violations"]] == []
                assert len(found["passes"]) > 20
            await page.get_by_role("button", name="Sign out").click()
            await page.locator("#login").wait_for()
            assert (await page.evaluate("axe.run()"))["violations"] == []


async def test_a_wrong_token_opens_nothing(browser: Browser, tmp_path: Path) -> None:
    async with served(tmp_path) as reactor, await browser.new_context() as context:
        page = await context.new_page()
        await page.goto(f"{reactor.address}#token=guessed-guessed-guessed")
        await expect(page.locator("#login-error")).to_have_text("Wrong token.")
        assert await page.context.cookies() == []
        assert not await page.locator("#live_rows").is_visible()
        await page.get_by_label("Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Links to download")).to_be_focused()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.locator("#login")).to_be_visible()
        assert await page.context.cookies() == []


ATTACK = """<script>
    const to = location.hash.slice(1), body = '{"urls": ["http://127.0.0.1:1/planted"]}';
    const post = (type, mode) => fetch(to + 'api/downloads',
        {method: 'POST', mode, credentials: 'include', headers: {'Content-Type': type}, body});
    const tries = [post('text/plain', 'no-cors'), post('application/json', 'cors'),
        fetch(to + 'api/events', {credentials: 'include'}).then((answer) => answer.text())];
    Promise.allSettled(tries).then((done) => { document.title = done.map((one) => one.status).join(' '); });
</script>"""
FORM = """<form method="post" action="{}api/downloads" enctype="text/plain"><input name='{{"urls": ["x' value='"]}}'>
    <button>Win a prize</button></form><iframe src="{}"></iframe>"""


async def test_another_site_can_neither_add_nor_read_nor_show_it(browser: Browser, tmp_path: Path) -> None:
    """A page on another port of the same host: the cookie goes along, so it is the origin that tells."""
    async with FileServer() as server, served(tmp_path) as reactor, visiting(browser, reactor) as page:
        reactor.add(server.put("/ours.bin", DATA))
        await expect(page.locator("#finished .title")).to_have_text("ours.bin")
        server.put("/attack", ATTACK.encode(), content_type="text/html")
        server.put("/form", FORM.format(reactor.address, reactor.address).encode(), content_type="text/html")
        other = await page.context.new_page()
        for host in ("127.0.0.1", "localhost"):
            await other.goto(f"{server.url('/attack', host=host)}#{reactor.address}")
            await expect(other).to_have_title("rejected rejected rejected")
            await other.goto(server.url("/form", host=host))
            assert await other.frames[1].locator("#live_rows").count() == 0
            await other.get_by_role("button").click()
            await expect(other.locator("body")).to_contain_text("Cross-site requests are refused.")
        assert [row["url"] for row in reactor.rows()] == [server.url("/ours.bin")]


@pytest.mark.nightly
async def test_the_page_goes_on_after_a_restart(browser: Browser, tmp_path: Path) -> None:
    async with FileServer() as server, served(tmp_path) as reactor, visiting(browser, reactor) as page:
        reactor.add(server.put("/slow.bin", DATA, rate=60_000))
        before = await bar_over(page, 10)
        printed = await reactor.stop()
        assert "Traceback" not in printed
        assert "ASGI" not in printed, "who still read is no mistake of ours"
        await expect(page.locator("#link-state")).to_have_text("reconnecting")
        await reactor.start()
        await expect(page.locator("#link-state")).to_have_text("live")
        assert await bar_over(page, before) > before
        reactor.add(server.put("/next.bin", DATA))
        await expect(page.locator("#queue .title")).to_have_text("next.bin")
