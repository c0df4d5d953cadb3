"""One worker process: what it sees, what it costs, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from reactor.errors import DownloadError
from reactor.extractors.ytdlp.process import YtdlpProcess, YtdlpSetup, installed
from reactor.workers.exchange import WorkerDied
from tests.extractors.processes import in_group, runs, switches, until

pytestmark = pytest.mark.execs

SETUP = YtdlpSetup(plugins=Path(__file__).parent / "plugins")
PARENT = """
import anyio, sys
from pathlib import Path
from reactor.extractors.ytdlp.process import YtdlpSetup, YtdlpProcess

async def main():
    worker = await YtdlpProcess.start(YtdlpSetup(plugins=Path(sys.argv[1])))
    print(worker.pid, flush=True)
    await worker.ask({"do": "extract", "url": sys.argv[2], "params": {}, "cookies": None, "deadline_s": 3600})

anyio.run(main)
"""


@asynccontextmanager
async def started(setup: YtdlpSetup = SETUP) -> AsyncIterator[YtdlpProcess]:
    worker = await YtdlpProcess.start(setup)
    try:
        yield worker
    finally:
        await worker.end()
        assert in_group(worker.pid) == []


def extract(url: str, *, deadline_s: float = 60.0) -> Mapping[str, Any]:
    return {"do": "extract", "url": url, "params": {}, "cookies": None, "deadline_s": deadline_s}


async def test_it_sees_nothing_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BOT_TOKEN", "HTTPS_PROXY", "PYTHONPATH", "XDG_CONFIG_HOME", "YTDLP_COOKIES"):
        monkeypatch.setenv(name, "s3cret")
    async with started() as worker:
        answer = await worker.ask(extract("https://trials.test/surroundings"))
        seen = json.loads(answer["info"]["title"])
        home = Path(seen["home"])
        assert seen["folder"] == [], "an empty folder, also after yt-dlp was loaded"
        assert seen["cwd"] == seen["home"] != str(Path.cwd())
        assert home.is_dir()
        allowed = {
            "DENO_NO_UPDATE_CHECK",
            "HOME",
            "LANG",
            "LC_ALL",
            "LC_CTYPE",
            "LD_LIBRARY_PATH",
            "PATH",
            "TEMP",
            "TMP",
            "TMPDIR",
        }
        assert set(seen["environment"]) <= allowed | {"LANGUAGE", "TEMP", "TMP", "SSL_CERT_DIR", "SSL_CERT_FILE", "TZ"}
        assert seen["modules"] == [], "reactor is not loaded into it"
        assert seen["plugins"] == ["yt_dlp_plugins.extractor", "yt_dlp_plugins.extractor.trials"]
        assert seen["arguments"][1] == "-I"
        assert not any("trials.test" in argument for argument in seen["arguments"])
    assert not home.exists()


async def test_no_plug_ins_but_those_that_are_told(tmp_path: Path) -> None:
    async with started(YtdlpSetup()) as worker:
        assert (await worker.ask({"do": "suits", "url": "https://trials.test/film", "deadline_s": 60.0}))[
            "suits"
        ] is None


async def test_it_says_its_version_and_its_memory() -> None:
    async with started() as worker:
        assert worker.version.count(".") == 2
        await worker.ask(extract("https://trials.test/film"))
        assert 20 * 1024**2 < worker.resident_bytes < 500 * 1024**2
        assert worker.requests == 1


async def test_an_idle_one_does_nothing() -> None:
    async with started() as worker:
        await worker.ask(extract("https://trials.test/film"))
        state = Path(f"/proc/{worker.pid}/stat")
        await until(lambda: state.read_text().rpartition(")")[2].split()[0] == "S")
        before = switches(worker.pid)
        await anyio.sleep(0.5)  # whatever wakes up from time to time does so now
        assert switches(worker.pid) - before <= 1


async def test_ending_it_twice_is_ending_it() -> None:
    async with started() as worker:
        await worker.end()
        assert not worker.alive
        with pytest.raises(WorkerDied):
            await worker.ask(extract("https://trials.test/film"))


@pytest.mark.nightly
async def test_it_ends_itself_at_the_deadline_when_nobody_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "pid"
    async with started() as worker:
        with pytest.raises(WorkerDied, match="exit code 1"):
            # The worker adds a grace of ten seconds to the deadline.
            await worker.ask(extract(f"https://trials.test/hangs_deaf?path={quote(str(mark))}", deadline_s=-7.0))
        assert mark.read_text() == str(worker.pid)


@pytest.mark.parametrize("path", ["hangs", "hangs_with_a_child"])
async def test_it_ends_when_its_parent_is_killed(tmp_path: Path, path: str) -> None:
    mark = tmp_path / "pids"
    url = f"https://trials.test/{path}?path={quote(str(mark))}"
    command = [sys.executable, "-c", PARENT, str(SETUP.plugins), url]
    # Its scratch folder stays behind: nobody is left to delete it.
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    parent = await anyio.open_process(command, stderr=subprocess.DEVNULL, env=environment)
    async with parent:
        try:
            await until(lambda: mark.exists() and len(mark.read_text().split()) == (1 if path == "hangs" else 2))
        finally:
            parent.kill()
        await parent.wait()
    pids = [int(pid) for pid in mark.read_text().split()]
    await until(lambda: in_group(pids[0]) == [] and not any(map(runs, pids)))


async def test_an_installation_that_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DownloadError) as caught:
        await YtdlpProcess.start(YtdlpSetup(plugins=tmp_path / "nowhere"))
    assert caught.value.code == "ytdlp_broken"
    assert "pip install" in str(caught.value)


async def test_no_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed()
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if "site-packages" not in folder])
    assert installed() is None
    with pytest.raises(DownloadError, match="not installed"):
        await YtdlpProcess.start(SETUP)
