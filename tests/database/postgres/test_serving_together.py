"""Three reactors, each with an aria2c of its own, serve one queue; one is killed, another one stopped for a while."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.command import ROOT, environment, reactor
from tests.database.postgres.bot import Bot
from tests.database.postgres.together import machine, until
from tests.servers import FileServer

ROWS = 30
SLOTS = 2


@pytest.mark.nightly
async def test_one_is_killed_and_one_is_stopped(server: FileServer, bot: Bot, tmp_path: Path) -> None:
    data = {f"/{n}.bin": random.Random(n).randbytes(60_000 + n) for n in range(ROWS)}

    def statuses() -> dict[str, int]:
        return dict(bot.sql("SELECT status, count(*) FROM downloads GROUP BY 1"))

    def busy() -> dict[str, int]:
        return dict(bot.sql("SELECT claimed_by, count(*) FROM downloads WHERE status = 'downloading' GROUP BY 1"))

    async with AsyncExitStack() as stack:
        machines = {name: await stack.enter_async_context(machine(tmp_path, bot.url, name, SLOTS)) for name in "abc"}
        for path, content in data.items():
            server.put(path, content, stall_after=20_000)
        for path in data:
            bot.sql("INSERT INTO downloads (url) VALUES (%s)", server.url(path))
        await until(lambda: busy() == dict.fromkeys("abc", SLOTS), busy)
        killed, stopped = machines["a"].process, machines["b"].process
        assert killed is not None
        assert stopped is not None
        os.kill(killed.pid, signal.SIGKILL)
        os.kill(stopped.pid, signal.SIGSTOP)
        await killed.wait()
        for path, content in data.items():
            server.put(path, content)
        server.release()
        await until(lambda: statuses() == {"downloaded": ROWS}, statuses)
        os.kill(stopped.pid, signal.SIGCONT)
        (more,) = bot.sql("INSERT INTO downloads (url) VALUES (%s) RETURNING id", server.put("/more.bin", b"more"))[0]
        await until(lambda: statuses() == {"downloaded": ROWS + 1}, statuses)
        await until(lambda: not any(machines["b"].staged()), machines["b"].files)
        rows = bot.sql("SELECT id, url, file_path, attempt FROM downloads")
    for id, url, path, _ in rows:
        content = b"more" if id == more else data["/" + url.rpartition("/")[2]]
        assert Path(path).read_bytes() == content, (id, path)
    published = Counter(name for one in machines.values() for name in one.files() if not name.startswith("."))
    assert published == Counter(Path(path).name for _, _, path, _ in rows)
    assert max(attempt for *_, attempt in rows) == 2


@pytest.mark.nightly
async def test_what_was_published_by_one_that_was_lost_is_taken_back(
    server: FileServer, bot: Bot, tmp_path: Path
) -> None:
    """It is killed between its publishing and its word of it; another one has brought the file meanwhile."""
    server.put("/a.bin", b"a" * 60_000, stall_after=20_000)
    async with machine(tmp_path, bot.url, "a", 1) as one:
        ((id,),) = bot.sql("INSERT INTO downloads (url) VALUES (%s) RETURNING id", server.url("/a.bin"))
        await server.until(lambda: any(request.sent == 20_000 for request in server.log))
        await until(lambda: bool(bot.sql("SELECT 1 FROM downloads WHERE stage = 'fetching'")), one.files)
        with psycopg.connect(bot.url) as others:
            others.execute("SELECT 1 FROM downloads FOR UPDATE")  # its word waits for this
            server.release()
            await until(lambda: "a.bin" in one.files(), one.files)
            await one.stop(signal.SIGKILL)
            others.execute(
                "UPDATE downloads SET status = 'downloaded', stage = NULL, claimed_by = NULL, attempt = attempt + 1,"
                " file_path = '/b/downloads/a.bin'"
            )
            others.execute("DELETE FROM reactor_plans WHERE download_id = %s", (id,))
        await one.start()
        await until(lambda: one.files() == {}, one.files)
    assert bot.sql("SELECT status, file_path FROM downloads") == [("downloaded", "/b/downloads/a.bin")]


def listed(bot: Bot, folder: Path) -> str:
    """What `reactor machines` says."""
    return reactor("machines", cwd=folder, DOWNLOAD_DB=bot.url).stdout


async def test_one_that_is_asked_to_end_has_time_for_what_it_has(server: FileServer, bot: Bot, tmp_path: Path) -> None:
    """Others begin what it does not begin any more, and get what it has not brought by then."""
    data = {f"/{name}.bin": random.Random(name).randbytes(60_000) for name in ("quick", "slow", "more")}
    ids = dict[str, int]()

    def insert(name: str, at: FileServer, **how: int) -> None:
        url = at.put(f"/{name}.bin", data[f"/{name}.bin"], **how)
        ((ids[name],),) = bot.sql("INSERT INTO downloads (url) VALUES (%s) RETURNING id", url)

    def held(at: FileServer) -> bool:
        return any(request.sent == 20_000 for request in at.log)

    def row(name: str) -> tuple[str, str, int]:
        ((status, path, attempt),) = bot.sql(
            "SELECT status, file_path, attempt FROM downloads WHERE id = %s", ids[name]
        )
        return status, path, attempt

    async with FileServer() as slow, machine(tmp_path, bot.url, "a", 3, DRAIN_S="3600") as a:
        for name, at in (("quick", server), ("slow", slow)):
            insert(name, at, stall_after=20_000)
            await at.until(partial(held, at))
        assert a.process is not None
        a.process.send_signal(signal.SIGTERM)
        await until(lambda: bool(a.events("reactor_draining")), lambda: a.printed)
        await until(lambda: "a  draining  2 of 3 downloading" in listed(bot, tmp_path), lambda: listed(bot, tmp_path))
        async with machine(tmp_path, bot.url, "b", 1) as b:
            insert("more", server)
            await until(lambda: row("more")[0] == "downloaded", lambda: row("more"))
            slow.put("/slow.bin", data["/slow.bin"])  # for whoever asks once more
            server.release()
            await until(lambda: row("quick")[0] == "downloaded", lambda: row("quick"))
            a.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                await a.process.wait()
            await until(lambda: row("slow")[0] == "downloaded", lambda: row("slow"))
            brought = {name: Path(row(name)[1]) for name in ids}
            attempts = {name: row(name)[2] for name in ids}
            assert "a  stopped" in listed(bot, tmp_path) or "a  " not in listed(bot, tmp_path)
            places = {name: path.is_relative_to(b.folder) for name, path in brought.items()}
    assert {f"/{name}.bin": path.read_bytes() for name, path in brought.items()} == data
    assert places == {"quick": False, "slow": True, "more": True}
    assert attempts == {"quick": 1, "slow": 2, "more": 1}


@pytest.mark.nightly
def test_the_picture_of_machines_shows_the_real_thing(bot: Bot, tmp_path: Path) -> None:
    picture = tmp_path / "machines.svg"
    script = [sys.executable, str(ROOT / "contrib" / "pictures" / "machines.py"), bot.url, "--picture", str(picture)]
    how: dict[str, Any] = {"cwd": tmp_path, "env": environment(), "capture_output": True, "text": True}
    done = subprocess.run(script, timeout=120, check=False, **how)
    assert done.returncode == 0, done.stderr
    text = picture.read_text(encoding="utf-8").replace("&#160;", " ")
    assert re.search(r"frankfurt  draining  [12] of 2 downloading", text)
    assert len(re.findall(r"(ashburn|helsinki) +serving +[12] of 2 downloading", text)) == 2
