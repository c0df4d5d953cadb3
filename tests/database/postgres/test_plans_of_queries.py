"""What a wake costs does not grow with the rows that are over: PostgreSQL finds the rows of every statement by an
index, among a hundred thousand. And what progress writes stays within its page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import anyio
import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.core.turns import Caps
from reactor.database.contract import RETRY_MAX_S
from reactor.database.postgres.connection import PLANS, PostgresConnection
from reactor.database.sql.connection import Cursor
from reactor.database.store import Store
from reactor.database.table import ChangeCursor, Table
from reactor.errors import Failure
from reactor.lists import Entry
from reactor.models import Kind, Stage
from tests.core.world import one_file
from tests.database.postgres.bot import Bot
from tests.database.postgres.prepared import prepared
from tests.database.postgres.server import Server
from tests.database.states import NOW, UNDER_WAY

FINISHED = 100_000
FIRST = FINISHED + 1
WAITING = 20_000
"""More than the server knew of when it looked last: it takes them for few."""
TIMEOUT = Failure("timeout", "It took too long.")
ANY = "SELECT 1 FROM downloads LIMIT 1\n"
"""Any row will do."""
WHOLE = re.compile(r"Seq Scan on downloads")


@pytest.fixture(scope="module")
def full(postgres: Server) -> Iterator[str]:
    """Many rows that are over, and one of each kind that is not; made once, and copied for each test."""
    name = "many"
    postgres.sql(f"CREATE DATABASE {name} TEMPLATE template0")
    yield name
    postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def bot(postgres: Server, full: str) -> AsyncIterator[Bot]:
    with closing(Bot(postgres.url(full))) as filled:
        if not filled.sql("SELECT to_regclass('downloads')")[0][0]:
            async with filled.store():
                pass
            filled.sql(
                f"""INSERT INTO downloads (url, status, attempt, finished_at, cancelled, parent_id, item_key)
                SELECT 'u', (ARRAY['downloaded', 'failed', 'cancelled', 'sent'])[i % 4 + 1], 1, 'f',
                    CASE WHEN i % 4 = 2 THEN 1 ELSE 0 END, CASE WHEN i % 2 = 0 AND i > 9 THEN i / 100 END, i
                FROM generate_series(1, {FINISHED}) AS i"""
            )
            filled.sql(UNDER_WAY)
            filled.sql("UPDATE downloads SET claimed_by = 'me' WHERE status = 'downloading'")
            filled.sql(
                """INSERT INTO downloads (url, owner, added_date)
                SELECT 'u', CAST(i % 50 AS text), '2026-01-01 ' || i FROM generate_series(1, 500) AS i"""
            )
            filled.sql("ANALYZE")
    with postgres.database(full) as url, closing(Bot(url)) as bot:
        yield bot


@pytest.fixture
async def table(bot: Bot) -> AsyncIterator[Table]:
    async with bot.table() as opened:
        yield opened


@contextmanager
def explained(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Each statement that is carried out meanwhile, with its plan, as it is then; of one that is prepared also the plan
    that was made once, whatever the values."""
    plans: list[str] = []
    serving = set[PostgresConnection]()
    execute = PostgresConnection.execute

    def explaining(self: PostgresConnection, sql: str, parameters: Any = (), /) -> Cursor:
        if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)", sql) and "downloads" in sql:
            self.raw.execute("SET enable_seqscan = on")  # for the planner's own choice
            steps = execute(self, f"EXPLAIN {sql}", parameters).fetchall()
            self.raw.execute(PLANS if self.machine else "RESET enable_seqscan")
            plans.append("\n".join([sql, *(step for (step,) in steps)]))
            serving.update([self] if self.prepares else [])
        return execute(self, sql, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(PostgresConnection, "execute", explaining)
        yield plans
    for connection in serving:
        plans += prepared(connection.raw)


def assert_indexed(plans: list[str]) -> None:
    assert plans
    whole = [plan for plan in plans if WHOLE.search(plan) and not plan.startswith(ANY)]
    assert whole == [], whole[0]


@pytest.mark.parametrize("claim", [0, 1, 3])
async def test_a_look(store: Store, monkeypatch: pytest.MonkeyPatch, claim: int) -> None:
    with explained(monkeypatch) as plans:
        seen = (await store.poll(commands.PollRows((1, 2), claim, (3, FINISHED + 4)), NOW, RETRY_MAX_S)).rows
    assert len(seen.claimed) == claim
    assert len(seen.swept) == 3
    assert_indexed(plans)


async def test_a_claim_that_follows_another(store: Store, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    bot.sql("DELETE FROM downloads WHERE owner IS NULL AND finished_at IS NULL")
    with explained(monkeypatch) as plans:
        for _ in range(2):
            assert len((await store.poll(commands.PollRows((1, 2), 1), NOW, RETRY_MAX_S)).rows.claimed) == 1
    assert [plan for plan in plans if "has_entries" in plan], "it went the short way"
    assert_indexed(plans)


async def test_a_look_where_there_are_limits(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    caps = Caps(owner_max=1, owner_rows_day=1, owner_bytes_day=1000, site_max=1, owner_waiting_max=5)
    with explained(monkeypatch) as plans:
        for _ in range(2):
            await store.poll(commands.PollRows((), 4, (), ("1", None), caps), NOW, RETRY_MAX_S)
    assert_indexed(plans)


async def test_rows_are_locked_by_their_ids_however_many_wait(
    store: Store, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.sql(f"INSERT INTO downloads (url) SELECT 'u' FROM generate_series(1, {WAITING})")
    with explained(monkeypatch) as plans:
        seen = (await store.poll(commands.PollRows((), 2), NOW, RETRY_MAX_S)).rows
    assert len(seen.claimed) == 2
    locking = [plan for plan in plans if "SKIP LOCKED" in plan]
    assert len([plan for plan in locking if "$1" in plan]) > 0, "prepared"
    assert [plan for plan in locking if "downloads_pkey" not in plan or "reactor_ready" in plan] == []


async def test_recovering(store: Store, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    bot.sql("INSERT INTO reactor_plans (download_id, attempt, parts, plan, machine) VALUES (7, 1, 1, '', 'me')")
    with explained(monkeypatch) as plans:
        await store.join()
        found = await store.recover()
        await store.read_plan(commands.ReadPlan(Attempt(FINISHED + 4, 1)))
        await store.find_same("key", None, 1)
        await store.unserved()
    assert [row.attempt for row in found.found.rows] == [Attempt(FINISHED + 4, 1)]
    assert_indexed(plans)


async def test_saves(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = Attempt(FINISHED + 4, 1)
    saves: list[commands.Save] = [
        commands.SaveStage(attempt, Stage.FETCHING),
        commands.SavePlan(attempt, one_file()),
        commands.SaveProgress((commands.ProgressOf(attempt, 1.0, 1, 1, 1),)),
        commands.SaveWaiting(attempt, TIMEOUT, 1, 5.0),
        commands.SaveCancelled(attempt),
        commands.SaveFailed(attempt, TIMEOUT),
        commands.SaveDownloaded(attempt, "/a", 1, None),
        commands.ForgetPlan(attempt),
        commands.ChargeOwner(attempt, "1", 1.0, 1),
    ]
    with explained(monkeypatch) as plans:
        await store.save(saves, NOW)
    assert_indexed(plans)


async def test_a_beat(store: Store, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    bot.sql("UPDATE reactor_machines SET held_since = held_since - 100")
    with explained(monkeypatch) as plans:
        assert not (await store.renew_lease()).overdue
    assert len(plans) == 2, "one statement, as it is asked and as it is prepared"
    bot.sql(
        "UPDATE downloads SET claimed_by = 'gone' WHERE status IN ('downloading', 'cancelled') AND stage IS NOT NULL"
    )
    bot.sql(
        "INSERT INTO reactor_plans (download_id, attempt, parts, plan, machine) VALUES (%s, 1, 1, '', 'gone')", FIRST
    )
    with explained(monkeypatch) as taken:
        assert (await store.renew_lease()).overdue
        assert (await store.take_over()).any
    assert_indexed([*plans, *taken])


async def test_lists(store: Store, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = Attempt(FINISHED + 4, 1)
    entries = tuple(Entry(key=str(n), url=f"http://host.example/{n}", position=n) for n in range(1, 4))
    with explained(monkeypatch) as plans:
        assert await store.save([commands.SaveEntries(attempt, entries, 50)], NOW) == ()
        assert await store.save([commands.SaveListed(attempt, Kind.YTDLP, None, 3)], NOW) == ()
        bot.sql("UPDATE downloads SET cancelled = 1 WHERE id = %s", attempt.download_id)
        seen = (await store.poll(commands.PollRows((), 0), NOW, RETRY_MAX_S)).rows
        assert [each.failed for each in seen.lists] == [3]
        bot.sql("UPDATE downloads SET status = 'pending', cancelled = 0 WHERE id = %s", attempt.download_id)
        await store.poll(commands.PollRows((), 9), NOW, RETRY_MAX_S)
    assert_indexed(plans)


async def test_what_a_bot_asks(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    with explained(monkeypatch) as plans:
        id = await table.add("http://host.example/", {})
        await table.get(id)
        await table.list("pending")
        await table.list()
        await table.children(FINISHED + 4)
        await table.entries(FINISHED + 4)
        await table.cancel(id)
        await table.retry(id)
        await table.choose(id, ())
        await table.position(FIRST)
        await table.story(FIRST)
        await table.owners()
        await table.overview(50)
        await table.counts()
        await table.changed(cursor := ChangeCursor())
        await table.changed(cursor)
        await table.changed_among(ChangeCursor(), [1, 2, id])
        await table.remove(id)
    assert_indexed(plans)


async def test_progress_stays_within_its_page(bot: Bot, store: Store) -> None:
    attempt = Attempt(FINISHED + 4, 1)
    written = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'downloads'"
    moved = f"UPDATE downloads SET progress = 0 WHERE id = {attempt.download_id}"  # to a page with room
    before = bot.flushed(written, moved)
    for n in range(100):
        row = commands.ProgressOf(attempt, n / 2, 1000 + n, 100 - n, 10**6, "A title")
        assert await store.save([commands.SaveProgress((row,))], NOW + n) == ()
    await store.close()
    updates = hot = 0
    with anyio.fail_after(30):
        while updates < 100:  # it tells what it has counted while it ends, for which nobody waits
            await anyio.sleep(0.02)
            updates, hot = (now - then for now, then in zip(bot.flushed(written), before, strict=True))
    assert updates == 100
    assert hot >= 99
