"""How those who wait are woken: by notifications, through losses of the connection, and without them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import anyio
import pytest

from reactor.core import commands
from reactor.database import engine
from reactor.database.contract import RETRY_MAX_S
from reactor.database.postgres import changes
from reactor.database.postgres.waking import CHANNEL
from reactor.database.store import Store
from reactor.errors import DatabaseError, DatabaseInUse
from reactor.queue import Queue
from tests.database.postgres.bot import Bot
from tests.database.postgres.server import DEADLINE_S, Server, pooled, serving

NEVER_S = 3600.0
NOW = 1_800_000_000.0
LISTENING = f"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN {CHANNEL}'"


def failed(reason: str) -> None:
    pytest.fail(reason)


async def test_what_a_queue_does_wakes_the_reactor_without_a_poll(bot: Bot, store: Store) -> None:
    async with bot.table() as table, store.changes(NEVER_S, failed) as feed:
        id = await table.add("http://host.example/", {})
        for then in (table.cancel, table.retry, table.remove):
            with anyio.fail_after(DEADLINE_S):
                assert await anext(aiter(feed)) == "notify"
            await then(id)
            await store.poll(commands.PollRows((), 0), NOW, RETRY_MAX_S)


async def test_what_is_rolled_back_or_changes_nothing_wakes_nobody(bot: Bot, store: Store) -> None:
    async with bot.table() as table, store.changes(NEVER_S, failed) as feed:
        assert not await table.cancel(99)
        with pytest.raises(DatabaseError):
            await table.add("http://host.example/", {"no": 1})
        bot.sql(f"NOTIFY {CHANNEL}, 'somebody tries whether he hears'")
        bot.sql(f"NOTIFY {CHANNEL}")
        with anyio.fail_after(DEADLINE_S):
            assert await anext(aiter(feed)) == "notify"
        with anyio.move_on_after(0.1) as scope:
            await anext(aiter(feed))
        assert scope.cancelled_caught


async def test_a_listener_that_is_cut_off_comes_back_and_looks(bot: Bot, store: Store) -> None:
    async with bot.table() as table, store.changes(NEVER_S, failed) as feed:
        assert bot.sql(f"SELECT count(pg_terminate_backend(pid)) FROM ({LISTENING}) AS those") != [(0,)]
        with anyio.fail_after(DEADLINE_S):
            assert await anext(aiter(feed)) == "notify", "what came meanwhile was not heard"
            await table.add("http://host.example/", {})
            await anext(aiter(feed))


async def test_a_bot_in_plain_sql_is_found_by_a_look_at_the_servers_transactions(bot: Bot, store: Store) -> None:
    async with store.changes(0.02, failed) as feed:
        bot.sql("INSERT INTO downloads (url) VALUES ('u')")
        with anyio.fail_after(DEADLINE_S):
            assert await anext(aiter(feed)) == "poll"


async def test_leases_that_are_renewed_wake_nobody(bot: Bot, store: Store) -> None:
    def told() -> tuple[str, list[int]]:
        ((seen, beats),) = bot.sql(f"{changes.SNAPSHOT}{changes.BEATS}")
        return seen, beats

    async with bot.store("other") as other:
        before, _ = told()
        for each in (store, other):
            await each.renew_lease()
        assert changes.only_beats(before, *told())
        await store.renew_lease()
        bot.sql("INSERT INTO downloads (url) VALUES ('u')")
        assert not changes.only_beats(before, *told())
        between, _ = told()
        await store.renew_lease()
        assert changes.only_beats(between, *told())
        assert not changes.only_beats("1:9:7", "1:10:", [9]), "one of those that ran has ended meanwhile"
        assert changes.only_beats(f"{2**33 - 1}:{2**33 - 1}:", f"{2**33 + 1}:{2**33 + 1}:", [2**32 - 1, 0])


async def test_a_database_under_the_same_address_is_another_one(postgres: Server) -> None:
    with postgres.database() as url, closing(Bot(url)) as bot:
        async with bot.store() as store, store.changes(0.02, failed) as feed:
            name = url.partition("@/")[2].partition("?")[0]
            postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")
            postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0")
            async with bot.table():
                pass
            with anyio.fail_after(DEADLINE_S):
                async for layer in feed:
                    if layer == "replaced":
                        break
            with pytest.raises(DatabaseError, match="replaced"):
                await store.check()


async def test_a_queue_watches_a_row_to_its_end(bot: Bot, store: Store) -> None:
    async with Queue(bot.url, poll_interval=NEVER_S) as queue, anyio.create_task_group() as tasks:
        id = await queue.add("http://host.example/", options={"quality": 720})
        seen: list[str] = []

        async def follow() -> None:
            async for row in queue.watch(id):
                seen.append(row.status)

        tasks.start_soon(follow)
        while not seen:
            await anyio.sleep(0.001)
        (row,) = (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.claimed
        while len(seen) < 2:
            await anyio.sleep(0.001)
        await store.save([commands.SaveDownloaded(row.attempt, "/a", 1, None)], NOW)
    assert seen == ["pending", "downloading", "downloaded"]


# Poolers


@pytest.mark.needs("pgbouncer")
async def test_behind_a_pooler_that_keeps_notifications_rows_are_found_by_polling(bot: Bot, tmp_path: Path) -> None:
    with pooled(bot.url, "transaction") as url:
        reasons: list[str] = []
        async with Bot(url).store() as store, store.changes(0.02, reasons.append) as feed:
            assert [reason for reason in reasons if "pooler" in reason] == reasons
            assert reasons
            bot.sql("INSERT INTO downloads (url) VALUES ('u')")
            with anyio.fail_after(DEADLINE_S):
                assert await anext(aiter(feed)) == "poll"
        with pytest.raises(DatabaseError, match="pooler"), engine.lock(url):
            pass


@pytest.mark.needs("pgbouncer")
async def test_a_pooler_that_keeps_sessions_is_as_good_as_none(bot: Bot) -> None:
    with pooled(bot.url, "session") as url, engine.lock(url):
        async with Bot(url).store() as store, Bot(url).table() as table, store.changes(NEVER_S, failed) as feed:
            await table.add("http://host.example/", {})
            with anyio.fail_after(DEADLINE_S):
                assert await anext(aiter(feed)) == "notify"


# One reactor


def test_only_one_reactor_serves_a_database_at_a_time(bot: Bot, postgres: Server) -> None:
    with engine.lock(bot.url):
        with pytest.raises(DatabaseInUse), engine.lock(bot.url):
            pass
        with engine.lock(bot.url, "uploader"), postgres.database() as other, engine.lock(other):
            pass
    with engine.lock(bot.url):
        pass


@pytest.mark.needs("pg_ctlcluster")
async def test_a_server_that_restarts_is_an_error_that_may_pass(tmp_path: Path) -> None:
    with serving() as server, server.database() as url, closing(Bot(url)) as bot:
        async with bot.store() as store:
            bot.sql("INSERT INTO downloads (url) VALUES ('u')")
            with server.stopped():
                for _ in range(2):
                    with pytest.raises(DatabaseError) as lost:
                        await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)
                    assert lost.value.retryable
            (row,) = (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.claimed
            assert row.attempt.number == 1
