"""Several machines serve one queue: each row is one machine's, and what a lost one had goes to the others."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reactor.core import commands
from reactor.core.events import Event, SaveStale, TakenOver, TimePassed
from reactor.core.job import Attempt
from reactor.core.lease import BEAT_S, HELD_S
from reactor.database.contract import RETRY_MAX_S
from reactor.database.postgres.connection import PostgresConnection
from reactor.database.postgres.machines import BATCH, DEAD_S, LOST, MISSED_S, RENEW, TAKE, TAKEOVERS_MAX
from reactor.database.presence import Presence
from reactor.database.sql.connection import Cursor
from reactor.database.store import Store
from reactor.errors import DatabaseInUse, Failure
from tests.cli.command import reactor
from tests.core.world import LIMITS, World, one_file
from tests.database.postgres.bot import Bot

NOW = 1_800_000_000.0
TIMEOUT = Failure("timeout", "It took too long.")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def stores(bot: Bot) -> AsyncIterator[tuple[Store, Store, Store]]:
    """Three machines: `a`, `b` and `c`."""
    async with AsyncExitStack() as stack:
        a, b, c = [await stack.enter_async_context(bot.store(name)) for name in "abc"]
        settle(bot)
        yield a, b, c


def settle(bot: Bot) -> None:
    """As if their leases had been held for a while."""
    bot.sql("UPDATE reactor_machines SET held_since = held_since - %s", 2 * DEAD_S)


async def beat(store: Store) -> bool:
    """Renew its lease, and take over what others have lost, as a machine does. True when there was anything."""
    return (await store.renew_lease()).overdue and (await store.take_over()).any


def add(bot: Bot, rows: int = 1) -> None:
    bot.sql("INSERT INTO downloads (url) SELECT 'http://host.example/' || i FROM generate_series(1, %s) AS i", rows)


def lose(bot: Bot, *machines: str, seconds: float = DEAD_S + 1) -> None:
    """As if they had not renewed their leases for so long."""
    bot.sql("UPDATE reactor_machines SET seen_at = seen_at - %s WHERE name = ANY (%s)", seconds, list(machines))


async def claim(store: Store, number: int = 1, held: tuple[int, ...] = ()) -> list[Attempt]:
    polled = await store.poll(commands.PollRows((), number, held), NOW, RETRY_MAX_S)
    return [row.attempt for row in polled.rows.claimed]


async def plan(store: Store, attempt: Attempt) -> None:
    assert await store.save([commands.SavePlan(attempt, one_file(), continues=False)], NOW) == ()


Stores = tuple[Store, Store, Store]


async def test_no_row_is_claimed_by_two(stores: Stores, bot: Bot) -> None:
    add(bot, 40)
    got: list[list[Attempt]] = []
    for _ in range(4):
        got += await asyncio.gather(*(claim(store, 3) for store in stores))
    assert [len(each) for each in got] == [3] * 12
    ids = [attempt.download_id for each in got for attempt in each]
    assert sorted(ids) == sorted(set(ids))
    named = bot.sql("SELECT claimed_by, count(*) FROM downloads WHERE status = 'downloading' GROUP BY 1 ORDER BY 1")
    assert named == [("a", 12), ("b", 12), ("c", 12)]


async def test_each_recovers_what_is_its_own(stores: Stores, bot: Bot) -> None:
    a, b, _ = stores
    add(bot, 3)
    ((first,), (second,)) = await claim(a), await claim(b)
    await plan(a, first)
    await plan(b, second)
    of_a, of_b = await a.recover(), await b.recover()
    assert ([row.attempt for row in of_a.found.rows], of_a.planned) == ([first], frozenset({first.download_id}))
    assert ([row.attempt for row in of_b.found.rows], of_b.planned) == ([second], frozenset({second.download_id}))
    assert of_a.found.instance != of_b.found.instance
    bot.sql("DELETE FROM downloads")
    assert [left.attempt for left in (await a.poll(commands.PollRows((), 0, ()), NOW, 1)).rows.leftovers] == [first]
    assert [left.attempt for left in (await b.recover()).found.leftovers] == [second]


async def test_a_crash_is_that_of_one_machine(stores: Stores, bot: Bot) -> None:
    a, b, _ = stores
    add(bot, 2)
    await claim(a)
    await claim(b)
    await a.join()
    lose(bot, "a", "c", seconds=HELD_S)
    await b.leave()
    await b.join()
    assert [[row.crashes for row in (await store.recover()).found.rows] for store in (a, b)] == [[1], [0]]


async def test_what_a_lost_machine_had_is_anothers_and_its_own_words_change_nothing(stores: Stores, bot: Bot) -> None:
    a, b, c = stores
    add(bot)
    (lost,) = await claim(a)
    await plan(a, lost)
    lose(bot, "a", seconds=HELD_S)
    assert not await beat(b)
    lose(bot, "a", seconds=DEAD_S - HELD_S)
    assert (await c.renew_lease()).overdue
    assert sorted(await asyncio.gather(beat(b), beat(c))) == [False, True]
    assert bot.sql("SELECT status, claimed_by, retry_count FROM downloads") == [("pending", None, 0)]
    assert bot.sql("SELECT times FROM reactor_takeovers") == [(1,)]
    assert bot.sql("SELECT * FROM reactor_plans") == []
    assert await a.save([commands.SaveWaiting(lost, TIMEOUT, 1, 1.0)], NOW) == (SaveStale(lost, True),)
    (again,) = await claim(b)
    assert again == Attempt(lost.download_id, lost.number + 1)
    assert await a.save([commands.SaveWaiting(lost, TIMEOUT, 1, 1.0)], NOW) == (SaveStale(lost, True),)
    assert bot.sql("SELECT status, claimed_by, attempt FROM downloads") == [("downloading", "b", again.number)]
    assert (await a.recover()).found.rows == ()
    assert await beat(a) is False


async def test_after_a_failure_of_the_server_each_keeps_what_it_has(stores: Stores, bot: Bot) -> None:
    a, b, c = stores
    add(bot, 3)
    for store in stores:
        await claim(store)
    lose(bot, "a", "b", "c")
    assert [await beat(store) for store in (a, b)] == [False, False]
    settle(bot)
    lose(bot, "a", "b", seconds=MISSED_S)
    assert [await beat(store) for store in (a, b)] == [False, False], "a beat that was missed is enough"
    settle(bot)
    assert await beat(b)
    assert bot.sql("SELECT claimed_by FROM downloads ORDER BY claimed_by") == [("a",), ("b",), (None,)]
    assert not await beat(c)


async def test_a_machine_that_is_asked_to_end_gives_back_what_it_has(stores: Stores, bot: Bot) -> None:
    a, b, _ = stores
    add(bot, 2)
    first, second = await claim(a, 2)
    for attempt in (first, second):
        await plan(a, attempt)
    bot.sql("UPDATE downloads SET status = 'pending', stage = 'waiting', claimed_by = NULL WHERE id = 1")
    await a.leave()
    assert bot.sql("SELECT name FROM reactor_machines ORDER BY name") == [("b",), ("c",)]
    assert bot.sql("SELECT * FROM reactor_plans") == []
    assert await claim(b, 2) == [Attempt(1, 2), Attempt(2, 2)]
    assert bot.sql("SELECT * FROM reactor_takeovers") == []
    await a.leave()
    assert bot.sql("SELECT count(*) FROM downloads WHERE claimed_by = 'b'") == [(2,)]
    lose(bot, "c", seconds=HELD_S)
    await b.leave()
    assert bot.sql("SELECT count(*) FROM downloads WHERE claimed_by = 'b'") == [(2,)], "nobody is left to begin it"
    assert len((await b.recover()).found.rows) == 2


async def test_what_waits_with_files_waits_for_its_machine(stores: Stores, bot: Bot) -> None:
    a, b, _ = stores
    add(bot)
    (first,) = await claim(a)
    await plan(a, first)
    bot.sql("UPDATE downloads SET status = 'pending', stage = 'yielded', claimed_by = NULL")
    assert await claim(b) == []
    assert (await b.recover()).found.leftovers == ()
    lose(bot, "a")
    assert await beat(b)
    assert await claim(b) == [Attempt(first.download_id, 2)]


async def test_a_row_with_which_machines_are_lost_ends(stores: Stores, bot: Bot) -> None:
    a, b, _ = stores
    add(bot)
    for _ in range(TAKEOVERS_MAX):
        assert len(await claim(a)) == 1
        lose(bot, "a")
        assert await beat(b)
        await beat(a)
    assert bot.sql("SELECT status, error_code, error, stage FROM downloads") == [("failed", LOST.code, LOST.text, None)]
    assert not await beat(b)
    assert bot.sql("SELECT * FROM reactor_takeovers") == []


async def test_what_was_cancelled_on_a_lost_machine_is_over(stores: Stores, bot: Bot) -> None:
    a, b, _ = stores
    add(bot, 2)
    one, two = await claim(a, 2)
    bot.sql("UPDATE downloads SET cancelled = 1 WHERE id = %s", one.download_id)
    bot.sql("UPDATE downloads SET status = 'cancelled', stage = 'fetching' WHERE id = %s", two.download_id)
    assert (await b.poll(commands.PollRows((), 0, ()), NOW, 1)).rows.swept == ()
    lose(bot, "a")
    assert await beat(b)
    swept = (await b.poll(commands.PollRows((), 0, ()), NOW, 1)).rows.swept
    assert swept == (one.download_id, two.download_id)
    assert bot.sql("SELECT DISTINCT status, stage, claimed_by FROM downloads") == [("cancelled", None, None)]


async def test_nothing_is_claimed_with_a_lease_that_is_old(stores: Stores, bot: Bot) -> None:
    a, _, _ = stores
    add(bot)
    lose(bot, "a", seconds=HELD_S)
    assert await claim(a) == []
    await beat(a)
    assert len(await claim(a)) == 1


async def test_a_lease_is_renewed_while_a_save_waits_for_a_lock(stores: Stores, bot: Bot) -> None:
    a, _, _ = stores
    add(bot)
    (first,) = await claim(a)
    with psycopg.connect(bot.url) as another:
        another.execute("SELECT 1 FROM downloads FOR UPDATE")
        saving = asyncio.ensure_future(plan(a, first))
        while not bot.sql("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        lose(bot, "a", seconds=HELD_S)
        await a.renew_lease()
        assert not saving.done()
    await saving
    ((renewed,),) = bot.sql(
        "SELECT max(seen_at) = (SELECT seen_at FROM reactor_machines WHERE name = 'a') FROM reactor_machines"
    )
    assert renewed


async def test_neither_is_it_held_up_by_a_takeover_that_waits_for_a_lock(stores: Stores, bot: Bot) -> None:
    a, b, _ = stores
    add(bot)
    await claim(b)
    lose(bot, "b")
    assert (await a.renew_lease()).overdue
    with psycopg.connect(bot.url) as another:
        another.execute("LOCK TABLE reactor_takeovers IN SHARE MODE")
        taking = asyncio.ensure_future(a.take_over())
        while not bot.sql("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        assert (await a.renew_lease()).overdue
        assert not taking.done()
    assert (await taking).any
    assert not (await a.renew_lease()).overdue


async def test_nor_by_a_change_of_the_bots_table(stores: Stores, bot: Bot) -> None:
    a, _, _ = stores
    add(bot)
    await claim(a)
    lose(bot, "a")
    with psycopg.connect(bot.url) as another:
        another.execute("LOCK TABLE downloads IN ACCESS EXCLUSIVE MODE")
        assert not (await a.renew_lease()).overdue
        (renewed,) = another.execute(
            "SELECT max(seen_at) = (SELECT seen_at FROM reactor_machines WHERE name = 'a') FROM reactor_machines"
        ).fetchone() or (False,)
    assert renewed


async def test_a_renewal_says_when_the_next_machine_would_be_lost(stores: Stores, bot: Bot) -> None:
    a, _, _ = stores
    lose(bot, "b", seconds=DEAD_S - 20)
    lose(bot, "c", seconds=DEAD_S - 10)
    ends = {name: seen + DEAD_S for name, seen in bot.sql("SELECT name, seen_at FROM reactor_machines")}
    before, renewed, after = [await moment(bot), await a.renew_lease(), await moment(bot)]
    assert renewed.lost_in_s is not None
    assert ends["c"] - after <= renewed.lost_in_s <= ends["c"] - before
    lose(bot, "c")
    renewed = await a.renew_lease()
    assert renewed.lost_in_s is not None
    assert renewed.lost_in_s > ends["c"] - after, "it is lost, and the next one is b"
    bot.sql("DELETE FROM reactor_machines WHERE name <> 'a'")
    assert (await a.renew_lease()).lost_in_s is None


async def test_who_begins_asks_as_soon_as_it_may_take_over(stores: Stores, bot: Bot) -> None:
    a, *_ = stores
    lose(bot, "b", "c")
    bot.sql("UPDATE reactor_machines SET held_since = seen_at - %s WHERE name = 'a'", DEAD_S / 2)
    ((since,),) = bot.sql("SELECT held_since FROM reactor_machines WHERE name = 'a'")
    before, renewed, after = [await moment(bot), await a.renew_lease(), await moment(bot)]
    assert not renewed.overdue
    assert renewed.lost_in_s is not None, "others are lost already"
    assert since + DEAD_S - after <= renewed.lost_in_s <= since + DEAD_S - before
    settle(bot)
    assert (await a.renew_lease()).lost_in_s is None


async def moment(bot: Bot) -> float:
    """By the server's clock."""
    ((now,),) = bot.sql("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")
    return float(now)


async def test_an_idle_machine_has_one_statement_with_each_beat(
    stores: Stores, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, _ = stores
    add(bot, 2)
    for store in (a, b):
        (attempt,) = await claim(store)
        await plan(store, attempt)
    beating = World(replace(LIMITS, leased=True))
    with recorded(monkeypatch) as statements:
        for beats in range(1, 5):
            await carry_out(beating, a)
            assert statements == [RENEW] * beats
            beating.feed(TimePassed(), after=BEAT_S)
        lose(bot, "b")
        await carry_out(beating, a)
    assert statements[4] == RENEW
    assert TAKE in statements[5:]
    assert bot.sql("SELECT status FROM downloads ORDER BY id") == [("downloading",), ("pending",)]


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The statements that are carried out meanwhile."""
    statements: list[str] = []
    execute = PostgresConnection.execute

    def recording(self: PostgresConnection, sql: str, parameters: Any = (), /) -> Cursor:
        statements.append(sql)
        return execute(self, sql, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(PostgresConnection, "execute", recording)
        yield statements


async def carry_out(machine: World, store: Store) -> None:
    """What `machine` has just decided about leases."""
    while machine.last:
        answers: list[Event] = []
        for command in machine.last:
            if isinstance(command, commands.RenewLease):
                answers.append(await store.renew_lease())
            elif isinstance(command, commands.TakeOver):
                answers.append(await store.take_over())
        machine.feed(*answers)


async def test_of_many_rows_a_batch_at_a_time_is_taken_over_one_right_after_the_other(stores: Stores, bot: Bot) -> None:
    a, _, _ = stores
    add(bot, 2 * BATCH + 1)
    bot.sql("UPDATE downloads SET status = 'downloading', attempt = 1, claimed_by = 'gone'")
    assert [await a.take_over() for _ in range(4)] == [
        TakenOver(True, True),
        TakenOver(True, True),
        TakenOver(True),
        TakenOver(),
    ]
    bot.sql("UPDATE downloads SET status = 'downloading', claimed_by = 'gone'")
    beating = World(replace(LIMITS, leased=True))
    await carry_out(beating, a)
    assert beating.now == 0
    assert bot.sql("SELECT status, count(*) FROM downloads GROUP BY 1") == [("pending", 2 * BATCH + 1)]


async def test_plans_of_lost_machines_go_a_batch_at_a_time(stores: Stores, bot: Bot) -> None:
    a, _, _ = stores
    add(bot, BATCH + 1)
    bot.sql(
        """INSERT INTO reactor_plans (download_id, attempt, parts, plan, machine)
        SELECT id, 1, 1, '', 'gone' FROM downloads"""
    )
    assert [await a.take_over() for _ in range(3)] == [TakenOver(True, True), TakenOver(True), TakenOver()]
    assert bot.sql("SELECT count(*) FROM reactor_plans") == [(0,)]


async def test_a_machine_that_is_drained_begins_nothing_and_lets_go_what_waits(stores: Stores, bot: Bot) -> None:
    a, b, _ = stores
    add(bot, 2)
    (first,) = await claim(a)
    await plan(a, first)
    bot.sql("UPDATE downloads SET status = 'pending', stage = 'waiting', claimed_by = NULL WHERE attempt = 1")
    async with bot.table() as table:
        assert await table.drain("a", draining=True)
        assert not await table.drain("nobody", draining=True)
        assert await claim(a) == []
        await beat(b)
        assert len(await claim(b, 2)) == 2
        lose(bot, "c")
        found = [(each.name, each.draining, each.lost, each.downloading) for each in await table.machines()]
        assert found == [("a", True, False, 0), ("b", False, False, 2), ("c", False, True, 0)]
        assert await table.drain("a", draining=False)
    add(bot)
    assert len(await claim(a)) == 1


def test_machines_are_listed_and_drained_on_the_command_line(bot: Bot, tmp_path: Path) -> None:
    async def serve() -> None:
        async with bot.store("one") as store:
            await store.renew(Presence(1, "one.example", None, NOW, "9.9", slots=3))

    asyncio.run(serve())

    def run(*arguments: str, database: str = bot.url) -> subprocess.CompletedProcess[str]:
        return reactor("machines", *arguments, cwd=tmp_path, DOWNLOAD_DB=database)

    assert re.fullmatch(r"one  serving  0 of 3 downloading  seen \d+ s ago  reactor 9.9\n", run().stdout)
    assert "one  draining" in run("--drain", "one").stdout
    assert "one  serving" in run("--undrain", "one").stdout
    assert "No machine of the name two" in run("--drain", "two").stderr
    bot.sql("INSERT INTO reactor_machines (name, session, seen_at, held_since) VALUES ('another', '', 0, 0)")
    first, second = run().stdout.splitlines()
    assert re.fullmatch(r"another  lost     0 downloading       seen \d+ s ago", first)
    assert re.fullmatch(r"one      serving  0 of 3 downloading  seen \d+ s ago +reactor 9.9", second)
    assert reactor("add", "http://host.example/", cwd=tmp_path).returncode == 0
    assert "One reactor serves" in run(database="downloads.db").stderr


async def test_a_name_is_one_process(stores: Stores, bot: Bot) -> None:
    a, _, _ = stores
    async with bot.store("a") as other:
        assert await beat(other) is False
        with pytest.raises(DatabaseInUse, match="has taken the name a"):
            await beat(a)
    bot.sql("DELETE FROM reactor_machines")
    await beat(a)
    assert bot.sql("SELECT name FROM reactor_machines") == [("a",)]


async def test_what_was_served_before_there_were_machines_is_that_ones(bot: Bot) -> None:
    async with bot.store("a") as store:
        add(bot)
        (one,) = await claim(store)
        await plan(store, one)
    bot.sql("DROP TABLE reactor_machines, reactor_takeovers")
    bot.sql("ALTER TABLE reactor_plans DROP COLUMN machine")
    bot.sql("ALTER TABLE reactor_crashes DROP COLUMN machine")
    async with bot.store("a") as store:
        await store.join()
        (row,) = (await store.recover()).found.rows
    assert (row.attempt, row.plan) == (one, one_file())


async def test_somebody_serves_until_the_last_one_has_stopped(stores: Stores, bot: Bot) -> None:
    a, b, _ = stores
    one = Presence(1, "one.example", None, NOW, "1", slots=3)
    await a.renew(one)
    await b.renew(Presence(2, "two.example", None, NOW, "1", stopped=True))
    async with bot.table() as table:
        assert await table.presence() == one
        await a.renew(Presence(1, "one.example", None, NOW, "1", stopped=True))
        found = await table.presence()
    assert found is not None
    assert found.stopped
