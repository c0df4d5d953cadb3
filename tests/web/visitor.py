"""A reactor that serves its page, and a real browser that looks at it."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from playwright.async_api import Browser, Page, async_playwright, expect

from reactor.extractors.browser import features
from reactor.extractors.browser.browser import find_browser
from tests.real.harness import PATIENCE_S, Reactor, serving

expect.set_options(timeout=PATIENCE_S * 1000)
TOKEN = "open sesame, sixteen and more"
PAGE = re.compile(r"page is at (http://(\S+?)/)")


class Served(Reactor):
    """A reactor with a page, at a port that the system chose once: a restart serves at the same."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, **({"PAGE_ADDRESS": "127.0.0.1:0", "PAGE_TOKEN": TOKEN} | settings))
        self.address = ""

    async def start(self) -> None:
        """Start it, and learn where the page is."""
        await super().start()
        await self.until(lambda: PAGE.search(self.printed))
        found = PAGE.search(self.printed)
        assert found is not None
        self.address = found[1]
        self.settings["PAGE_ADDRESS"] = found[2]


def served(folder: Path, **settings: str) -> AbstractAsyncContextManager[Served]:
    """One that serves."""
    return serving(Served(folder, **settings))


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser of the system's."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_browser().path, chromium_sandbox=os.getuid() != 0, args=features.switch()
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(browser: Browser, reactor: Served, **how: Any) -> AsyncIterator[Page]:
    """The page, signed in. Whatever it says on its console is an error of ours, a refusal by the server apart."""
    async with await browser.new_context(**how) as context:
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.on("pageerror", _fail)
        await page.goto(f"{reactor.address}#token={TOKEN.replace(' ', '%20')}")
        await page.locator("#link-state.live").wait_for()
        yield page


def _fail(error: Exception) -> None:
    raise AssertionError(f"the page said: {error}")


async def bar_over(page: Page, value: float) -> float:
    """Wait until the bar is past `value`; where it is then."""
    bar = page.locator("#under-way progress[value]")
    with anyio.fail_after(PATIENCE_S):
        while True:
            now = float(await bar.evaluate("bar => bar.value"))
            if now > value:
                return now
            await anyio.sleep(0.05)
