"""Several machines claim from one queue at once; and a claim in two round trips is the same as one in more."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

import psycopg
import pytest

from reactor.core import commands
from reactor.core.events import RowsPolled
from reactor.core.turns import NO_CAPS, WINDOW, Caps
from reactor.database.contract import RETRY_MAX_S
from reactor.database.postgres import claims
from reactor.database.store import Polled, Store
from reactor.models import Kind
from reactor.plan import Detection
from tests.database.postgres.bot import Bot

NOW = 1_800_000_000.0
MACHINES = "abcd"
OWNERS = 2 * WINDOW
DIRECT = Detection(kind=Kind.DIRECT, url="http://host.example/1", why="test")
CLAIM_BYTES = 300
"""A claim writes more than that to the log, and a notification less."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def stores(bot: Bot) -> AsyncIterator[list[Store]]:
    """Of several machines."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(bot.store(name)) for name in MACHINES]


def add(bot: Bot, owners: int, each: int) -> None:
    """Rows of so many owners."""
    bot.sql(
        """INSERT INTO downloads (url, owner, added_date) SELECT 'http://host.example/' || n, 'owner ' || n %% %s,
        '2026-01-01' FROM generate_series(1, %s) AS n""",
        owners,
        owners * each,
    )


async def poll(store: Store, room: int = 1, caps: Caps = NO_CAPS) -> RowsPolled:
    return (await store.poll(commands.PollRows((), room, (), (), caps), NOW, RETRY_MAX_S)).rows


async def end(store: Store, seen: RowsPolled, seconds: float = 10.0) -> None:
    for row in seen.claimed:
        saves: list[commands.Save] = [commands.SaveDownloaded(row.attempt, "/a", 1, None)]
        assert await store.save([*saves, commands.ChargeOwner(row.attempt, row.owner, seconds)], NOW) == ()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Polled | None]:
    """What was claimed in two round trips; None for each poll that went the longer way."""
    found: list[Polled | None] = []
    by_the_short_way = claims.poll

    def noting(*asked: Any) -> Polled | None:
        found.append(by_the_short_way(*asked))
        return found[-1]

    monkeypatch.setattr(claims, "poll", noting)
    return found


async def test_each_row_is_claimed_once_and_its_owner_charged(
    stores: list[Store], bot: Bot, quick: list[Polled | None]
) -> None:
    add(bot, OWNERS, 4)

    async def serve(store: Store) -> list[int]:
        ids = list[int]()
        while claimed := (seen := await poll(store)).claimed:
            ids += [row.attempt.download_id for row in claimed]
            await end(store, seen)
        return ids

    found = await asyncio.gather(*map(serve, stores))
    assert sorted(id for ids in found for id in ids) == list(range(1, 4 * OWNERS + 1))
    assert bot.sql("SELECT status, attempt, count(*) FROM downloads GROUP BY 1, 2") == [("downloaded", 1, 4 * OWNERS)]
    ((least,),) = bot.sql("SELECT min(tag) FROM reactor_owners")
    assert least >= 40.0
    assert len([each for each in quick if each is not None]) > OWNERS


@pytest.mark.parametrize("caps", [Caps(owner_max=2), Caps(site_max=3), Caps(owner_rows_day=3)])
async def test_no_limit_is_passed_by_several_machines_at_once(stores: list[Store], bot: Bot, caps: Caps) -> None:
    add(bot, 5, 6)

    async def serve(store: Store) -> None:
        for _ in range(6):
            seen = await poll(store, 2, caps)
            busy = Counter(owner for (owner,) in bot.sql("SELECT owner FROM downloads WHERE status = 'downloading'"))
            assert max(busy.values(), default=0) <= (caps.owner_max or 30)
            assert busy.total() <= (caps.site_max or 30)
            await end(store, seen)

    await asyncio.gather(*map(serve, stores))
    begun = [count for (count,) in bot.sql("SELECT count(*) FROM downloads WHERE attempt > 0 GROUP BY owner")]
    assert max(begun) <= (caps.owner_rows_day or 6)
    assert sum(begun) > 5


async def test_several_machines_in_turns_serve_in_the_order_of_one(bot: Bot, quick: list[Polled | None]) -> None:
    async def order(*names: str) -> list[int]:
        ids = list[int]()
        bot.sql("TRUNCATE downloads, reactor_owners RESTART IDENTITY")
        bot.sql("DELETE FROM reactor_meta WHERE key = 'turn'")
        add(bot, OWNERS, 3)
        async with AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(bot.store(name)) for name in names]
            for n in range(3 * OWNERS):
                store = stores[n % len(stores)]
                seen = await poll(store)
                ids += [row.attempt.download_id for row in seen.claimed]
                await end(store, seen, 1.0 + ids[-1] % 7)
        return ids

    async with bot.store():
        pass
    assert await order("a") == await order(*MACHINES)
    assert len([each for each in quick if each is not None]) > OWNERS


async def test_who_is_about_to_be_changed_by_a_bot_is_passed_over_at_once(
    store: Store, bot: Bot, quick: list[Polled | None]
) -> None:
    add(bot, OWNERS, 2)
    bot.sql("SET lock_timeout = '1s'")
    await end(store, await poll(store))
    with psycopg.connect(bot.url) as writing:
        ((blocked,),) = writing.execute("SELECT owner FROM downloads WHERE id = 2 FOR UPDATE").fetchall()
        writing.execute("SELECT 1 FROM downloads WHERE owner = %s FOR UPDATE", (blocked,))
        begun = [row.owner for _ in range(OWNERS - 2) for row in (await poll(store)).claimed]
    assert len(begun) == OWNERS - 2
    assert blocked not in begun
    assert None in quick[1:]


@pytest.mark.parametrize("seed", range(3))
async def test_the_short_way_is_the_same_as_the_longer_one(
    bot: Bot, monkeypatch: pytest.MonkeyPatch, quick: list[Polled | None], seed: int
) -> None:
    def by_text(url: str) -> Detection | None:
        return DIRECT if url.endswith("1") else None

    async def served() -> list[Any]:
        dice, found = random.Random(seed), list[Any]()
        bot.sql("TRUNCATE downloads, reactor_owners, reactor_defaults, reactor_crashes RESTART IDENTITY")
        bot.sql("DELETE FROM reactor_meta WHERE key = 'turn'")
        for _ in range(6 * OWNERS):
            owner, priority = f"owner {dice.randrange(OWNERS)}", dice.choice((None, None, 1, -2))
            options = dice.choice((None, None, '{"max_height": 720}', "nonsense"))
            date = f"2026-01-{dice.randrange(10, 30)}"
            bot.sql(
                "INSERT INTO downloads (url, owner, priority, options, added_date) VALUES (%s, %s, %s, %s, %s)",
                *(f"http://host.example/{dice.random()}", owner, priority, options, date),
            )
        for n in range(0, OWNERS, 2):
            tag, weight = dice.choice((0, 5, 20, 300)), dice.choice((1, 2))
            bot.sql("INSERT INTO reactor_owners (owner, tag, weight) VALUES (%s, %s, %s)", f"owner {n}", tag, weight)
        bot.sql("INSERT INTO reactor_defaults VALUES ('owner 1', '{\"max_height\": 480}')")
        bot.sql("INSERT INTO reactor_crashes (download_id, attempt, crashes, at_work) VALUES (1, 0, 1, 1)")
        async with bot.store("me") as store:
            watch: tuple[int, ...] = ()
            for n in range(4 * OWNERS):
                asked = commands.PollRows(watch, 1, (2,) if n > 3 * OWNERS else ())
                seen = (await store.poll(asked, NOW, RETRY_MAX_S, by_text)).rows
                found.append(asdict(seen))
                watch = tuple(row.attempt.download_id for row in seen.claimed)
                await end(store, seen, dice.choice((1.0, 30.0)))
        for table in ("reactor_owners ORDER BY owner", "reactor_meta WHERE key = 'turn'", "reactor_crashes"):
            found.append(bot.sql(f"SELECT * FROM {table}"))
        return found

    async with bot.store("me"):
        pass
    short = await served()
    assert len([each for each in quick if each is not None]) > OWNERS
    monkeypatch.setattr(claims, "poll", lambda *asked: None)
    assert short == await served()


async def test_a_claim_is_on_the_disk_before_anybody_works_on_it(bot: Bot, quick: list[Polled | None]) -> None:
    add_first = bot.store("fill")
    async with add_first:
        add(bot, OWNERS, 2)
    ((name,),) = bot.sql("SELECT current_database()")
    bot.sql(f"ALTER DATABASE {name} SET synchronous_commit = on")
    unflushed = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn())"
    async with bot.store("me") as store:
        for _ in range(5):
            assert len((await poll(store)).claimed) == 1
            ((left,),) = bot.sql(unflushed)
            assert left < CLAIM_BYTES
    assert quick[0] is None
    assert None not in quick[2:]
