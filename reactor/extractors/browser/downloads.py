"""The downloads that a page begins, and its links to files. Runs in the browser's process.

    downloads = Downloads(context, page, user_agent, changed)
    await downloads.told()                                      as `offers.Offers` reads it

Each one is cancelled as soon as it begins: what was asked for is fetched by others. What nobody else can fetch is
saved: what the page has made itself (blob:, data:), and what answers a form.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

from playwright.async_api import BrowserContext, Download, Frame, Page, Request

from reactor.extractors.browser.offers import Gate, file_links, parse_links
from reactor.extractors.browser.page_script import What, asking
from reactor.extractors.browser.patience import with_timeout
from reactor.records import dataclass

OFFERS_MAX = 8
REQUESTS_MAX = 200
"""So many navigations are remembered, for the downloads that come of them."""
LINKS_MAX = 200
LOOK_S = 0.1
"""Between two looks at what is being saved."""
SPARE_BYTES = 256 * 1024 * 1024
"""So much stays free where temporary files are."""
POPUP_S = 4.0
"""How long a tab that the page has opened may take to begin a download."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What is saved, where, and how much of it."""

    what: Literal["none", "made", "all"]
    """`made`: what nobody else can fetch."""
    folder: Path
    """Chromium's own, for this."""
    bytes_max: int


@dataclass(slots=True)
class _Begun:
    """A download that has begun."""

    url: str
    name: str
    page: str
    request: Request | None
    wanted: bool
    pending: bool = False
    """It is being saved."""
    saved: Path | None = None
    too_large: bool = False

    @property
    def made(self) -> bool:
        """True for what is there for nobody else."""
        by_get = self.request is None or self.request.method == "GET"
        return not self.url.startswith(("http:", "https:")) or not by_get


class Downloads:
    """What one page, and the tabs that it opens, have begun to download."""

    def __init__(
        self,
        context: BrowserContext,
        page: Page,
        user_agent: str,
        saving: Saving,
        changed: Callable[[], None],
        start: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`changed` is called when one begins, and when it is saved; `start` runs what has to be waited for."""
        self._saving = saving
        self._start = start
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
        return any(each.wanted and not each.pending for each in self._begun)

    @property
    def pending(self) -> bool:
        """True while one is being saved."""
        return any(each.pending for each in self._begun)

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
            "gates": [each for each in gate if each in get_args(Gate)],
            "page": self._page.url,
            "agent": self._user_agent,
        }

    async def _everywhere(self, frames: Iterable[Frame], what: What) -> list[Any]:
        return await asyncio.gather(*(with_timeout(frame.evaluate(asking(what)), None) for frame in frames))

    async def _told_one(self, each: _Begun) -> dict[str, Any]:
        sent = {"referer": each.page, "user-agent": self._user_agent}
        method = "GET"
        if each.request is not None:
            sent = await with_timeout(each.request.all_headers(), each.request.headers)
            method = each.request.method
        return {
            "url": each.url,
            "name": each.name[:1000],
            "method": method,
            "sent": sent,
            "wanted": each.wanted,
            "saved": await asyncio.to_thread(_kept, each.saved) if each.saved else None,
            "too_large": each.too_large,
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
        known = any(each.url == url for each in self._begun) or len(self._begun) >= OFFERS_MAX
        page = opener if opener.startswith("http") else self._page.url
        begun = _Begun(url, download.suggested_filename, page, request, not self._strayed)
        wanted = self._saving.what == "all" or (self._saving.what == "made" and begun.made)
        if not known:
            self._begun.append(begun)
        if not known and wanted:
            begun.pending = True
            self._start(self._save(begun, download))
        elif self._saving.what != "none":
            self._start(download.cancel())
        for event in self._waiting.values():
            event.set()
        self._changed()

    async def _save(self, begun: _Begun, download: Download) -> None:
        """Wait until it is there, or larger than it may be."""
        done = asyncio.ensure_future(download.path())
        try:
            while not done.done():
                await asyncio.wait([done], timeout=LOOK_S)
                if await asyncio.to_thread(_is_too_much, self._saving):
                    begun.too_large = True
                    await download.cancel()
                    return
            begun.saved = done.result()
        finally:
            done.cancel()
            begun.pending = False
            self._changed()


def _is_too_much(saving: Saving) -> bool:
    """Whether what is saved is more than may be, or leaves too little on the disk."""
    with suppress(OSError):  # files come and go
        there = sum(each.stat().st_size for each in saving.folder.iterdir())
        return there > saving.bytes_max or shutil.disk_usage(saving.folder).free < SPARE_BYTES
    return False


def _kept(path: Path) -> str:
    """The file under a name that Playwright does not know: it deletes what it knows with the context."""
    kept = path.with_name(f"{path.name}.kept")
    path.replace(kept)
    return str(kept)


async def _set(event: asyncio.Event) -> bool:
    return await event.wait()
