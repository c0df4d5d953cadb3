"""Tables whose constraints are the bot's: one odd row never keeps the others from being served."""

from __future__ import annotations

import pytest

from reactor.core import commands
from reactor.core.events import SaveRejected
from reactor.core.job import Attempt
from reactor.database.contract import RETRY_MAX_S
from reactor.database.store import Polled, Store
from reactor.errors import DatabaseError, Failure
from tests.database.contract.engines import Engine

NOW = 1_800_000_000.0
TIMEOUT = Failure("timeout", "It took too long.")
TABLE = "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT NOT NULL, status TEXT DEFAULT 'pending', {})"
ODD = "CHECK (url <> 'odd' OR status {})"


def make(engine: Engine, columns: str) -> None:
    engine.sql(TABLE.format(columns))
    for url in ("odd", "b", "c"):
        engine.sql("INSERT INTO downloads (url) VALUES (?)", url)


async def poll(store: Store, room: int) -> Polled:
    return await store.poll(commands.PollRows((), room), NOW, RETRY_MAX_S)


def statuses(engine: Engine) -> list[object]:
    return [status for (status,) in engine.sql("SELECT status FROM downloads ORDER BY id")]


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ("finished_at TEXT NOT NULL DEFAULT '2026-01-01', title TEXT UNIQUE", "title"),
        ("stage TEXT, CHECK (status <> 'failed')", "status"),
        ("progress REAL CHECK (progress BETWEEN 0 AND 1)", "progress"),
    ],
)
async def test_a_table_that_rules_out_every_download_is_refused(engine: Engine, columns: str, named: str) -> None:
    engine.sql(TABLE.format(columns))
    with pytest.raises(DatabaseError, match=named) as refused:
        async with engine.open_store():
            pass
    assert not refused.value.retryable


async def test_a_bots_columns_stay_as_they_are(engine: Engine) -> None:
    make(engine, "chat_id INTEGER NOT NULL DEFAULT 7")
    async with engine.open_store() as store:
        (attempt,) = (row.attempt for row in (await poll(store, 1)).rows.claimed)
        await store.save([commands.SaveDownloaded(attempt, "/a", 1, None)], NOW)
    assert engine.sql("SELECT chat_id FROM downloads") == [(7,)] * 3


@pytest.mark.fault(12)
async def test_a_row_that_cannot_be_saved_keeps_no_other_from_it(engine: Engine) -> None:
    make(engine, ODD.format("<> 'downloaded'"))
    async with engine.open_store() as store:
        attempts = [found.attempt for found in (await poll(store, 3)).rows.claimed]
        (unsaved,) = await store.save([commands.SaveDownloaded(one, "/a", 1, None) for one in attempts], NOW)
        assert isinstance(unsaved, SaveRejected)
        assert (unsaved.attempt, unsaved.failure.retryable) == (attempts[0], False)
        assert statuses(engine) == ["downloading", "downloaded", "downloaded"]
        assert await store.save([commands.SaveFailed(attempts[0], unsaved.failure)], NOW) == ()
        assert engine.sql("SELECT error_code FROM downloads WHERE id = 1") == [("constraint",)]


@pytest.mark.fault(12)
async def test_progress_that_one_row_does_not_take_is_that_of_the_others(engine: Engine) -> None:
    make(engine, "file_size INTEGER CHECK (file_size < 1000)")
    async with engine.open_store() as store:
        attempts = [found.attempt for found in (await poll(store, 3)).rows.claimed]
        sizes = zip(attempts, (5000, 10, 20), strict=True)
        progress = commands.SaveProgress(tuple(commands.ProgressOf(one, 1.0, 1, 1, size) for one, size in sizes))
        unsaved = await store.save([progress], NOW)
        assert [(type(each), each.attempt) for each in unsaved] == [(SaveRejected, attempts[0])]
        assert engine.sql("SELECT file_size FROM downloads ORDER BY id") == [(None,), (10,), (20,)]


@pytest.mark.fault(12)
@pytest.mark.parametrize("room", [1, 3])
async def test_a_row_that_cannot_be_claimed_fails_and_the_others_are(engine: Engine, room: int) -> None:
    make(engine, ODD.format("<> 'downloading'"))
    async with engine.open_store() as store:
        seen = (await poll(store, room)).rows
        (rejected,) = seen.rejected
        assert rejected.attempt.download_id == 1
        assert engine.sql("SELECT status, error FROM downloads WHERE id = 1") == [("failed", rejected.failure.text)]
        found = [*seen.claimed, *(await poll(store, room - len(seen.claimed))).rows.claimed]
        assert [row.url for row in found] == ["b", "c"][:room]


async def test_rows_that_can_neither_be_claimed_nor_fail_are_passed_over(engine: Engine) -> None:
    make(engine, ODD.format("= 'pending'"))
    async with engine.open_store() as store:
        first = await poll(store, 3)
        assert [row.url for row in first.rows.claimed] == ["b", "c"]
        assert first.stuck.keys() == {1}
        assert statuses(engine) == ["pending", "downloading", "downloading"]


async def test_what_takes_no_end_at_all_is_said_and_left(engine: Engine) -> None:
    make(engine, ODD.format("NOT IN ('failed', 'downloaded')"))
    async with engine.open_store() as store:
        attempts = [found.attempt for found in (await poll(store, 3)).rows.claimed]
        saves = [commands.SaveFailed(attempt, TIMEOUT) for attempt in (*attempts, Attempt(9, 1))]
        unsaved = {each.attempt: type(each).__name__ for each in await store.save(saves, NOW)}
        assert unsaved == {attempts[0]: "SaveRejected", Attempt(9, 1): "SaveStale"}
        assert statuses(engine) == ["downloading", "failed", "failed"]
