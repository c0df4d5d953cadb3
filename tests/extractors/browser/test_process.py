"""One browser with all its processes: what they see, what they take, that none outlives its end or ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from reactor.errors import DownloadError
from reactor.extractors.browser.browser import MIB
from reactor.extractors.browser.process import BrowserProcess, BrowserSetup, kill_all, takes_more
from tests.extractors.processes import runs, until
from tests.extractors.trees import chromiums, tree
from tests.pages.site import Site
from tests.servers import Request
from tests.tools import needed

pytestmark = pytest.mark.execs


@pytest.fixture
def setup() -> BrowserSetup:
    return BrowserSetup(Path(needed("chromium")), memory_max=4096 * MIB)


@pytest.fixture
async def process(setup: BrowserSetup) -> AsyncIterator[BrowserProcess]:
    process = await BrowserProcess.start(setup)
    try:
        yield process
    finally:
        await process.end()


def asking(url: str) -> dict[str, Any]:
    asked = {"url": url, "user_agent": "", "credentials": None, "proxy": None, "timeout_s": 30.0}
    return asked | {"save": "none", "save_bytes": 0, "lines": None, "worst": False, "cookies": []}


def folder_of(pid: int) -> Path:
    return Path(psutil.Process(pid).environ()["TMPDIR"])


async def test_it_sees_nothing_of_ours(setup: BrowserSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where our folder for temporary files is a deep one; and its own is gone with it."""
    (deep := tmp_path / ("deep" * 20)).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    monkeypatch.setenv("ARIA2C_RPC_SECRET", "hush")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test")
    process = await BrowserProcess.start(setup)
    try:
        folder = str(folder_of(process.pid))
        for each in (psutil.Process(process.pid), chromiums(process.pid)[0]):
            seen = each.environ()
            assert not {"ARIA2C_RPC_SECRET", "HTTP_PROXY"} & set(seen)
            assert (seen["HOME"], seen["TMPDIR"], each.cwd()) == (folder, folder, folder)
    finally:
        await process.end()
    assert not Path(folder).exists()


def told(request: Request) -> str:
    """Who asks for what: of another program's the name, of a CONNECT the place."""
    return f"{request.method} {request.path} by {request.headers.get('user-agent')}"


@pytest.mark.nightly
async def test_it_asks_for_nothing_of_its_own_accord_and_all_by_its_proxy(setup: BrowserSetup) -> None:
    async with Site() as site:
        site.put("/loaded", b"", content_type="text/plain")
        site.html("<script>fetch('/loaded')</script>", path="/inner")
        inner = site.url("/inner", host="localhost")
        url = site.html(f"<iframe src={inner}></iframe>")
        process = await BrowserProcess.start(replace(setup, proxy=site.url("")))
        try:
            await process.ask(asking(url))
        finally:
            await process.end()
        asked = [request.path for request in site.log]
    assert asked[0] == url
    assert {inner, site.url("/loaded", host="localhost")} < set(asked)
    known = f"http://{site.host}:", "http://localhost:"
    assert [told(request) for request in site.log if not request.path.startswith(known)] == []


async def test_its_end_is_the_end_of_all(process: BrowserProcess) -> None:
    processes, folder = tree(process.pid), folder_of(process.pid)
    assert process.version
    assert (process.alive, len(processes) > 4, folder.is_dir()) == (True, True, True)
    await process.end()
    await process.end()
    await until(lambda: not any(runs(pid) for pid in processes))
    assert not folder.exists()


async def test_the_end_of_its_input_is_its_end(process: BrowserProcess) -> None:
    processes, folder = tree(process.pid), folder_of(process.pid)
    assert process._process.stdin
    await process._process.stdin.aclose()
    await until(lambda: not any(runs(pid) for pid in processes))
    assert not folder.exists()


async def test_what_it_left_behind_when_it_died_is_ended(process: BrowserProcess) -> None:
    processes, folder = tree(process.pid), folder_of(process.pid)
    psutil.Process(process.pid).kill()
    await process.end()
    await until(lambda: not any(runs(pid) for pid in processes))
    assert not folder.exists()


KILLED = """
import anyio, sys
from reactor.extractors.browser.browser import Browser
async def main():
    async with Browser() as browser:
        await browser.sniff(sys.argv[1])
anyio.run(main)
"""


@pytest.mark.needs("chromium")
async def test_nothing_outlives_a_parent_that_is_killed() -> None:
    async with Site() as site:
        url = site.put("/never", hang=True)
        async with await anyio.open_process([sys.executable, "-c", KILLED, url], stdin=None) as parent:
            await site.until(lambda: bool(site.requests("/never")))
            processes = tree(parent.pid)
            folder = folder_of(psutil.Process(parent.pid).children()[0].pid)
            parent.kill()
        assert len(processes) > 5
        await until(lambda: not any(runs(pid) for pid in processes))
        await until(lambda: not folder.exists())


async def test_too_little_memory_ends_it_at_the_first_page(setup: BrowserSetup) -> None:
    process = await BrowserProcess.start(BrowserSetup(setup.executable, memory_max=1))
    processes = tree(process.pid)
    with pytest.raises(DownloadError, match=r"more than 0 MiB") as caught:
        await process.ask(asking("http://127.0.0.1:9/"))
    assert caught.value.code == "too_much_memory"
    await until(lambda: not any(runs(pid) for pid in processes))


HOLDING = """
import os
data = bytearray(80_000_000)
data[::4096] = b"x" * len(data[::4096])
for _ in range(3):
    if os.fork() == 0:
        os.read(0, 1)
        os._exit(0)
print(flush=True)
os.read(0, 1)
"""


def test_memory_is_counted_for_all_below_and_what_they_share_once() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDING], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        assert takes_more(child.pid, 80_000_000)
        assert takes_more(os.getpid(), 80_000_000)
        assert not takes_more(child.pid, 200_000_000), "each of four holds more than 80 MB, and all the same"
    assert not takes_more(child.pid, 0)


async def test_orphans_are_found_by_their_folder_and_others_let_be(tmp_path: Path) -> None:
    script = "(exec sleep 600) >/dev/null 2>&1 & echo $!"
    mine, other = str(tmp_path / "mine"), str(tmp_path / "other")

    def orphan(folder: str) -> int:
        environment = os.environ | {"TMPDIR": folder}
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=True)
        return int(done.stdout)

    lost, stranger = orphan(mine), orphan(other)
    kill_all(None, mine)
    assert (runs(lost), runs(stranger)) == (False, True)
    kill_all(stranger, mine)
    assert not runs(stranger)
