"""One page, opened in a browser and watched until it has shown its film. Runs in the browser's process.

    found = await sniff(browser, request)

What it asks for is noted, of all frames and workers. Its player is started: by itself first, then by the visible
play buttons, then by agreeing to the banners that cover them. It ends with the first sure candidate, with_timeout after
an unsure one, when nothing more can be done, or with its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ElementHandle, Frame, Page, Response
from playwright.async_api import Error as PlaywrightError

from reactor import numbers
from reactor.extractors.browser.downloads import Downloads
from reactor.extractors.browser.page_script import PREPARE, What, asking
from reactor.extractors.browser.patience import frame_of, ignore_closed, with_timeout
from reactor.extractors.browser.ranking import (
    CLIP_S,
    MEDIA_SUFFIXES,
    SEGMENT_SUFFIXES,
    Candidate,
    Element,
    Form,
    Sight,
    is_ad_host,
    is_sure,
    rank,
    suffix_of,
)

CLOSE_S = 1.5
CLICK_S = 1.5
TICK_S = 0.25
SETTLE_S = 0.6
"""After a sure candidate: another may come right behind."""
AFTER_S = 1.5
"""After a clip has ended: the film may follow."""
UNKNOWN_S = 5.0
"""For a file of unknown length: its beginning may still tell, or it may be no film at all."""
ROUND_S = 1.0
"""Between two tries to start the player."""
ROUNDS_MAX = 15
ROUNDS_IDLE_MAX = 5
"""Tries in a row that found nothing to click."""
ROUNDS_LINKED = 3
"""After so many the links of the page count."""
ROUNDS_SOON = 10
"""So many more for a page that says that something begins by itself."""
LOADING_S = 15.0
"""A page that loads longer is treated as if it had been loaded."""
RETURN_S = 20.0
RETURNS_MAX = 15
"""Tries to come back from pages that clicks have led to."""
SIGHTS_MAX = 2000
FRAMES_MAX = 30
ELEMENTS_MAX = 500
CANDIDATES_MAX = 4
COOKIES_MAX = 300
TEXT_BYTES_MAX = 4 * 1024 * 1024
"""A longer manifest is read by who downloads it."""
PEEK_BYTES_MAX = 512 * 1024
PEEKS_MAX = 60
"""Answers without a telling name or type that are read, to see whether they are manifests."""

_TELLING = frozenset(("m3u8", "m3u", "mpd"))
_DULL = frozenset(("image", "font", "stylesheet", "script", "websocket", "manifest", "texttrack"))
_VAGUE = ("", "text/plain", "text/html", "application/octet-stream", "binary/octet-stream")
_PAGES = ("", "http", "https", "about", "blob", "chrome-error")
_VIEWPORT = {"width": 1280, "height": 720}

T = TypeVar("T")


async def sniff(browser: Browser, request: Mapping[str, Any]) -> dict[str, Any]:
    """Open the page that `request` names and tell what is on it: see `playwright.PageFindings` for what it is.

    `request`: `url`, `user_agent`, `credentials` ([name, password] or null), `proxy` (as Playwright has it, or null),
    `timeout_s`. `spoiled` in the answer says that the browser is of no more use: the page does not go away."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(request["url"]))
    name, password = request["credentials"] or ("", "")
    credentials = {"username": name, "password": password, "origin": origin} if request["credentials"] else None
    context = await browser.new_context(
        accept_downloads=False,
        http_credentials=credentials,  # type: ignore[arg-type]
        permissions=[],
        proxy=request["proxy"],
        service_workers="block",
        user_agent=request["user_agent"],
        viewport=_VIEWPORT,  # type: ignore[arg-type]
    )
    await context.add_init_script(PREPARE)
    sniffer = Sniffer(context, await context.new_page(), request["url"], request["user_agent"])
    with suppress(TimeoutError):
        async with asyncio.timeout(request["timeout_s"]):
            await sniffer.watch()
    found = await sniffer.told()
    await sniffer.end()
    return found | {"spoiled": not await with_timeout(_closed(context), False, within_s=CLOSE_S)}


class Sniffer:
    """The media requests of one page so far."""

    def __init__(self, context: BrowserContext, page: Page, url: str, user_agent: str) -> None:
        self._context = context
        self._page = page
        self._url = url
        self._sights: list[Sight] = []
        self._responses: list[Response] = []
        self._elements: list[Element] = []
        self._running = False
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._peeks = 0
        self._status: int | None = None
        self._failure: str | None = None
        self._crashed = False
        self._left: str | None = None
        self._home: str | None = None
        """Where the page was when it was clicked first."""
        self._opened: float | None = None
        self._loaded = False
        self._next_round = 0.0
        self._rounds = self._idle_rounds = self._returns = 0
        self._soon = False
        """The page says that its download begins by itself."""
        self._returning: asyncio.Task[None] | None = None
        self._downloads = Downloads(context, page, user_agent, self._changed.set)
        context.on("response", self._on_response)
        context.on("page", self._on_page)
        context.on("dialog", lambda dialog: self._start(dialog.dismiss()))
        page.on("crash", self._on_crash)
        page.on("domcontentloaded", self._on_loaded)
        page.on("framenavigated", self._on_navigated)

    async def watch(self) -> None:
        """Open the page, and return when the video is found or nothing more can be done."""
        self._start(self._open())
        quiet_since = now()
        before: list[int] = []
        while not self._gone.is_set():
            if self._astray:
                self._come_back()
            await self._look_at_elements()
            candidates = self._candidates()
            best = candidates[0] if candidates and not (candidates[0].advertising or candidates[0].loop) else None
            leading = [candidate.index for candidate in candidates[:2]]
            if leading != before or (self._running and not (best and is_sure(best))):
                before, quiet_since = leading, now()
            begun = self._downloads.begun
            if begun and (not best or self._downloads.begun_by(self._sights[best.index].url)):
                return
            if best and now() - quiet_since > patience_s(best):
                return
            if best and not is_sure(best):
                await self._everywhere("skip", CLIP_S)
            if not best and (self._failure or await self._nothing_to_start()):
                return
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), TICK_S)

    async def told(self) -> dict[str, Any]:
        """The findings so far."""
        candidates = self._candidates()[:CANDIDATES_MAX]
        if self._downloads.begun:
            candidates = [each for each in candidates if not each.loop]
        cookies, titles, buffers, offers, *answers = await asyncio.gather(
            with_timeout(self._context.cookies(), []),
            _nothing() if self._astray else with_timeout(self._page.main_frame.evaluate(asking("titles")), {}),
            self._everywhere("buffers"),
            self._downloads.told(self._frames()),
            *map(self._told, candidates),
        )
        return {
            "candidates": answers,
            "cookies": [dict(cookie) for cookie in cookies[:COOKIES_MAX]],
            "titles": titles,
            "buffers": [one for told in buffers if isinstance(told, list) for one in told],
            "offers": offers,
            "status": self._status,
            "failure": self._failure,
            "crashed": self._crashed,
            "left": self._left,
        }

    async def end(self) -> None:
        """Cancel all pending calls."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _told(self, candidate: Candidate) -> dict[str, Any]:
        sight, response = self._sights[candidate.index], self._responses[candidate.index]
        return {
            "url": sight.url,
            "base": sight.frame if sight.url.startswith("blob:") else sight.url,
            "manifest": candidate.form is not Form.FILE,
            "scripted": sight.resource in ("fetch", "xhr"),
            "advertising": candidate.advertising,
            "live": candidate.live,
            "text": sight.text,
            "content_type": sight.content_type,
            "size": sight.size,
            "sent": await with_timeout(response.request.all_headers(), response.request.headers),
            "received": await with_timeout(response.all_headers(), response.headers),
        }

    # What the browser tells

    def _on_response(self, response: Response) -> None:
        request = response.request
        frame = frame_of(request)
        if frame is None or frame.page is not self._page or self._astray:
            return
        is_page = request.is_navigation_request() and frame is self._page.main_frame
        if is_page and not 300 <= response.status < 400 and not self._leads_astray(response.url):
            self._status = response.status
        suffix = suffix_of(response.url)
        dull = request.resource_type in _DULL or suffix in SEGMENT_SUFFIXES
        if dull or response.status not in (200, 203, 206) or len(self._sights) + len(self._tasks) >= SIGHTS_MAX:
            return
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        first = request
        while first.redirected_from:
            first = first.redirected_from
        sight = Sight(
            url=response.url.partition("#")[0],
            asked=first.url.partition("#")[0],
            resource=request.resource_type,
            content_type=content_type,
            size=size_of(response.headers),
            frame=frame.url,
        )
        if self._worth_reading(sight):
            self._start(self._read(sight, response))
        elif content_type.startswith(("video/", "audio/")) or suffix in MEDIA_SUFFIXES | _TELLING:
            self._note(sight, response)

    def _worth_reading(self, sight: Sight) -> bool:
        """Whether the body may tell what the headers do not, or is a manifest."""
        if (sight.size or 0) > TEXT_BYTES_MAX:
            return False
        by_name = suffix_of(sight.url) in _TELLING or "mpegurl" in sight.content_type or "dash+" in sight.content_type
        if by_name or sight.resource == "media":
            return by_name  # a browser that plays HLS by itself asks for it as media
        if sight.content_type.endswith("xml"):
            return True
        vague = sight.content_type in _VAGUE and suffix_of(sight.url) not in MEDIA_SUFFIXES
        if not vague or sight.resource not in ("fetch", "xhr") or (sight.size or 0) > PEEK_BYTES_MAX:
            return False
        self._peeks += 1
        return self._peeks <= PEEKS_MAX

    async def _read(self, sight: Sight, response: Response) -> None:
        text: str | None = None
        with suppress(PlaywrightError):  # the browser has not kept it
            body = await response.body()
            text = body.decode("utf-8-sig", "replace") if len(body) <= TEXT_BYTES_MAX else None
        if text is None or any(mark in text[:4096] for mark in ("#EXTM3U", "MPD", "<VAST")):
            self._note(replace(sight, text=text), response)

    def _note(self, sight: Sight, response: Response) -> None:
        self._sights.append(sight)
        self._responses.append(response)
        self._changed.set()

    def _on_page(self, page: Page) -> None:
        if page is not self._page:
            self._start(self._let_go(page))

    async def _let_go(self, page: Page) -> None:
        """Close a tab that the page has opened, when it has had its time to begin a download."""
        await self._downloads.grace(page)
        await page.close()

    def _on_loaded(self, _: Page) -> None:
        self._loaded = not self._astray

    def _on_crash(self, _: Page) -> None:
        self._crashed = True
        self._gone.set()
        self._changed.set()

    def _on_navigated(self, frame: Frame) -> None:
        scheme = urlsplit(frame.url).scheme
        if frame is self._page.main_frame and scheme not in _PAGES:
            self._left = scheme
            self._gone.set()
            self._changed.set()
        elif frame is self._page.main_frame and self._astray:
            self._changed.set()

    @property
    def _astray(self) -> bool:
        """True while the tab shows a page that a click has led to, usually an advertisement, or the blank one."""
        return self._leads_astray(self._page.main_frame.url)

    def _leads_astray(self, url: str) -> bool:
        return bool(self._home) and (url == "about:blank" or site_of(url) not in ("", self._home))

    # What is done to the page

    async def _open(self) -> None:
        try:
            await self._page.goto(self._url, wait_until="commit", timeout=0)
        except PlaywrightError as error:
            self._failure = error.message[:500]
            self._changed.set()
            return
        self._begin_rounds()

    def _begin_rounds(self) -> None:
        self._opened = now()
        self._next_round = self._opened + ROUND_S

    def _come_back(self) -> None:
        """Begin another try to return to the page, unless one is under way. The rounds wait for it."""
        self._loaded = False
        self._idle_rounds = 0
        self._begin_rounds()
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

    async def _look_at_elements(self) -> None:
        found: list[Element] = []
        self._running = False
        for told in await self._everywhere("media"):
            for one in told if isinstance(told, list) else ():
                if isinstance(one, dict) and isinstance(one.get("source"), str):
                    seconds = one.get("duration")
                    known = isinstance(seconds, int | float) and 0 < seconds < 1e9
                    source, endless = one["source"].partition("#")[0], one.get("endless") is True
                    loop = one.get("loop") is True
                    found.append(Element(source, seconds if known else None, endless, loop))
                    self._running = self._running or one.get("running") is True
        # What has been measured stays: a player takes its advertisement's element away.
        old = {element.source: element for element in self._elements if element.duration_s}
        new = {element.source: element for element in found if element.duration_s or element.source not in old}
        self._elements = list((old | new).values())[-ELEMENTS_MAX:]

    async def _nothing_to_start(self) -> bool:
        """Try to start the player, when it is time for a try. True when there is no point in trying on."""
        if self._astray:
            return self._returns > RETURNS_MAX
        if self._opened is None or now() < self._next_round:
            return False
        self._rounds += 1
        await self._everywhere("play")
        found = self._rounds > 1 and (await self._click_something() or await self._ask_for_a_download())
        self._idle_rounds = 0 if found or self._running else self._idle_rounds + 1
        self._next_round = now() + ROUND_S
        loaded = self._loaded or now() > self._opened + LOADING_S
        if loaded and self._idle_rounds >= ROUNDS_LINKED and await self._downloads.linked(self._frames()):
            return True
        over = self._rounds > ROUNDS_MAX or self._idle_rounds > ROUNDS_IDLE_MAX
        if over and not self._soon and any(await self._everywhere("soon")):
            self._soon, self._rounds, self._idle_rounds = True, 0, -ROUNDS_SOON
            return False
        return loaded and over

    async def _ask_for_a_download(self) -> bool:
        """Where there is no player to start: the button that begins a download, or waiting for one that will begin."""
        if any(await self._everywhere("counting")):
            self._rounds -= 1
            await self._click_download()
            return True
        return await self._click_download()

    async def _click_download(self) -> bool:
        clicked, covered = await self._click("download")
        if covered:
            await with_timeout(covered.evaluate("one => one.click()"), None)
        return clicked or covered is not None

    async def _click_something(self) -> bool:
        """A play button; when that is covered, or was no use, first what agrees to a banner."""
        started, covered = await self._click("start")
        agreed = (not started or self._rounds > 2) and (await self._click("agree"))[0]
        if agreed:
            await self._everywhere("play")
            await self._click("start")
        elif covered:
            await with_timeout(covered.evaluate("one => one.click()"), None)
        return started or agreed or covered is not None

    async def _click(self, what: Literal["start", "agree", "download"]) -> tuple[bool, ElementHandle | None]:
        """Click what the first frame has that has it: True, or False and what could not be reached."""
        for frame in self._frames():
            handle = await with_timeout(frame.evaluate_handle(asking(what)), None)
            element = handle.as_element() if handle else None
            if element:
                self._home = self._home or site_of(self._page.main_frame.url)
                self._downloads.clicked(what)
                try:
                    await element.click(timeout=CLICK_S * 1000, no_wait_after=True)
                except PlaywrightError:  # something lies over it, or it is gone
                    return False, element
                return True, None
        return False, None

    async def _everywhere(self, what: What, argument: float = 0.0) -> list[Any]:
        """What the frames answer. One that hangs does not hold up the others."""
        asked = (with_timeout(frame.evaluate(asking(what), argument), None) for frame in self._frames())
        return [answer for answer in await asyncio.gather(*asked) if answer is not None]

    def _frames(self) -> Iterable[Frame]:
        if self._astray:
            return []
        return [frame for frame in self._page.frames[:FRAMES_MAX] if not is_ad_host(frame.url)]

    def _candidates(self) -> list[Candidate]:
        return rank(self._sights, self._elements)

    def _start(self, work: Awaitable[Any]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(ignore_closed(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def patience_s(best: Candidate) -> float:
    """How long to wait for a better candidate."""
    if is_sure(best):
        return SETTLE_S
    return UNKNOWN_S if best.duration_s is None else AFTER_S


def site_of(url: str) -> str:
    """The last two labels of the host: enough to tell a site from another one. Empty where there is no host."""
    return ".".join((urlsplit(url).hostname or "").split(".")[-2:])


async def _nothing() -> dict[str, Any]:
    return {}


async def _closed(context: BrowserContext) -> bool:
    await context.close()
    return True


def size_of(headers: Mapping[str, str]) -> int | None:
    """Bytes of the whole, as the headers of an answer tell."""
    if headers.get("content-encoding", "identity") != "identity":
        return None
    digits = headers.get("content-range", "").rpartition("/")[2] or headers.get("content-length", "")
    return numbers.size(digits)


def now() -> float:
    """Seconds, of the loop's clock."""
    return asyncio.get_running_loop().time()
