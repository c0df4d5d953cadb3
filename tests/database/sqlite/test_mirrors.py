"""What is SQLite's own of a table that is attached; see tests/database/contract/test_mirrors.py for the rest."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reactor.core import commands
from reactor.database import engine
from reactor.database.mirror import Mirror, MirrorTrouble, read_words
from reactor.database.sql import downloads, saving
from reactor.database.sqlite import mirrors
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.migration import migrate
from reactor.database.sqlite.mirror_checks import checked
from reactor.database.store import Store
from reactor.errors import DatabaseError
from reactor.models import Stage
from tests.database.mirrors import BROKEN, JOBS, MIRROR, NOW, WORDS, claim, watched
from tests.database.sqlite.bot import a_bot, opened, query
from tests.database.sqlite.test_changes import NEVER_S, ring
from tests.tools import sqlite3_program


@asynccontextmanager
async def attached(path: Path, mirror: Mirror = MIRROR, *schema: str) -> AsyncIterator[Store]:
    """The table, attached and served."""
    for statement in schema or (JOBS,):
        query(path, statement)
    await engine.attach(path, mirror)
    async with engine.open_store(path, owner="me") as store:
        yield store


def states(path: Path) -> list[tuple[Any, ...]]:
    return query(path, "SELECT id, status FROM jobs ORDER BY id")


def mirrored(path: Path) -> list[tuple[Any, ...]]:
    return query(path, "SELECT mirror_jobs, status, url FROM downloads ORDER BY id")


def rebuild(path: Path, create: str = JOBS, names: str = "*") -> None:
    """As migrations do, each statement by itself: create, copy, drop, rename."""
    with opened(path) as bot:
        bot.execute(create.replace("TABLE jobs", "TABLE anew", 1))
        bot.execute(f"INSERT INTO anew SELECT {names} FROM jobs")
        bot.execute("DROP TABLE jobs")
        bot.execute("ALTER TABLE anew RENAME TO jobs")


async def test_a_row_without_a_key_is_none(path: Path) -> None:
    """In SQLite a PRIMARY KEY may be NULL."""
    query(path, JOBS)
    query(path, "INSERT INTO jobs (id, url) VALUES (NULL, 'x'), ('a', 'u')")
    assert (await engine.attach(path, MIRROR)).taken == 1
    query(path, "INSERT INTO jobs (id, url) VALUES (NULL, 'y')")
    assert mirrored(path) == [("a", "pending", "u")]


@pytest.mark.parametrize("recursive", [False, True])
async def test_a_row_that_is_replaced(path: Path, recursive: bool) -> None:
    async with attached(path) as store:
        with opened(path) as bot:
            bot.execute(f"PRAGMA recursive_triggers = {recursive:d}")
            replace = "INSERT OR REPLACE INTO jobs (id, url, status) VALUES ('a', ?, ?)"
            bot.execute(replace, ("u", "queued"))
            bot.execute(replace, ("v", "new"))
            assert mirrored(path) == [("a", "pending", "v")]
            assert states(path) == [("a", "new")], "its own word for the same stays"
            (first,) = await claim(store)
            bot.execute(replace, ("v", "running"))
            assert len(mirrored(path)) == 1
            if not recursive:  # else SQLite says that it was deleted
                assert await watched(store, first) == [("downloading", False)]
            bot.execute(replace, ("w", "queued"))
            assert mirrored(path) == [("a", "pending", "w")]
            assert await watched(store, first) in ([], [("pending", False)])
            (second,) = await claim(store)
            assert await store.save([commands.SaveDownloaded(second, "/d/w", 1, None)], NOW) == ()
            bot.execute(replace, ("w", "queued"))
            assert mirrored(path) == [("a", "pending", "w")]


async def test_upserts_and_updates_of_many_rows(path: Path) -> None:
    async with attached(path) as store:
        with opened(path) as bot:
            many = [(f"{number:03}", f"u{number}") for number in range(200)]
            upsert = "INSERT INTO jobs (id, url) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET url = excluded.url"
            bot.executemany(upsert, many)
            bot.executemany(upsert, [(id, f"{url}x") for id, url in many[:100]])
            assert [url for *_, url in mirrored(path)] == [f"{u}x" for _, u in many[:100]] + [u for _, u in many[100:]]
            bot.execute("INSERT OR IGNORE INTO jobs (id, url) VALUES ('000', 'other')")
            bot.execute("UPDATE jobs SET status = 'stopped' WHERE id >= '100'")
            assert len(await claim(store, 300)) == 100
            bot.execute("UPDATE jobs SET status = 'queued' WHERE id >= '150'")
            assert len(await claim(store, 300)) == 50
            bot.execute("DELETE FROM jobs")
            assert mirrored(path) == []


async def test_a_rollback_leaves_nothing(path: Path) -> None:
    async with attached(path) as store:
        with opened(path) as bot:
            bot.execute("BEGIN")
            bot.execute("INSERT INTO jobs (id, url) VALUES ('a', 'u')")
            assert bot.execute("SELECT last_insert_rowid() = (SELECT rowid FROM jobs), changes()").fetchone() == (1, 1)
            bot.execute("ROLLBACK")
        assert await claim(store) == []


async def test_a_question_by_the_bots_own_word(path: Path) -> None:
    mirror = Mirror("jobs", "url", ("status",), read_words([f"{WORDS},asks=choosing"], 1), {"options": "wishes"})
    async with attached(path, mirror):
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u')")
        async with engine.open_table(path) as table:
            assert await table.count() == 1
        with opened(path) as connection:
            migrate(connection)
            mirrors.install(connection)
            connection.execute("UPDATE downloads SET status = 'choosing', choices = '{}', next_attempt_at = 1e12")
        assert states(path) == [("a", "asks")]
        query(path, "UPDATE jobs SET status = 'queued', wishes = '{\"quality\": 720}'")
        assert query(path, "SELECT status, choices, options FROM downloads") == [("pending", None, '{"quality": 720}')]


async def test_a_row_that_was_replaced_by_one_of_another_key(path: Path) -> None:
    """INSERT OR REPLACE tells no trigger of the row that went."""
    async with attached(path, MIRROR, JOBS.replace("url text", "url text UNIQUE")) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'v')")
        (first,) = await claim(store, 1)
        query(path, "INSERT OR REPLACE INTO jobs (id, url) VALUES ('c', 'u'), ('d', 'v')")
        assert await watched(store, first) == []
        orphan, *others = await claim(store)
        assert await watched(store, orphan, *others) == [("downloading", True)] + 2 * [("downloading", False)]


# What it costs


def test_progress_that_nobody_mapped_is_not_written_twice(table: sqlite3.Connection) -> None:
    table.execute(JOBS)
    costs = {}
    for name, written in {"none": None, "path": {"file_path": "path"}, "percent": {"progress": "percent"}}.items():
        table.execute("DELETE FROM jobs")
        if written is not None:
            mirrors.attach(table, checked(table, Mirror("jobs", "url", ("status",), MIRROR.words, {}, written)))
            table.execute("INSERT INTO jobs (id, url) VALUES ('a', 'u')")
        else:
            table.execute("INSERT INTO downloads (url) VALUES ('u')")
        (row,) = downloads.poll(table, commands.PollRows((), 1), "me", NOW).rows.claimed
        saving.apply(table, [commands.SaveProgress((commands.ProgressOf(row.attempt, 0.1, 1, 1, 1000),))], NOW)
        before = table.total_changes
        for step in range(1, 31):
            progress = commands.ProgressOf(row.attempt, step / 10, 1_000_000, 7, 1000)
            saving.apply(table, [commands.SaveProgress((progress,))], NOW)
        costs[name] = table.total_changes - before
        if written is not None:
            mirrors.detach(table, "jobs")
        table.execute("DELETE FROM downloads")
    assert costs == {"none": 30, "path": 30, "percent": 33}, "of a whole number there are three steps up to 3 %"


async def test_a_row_in_the_bots_table_is_noticed_without_the_poll(path: Path) -> None:
    query(path, JOBS)
    await engine.attach(path, MIRROR)
    async with (
        Database.open(path) as database,
        ChangeFeed(database, poll_interval=NEVER_S) as feed,
        a_bot(path) as bot,
    ):
        for number in range(1, 6):
            assert await bot(f"INSERT INTO jobs (id, url) VALUES ('{number}', 'u')") == "[]"
            while len(query(path, "SELECT 1 FROM downloads WHERE status = 'downloading'")) < number:
                assert await ring(feed) == "file"
                await database.run(downloads.poll, commands.PollRows((), 1), "me", NOW)
        assert "poll" not in feed.statistics().rings


# A table that is made anew


async def test_a_table_that_goes_in_the_midst_of_a_save(path: Path) -> None:
    query(path, JOBS)
    await engine.attach(path, MIRROR)
    query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u')")
    async with Database.open(path) as database:
        seen = await database.run(downloads.poll, commands.PollRows((), 1), "me", NOW)
        gone = False

        def save(connection: sqlite3.Connection) -> object:
            nonlocal gone
            if not gone:
                gone = True
                query(path, "DROP TABLE jobs")
            return saving.apply(connection, [commands.SaveFailed(seen.rows.claimed[0].attempt, BROKEN)], NOW)

        assert await database.run(save) == ()
    assert mirrored(path) == [("a", "failed", "u")]


async def test_a_column_that_a_migration_takes_away_is_said(path: Path) -> None:
    async with attached(path) as store:
        rebuild(path, JOBS.replace(" status ", " state "))
        assert (await store.unserved()).mirrors == (MirrorTrouble("jobs", "its column `status` is gone"),)
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u')")
        assert await claim(store) == []
        with pytest.raises(DatabaseError, match="has no column `status`"):
            await engine.attach(path, MIRROR)
        with pytest.raises(DatabaseError, match="attached already, in another way"):
            await engine.attach(path, Mirror("jobs", "url", ("state",), MIRROR.words))
        await engine.detach(path, "jobs")
        assert (await engine.attach(path, Mirror("jobs", "url", ("state",), MIRROR.words))).taken == 1
        assert len(await claim(store)) == 1


async def test_a_bot_may_rename_other_tables_meanwhile(path: Path) -> None:
    """SQLite refuses that while any trigger in the schema names a table that is not there."""
    async with attached(path, MIRROR, JOBS, "CREATE TABLE other (a, b)"):
        sqlite3_program(
            path, "ALTER TABLE jobs RENAME TO jobs_old; DROP TABLE jobs_old; ALTER TABLE other RENAME TO o;"
        )


def test_a_stage_is_not_told(table: sqlite3.Connection) -> None:
    table.execute(JOBS)
    mirrors.attach(table, checked(table, MIRROR))
    table.execute("INSERT INTO jobs (id, url) VALUES ('a', 'u')")
    (row,) = downloads.poll(table, commands.PollRows((), 1), "me", NOW).rows.claimed
    before = table.total_changes
    saving.apply(table, [commands.SaveStage(row.attempt, Stage.EXTRACTING, None)], NOW)
    assert table.total_changes - before == 1


async def test_a_table_that_is_put_aside_and_filled_again(path: Path) -> None:
    """Some rename the old table first. For a moment the new one is empty, and reactor looks just then."""
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'v'), ('c', 'w')")
        (first,) = await claim(store, 1)
        query(path, "ALTER TABLE jobs RENAME TO jobs_old")
        query(path, JOBS)
        (second,) = await claim(store, 1)
        assert await watched(store, first, second) == [("downloading", False), ("downloading", True)]
        query(path, "INSERT INTO jobs SELECT * FROM jobs_old")
        query(path, "DROP TABLE jobs_old")
        assert await store.save([commands.SaveCancelled(second)], NOW) == ()
        assert len(await claim(store)) == 2
        assert await store.save([commands.SaveDownloaded(first, "/d/u", 1, None)], NOW) == ()
        assert states(path) == [("a", "done"), ("b", "running"), ("c", "running")]
        assert (await store.unserved()).mirrors == ()
