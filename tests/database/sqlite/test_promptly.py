"""Short transactions, which need no hop to the connection's thread."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.contract import GONE
from reactor.database.sql import saving
from reactor.database.sql.connection import transaction
from reactor.database.sqlite import connection
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.connection import CHECKPOINT_PAGES, PROMPT_ROWS, Database
from reactor.errors import DatabaseError
from reactor.models import Kind
from reactor.plan import Cookie, Extraction, Fetch, Finish
from tests.database.sqlite.bot import a_bot, query

NEVER_S = 3600.0
Result = TypeVar("Result")
PAGE = 4096


@pytest.fixture(autouse=True)
def nothing_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(connection, "SLOW_S", NEVER_S)


def insert(database: sqlite3.Connection, url: str = "u") -> threading.Thread:
    with transaction(database):
        database.execute("INSERT INTO downloads (url) VALUES (?)", (url,))
    return threading.current_thread()


def here(_: sqlite3.Connection) -> threading.Thread:
    return threading.current_thread()


async def alone(database: Database, function: Callable[[sqlite3.Connection], Result]) -> Result:
    """Have it done promptly, once the feed, which asks beside us, has its answer."""
    while database.writes is None:
        await anyio.lowlevel.checkpoint()
    return await database.promptly(function)


async def test_who_watches_the_file_has_it_done_at_once(path: Path) -> None:
    async with Database.open(path) as database:
        assert await database.promptly(insert) is not threading.current_thread(), "a bot's loop is the bot's"
        async with ChangeFeed(database, poll_interval=NEVER_S):
            await database.run(here)
            assert await alone(database, insert) is threading.current_thread()
            assert await database.run(here) is not threading.current_thread()
            assert await alone(database, insert) is threading.current_thread()
        assert await database.promptly(insert) is not threading.current_thread()
    assert query(path, "SELECT count(*) FROM downloads") == [(4,)]


async def test_where_each_commit_waits_for_the_disk_the_thread_does_it(path: Path) -> None:
    query(path, "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT)")
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S):
        assert database.journal_mode == "delete"
        await database.run(here)
        assert await database.promptly(insert) is not threading.current_thread()


@pytest.mark.fault(51)
async def test_a_lock_of_the_bots_is_not_waited_for_on_the_loop(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SLOW_S", 0.5)
    tried = list[threading.Thread]()

    def add(database: sqlite3.Connection) -> threading.Thread:
        tried.append(threading.current_thread())
        return insert(database)

    async with (
        Database.open(path) as database,
        ChangeFeed(database, poll_interval=NEVER_S),
        a_bot(path) as bot,
        anyio.create_task_group() as tasks,
    ):
        await database.run(here)
        await bot("BEGIN IMMEDIATE")
        tasks.start_soon(alone, database, add)
        until = time.monotonic() + 0.6
        while not {*tried} - {threading.current_thread()} or time.monotonic() < until:  # this goes on meanwhile
            await anyio.lowlevel.checkpoint()
        assert await bot("COMMIT") == "[]"
        while query(path, "SELECT count(*) FROM downloads") != [(1,)]:
            await anyio.lowlevel.checkpoint()
        assert await alone(database, here) is threading.current_thread(), "the loop was not held"
    assert tried[0] is threading.current_thread()
    assert query(path, "SELECT count(*) FROM downloads") == [(1,)]


async def test_what_is_under_way_in_the_thread_comes_first(path: Path) -> None:
    begun, free = threading.Event(), threading.Event()

    def slowly(database: sqlite3.Connection) -> None:
        begun.set()
        assert free.wait(60)
        insert(database, "first")

    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S):
        await database.run(here)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.run, slowly)
            await anyio.to_thread.run_sync(begun.wait, 60)
            tasks.start_soon(database.promptly, insert, "second")
            await anyio.lowlevel.checkpoint()
            free.set()
    assert query(path, "SELECT url FROM downloads ORDER BY id") == [("first",), ("second",)]


async def test_a_slow_disk_is_left_to_the_thread_for_a_while(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SLOW_S", 0.05)
    monkeypatch.setattr(connection, "SLOW_PAUSE_S", NEVER_S)

    def slowly(database: sqlite3.Connection) -> threading.Thread:
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            database.execute("SELECT 1").fetchall()
        return threading.current_thread()

    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S):
        await database.run(here)
        assert await alone(database, slowly) is threading.current_thread()
        assert await database.promptly(insert) is not threading.current_thread()


@pytest.mark.fault(12)
async def test_a_schema_that_others_have_changed_is_mended_first(path: Path) -> None:
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=0.05) as feed:
        await database.run(here)
        query(path, "DROP INDEX reactor_ready")
        assert await anext(feed)
        assert await database.promptly(insert) is not threading.current_thread()
        assert await alone(database, here) is threading.current_thread()
    assert query(path, "SELECT count(*) FROM sqlite_master WHERE name = 'reactor_ready'") == [(1,)]


@pytest.mark.parametrize("statement", ["INSERT INTO nowhere VALUES (1)", "INSERT INTO downloads (nothing) VALUES (1)"])
async def test_what_fails_is_told_as_in_the_thread(path: Path, statement: str) -> None:
    def fail(database: sqlite3.Connection) -> None:
        with transaction(database):
            database.execute("INSERT INTO downloads (url) VALUES ('lost')")
            database.execute(statement)

    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S):
        await database.run(here)
        with pytest.raises(DatabaseError, match=r"nowhere|nothing"):
            await database.promptly(fail)
        with pytest.raises(ZeroDivisionError):
            await database.promptly(lambda _: 1 / 0)
        assert await alone(database, insert) is threading.current_thread()
    assert query(path, "SELECT count(*) FROM downloads") == [(1,)]


@pytest.mark.fault(12)
async def test_nothing_is_written_into_a_file_that_is_gone(path: Path) -> None:
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S) as feed:
        await database.run(here)
        path.rename(path.with_name("away.db"))
        while await anext(feed) != "file":
            pass
        with pytest.raises(DatabaseError) as gone:
            await database.promptly(insert)
        assert gone.value.code == GONE
        path.with_name("away.db").rename(path)


async def test_the_wal_does_not_grow_for_ever(path: Path) -> None:
    def some(database: sqlite3.Connection) -> threading.Thread:
        with transaction(database):
            database.executemany("INSERT INTO downloads (url) VALUES (?)", [("u" * 4000,)] * 20)
        return threading.current_thread()

    where = list[bool]()
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S):
        await database.run(here)
        for _ in range(200):
            where.append(await alone(database, some) is threading.current_thread())
        wal = path.with_name(f"{path.name}-wal").stat().st_size
    written = 200 * 20 * 4000
    assert written > 2 * wal, "of which most was checkpointed long ago"
    assert wal < (CHECKPOINT_PAGES + 4 * PROMPT_ROWS) * PAGE
    assert where.count(False) < 20


EXTRACTION = Extraction(
    kind=Kind.DIRECT,
    fetches=(Fetch(name="a", urls=("http://host.example/a",)),),
    finish=Finish(how="file", name="a"),
)
ONE = Attempt(1, 1)
JAR = tuple(Cookie(name=f"n{n}", value="v" * 4000, domain="host.example") for n in range(20))


@pytest.mark.parametrize(
    ("save", "brief"),
    [
        (commands.SavePlan(ONE, EXTRACTION), True),
        (commands.SavePlan(ONE, EXTRACTION.model_copy(update={"fetches": EXTRACTION.fetches * 100})), False),
        (commands.SavePlan(ONE, EXTRACTION.model_copy(update={"cookies": JAR})), False),
        (commands.SaveProgress((commands.ProgressOf(ONE, 1.0, 1, 1, 1, done=frozenset(range(20_000))),)), False),
        (commands.SaveProgress((commands.ProgressOf(ONE, 1.0, 1, 1, 1),)), True),
        (commands.SaveEntries(ONE, (), 100), False),
        (commands.SaveDownloaded(ONE, "a", 1, None), True),
    ],
)
def test_what_is_long_is_known(save: commands.Save, brief: bool) -> None:
    assert saving.is_brief([save]) is brief
    assert not saving.is_brief([save] * 100)
