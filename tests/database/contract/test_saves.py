"""Saves: what each writes, and that each is fenced: whoever committed first wins."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.core import commands
from reactor.core.events import Leftover, SaveStale
from reactor.core.job import Attempt
from reactor.core.rows import ClaimedRow
from reactor.database.contract import LEASE_S, RETRY_MAX_S
from reactor.database.store import Store
from reactor.errors import Failure
from reactor.models import Kind, ResultFile, Stage, Upload
from reactor.plan import Extraction, Fetch, Finish
from tests.database.contract.engines import Engine

NOW = 1_800_000_000.0
MOMENT = "2027-01-15 08:00:00.000"
ONE, TWO = Attempt(1, 1), Attempt(1, 2)
TIMEOUT = Failure("timeout", "It took too long.", "Try again.", True)
PLAN = Extraction(
    kind=Kind.DIRECT,
    title="A title",
    fetches=(Fetch(urls=("http://host.example/a",), name="a.bin", size=7), Fetch(name="b.bin", size=3)),
    finish=Finish(how="media", name="a"),
)
SAVES: list[commands.Save] = [
    commands.SaveStage(ONE, Stage.FETCHING),
    commands.SavePlan(ONE, PLAN),
    commands.SaveDownloaded(ONE, "/downloads/a.bin", 10, "A title"),
    commands.SaveWaiting(ONE, TIMEOUT, 1, 30.0),
    commands.SaveWaiting(ONE, None, 0, 0.0, yielded=True),
    commands.SaveFailed(ONE, TIMEOUT),
    commands.SaveTakenUp(ONE),
]
"""Those that are refused when the row is in another state."""


async def claim(store: Store, now: float = NOW) -> tuple[ClaimedRow, ...]:
    return (await store.poll(commands.PollRows((), 1), now, RETRY_MAX_S)).rows.claimed


@pytest.fixture
async def claimed(engine: Engine, store: Store) -> Store:
    """One row is under way in its first attempt."""
    engine.sql("INSERT INTO downloads (url) VALUES ('http://host.example/a')")
    assert [row.attempt for row in await claim(store)] == [ONE]
    return store


async def save(store: Store, *saves: commands.Save) -> tuple[Attempt, ...]:
    """The attempts whose row was in another state."""
    unsaved = await store.save(saves, NOW)
    assert all(isinstance(each, SaveStale) for each in unsaved)
    return tuple(each.attempt for each in unsaved)


def row(engine: Engine, columns: str) -> tuple[Any, ...]:
    (found,) = engine.sql(f"SELECT {columns} FROM downloads WHERE id = 1")
    return found


async def plan(store: Store) -> tuple[Extraction | None, int, frozenset[int]]:
    (found,) = (await store.recover()).found.rows
    return found.plan, found.plan_attempt, found.done


async def test_a_stage_and_the_kind_that_works(engine: Engine, claimed: Store) -> None:
    assert await save(claimed, commands.SaveStage(ONE, Stage.EXTRACTING, Kind.DIRECT)) == ()
    assert await save(claimed, commands.SaveStage(ONE, Stage.FETCHING)) == ()
    assert row(engine, "stage, url_type") == ("fetching", "direct")


async def test_a_plan_comes_back_as_it_was(engine: Engine, claimed: Store) -> None:
    await save(claimed, commands.SavePlan(ONE, PLAN, frozenset({0})))
    assert row(engine, "stage, title, file_size, url_type, progress") == ("fetching", "A title", 10, "direct", 0)
    assert await plan(claimed) == (PLAN, 1, frozenset({0}))
    assert (await claimed.recover()).planned == {1}


@pytest.mark.parametrize("continues", [False, True])
async def test_a_plan_begins_at_zero_unless_it_continues(engine: Engine, claimed: Store, continues: bool) -> None:
    await save(claimed, commands.SaveProgress((commands.ProgressOf(ONE, 40.0, 1, 1, 10),)))
    await save(claimed, commands.SavePlan(ONE, PLAN, continues=continues))
    assert row(engine, "progress") == (40 if continues else 0,)


async def test_progress_of_several_rows_passes_over_those_in_another_state(engine: Engine, claimed: Store) -> None:
    """Speed: bytes/s in the command, MiB/s in the row."""
    saves = commands.SaveProgress(
        (
            commands.ProgressOf(Attempt(9, 1), 1.0, 1, 1, 1),
            commands.ProgressOf(TWO, 2.0, 2, 2, 2),
            commands.ProgressOf(ONE, 33.33333, 3 * 2**19, 61, 1000, "A title"),
        )
    )
    assert await save(claimed, saves) == ()
    columns = "progress, download_speed, eta_seconds, file_size, title, lease_until"
    assert row(engine, columns) == (33.33, 1.5, 61, 1000, "A title", NOW + LEASE_S)
    await save(claimed, commands.SaveProgress((commands.ProgressOf(ONE, None, 0, None, None),)))
    assert row(engine, columns)[:5] == (33.33, 0, None, 1000, "A title")


async def test_the_parts_that_are_done_stand_in_the_plan(claimed: Store) -> None:
    await save(claimed, commands.SavePlan(ONE, PLAN))
    for numbers in (frozenset({*range(300), 302, *range(304, 2000)}), frozenset[int]()):
        await save(claimed, commands.SaveProgress((commands.ProgressOf(ONE, 50.0, 1, 1, 1, done=numbers),)))
        assert (await plan(claimed))[2] == numbers
    later = commands.ProgressOf(TWO, 50.0, 1, 1, 1, done=frozenset({1}))
    await save(claimed, commands.SaveProgress((later,)))
    assert not (await plan(claimed))[2], "another attempt says nothing of this one's parts"


async def test_downloaded(engine: Engine, claimed: Store) -> None:
    await save(claimed, commands.SaveWaiting(ONE, TIMEOUT, 1, 0.0))
    await claim(claimed)
    assert await save(claimed, commands.SavePlan(TWO, PLAN), commands.SaveDownloaded(TWO, "/a.bin", 12, None)) == ()
    columns = "status, stage, progress, download_speed, eta_seconds, file_path, file_size, title, finished_at"
    assert row(engine, columns) == ("downloaded", None, 100, 0, None, "/a.bin", 12, "A title", MOMENT)
    assert row(engine, "error, error_code, claimed_by, lease_until, retry_count") == (None, None, None, None, 1)
    assert (await claimed.recover()).planned == frozenset()


async def test_notes_are_written_where_there_are_some(engine: Engine, claimed: Store) -> None:
    engine.sql("UPDATE downloads SET notes = 'mine' WHERE id = 1")
    await save(claimed, commands.SaveDownloaded(ONE, "/a.bin", 12, None))
    assert row(engine, "notes") == ("mine",), "a bot's own column may have this name"
    engine.sql("UPDATE downloads SET status = 'pending' WHERE id = 1")
    await claim(claimed)
    await save(claimed, commands.SaveDownloaded(TWO, "/a.bin", 12, None, notes="One.\nTwo."))
    assert row(engine, "notes") == ("One.\nTwo.",)


async def test_a_url_of_the_file_is_written_where_there_is_one(engine: Engine, claimed: Store) -> None:
    engine.sql("UPDATE downloads SET file_url = 'mine' WHERE id = 1")
    await save(claimed, commands.SaveDownloaded(ONE, "/d/a.bin", 12, None))
    assert row(engine, "file_url") == ("mine",), "a bot's own column may have this name"
    for url in ("https://files.example/a%20b/", None):  # the second time by a machine that offers none
        engine.sql("UPDATE downloads SET status = 'pending' WHERE id = 1")
        (again,) = await claim(claimed)
        await save(claimed, commands.SaveDownloaded(again.attempt, "/d/a b", 12, None, upload=Upload(file_url=url)))
        async with engine.open_table() as table:
            found = await table.get(1)
        assert found is not None
        assert (found.file_path, found.file_url) == ("/d/a b", url)


async def test_the_machine_that_has_the_file_is_named(engine: Engine, claimed: Store) -> None:
    assert row(engine, "machine") == (None,)
    await save(claimed, commands.SaveDownloaded(ONE, "/d/a.bin", 12, None))
    async with engine.open_table() as table:
        found = await table.get(1)
    assert found is not None
    assert found.machine == ("me" if engine.is_shared else None)


async def test_what_an_uploader_finds_is_read_as_it_was_written(engine: Engine, claimed: Store) -> None:
    files = (ResultFile(path="in/a.mp4", bytes=7, mime_type="video/mp4"), ResultFile(path="b\ud800", bytes=0))
    upload = Upload(mime_type="video/mp4", duration_s=1.23456, width=64, height=48, files=files)
    await save(claimed, commands.SaveDownloaded(ONE, "/a", 12, None, upload=upload))
    assert row(engine, "mime_type, duration_s, width, height, thumbnail_path") == ("video/mp4", 1.235, 64, 48, None)
    async with engine.open_table() as table:
        found = await table.get(1)
        assert found is not None
        assert found.files == (files[0], ResultFile(path="b?", bytes=0))
        engine.sql("UPDATE downloads SET files = '[1, {}]', width = ? WHERE id = 1", engine.odd("wide"))
        found = await table.get(1)
    assert found is not None
    assert (found.files, found.width) == ((), None)


async def test_waiting_for_the_next_attempt_keeps_the_plan(engine: Engine, claimed: Store) -> None:
    await save(claimed, commands.SavePlan(ONE, PLAN), commands.SaveWaiting(ONE, TIMEOUT, 1, 30.0))
    columns = "status, stage, retry_count, next_attempt_at, error, error_code, finished_at, claimed_by"
    text = "It took too long. Try again."
    assert row(engine, columns) == ("pending", "waiting", 1, NOW + 30, text, "timeout", None, None)
    assert (await claimed.recover()).found.leftovers == (), "the files belong to the attempt that goes on with them"
    assert await claim(claimed) == ()
    (found,) = await claim(claimed, NOW + 30)
    assert (found.attempt, found.plan, found.plan_attempt) == (TWO, PLAN, 1)
    assert (await claimed.recover()).found.leftovers == ()


async def test_a_cancel_that_was_taken_back_waits_without_an_error(engine: Engine, claimed: Store) -> None:
    await save(claimed, commands.SaveWaiting(ONE, None, 0, 0.0))
    assert row(engine, "status, stage, error, error_code") == ("pending", "waiting", None, None)


async def test_a_row_that_yields_is_due_at_once_and_keeps_its_plan(engine: Engine, claimed: Store) -> None:
    progress = commands.ProgressOf(ONE, 40.0, 1000, 9, 100)
    await save(claimed, commands.SavePlan(ONE, PLAN), commands.SaveProgress((progress,)))
    await save(claimed, commands.SaveWaiting(ONE, None, 2, 0.0, yielded=True))
    columns = "status, stage, progress, download_speed, retry_count, next_attempt_at, error, error_code, claimed_by"
    assert row(engine, columns) == ("pending", "yielded", 40, 0, 2, None, None, None, None)
    assert (await claimed.recover()).found.leftovers == (), "the files belong to the attempt that goes on with them"
    (found,) = await claim(claimed)
    assert (found.attempt, found.plan, found.plan_attempt, found.progress) == (TWO, PLAN, 1, 40)


@pytest.mark.parametrize("keep", [False, True])
async def test_failed(engine: Engine, claimed: Store, keep: bool) -> None:
    ending = commands.SaveFailed(ONE, TIMEOUT, Kind.TORRENT, keep_plan=keep)
    assert await save(claimed, commands.SavePlan(ONE, PLAN), ending) == ()
    columns = "status, stage, error, error_code, url_type, finished_at"
    assert row(engine, columns) == ("failed", None, TIMEOUT.text, "timeout", "torrent", MOMENT)
    assert (await claimed.recover()).found.leftovers == ((Leftover(ONE, 2),) if keep else ())
    await save(claimed, commands.ForgetPlan(ONE))
    assert (await claimed.recover()).found.leftovers == ()


@pytest.mark.parametrize("keep", [False, True])
async def test_what_was_downloaded_and_is_still_served_keeps_its_result(claimed: Store, keep: bool) -> None:
    await save(claimed, commands.SavePlan(ONE, PLAN), commands.SaveDownloaded(ONE, "/a", 10, None, keep_plan=keep))
    leftovers = (await claimed.recover()).found.leftovers
    assert leftovers == ((Leftover(ONE, 2, keep_result=True),) if keep else ())


@pytest.mark.parametrize("how", ["cancelled = 1", "status = 'cancelled'"])
@pytest.mark.parametrize("keep", [False, True])
async def test_cancelled(engine: Engine, claimed: Store, how: str, keep: bool) -> None:
    await save(claimed, commands.SavePlan(ONE, PLAN))
    engine.sql(f"UPDATE downloads SET {how}")
    assert await save(claimed, commands.SaveCancelled(ONE, keep_plan=keep)) == ()
    assert row(engine, "status, stage, finished_at, claimed_by") == ("cancelled", None, MOMENT, None)
    assert (await claimed.recover()).planned == ({1} if keep else set())
    assert await save(claimed, commands.SaveCancelled(ONE, keep_plan=keep)) == (), "it may be said twice"


async def test_cancelled_is_refused_when_nobody_cancelled(engine: Engine, claimed: Store) -> None:
    assert await save(claimed, commands.SaveCancelled(ONE)) == (ONE,)
    await save(claimed, commands.SaveFailed(ONE, TIMEOUT))
    engine.sql("UPDATE downloads SET cancelled = 1")
    assert await save(claimed, commands.SaveCancelled(ONE)) == (ONE,)
    assert row(engine, "status") == ("failed",)


async def test_a_row_that_is_gone_counts_as_cancelled(engine: Engine, claimed: Store) -> None:
    await save(claimed, commands.SavePlan(ONE, PLAN))
    engine.sql("DELETE FROM downloads")
    assert await save(claimed, commands.SaveCancelled(ONE)) == ()
    assert (await claimed.recover()).planned == frozenset()


@pytest.mark.variants(7 * len(SAVES))  # all on SQLite; PostgreSQL is given the same statements, each of them once
@pytest.mark.fault(14, 15)
@pytest.mark.parametrize("late", SAVES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    "first",
    [
        "UPDATE downloads SET cancelled = 1",
        "UPDATE downloads SET status = 'cancelled'",
        "UPDATE downloads SET status = 'uploading'",
        "UPDATE downloads SET status = 'pending'",
        "UPDATE downloads SET attempt = 2",
        "DELETE FROM downloads",
    ],
)
async def test_what_another_program_committed_first_wins(
    engine: Engine, claimed: Store, late: commands.Save, first: str
) -> None:
    engine.sql(first)
    before = engine.sql("SELECT * FROM downloads")
    assert await save(claimed, late) == (ONE,)
    await save(claimed, commands.SaveProgress((commands.ProgressOf(ONE, 1.0, 1, 1, 1),)))
    assert engine.sql("SELECT * FROM downloads") == before
    assert (await claimed.recover()).planned == frozenset()


@pytest.mark.fault(14)
async def test_an_end_is_the_end_for_whatever_comes_later_of_its_attempt(engine: Engine, claimed: Store) -> None:
    await save(claimed, commands.SaveDownloaded(ONE, "/a", 1, None))
    before = engine.sql("SELECT * FROM downloads")
    for late in SAVES:
        assert await save(claimed, late) == (ONE,)
    assert engine.sql("SELECT * FROM downloads") == before


async def test_what_is_refused_keeps_nothing_else_from_being_saved(engine: Engine, claimed: Store) -> None:
    other = Attempt(7, 1)
    saves = (
        commands.SaveFailed(other, TIMEOUT),
        commands.SaveStage(ONE, Stage.FETCHING),
        commands.SaveStage(other, Stage.FETCHING),
    )
    assert await claimed.save(saves, NOW) == (SaveStale(other, last=True),)
    assert row(engine, "stage") == ("fetching",)


async def test_what_a_stranger_names_and_promises_can_be_stored(engine: Engine, claimed: Store) -> None:
    huge = commands.ProgressOf(ONE, 1.0, 10**30, 10**30, 10**30, "bad \udcff name")
    done = commands.SaveDownloaded(ONE, "/downloads/\udcff", 10**30, None)
    await save(claimed, commands.SaveProgress((huge,)), done)
    assert row(engine, "file_size, title, file_path") == (2**63 - 1, "bad ? name", "/downloads/?")
