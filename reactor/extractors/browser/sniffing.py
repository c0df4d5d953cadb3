"""One page, opened in a browser and watched until it has shown its film. Runs in the browser's process.

    found = await sniff(browser, request)

What it asks for is noted, of all frames and workers, and of the tabs that it opens of its own site. Its player is
started: by itself first, then by the visible play buttons, then by agreeing to the banners that cover them, by choosing
a server. The candidates are weighed at the end of a quiet moment, which is short after a sure one; after an unsure one,
what says that it starts a film is clicked first. It ends when nothing more can be done, or with its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Frame, Page, Response
from playwright.async_api import Error as PlaywrightError

from reactor.extractors.browser.answers import Answers, frame_address
from reactor.extractors.browser.controls import (
    EXPLICIT,
    Worth,
    worth_agreeing,
    worth_choosing,
    worth_starting,
    worth_starting_beside,
)
from reactor.extractors.browser.downloads import Downloads, Saving
from reactor.extractors.browser.elements import Element, Role, elements_of
from reactor.extractors.browser.named import named_sights
from reactor.extractors.browser.page_script import PREPARE, What, asking
from reactor.extractors.browser.patience import frame_of, ignore_closed, with_timeout
from reactor.extractors.browser.ranking import (
    CLIP_S,
    Candidate,
    Form,
    Sight,
    is_ad_host,
    is_sure,
    rank,
)
from reactor.extractors.browser.starting import Click, choose, click, click_through, reached
from reactor.extractors.browser.telling import json_ld, made_of_pieces, of_each_frame, tell, with_better_source
from reactor.extractors.browser.words import PLAY
from reactor.media.choice import Choice

CLOSE_S = 1.5
TICK_S = 0.25
SETTLE_S = 0.6
"""After a sure candidate: another may come right behind."""
AFTER_S = 1.5
"""After a clip has ended: the film may follow."""
UNKNOWN_S = 5.0
"""While the length of one is unknown: its beginning may still tell, or it may be no film at all."""
HOLD_S = 8.0
"""So long a clip is waited for to end."""
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
TABS_MAX = 3
"""Of the tabs that a page opens so many are looked at; the others are closed at once."""
FRAMES_MAX = 30
ELEMENTS_MAX = 500
CANDIDATES_MAX = 6
COOKIES_MAX = 300

_PAGES = ("", "http", "https", "about", "blob", "chrome-error")
_VIEWPORT = {"width": 1280, "height": 720}
_SCREEN = {"width": 1920, "height": 1080}


async def sniff(browser: Browser, request: Mapping[str, Any]) -> dict[str, Any]:
    """Open the page that `request` names and tell what is on it: see `playwright.PageFindings` for what it is.

    `request`: `url`, `user_agent`, `credentials` ([name, password] or null), `proxy` (as Playwright has it, or null),
    `timeout_s`; `lines` and `worst`, as `Choice` has them; `cookies`, as Playwright has them; `save`, `downloads` and
    `save_bytes` as `downloads.Saving` has them. `spoiled` in the answer says that the browser is of no more use: the
    page does not go away."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(request["url"]))
    name, password = request["credentials"] or ("", "")
    credentials = {"username": name, "password": password, "origin": origin} if request["credentials"] else None
    context = await browser.new_context(
        accept_downloads=request["save"] != "none",
        http_credentials=credentials,  # type: ignore[arg-type]
        permissions=[],
        proxy=request["proxy"],
        screen=_SCREEN,  # type: ignore[arg-type]
        user_agent=request["user_agent"],
        viewport=_VIEWPORT,  # type: ignore[arg-type]
    )
    await context.add_init_script(PREPARE)
    await _give(context, request["cookies"])
    saving = Saving(request["save"], Path(request["downloads"]), request["save_bytes"])
    choice = Choice(max_lines=request["lines"], worst=request["worst"])
    sniffer = Sniffer(context, await context.new_page(), request["url"], request["user_agent"], saving, choice)
    with suppress(TimeoutError):
        async with asyncio.timeout(request["timeout_s"]):
            await sniffer.watch()
    found = await sniffer.told()
    await sniffer.end()
    return found | {"spoiled": not await with_timeout(_closed(context), False, within_s=CLOSE_S)}


async def _give(context: BrowserContext, cookies: list[Any]) -> None:
    """Give a page its cookies, but for those that the browser would not keep: it refuses all for one."""
    try:
        await context.add_cookies(cookies)
    except PlaywrightError:
        for each in cookies:
            with suppress(PlaywrightError):
                await context.add_cookies([each])


class Sniffer:
    """The media requests of one page so far."""

    def __init__(
        self, context: BrowserContext, page: Page, url: str, user_agent: str, saving: Saving, choice: Choice
    ) -> None:
        self._context = context
        self._page = page
        self._url = url
        self._user_agent = user_agent
        self._choice = choice
        self._elements: list[Element] = []
        self._begun: dict[str, bool] = {}
        """What elements have played, and whether something had been clicked before."""
        self._running = False
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers = Answers(self._start, self._changed.set)
        self._manifests: set[str] = set()
        self._status: int | None = None
        self._failure: str | None = None
        self._crashed = False
        self._left: str | None = None
        self._home: str | None = None
        """Where the page was when it was clicked first."""
        self._guests: set[str] = set()
        """Other sites that a link has led to which said that the film is there."""
        self._opened: float | None = None
        self._loaded = False
        self._next_round = 0.0
        self._rounds = self._idle_rounds = self._rounds_beside = self._returns = 0
        self._soon = False
        """The page says that its download begins by itself."""
        self._returning: asyncio.Task[None] | None = None
        self._downloads = Downloads(context, page, user_agent, saving, self._changed.set, self._start)
        context.on("response", self._on_response)
        context.on("page", self._on_page)
        context.on("dialog", lambda dialog: self._start(dialog.dismiss()))
        page.on("crash", self._on_crash)
        page.on("domcontentloaded", self._on_loaded)
        page.on("framenavigated", self._on_navigated)

    async def watch(self) -> None:
        """Open the page, and return when the video is found or nothing more can be done."""
        self._start(self._open())
        quiet_since = found_since = now()
        before: list[int] = []
        while not self._gone.is_set():
            if self._astray:
                self._come_back()
            await self._look_at_elements()
            candidates = self._candidates()
            best = _best(candidates)
            sure = best is not None and is_sure(best)
            leading = [candidate.index for candidate in candidates[:2]]
            if leading != before:
                before, quiet_since, found_since = leading, now(), now()
            elif self._running and not sure and now() - found_since < HOLD_S:
                quiet_since = now()
            if self._downloads.pending:
                quiet_since = now()
            if self._downloads.begun and not (best and not self._begun_by(best)):
                return
            if best and now() - quiet_since > patience_s(candidates):
                more = await self._start_another(best)
                if not more and not (best.form is Form.FILE and any(await self._everywhere("feeding"))):
                    return
                quiet_since = now()
            if best and not sure:
                self._note_elements(await self._of_frames("skip", CLIP_S))
            if not best and not self._downloads.pending and (self._failure or await self._nothing_to_start()):
                return
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), TICK_S)

    async def told(self) -> dict[str, Any]:
        """The findings so far."""
        main = self._page.main_frame
        titles, named, cookies, buffers, offers = await asyncio.gather(
            _nothing() if self._astray else with_timeout(main.evaluate(asking("titles")), {}),
            self._of_frames("named"),
            with_timeout(self._context.cookies(), []),
            self._everywhere("buffers"),
            self._downloads.told(self._frames()),
        )
        texts = json_ld(titles)
        for frame, told in named:
            self._answers.add_named(named_sights(told, texts if frame is main else (), frame.url))
        found = with_better_source(self._candidates(), self._answers, self._elements, self._choice)
        candidates = found[:CANDIDATES_MAX]
        if self._downloads.begun:
            candidates = [each for each in candidates if each.role is not Role.DECOR]
        answers = await asyncio.gather(*(tell(each, self._answers, self._user_agent) for each in candidates))
        return {
            "candidates": answers,
            "cookies": [dict(cookie) for cookie in cookies[:COOKIES_MAX]],
            "titles": titles,
            "buffers": [*made_of_pieces(self._elements), *of_each_frame(buffers)],
            "offers": offers,
            "status": self._status,
            "failure": self._failure,
            "crashed": self._crashed,
            "left": self._left,
        }

    def _begun_by(self, best: Candidate) -> bool:
        """Whether it is what the page has begun to download."""
        return self._downloads.begun_by(self._answers.sights[best.index].url)

    async def end(self) -> None:
        """Cancel all pending calls."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What the browser tells

    def _on_response(self, response: Response) -> None:
        request = response.request
        frame = frame_of(request)
        if self._astray or (frame is None and request.service_worker is None):
            return
        if frame and frame.page is not self._page and self._leads_astray(frame.page.main_frame.url):
            return
        is_page = request.is_navigation_request() and frame is self._page.main_frame
        if is_page and not 300 <= response.status < 400 and not self._leads_astray(response.url):
            self._status = response.status
        self._answers.hear(response, request, frame_address(request, frame))

    def _on_page(self, page: Page) -> None:
        if page is not self._page:
            self._start(self._judge_tab(page))

    async def _judge_tab(self, page: Page) -> None:
        """Keep a tab that the page has opened where it shows more of the same site; close advertisements, and what has
        had its time to begin a download."""
        await self._downloads.grace(page)
        url = page.main_frame.url
        if len(self._context.pages) > 1 + TABS_MAX or not _is_some_page(url) or self._leads_astray(url):
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
        return bool(self._home) and (url == "about:blank" or site_of(url) not in ("", self._home, *self._guests))

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
        answers = await self._of_frames("media")
        self._running = self._note_elements(answers)
        for frame, told in answers:
            self._note_manifests(told.get("manifests") if isinstance(told, dict) else None, frame.url)

    def _note_elements(self, answers: list[tuple[Frame, Any]]) -> bool:
        """Note the elements of all frames; True when one of them is running to an end."""
        found, running = list[Element](), False
        for frame, told in answers:
            elements, runs = elements_of(told.get("films") if isinstance(told, dict) else None, frame.url)
            found += elements
            running = running or runs
        for element in found:
            if element.started and len(self._begun) < ELEMENTS_MAX:
                self._begun.setdefault(element.source, self._home is not None)
        found = [replace(element, clicked=self._begun.get(element.source, False)) for element in found]
        # What has been measured stays: a player takes its advertisement's element away.
        old = {each.source: replace(each, started=True) for each in self._elements if each.duration_s}
        new = {element.source: element for element in found if element.duration_s or element.source not in old}
        self._elements = list((old | new).values())[-ELEMENTS_MAX:]
        return running

    def _note_manifests(self, told: Any, frame: str) -> None:
        """Those that a script has made: their addresses are asked for by nobody, or are not told."""
        for one in told if isinstance(told, list) else ():
            url, text = (one.get("url"), one.get("text")) if isinstance(one, dict) else (None, None)
            if isinstance(url, str) and isinstance(text, str) and text not in self._manifests:
                self._manifests.add(text)
                made = f"data:application/x-manifest,{len(self._manifests)}"
                self._answers.note(Sight(url or made, resource="fetch", text=text, frame=frame))

    async def _nothing_to_start(self) -> bool:
        """Try to start the player, when it is time for a try. True when there is no point in trying on."""
        if self._astray:
            return self._returns > RETURNS_MAX
        if self._opened is None or now() < self._next_round:
            return False
        self._rounds += 1
        await self._everywhere("play")
        found = self._rounds > 1 and (await self._click_something() or await self._ask_for_a_download())
        if self._rounds == SCROLL_ROUND:
            await self._everywhere("scroll")
        self._idle_rounds = 0 if found or self._running else self._idle_rounds + 1
        self._next_round = now() + ROUND_S
        loaded = self._loaded or now() > self._opened + LOADING_S
        if loaded and self._idle_rounds >= ROUNDS_LINKED and await self._downloads.linked(self._frames()):
            return True
        over = loaded and (self._rounds > ROUNDS_MAX or self._idle_rounds > ROUNDS_IDLE_MAX)
        if over and await self._is_interstitial():
            return False
        if over and not self._soon and any(await self._everywhere("soon")):
            self._soon, self._rounds, self._idle_rounds = True, 0, -ROUNDS_SOON
            return False
        if over and self._guests:
            self._guests.clear()  # where the link led there is no film; there may be one at home
            self._rounds = self._idle_rounds = 0
            return False
        return over

    async def _is_interstitial(self) -> bool:
        """True for a page that looks at the browser first, and lets it through by itself; not one with a captcha."""
        waiting, gates = await asyncio.gather(self._everywhere("waiting"), self._everywhere("gate"))
        return any(each is True for each in waiting) and "captcha" not in gates

    async def _ask_for_a_download(self) -> bool:
        """Where there is no player to start: the button that begins a download, or waiting for what will begin."""
        if any(await self._everywhere("counting")):
            self._rounds -= 1
            await self._click_download()
            return True
        return await self._click_download()

    async def _click_download(self) -> bool:
        """Click what most likely begins a download in the first frame that has it."""
        for frame in self._frames():
            handle = await with_timeout(frame.evaluate_handle(asking("download")), None)
            element = handle.as_element() if handle else None
            if element:
                self._home = self._home or site_of(self._page.main_frame.url)
                self._downloads.clicked("download")
                if not await reached(element):
                    await with_timeout(element.evaluate("one => one.click()"), None)
                return True
        return False

    async def _click_something(self) -> bool:
        """A play button; when that is covered, or was no use, first what agrees to a banner; else a server's name."""
        started = await self._click(worth_starting)
        reached = started is not None and started.reached
        if not reached:
            await self._everywhere("age", YEAR)
        agreed = await self._click(worth_agreeing) if not reached or self._rounds > 2 else None
        if agreed:
            await self._everywhere("play")
            await self._click(worth_starting)
        elif started and not reached:
            await click_through(started)
        return bool(started or agreed or await self._click(worth_choosing))

    async def _start_another(self, best: Candidate) -> bool:
        """Click what says that it starts a film, where what plays began by itself and may be its teaser."""
        alone = best.clicked or (is_sure(best) and best.role is not Role.TEASER)
        if alone or self._astray or self._rounds_beside >= ROUNDS_BESIDE_MAX:
            return False
        self._rounds_beside += 1
        return await self._click(worth_starting_beside, least=EXPLICIT) is not None

    async def _click(self, worth: Worth, *, least: float = 0.0) -> Click | None:
        """Click what is worth most in all frames; None when nothing is."""
        choice = await choose(self._frames(), worth, least=least)
        if choice is None:
            return None
        self._home = self._home or site_of(self._page.main_frame.url)
        self._downloads.clicked("agree" if worth is worth_agreeing else "start")
        if choice.control.says(PLAY) and choice.control.leads_away(choice.frame.url):
            self._guests.add(site_of(choice.control.href))
        return await click(choice)

    async def _everywhere(self, what: What, argument: float | str = 0.0) -> list[Any]:
        """What the frames answer. One that hangs does not hold up the others."""
        return [answer for _, answer in await self._of_frames(what, argument)]

    async def _of_frames(self, what: What, argument: float | str = 0.0) -> list[tuple[Frame, Any]]:
        """The same, with the frames that have answered."""
        frames = self._frames()
        asked = (with_timeout(frame.evaluate(asking(what), argument), None) for frame in frames)
        answers = zip(frames, await asyncio.gather(*asked), strict=True)
        return [(frame, answer) for frame, answer in answers if answer is not None]

    def _frames(self) -> list[Frame]:
        pages = [page for page in self._context.pages if page is not self._page or not self._astray]
        frames = [frame for page in pages if not self._leads_astray(page.main_frame.url) for frame in page.frames]
        return [frame for frame in frames[:FRAMES_MAX] if not is_ad_host(frame.url)]

    def _candidates(self) -> list[Candidate]:
        return rank(self._answers.sights, self._elements)

    def _start(self, work: Awaitable[Any]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(ignore_closed(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _best(candidates: list[Candidate]) -> Candidate | None:
    """The one that may be the film; None where the page has only shown what is around it so far."""
    first = candidates[0] if candidates else None
    aside = first is None or first.advertising or first.named or first.role is Role.DECOR
    return None if aside else first


def _is_some_page(url: str) -> bool:
    return urlsplit(url).scheme in ("http", "https")


def patience_s(candidates: list[Candidate]) -> float:
    """How long to wait for a better candidate than the first."""
    if is_sure(candidates[0]):
        return SETTLE_S
    films = (each for each in candidates if not (each.advertising or each.named or each.role is Role.DECOR))
    return UNKNOWN_S if any(each.duration_s is None for each in films) else AFTER_S


def site_of(url: str) -> str:
    """The last two labels of the host: enough to tell a site from another one. Empty where there is no host."""
    return ".".join((urlsplit(url).hostname or "").split(".")[-2:])


async def _nothing() -> dict[str, Any]:
    return {}


async def _closed(context: BrowserContext) -> bool:
    await context.close()
    return True


def now() -> float:
    """Seconds, of the loop's clock."""
    return asyncio.get_running_loop().time()
