"""The downloads that a page begins, and its links to files. Runs in the browser's process.

    downloads = Downloads(context, page, user_agent, changed)
    await downloads.told()                                      as `offers.Offers` reads it

The context accepts no download: Chromium cancels each one as soon as it begins, and says what was asked for.
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from playwright.async_api import BrowserContext, Download, Frame, Page, Request

from reactor.extractors.browser.offers import file_links, parse_links
from reactor.extractors.browser.page_script import What, asking
from reactor.extractors.browser.patience import with_timeout

OFFERS_MAX = 8
REQUESTS_MAX = 200
"""So many navigations are remembered, for the downloads that come of them."""
BODY_BYTES_MAX = 64 * 1024
"""A longer form is not sent again."""
LINKS_MAX = 200
POPUP_S = 4.0
"""How long a tab that the page has opened may take to begin a download."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """A download that has begun, and was cancelled."""

    url: str
    name: str
    page: str
    request: Request | None
    wanted: bool


class Downloads:
    """What one page, and the tabs that it opens, have begun to download."""

    def __init__(self, context: BrowserContext, page: Page, user_agent: str, changed: Callable[[], None]) -> None:
        """`changed` is called when one begins."""
        self._page = page
        self._user_agent = user_agent
        self._changed = changed
        self._begun: list[_Begun] = []
        self._requests: OrderedDict[str, Request] = OrderedDict()
        self._waiting: dict[Page, asyncio.Event] = {}
        self._strayed = False
        context.on("request", self._on_request)
        context.on("page", self._on_page)
        self._on_page(page)

    @property
    def begun(self) -> bool:
        """True when the page has begun one: by itself, or when it was asked for it."""
        return any(each.wanted for each in self._begun)

    def begun_by(self, url: str) -> bool:
        """True when what stands at `url` was begun to download."""
        return any(each.url == url for each in self._begun)

    def clicked(self, what: str) -> None:
        """Something was clicked. After a click to start a player, what begins is not what the page is about."""
        self._strayed = what == "start"

    async def linked(self, frames: Iterable[Frame]) -> bool:
        """True when the page has links to files that it is about."""
        links = [one for each in await self._everywhere(frames, "links") if isinstance(each, list) for one in each]
        return bool(file_links(parse_links(links)))

    async def grace(self, page: Page) -> None:
        """Wait until a tab that the page has opened begins a download, or shows a page, or long enough."""
        event = self._waiting[page] = asyncio.Event()
        page.on("domcontentloaded", lambda shown: event.set() if shown.url.startswith("http") else None)
        try:
            await with_timeout(_set(event), False, within_s=POPUP_S)
        finally:
            self._waiting.pop(page, None)

    async def told(self, frames: Iterable[Frame]) -> dict[str, Any]:
        """The downloads, the links of these frames, and what stands before a file."""
        frames = list(frames)
        begun, links, gate = await asyncio.gather(
            asyncio.gather(*map(self._told_one, self._begun)),
            self._everywhere(frames, "links"),
            self._everywhere(frames, "gate"),
        )
        return {
            "begun": begun,
            "links": [one for each in links if isinstance(each, list) for one in each][:LINKS_MAX],
            "gates": [each for each in gate if each in ("captcha", "login")],
            "page": self._page.url,
            "agent": self._user_agent,
        }

    async def _everywhere(self, frames: Iterable[Frame], what: What) -> list[Any]:
        return await asyncio.gather(*(with_timeout(frame.evaluate(asking(what)), None) for frame in frames))

    async def _told_one(self, each: _Begun) -> dict[str, Any]:
        sent = {"referer": each.page, "user-agent": self._user_agent}
        method, body = "GET", None
        if each.request is not None:
            sent = await with_timeout(each.request.all_headers(), each.request.headers)
            method = each.request.method
            body = each.request.post_data_buffer
        known = body is None or len(body) <= BODY_BYTES_MAX
        return {
            "url": each.url,
            "name": each.name[:1000],
            "method": method,
            "body": base64.b64encode(body).decode() if body and known else None,
            "sent": sent,
            "wanted": each.wanted,
        }

    def _on_request(self, request: Request) -> None:
        if request.is_navigation_request():
            self._requests[request.url.partition("#")[0]] = request
            if len(self._requests) > REQUESTS_MAX:
                self._requests.popitem(last=False)

    def _on_page(self, page: Page) -> None:
        page.on("download", self._on_download)

    def _on_download(self, download: Download) -> None:
        url = download.url.partition("#")[0]
        request = self._requests.get(url)
        opener = download.page.url
        if not any(each.url == url for each in self._begun) and len(self._begun) < OFFERS_MAX:
            page = opener if opener.startswith("http") else self._page.url
            self._begun.append(_Begun(url, download.suggested_filename, page, request, not self._strayed))
        for event in self._waiting.values():
            event.set()
        self._changed()


async def _set(event: asyncio.Event) -> bool:
    return await event.wait()
