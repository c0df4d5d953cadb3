"""What a bot's statements do to a table that is attached, and what becomes of it when the bot makes that table anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.events import SaveRejected
from reactor.core.job import Attempt
from reactor.database.engine import attach, detach
from reactor.database.mirror import Mirror, MirrorMended, MirrorTrouble, read_words
from reactor.database.store import Store
from reactor.errors import DatabaseError
from reactor.lists import Entry
from reactor.models import Kind
from tests.database.contract.engines import Engine
from tests.database.mirrors import BROKEN, JOBS, MIRROR, NOW, claim, watched


@asynccontextmanager
async def attached(engine: Engine, mirror: Mirror = MIRROR, schema: str = JOBS) -> AsyncIterator[Store]:
    """The table, attached and served."""
    engine.sql(schema)
    await attach(engine.place, mirror)
    async with engine.open_store() as store:
        yield store


def add(engine: Engine, *keys: str) -> None:
    for key in keys:
        engine.sql("INSERT INTO jobs (id, url) VALUES (?, 'u')", key)


def states(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.sql("SELECT id, status FROM jobs ORDER BY id")


def mirrored(engine: Engine) -> list[tuple[Any, ...]]:
    return engine.sql("SELECT mirror_jobs, status, url FROM downloads ORDER BY id")


def rebuild(engine: Engine, *, rename: bool = True) -> None:
    """As migrations do, each statement by itself: create, copy, drop, rename."""
    engine.sql(JOBS.replace("TABLE jobs", "TABLE anew"))
    engine.sql("INSERT INTO anew SELECT * FROM jobs")
    engine.sql("DROP TABLE jobs")
    if rename:
        engine.sql("ALTER TABLE anew RENAME TO jobs")


def done(attempt: Attempt) -> commands.SaveDownloaded:
    return commands.SaveDownloaded(attempt, "/d/u", 1, None)


async def test_what_does_not_wait_is_not_taken(engine: Engine) -> None:
    engine.sql(JOBS)
    insert = "INSERT INTO jobs (id, url, status) VALUES "
    engine.sql(f"{insert} ('a', 'u', 'done'), ('b', 'u', 'archived'), ('c', NULL, 'new')")
    engine.sql(f"{insert} ('d', 'v', 'running'), ('e', 'w', 'queued')")
    found = await attach(engine.place, MIRROR)
    assert (found.taken, found.strangers) == (2, (("archived", 1),))
    assert mirrored(engine) == [("d", "pending", "v"), ("e", "pending", "w")]
    engine.sql("UPDATE jobs SET url = 'y' WHERE id = 'c'")
    engine.sql("UPDATE jobs SET status = 'queued' WHERE id = 'a'")
    assert mirrored(engine)[2:] == [("c", "pending", "y"), ("a", "pending", "u")]


async def test_an_owner_and_options_are_those_of_the_bots_row_while_it_waits(engine: Engine) -> None:
    async with attached(engine) as store:
        wishes = '{"quality": 720}'
        engine.sql("INSERT INTO jobs (id, url, \"user\", wishes) VALUES ('a', 'u', 42, ?)", wishes)
        assert engine.sql("SELECT url, owner, options FROM downloads") == [("u", "42", wishes)]
        engine.sql("UPDATE jobs SET url = 'v', \"user\" = 43, wishes = NULL WHERE id = 'a'")
        assert engine.sql("SELECT url, owner, options FROM downloads") == [("v", "43", None)]
        await claim(store)
        engine.sql("UPDATE jobs SET url = 'w', wishes = '{}' WHERE id = 'a'")
        assert engine.sql("SELECT url, options FROM downloads") == [("v", None)], "it is under way"


async def test_a_bot_that_goes_its_own_way(engine: Engine) -> None:
    async with attached(engine) as store:
        add(engine, "a", "b", "c", "d")
        first, second, third = await claim(store, 3)
        assert await store.save([done(first)], NOW) == ()
        engine.sql("UPDATE jobs SET status = 'uploading' WHERE id = 'a'")
        assert mirrored(engine)[0] == ("a", "uploading", "u")
        engine.sql("UPDATE jobs SET status = 'uploaded' WHERE id = 'a'")
        engine.sql("UPDATE jobs SET status = 'held' WHERE id IN ('b', 'd')")
        engine.sql("UPDATE jobs SET status = 'failed' WHERE id = 'c'")
        assert await watched(store, second, third) == [], "these are the bot's again"
        assert await claim(store) == []
        assert [word for _, word in states(engine)] == ["uploaded", "held", "failed", "held"]
        engine.sql("UPDATE jobs SET status = 'queued' WHERE id = 'b'")
        assert len(await claim(store)) == 1


async def test_a_row_that_an_orm_saves_whole_and_late_changes_nothing(engine: Engine) -> None:
    async with attached(engine) as store:
        add(engine, "a")
        whole = "UPDATE jobs SET url = 'u', status = ?, \"user\" = 1, path = NULL, note = 'x' WHERE id = 'a'"
        (attempt,) = await claim(store)
        for word in ("running", "queued", "running"):
            engine.sql(whole, word)
            assert await watched(store, attempt) == [("downloading", False)]
        assert await store.save([done(attempt)], NOW) == ()
        assert engine.sql("SELECT status, path FROM jobs") == [("done", "/d/u")]


async def test_asked_for_again_while_it_is_being_stopped(engine: Engine) -> None:
    async with attached(engine) as store:
        add(engine, "a", "b")
        (first,) = await claim(store, 1)
        engine.sql("UPDATE jobs SET status = 'stopped'")
        assert await watched(store, first) == [("downloading", True)]
        engine.sql("UPDATE jobs SET status = 'queued'")
        assert await store.save([commands.SaveCancelled(first)], NOW) == ()
        assert states(engine) == [("a", "queued"), ("b", "queued")]
        assert len({each.download_id for each in await claim(store)} - {first.download_id}) == 2
        assert states(engine) == [("a", "running"), ("b", "running")]


async def test_a_flag_that_stops(engine: Engine) -> None:
    schema = "CREATE TABLE jobs (id integer PRIMARY KEY, url text, status text DEFAULT 'queued', cancelled_at text)"
    words = read_words(["queued=pending,running=downloading,done=downloaded,failed=failed"], 1)
    mirror = Mirror("jobs", "url", ("status",), words, read={"cancelled": "cancelled_at"})
    async with attached(engine, mirror, schema) as store:
        engine.sql("INSERT INTO jobs (id, url) VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        (first,) = await claim(store, 1)
        engine.sql("UPDATE jobs SET cancelled_at = '2027-01-15 08:00:00' WHERE id < 3")
        assert await watched(store, first) == [("downloading", True)]
        assert [status for _, status, _ in mirrored(engine)] == ["downloading", "cancelled", "pending"]
        engine.sql("UPDATE jobs SET cancelled_at = NULL WHERE id = 1")
        assert await watched(store, first) == [("downloading", False)]
        engine.sql("UPDATE jobs SET cancelled_at = 'yes' WHERE id = 3")
        engine.sql("UPDATE jobs SET cancelled_at = NULL WHERE id = 2")
        assert len(await claim(store)) == 1


async def test_a_key_that_changes(engine: Engine) -> None:
    async with attached(engine) as store:
        add(engine, "a")
        (attempt,) = await claim(store)
        engine.sql("UPDATE jobs SET id = 'b'")
        assert await store.save([commands.SaveFailed(attempt, BROKEN)], NOW) == ()
        assert states(engine) == [("b", "failed")]


async def test_entries_of_a_list_are_no_rows_of_the_bots(engine: Engine) -> None:
    async with attached(engine) as store:
        add(engine, "a")
        (attempt,) = await claim(store)
        entries = tuple(Entry(key=f"{n}", url=f"http://host.example/{n}", position=n) for n in (1, 2, 3))
        assert await store.save([commands.SaveEntries(attempt, entries, 9)], NOW) == ()
        assert await store.save([commands.SaveListed(attempt, Kind.YTDLP, "A list", 3)], NOW) == ()
        assert [key for key, *_ in mirrored(engine)] == ["a", None, None, None]


async def test_two_tables_at_once(engine: Engine) -> None:
    engine.sql(JOBS)
    engine.sql(JOBS.replace("TABLE jobs", 'TABLE "Jobs!"'))
    other = Mirror("Jobs!", "url", ("status",), MIRROR.words)
    assert (await attach(engine.place, MIRROR)).mirror.links == ("mirror_jobs",)
    assert (await attach(engine.place, other)).mirror.links == ("mirror_jobs2",)
    async with engine.open_store() as store:
        add(engine, "a")
        engine.sql("INSERT INTO \"Jobs!\" (id, url) VALUES ('a', 'v')")
        first, second = await claim(store)
        assert await store.save([commands.SaveFailed(second, BROKEN)], NOW) == ()
        assert states(engine) == [("a", "running")]
        assert engine.sql('SELECT status FROM "Jobs!"') == [("failed",)]
        await detach(engine.place, "JOBS")
        assert await watched(store, first) == []
        engine.sql("UPDATE \"Jobs!\" SET status = 'queued'")
        assert len(await claim(store)) == 1


async def test_what_the_page_and_the_command_line_do_is_told_too(engine: Engine) -> None:
    async with attached(engine) as store, engine.open_table() as table:
        add(engine, "a")
        (attempt,) = await claim(store)
        assert await table.cancel(attempt.download_id)
        assert await store.save([commands.SaveCancelled(attempt)], NOW) == ()
        assert states(engine) == [("a", "stopped")]
        assert await table.retry(attempt.download_id)
        assert states(engine) == [("a", "queued")]
        assert await table.remove(attempt.download_id)
        assert states(engine) == [("a", "queued")]
        engine.sql("UPDATE jobs SET status = 'held'")
        engine.sql("UPDATE jobs SET status = 'new'")
        assert len(await claim(store)) == 1


async def test_constraints_of_the_bots_end_a_row_and_no_other(engine: Engine) -> None:
    schema = JOBS.replace("path text", "path text CHECK (path NOT LIKE '%odd%')")
    async with attached(engine, MIRROR, schema) as store:
        add(engine, "a", "b")
        first, second = await claim(store)
        ended = [commands.SaveDownloaded(first, "/d/odd", 1, None), done(second)]
        (rejected,) = await store.save(ended, NOW)
        assert isinstance(rejected, SaveRejected)
        assert (rejected.attempt, rejected.failure.code) == (first, "constraint")
        assert await store.save([commands.SaveFailed(first, rejected.failure)], NOW) == ()
        assert states(engine) == [("a", "failed"), ("b", "done")]


# A table that is made anew


async def test_a_table_that_was_made_anew_is_attached_again(engine: Engine) -> None:
    async with attached(engine) as store:
        add(engine, "a", "b", "c")
        first, second = await claim(store, 2)
        rebuild(engine)
        add(engine, "d")
        engine.sql("UPDATE jobs SET status = 'stopped' WHERE id = 'b'")
        assert [each.download_id for each in await claim(store)] == [3, 4]
        assert (await store.unserved()).mended == (MirrorMended("jobs", 1),)
        assert (await store.unserved()).mended == ()
        assert await watched(store, first, second) == [("downloading", False), ("downloading", True)]
        assert await store.save([done(first)], NOW) == ()
        add(engine, "e")
        assert len(await claim(store)) == 1
        assert [word for _, word in states(engine)] == ["done", "stopped", "running", "running", "running"]


async def test_what_ends_while_the_table_is_away_is_told_later(engine: Engine) -> None:
    async with attached(engine) as store:
        add(engine, "a", "b")
        first, second = await claim(store)
        rebuild(engine, rename=False)
        assert await store.save([done(first), commands.SaveFailed(second, BROKEN)], NOW) == ()
        assert (await store.unserved()).mirrors == (MirrorTrouble("jobs", "there is no table `jobs` any more"),)
        engine.sql("ALTER TABLE anew RENAME TO jobs")
        assert await claim(store) == []
        assert engine.sql("SELECT status, path FROM jobs ORDER BY id") == [("done", "/d/u"), ("failed", None)]
        assert (await store.unserved()).mirrors == ()


async def test_attaching_again_mends_it_too(engine: Engine) -> None:
    engine.sql(JOBS)
    await attach(engine.place, MIRROR)
    add(engine, "a", "b")
    with pytest.raises(DatabaseError, match="attached already"):
        await attach(engine.place, MIRROR)
    rebuild(engine)
    add(engine, "c")
    engine.sql("DELETE FROM jobs WHERE id = 'b'")
    again = await attach(engine.place, MIRROR)
    assert (again.mended, again.taken) == (True, 1)
    assert mirrored(engine) == [("a", "pending", "u"), ("c", "pending", "u")]


async def test_a_reactor_that_was_off_while_the_table_was_made_anew(engine: Engine) -> None:
    async with attached(engine) as store:
        add(engine, "a", "b")
        first, second = await claim(store)
        assert await store.save([commands.SaveFailed(first, BROKEN)], NOW) == ()
    rebuild(engine)
    engine.sql("UPDATE jobs SET status = 'queued' WHERE id = 'a'")
    engine.sql("UPDATE jobs SET status = 'archived' WHERE id = 'b'")
    async with engine.open_store() as store:
        (again,) = await claim(store)
        assert again.download_id == first.download_id
        assert await watched(store, second) == []
