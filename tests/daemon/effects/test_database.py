"""The database's side of the hands: who is answered when another file takes the database's place."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import aclosing
from pathlib import Path
from typing import cast

import anyio
import pytest

from reactor.core import commands, events
from reactor.daemon.effects.database import Outcome, open_rows
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.store import SqliteStore
from reactor.files.staging import Staging
from reactor.journal.journal import Journal
from reactor.settings import Settings
from tests.database.sqlite.bot import DEADLINE_S, query

INSERT = "INSERT INTO downloads (url) VALUES ('http://host.example/a')"


async def one_row(path: Path) -> None:
    """A bot's own database, with its rollback journal: nothing but the file itself is to be replaced."""
    query(path, "CREATE TABLE users (id INTEGER PRIMARY KEY)")
    async with Database.open(path) as database:
        await database.run(lambda sqlite: sqlite.execute(INSERT).close())


async def of(work: Outcome) -> list[events.Event]:
    async with aclosing(work):
        return [event async for event in work]


async def silence(_: events.Event) -> None:
    pass


@pytest.mark.fault(6)
async def test_what_was_asked_of_one_database_is_neither_answered_nor_done_by_the_next(tmp_path: Path) -> None:
    path, other = tmp_path / "bot.db", tmp_path / "other.db"
    await one_row(path)
    await one_row(other)
    staging = Staging(tmp_path)
    begun, go_on = threading.Event(), threading.Event()
    heard: list[list[events.Event]] = []

    def slow(_: sqlite3.Connection) -> None:
        begun.set()
        assert go_on.wait(DEADLINE_S)

    async def listen(work: Outcome) -> None:
        heard.append(await of(work))

    async with open_rows(Settings.load(download_db=path), staging, Journal([], now=lambda: 0.0), silence) as rows:
        (first,) = await of(rows.recover(commands.Recover(1)))
        assert isinstance(first, events.Recovered)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cast(SqliteStore, rows.store)._database.run, slow)
            tasks.start_soon(listen, rows.recover(commands.Recover(1)))
            tasks.start_soon(listen, rows.poll(commands.PollRows((), 1, (), 1)))
            before = rows.store
            with anyio.fail_after(DEADLINE_S):
                while not begun.is_set():
                    await anyio.sleep(0.001)
                other.replace(path)
                tasks.start_soon(lambda: rows.open(create=False))
                while rows.store is before:
                    await anyio.sleep(0.001)
            go_on.set()
        assert heard == [[], []], "they were on their way in the old one"
        assert not await of(rows.poll(commands.PollRows((), 1, (), 1)))
        assert not await of(rows.recover(commands.Recover(1)))
        assert query(path, "SELECT status FROM downloads") == [("pending",)]
        assert staging.instance == first.instance
        (second,) = await of(rows.recover(commands.Recover(2)))
        assert isinstance(second, events.Recovered)
        assert staging.instance == second.instance != first.instance
        (seen,) = await of(rows.poll(commands.PollRows((), 1, (), 2)))
        assert isinstance(seen, events.RowsPolled)
        assert [row.attempt.download_id for row in seen.claimed] == [1]
