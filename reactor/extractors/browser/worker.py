"""The process that drives one browser, by Playwright. It reads lines of JSON and answers each with one line.

    {"executable": FILE, "sandbox": BOOL, "proxy": URL | null, "headless_tells": BOOL}
                                                                 -> {"ready": VERSION} | {"broken": WHY}
    {"id": N, "url": …, "user_agent": …, "credentials": […] | null, "proxy": URL | null, "timeout_s": …,
     "save": "none" | "made" | "all", "save_bytes": N, "lines": N | null, "worst": BOOL, "cookies": [{…}]}
                                                                 -> {"id": N, "found": {…}} | {"id": N, "error": WHY}

It ends, with everything it has started, when its input ends (so does its parent) and when the browser does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn
from urllib.parse import unquote, urlsplit

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import async_playwright

from reactor.extractors.browser import features
from reactor.extractors.browser.process import kill_all
from reactor.extractors.browser.sniffing import sniff
from reactor.patterns import pattern

WHY_MAX = 1000

SWITCHES = (
    "--autoplay-policy=no-user-gesture-required",
    # Chromium asks these two of its own accord, whatever else is switched off; nobody answers at port 9.
    "--component-updater=url-source=http://127.0.0.1:9/",
    "--gaia-url=http://127.0.0.1:9/",
    "--disable-domain-reliability",
    "--disable-gpu",
    "--disable-quic",
    "--dns-prefetch-disable",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",  # its name in older ones
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--js-flags=--max-old-space-size=1024",
    "--no-pings",
)
"""Beside what Playwright switches off: background networking, synchronisation, extensions."""
UNTOLD = "--disable-blink-features=AutomationControlled"
"""Without it `navigator.webdriver` is true."""
UNWANTED = ["--disable-ipc-flooding-protection", "--disable-popup-blocking", "--enable-unsafe-swiftshader"]
"""What Playwright switches on for tests, and what is better off with strangers' pages."""

_FATAL = pattern(r"\[err\] \[[^]]*:FATAL:[^]]*\] (.+)")
_ENDED = pattern(r"<process did exit: exitCode=(\w+), signal=(\w+)>")

_ending = threading.Lock()


def options(setup: Mapping[str, Any]) -> dict[str, Any]:
    """What the browser is started with."""
    return {
        "downloads_path": setup.get("downloads"),
        "executable_path": setup["executable"],
        "headless": True,
        "chromium_sandbox": setup["sandbox"],
        "args": [*SWITCHES, *features.switch(), *(() if setup["headless_tells"] else (UNTOLD,))],
        "ignore_default_args": UNWANTED,
        "proxy": setup["proxy"] and _proxy(setup["proxy"]),
    }


def _proxy(url: str) -> dict[str, str]:
    """The proxy as Playwright has it. Its login does not come onto the browser's command line."""
    parts = urlsplit(url)
    server = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    # Without the bypass rule, Chromium goes past every proxy to the addresses of this machine.
    proxy = {"server": server, "bypass": "<-loopback>"}
    if parts.username is None:
        return proxy
    return proxy | {"username": unquote(parts.username), "password": unquote(parts.password or "")}


def why(told: str) -> str:
    """The one thing that a person can use of all that Playwright tells of a browser that does not start."""
    if "sandboxing failed" in told:
        return "its sandbox does not work here; allow it unprivileged user namespaces"
    if fatal := _FATAL.search(told):
        return fatal[1]
    if ended := _ENDED.search(told):
        return f"it ended with exit code {ended[1]}" if ended[1] != "null" else f"it ended by {ended[2]}"
    return told.partition("\n")[0]


def main() -> NoReturn:
    """Serve until the input ends, or the browser. The folder that is named is all this process may write to."""
    folder = sys.argv[1]
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What a library reads or prints is not for who talks to us; nor do the programs we start inherit that.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    try:
        asyncio.run(_serve(inward, outward, folder))
    finally:  # also when nobody listens any more
        end(folder)


def end(folder: str) -> NoReturn:
    """End, and everything that was started with it. Of several threads the first does it."""
    _ending.acquire()
    kill_all(os.getpid(), folder)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


async def _serve(inward: BinaryIO, outward: BinaryIO, folder: str) -> None:
    lines: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in inward:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        end(folder)

    # A thread, for the input to be heard ending whatever the loop is busy with.
    threading.Thread(target=read, daemon=True).start()
    setup = json.loads(await lines.get()) | {"downloads": str(Path(folder, "downloads"))}
    try:
        playwright = await async_playwright().start()
        browser = await playwright.chromium.launch(**options(setup))
    except PlaywrightError as error:
        _tell(outward, {"broken": why(error.message)[:WHY_MAX]})
        return
    browser.on("disconnected", lambda _: end(folder))
    session = await browser.new_browser_cdp_session()
    own = (await session.send("Browser.getVersion"))["userAgent"]
    if not setup["headless_tells"]:
        own = own.replace("HeadlessChrome", "Chrome")
    _tell(outward, {"ready": browser.version})
    while True:
        request = json.loads(await lines.get())
        request["downloads"] = setup["downloads"]
        request["user_agent"] = request["user_agent"] or own
        request["proxy"] = request["proxy"] and _proxy(request["proxy"])
        try:
            answer: dict[str, Any] = {"found": await sniff(browser, request)}
        except PlaywrightError as error:
            answer = {"error": error.message[:WHY_MAX]}
        _tell(outward, {"id": request["id"], **answer})


def _tell(outward: BinaryIO, answer: Mapping[str, Any]) -> None:
    outward.write(json.dumps(answer).encode() + b"\n")
    outward.flush()
