"""Rounds of tries to make a page show its film, or begin its download: play buttons first, then agreeing to what covers
them, then choosing a server; and coming back from where a click has led. Runs in the browser's process.

    while not await rounds.nothing_to_start(running=…): …
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Page

from reactor.extractors.browser.controls import (
    EXPLICIT,
    Worth,
    worth_agreeing,
    worth_choosing,
    worth_starting,
    worth_starting_beside,
)
from reactor.extractors.browser.downloads import Downloads
from reactor.extractors.browser.elements import Role
from reactor.extractors.browser.frames import Frames
from reactor.extractors.browser.page_script import asking
from reactor.extractors.browser.patience import now, with_timeout
from reactor.extractors.browser.ranking import Candidate, is_sure
from reactor.extractors.browser.starting import Click, choose, click, click_through, reached
from reactor.extractors.browser.words import PLAY

ROUND_S = 1.0
"""Between two tries to start the player."""
ROUNDS_MAX = 15
ROUNDS_IDLE_MAX = 5
"""Tries in a row that found nothing to click."""
ROUNDS_LINKED = 3
"""After so many the links of the page count."""
ROUNDS_SOON = 10
"""So many more for a page that says that something begins by itself."""
ROUNDS_BESIDE_MAX = 4
"""Clicks on what starts a player while another one plays already."""
YEAR = "1985"
"""Of birth, where a list asks for it."""
SCROLL_ROUND = 3
"""In this round the page is scrolled to its end, if nothing was found so far."""
LOADING_S = 15.0
"""A page that loads longer is treated as if it had been loaded."""
RETURN_S = 20.0
RETURNS_MAX = 15
"""Tries to come back from pages that clicks have led to."""

Start = Callable[[Awaitable[Any]], asyncio.Task[None]]
"""Begins work beside, which ends with the page."""


class Rounds:
    """Those of one page."""

    def __init__(self, page: Page, url: str, frames: Frames, downloads: Downloads, start: Start) -> None:
        self._page = page
        self._url = url
        self._frames = frames
        self._downloads = downloads
        self._start = start
        self.loaded = False
        """Whether the page has been loaded."""
        self._opened: float | None = None
        self._next_round = 0.0
        self._rounds = self._idle_rounds = self._rounds_beside = self._returns = 0
        self._soon = False
        """The page says that its download begins by itself."""
        self._returning: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """The page is there: the first round comes soon."""
        self._opened = now()
        self._next_round = self._opened + ROUND_S

    def come_back(self) -> None:
        """Begin another try to return to the page, unless one is under way. The rounds wait for it."""
        self.loaded = False
        self._idle_rounds = 0
        self.begin()
        if self._returning is None or self._returning.done():
            self._returns += 1
            self._returning = self._start(self._return())

    async def _return(self) -> None:
        """Go back in the history. Every other time open the URL instead: the history may have been replaced, and
        Chromium refuses to go back while a page of another site takes over."""
        if self._returns % 2:
            await self._page.go_back(wait_until="commit", timeout=RETURN_S * 1000)
        else:
            await self._page.goto(self._url, wait_until="commit", timeout=RETURN_S * 1000)

    async def nothing_to_start(self, *, running: bool) -> bool:
        """Try to start the player, when it is time for a try. True when there is no point in trying on. `running`:
        something plays, to an end."""
        if self._frames.astray:
            return self._returns > RETURNS_MAX
        if self._opened is None or now() < self._next_round:
            return False
        self._rounds += 1
        await self._frames.ask("play")
        found = self._rounds > 1 and (await self._click_something() or await self._ask_for_a_download())
        if self._rounds == SCROLL_ROUND:
            await self._frames.ask("scroll")
        self._idle_rounds = 0 if found or running else self._idle_rounds + 1
        self._next_round = now() + ROUND_S
        loaded = self.loaded or now() > self._opened + LOADING_S
        if loaded and self._idle_rounds >= ROUNDS_LINKED and await self._downloads.linked(self._frames.all):
            return True
        over = loaded and (self._rounds > ROUNDS_MAX or self._idle_rounds > ROUNDS_IDLE_MAX)
        if over and await self._is_interstitial():
            return False
        if over and not self._soon and any(await self._frames.ask("soon")):
            self._soon, self._rounds, self._idle_rounds = True, 0, -ROUNDS_SOON
            return False
        if over and self._frames.dismiss_guests():  # where the link led there is no film; there may be one at home
            self._rounds = self._idle_rounds = 0
            return False
        return over

    async def _is_interstitial(self) -> bool:
        """True for a page that looks at the browser first, and lets it through by itself; not one with a captcha."""
        waiting, gates = await asyncio.gather(self._frames.ask("waiting"), self._frames.ask("gate"))
        return any(each is True for each in waiting) and "captcha" not in gates

    async def _ask_for_a_download(self) -> bool:
        """Where there is no player to start: the button that begins a download, or waiting for what will begin."""
        if any(await self._frames.ask("counting")):
            self._rounds -= 1
            await self._click_download()
            return True
        return await self._click_download()

    async def _click_download(self) -> bool:
        """Click what most likely begins a download in the first frame that has it."""
        for frame in self._frames.all:
            handle = await with_timeout(frame.evaluate_handle(asking("download")), None)
            element = handle.as_element() if handle else None
            if element:
                self._frames.click()
                self._downloads.clicked("download")
                if not await reached(element):
                    await with_timeout(element.evaluate("one => one.click()"), None)
                return True
        return False

    async def _click_something(self) -> bool:
        """A play button; when that is covered, or was no use, first what agrees to a banner; else a server's name,
        also of a list."""
        started = await self._click(worth_starting)
        reached = started is not None and started.reached
        if not reached:
            await self._frames.ask("age", YEAR)
        agreed = await self._click(worth_agreeing) if not reached or self._rounds > 2 else None
        if agreed:
            await self._frames.ask("play")
            await self._click(worth_starting)
        elif started and not reached:
            await click_through(started)
        chosen = started or agreed or await self._click(worth_choosing)
        return bool(chosen) or any(await self._frames.ask("place"))

    async def start_another(self, best: Candidate) -> bool:
        """Click what says that it starts a film, where what plays began by itself and may be its teaser."""
        alone = best.clicked or (is_sure(best) and best.role is not Role.TEASER)
        if alone or self._frames.astray or self._rounds_beside >= ROUNDS_BESIDE_MAX:
            return False
        self._rounds_beside += 1
        return await self._click(worth_starting_beside, least=EXPLICIT) is not None

    async def _click(self, worth: Worth, *, least: float = 0.0) -> Click | None:
        """Click what is worth most in all frames; None when nothing is."""
        choice = await choose(self._frames.all, worth, least=least)
        if choice is None:
            return None
        self._frames.click()
        self._downloads.clicked("agree" if worth is worth_agreeing else "start")
        if choice.control.says(PLAY) and choice.control.leads_away(choice.frame.url):
            self._frames.welcome(choice.control.href)
        return await click(choice)
