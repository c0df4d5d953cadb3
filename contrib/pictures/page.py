"""Draw the page of `reactor run --page`: the real reactor, a slow server on this machine, a real browser.

    python contrib/pictures/page.py [--picture FILE.png]

Needs the extras `page` and `browser`, and a Chromium.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the demo's server

from demo import MIB, reactor, serving
from playwright.sync_api import Page, sync_playwright

from reactor.extractors.browser.browser import find_browser

FILES = {"sunrise-over-the-harbour.mp4": 96, "birds-of-the-marsh.flac": 31, "trail-map-2026.pdf": 4, "tides.epub": 2}
"""Names and MiB."""
RATE = 8 * MIB
SHARE = 58
"""How far the picture's download is, in percent."""
DEADLINE_S = 60.0


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A reactor with a page; its address, with the token."""
    settings = {"PROGRESS_INTERVAL": "0.2", "EGRESS_GUARD": "false", "MAX_DOWNLOAD_RETRIES": "0"}
    process = subprocess.Popen(
        [*reactor(), "run", "--page", "127.0.0.1:0"],
        cwd=folder,
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"http://\S+", said)
        if found is None:
            raise SystemExit(f"reactor run said: {said}")
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def add(folder: Path, url: str) -> None:
    """Insert a row, as a bot does."""
    with closing(sqlite3.connect(folder / "downloads.db", timeout=30)) as database, database:
        database.execute("INSERT INTO downloads(url) VALUES(?)", (url,))


def wait(condition: Callable[[], bool]) -> None:
    """Until `condition` holds."""
    until = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("It took too long.")
        time.sleep(0.02)


def draw(page: Page, folder: Path, urls: list[str], picture: Path) -> None:
    """Bring the page into the state that says the most, and keep it."""
    film, birds, guide, book = (url.replace("127.0.0.1", "localhost") for url in urls)
    page.locator("#board").wait_for()
    add(folder, guide)
    page.locator("#finished li").wait_for()
    add(folder, film.replace("sunrise", "sunset"))
    page.locator("#failed li").wait_for()
    for url in (film, birds, book):
        add(folder, url)
    bar = page.locator("#under-way progress")
    wait(lambda: bar.count() == 1 and float(bar.evaluate("bar => bar.value")) >= SHARE)
    page.screenshot(path=picture, full_page=True)
    print(f"{picture}: the page, at {bar.evaluate('bar => Math.round(bar.value)')} %")


def main() -> None:
    """Serve, fetch, draw."""
    parser = argparse.ArgumentParser(description="Draw the page of `reactor run --page`.")
    parser.add_argument("--picture", type=Path, default=Path(__file__).with_name("page.png"), metavar="FILE.png")
    parser.add_argument("--dark", action="store_true", help="in the dark colours")
    parser.add_argument("--width", type=int, default=860, help="of the window (default: 860)")
    wanted = parser.parse_args()
    files = {name: random.Random(7).randbytes(size * MIB) for name, size in FILES.items()}
    with (
        tempfile.TemporaryDirectory(prefix="reactor-page-") as temporary,
        serving(files, RATE) as urls,
        running(Path(temporary)) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_browser().path, chromium_sandbox=os.getuid() != 0)
        page = browser.new_page(
            viewport={"width": wanted.width, "height": 600},
            device_scale_factor=2,
            reduced_motion="reduce",
            color_scheme="dark" if wanted.dark else "light",
        )
        page.goto(address)
        draw(page, Path(temporary), urls, wanted.picture.absolute())
        browser.close()


if __name__ == "__main__":
    main()
