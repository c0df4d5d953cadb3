"""The doorbell: whatever somebody else commits rings, whatever we save ourselves does not."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.sql import downloads, saving
from reactor.database.sql import table as wishes
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.files import Watcher
from reactor.errors import DatabaseError, Failure
from reactor.models import Stage
from tests.database.sqlite.bot import DEADLINE_S, Bot, a_bot, python, query
from tests.tools import sqlite3_program, tool

NEVER_S = 3600.0
"""A poll that does not come while a test lasts."""
INSERT = "INSERT INTO downloads (url) VALUES ('u')"
BOTS_TABLE = "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT)"
BURST = """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
    INSERT INTO downloads (url) SELECT i FROM n"""


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM downloads").fetchone()[0])


async def ring(feed: ChangeFeed) -> str:
    with anyio.fail_after(DEADLINE_S):
        return await anext(feed)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(DEADLINE_S):
        while not condition():
            await anyio.sleep(0.005)


async def until_rows(feed: ChangeFeed, database: Database, rows: int) -> None:
    """Follow the feed, as a reader does, until so many rows are there."""
    while await database.run(count) < rows:
        await ring(feed)


async def insert_and_follow(feed: ChangeFeed, database: Database, bot: Bot) -> set[str]:
    """Ten rows, one after the other; which layers told of them. Each must ring, the last one too."""
    layers = set()
    for number in range(1, 11):
        assert await bot(INSERT) == "[]"
        layers.add(await ring(feed))
        assert await database.run(count) == number
    return layers


@pytest.mark.parametrize("watcher", ["inotify", "watchfiles"])
async def test_another_program_rings_once_for_a_burst(path: Path, watcher: Watcher) -> None:
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=5, watcher=watcher) as feed:
        for number in (1, 2):
            sqlite3_program(path, BURST)
            await ring(feed)
            assert await database.run(count) == 500 * number
        assert sum(feed.statistics().rings.values()) == 2


@pytest.mark.fault(10)
@pytest.mark.parametrize("mode", ["wal", "delete", "truncate", "persist"])
async def test_files_tell_of_a_bot_in_any_journal_mode(path: Path, mode: str) -> None:
    sqlite3_program(path, f"PRAGMA journal_mode = {mode}; {BOTS_TABLE}")
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=5) as feed, a_bot(path) as bot:
        assert await bot(f"PRAGMA journal_mode = {mode}") == f"[('{mode}',)]"
        assert "file" in await insert_and_follow(feed, database, bot)


async def test_no_row_is_lost_in_a_stream_of_commits(path: Path) -> None:
    async with Database.open(path) as database, ChangeFeed(database) as feed, a_bot(path) as bot:

        async def write() -> None:
            for _ in range(200):
                await bot(INSERT)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await until_rows(feed, database, 200)
        assert sum(feed.statistics().rings.values()) <= 200


@pytest.mark.fault(1)
async def test_the_commit_is_found_though_its_file_event_comes_long_before(path: Path, tmp_path: Path) -> None:
    environment = {}
    if compiler := tool("gcc"):  # without one the bot syncs as fast as the disk does
        shim, source = tmp_path / "slow_sync.so", Path(__file__).with_name("slow_sync.c")
        await anyio.run_process([compiler, "-shared", "-fPIC", "-o", shim, source])
        environment["LD_PRELOAD"] = str(shim)
    async with (
        Database.open(path) as database,
        ChangeFeed(database, poll_interval=5) as feed,
        a_bot(path, **environment) as bot,
    ):
        await bot("PRAGMA synchronous = FULL")
        assert "file" in await insert_and_follow(feed, database, bot)


@pytest.mark.fault(2)
async def test_what_is_committed_before_the_first_scan_is_found(path: Path) -> None:
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=0.05) as feed:
        sqlite3_program(path, INSERT)
        assert await database.run(count) == 1
        await ring(feed)


async def test_our_own_connection_rings_for_what_a_bot_does(path: Path) -> None:
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S) as feed:
        id = await database.run(wishes.add, "http://host.example/", {})
        assert await ring(feed) == "hook"
        await database.run(wishes.mark_cancelled, id)
        assert await ring(feed) == "hook"
        assert (await database.run(downloads.poll, commands.PollRows((), 1), "me", 1.0)).rows.swept == (id,)
        await database.run(wishes.retry, id)
        assert await ring(feed) == "hook"
        await database.run(lambda c: c.execute("UPDATE downloads SET status = 'cancelled'").close())
        assert await ring(feed) == "hook"
        await database.run(lambda c: c.execute("DELETE FROM downloads").close())
        assert await ring(feed) == "hook"
        assert feed.statistics().rings == {"hook": 5}


async def test_our_own_saves_do_not_ring(path: Path) -> None:
    one, failure = Attempt(1, 1), Failure("timeout", "It took too long.")
    async with Database.open(path) as database:
        await database.run(wishes.add, "http://host.example/", {})
        async with ChangeFeed(database, poll_interval=0.05) as feed:
            await database.run(downloads.poll, commands.PollRows((), 1), "me", 1.0)
            for save in (
                commands.SaveStage(one, Stage.FETCHING),
                commands.SaveProgress((commands.ProgressOf(one, 50.0, 1, 1, 1),)),
                commands.SaveWaiting(one, failure, 1, 0.0),
            ):
                assert await database.run(saving.apply, [save], 1.0) == ()
            query(path, "UPDATE downloads SET cancelled = 1")
            await ring(feed)
            confirms, peeks = feed.statistics().confirms, feed.statistics().peeks
            assert (await database.run(downloads.poll, commands.PollRows((), 1), "me", 1.0)).rows.swept == (1,)
            await until(lambda: feed.statistics().confirms > confirms and feed.statistics().peeks > peeks + 20)
            assert sum(feed.statistics().rings.values()) == 1
            query(path, INSERT)
            await ring(feed)
            assert await database.run(count) == 2
            assert sum(feed.statistics().rings.values()) == 2


async def test_what_is_rolled_back_does_not_ring(path: Path) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        connection.execute(INSERT)
        connection.execute("ROLLBACK")
        raise ZeroDivisionError

    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S) as feed:
        with suppress(ZeroDivisionError):
            await database.run(fail)
        await database.run(wishes.add, "http://host.example/", {})
        assert await ring(feed) == "hook"
        assert feed.statistics().rings == {"hook": 1}


async def test_the_hook_outlives_the_bots_table_and_leaves_no_trace(path: Path) -> None:
    triggers = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
    async with Database.open(path) as database:
        async with ChangeFeed(database, poll_interval=NEVER_S) as feed:
            schema = query(path, "SELECT sql FROM sqlite_master WHERE name = 'downloads'")[0][0]
            await database.run(count)
            sqlite3_program(path, f"BEGIN; DROP TABLE downloads; {schema}; COMMIT")
            await ring(feed)
            await until(lambda: feed.statistics().confirms == 2 and database.writes is not None)  # it knows whose it is
            await database.run(wishes.add, "http://host.example/", {})
            assert await ring(feed) == "hook"
            assert query(path, triggers) == [(0,)]
        temporary = "SELECT count(*) FROM temp.sqlite_master"
        assert await database.run(lambda c: c.execute(temporary).fetchone()) == (0,)
        await database.run(wishes.add, "http://host.example/", {})


async def test_a_bot_with_an_exclusive_lock_is_waited_for(path: Path) -> None:
    sqlite3_program(path, BOTS_TABLE)
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=0.05) as feed, a_bot(path) as bot:
        await bot("BEGIN EXCLUSIVE")
        await bot(INSERT)
        peeks = feed.statistics().peeks
        await until(lambda: feed.statistics().peeks > peeks + 5)
        assert feed.statistics().rings == {}
        await bot("COMMIT")
        await until_rows(feed, database, 1)


@pytest.mark.fault(6)
async def test_another_file_under_the_name_is_the_last_that_is_told(path: Path, tmp_path: Path) -> None:
    sqlite3_program(tmp_path / "other", BOTS_TABLE)
    async with Database.open(path) as database, ChangeFeed(database) as feed:
        (tmp_path / "other").replace(path)
        layers = [layer async for layer in feed]
        assert layers[-1] == "replaced"
        with pytest.raises(StopAsyncIteration):
            await ring(feed)


async def test_a_replaced_database_and_the_one_in_its_place_do_not_mix(path: Path, tmp_path: Path) -> None:
    """What is only in the -wal when the file is moved belongs to that file, not to the one that comes."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    sqlite3_program(new, f"{BOTS_TABLE}; INSERT INTO downloads (url) VALUES ('new')")
    async with Database.open(path) as database:
        await database.run(wishes.add, "old", {})
        async with ChangeFeed(database) as feed:
            path.rename(old)
            new.rename(path)
            with anyio.fail_after(DEADLINE_S):
                assert [layer async for layer in feed][-1] == "replaced"
            async with Database.open(path) as another:
                assert await another.run(lambda c: c.execute("SELECT url FROM downloads").fetchall()) == [("new",)]
        with pytest.raises(DatabaseError, match="replaced"):
            await database.run(count)
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert query(old, "SELECT url FROM downloads") == [("old",)]
    assert sorted(left.name for left in tmp_path.iterdir()) == ["bot.db", "old.db"]


async def test_a_file_replaced_before_the_feed_began_is_told_too(path: Path, tmp_path: Path) -> None:
    sqlite3_program(tmp_path / "other", BOTS_TABLE)
    async with Database.open(path) as database:
        (tmp_path / "other").replace(path)
        async with ChangeFeed(database, poll_interval=NEVER_S) as feed:
            assert await ring(feed) == "replaced"


async def test_a_file_that_is_gone_when_the_feed_begins_is_an_error_that_may_pass(path: Path, tmp_path: Path) -> None:
    async with Database.open(path) as database:
        path.rename(tmp_path / "away")
        with pytest.raises(DatabaseError, match="cannot be opened") as gone:
            async with ChangeFeed(database):
                pass
        assert gone.value.retryable


async def test_a_wal_taken_away_is_a_replaced_database(path: Path) -> None:
    async with Database.open(path) as database, ChangeFeed(database) as feed:
        path.with_name("bot.db-wal").unlink()
        with anyio.fail_after(DEADLINE_S):
            assert [layer async for layer in feed] == ["replaced"]


async def test_a_file_that_goes_and_comes_back_rings_both_times(path: Path, tmp_path: Path) -> None:
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=0.05) as feed:
        path.rename(tmp_path / "away")
        await ring(feed)
        with pytest.raises(DatabaseError, match="gone"):
            await database.run(count)
        assert not path.exists()
        (tmp_path / "away").rename(path)
        await ring(feed)
        assert await database.run(count) == 0


@pytest.mark.fault(4)
async def test_a_wal_that_comes_and_goes_under_other_programs_loses_nothing(path: Path) -> None:
    """The last program to leave removes the -wal; we are one that stays."""
    async with Database.open(path) as database, ChangeFeed(database) as feed:
        for number in range(1, 6):
            sqlite3_program(path, f"{INSERT}; PRAGMA wal_checkpoint(TRUNCATE)")
            await until_rows(feed, database, number)


@pytest.mark.fault(5)
@pytest.mark.parametrize("statement", ["PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "REINDEX", "ANALYZE"])
async def test_what_changes_no_row_rings_for_nothing_at_the_most(path: Path, statement: str) -> None:
    async with Database.open(path) as database, ChangeFeed(database) as feed:
        sqlite3_program(path, INSERT)
        await until_rows(feed, database, 1)
        sqlite3_program(path, statement)
        sqlite3_program(path, INSERT)
        await until_rows(feed, database, 2)
        assert sum(feed.statistics().rings.values()) <= 3


async def test_nothing_is_left_after_the_feed(path: Path) -> None:
    def state() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    outside = state()
    async with Database.open(path) as database:
        inside = set()
        for _ in range(4):
            async with ChangeFeed(database):
                sqlite3_program(path, INSERT)
            with anyio.CancelScope() as scope:
                async with ChangeFeed(database, poll_interval=NEVER_S) as feed:
                    scope.cancel()
                    await anext(feed)
            inside.add(state())
        assert len(inside) == 1, "each feed leaves what the one before left: a descriptor that SQLite uses again"
    assert state() == outside


@pytest.mark.parametrize("watcher", ["inotify", "watchfiles"])
async def test_leaving_does_not_wait_for_the_next_event(path: Path, watcher: Watcher) -> None:
    async with Database.open(path) as database:
        with anyio.fail_after(DEADLINE_S):
            async with ChangeFeed(database, poll_interval=NEVER_S, watcher=watcher):
                pass


async def test_an_error_of_the_reader_arrives_as_itself(path: Path) -> None:
    async with Database.open(path) as database:
        with pytest.raises(ZeroDivisionError):
            async with ChangeFeed(database):
                raise ZeroDivisionError


@pytest.mark.fault(3)
async def test_what_the_files_do_not_tell_the_poll_finds_and_it_is_told_once_that_they_do_not(path: Path) -> None:
    """Who writes through another name of the file, in another folder, is not heard: as on a network disk."""
    sqlite3_program(path, f"PRAGMA journal_mode = delete; {BOTS_TABLE}")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        elsewhere, told = Path(folder) / "bot.db", list[str]()
        elsewhere.hardlink_to(path)
        async with (
            Database.open(path) as database,
            ChangeFeed(database, poll_interval=0.05, watcher="inotify", on_fallback=told.append) as feed,
        ):
            for _ in range(2):
                sqlite3_program(elsewhere, INSERT)
                assert await ring(feed) == "poll"
    assert told == ["a change came without a word"]


@pytest.mark.fault(3)
async def test_when_there_were_too_many_events_to_be_told_it_looks(path: Path) -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S) as feed:
        with (path.parent / "one").open("wb", 0) as one, (path.parent / "other").open("wb", 0) as other:
            for _ in range(limit // 2 + 1):  # two files in turn: equal events are told once
                one.write(b"x")
                other.write(b"x")
        sqlite3_program(path, INSERT)  # nothing is told of this any more
        await until_rows(feed, database, 1)


UNREADABLE = """
import anyio, os, sqlite3, sys
from contextlib import closing
from pathlib import Path
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.connection import Database
async def main(path, watcher):
    async with (
        Database.open(path) as database,
        ChangeFeed(database, poll_interval=0.05, watcher=watcher, on_fallback=print) as feed,
    ):
        with closing(sqlite3.connect(path, isolation_level=None)) as bot:
            bot.execute("INSERT INTO downloads (url) VALUES ('u')")
        print(await anext(feed))
path, watcher = Path(sys.argv[1]), sys.argv[2]
anyio.run(main, path / "first.db", watcher)  # whatever is imported late is there now
(path / "second").mkdir(mode=0o333)
(path / "second").chmod(0o333)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
anyio.run(main, path / "second" / "bot.db", watcher)
"""


@pytest.mark.fault(3)
@pytest.mark.parametrize("watcher", ["inotify", "watchfiles"])
def test_where_files_cannot_be_watched_the_poll_finds_it_and_the_reason_is_told_once(watcher: Watcher) -> None:
    """A folder that may be entered but not read cannot be watched."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # TMPDIR may be this user's alone
        Path(folder).chmod(0o755)
        first, *told = python(UNREADABLE, folder, watcher).splitlines()
    assert first in ("file", "poll")
    assert len(told) == 2
    assert "ermission denied" in told[0]
    assert told[1] == "poll"


async def test_what_is_committed_after_an_early_ring_rings_once_more(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that cannot be ours rings before we have asked whose it is. The next one may be part of that answer."""
    async with Database.open(path) as database, ChangeFeed(database, poll_interval=NEVER_S) as feed:
        asked, read_once, ask = 0, anyio.Event(), database.data_version

        async def data_version() -> tuple[int, int]:
            nonlocal asked
            asked += 1
            if asked == 1:
                await read_once.wait()
                query(path, INSERT)
            return await ask()

        monkeypatch.setattr(database, "data_version", data_version)
        sqlite3_program(path, INSERT)
        await ring(feed)
        assert asked <= 1, "it has not waited for the answer"
        assert await database.run(count) == 1
        read_once.set()
        await until_rows(feed, database, 2)
