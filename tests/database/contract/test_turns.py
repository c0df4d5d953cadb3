"""Whose turn it is, where rows have owners, whatever the engine."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.core.rows import ClaimedRow
from reactor.core.turns import DAY_S, WINDOW, Account, Caps
from reactor.database.contract import OWNER_MAX, RETRY_MAX_S, RIPEN_MAX
from reactor.database.presence import Presence
from reactor.database.presence import begun as process_begun
from reactor.database.store import Store
from reactor.errors import DatabaseError, Failure
from tests.database.contract.engines import Engine

NOW = 1_800_000_000.0
LATER = Failure("timeout", "Later.", None, True)


def add(engine: Engine, *owners: object, date: str | None = "2026-01-01") -> None:
    """A row for each, all of the same date."""
    for owner in owners:
        engine.sql("INSERT INTO downloads (url, owner, added_date) VALUES ('http://host.example/a', ?, ?)", owner, date)


async def claimed(store: Store, room: int = 1) -> tuple[ClaimedRow, ...]:
    return (await store.poll(commands.PollRows((), room), NOW, RETRY_MAX_S)).rows.claimed


async def served(store: Store, seconds: float = 0.0, failure: Failure | None = None) -> ClaimedRow | None:
    """The next row has a slot for so long, and is over."""
    found = await claimed(store)
    if not found:
        return None
    attempt, owner = found[0].attempt, found[0].owner
    end: commands.Save = commands.SaveDownloaded(attempt, "/a", 1, None)
    if failure is not None:
        end = commands.SaveWaiting(attempt, failure, 1, 60.0)
    assert await store.save([end, commands.ChargeOwner(attempt, owner, seconds)], NOW) == ()
    return found[0]


async def order(store: Store, seconds: dict[Any, float]) -> list[int]:
    """The rows in the order in which they are served, when those of an owner take so many seconds each."""
    ids = list[int]()
    while True:
        found = await claimed(store)
        if not found:
            return ids
        attempt, owner = found[0].attempt, found[0].owner
        charge = commands.ChargeOwner(attempt, owner, seconds.get(owner, 1.0))
        assert await store.save([commands.SaveDownloaded(attempt, "/a", 1, None), charge], NOW) == ()
        ids.append(attempt.download_id)


async def test_who_adds_many_waits_with_the_second_until_the_others_had_their_turn(
    engine: Engine, store: Store
) -> None:
    add(engine, "greedy", "greedy", "greedy", "ann", "bob", "ann")
    assert await order(store, {"greedy": 10.0, "ann": 10.0, "bob": 10.0}) == [1, 4, 5, 2, 6, 3]


async def test_seconds_count_and_not_rows(engine: Engine, store: Store) -> None:
    add(engine, *["slow"] * 3, *["quick"] * 6)
    assert await order(store, {"slow": 30.0, "quick": 10.0}) == [1, 4, 5, 6, 2, 7, 8, 9, 3]


async def test_what_has_given_way_goes_on_before_the_other_rows_of_its_owner(engine: Engine, store: Store) -> None:
    add(engine, "ann", "ann", "ann", "bob", None, None)
    engine.sql("UPDATE downloads SET priority = 2 WHERE id IN (2, 6)")
    engine.sql("UPDATE downloads SET stage = 'yielded', attempt = 1 WHERE id IN (3, 5)")
    async with engine.open_table() as table:
        found = [await table.position(id) for id in (3, 2, 1, 5, 6)]
        assert [each and each.of_owner for each in found] == [0, 1, 2, 0, 1]
        lined_up = [row.id for row in (await table.overview(9)).queued]
    caps = Caps(owner_max=2)
    assert lined_up == [3, 4, 5, 2, 6, 1]
    assert [row.attempt.download_id for row in await claimed(store)] == [3]
    assert await begun(store, caps) == [2, 4, 5, 6]


async def test_so_does_a_row_of_nobody_where_nobody_else_waits(engine: Engine, store: Store) -> None:
    add(engine, None, None, None)
    engine.sql("UPDATE downloads SET priority = 2 WHERE id = 2")
    engine.sql("UPDATE downloads SET stage = 'yielded', attempt = 1 WHERE id = 3")
    assert [row.attempt.download_id for row in await claimed(store)] == [3]
    assert await begun(store, Caps()) == [2, 1]


async def test_the_overview_says_where_each_row_stands(engine: Engine, store: Store) -> None:
    await store.join()
    await store.renew(SERVING)
    add(engine, *["ann"] * 3, "bob")
    await served(store, 1000.0)
    engine.sql("UPDATE downloads SET priority = 1 WHERE id = 3")
    engine.sql("INSERT INTO downloads (url, owner, not_before) VALUES ('u', 'ann', ?)", NOW + 4e8)
    engine.sql("UPDATE downloads SET status = 'downloading', stage = 'items' WHERE id = 1")
    engine.sql("INSERT INTO downloads (url, owner, parent_id, item_key) VALUES ('u', 'bob', 1, 'k')")
    async with engine.open_table() as table:
        seen = await table.overview(9)
        each_alone = [await table.position(row.id) for row in seen.queued]
    assert [row.id for row in seen.queued] == [4, 3, 2, 5], "an entry of a list stands between them, and is not shown"
    assert [(place.ahead, place.why) for place in seen.places.values()] == [
        (0, "turn"), (2, "turn"), (3, "turn"), (4, "later"),
    ]  # fmt: skip
    assert [place and place.ahead for place in each_alone[:3]] == [0, 2, 3]


async def test_who_was_away_has_saved_nothing_up(engine: Engine, store: Store) -> None:
    add(engine, "ann")
    await served(store, 5.0)
    add(engine, *["bob"] * 4)
    for _ in range(3):
        await served(store, 100.0)
    add(engine, *["ann"] * 3)
    # Ann has had 5 s, Bob 300 s. She is next once; from then on it is as if she had had what he had.
    assert await order(store, {"ann": 150.0, "bob": 100.0}) == [6, 5, 7, 8]


async def test_who_is_new_owes_nothing(engine: Engine, store: Store) -> None:
    add(engine, *["ann"] * 3)
    for _ in range(2):
        await served(store, 1000.0)
    add(engine, "bob", "bob")
    assert await order(store, {"bob": 2000.0}) == [4, 3, 5]


async def test_of_each_owner_the_highest_priority_is_first_whatever_is_no_priority_is_none(
    engine: Engine, store: Store
) -> None:
    add(engine, *["ann"] * 9, "bob")
    for id, priority in enumerate((None, 1, engine.odd("high"), 2, -1, 99, -2, 1, engine.odd(1.5)), 1):
        engine.sql("UPDATE downloads SET priority = ? WHERE id = ?", priority, id)
    assert await order(store, dict.fromkeys(("ann", "bob"), 10.0)) == [4, 10, 2, 8, 1, 3, 6, 9, 5, 7]


async def test_priority_counts_where_nobody_owns_anything(engine: Engine, store: Store) -> None:
    add(engine, None, date=None)
    add(engine, *[None] * 2)
    add(engine, None, date=None)
    engine.sql("UPDATE downloads SET priority = 2 WHERE id IN (3, 4)")
    assert [row.attempt.download_id for row in await claimed(store, 4)] == [3, 4, 1, 2]


async def test_an_owner_of_twice_the_weight_gets_twice_as_many_seconds(engine: Engine, store: Store) -> None:
    async with engine.open_table() as table:
        await table.set_weight("heavy", 2)
    add(engine, *["heavy"] * 6, *["ann"] * 3)
    assert await order(store, dict.fromkeys(("heavy", "ann"), 10.0)) == [1, 7, 2, 3, 8, 4, 5, 9, 6]


@pytest.mark.parametrize("weight", [0, -1, 0.001, 101, float("nan"), "much"])
async def test_what_is_no_weight_is_refused(engine: Engine, weight: Any) -> None:
    async with engine.open_table() as table:
        with pytest.raises(DatabaseError, match=r"0\.01 to 100"):
            await table.set_weight("ann", weight)
        assert await table.owners() == []


async def test_owners_are_listed_with_their_rows_and_weights(engine: Engine, store: Store) -> None:
    add(engine, "ann", "bob", "bob", None, "bob")
    await claimed(store)
    async with engine.open_table() as table:
        await table.set_weight("away", 0.5)
        await table.set_weight(None, 3)
        found = [(each.owner, each.weight, each.pending, each.downloading) for each in await table.owners()]
    assert found == [("bob", 1.0, 3, 0), (None, 3.0, 1, 0), ("ann", 1.0, 0, 1), ("away", 0.5, 0, 0)]


async def test_a_row_does_not_begin_before_its_time(engine: Engine, store: Store) -> None:
    add(engine, *["ann"] * 5)
    for id, moment in enumerate((NOW + 30, NOW - 1, 0, engine.odd("tomorrow"), None), 1):
        engine.sql("UPDATE downloads SET not_before = ? WHERE id = ?", moment, id)
    polled = (await store.poll(commands.PollRows((), 9), NOW, RETRY_MAX_S)).rows
    assert ([row.attempt.download_id for row in polled.claimed], polled.due_in_s) == ([2, 3, 4, 5], 30.0)
    assert (await store.poll(commands.PollRows((), 9), NOW + 29.9, RETRY_MAX_S)).rows.claimed == ()
    polled = (await store.poll(commands.PollRows((), 9), NOW + 30, RETRY_MAX_S)).rows
    assert [row.attempt.download_id for row in polled.claimed] == [1]
    assert engine.sql("SELECT count(*) FROM downloads WHERE not_before IS NOT NULL") == [(0,)]


async def test_many_rows_for_one_moment_become_due_a_few_at_a_time(engine: Engine, store: Store) -> None:
    add(engine, *["ann"] * (2 * RIPEN_MAX + 1))
    engine.sql("UPDATE downloads SET not_before = ? + id / 1000.0", NOW - 10)
    waiting = "SELECT count(*) FROM downloads WHERE not_before IS NOT NULL"
    left = []
    for _ in range(3):
        polled = (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows
        left.append((engine.sql(waiting)[0][0], len(polled.claimed)))
    assert left == [(RIPEN_MAX + 1, 1), (1, 1), (0, 1)]


async def test_rows_of_nobody_have_their_turn_like_those_of_anybody(engine: Engine, store: Store) -> None:
    add(engine, *[None] * 2, *["ann"] * 2, "", "")
    assert await order(store, dict.fromkeys((None, "ann"), 10.0)) == [1, 3, 2, 4, 5, 6]


async def test_without_owners_the_oldest_is_first(engine: Engine, store: Store) -> None:
    for date in ("2026-01-03", "2026-01-01", "2026-01-02"):
        add(engine, None, date=date)
    assert await order(store, {}) == [2, 3, 1]
    assert engine.sql("SELECT count(*) FROM reactor_owners") == [(0,)]


async def test_of_each_owner_the_oldest_is_first(engine: Engine, store: Store) -> None:
    for owner, date in (("ann", "2026-01-03"), ("ann", "2026-01-01"), ("bob", "2026-01-02"), ("bob", None)):
        add(engine, owner, date=date)
    assert await order(store, dict.fromkeys(("ann", "bob"), 10.0)) == [2, 3, 1, 4]


async def test_a_look_with_several_slots_gives_them_in_turn(engine: Engine, store: Store) -> None:
    add(engine, *["greedy"] * 4, "ann", "bob")
    assert [row.attempt.download_id for row in await claimed(store, 4)] == [1, 5, 6, 2]


async def test_a_look_with_many_slots_gives_them_to_more_owners_than_it_sees_at_once(
    engine: Engine, store: Store
) -> None:
    add(engine, *(f"owner {n:02}" for n in range(3 * WINDOW)))
    assert len(await claimed(store, 3 * WINDOW)) == 3 * WINDOW


async def test_an_owner_of_whom_nothing_is_due_is_passed_over(engine: Engine, store: Store) -> None:
    add(engine, *["waiting"] * 2, "ann")
    for _ in range(2):
        engine.sql("UPDATE downloads SET next_attempt_at = ? WHERE owner = 'waiting'", NOW + 60)
    assert await order(store, {}) == [3]


async def test_more_owners_than_one_look_sees_are_all_served_before_any_is_served_twice(
    engine: Engine, store: Store
) -> None:
    owners = [f"owner {n:03}" for n in range(2 * WINDOW + 5)]
    add(engine, *owners, *owners)
    found = await order(store, dict.fromkeys(owners, 10.0))
    assert sorted(found) == list(range(1, 2 * len(owners) + 1))
    place = {id: at for at, id in enumerate(found)}
    late = [n for n in range(1, len(owners) + 1) if place[n] >= len(owners) + WINDOW]
    assert not late, f"the first rows of these came late: {late}"


@pytest.mark.parametrize("kind", ["INTEGER", "TEXT", ""])
async def test_owners_are_told_apart_whatever_the_bot_stores_them_as(engine: Engine, store: Store, kind: str) -> None:
    await store.leave()
    engine.sql("DROP INDEX reactor_ready")
    engine.sql("ALTER TABLE downloads DROP COLUMN owner")
    engine.sql(f"ALTER TABLE downloads ADD COLUMN owner {kind or engine.odd(kind, 'text')}")
    async with engine.open_store() as again:
        odd = [engine.odd("x" * (OWNER_MAX + 1), 13), engine.odd("x" * (OWNER_MAX + 2), 14), engine.odd(b"\xff", 15)]
        add(engine, 7, 7, 12, *odd, 7)
        assert (await order(again, {}))[:6] == [1, 3, 4, 5, 6, 2]


async def test_a_try_that_failed_is_charged_too(engine: Engine, store: Store) -> None:
    add(engine, *["broken"] * 2, *["ann"] * 2)
    assert await served(store, 100.0, LATER)
    assert await order(store, {}) == [3, 4, 2]


async def test_accounts_of_those_who_have_had_no_more_than_others_are_dropped(engine: Engine, store: Store) -> None:
    add(engine, *["ann", "bob"] * 2)
    assert await order(store, {"ann": 5.0, "bob": 50.0}) == [1, 2, 3, 4]
    async with engine.open_store() as again:
        await again.join()
        assert engine.sql("SELECT owner FROM reactor_owners") == [("bob",)]


async def begun(store: Store, caps: Caps, room: int = 9, now: float = NOW) -> list[int]:
    """The rows that one poll begins."""
    polled = await store.poll(commands.PollRows((), room, caps=caps), now, RETRY_MAX_S)
    return [row.attempt.download_id for row in polled.rows.claimed]


async def test_of_one_owner_only_so_many_run_at_once_and_others_take_the_slots(engine: Engine, store: Store) -> None:
    add(engine, *["greedy"] * 4, "ann", None, None, None)
    caps = Caps(owner_max=2)
    assert await begun(store, caps) == [1, 5, 6, 2, 7, 8]
    assert await begun(store, caps) == []
    await store.save([commands.SaveDownloaded(await _under_way(engine, 1), "/a", 1, None)], NOW)
    assert await begun(store, caps) == [3]


async def test_from_one_site_only_so_many_come_at_once_and_rows_behind_go_first(engine: Engine, store: Store) -> None:
    urls = ["http://a.one.example/1", "http://b.one.example/2", "http://one.example/3", "http://two.example/4"]
    urls += ["magnet:?xt=urn:btih:1", "magnet:?xt=urn:btih:2", "http://127.0.0.1/5", "http://[broken/6"]
    for url in urls:
        engine.sql("INSERT INTO downloads (url, added_date) VALUES (?, '2026-01-01')", url)
    caps = Caps(site_max=2)
    assert await begun(store, caps) == [1, 2, 4, 5, 6, 7, 8]
    engine.sql(
        "INSERT INTO downloads (url, owner) VALUES ('http://c.one.example/9', 'ann'), ('http://x.example', 'ann')"
    )
    assert await begun(store, caps) == [10], "whoever owns it"
    await store.save([commands.SaveDownloaded(await _under_way(engine, 2), "/a", 1, None)], NOW)
    assert await begun(store, caps) == [3]


async def test_an_owner_whose_rows_are_all_of_a_full_site_is_passed_over(engine: Engine, store: Store) -> None:
    add(engine, *(f"owner {n:02}" for n in range(3 * WINDOW)))
    engine.sql("INSERT INTO downloads (url, owner) VALUES ('http://other.example/a', 'zoe')")
    assert await begun(store, Caps(site_max=1)) == [1, 3 * WINDOW + 1]


DAY = NOW - NOW % DAY_S
"""The beginning of a day."""


async def test_whoever_has_begun_enough_in_a_day_waits_for_the_next_and_the_row_says_so(
    engine: Engine, store: Store
) -> None:
    add(engine, *["ann"] * 4, "bob", *[None] * 3)
    caps = Caps(owner_rows_day=2)
    assert await begun(store, caps, now=DAY + 60) == [1, 5, 6, 2, 7, 8]
    assert await begun(store, caps, now=DAY + 60) == []
    waits = "SELECT id, stage, not_before FROM downloads WHERE status = 'pending' ORDER BY id"
    assert engine.sql(waits) == [(3, "quota", DAY + DAY_S), (4, "quota", DAY + DAY_S)]
    polled = await store.poll(commands.PollRows((), 9, caps=caps), DAY + DAY_S - 30, RETRY_MAX_S)
    assert (polled.rows.claimed, polled.rows.due_in_s) == ((), 30.0)
    assert await begun(store, caps, now=DAY + DAY_S) == [3, 4]


async def test_whoever_waits_for_the_next_day_need_not_where_more_is_allowed_now(engine: Engine, store: Store) -> None:
    add(engine, *["ann"] * 5, "bob")
    engine.sql("UPDATE downloads SET not_before = ? WHERE id = 6", DAY + 90)
    for rows, so_many in ((2, [1, 2]), (2, []), (3, [3]), (3, [])):
        await store.allow(Caps(owner_rows_day=rows), DAY + 60)
        assert await begun(store, Caps(owner_rows_day=rows), now=DAY + 60) == so_many
    put_off = "SELECT id FROM downloads WHERE stage = 'quota' AND not_before = ? ORDER BY id"
    assert engine.sql(put_off, DAY + DAY_S) == [(4,), (5,)]
    await store.allow(Caps(), DAY + 60)
    assert engine.sql("SELECT id, not_before FROM downloads WHERE not_before IS NOT NULL") == [(6, DAY + 90)]
    assert await begun(store, Caps(), now=DAY + 60) == [4, 5]


async def test_the_next_try_of_what_was_begun_needs_no_room_in_the_day(engine: Engine, store: Store) -> None:
    add(engine, "ann", "ann", "bob")
    caps = Caps(owner_rows_day=1)
    assert await begun(store, caps) == [1, 3]
    await store.save([commands.SaveWaiting(await _under_way(engine, 1), LATER, 1, 60.0)], NOW)
    assert await begun(store, caps, now=NOW + 61) == [1]
    assert engine.sql("SELECT stage FROM downloads WHERE id = 2") == [("quota",)]


async def test_whoever_has_got_enough_bytes_in_a_day_waits_for_the_next(engine: Engine, store: Store) -> None:
    add(engine, *["ann"] * 4)
    caps = Caps(owner_bytes_day=1000)
    assert await begun(store, caps, 1, DAY) == [1]
    attempt = await _under_way(engine, 1)
    await store.save([commands.ChargeOwner(attempt, "ann", 1.0, 600)], DAY)
    assert await begun(store, caps, 1, DAY) == [2]
    await store.save([commands.ChargeOwner(attempt, "ann", 1.0, 400)], DAY + 1)
    assert await begun(store, caps, 1, DAY + 2) == []
    assert await begun(store, caps, 1, DAY + DAY_S) == [3], "another day"
    await store.save([commands.ChargeOwner(attempt, "ann", 1.0, 999)], DAY + DAY_S)
    assert await begun(store, caps, 1, DAY + DAY_S) == [4]


async def test_an_owner_has_only_so_many_rows_waiting_and_the_last_ones_are_refused(
    engine: Engine, store: Store
) -> None:
    caps = Caps(owner_waiting_max=3)
    add(engine, *["old"] * 5)
    assert await begun(store, caps, 0) == []
    add(engine, *["ann"] * 5, "bob", *[None] * 5, "old")
    engine.sql("UPDATE downloads SET not_before = ? WHERE id IN (6, 7)", NOW + 60)
    polled = await store.poll(commands.PollRows((), 0, caps=caps), NOW, RETRY_MAX_S)
    assert [each.attempt.download_id for each in polled.rows.rejected] == [9, 10, 17]
    failed = engine.sql("SELECT id, error_code, error FROM downloads WHERE status = 'failed'")
    assert [each[:2] for each in failed] == [(id, "too_many_waiting") for id in (9, 10, 17)]
    assert "OWNER_WAITING_MAX" in failed[0][2]
    engine.sql("UPDATE downloads SET status = 'pending' WHERE id = 9")
    assert 9 in await begun(store, caps, 99), "sent back by the bot"
    add(engine, *["ann"] * 2)
    polled = await store.poll(commands.PollRows((), 0, caps=caps), NOW, RETRY_MAX_S)
    assert [each.attempt.download_id for each in polled.rows.rejected] == [19], "beside the two that are not to begin"


async def test_a_slice_is_given_up_for_nobody_who_could_not_begin(engine: Engine, store: Store) -> None:
    add(engine, "ann", *["bob"] * 2)
    caps = Caps(owner_max=1)
    assert await begun(store, caps) == [1, 2]
    polled = await store.poll(commands.PollRows((), 0, (), ("ann",), caps), NOW, RETRY_MAX_S)
    assert [each.owner for each in polled.rows.accounts if each.waits] == []


async def seen(store: Store, *spent: str | None, room: int = 0) -> tuple[Account, ...]:
    """Who waits, when these owners have had their slices."""
    return (await store.poll(commands.PollRows((), room, (), spent), NOW, RETRY_MAX_S)).rows.accounts


async def test_who_waits_and_what_they_have_had_is_told_where_a_slice_is_over(engine: Engine, store: Store) -> None:
    add(engine, "ann", "ann", "bob", None, "later")
    engine.sql("UPDATE downloads SET next_attempt_at = ? WHERE owner = 'later'", NOW + 60)
    await served(store, 300.0)
    assert await seen(store) == ()
    accounts = Account(None, 0.0, waits=True), Account("ann", 300.0, waits=True), Account("bob", 0.0, waits=True)
    assert await seen(store, "ann") == accounts
    assert await seen(store, "ann", room=4) == (), "there is a slot for each"
    await store.save([commands.SaveWaiting(await _under_way(engine, 3), None, 0, 0.0, yielded=True)], NOW)
    found = await seen(store, "ann", "carl")
    assert [(each.owner, each.waits) for each in found] == [("ann", False), ("bob", True), ("carl", False)]


async def _under_way(engine: Engine, id: int) -> Attempt:
    ((number,),) = engine.sql("SELECT attempt FROM downloads WHERE id = ?", id)
    return Attempt(id, number)


async def test_a_row_that_has_yielded_is_the_first_of_its_owner(engine: Engine, store: Store) -> None:
    add(engine, "ann", "ann", "bob")
    (first,) = await claimed(store)
    ends = commands.SaveWaiting(first.attempt, None, 0, 0.0, yielded=True)
    await store.save([ends, commands.ChargeOwner(first.attempt, "ann", 300.0)], NOW)
    assert await order(store, {"ann": 10.0, "bob": 10.0}) == [3, 1, 2]


async def test_a_position_is_about_the_place_in_which_a_row_is_served(engine: Engine, store: Store) -> None:
    add(engine, *["greedy"] * 9, "ann", "ann", *["heavy"] * 6, None, "bob", None, "ann")
    engine.sql("UPDATE downloads SET priority = 1 WHERE id IN (7, 21)")
    async with engine.open_table() as table:
        await table.set_weight("heavy", 2)
        stands = {id: await table.position(id) for id in range(1, 22)}
        assert await table.position(22) is None
    real = await order(store, dict.fromkeys(("greedy", "ann", "heavy", "bob", None), 60.0))
    for place, id in enumerate(real):
        found = stands[id]
        assert found is not None
        assert abs(found.ahead - place) < 5, f"row {id} is no. {place} of {real}, and was said to be {found.ahead}"
        assert found.why == "unserved"


async def test_a_position_says_when_what_others_have_had_counts(engine: Engine, store: Store) -> None:
    add(engine, "ann", "ann", "bob")
    await served(store, 1000.0)
    async with engine.open_table() as table:
        stands = await table.position(2)
    assert stands is not None
    assert (stands.ahead, stands.about_s, stands.until) == (1, None, None)


SERVING = Presence(
    os.getpid(), socket.gethostname(), process_begun(os.getpid()), NOW, "1", slots=2, owner_max=1, host_max=3
)


async def test_a_position_says_why_a_row_waits(engine: Engine, store: Store) -> None:
    await store.join()
    await store.renew(SERVING)
    add(engine, "ann", "ann", "bob", None, None, None)
    await claimed(store, 3)
    moments = {2: None, 5: "next_attempt_at = ?", 6: "stage = 'quota', not_before = ?", 4: None, 3: None}
    for id, said in moments.items():
        if said:
            engine.sql(f"UPDATE downloads SET {said} WHERE id = {id}", NOW + 4e8)
    add(engine, "zoe")
    async with engine.open_table() as table:
        found = [await table.position(id) for id in (2, 5, 6, 7)]
        assert [each and each.why for each in found] == ["owner_max", "retry", "quota", "host_max"]
        assert [each and each.until for each in found] == [None, NOW + 4e8, NOW + 4e8, None]
        engine.sql("UPDATE downloads SET url = 'http://other.example/' WHERE id = 7")
        engine.sql("UPDATE downloads SET not_before = 4e9 WHERE id = 5")
        found = [await table.position(id) for id in (7, 5, 1)]
    assert [each and each.why for each in found] == ["turn", "later", None]
    assert found[0] is not None
    assert found[0].text.startswith("It waits for its turn, 1 before it")


async def test_a_position_says_about_how_long_it_takes(engine: Engine, store: Store) -> None:
    await store.join()
    await store.renew(SERVING)
    add(engine, None, *["ann"] * 5)
    engine.sql("""UPDATE downloads SET status = 'downloaded', started_at = '2026-01-01 00:00:00',
        finished_at = '2026-01-01 00:10:00' WHERE id = 1""")
    async with engine.open_table() as table:
        stands = await table.position(6)
    assert stands is not None
    assert stands.ahead == 4
    assert stands.about_s == pytest.approx(4 * 600 / 2, abs=1)
    assert stands.text == "It waits for its turn, 4 before it; that takes about 20 min."


async def test_a_column_of_the_bots_says_whose_a_row_is(engine: Engine, store: Store) -> None:
    await store.leave()
    engine.sql("ALTER TABLE downloads ADD COLUMN user_id INTEGER")
    async with engine.open_store(owner_column="user_id") as again:
        add(engine, *[None] * 4, "ann")
        engine.sql("UPDATE downloads SET user_id = 7 WHERE id IN (1, 2, 3, 5)")
        assert await order(again, dict.fromkeys(("7", None, "ann"), 10.0)) == [1, 4, 5, 2, 3]
        assert engine.sql("SELECT owner FROM downloads ORDER BY id") == [("7",), ("7",), ("7",), (None,), ("ann",)]


async def test_a_column_of_the_bots_is_read_of_rows_that_were_not_to_begin_before(engine: Engine, store: Store) -> None:
    await store.leave()
    engine.sql("ALTER TABLE downloads ADD COLUMN user_id INTEGER")
    async with engine.open_store(owner_column="user_id") as again:
        add(engine, None, None)
        engine.sql("UPDATE downloads SET user_id = 7, not_before = ?", NOW - 1)
        assert [row.owner for row in await claimed(again, 2)] == ["7", "7"]


async def test_a_column_that_is_not_there_is_said_at_the_start(engine: Engine, store: Store) -> None:
    await store.leave()
    with pytest.raises(DatabaseError, match="no column `chat_id`"):
        async with engine.open_store(owner_column="chat_id"):
            pass
