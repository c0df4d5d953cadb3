"""What is PostgreSQL's own of a table that is attached, where both write at the same time, and any type may be changed;
see tests/database/contract/test_mirrors.py for the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import psycopg
import pytest
from psycopg.errors import LockNotAvailable

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database import engine
from reactor.database.mirror import Mirror, MirrorMended, MirrorTrouble
from reactor.database.postgres.waking import CHANNEL
from reactor.database.store import Store
from reactor.errors import DatabaseError
from reactor.models import Stage
from tests.database.mirrors import BROKEN, JOBS, MIRROR, NOW, claim, watched
from tests.database.postgres.bot import Bot


@asynccontextmanager
async def attached(bot: Bot, mirror: Mirror = MIRROR, *schema: str) -> AsyncIterator[Store]:
    """The table, attached and served."""
    for statement in schema or (JOBS,):
        bot.sql(statement)
    await engine.attach(bot.url, mirror)
    async with bot.store() as store:
        yield store


def add(bot: Bot, *keys: str) -> None:
    for key in keys:
        bot.sql("INSERT INTO jobs (id, url) VALUES (%s, 'u')", key)


def states(bot: Bot) -> list[tuple[Any, ...]]:
    return bot.sql("SELECT id, status FROM jobs ORDER BY id")


def mirrored(bot: Bot) -> list[tuple[Any, ...]]:
    return bot.sql("SELECT mirror_jobs, status, url FROM downloads ORDER BY id")


def stray(bot: Bot) -> int:
    """Rows that are to be told yet."""
    return len(bot.sql("SELECT 1 FROM reactor_untold"))


@contextmanager
def transaction(bot: Bot) -> Iterator[psycopg.Connection[Any]]:
    """A transaction of the bot's that takes its time."""
    with psycopg.connect(bot.url) as connection:
        connection.execute("SET lock_timeout = '20s'")
        yield connection


def done(attempt: Attempt) -> commands.SaveDownloaded:
    return commands.SaveDownloaded(attempt, "/d/u", 1, None)


@pytest.mark.parametrize("name", ["again", "zagain"])
async def test_a_trigger_of_the_bots_that_asks_for_what_failed_again(bot: Bot, name: str) -> None:
    """It may come before ours, or after it."""
    again = """CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN UPDATE jobs SET status = 'queued' WHERE id = NEW.id; RETURN NULL; END $$"""
    when = f"""CREATE TRIGGER {name} AFTER UPDATE ON jobs FOR EACH ROW WHEN (NEW.status = 'failed')
        EXECUTE FUNCTION again()"""
    async with attached(bot, MIRROR, JOBS, again, when) as store:
        add(bot, "a")
        (first,) = await claim(store)
        assert await store.save([commands.SaveFailed(first, BROKEN)], NOW) == ()
        (second,) = await claim(store)
        assert (second.download_id, second.number) == (first.download_id, first.number + 1)
        assert states(bot) == [("a", "running")]
        bot.sql("UPDATE jobs SET status = 'failed'")
        assert [status for _, status, _ in mirrored(bot)] in (["downloading"], ["pending"]), "it is not forgotten"


async def test_what_plain_sql_does_is_told_too(bot: Bot) -> None:
    async with attached(bot):
        add(bot, "a")
        bot.sql("UPDATE downloads SET status = 'failed'")
        assert states(bot) == [("a", "failed")]


async def test_a_table_that_is_emptied_at_once(bot: Bot) -> None:
    async with attached(bot) as store:
        add(bot, "a", "b")
        (first,) = await claim(store, 1)
        bot.sql("TRUNCATE jobs")
        assert (mirrored(bot), await watched(store, first)) == ([], [])


async def test_a_cancel_of_a_row_that_is_being_stopped_is_written_once(bot: Bot) -> None:
    mirror = Mirror("jobs", "url", ("status",), MIRROR.words, {"cancelled": "percent"})
    async with attached(bot, mirror) as store:
        add(bot, "a")
        (attempt,) = await claim(store)
        bot.sql("UPDATE jobs SET status = 'stopped'")
        place = bot.sql("SELECT CAST(ctid AS text) FROM downloads")
        bot.sql("UPDATE jobs SET percent = 1")
        assert bot.sql("SELECT CAST(ctid AS text) FROM downloads") == place
        assert await watched(store, attempt) == [("downloading", True)]


# Both at the same time


async def test_a_transaction_of_the_bots_holds_up_no_save_and_is_told_later(bot: Bot) -> None:
    """Whoever waited here would wait for ever, or be undone: the bot is about to wait for our row."""
    async with attached(bot) as store:
        add(bot, "a", "b")
        first, second = await claim(store)
        with transaction(bot) as slow:
            slow.execute("UPDATE jobs SET note = 'x' WHERE id = 'a'")
            assert await store.save([done(first), done(second)], NOW) == ()
            assert states(bot) == [("a", "running"), ("b", "done")]
            assert await claim(store) == []
            assert stray(bot) == 1, "it is locked yet"
        assert await claim(store) == []
        assert (states(bot), stray(bot)) == ([("a", "done"), ("b", "done")], 0)
        assert bot.sql("SELECT path, note FROM jobs WHERE id = 'a'") == [("/d/u", "x")]


async def test_a_cancel_that_comes_while_a_row_is_claimed_is_not_lost(bot: Bot) -> None:
    async with attached(bot) as store:
        add(bot, "a", "b")
        with transaction(bot) as slow:
            slow.execute("SELECT 1 FROM jobs WHERE id = 'a' FOR UPDATE")
            first, second = await claim(store)
            slow.execute("UPDATE jobs SET status = 'stopped' WHERE id = 'a'")
        assert await watched(store, first, second) == [("downloading", True), ("downloading", False)]
        assert states(bot) == [("a", "stopped"), ("b", "running")], "its word stands"
        assert await store.save([commands.SaveCancelled(first)], NOW) == ()
        assert (states(bot), stray(bot)) == ([("a", "stopped"), ("b", "running")], 0)


async def test_a_row_that_the_bot_deletes_meanwhile(bot: Bot) -> None:
    async with attached(bot) as store:
        add(bot, "a")
        with transaction(bot) as slow:
            slow.execute("SELECT 1 FROM jobs WHERE id = 'a' FOR UPDATE")
            (first,) = await claim(store)
            slow.execute("DELETE FROM jobs WHERE id = 'a'")
        assert await watched(store, first) == []
        assert (mirrored(bot), stray(bot)) == ([], 0)


async def test_a_rollback_leaves_nothing(bot: Bot) -> None:
    async with attached(bot) as store:
        with transaction(bot) as slow:
            slow.execute("INSERT INTO jobs (id, url) VALUES ('a', 'u')")
            slow.rollback()
        assert await claim(store) == []


# What it costs


async def test_what_has_not_changed_is_not_written(bot: Bot) -> None:
    """PostgreSQL writes a row once more for each UPDATE, whatever that changes."""
    mirror = Mirror("jobs", "url", ("status",), MIRROR.words, {}, {"progress": "percent", "file_path": "path"})
    place = "SELECT CAST(ctid AS text), percent FROM jobs"
    async with attached(bot, mirror) as store:
        add(bot, "a")
        (attempt,) = await claim(store)
        await store.save([progress(attempt, 0.1)], NOW)
        ((before, _),) = bot.sql(place)
        await store.save([progress(attempt, 0.9)], NOW)
        await store.save([commands.SaveStage(attempt, Stage.EXTRACTING, None)], NOW)
        assert bot.sql(place) == [(before, 0)], "a whole number has not changed by less than one"
        await store.save([progress(attempt, 1.5)], NOW)
        ((after, percent),) = bot.sql(place)
        assert (after != before, percent) == (True, 1)
        ours = bot.sql("SELECT CAST(ctid AS text) FROM downloads")
        bot.sql("UPDATE jobs SET note = 'x', status = 'running', percent = 50")
        assert bot.sql("SELECT CAST(ctid AS text) FROM downloads") == ours


async def test_a_word_that_is_there_already_is_not_written(bot: Bot) -> None:
    place = "SELECT CAST(ctid AS text) FROM jobs"
    async with attached(bot) as store:
        add(bot, "a")
        bot.sql("UPDATE jobs SET status = 'running'")
        before = bot.sql(place)
        assert len(await claim(store)) == 1
        assert (bot.sql(place), states(bot)) == (before, [("a", "running")])


def progress(attempt: Attempt, percent: float) -> commands.SaveProgress:
    return commands.SaveProgress((commands.ProgressOf(attempt, percent, 1, 1, 1000),))


async def test_of_what_the_bot_says_itself_it_is_told_nothing(bot: Bot) -> None:
    mirror = Mirror("jobs", "url", ("status",), MIRROR.words, {}, {"error": "note"})
    async with attached(bot, mirror) as store:
        add(bot, "a")
        (attempt,) = await claim(store)
        assert await store.save([commands.SaveFailed(attempt, BROKEN)], NOW) == ()
        assert bot.sql("SELECT note FROM jobs") == [(BROKEN.text,)]
        bot.sql("UPDATE jobs SET status = 'queued', note = 'once more'")
        assert mirrored(bot) == [("a", "pending", "u")]
        assert bot.sql("SELECT note FROM jobs") == [("once more",)]


async def test_progress_stays_hot_with_a_mirror(bot: Bot) -> None:
    async with attached(bot) as store:
        add(bot, "a")
        (attempt,) = await claim(store)
        for step in range(50):
            await store.save([progress(attempt, float(step))], NOW)
    counted = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = '{}'"
    updates = hot = 0
    with anyio.fail_after(30):
        while updates < 51:  # a connection tells what it has counted while it ends, for which nobody waits
            await anyio.sleep(0.02)
            updates, hot = bot.flushed(counted.format("downloads"))
    assert hot >= 50
    assert bot.flushed(counted.format("jobs"))[0] == 1, "`running`, and nothing of the progress"


async def test_a_bot_wakes_the_reactor_by_its_own_table(bot: Bot) -> None:
    async with attached(bot):
        await engine.prepare(bot.url, trigger=True)
        with psycopg.connect(bot.url, autocommit=True) as listener:
            listener.execute(f"LISTEN {CHANNEL}")
            add(bot, "a")
            assert [each.channel for each in listener.notifies(timeout=60, stop_after=1)] == [CHANNEL]


# A table that the bot changes


async def test_two_reactors_look_after_one_mirror(bot: Bot) -> None:
    """Both meet the table that was made anew at the same time; one mends it, and neither is undone."""
    rounds, mended = 4, list[MirrorMended]()

    async def serve(store: Store) -> None:
        for attempt in await claim(store, 2):
            assert await store.save([done(attempt)], NOW) == ()

    async def at_once(*stores: Store) -> None:
        async with anyio.create_task_group() as tasks:
            for store in stores:
                tasks.start_soon(serve, store)

    async with attached(bot) as one, bot.store("two") as two:
        for number in range(rounds):
            add(bot, *(f"{number}-{each}" for each in "abc"))
            bot.sql(
                JOBS.replace("TABLE jobs", "TABLE anew")
                + "; INSERT INTO anew SELECT * FROM jobs; DROP TABLE jobs; ALTER TABLE anew RENAME TO jobs"
            )
            add(bot, f"{number}-d")
            await at_once(one, two)
            while (found := [await store.unserved() for store in (one, two)])[1].mirrors:
                mended += [each for store in found for each in store.mended]
                await at_once(one, two)
            mended += [each for store in found for each in store.mended]
            assert len(mended) == number + 1
        while any(word != "done" for _, word in states(bot)):
            await at_once(one, two)
    assert [each.taken for each in mended] == [1] * rounds
    assert bot.sql("SELECT status, count(*) FROM downloads GROUP BY 1") == [("downloaded", 4 * rounds)]


async def test_of_two_reactors_one_mends_a_mirror(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have found it broken, and wait for its table."""
    monkeypatch.setattr("reactor.database.postgres.mirrors.HURRY", "SET LOCAL lock_timeout = '60s'")
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = to_regclass('jobs')"
    async with attached(bot) as one, bot.store("two") as two:
        bot.sql("DROP TRIGGER reactor_mirror_jobs_rows ON jobs")
        add(bot, "a")
        with transaction(bot) as slow:
            slow.execute("LOCK TABLE jobs IN ROW EXCLUSIVE MODE")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(claim, one)
                tasks.start_soon(claim, two)
                with anyio.fail_after(30):
                    while bot.sql(waiting) != [(2,)]:
                        await anyio.sleep(0.01)
                slow.commit()
        assert [each.taken for store in (one, two) for each in (await store.unserved()).mended] == [1]
        assert states(bot) == [("a", "running")]


async def test_a_table_that_was_put_aside_is_the_bots_alone(bot: Bot) -> None:
    async with attached(bot) as store:
        add(bot, "a", "b")
        (first,) = await claim(store, 1)
        bot.sql("ALTER TABLE jobs RENAME TO jobs_old")
        bot.sql(JOBS.replace("PRIMARY KEY", "UNIQUE NOT NULL") + "; INSERT INTO jobs SELECT * FROM jobs_old")
        bot.sql("DELETE FROM jobs_old; TRUNCATE jobs_old")
        assert [key for key, *_ in mirrored(bot)] == ["a", "b"]
        assert await store.save([done(first)], NOW) == ()
        assert len(await claim(store)) == 1
        assert states(bot) == [("a", "done"), ("b", "running")]


async def test_what_ends_while_the_table_is_away_is_told_later(bot: Bot) -> None:
    async with attached(bot) as store:
        add(bot, "a", "b")
        first, second = await claim(store)
        bot.sql("ALTER TABLE jobs RENAME TO away")
        assert await store.save([done(first), commands.SaveFailed(second, BROKEN)], NOW) == ()
        assert (await store.unserved()).mirrors == (MirrorTrouble("jobs", "there is no table `jobs` any more"),)
        bot.sql("DELETE FROM away WHERE FALSE; ALTER TABLE away DISABLE TRIGGER USER")
        bot.sql("ALTER TABLE away RENAME TO jobs")
        assert await claim(store) == []
        assert bot.sql("SELECT status, path FROM jobs ORDER BY id") == [("done", "/d/u"), ("failed", None)]
        assert (await store.unserved()).mirrors == ()


async def test_a_column_that_is_gone_fails_no_statement_of_the_bots(bot: Bot) -> None:
    async with attached(bot) as store:
        add(bot, "a")
        (first,) = await claim(store)
        bot.sql("ALTER TABLE jobs RENAME COLUMN url TO link")
        bot.sql("INSERT INTO jobs (id, link) VALUES ('b', 'u')")
        bot.sql("UPDATE jobs SET status = 'stopped' WHERE id = 'b'")
        assert await store.save([done(first)], NOW) == (), "nor one of ours"
        assert await claim(store) == []
        assert (await store.unserved()).mirrors == (MirrorTrouble("jobs", "its column `url` is gone"),)
        with pytest.raises(DatabaseError, match="has no column `url`"):
            await engine.attach(bot.url, MIRROR)
        bot.sql("ALTER TABLE jobs RENAME COLUMN link TO url")
        bot.sql("UPDATE jobs SET status = 'queued' WHERE id = 'b'")
        assert len(await claim(store)) == 1
        assert states(bot) == [("a", "running"), ("b", "running")] or states(bot)[0] == ("a", "done")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE jobs ALTER COLUMN status TYPE varchar(20)",
        """CREATE TYPE word AS ENUM ('queued', 'new', 'running', 'done', 'failed', 'stopped');
        ALTER TABLE jobs ALTER COLUMN status DROP DEFAULT;
        ALTER TABLE jobs ALTER COLUMN status TYPE word USING CAST(status AS word);
        ALTER TABLE jobs ALTER COLUMN status SET DEFAULT 'queued'""",
        "ALTER TABLE jobs ALTER COLUMN path TYPE varchar(300)",
        "ALTER TABLE jobs ADD COLUMN more text",
        "ALTER TABLE jobs DROP COLUMN note",
    ],
    ids=["longer", "an enum", "a path", "one more", "one less"],
)
async def test_a_migration_is_held_up_by_nothing_and_mended(bot: Bot, change: str) -> None:
    async with attached(bot) as store:
        add(bot, "a", "b")
        first, second = await claim(store)
        bot.sql(change)
        assert await store.save([done(first)], NOW) == (), "before it was looked at"
        assert await claim(store) == []
        assert await store.save([commands.SaveFailed(second, BROKEN)], NOW) == ()
        assert states(bot) == [("a", "done"), ("b", "failed")]
        bot.sql("UPDATE jobs SET status = 'queued' WHERE id = 'b'")
        assert len(await claim(store)) == 1
        assert (await store.unserved()).mirrors == ()


async def test_a_function_that_is_gone_is_made_again(bot: Bot) -> None:
    async with attached(bot) as store:
        add(bot, "a", "b")
        first, second = await claim(store)
        assert await store.save([commands.SaveFailed(first, BROKEN)], NOW) == ()
    bot.sql("DROP FUNCTION reactor_mirror_jobs_in CASCADE")
    bot.sql("UPDATE jobs SET status = 'queued' WHERE id = 'a'")
    bot.sql("UPDATE jobs SET status = 'archived' WHERE id = 'b'")
    async with bot.store() as store:
        (again,) = await claim(store)
        assert again.download_id == first.download_id
        assert await watched(store, second) == []


async def test_another_version_makes_the_functions_its_own(bot: Bot) -> None:
    source = "SELECT prosrc FROM pg_proc WHERE proname = 'reactor_mirror_jobs_back'"
    async with attached(bot):
        ((ours,),) = bot.sql(source)
    bot.sql(
        "CREATE OR REPLACE FUNCTION reactor_mirror_jobs_back() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NULL; END $$"
    )
    async with bot.store() as store:
        assert bot.sql(source) == [(ours,)]
        assert (await store.unserved()).mended == ()


async def test_a_table_that_somebody_holds_is_not_attached_in_part(bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.database.postgres.migration.TRIES", 1)
    await engine.prepare(bot.url)
    bot.sql(JOBS)
    left = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('downloads') AND attname LIKE 'mirror%'"
    with transaction(bot) as slow:
        slow.execute("LOCK TABLE jobs IN ROW EXCLUSIVE MODE")
        with pytest.raises(DatabaseError, match="is locked by another program"):
            await engine.attach(bot.url, MIRROR)
        assert bot.sql(f"{left} AND NOT attisdropped") == []
        assert bot.sql("SELECT 1 FROM reactor_mirrors") == []
    assert (await engine.attach(bot.url, MIRROR)).taken == 0


async def test_a_table_that_is_locked_while_rows_are_served_is_mended_later(bot: Bot) -> None:
    async with attached(bot) as store:
        add(bot, "a")
        bot.sql("DROP TRIGGER reactor_mirror_jobs_rows ON jobs")
        with transaction(bot) as slow:
            slow.execute("LOCK TABLE jobs IN ROW EXCLUSIVE MODE")
            with pytest.raises(LockNotAvailable):
                bot.sql("SET lock_timeout = '1ms'; LOCK TABLE jobs IN SHARE MODE")
            assert len(await claim(store)) == 1, "rows are served meanwhile"
            assert (await store.unserved()).mirrors != ()
        assert await claim(store) == []
        assert (await store.unserved()).mirrors == ()
