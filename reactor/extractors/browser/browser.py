"""A pool of browsers for pages that need one: started on demand, ended when idle.

    find_browser(setting)                                   the program, or what to do about there being none
    async with open_browser(settings, guard) as browser:    None when Playwright is not installed
        await browser.sniff(url)                            what the page at `url` has asked for

A browser does one page at a time, in a fresh context, and is killed with all its processes when whoever asked is
cancelled, at the deadline, and when it takes too much memory. It stays for the next page, but not for ever.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import anyio
from anyio import to_thread

from reactor.errors import DownloadError, ProgramMissing, ReactorError, SettingsError
from reactor.extractors.browser.request_parts import for_browser
from reactor.media.choice import Choice
from reactor.net.credentials import split_credentials
from reactor.net.session import user_agent_of
from reactor.plan import Cookie
from reactor.programs import Program
from reactor.settings import Settings
from reactor.workers.exchange import WorkerDied
from reactor.workers.pool import Pool

if TYPE_CHECKING:
    from reactor.egress.proxy import Guard
    from reactor.extractors.browser.process import BrowserProcess

HandOver = Callable[[BinaryIO, int], str]
"""Takes an open file and its bytes; where it can be fetched."""
BROWSERS_MAX = 2
"""Browsers at once; whoever comes when all are busy waits."""
PAGES_MAX = 50
"""A browser that has shown so many pages is replaced."""
MIB = 1024 * 1024
LAST_S = 6.0
"""Of the time for a page so much, or half of it, is kept for the browser to tell what it has seen."""
OF_THE_GUARD = (None, 403, 502, 504)
"""The status of a page that our own proxy did not let through, or not reach; None: there is none."""
TRIAL = "data:text/html,<title>reactor</title>"
INSTALL = "Install Chromium or Chrome, or run: playwright install chromium, or set BROWSER_PATH."
ANOTHER = "Set BROWSER_PATH to another Chrome, Chromium or Edge."

_NAMES = """
    google-chrome google-chrome-stable chromium chromium-browser chrome microsoft-edge microsoft-edge-stable msedge"""
_MAC = ("Google Chrome", "Chromium", "Microsoft Edge")
_WINDOWS = (r"Google\Chrome\Application\chrome.exe", r"Microsoft\Edge\Application\msedge.exe")
_OWN = (
    *("chrome-linux/chrome", "chrome-linux64/chrome", "chrome-win/chrome.exe", "chrome-win64/chrome.exe"),
    *(f"chrome-mac{kind}/{name}" for kind in ("", "-arm64", "-x64") for name in (
        "Chromium.app/Contents/MacOS/Chromium",
        "Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing",
    )),
)  # fmt: skip


def find_browser(setting: Path | None = None) -> Program:
    """The browser to start: `setting` (BROWSER_PATH), Playwright's own, Chrome, Chromium or Edge of the system.

    Raises SettingsError when the setting names no program, ProgramMissing when there is none anywhere."""
    if setting is not None:
        chosen = shutil.which(setting.expanduser())
        if chosen is None:
            raise SettingsError(f"BROWSER_PATH: {setting} is not a program that can be run.")
        return Program("browser", Path(chosen).absolute(), "setting")
    own = next((path for path in _own() if shutil.which(path)), None)
    if own:
        return Program("browser", own, "wheel")
    found = next((path for name in _system() if (path := shutil.which(name))), None)
    if found is None:
        raise ProgramMissing("No browser was found.", hint=INSTALL)
    return Program("browser", Path(found).absolute(), "path")


def installed() -> bool:
    """True when Playwright and psutil are installed. Imports nothing."""
    return all(importlib.util.find_spec(name) for name in ("playwright", "psutil"))


@asynccontextmanager
async def open_browser(
    settings: Settings, guard: Guard | None = None, hand_over: HandOver | None = None
) -> AsyncIterator[Browser | None]:
    """Browsers for one reactor; None when Playwright is not installed. None starts before it is needed.

    What they ask goes through `guard`, also what is on this machine. `hand_over` takes the files that they save."""
    if not await to_thread.run_sync(installed):
        yield None
        return
    async with Browser(
        path=settings.browser_path,
        guard=guard,
        hand_over=hand_over,
        timeout_s=settings.browser_timeout_s,
        idle_s=settings.browser_idle_s,
        memory_max=settings.browser_memory_mib * MIB,
        headless_tells=settings.browser_headless_tells,
        user_agent=settings.user_agent and user_agent_of(settings.user_agent),
    ) as browser:
        if settings.max_file_size_mib:
            browser.save_bytes_max = min(browser.save_bytes_max, settings.max_file_size_mib * MIB)
        yield browser


class Browser(Pool["BrowserProcess"]):
    """See the module. Leaving the `async with` ends every process."""

    def __init__(
        self,
        *,
        path: Path | None = None,
        guard: Guard | None = None,
        hand_over: HandOver | None = None,
        timeout_s: float = 45.0,
        idle_s: float = 120.0,
        memory_max: int = 2048 * MIB,
        user_agent: str = "",
        headless_tells: bool = False,
        browsers_max: int = BROWSERS_MAX,
    ) -> None:
        super().__init__(most=browsers_max, idle_s=idle_s)
        self._path = path
        self._guard = guard
        self._hand_over = hand_over
        self._asked = 0
        self._timeout_s = timeout_s
        self._memory_max = memory_max
        self._user_agent = user_agent
        self._headless_tells = headless_tells
        self.save_bytes_max = memory_max
        """A file that a page makes may be as large as the page itself."""
        self.version = ""
        """Of the browser that was started last."""

    async def try_out(self) -> str:
        """Start a browser and load a page; return its version. Raises DownloadError when that fails."""
        found = await self.sniff(TRIAL)
        if not found.get("titles"):
            raise DownloadError("The browser starts, but does not show a page.", hint=ANOTHER, code="browser_broken")
        return self.version

    async def sniff(
        self,
        url: str,
        *,
        timeout_s: float | None = None,
        save: bool = False,
        choice: Choice = Choice(),  # noqa: B008 - frozen
        cookies: Sequence[Cookie] = (),
    ) -> Mapping[str, Any]:
        """Open `url` and report its media requests and downloads: `extractor.parse_found` reads the result. `choice`:
        which of the qualities that the page names is wanted.

        What only the browser can fetch it saves, and with `save` every download, where there is `hand_over`: as much as
        its memory may hold. `cookies` are those of the page's context: nothing else sees them.

        `timeout_s` counts from when a browser is free; None: the setting. Raises DownloadError: `program_missing`,
        `browser_broken`, `browser_crashed`, `too_much_memory`, `timeout`, `bad_answer`, and the guard's failure for a
        page that it refuses."""
        timeout_s = timeout_s or self._timeout_s
        plain, credentials = split_credentials(url)
        self._asked += 1
        user = f"browser-{self._asked}"
        request = {
            "url": plain,
            "user_agent": self._user_agent,
            "credentials": credentials and [credentials.username, credentials.password],
            "proxy": self._guard.route(user) if self._guard else None,
            "save": "none" if self._hand_over is None else "all" if save else "made",
            "save_bytes": self.save_bytes_max,
            "lines": choice.max_lines,
            "worst": choice.worst,
            "cookies": for_browser(cookies),
        }
        async with self.slots:
            try:
                with anyio.fail_after(timeout_s) as scope:
                    found = await self._sniff(request, scope.deadline)
            except TimeoutError:
                sentence = f"The browser did not finish this page within {timeout_s:g} s."
                raise DownloadError(sentence, code="timeout", retryable=True) from None
        failure = self._guard.why(user) if self._guard else None
        if failure and not found.get("candidates") and found.get("status") in OF_THE_GUARD:
            from reactor.extractors.ytdlp.failures import error_of

            raise error_of(failure)
        return found

    async def _sniff(self, request: Mapping[str, Any], deadline: float) -> Mapping[str, Any]:
        from reactor.extractors.browser.process import bad_answer

        async with self.lend() as process:
            left = deadline - anyio.current_time()
            try:
                answer = await process.ask({**request, "timeout_s": left - min(LAST_S, left / 2)})
            except WorkerDied:
                sentence = "The browser crashed on this page."
                raise DownloadError(sentence, code="browser_crashed", retryable=True) from None
            found = answer.get("found")
            if not isinstance(found, dict):
                raise bad_answer()
            await self._hand_on(found, process.folder)
            if found.get("spoiled") or process.requests >= PAGES_MAX:
                await process.end()
        return found

    async def _hand_on(self, found: Mapping[str, Any], folder: Path) -> None:
        """Hand on the files that the browser has saved in its `folder`, and put their URLs in place of their paths."""
        offers = found.get("offers")
        for begun in offers["begun"] if isinstance(offers, dict) else ():
            path, begun["saved"] = Path(begun["saved"] or ""), None
            opened = await to_thread.run_sync(_opened, path, folder)
            if opened and self._hand_over is not None:
                begun["saved"], begun["size"] = self._hand_over(*opened), opened[1]

    async def _start(self) -> BrowserProcess:
        from reactor.extractors.browser.process import BrowserProcess, BrowserSetup

        try:
            program = await to_thread.run_sync(find_browser, self._path)
        except ReactorError as error:
            raise DownloadError(error.message, hint=error.hint, code="program_missing") from error
        try:
            proxy = self._guard.route("browser") if self._guard else None
            process = await BrowserProcess.start(
                BrowserSetup(program.path, self._memory_max, proxy, self._headless_tells)
            )
        except WorkerDied:
            raise DownloadError("The browser exited as soon as it was started.", code="browser_broken") from None
        self.version = process.version
        return process


def _opened(path: Path, folder: Path) -> tuple[BinaryIO, int] | None:
    """A file in `folder`, which has no name from now on, and its bytes. Blocks."""
    if not path.is_absolute() or not path.is_relative_to(folder):
        return None
    try:
        file = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")
    except OSError:
        return None
    with suppress(OSError):  # Windows: it goes with the folder
        path.unlink()
    return file, os.fstat(file.fileno()).st_size


def _own() -> Iterator[Path]:
    """Where Playwright's own browser would be, for the version of Playwright that is installed."""
    library = importlib.util.find_spec("playwright")
    if library is None or library.origin is None:
        return
    try:
        listed = json.loads((Path(library.origin).parent / "driver/package/browsers.json").read_text(encoding="utf-8"))
        revision = next(str(each["revision"]) for each in listed["browsers"] if each["name"] == "chromium")
    except (OSError, ValueError, KeyError, StopIteration):
        return
    home = {"darwin": "~/Library/Caches", "win32": os.environ.get("LOCALAPPDATA", "~")}.get(sys.platform, "~/.cache")
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or f"{home}/ms-playwright"
    yield from (Path(folder).expanduser() / f"chromium-{revision}" / place for place in _OWN)


def _system() -> Iterator[str]:
    """The names and places of the browsers that a system may have."""
    yield from _NAMES.split()
    if sys.platform == "darwin":
        yield from (f"/Applications/{name}.app/Contents/MacOS/{name}" for name in _MAC)
    if sys.platform == "win32":
        places = (os.environ.get(name) for name in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"))
        yield from (f"{place}\\{rest}" for place in places if place for rest in _WINDOWS)
