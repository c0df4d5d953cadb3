"""The tabs and frames of a page, and whether it still shows itself: clicks lead to advertisements.

frames.all                      those that may be asked, and clicked in
await frames.ask(what)          what each answers
frames.astray                   the page's tab shows something else
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Frame, Page

from reactor.extractors.browser.page_script import What, asking
from reactor.extractors.browser.patience import with_timeout
from reactor.extractors.browser.ranking import is_ad_host

FRAMES_MAX = 30


class Frames:
    """Those of one page."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self._context = context
        self._page = page
        self._home: str | None = None
        """Where the page was when it was clicked first."""
        self._guests: set[str] = set()
        """Other sites that a link has led to which said that the film is there."""

    @property
    def clicked(self) -> bool:
        """True when something on the page has been clicked."""
        return self._home is not None

    def click(self) -> None:
        """Something is going to be clicked: where the page is now is its home."""
        self._home = self._home or site_of(self._page.main_frame.url)

    def welcome(self, url: str) -> None:
        """The film may be on this site, too."""
        self._guests.add(site_of(url))

    def dismiss_guests(self) -> bool:
        """Only the page's own site counts again; False when nothing else did."""
        had, self._guests = bool(self._guests), set()
        return had

    @property
    def astray(self) -> bool:
        """True while the tab shows a page that a click has led to, usually an advertisement, or the blank one."""
        return self.leads_astray(self._page.main_frame.url)

    def leads_astray(self, url: str) -> bool:
        """True for what is none of the page."""
        return bool(self._home) and (url == "about:blank" or site_of(url) not in ("", self._home, *self._guests))

    @property
    def all(self) -> list[Frame]:
        """Those of the page, and of tabs of its site, but for those of advertisers."""
        pages = [page for page in self._context.pages if page is not self._page or not self.astray]
        frames = [frame for page in pages if not self.leads_astray(page.main_frame.url) for frame in page.frames]
        return [frame for frame in frames[:FRAMES_MAX] if not is_ad_host(frame.url)]

    async def ask(self, what: What, argument: float | str = 0.0) -> list[Any]:
        """What the frames answer. One that hangs does not hold up the others."""
        return [answer for _, answer in await self.ask_each(what, argument)]

    async def ask_each(self, what: What, argument: float | str = 0.0) -> list[tuple[Frame, Any]]:
        """The same, with the frames that have answered."""
        frames = self.all
        asked = (with_timeout(frame.evaluate(asking(what), argument), None) for frame in frames)
        answers = zip(frames, await asyncio.gather(*asked), strict=True)
        return [(frame, answer) for frame, answer in answers if answer is not None]


def site_of(url: str) -> str:
    """The last two labels of the host: enough to tell a site from another one. Empty where there is no host."""
    return ".".join((urlsplit(url).hostname or "").split(".")[-2:])
