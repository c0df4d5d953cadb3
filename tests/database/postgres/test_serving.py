"""All of it together: the reactor as a process, aria2c, a web server, and a queue on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from reactor.cli.doctor.findings import DoctorFinding
from reactor.cli.doctor.server import examine
from reactor.queue import Queue
from reactor.runner import Runner
from reactor.server_address import server_address
from reactor.sync_queue import SyncQueue
from tests.cli.command import reactor
from tests.database.postgres.bot import Bot
from tests.real.harness import SETTINGS
from tests.servers import FileServer

DATA = random.Random(22).randbytes(300_000)
DEADLINE_S = 60.0


@pytest.fixture
async def runner(bot: Bot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runner]:
    """A reactor as a bot starts it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    settings: dict[str, Any] = {name.lower(): value for name, value in SETTINGS.items()}
    places: dict[str, Any] = {"download_db": bot.url, "download_dir": str(tmp_path / "downloads")}
    async with Runner(**(settings | places)) as running:
        yield running


async def test_a_bot_sees_who_serves_its_queue(bot: Bot, runner: Runner, tmp_path: Path) -> None:
    async with Queue(bot.url) as queue:
        (one,) = await queue.machines()
    assert (one.lost, one.draining, one.downloading) == (False, False, 0)
    async with Queue(tmp_path / "bot.db") as queue:
        assert await queue.machines() == []


async def ended(queue: Queue, id: int) -> list[str]:
    """The statuses that a row goes through."""
    seen: list[str] = []
    async with asyncio.timeout(DEADLINE_S), aclosing(queue.watch(id)) as rows:
        async for row in rows:
            seen += [row.status] if row.status not in seen else []
    return seen


async def test_a_row_becomes_a_file(server: FileServer, bot: Bot, runner: Runner, tmp_path: Path) -> None:
    server.put("/a.bin", DATA)
    async with Queue(bot.url) as queue:
        id = await queue.add(server.url("/a.bin"), owner=7)
        assert (await ended(queue, id))[-1] == "downloaded"
        row = await queue.get(id)
        assert row is not None
        assert Path(row.file_path or "").read_bytes() == DATA
        assert row.owner == "7"
        await queue.set_cookies(7, "site", "# Netscape HTTP Cookie File\n.x.example\tTRUE\t/\tFALSE\t0\ta\tb\n")
        assert [jar.name for jar in await queue.list_cookies(7)] == ["site"]
    ((stage, claimed),) = bot.sql("SELECT stage, claimed_by FROM downloads")
    assert (stage, claimed) == (None, None)
    assert (await runner.status()).state == "running"


async def test_what_is_under_way_when_it_is_killed_goes_on_with_the_next_one(
    server: FileServer, bot: Bot, runner: Runner
) -> None:
    server.put("/a.bin", DATA, stall_after=200_000)
    async with Queue(bot.url) as queue:
        id = await queue.add(server.url("/a.bin"))
        async with asyncio.timeout(DEADLINE_S):
            await server.until(lambda: bool(server.requests("/a.bin", "GET")))
        served = await runner.status()
        assert served.pid is not None
        os.kill(served.pid, signal.SIGKILL)
        server.put("/a.bin", DATA)
        server.release()
        assert (await ended(queue, id))[-1] == "downloaded"
        row = await queue.get(id)
    assert row is not None
    assert Path(row.file_path or "").read_bytes() == DATA
    assert bot.sql("SELECT attempt > 1 OR retry_count = 0 FROM downloads") == [(True,)]


def test_the_command_line_and_a_bot_without_asyncio_see_the_same_rows(bot: Bot, tmp_path: Path) -> None:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return reactor(*arguments, cwd=tmp_path, DOWNLOAD_DB=bot.url)

    with SyncQueue(bot.url) as queue:
        first = queue.add("http://host.example/a")
        assert run("add", "http://host.example/b").stdout.split() == [str(first + 1)]
        assert [row.url[-1] for row in queue.list()] == ["a", "b"]
        assert run("cancel", first).returncode == 0
        row = queue.get(first)
        assert row is not None
        assert row.cancelled
        assert run("retry", first).returncode == 1
    assert [row["id"] for row in json.loads(run("list", "--json").stdout)] == [first, first + 1]
    assert "It waits" in run("why", first + 1).stdout
    assert list(tmp_path.iterdir()) == []


async def test_doctor_tells_what_is_there_and_what_is_not(bot: Bot, tmp_path: Path) -> None:
    def found() -> list[DoctorFinding]:
        address = server_address(bot.url)
        assert address is not None
        return list(examine(address))

    (new,) = await to_thread.run_sync(found)
    assert (new.name, new.state, new.what) == ("database", "ok", "not ready yet: `add` and `run` make it so")
    async with bot.table() as table:
        await table.add("http://host.example/", {})
    states = [(each.name, each.state) for each in await to_thread.run_sync(found)]
    assert states == [("database", "ok"), ("reactor", "note"), ("notifications", "ok")]
    bot.url = bot.url.replace("/bot", "/no_such_bot")
    (lost,) = await to_thread.run_sync(found)
    assert (lost.state, "There is no database" in lost.what) == ("missing", True)
