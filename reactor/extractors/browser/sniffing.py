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

from playwright.async_api import Browser, BrowserContext, Dialog, Frame, Page, Response
from playwright.async_api import Error as PlaywrightError

from reactor.extractors.browser.answers import Answers, frame_address
from reactor.extractors.browser.downloads import Downloads, Saving
from reactor.extractors.browser.elements import Element, Role, elements_of
from reactor.extractors.browser.frames import Frames
from reactor.extractors.browser.named import named_sights, players_named
from reactor.extractors.browser.page_script import PREPARE, asking
from reactor.extractors.browser.patience import frame_of, ignore_closed, now, with_timeout
from reactor.extractors.browser.ranking import (
    CLIP_S,
    Candidate,
    Form,
    Sight,
    is_sure,
    rank,
)
from reactor.extractors.browser.rounds import Rounds
from reactor.extractors.browser.telling import json_ld, made_of_pieces, of_each_frame, tell, with_better_source
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
TABS_MAX = 3
"""Of the tabs that a page opens so many are looked at; the others are closed at once."""
DIALOGS_MAX = 20
"""So many of a page's dialogs are dismissed. The next one stays open, and the page's scripts wait for it."""
ELEMENTS_MAX = 500
CANDIDATES_MAX = 20
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
        self._dialogs = 0
        self._downloads = Downloads(context, page, user_agent, saving, self._changed.set, self._start)
        self._frames = Frames(context, page)
        self._rounds = Rounds(page, url, self._frames, self._downloads, self._start)
        context.on("response", self._on_response)
        context.on("page", self._on_page)
        context.on("dialog", self._on_dialog)
        page.on("crash", self._on_crash)
        page.on("domcontentloaded", self._on_loaded)
        page.on("framenavigated", self._on_navigated)

    async def watch(self) -> None:
        """Open the page, and return when the video is found or nothing more can be done."""
        self._start(self._open())
        quiet_since = found_since = now()
        before: list[int] = []
        while not self._gone.is_set():
            if self._frames.astray:
                self._rounds.come_back()
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
                more = await self._rounds.start_another(best)
                if not more and not (best.form is Form.FILE and any(await self._frames.ask("feeding"))):
                    return
                quiet_since = now()
            if best and not sure:
                self._note_elements(await self._frames.ask_each("skip", CLIP_S))
            idle = not best and not self._downloads.pending
            if idle and (self._failure or await self._rounds.nothing_to_start(running=self._running)):
                return
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), TICK_S)

    async def told(self) -> dict[str, Any]:
        """The findings so far."""
        main = self._page.main_frame
        titles, named, cookies, buffers, offers = await asyncio.gather(
            _nothing() if self._frames.astray else with_timeout(main.evaluate(asking("titles")), {}),
            self._frames.ask_each("named"),
            with_timeout(self._context.cookies(), []),
            self._frames.ask("buffers"),
            self._downloads.told(self._frames.all),
        )
        texts = json_ld(titles)
        players: list[str] = []
        for frame, told in named:
            self._answers.add_named(named_sights(told, texts if frame is main else (), frame.url))
            players += players_named(told, texts, frame.url) if frame is main else []
        found = with_better_source(self._candidates(), self._answers, self._elements, self._choice)
        candidates = found[:CANDIDATES_MAX]
        if self._downloads.begun:
            candidates = [each for each in candidates if each.role is not Role.DECOR]
        answers = await asyncio.gather(*(tell(each, self._answers, self._user_agent) for each in candidates))
        return {
            "candidates": answers,
            "cookies": [dict(cookie) for cookie in cookies[:COOKIES_MAX]],
            "titles": titles,
            "players": players,
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
        if self._frames.astray or (frame is None and request.service_worker is None):
            return
        if frame and frame.page is not self._page and self._frames.leads_astray(frame.page.main_frame.url):
            return
        is_page = request.is_navigation_request() and frame is self._page.main_frame
        if is_page and not 300 <= response.status < 400 and not self._frames.leads_astray(response.url):
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
        if len(self._context.pages) > 1 + TABS_MAX or not _is_some_page(url) or self._frames.leads_astray(url):
            await page.close()

    def _on_loaded(self, _: Page) -> None:
        self._rounds.loaded = not self._frames.astray

    def _on_dialog(self, dialog: Dialog) -> None:
        """Dismiss it, unless the page shows one after the other, which would keep a core busy until the deadline."""
        self._dialogs += 1
        if self._dialogs <= DIALOGS_MAX:
            self._start(dialog.dismiss())

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
        elif frame is self._page.main_frame and self._frames.astray:
            self._changed.set()

    # What is done to the page

    async def _open(self) -> None:
        try:
            await self._page.goto(self._url, wait_until="commit", timeout=0)
        except PlaywrightError as error:
            self._failure = error.message[:500]
            self._changed.set()
            return
        self._rounds.begin()

    async def _look_at_elements(self) -> None:
        answers = await self._frames.ask_each("media")
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
                self._begun.setdefault(element.source, self._frames.clicked)
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


async def _nothing() -> dict[str, Any]:
    return {}


async def _closed(context: BrowserContext) -> bool:
    await context.close()
    return True
