"""What the next process finds: rows under way, plans, and what the process before may have died of."""

from __future__ import annotations

import pytest

from reactor.core import commands
from reactor.core.crashes import CRASHES_MAX, HELD_FROM
from reactor.core.job import Attempt
from reactor.database.contract import RETRY_MAX_S
from reactor.database.store import Store
from tests.core.world import one_file
from tests.database.contract.engines import Engine

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def rows(engine: Engine, store: Store) -> None:
    """Three of them."""
    for url in "abc":
        engine.sql("INSERT INTO downloads (url) VALUES (?)", f"http://{url}/")


async def claim(store: Store, count: int = 1) -> list[Attempt]:
    """The next rows are taken up, and planned."""
    polled = await store.poll(commands.PollRows((), count), NOW, RETRY_MAX_S)
    attempts = [row.attempt for row in polled.rows.claimed]
    assert await store.save([commands.SavePlan(attempt, one_file()) for attempt in attempts], NOW) == ()
    return attempts


async def dies(store: Store) -> dict[int, tuple[int, bool]]:
    """A process dies and another one joins: the crashes of each row under way, and whether it is held back."""
    await store.join()
    return {row.attempt.download_id: (row.crashes, row.held) for row in (await store.recover()).found.rows}


async def test_rows_under_way_come_with_their_plans(engine: Engine, store: Store) -> None:
    engine.sql("INSERT INTO downloads (url, status) VALUES ('u', 'downloading')")
    (one,) = await claim(store)
    found = (await store.recover()).found
    assert [(row.attempt, row.plan, row.stage) for row in found.rows] == [(one, one_file(), "fetching")]
    assert found.instance == (await store.recover()).found.instance != ""


@pytest.mark.fault(66)
async def test_each_crash_is_counted_and_with_two_the_row_is_held_back(store: Store) -> None:
    (one,) = await claim(store)
    assert await dies(store) == {1: (1, False)}
    assert await dies(store) == {1: (HELD_FROM, True)}
    (found,) = (await store.recover()).found.rows
    assert (found.plan, found.parts) == (None, 1), "to read it may be what kills"
    assert await store.save([commands.SaveTakenUp(one)], NOW) == ()
    read = await store.read_plan(commands.ReadPlan(one))
    assert read is not None
    assert (read.row.plan, read.row.crashes, read.row.held) == (one_file(), HELD_FROM, False)
    assert await dies(store) == {1: (CRASHES_MAX, True)}
    assert await store.read_plan(commands.ReadPlan(Attempt(1, 2))) is None


async def test_a_process_that_left_has_not_crashed(store: Store) -> None:
    await claim(store)
    await store.leave()
    assert await dies(store) == {1: (0, False)}
    assert await dies(store) == {1: (1, False)}


async def test_a_crash_without_it_acquits_a_row_that_was_held_back(store: Store) -> None:
    await claim(store)
    assert [await dies(store), await dies(store)][-1] == {1: (HELD_FROM, True)}
    await claim(store)
    assert await dies(store) == {1: (0, False), 2: (1, False)}


@pytest.mark.parametrize("how", ["it came further", "its attempt has ended"])
async def test_what_the_process_has_lived_through_begins_at_nothing(store: Store, how: str) -> None:
    (one,) = await claim(store)
    await dies(store)
    further: commands.Save = commands.ForgetCrashes(one)
    ended: commands.Save = commands.SaveWaiting(one, None, 0, 0.0)
    await store.save([further if how == "it came further" else ended], NOW)
    await claim(store)
    assert (await dies(store))[1] == (1, False)
