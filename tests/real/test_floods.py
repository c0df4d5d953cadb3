"""Bots that behave badly: none of it stops a download or loses a row."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reactor.queue import Queue
from tests.real.harness import PATIENCE_S, Reactor, running
from tests.servers import FileServer

DATA = random.Random(7).randbytes(300_000)
SMALL = b"small"
FLOOD = 10_000
BEFORE_CANCEL = 30
"""So many files are there when all is cancelled."""


def count(reactor: Reactor, status: str) -> int:
    with contextlib.closing(sqlite3.connect(reactor.db, timeout=30)) as db:
        return int(db.execute("SELECT count(*) FROM downloads WHERE status = ?", (status,)).fetchone()[0])


@pytest.mark.nightly
@pytest.mark.fault(50)
async def test_ten_thousand_links_are_served_in_order_and_all_may_be_cancelled_at_once(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        url = server.put("/small.bin", SMALL)
        ids = reactor.add(*[f"{url}?{number}" for number in range(FLOOD)])
        await reactor.until(lambda: count(reactor, "downloaded") >= BEFORE_CANCEL)
        reactor.execute("UPDATE downloads SET cancelled = 1 WHERE status IN ('pending', 'downloading')")
        (last,) = reactor.add(server.put("/last.bin", DATA))
        await reactor.until(lambda: reactor.row(last)["status"] == "downloaded")
        await reactor.until(lambda: not count(reactor, "pending") and not count(reactor, "downloading"))
        await reactor.until(lambda: not reactor.staged())
        assert count(reactor, "cancelled") == FLOOD + 1 - count(reactor, "downloaded")
    claimed = [event["download_id"] for event in reactor.events("download_claimed")]
    done = [row["id"] for row in reactor.rows() if row["status"] == "downloaded"]
    assert claimed == [*ids[: len(claimed) - 1], last], "the oldest first"
    assert done == [*ids[: len(done) - 1], last]
    assert len(reactor.files()) == len(done)
    assert reactor.files()["last.bin"] == DATA


FORGETFUL = """
import sqlite3, sys
from reactor import SyncQueue
path, watched, url, lost = sys.argv[1:]
with SyncQueue(path) as queue:
    queue.add(url)
    bot = sqlite3.connect(path, isolation_level=None)
    bot.execute("BEGIN IMMEDIATE")
    bot.execute("INSERT INTO downloads (url) VALUES (?)", (lost,))
    print("half way", flush=True)
    sys.stdin.readline()
    bot.execute("ROLLBACK")
    for row in queue.watch(int(watched)):
        if row.progress:
            print("watching", flush=True)
"""
RESTARTS = 3


@pytest.mark.nightly
@pytest.mark.fault(50)
async def test_a_bot_that_is_killed_again_and_again_disturbs_no_download(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="2") as reactor:
        (slow,) = reactor.add(server.put("/slow.bin", DATA, stall_after=200_000))
        await server.until(lambda: any(request.sent == 200_000 for request in server.log))
        await reactor.until(lambda: reactor.row(slow)["progress"])
        for number in range(2 * RESTARTS):
            own = server.put(f"/{number}.bin", SMALL)
            bot = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", FORGETFUL, str(reactor.db), str(slow), own, server.url("/lost.bin")),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert bot.stdin is not None
            assert bot.stdout is not None
            async with asyncio.timeout(PATIENCE_S):
                assert await bot.stdout.readline() == b"half way\n"
                if number % 2:
                    bot.stdin.write(b"\n")
                    assert await bot.stdout.readline() == b"watching\n"
                bot.kill()
                await bot.communicate()
        await reactor.until(lambda: count(reactor, "downloaded") == 2 * RESTARTS)
        assert reactor.row(slow)["status"] == "downloading"
        server.release()
        await reactor.until_final()
        assert {row["status"] for row in reactor.rows()} == {"downloaded"}
        assert sum(request.sent for request in server.requests("/slow.bin", "GET")) == len(DATA), "fetched once"
    assert not server.requests("/lost.bin")
    assert len(reactor.files()) == 2 * RESTARTS + 1
    assert reactor.files()["slow.bin"] == DATA


WITH_RUNNER = """
import asyncio, sys
from reactor import Queue, Runner
async def main():
    async with Runner(), Queue(sys.argv[1]) as queue:
        async for row in queue.watch(1):
            pass
        print(row.status, row.attempt, row.retry_count)
asyncio.run(main())
"""


STALLED = 80_000


async def stalled(server: FileServer, times: int) -> None:
    """Wait until so many answers have come to a halt."""
    await server.until(lambda: [request.sent for request in server.log].count(STALLED) == times)


@pytest.mark.nightly
@pytest.mark.fault(19, 50)
async def test_a_bot_that_takes_its_reactor_along_whenever_it_is_killed_gets_its_file(tmp_path: Path) -> None:
    """Each time another one is there at once, while the reactor of the one before it is still ending."""
    async with FileServer() as server, Queue(tmp_path / "bot.db") as queue:
        await queue.add(server.put("/a.bin", DATA, stall_after=STALLED, etag='"1"'))
        for number in range(1, RESTARTS + 1):
            bot = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", WITH_RUNNER, str(tmp_path / "bot.db")),
                env=Reactor(tmp_path).environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            if number < RESTARTS:
                await stalled(server, number)
                bot.kill()
            else:
                server.release()
            async with asyncio.timeout(PATIENCE_S):
                said, complaint = await bot.communicate()
        assert (said.split()[:1], complaint) == ([b"downloaded"], b"")
    assert (tmp_path / "downloads" / "a.bin").read_bytes() == DATA


@pytest.mark.fault(8, 50)
async def test_a_transaction_kept_open_holds_up_its_own_rows_only(tmp_path: Path) -> None:
    """One that reads, all the time; beside it one that writes, for longer than a lock is waited for."""
    async with FileServer() as server, running(tmp_path) as reactor:
        ids = reactor.add(*[server.put(f"/{number}.bin", SMALL) for number in range(20)])
        with (
            contextlib.closing(sqlite3.connect(reactor.db, isolation_level=None)) as reader,
            contextlib.closing(sqlite3.connect(reactor.db, isolation_level=None)) as writer,
        ):
            reader.execute("BEGIN")
            before = reader.execute("SELECT count(*) FROM downloads WHERE status = 'pending'").fetchone()
            await reactor.until_final(*ids)
            (under_way,) = reactor.add(server.put("/cancelled.bin", DATA, stall_after=1000))
            await server.until(lambda: any(request.sent == 1000 for request in server.log))
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", (under_way,))
            writer.execute("INSERT INTO downloads (url) VALUES (?)", (server.put("/after.bin", DATA),))
            server.release()
            await reactor.until(lambda: reactor.events("database_troubled"))
            assert reader.execute("SELECT count(*) FROM downloads WHERE status = 'pending'").fetchone() == before
            writer.execute("COMMIT")
            await reactor.until_final()
        rows = reactor.rows()
        await reactor.until(lambda: not reactor.staged())
        assert [row["status"] for row in rows] == ["downloaded"] * len(ids) + ["cancelled", "downloaded"]
        assert len(reactor.files()) == len(ids) + 1


NUMBERS = (-1, 0, 2**63 - 1, -(2**63), 1.5, float("inf"))
WORDS = ("", "x", "nan", "2026-13-45", "downloading", "a\nb\x00c", "é" * 1000, "9" * 400)
GARBAGE: tuple[Any, ...] = (None, *NUMBERS, *WORDS, b"", b"\xff\x00", b"\xff" * 10_000)
COLUMNS = (
    *("url", "cancelled", "added_date", "title", "file_size", "file_path", "progress", "download_speed"),
    *("eta_seconds", "stage", "url_type", "retry_count", "next_attempt_at", "started_at", "finished_at"),
    *("error", "error_code", "attempt", "claimed_by", "lease_until"),
)
ROWS = 60


@pytest.mark.fault(12, 50)
async def test_garbage_in_any_column_keeps_nothing_from_being_served(tmp_path: Path) -> None:
    dice = random.Random(12)
    async with FileServer() as server, running(tmp_path) as reactor:
        live, *good = reactor.add(
            server.put("/live.bin", DATA, stall_after=1000),
            *(server.put(f"/{number}.bin", SMALL) for number in range(10)),
        )
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        for _ in range(ROWS):
            row = {"url": server.url("/none.bin"), "status": "pending"}
            row |= {column: dice.choice(GARBAGE) for column in dice.sample(COLUMNS, dice.randint(1, 6))}
            marks = ", ".join("?" * len(row))
            reactor.execute(f"INSERT OR IGNORE INTO downloads ({', '.join(row)}) VALUES ({marks})", *row.values())
        for column in set(COLUMNS) - {"url", "cancelled", "attempt"}:
            reactor.execute(f"UPDATE downloads SET {column} = ? WHERE id = ?", dice.choice(GARBAGE), live)
        reactor.execute("INSERT INTO downloads (url, title) VALUES (CAST(x'FF' AS TEXT), CAST(x'FF' AS TEXT))")
        (last,) = reactor.add(server.put("/last.bin", DATA))
        server.release()
        await reactor.until(lambda: not count(reactor, "pending") and not count(reactor, "downloading"))
        async with Queue(reactor.db) as queue:
            rows = await queue.list()
        odd = [row for row in rows if row.id not in (live, *good, last)]
        assert [row.status for row in rows if row not in odd] == ["downloaded"] * (len(good) + 2)
        assert {row.status for row in odd} == {"failed", "cancelled"}
        assert all((row.error or "").endswith(".") for row in odd if row.status == "failed")
        assert reactor.process is not None
        assert reactor.process.returncode is None
    files = reactor.files()
    assert (files["live.bin"], files["last.bin"]) == (DATA, DATA)
    assert len(files) == len(good) + 2
