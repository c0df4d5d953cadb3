"""What a bot's statements do to a table that is attached, and what becomes of it when the bot rebuilds that table."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.events import SaveRejected
from reactor.core.job import Attempt
from reactor.database import engine
from reactor.database.contract import RETRY_MAX_S
from reactor.database.mirror import Mirror, MirrorMended, MirrorTrouble, read_words
from reactor.database.sql import downloads, saving
from reactor.database.sqlite import mirrors
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.migration import migrate
from reactor.database.sqlite.mirror_checks import checked
from reactor.database.store import Store
from reactor.errors import DatabaseError, Failure
from reactor.lists import Entry
from reactor.models import Kind, Stage
from tests.database.sqlite.bot import a_bot, opened, query
from tests.database.sqlite.test_changes import NEVER_S, ring
from tests.tools import sqlite3_program

NOW = 1_800_000_000.0
WORDS = "queued=pending,new=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled"
JOBS = """CREATE TABLE jobs (id TEXT PRIMARY KEY, url TEXT, status TEXT DEFAULT 'queued', user INTEGER, path TEXT,
    note TEXT, wishes TEXT, percent INTEGER)"""
MIRROR = Mirror(
    table="jobs",
    url="url",
    status=("status",),
    words=read_words([WORDS], 1),
    read={"owner": "user", "options": "wishes"},
    written={"file_path": "path"},
)
BROKEN = Failure("timeout", "The server stopped answering.")


@asynccontextmanager
async def attached(path: Path, mirror: Mirror = MIRROR, *schema: str) -> AsyncIterator[Store]:
    """The table, attached and served."""
    for statement in schema or (JOBS,):
        query(path, statement)
    await engine.attach(path, mirror)
    async with engine.open_store(path, owner="me") as store:
        yield store


async def claim(store: Store, room: int = 9) -> list[Attempt]:
    return [row.attempt for row in (await store.poll(commands.PollRows((), room), NOW, RETRY_MAX_S)).rows.claimed]


async def watched(store: Store, *attempts: Attempt) -> list[tuple[str, bool]]:
    """What a poll sees of rows under way."""
    ids = tuple(each.download_id for each in attempts)
    polled = await store.poll(commands.PollRows(ids, 0), NOW, RETRY_MAX_S)
    return [(row.status, row.cancelled) for row in polled.rows.watched]


def states(path: Path) -> list[tuple[Any, ...]]:
    return query(path, "SELECT id, status FROM jobs ORDER BY id")


def mirrored(path: Path) -> list[tuple[Any, ...]]:
    return query(path, "SELECT mirror_jobs, status, url FROM downloads ORDER BY id")


def rebuild(path: Path, create: str = JOBS, names: str = "*", *, rename: bool = True) -> None:
    """As migrations do, each statement by itself: create, copy, drop, rename."""
    with opened(path) as bot:
        bot.execute(create.replace("TABLE jobs", "TABLE anew", 1))
        bot.execute(f"INSERT INTO anew SELECT {names} FROM jobs")
        bot.execute("DROP TABLE jobs")
        if rename:
            bot.execute("ALTER TABLE anew RENAME TO jobs")


async def test_what_does_not_wait_is_not_taken(path: Path) -> None:
    query(path, JOBS)
    insert = "INSERT INTO jobs (id, url, status) VALUES "
    query(path, f"{insert} ('a', 'u', 'done'), ('b', 'u', 'archived'), ('c', NULL, 'new')")
    query(path, f"{insert} ('d', 'v', 'running'), ('e', 'w', 'queued'), (NULL, 'x', 'new')")
    found = await engine.attach(path, MIRROR)
    assert (found.taken, found.strangers) == (2, (("archived", 1),))
    assert mirrored(path) == [("d", "pending", "v"), ("e", "pending", "w")]
    query(path, "UPDATE jobs SET url = 'y' WHERE id = 'c'")
    query(path, "UPDATE jobs SET status = 'queued' WHERE id = 'a'")
    assert mirrored(path)[2:] == [("c", "pending", "y"), ("a", "pending", "u")]


async def test_an_owner_and_options_are_those_of_the_bots_row_while_it_waits(path: Path) -> None:
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url, user, wishes) VALUES ('a', 'u', 42, '{\"quality\": 720}')")
        query(path, "UPDATE jobs SET url = 'v', user = 43, wishes = NULL WHERE id = 'a'")
        assert query(path, "SELECT url, owner, options FROM downloads") == [("v", "43", None)]
        await claim(store)
        query(path, "UPDATE jobs SET url = 'w', wishes = '{}' WHERE id = 'a'")
        assert query(path, "SELECT url, options FROM downloads") == [("v", None)], "it is under way"


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


async def test_a_row_that_an_orm_saves_whole_and_late_changes_nothing(path: Path) -> None:
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url, user) VALUES ('a', 'u', 1)")
        whole = "UPDATE jobs SET url = 'u', status = ?, user = 1, path = NULL, note = 'x', wishes = NULL WHERE id = 'a'"
        (attempt,) = await claim(store)
        for word in ("running", "queued", "running"):
            query(path, whole, word)
            assert await watched(store, attempt) == [("downloading", False)]
        assert await store.save([commands.SaveDownloaded(attempt, "/d/u", 1, None)], NOW) == ()
        assert query(path, "SELECT status, path FROM jobs") == [("done", "/d/u")]


async def test_a_bot_that_goes_its_own_way(path: Path) -> None:
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'u'), ('c', 'u'), ('d', 'u')")
        first, second, third = await claim(store, 3)
        assert await store.save([commands.SaveDownloaded(first, "/d/u", 1, None)], NOW) == ()
        query(path, "UPDATE jobs SET status = 'uploading' WHERE id = 'a'")
        query(path, "UPDATE jobs SET status = 'uploaded' WHERE id = 'a'")
        query(path, "UPDATE jobs SET status = 'held' WHERE id IN ('b', 'd')")
        query(path, "UPDATE jobs SET status = 'failed' WHERE id = 'c'")
        assert await watched(store, second, third) == [], "these are the bot's again"
        assert await claim(store) == []
        assert [word for _, word in states(path)] == ["uploaded", "held", "failed", "held"]
        query(path, "UPDATE jobs SET status = 'queued' WHERE id = 'b'")
        assert len(await claim(store)) == 1


async def test_asked_for_again_while_it_is_being_stopped(path: Path) -> None:
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'u')")
        (first,) = await claim(store, 1)
        query(path, "UPDATE jobs SET status = 'stopped'")
        assert await watched(store, first) == [("downloading", True)]
        query(path, "UPDATE jobs SET status = 'queued'")
        assert await store.save([commands.SaveCancelled(first)], NOW) == ()
        assert states(path) == [("a", "queued"), ("b", "queued")]
        assert len({each.download_id for each in await claim(store)} - {first.download_id}) == 2
        assert states(path) == [("a", "running"), ("b", "running")]


async def test_a_flag_that_stops(path: Path) -> None:
    schema = "CREATE TABLE jobs (id INTEGER PRIMARY KEY, url TEXT, status TEXT DEFAULT 'queued', cancelled_at TEXT)"
    words = read_words(["queued=pending,running=downloading,done=downloaded,failed=failed"], 1)
    mirror = Mirror("jobs", "url", ("status",), words, read={"cancelled": "cancelled_at"})
    async with attached(path, mirror, schema) as store:
        query(path, "INSERT INTO jobs (url) VALUES ('a'), ('b'), ('c')")
        (first,) = await claim(store, 1)
        query(path, "UPDATE jobs SET cancelled_at = '2027-01-15 08:00:00' WHERE id < 3")
        assert await watched(store, first) == [("downloading", True)]
        assert [status for _, status, _ in mirrored(path)] == ["downloading", "cancelled", "pending"]
        query(path, "UPDATE jobs SET cancelled_at = NULL WHERE id = 1")
        assert await watched(store, first) == [("downloading", False)]
        query(path, "UPDATE jobs SET cancelled_at = 'yes' WHERE id = 3")
        query(path, "UPDATE jobs SET cancelled_at = NULL WHERE id = 2")
        assert len(await claim(store)) == 1


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


async def test_a_key_that_changes(path: Path) -> None:
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u')")
        (attempt,) = await claim(store)
        query(path, "UPDATE jobs SET id = 'b'")
        assert await store.save([commands.SaveFailed(attempt, BROKEN)], NOW) == ()
        assert states(path) == [("b", "failed")]


async def test_a_row_that_was_replaced_by_one_of_another_key(path: Path) -> None:
    """INSERT OR REPLACE tells no trigger of the row that went."""
    async with attached(path, MIRROR, JOBS.replace("url TEXT", "url TEXT UNIQUE")) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'v')")
        (first,) = await claim(store, 1)
        query(path, "INSERT OR REPLACE INTO jobs (id, url) VALUES ('c', 'u'), ('d', 'v')")
        assert await watched(store, first) == []
        orphan, *others = await claim(store)
        assert await watched(store, orphan, *others) == [("downloading", True)] + 2 * [("downloading", False)]


async def test_entries_of_a_list_are_no_rows_of_the_bots(path: Path) -> None:
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u')")
        (attempt,) = await claim(store)
        entries = tuple(Entry(key=f"{n}", url=f"http://host.example/{n}", position=n) for n in (1, 2, 3))
        assert await store.save([commands.SaveEntries(attempt, entries, 9)], NOW) == ()
        assert await store.save([commands.SaveListed(attempt, Kind.YTDLP, "A list", 3)], NOW) == ()
        assert [key for key, *_ in mirrored(path)] == ["a", None, None, None]


async def test_two_tables_at_once(path: Path) -> None:
    query(path, JOBS)
    query(path, JOBS.replace("TABLE jobs", 'TABLE "Jobs!"'))
    other = Mirror("Jobs!", "url", ("status",), MIRROR.words)
    assert (await engine.attach(path, MIRROR)).mirror.links == ("mirror_jobs",)
    assert (await engine.attach(path, other)).mirror.links == ("mirror_jobs2",)
    async with engine.open_store(path, owner="me") as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u')")
        query(path, "INSERT INTO \"Jobs!\" (id, url) VALUES ('a', 'v')")
        first, second = await claim(store)
        assert await store.save([commands.SaveFailed(second, BROKEN)], NOW) == ()
        assert states(path) == [("a", "running")]
        assert query(path, 'SELECT status FROM "Jobs!"') == [("failed",)]
        await engine.detach(path, "JOBS")
        assert await watched(store, first) == []
        query(path, "UPDATE \"Jobs!\" SET status = 'queued'")
        assert len(await claim(store)) == 1


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


async def test_a_table_that_was_made_anew_is_attached_again(path: Path) -> None:
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'u'), ('c', 'u')")
        first, second = await claim(store, 2)
        rebuild(path)
        query(path, "INSERT INTO jobs (id, url) VALUES ('d', 'v')")
        query(path, "UPDATE jobs SET status = 'stopped' WHERE id = 'b'")
        assert [each.download_id for each in await claim(store)] == [3, 4]
        assert (await store.unserved()).mended == (MirrorMended("jobs", 1),)
        assert (await store.unserved()).mended == ()
        assert await watched(store, first, second) == [("downloading", False), ("downloading", True)]
        assert await store.save([commands.SaveDownloaded(first, "/d/u", 1, None)], NOW) == ()
        query(path, "INSERT INTO jobs (id, url) VALUES ('e', 'v')")
        assert len(await claim(store)) == 1
        assert [word for _, word in states(path)] == ["done", "stopped", "running", "running", "running"]


async def test_what_ends_while_the_table_is_away_is_told_later(path: Path) -> None:
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'u')")
        first, second = await claim(store)
        rebuild(path, rename=False)
        done, failed = commands.SaveDownloaded(first, "/d/u", 1, None), commands.SaveFailed(second, BROKEN)
        assert await store.save([done, failed], NOW) == ()
        assert (await store.unserved()).mirrors == (MirrorTrouble("jobs", "there is no table `jobs` any more"),)
        query(path, "ALTER TABLE anew RENAME TO jobs")
        assert await claim(store) == []
        assert query(path, "SELECT status, path FROM jobs ORDER BY id") == [("done", "/d/u"), ("failed", None)]
        assert (await store.unserved()).mirrors == ()


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


async def test_attaching_again_mends_it_too(path: Path) -> None:
    query(path, JOBS)
    await engine.attach(path, MIRROR)
    query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'u')")
    with pytest.raises(DatabaseError, match="attached already"):
        await engine.attach(path, MIRROR)
    rebuild(path)
    query(path, "INSERT INTO jobs (id, url) VALUES ('c', 'v')")
    query(path, "DELETE FROM jobs WHERE id = 'b'")
    again = await engine.attach(path, MIRROR)
    assert (again.mended, again.taken) == (True, 1)
    assert mirrored(path) == [("a", "pending", "u"), ("c", "pending", "v")]


async def test_a_bot_may_rename_other_tables_meanwhile(path: Path) -> None:
    """SQLite refuses that while any trigger in the schema names a table that is not there."""
    async with attached(path, MIRROR, JOBS, "CREATE TABLE other (a, b)"):
        sqlite3_program(
            path, "ALTER TABLE jobs RENAME TO jobs_old; DROP TABLE jobs_old; ALTER TABLE other RENAME TO o;"
        )


async def test_a_reactor_that_was_off_while_the_table_was_made_anew(path: Path) -> None:
    async with attached(path) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'u')")
        first, second = await claim(store)
        assert await store.save([commands.SaveFailed(first, BROKEN)], NOW) == ()
    rebuild(path)
    query(path, "UPDATE jobs SET status = 'queued' WHERE id = 'a'")
    query(path, "UPDATE jobs SET status = 'archived' WHERE id = 'b'")
    async with engine.open_store(path, owner="me") as store:
        (again,) = await claim(store)
        assert again.download_id == first.download_id
        assert await watched(store, second) == []


async def test_constraints_of_the_bots_end_a_row_and_no_other(path: Path) -> None:
    schema = JOBS.replace("path TEXT", "path TEXT CHECK (path NOT LIKE '%odd%')")
    async with attached(path, MIRROR, schema) as store:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u'), ('b', 'u')")
        first, second = await claim(store)
        ended = [commands.SaveDownloaded(first, "/d/odd", 1, None), commands.SaveDownloaded(second, "/d/u", 1, None)]
        (rejected,) = await store.save(ended, NOW)
        assert isinstance(rejected, SaveRejected)
        assert (rejected.attempt, rejected.failure.code) == (first, "constraint")
        assert await store.save([commands.SaveFailed(first, rejected.failure)], NOW) == ()
        assert states(path) == [("a", "failed"), ("b", "done")]


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


async def test_what_the_page_and_the_command_line_do_is_told_too(path: Path) -> None:
    async with attached(path) as store, engine.open_table(path) as table:
        query(path, "INSERT INTO jobs (id, url) VALUES ('a', 'u')")
        (attempt,) = await claim(store)
        assert await table.cancel(attempt.download_id)
        assert await store.save([commands.SaveCancelled(attempt)], NOW) == ()
        assert states(path) == [("a", "stopped")]
        assert await table.retry(attempt.download_id)
        assert states(path) == [("a", "queued")]
        assert await table.remove(attempt.download_id)
        assert states(path) == [("a", "queued")]
        query(path, "UPDATE jobs SET status = 'held'")
        query(path, "UPDATE jobs SET status = 'new'")
        assert len(await claim(store)) == 1
