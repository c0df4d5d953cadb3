"""Columns of ours that a bot has made NOT NULL, as Pony and Django make them of an optional text: '' or 0 is written
there in place of NULL, and is nothing when it is read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.sql import downloads, saving
from reactor.database.sql.connection import columns, empties
from reactor.database.sqlite.compatibility import check_table
from reactor.database.sqlite.connection import Database
from reactor.errors import Failure
from reactor.models import Kind, Stage
from reactor.plan import Extraction, Fetch, Finish
from reactor.queue import Queue
from tests.database.sqlite.bot import query

NOW = 1_800_000_000.0
URL = "http://host.example/a"
TIMEOUT = Failure("timeout", "It took too long.")
PLAN = Extraction(
    kind=Kind.DIRECT, fetches=(Fetch(urls=(URL,), name="a", size=1),), finish=Finish(how="file", name="a")
)
PONY = """CREATE TABLE downloads (id INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, status TEXT NOT NULL,
    cancelled BOOLEAN NOT NULL, added_date DATETIME NOT NULL, title TEXT NOT NULL, error TEXT NOT NULL,
    error_code VARCHAR(40) NOT NULL, stage TEXT NOT NULL, url_type TEXT NOT NULL, file_path TEXT NOT NULL,
    eta_seconds INTEGER NOT NULL, retry_count INTEGER NOT NULL, progress REAL NOT NULL, download_speed REAL NOT NULL)"""
DEFAULTS = """CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'pending',
    error TEXT NOT NULL DEFAULT '', stage TEXT NOT NULL DEFAULT 'none, yet', finished_at TEXT NOT NULL DEFAULT '',
    started_at TEXT NOT NULL DEFAULT '', eta_seconds INTEGER NOT NULL DEFAULT -1)"""


def look(connection: sqlite3.Connection) -> Attempt:
    return downloads.poll(connection, commands.PollRows((), 1), "me", NOW).rows.claimed[0].attempt


@pytest.mark.parametrize("table", [PONY, DEFAULTS])
async def test_rows_go_through_in_each_way(path: Path, table: str) -> None:
    query(path, table)
    async with Queue(path) as queue, Database.open(path, check=check_table) as database:
        for way in ("downloaded", "failed", "waiting", "cancelled"):
            id = await queue.add(URL)
            attempt = await database.run(look)
            saves: list[commands.Save] = [
                commands.SaveStage(attempt, Stage.EXTRACTING),
                commands.SavePlan(attempt, PLAN),
            ]
            saves += [commands.SaveProgress((commands.ProgressOf(attempt, 5.0, 100, None, 10),))]
            assert await database.run(saving.apply, saves, NOW) == ()
            row = await queue.get(id)
            assert row is not None
            assert (row.stage, row.error, row.error_code, row.finished_at) == ("fetching", None, None, None)
            assert row.started_at is not None
            if way == "cancelled":
                assert await queue.cancel(id)
            ends: dict[str, commands.Save] = {
                "downloaded": commands.SaveDownloaded(attempt, "/a", 10, "A"),
                "failed": commands.SaveFailed(attempt, TIMEOUT),
                "waiting": commands.SaveWaiting(attempt, TIMEOUT, 1, 30.0),
                "cancelled": commands.SaveCancelled(attempt),
            }
            assert await database.run(saving.apply, [ends[way]], NOW) == ()
            row = await queue.get(id)
            assert row is not None
            assert row.status == ("pending" if way == "waiting" else way)
            assert row.error == ("It took too long." if way in ("failed", "waiting") else None)
            assert (row.finished_at is None) == (way == "waiting")
            if way in ("failed", "cancelled"):
                assert await queue.retry(id)
                row = await queue.get(id)
                assert row is not None
                assert (row.status, row.stage, row.error, row.finished_at) == ("pending", None, None, None)
            query(path, "UPDATE downloads SET status = 'sent' WHERE id = ?", id)


async def test_a_row_that_the_bot_has_cancelled_itself_is_swept_once(path: Path) -> None:
    query(path, DEFAULTS)
    async with Queue(path) as queue, Database.open(path) as database:
        id = await queue.add(URL)
        await database.run(look)
        query(path, "UPDATE downloads SET status = 'cancelled', stage = 'fetching' WHERE id = ?", id)
        swept = [(await database.run(downloads.poll, commands.PollRows((), 1), "me", NOW)).rows.swept for _ in range(2)]
        assert swept == [(id,), ()]
        assert query(path, "SELECT stage FROM downloads") == [("",)]


async def test_only_what_a_bot_can_read_stands_for_nothing(path: Path) -> None:
    query(
        path,
        """CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, title TEXT NOT NULL DEFAULT ('a' || 'b'),
        error VARCHAR(9) NOT NULL DEFAULT 'it''s fine', eta_seconds BIGINT NOT NULL,
        progress DOUBLE NOT NULL DEFAULT -1.5, attempt NUMERIC NOT NULL DEFAULT 'a',
        finished_at DATETIME NOT NULL, started_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, note TEXT NOT NULL)""",
    )
    async with Database.open(path) as database:
        assert await database.run(empties) == {
            "title": "''",
            "error": "''",
            "eta_seconds": "0",
            "progress": "-1.5",
            "attempt": "'a'",
        }
        assert "note" in await database.run(columns)
