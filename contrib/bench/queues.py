"""What many watches of one bot, and many owners' waiting rows, cost."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, closing
from itertools import count
from pathlib import Path

import anyio

from contrib.bench.bench import Bench
from contrib.bench.report import Row
from contrib.bench.servers import ROOT
from contrib.bench.validity import Invalid, Samples
from reactor import Queue
from reactor.core.commands import ChargeOwner, PollRows, Save, SaveDownloaded
from reactor.database.sql import downloads, saving
from reactor.database.sqlite.migration import migrate
from reactor.database.sqlite.statements import Connection
from reactor.models import Download

MOVING = 100
"""Of the watched rows, those that something becomes of."""
STEPS = (
    "status = 'downloading', stage = 'extracting'",
    "stage = 'fetching', progress = 10",
    "progress = 60",
    "status = 'downloaded', progress = 100",
)
STEP_S = 0.0025
TICK_S = 0.001
HOLD_MAX_MS = 8.0
PATIENCE_S = 120.0

OWNERS = 10_000
GREEDY = "greedy"
"""Whose every second row is."""
CLAIMS, TURNS = 200, 5
CLAIM_MAX = 1.5
NOW = 1_800_000_000.0

Follow = Callable[[Queue, int], AsyncGenerator[Download, None]]


def watchers(bench: Bench) -> list[Row]:
    """How long a bot's loop is held at most by watches of its rows while some of them move."""
    number = bench.scale.watches
    holds = [anyio.run(_longest_hold, bench.place("watchers"), number, follow) for follow in (_watched, _read_by_each)]
    measured, rival = holds
    return [
        Row(
            f"watches: {number:,} of one bot beside {MOVING} small rows, the longest hold of its loop",
            "ms",
            measured,
            rival,
            rival / measured,
            f"≤ {HOLD_MAX_MS:g} ms",
            measured <= HOLD_MAX_MS,
            "Watches: the rival is a bot that reads each of its rows after each change.",
        )
    ]


async def _longest_hold(folder: Path, number: int, follow: Follow) -> float:
    """In ms."""
    path, ends, longest = folder / "bot.db", count(1), 0.0

    async def watch(queue: Queue, id: int) -> None:
        async with aclosing(follow(queue, id)) as rows:
            async for row in rows:
                begun.add(row.id)
                if len(begun) == number:
                    all_begun.set()
        if next(ends) == MOVING:
            all_moved.set()

    async def measure() -> None:
        nonlocal longest
        last = time.perf_counter()
        while True:
            await anyio.sleep(TICK_S)
            now = time.perf_counter()
            longest, last = max(longest, now - last - TICK_S), now

    begun, all_begun, all_moved = set[int](), anyio.Event(), anyio.Event()
    with anyio.fail_after(PATIENCE_S):
        async with Queue(path) as queue, anyio.create_task_group() as tasks:
            ids = [await queue.add("http://host.example/a") for _ in range(number)]
            for id in ids:
                tasks.start_soon(watch, queue, id)
            await all_begun.wait()
            tasks.start_soon(measure)
            await anyio.run_process([sys.executable, "-m", "contrib.bench.queues", str(path)], cwd=ROOT)
            await all_moved.wait()
            tasks.cancel_scope.cancel()
    return longest * 1000


def _watched(queue: Queue, id: int) -> AsyncGenerator[Download, None]:
    return queue.watch(id)


async def _read_by_each(queue: Queue, id: int) -> AsyncGenerator[Download, None]:
    before = None
    async with aclosing(queue.changes()) as changes:
        async for _ in changes:
            row = await queue.get(id)
            if row is None:
                return
            if row != before:
                yield row
            if row.status == "downloaded":
                return
            before = row


def move(path: str) -> None:
    """Each of the first rows becomes a download, in commits of its own."""
    with closing(sqlite3.connect(path, isolation_level=None)) as bot:
        bot.execute("PRAGMA synchronous = OFF")
        for id in range(1, MOVING + 1):
            for step in STEPS:
                bot.execute(f"UPDATE downloads SET {step} WHERE id = ?", (id,))
                time.sleep(STEP_S)


def claims(bench: Bench) -> list[Row]:
    """What a claim and the end of its row cost with rows of many owners, and with as many that are nobody's."""
    rows = bench.scale.finished_rows
    with (
        closing(_filled(bench.place("nobodys") / "bot.db", rows, lambda number: None)) as nobodys,
        closing(_filled(bench.place("owners") / "bot.db", rows, _owner)) as owned,
    ):
        for connection in (nobodys, owned):
            _claim(connection)  # reads the indexes
        turns = [[_claim(connection) for connection in (nobodys, owned)] for _ in range(TURNS)]
    without, with_ = Samples("claims, no owners", TURNS), Samples("claims, owners", TURNS)
    for one, other in turns:
        without.add(one)
        with_.add(other)
    times = with_.median / without.median
    return [
        Row(
            f"claim and end of a row, {rows:,} pending ones of {OWNERS:,} owners, CPU",
            "ms",
            with_.median,
            without.median,
            1 / times,
            f"≤ {CLAIM_MAX:g} × its time",
            times <= CLAIM_MAX,
            "Claims: the rival is the reactor itself where rows are nobody's, in the same turns.",
        )
    ]


def _owner(number: int) -> str:
    return str(number % OWNERS) if number % 2 else GREEDY


def _filled(path: Path, rows: int, owner: Callable[[int], str | None]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, factory=Connection)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    migrate(connection)
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO downloads (url, owner, added_date) VALUES ('http://host.example/a', ?, ?)",
        ((owner(number), f"2026-01-01 {number:09}") for number in range(rows)),
    )
    connection.execute("COMMIT")
    return connection


def _claim(connection: sqlite3.Connection) -> float:
    """Of some rows: ms of CPU for each."""
    began = time.process_time()
    for number in range(CLAIMS):
        now = NOW + number
        claimed = downloads.poll(connection, PollRows((), 1), "bench", now).rows.claimed
        if len(claimed) != 1:
            raise Invalid(f"claims: {len(claimed)} rows were claimed instead of one")
        attempt, owner = claimed[0].attempt, claimed[0].owner
        ended: list[Save] = [SaveDownloaded(attempt, "/downloads/a", 1, None)]
        saving.apply(connection, [*ended, ChargeOwner(attempt, owner, 10.0)] if owner else ended, now)
    return (time.process_time() - began) / CLAIMS * 1000


if __name__ == "__main__":
    move(sys.argv[1])
