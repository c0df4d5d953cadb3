"""The bot's side: rows in, rows out, and the two feeds of changes."""

from __future__ import annotations

import anyio
import pytest

from reactor.core import commands
from reactor.database.contract import RETRY_MAX_S
from reactor.database.presence import Presence
from reactor.database.store import Store
from reactor.database.table import ChangeCursor
from reactor.errors import DatabaseError, Failure
from tests.database.contract.engines import Engine
from tests.database.sqlite.bot import DEADLINE_S

NOW = 1_800_000_000.0
URL = "http://host.example/a"
POLL_S = 0.05


async def test_a_row_is_added_read_cancelled_and_tried_again(engine: Engine, store: Store) -> None:
    async with engine.open_table() as table:
        id = await table.add(URL, {})
        row = await table.get(id)
        assert row is not None
        assert (row.id, row.url, row.status, row.cancelled, row.extra) == (id, URL, "pending", False, {})
        assert row.added_date is not None
        assert not await table.retry(id)
        assert await table.cancel(id)
        assert (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.swept == (id,)
        assert not await table.cancel(id)
        assert await table.retry(id)
        (found,) = (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.claimed
        assert found.attempt.number == 1


async def test_an_attempts_number_is_never_used_again(engine: Engine, store: Store) -> None:
    async with engine.open_table() as table:
        id = await table.add(URL, {})
        for number in (1, 2):
            (found,) = (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.claimed
            assert found.attempt.number == number
            await store.save([commands.SaveFailed(found.attempt, Failure("gone", "It is gone."))], NOW)
            assert await table.retry(id)


async def test_what_is_not_there_is_none(engine: Engine) -> None:
    async with engine.open_table() as table:
        assert await table.get(99) is None
        assert await table.story(99) is None
        assert not await table.cancel(99)
        assert not await table.retry(99)
        assert await table.presence() is None


async def test_what_has_no_room_is_told_in_a_sentence(engine: Engine) -> None:
    async with engine.open_table() as table:
        for call in (table.get, table.cancel, table.retry):
            with pytest.raises(DatabaseError, match="number is too large"):
                await call(2**63)
        with pytest.raises(DatabaseError, match="half a character"):
            await table.add(URL + "\ud800", {})
        with pytest.raises(DatabaseError, match="`no`"):
            await table.add(URL, {"no": 1})
        assert await table.list() == []


async def test_rows_are_listed_oldest_first_and_counted(engine: Engine) -> None:
    async with engine.open_table() as table:
        ids = [await table.add(URL, {}) for _ in range(5)]
        engine.sql("UPDATE downloads SET status = 'failed' WHERE id % 2 = 0")
        assert [row.id for row in await table.list()] == ids
        assert [row.id for row in await table.list(limit=2)] == ids[-2:]
        assert [row.id for row in await table.list("failed")] == [2, 4]
        assert (await table.count(), await table.count("failed"), await table.count("no such status")) == (5, 2, 0)
        counts = await table.counts()
        assert (counts.pending, counts.waiting, counts.downloading, counts.failed) == (3, 0, 0, 2)


async def test_the_overview_shows_the_queue_in_the_order_of_service(engine: Engine, store: Store) -> None:
    for date in (None, "2026-01-03", "2026-01-01", None, "2026-01-02"):
        engine.sql("INSERT INTO downloads (url, added_date) VALUES ('u', ?)", date)
    async with engine.open_table() as table:
        seen = await table.overview(4)
        polled = await store.poll(commands.PollRows((), 4), NOW, RETRY_MAX_S)
        assert [row.id for row in seen.queued] == [row.attempt.download_id for row in polled.rows.claimed]
        seen = await table.overview(4)
        assert (len(seen.under_way), len(seen.queued), seen.counts.downloading, seen.counts.pending) == (4, 1, 4, 1)


async def test_the_story_of_a_row(engine: Engine, store: Store) -> None:
    async with engine.open_table() as table:
        first, second, third = [await table.add(URL, {}) for _ in range(3)]
        (found,) = (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.claimed
        await store.save([commands.SaveWaiting(found.attempt, Failure("gone", "It is gone."), 1, 30.0)], NOW)
        story = await table.story(first)
        assert story is not None
        (tried,) = story.tries
        assert (tried.attempt, tried.at, tried.code, tried.again_s) == (1, NOW, "gone", 30.0)
        story = await table.story(third)
        assert story is not None
        assert (story.tries, story.crashes, story.row.id) == ((), 0, third)
        assert story.position is not None
        assert (story.position.of_owner, story.position.owners) == (1, 0), f"only {second} may begin now"


async def test_who_serves_is_told(engine: Engine, store: Store) -> None:
    here = Presence(1, "elsewhere.example", None, NOW, "0.1", page="http://localhost:1/")
    async with engine.open_table() as table:
        await store.renew(here)
        assert await table.presence() == here
        assert (await table.overview(1)).served == here


async def test_sessions_that_were_ended_stay_so_until_they_would_have_ended(engine: Engine) -> None:
    async with engine.open_table() as table:
        assert await table.ended_sessions() == {}
        await table.end_session("a", 100, 50.0)
        await table.end_session("b", 300, 60.0)
        assert await table.ended_sessions() == {"a": 100, "b": 300}
        await table.end_session("c", 400, 200.0)
        assert await table.ended_sessions() == {"b": 300, "c": 400}


async def test_a_cursor_tells_what_changed_only(engine: Engine) -> None:
    async with engine.open_table() as table:
        for _ in range(3):
            await table.add(URL, {})
        engine.sql("UPDATE downloads SET status = 'downloaded' WHERE id = 1")
        cursor, other = ChangeCursor(), ChangeCursor()
        assert [row.id for row in await table.changed(cursor)] == [2, 3], "at first what is not over"
        assert await table.changed(cursor) == []
        engine.sql("UPDATE downloads SET progress = 5 WHERE id = 2")
        engine.sql("INSERT INTO downloads (url, status) VALUES ('u', 'failed')")
        engine.sql("UPDATE downloads SET status = 'cancelled' WHERE id = 3")
        engine.sql("DELETE FROM downloads WHERE id = 1")
        found = [(row.id, row.status) for row in await table.changed(cursor)]
        assert found == [(2, "pending"), (3, "cancelled"), (4, "failed")]
        assert [row.id for row in await table.changed(other)] == [2]


async def test_of_certain_rows_what_changed_is_told_and_what_is_not_there(engine: Engine) -> None:
    async with engine.open_table() as table:
        for _ in range(3):
            await table.add(URL, {})
        engine.sql("UPDATE downloads SET status = 'downloaded' WHERE id = 1")
        cursor = ChangeCursor()
        found = await table.changed_among(cursor, [1, 2, 99])
        assert {id: row and row.status for id, row in found.items()} == {1: "downloaded", 2: "pending", 99: None}
        assert await table.changed_among(cursor, [1, 2, 99]) == {}
        engine.sql("UPDATE downloads SET progress = 5 WHERE id IN (2, 3)")
        engine.sql("DELETE FROM downloads WHERE id = 1")
        found = await table.changed_among(cursor, [1, 2, 99])
        assert {id: row and row.progress for id, row in found.items()} == {1: None, 2: 5}
        assert list(await table.changed_among(cursor, [3])) == [3], "it was not asked for before"


@pytest.mark.fault(1)
async def test_whatever_a_bot_commits_rings(engine: Engine, store: Store) -> None:
    """For the daemon and for a bot that watches; each change, the last one too."""
    async with (
        engine.open_table() as table,
        table.changes(POLL_S) as watching,
        store.changes(POLL_S, lambda reason: None) as serving,
    ):
        for number in range(1, 4):
            engine.sql("INSERT INTO downloads (url) VALUES ('u')")
            with anyio.fail_after(DEADLINE_S):
                await anext(aiter(serving))
                await anext(aiter(watching))
            assert await table.count() == number


async def test_the_daemon_hears_what_it_is_asked_on_its_own_side(engine: Engine, store: Store) -> None:
    async with engine.open_table() as table, store.changes(POLL_S, lambda reason: None) as serving:
        id = await table.add(URL, {})
        with anyio.fail_after(DEADLINE_S):
            await anext(aiter(serving))
            await table.cancel(id)
            await anext(aiter(serving))
        assert (await store.poll(commands.PollRows((), 1), NOW, RETRY_MAX_S)).rows.swept == (id,)


async def test_rows_that_nobody_will_serve_are_found(engine: Engine, store: Store) -> None:
    for status in ("queued", "queued", "uploading", "pending"):
        engine.sql("INSERT INTO downloads (url, status) VALUES ('u', ?)", status)
    (found,) = (await store.unserved()).statuses
    assert (found.status, found.count, found.download_id) == ("queued", 2, 1)
    await store.check()
