"""The statements of a connection that serves are prepared: planned once, and made anew when the bot changes its table
under them. And the rows that they are about to write are locked."""

from __future__ import annotations

from typing import Any, cast

import anyio
import psycopg
import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.contract import RETRY_MAX_S
from reactor.database.postgres import connection
from reactor.database.postgres.connection import PostgresConnection
from reactor.database.postgres.store import PostgresStore
from reactor.database.sql.connection import Connection, Cursor, transaction
from reactor.database.store import Store
from tests.database.postgres.bot import Bot
from tests.database.postgres.prepared import prepared

NOW = 1_800_000_000.0
ROWS = "INSERT INTO downloads (url) SELECT 'http://host.example/' || i FROM generate_series(1, {}) AS i"
DEADLINE_S = 30.0
KEY = 7
"""Of a lock of the test's own."""
HELD_UP = f"(:wanted) AND (SELECT TRUE FROM pg_advisory_xact_lock_shared({KEY}))"
WAITS = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {KEY} AND NOT granted"


async def claimed(store: Store, *watch: int) -> list[Attempt]:
    seen = (await store.poll(commands.PollRows(watch, 1), NOW, RETRY_MAX_S)).rows
    assert [row.id for row in seen.watched] == list(watch)
    return [row.attempt for row in seen.claimed]


@pytest.fixture
def raws(monkeypatch: pytest.MonkeyPatch) -> set[psycopg.Connection[Any]]:
    """The connections that have prepared something."""
    found = set[psycopg.Connection[Any]]()
    execute = PostgresConnection.execute

    def noting(self: PostgresConnection, sql: str, parameters: Any = (), /) -> Cursor:
        found.update([self.raw] if self.prepares else [])
        return execute(self, sql, parameters)

    monkeypatch.setattr(PostgresConnection, "execute", noting)
    return found


@pytest.mark.parametrize(
    "change",
    [
        "ALTER COLUMN retry_count TYPE bigint",
        "ALTER COLUMN status TYPE varchar(40)",
        "ALTER COLUMN progress TYPE numeric",
        "ALTER COLUMN cancelled DROP DEFAULT, ALTER COLUMN cancelled TYPE boolean USING cancelled <> 0",
        "ADD COLUMN chat_id bigint",
    ],
)
async def test_a_bot_changes_its_table_under_a_reactor_that_serves(store: Store, bot: Bot, change: str) -> None:
    bot.sql(ROWS.format(3))
    assert await claimed(store) == [Attempt(1, 1)]
    assert await claimed(store, 1) == [Attempt(2, 1)]
    progress = commands.SaveProgress((commands.ProgressOf(Attempt(1, 1), 1.0, 1, 1, 1),))
    assert await store.save([progress], NOW) == ()
    if "cancelled" in change:
        for name in ("reactor_cancels", "reactor_choosing_cancels"):
            bot.sql(f"DROP INDEX {name}")
    bot.sql(f"ALTER TABLE downloads {change}")
    assert await store.save([progress], NOW) == ()
    assert await claimed(store, 1, 2) == [Attempt(3, 1)]
    assert await store.save([commands.SaveDownloaded(Attempt(3, 1), "/a", 1, None)], NOW) == ()
    assert bot.sql("SELECT status FROM downloads ORDER BY id") == [("downloading",), ("downloading",), ("downloaded",)]


async def test_what_was_planned_for_a_small_table_does_not_read_a_large_one(
    store: Store, bot: Bot, raws: set[psycopg.Connection[Any]]
) -> None:
    bot.sql(ROWS.format(1))
    ended = commands.SaveDownloaded(Attempt(1, 1), "/a", 1, None)
    assert await claimed(store) == [Attempt(1, 1)]
    assert await store.save([ended], NOW) == ()
    bot.sql(ROWS.format(10_000))
    (raw,) = raws
    plans = list(prepared(raw))
    assert [plan for plan in plans if plan.startswith("UPDATE downloads SET")], "writes are prepared too"
    assert [plan for plan in plans if "Seq Scan on downloads" in plan] == []


async def test_a_row_that_a_bot_is_about_to_change_is_left_to_it_and_the_next_one_begins(
    store: Store, bot: Bot
) -> None:
    bot.sql(ROWS.format(3))
    with psycopg.connect(bot.url) as writing:
        writing.execute("UPDATE downloads SET cancelled = 1 WHERE id = 1")
        assert await claimed(store) == [Attempt(2, 1)]
        assert await claimed(store) == [Attempt(3, 1)]
        assert await claimed(store) == []
    assert await claimed(store) == []
    assert bot.sql("SELECT status FROM downloads WHERE id = 1") == [("cancelled",)]


async def test_a_row_that_was_changed_before_it_was_locked_is_asked_as_it_is_then(
    store: Store, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STILL", connection.STILL.replace("(:wanted)", HELD_UP))
    bot.sql(ROWS.format(1))
    found = [Attempt(0, 0)]

    async def claim() -> None:
        found[:] = await claimed(store)

    with psycopg.connect(bot.url, autocommit=True) as holding, anyio.fail_after(DEADLINE_S):
        holding.execute(f"SELECT pg_advisory_lock({KEY})".encode())
        async with anyio.create_task_group() as beside:
            beside.start_soon(claim)
            while bot.sql(WAITS) != [(1,)]:  # it has seen the row as it was
                await anyio.sleep(0.01)
            bot.sql("UPDATE downloads SET cancelled = 1")
            holding.execute(f"SELECT pg_advisory_unlock({KEY})".encode())
    assert found == []
    assert bot.sql("SELECT status, attempt FROM downloads") == [("pending", 0)]


async def test_who_asks_by_which_connection_sends_nothing_of_what_is_asked_there(store: Store) -> None:
    """The listener asks it at any moment, from another thread: two that use one connection at once end the process."""
    database = cast("PostgresStore", store)._database

    def asked(shared: Connection) -> None:
        opened = cast("PostgresConnection", shared)
        ((own,),) = opened.raw.execute("SELECT pg_backend_pid()").fetchall()
        with transaction(shared):
            answer = opened.ask("SELECT 1")
            unsent = len(opened._together)
            assert database.backend == own
            assert len(opened._together) == unsent > 0
            assert answer.fetchall() == [(1,)]

    await database.run(asked)
