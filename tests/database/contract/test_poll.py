"""Polling: which rows are claimed, in which order, and what else one poll finds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.events import Leftover, RowsPolled, WatchedRow
from reactor.core.job import Attempt
from reactor.database.contract import DUE_IN_MAX_S, LEASE_S, RETRY_MAX_S, in_turn
from reactor.database.store import Store
from reactor.errors import Failure
from reactor.models import Kind
from reactor.plan import Detection, Extraction, Fetch, Finish
from tests.database.contract.engines import Engine

NOW = 1_800_000_000.0
TIMEOUT = Failure("timeout", "It took too long.")
PLAN = Extraction(
    kind=Kind.DIRECT,
    title="A title",
    fetches=(Fetch(urls=("http://host.example/a",), name="a.bin", size=7),),
    finish=Finish(how="file", name="a.bin"),
)


async def poll(
    store: Store,
    room: int = 0,
    *,
    watch: Iterable[int] = (),
    held: Iterable[int] = (),
    now: float = NOW,
    retry_max_s: float = RETRY_MAX_S,
) -> RowsPolled:
    polled = await store.poll(commands.PollRows(tuple(watch), room, tuple(held)), now, retry_max_s)
    assert polled.stuck == {}
    return polled.rows


def add(engine: Engine, **values: Any) -> int:
    values = {"url": "http://host.example/"} | values
    marks = ", ".join("?" * len(values))
    ((id,),) = engine.sql(
        f"INSERT INTO downloads ({', '.join(values)}) VALUES ({marks}) RETURNING id", *values.values()
    )
    return int(id)


def row(engine: Engine, id: int, columns: str) -> tuple[Any, ...]:
    (found,) = engine.sql(f"SELECT {columns} FROM downloads WHERE id = ?", id)
    return found


def claimed(seen: RowsPolled) -> list[int]:
    return [found.attempt.download_id for found in seen.claimed]


async def test_a_claim_takes_the_row_with_a_lease(engine: Engine, store: Store) -> None:
    id = add(engine, url="http://host.example/a", added_date="2027-01-15 07:59:30.500")
    (found,) = (await poll(store, 1)).claimed
    assert (found.attempt, found.url, found.retry_count, found.plan) == (
        Attempt(id, 1),
        "http://host.example/a",
        0,
        None,
    )
    assert found.waited_s == pytest.approx(29.5)
    columns = "status, stage, attempt, claimed_by, lease_until, started_at, progress"
    taken = ("downloading", "detecting", 1, "me", NOW + LEASE_S, "2027-01-15 08:00:00.000", 0)
    assert row(engine, id, columns) == taken
    assert (await poll(store, 1)).claimed == ()


async def test_a_claim_says_whether_the_text_of_the_url_tells_what_it_is(engine: Engine, store: Store) -> None:
    told, other = add(engine, url="http://host.example/a.bin"), add(engine, url="http://host.example/a")
    found = Detection(kind=Kind.DIRECT, url="http://host.example/a.bin", why="its suffix")
    seen = await store.poll(commands.PollRows((), 2), NOW, RETRY_MAX_S, lambda url: found if url == found.url else None)
    claimed = {each.attempt.download_id: each.detection for each in seen.rows.claimed}
    assert claimed == {told: found, other: None}
    assert [row(engine, id, "stage") for id in (told, other)] == [("extracting",), ("detecting",)]


async def test_each_claim_is_another_attempt(engine: Engine, store: Store) -> None:
    """Also one that a bot sent back itself, while it was under way."""
    id = add(engine)
    for attempt in (1, 2, 3):
        (found,) = (await poll(store, 1)).claimed
        assert found.attempt == Attempt(id, attempt)
        engine.sql("UPDATE downloads SET status = 'pending'")


@pytest.mark.parametrize("room", range(6))
async def test_no_more_are_claimed_than_there_is_room_for(engine: Engine, store: Store, room: int) -> None:
    ids = [add(engine, url=f"http://host.example/{n}") for n in range(4)]
    seen = await poll(store, room)
    assert claimed(seen) == ids[:room]
    assert seen.next_url == (f"http://host.example/{room}" if 0 < room < 4 else None)


async def test_the_oldest_is_first_and_no_kind_starves(engine: Engine, store: Store) -> None:
    """A bot's own inserts have no date where its column has no default; others have one."""
    dates = [None, "2026-01-03", "2026-01-01", None, "2026-01-02", None, "2026-01-01"]
    ids = [add(engine, added_date=date) for date in dates]
    dateless = [id for id, date in zip(ids, dates, strict=True) if date is None]
    dated = sorted((id for id in ids if id not in dateless), key=lambda id: (dates[ids.index(id)], id))
    assert claimed(await poll(store, 7)) == in_turn(dateless, dated) == [1, 3, 4, 6, 7, 5, 2]


@pytest.mark.parametrize("status", ["downloaded", "cancelled", "failed", "uploading", "PENDING", ""])
async def test_a_row_with_another_status_is_left_alone(engine: Engine, store: Store, status: str) -> None:
    add(engine, status=status)
    before = engine.sql("SELECT * FROM downloads")
    assert claimed(await poll(store, 3)) == []
    assert engine.sql("SELECT * FROM downloads") == before


async def test_what_is_held_is_not_claimed(engine: Engine, store: Store) -> None:
    first, second = add(engine), add(engine)
    assert claimed(await poll(store, 2, held=[first])) == [second]


async def test_a_row_that_waits_is_claimed_when_it_is_due(engine: Engine, store: Store) -> None:
    id = add(engine, next_attempt_at=NOW + 30, stage="waiting", attempt=1, retry_count=1, error="no", error_code="gone")
    seen = await poll(store, 1)
    assert (claimed(seen), seen.due_in_s, seen.next_url) == ([], 30.0, None)
    seen = await poll(store, 1, now=NOW + 30)
    (found,) = seen.claimed
    assert (found.attempt, found.retry_count, found.error_code, seen.due_in_s) == (Attempt(id, 2), 1, "gone", None)
    assert row(engine, id, "next_attempt_at, stage, error, error_code") == (None, "detecting", "no", "gone")


@pytest.mark.fault(49)
async def test_a_clock_that_was_set_back_keeps_nobody_waiting(engine: Engine, store: Store) -> None:
    id = add(engine, next_attempt_at=NOW + 3600)
    hour = await poll(store, 1, retry_max_s=3600)
    assert (hour.claimed, hour.due_in_s) == ((), DUE_IN_MAX_S), "the clock may be set right meanwhile"
    assert claimed(await poll(store, 1, retry_max_s=600)) == [id], "no setting lets it wait so long"


async def test_watched_rows_are_told_as_they_are(engine: Engine, store: Store) -> None:
    ids = [
        add(engine, status="downloading", attempt=3),
        add(engine, status="downloading", attempt=1, cancelled=1),
        add(engine, status="uploading", attempt=None, cancelled=None),
    ]
    assert (await poll(store, watch=[*ids, 99])).watched == (
        WatchedRow(ids[0], 3, "downloading", False),
        WatchedRow(ids[1], 1, "downloading", True),
        WatchedRow(ids[2], 0, "uploading", False),
    )


@pytest.mark.fault(14)
async def test_what_was_cancelled_before_it_began_never_begins(engine: Engine, store: Store) -> None:
    fresh, waits = add(engine, cancelled=1), add(engine, cancelled=1, stage="waiting", next_attempt_at=NOW + 30)
    byhand = add(engine, status="cancelled", stage="waiting", next_attempt_at=NOW + 30)
    seen = await poll(store, 5)
    assert (claimed(seen), seen.swept, seen.due_in_s) == ([], (fresh, waits, byhand), None)
    ended = ("cancelled", None, "2027-01-15 08:00:00.000", None)
    for id in (fresh, waits, byhand):
        assert row(engine, id, "status, stage, finished_at, next_attempt_at") == ended
    assert (await poll(store, 5)).swept == ()


async def test_rows_that_no_reactor_has_under_way_begin_anew(engine: Engine, store: Store) -> None:
    """An earlier downloader has left them."""
    left = add(engine, status="downloading", stage="odd", progress=40.0, next_attempt_at=NOW + 60)
    cancelled = add(engine, status="downloading", cancelled=1)
    ours = add(engine, status="downloading", attempt=1)
    assert (await poll(store)).swept == (cancelled,)
    states = [row(engine, id, "status, stage") for id in (left, cancelled, ours)]
    assert states == [("pending", None), ("cancelled", None), ("downloading", None)]


async def test_a_plan_whose_row_does_not_count_on_it_is_left_over(engine: Engine, store: Store) -> None:
    """While the row waits for its next attempt it does."""
    id = add(engine)
    (found,) = (await poll(store, 1)).claimed
    await store.save(
        [commands.SavePlan(found.attempt, PLAN), commands.SaveWaiting(found.attempt, TIMEOUT, 1, 30.0)], NOW
    )
    assert (await poll(store)).leftovers == ()
    engine.sql("UPDATE downloads SET cancelled = 1")
    assert (await poll(store)).leftovers == (Leftover(found.attempt, 1),)
    assert (await poll(store, held=[id])).leftovers == ()
    await store.save([commands.ForgetPlan(found.attempt)], NOW)
    assert (await poll(store)).leftovers == ()


async def test_a_row_with_an_id_that_was_used_before_waits_for_the_clean_up(engine: Engine, store: Store) -> None:
    id = add(engine)
    for attempt in (1, 2):
        await poll(store, 1)
        await store.save([commands.SavePlan(Attempt(id, attempt), PLAN)], NOW)
        engine.sql("UPDATE downloads SET status = 'pending'")
    engine.sql("DELETE FROM downloads")
    engine.sql("INSERT INTO downloads (id, url) VALUES (?, 'http://host.example/other')", id)
    seen = await poll(store, 1)
    assert (claimed(seen), seen.leftovers) == ([], (Leftover(Attempt(id, 2), 1),))
    await store.save([commands.ForgetPlan(Attempt(id, 2))], NOW)
    (found,) = (await poll(store, 1)).claimed
    assert (found.attempt, found.plan) == (Attempt(id, 1), None)


@pytest.mark.fault(12)
@pytest.mark.parametrize(("url", "known"), [("x" * 100_000, "x" * 100_000), ("a\nb", "a\nb"), ("", "")])
async def test_a_url_of_any_kind_is_claimed_as_text(engine: Engine, store: Store, url: str, known: str) -> None:
    add(engine, url=url)
    assert (await poll(store, 1)).claimed[0].url == known
