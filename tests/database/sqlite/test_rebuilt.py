"""A bot that makes its table anew while it is open, as migrations do: create, copy, drop, rename."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import anyio
import pytest

from reactor.core import commands
from reactor.database.contract import GONE
from reactor.database.sql import downloads
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.compatibility import check_table
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.migration import contract
from reactor.errors import DatabaseError
from tests.database.sqlite.bot import opened, query

NOW = 1_800_000_000.0
COPY = (
    "CREATE TABLE anew (id INTEGER PRIMARY KEY, url TEXT, chat_id INTEGER)",
    "INSERT INTO anew (id, url) SELECT id, url FROM downloads",
)


def rebuild(path: Path, *, ours: bool) -> None:
    """With our columns, or without; each statement commits by itself, as pysqlite has it."""
    with opened(path) as bot:
        create, copy = COPY
        if ours:
            (create,) = bot.execute("SELECT sql FROM sqlite_master WHERE name = 'downloads'").fetchone()
            create = create.replace("downloads", "anew", 1).replace("url TEXT", "url TEXT, chat_id INTEGER", 1)
            names = ", ".join(row[1] for row in bot.execute("PRAGMA table_info(downloads)"))
            copy = f"INSERT INTO anew ({names}) SELECT {names} FROM downloads"
        for statement in (create, copy, "DROP TABLE downloads", "ALTER TABLE anew RENAME TO downloads"):
            bot.execute(statement)


def names(path: Path) -> set[str]:
    return {name.lower() for (name,) in query(path, "SELECT name FROM sqlite_master")}


async def look(database: Database, room: int = 1) -> list[int]:
    seen = await database.run(downloads.poll, commands.PollRows((), room), "me", NOW)
    return [row.attempt.download_id for row in seen.rows.claimed]


@pytest.mark.fault(12)
@pytest.mark.parametrize("ours", [True, False])
async def test_a_table_that_was_made_anew_is_fitted_again(path: Path, ours: bool) -> None:
    query(path, "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT)")
    async with Database.open(path) as database:
        query(path, "INSERT INTO downloads (url) VALUES ('a'), ('b')")
        instance = database.instance
        assert await look(database) == [1]
        rebuild(path, ours=ours)
        assert not contract().names <= names(path)
        # Without our columns nobody can tell that the first one was under way: it begins anew.
        assert await look(database, 2) == ([2] if ours else [1, 2])
        assert contract().names <= names(path)
        assert database.instance == instance
        assert "chat_id" in {row[1] for row in query(path, "PRAGMA table_info(downloads)")}


async def test_a_table_that_is_gone_for_a_moment_is_not_made(path: Path) -> None:
    """It would be in the way of the one that is about to get its name."""
    async with Database.open(path) as database:
        query(path, "ALTER TABLE downloads RENAME TO away")
        for _ in range(2):
            with pytest.raises(DatabaseError, match="no table") as gone:
                await look(database)
            assert gone.value.retryable
        query(path, "ALTER TABLE away RENAME TO downloads")
        query(path, "INSERT INTO downloads (url) VALUES ('a')")
        assert await look(database) == [1]


async def test_a_table_that_cannot_be_served_any_more_is_refused_until_it_can(path: Path) -> None:
    async with Database.open(path, check=check_table) as database:
        query(path, "CREATE UNIQUE INDEX titles ON downloads (title)")
        for _ in range(2):
            with pytest.raises(DatabaseError, match="`title` is UNIQUE"):
                await look(database)
        query(path, "DROP INDEX titles")
        assert await look(database) == []


async def test_what_others_change_in_the_schema_is_looked_at_once(path: Path) -> None:
    async with Database.open(path) as database:
        query(path, "CREATE TABLE other (x)")
        assert await look(database) == []
        with opened(path) as bot:
            bot.execute("BEGIN IMMEDIATE")
            assert await look(database) == [], "there is nothing to write"


async def test_a_table_that_goes_while_it_is_being_fitted_is_not_made_by_us(tmp_path: Path) -> None:
    path, dropping = tmp_path / "bot.db", False

    def drop(_: sqlite3.Connection) -> None:
        if dropping:
            query(path, "DROP TABLE downloads")

    async with Database.open(path, check=drop) as database:
        await look(database)
        query(path, COPY[0])
        dropping = True
        with pytest.raises(DatabaseError, match="no table") as gone:
            await look(database)
        assert (gone.value.code, gone.value.retryable) == (GONE, True)
        assert "downloads" not in names(path)
        dropping = False
        query(path, "ALTER TABLE anew RENAME TO downloads")
        await look(database)


async def test_one_that_is_told_of_commits_looks_at_the_schema_after_those_of_others_only(path: Path) -> None:
    """Also where nothing that is missing shows by itself: an index."""
    async with Database.open(path) as database:
        await database.data_version()
        database.told(True)
        await look(database)
        index = "reactor_ready"
        query(path, f"DROP INDEX {index}")
        await look(database)
        assert index not in names(path), "nobody has told of it yet"
        await database.data_version()
        await look(database)
        assert index in names(path)
        database.told(False)
        query(path, f"DROP INDEX {index}")
        await look(database)
        assert index in names(path), "nobody would tell"


async def test_a_feed_tells_of_commits(path: Path) -> None:
    index = "reactor_ready"
    async with Database.open(path) as database, ChangeFeed(database) as feed:
        query(path, f"DROP INDEX {index}")
        with anyio.fail_after(10):
            await anext(feed)
        await look(database)
        assert index in names(path)
