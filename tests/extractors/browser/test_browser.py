"""Browsers: found, started when needed, ended when idle, cancelled, crashed; and what bad pages do to them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
import playwright
import psutil
import pytest

from reactor.egress.addresses import Exceptions
from reactor.egress.proxy import Guard
from reactor.errors import DownloadError, ProgramMissing, SettingsError
from reactor.extractors.browser.browser import MIB, Browser, find_browser, open_browser
from reactor.extractors.browser.extractor import PageFindings, parse_found
from reactor.settings import Settings
from tests.extractors.processes import runs, until
from tests.extractors.trees import chromiums, tree
from tests.pages.site import Site
from tests.tools import needed

SHORT_S = 12.0
"""For pages of which nothing comes."""


@pytest.fixture(scope="module")
async def guarded() -> AsyncIterator[Browser]:
    """What it asks goes through a guard that lets it to this host, and to no other of this machine."""
    async with Guard(Exceptions.parse("127.0.0.1")) as guard, Browser(guard=guard, timeout_s=30.0) as browser:
        yield browser


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    needed("chromium")
    async with Site() as site:
        site.put("/loaded", b"", content_type="text/plain")
        site.put("/gone", redirect="file:///etc/hostname")
        site.put("/never", hang=True)
        yield site


async def sniffed(browser: Browser, url: str, *, timeout_s: float | None = None) -> PageFindings:
    return parse_found(await browser.sniff(url, timeout_s=timeout_s))


async def error_of(browser: Browser, url: str, *, timeout_s: float | None = None) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await browser.sniff(url, timeout_s=timeout_s)
    return caught.value


async def none_left(pids: list[int]) -> None:
    assert len(pids) > 4, "a process of ours, the driver, and those of Chromium"
    await until(lambda: not any(runs(pid) for pid in pids))


# Which browser


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no browser: an empty PATH, and an empty folder for Playwright's own."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "own"))
    return tmp_path


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def own_browser(folder: Path) -> Path:
    listed = json.loads((Path(playwright.__file__).parent / "driver/package/browsers.json").read_text())
    revision = next(each["revision"] for each in listed["browsers"] if each["name"] == "chromium")
    return program(folder / f"own/chromium-{revision}/chrome-linux/chrome")


def test_the_setting_before_playwrights_own_before_the_path(bare: Path) -> None:
    system = program(bare / "bin/chromium")
    assert find_browser().path == system
    own = own_browser(bare)
    assert find_browser().path == own
    mine = program(bare / "mine")
    assert (find_browser(mine).path, find_browser(mine).origin) == (mine, "setting")


def test_chrome_before_chromium_before_edge(bare: Path) -> None:
    for name in ("microsoft-edge", "chromium", "google-chrome"):
        path = program(bare / "bin" / name)
        assert find_browser().path == path


def test_no_browser(bare: Path) -> None:
    with pytest.raises(ProgramMissing, match="playwright install chromium"):
        find_browser()
    with pytest.raises(SettingsError, match="BROWSER_PATH"):
        find_browser(bare / "nowhere")


async def test_a_download_without_a_browser(bare: Path) -> None:
    async with Browser() as browser:
        error = await error_of(browser, "http://h/")
    assert (error.code, error.retryable, browser.starts) == ("program_missing", False, 0)
    assert "playwright install chromium" in str(error)


async def test_what_is_no_browser_does_not_start(tmp_path: Path) -> None:
    async with Browser(path=program(tmp_path / "sham")) as browser:
        error = await error_of(browser, "http://h/")
    assert error.code == "browser_broken"
    assert "sham does not start: it ended with exit code 0" in str(error)


async def test_the_settings(tmp_path: Path) -> None:
    settings = Settings.load(browser_path=tmp_path / "nowhere", browser_timeout_s=5.0, browser_memory_mib=600)
    async with open_browser(settings) as browser:
        assert browser
        error = await error_of(browser, "http://h/")
    assert (error.code, "BROWSER_PATH" in str(error)) == ("program_missing", True)


async def test_what_is_saved_is_limited_as_all_files_are() -> None:
    for mib, bytes_max in ((0, 600 * MIB), (100, 100 * MIB), (1000, 600 * MIB)):
        async with open_browser(Settings.load(browser_memory_mib=600, max_file_size_mib=mib)) as browser:
            assert browser
            assert browser.save_bytes_max == bytes_max


async def test_without_what_drives_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    async with open_browser(Settings.load()) as browser:
        assert browser is None


def test_nothing_is_imported_before_it_is_needed() -> None:
    script = "import sys, reactor.extractors.browser.browser; print({'playwright', 'psutil'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# Its life


async def test_one_browser_serves_many_pages_and_nothing_is_left(site: Site) -> None:
    async with Browser() as browser:
        assert browser.starts == 0
        for _ in range(2):
            assert "ERR_UNSAFE_REDIRECT" in str((await sniffed(browser, site.url("/gone"))).failure)
        (pid,) = browser.pids
        processes = tree(pid)
        assert browser.starts == 1
    await none_left(processes)


@pytest.mark.nightly
async def test_ten_pages_leave_no_process_and_no_memory(site: Site) -> None:
    """Each holds 60 MB, and begins a process of its own."""
    site.put("/main.m3u8", b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n", content_type="application/x-mpegurl")
    holds = "window.held = new Uint8Array(60e6).fill(1); fetch('/main.m3u8')"
    url = site.html(f"<title>T</title><script>{holds}</script>", path="/holds")
    async with Browser(timeout_s=60.0) as browser:
        assert (await sniffed(browser, url)).candidates, "it was opened"
        (pid,) = browser.pids
        few, less = len(tree(pid)), held(pid)
        for _ in range(9):
            await sniffed(browser, url)
        assert browser.pids == (pid,)
        await until(lambda: len(tree(pid)) <= few and held(pid) < less + 200 * MIB)
        processes = tree(pid)
    await none_left(processes)


def held(pid: int) -> int:
    """Bytes that a process and those below it hold."""
    total = 0
    for each in tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += psutil.Process(each).memory_info().rss
    return total


@pytest.mark.nightly
async def test_an_idle_browser_is_ended(site: Site) -> None:
    async with Browser(idle_s=0.0) as browser:
        await sniffed(browser, site.url("/gone"))
        await until(lambda: not browser.pids)
        await sniffed(browser, site.url("/gone"))
        assert browser.starts == 2


async def test_a_cancel_leaves_nothing(site: Site) -> None:
    async with Browser() as browser:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(browser.sniff, site.url("/never"))
            await site.until(lambda: bool(site.requests("/never")))
            processes = tree(browser.pids[0])
            tasks.cancel_scope.cancel()
        assert browser.pids == ()
        await none_left(processes)


async def test_a_cancel_while_it_starts_leaves_nothing(site: Site) -> None:
    async with Browser() as browser, anyio.create_task_group() as tasks:
        before = set(tree(os.getpid()))
        tasks.start_soon(browser.sniff, site.url("/never"))
        await until(lambda: len(set(tree(os.getpid())) - before) > 1)
        processes = set(tree(os.getpid())) - before
        tasks.cancel_scope.cancel()
    await until(lambda: not any(runs(pid) for pid in processes))
    assert site.requests("/never") == []


@pytest.mark.nightly
async def test_the_deadline_ends_a_browser_that_does_not_answer(site: Site) -> None:
    async with Browser() as browser:
        await sniffed(browser, site.url("/gone"))
        processes = tree(browser.pids[0])
        chromiums(browser.pids[0])[0].suspend()
        error = await error_of(browser, site.url("/gone"), timeout_s=2.0)
    assert (error.code, error.retryable) == ("timeout", True)
    await none_left(processes)


@pytest.mark.fault(48)
async def test_a_browser_that_crashes(site: Site) -> None:
    async with Browser() as browser:
        errors: list[DownloadError] = []

        async def sniff() -> None:
            errors.append(await error_of(browser, site.url("/never")))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sniff)
            await site.until(lambda: bool(site.requests("/never")))
            processes = tree(browser.pids[0])
            chromiums(browser.pids[0])[0].kill()
        assert [(error.code, error.retryable) for error in errors] == [("browser_crashed", True)]
        await none_left(processes)
        await sniffed(browser, site.url("/gone"))
        assert browser.starts == 2


@pytest.mark.nightly
@pytest.mark.fault(48)
async def test_a_page_that_crashes_is_no_crash_of_the_browser(site: Site) -> None:
    found: list[PageFindings] = []
    url = site.html("<script>fetch('/loaded')</script>")
    async with Browser() as browser:

        async def sniff() -> None:
            found.append(await sniffed(browser, url))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sniff)
            await site.until(lambda: bool(site.requests("/loaded")))
            for process in chromiums(browser.pids[0], "--type=renderer"):
                process.kill()
        assert [each.crashed for each in found] == [True]
        await sniffed(browser, site.url("/gone"))
        assert browser.starts == 1


@pytest.mark.nightly
async def test_two_at_once_do_not_share_a_browser(site: Site) -> None:
    async with Browser(browsers_max=2) as browser, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(browser.sniff, site.url("/never"))
        await site.until(lambda: len(site.requests("/never")) == 2)
        assert len(set(browser.pids)) == 2
        tasks.cancel_scope.cancel()


# The guard


@pytest.mark.fault(48)
async def test_every_request_goes_through_the_guard(site: Site, guarded: Browser) -> None:
    """What the guard refuses is not asked for, by whatever means a page has."""
    async with Site(host="127.0.0.2") as other:
        url = other.put("/x", b"", headers=(("Access-Control-Allow-Origin", "*"),))
        site.put("/worker.js", f"fetch('{url}')".encode(), content_type="text/javascript")
        inner = site.html(f"<img src='{url}'><script>fetch('{url}')</script>", path="/inner")
        page = site.html(
            f"<iframe src='{inner}'></iframe><iframe src='{url}'></iframe><video src='{url}' autoplay></video>"
            f"<script>new Worker('/worker.js'); new WebSocket('{url.replace('http', 'ws')}'); fetch('/loaded')</script>"
        )
        assert (await sniffed(guarded, page)).candidates == []
        assert {request.path for request in site.log} > {"/inner", "/worker.js", "/loaded"}
        assert other.log == []


@pytest.mark.fault(48)
async def test_what_a_service_worker_answers_with_is_seen(site: Site, guarded: Browser) -> None:
    """What it asks for itself is the film, not the address that only it knows; and that goes through the guard, too."""
    script = (
        b"self.onactivate = event => event.waitUntil(clients.claim());"
        b"self.onfetch = event => event.request.url.includes('/made/') && event.respondWith(fetch('/film.m3u8'))"
    )
    site.put("/worker.js", script, content_type="text/javascript")
    site.put("/film.m3u8", b"#EXTM3U\n#EXTINF:9,\nx.ts\n#EXT-X-ENDLIST\n", content_type="text/plain")
    begin = "navigator.serviceWorker.oncontrollerchange = () => fetch('/made/1')"
    page = site.html(f"<script>{begin}; navigator.serviceWorker.register('/worker.js')</script>")
    found = await sniffed(guarded, page)
    assert [each.url for each in found.candidates][:1] == [site.url("/film.m3u8")]


@pytest.mark.variants(2)
@pytest.mark.parametrize("address", ["http://127.0.0.2:8080/", "https://127.0.0.2:8080/", "/away"])
async def test_a_page_that_the_guard_refuses(site: Site, guarded: Browser, address: str) -> None:
    site.html("<script>location = 'http://127.0.0.2:8080/'</script>", path="/away")
    error = await error_of(guarded, site.url(address) if address.startswith("/") else address)
    assert (error.code, error.retryable) == ("refused_address", False)
    assert "127.0.0.2" in str(error)


@pytest.mark.nightly
async def test_who_asks_for_a_login_is_not_given_that_of_the_guard(site: Site, guarded: Browser) -> None:
    assert (await sniffed(guarded, site.html("<p>", user=("a", "b")), timeout_s=SHORT_S)).status == 401
    assert (await sniffed(guarded, site.url("/page", user="a:b"), timeout_s=SHORT_S)).status == 200
    sent = [request.headers.get("authorization", "") for request in site.requests("/page")]
    assert set(sent) == {"", "Basic YTpi"}


# Pages that misbehave. Each ends in time, with a sentence, and the next page is served.


BAD = {
    "dialogs": "<script>while (true) alert('again')</script>",
    "popups": "<body onclick='open(`/x`)'><script>setInterval(() => open('/page?' + Math.random()), 50)</script>"
    "<button class=play-button style='width: 90px; height: 60px'>Play</button>",
    "a busy loop": "<script>while (true);</script>",
    "downloads": "<script>setInterval(() => location = '/endless', 20)</script>",
    "printing and leaving": """<script>
        onbeforeunload = event => event.preventDefault();
        setInterval(() => { print(); location = 'mailto:a@b.test'; location = 'file:///etc/hostname'; }, 50);
        </script>""",
    "moving on and on": "<script>setTimeout(() => location = '/page?' + Math.random(), 20)</script>",
}


@pytest.mark.variants(1)
@pytest.mark.fault(48)
@pytest.mark.parametrize("name", BAD)
async def test_a_bad_page(site: Site, browser: Browser, name: str) -> None:
    site.put("/endless", b"x" * 9999, endless=True, disposition="attachment; filename=x.bin")
    found = await sniffed(browser, site.html(BAD[name]), timeout_s=SHORT_S)
    assert (found.candidates, found.left) == ([], None)
    assert (await sniffed(browser, site.url("/gone"))).status is None


@pytest.mark.nightly
@pytest.mark.fault(48)
async def test_a_page_that_never_stops_loading(site: Site, browser: Browser) -> None:
    site.put("/slow", b"<p>more</p>", content_type="text/html", endless=True, rate=200)
    assert (await sniffed(browser, site.url("/slow"), timeout_s=SHORT_S)).status == 200
    assert (await sniffed(browser, site.url("/never"), timeout_s=SHORT_S)).status is None


@pytest.mark.parametrize("target", ["file:///etc/hostname", "data:text/html,x", "chrome://version"])
async def test_a_redirect_to_what_is_no_web_page(site: Site, browser: Browser, target: str) -> None:
    site.put("/away", redirect=target)
    found = await sniffed(browser, site.url("/away"))
    assert "net::ERR_" in str(found.failure)


@pytest.mark.nightly
@pytest.mark.fault(48)
async def test_a_page_that_takes_all_memory(site: Site) -> None:
    url = site.html("<script>const all = []; setInterval(() => all.push(new Uint8Array(4e7).fill(7)), 20)</script>")
    async with Browser(memory_max=900 * MIB, timeout_s=60.0) as browser:
        await sniffed(browser, site.url("/gone"))
        processes = tree(browser.pids[0])
        error = await error_of(browser, url)
        assert (error.code, error.retryable, browser.pids) == ("too_much_memory", False, ())
        await none_left(processes)
        await sniffed(browser, site.url("/gone"))
