"""Saves: what each writes, and that a bot's cancel which was committed first always wins."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.events import Leftover, SaveStale
from reactor.core.job import Attempt
from reactor.database import contract
from reactor.database.sqlite import downloads, saving
from reactor.errors import Failure
from reactor.models import Extraction, Fetch, Finish, Kind, Stage
from tests.tools import sqlite3_program

NOW = 1_800_000_000.0
MOMENT = "2027-01-15 08:00:00.000"
ONE = Attempt(1, 1)
TIMEOUT = Failure("timeout", "It took too long.", "Try again.", True)
EXTRACTION = Extraction(
    kind=Kind.DIRECT,
    title="A title",
    fetches=(Fetch(urls=("http://host.example/a",), name="a.bin", size=7), Fetch(name="b.bin", size=3)),
    finish=Finish(how="media", name="a"),
)
ENDINGS: list[commands.Save] = [
    commands.SaveDownloaded(ONE, "/downloads/a.bin", 10, "A title"),
    commands.SaveWaiting(ONE, TIMEOUT, 1, 30.0),
    commands.SaveFailed(ONE, TIMEOUT),
]
ON_THE_WAY: list[commands.Save] = [commands.SaveStage(ONE, Stage.FETCHING), commands.SavePlan(ONE, EXTRACTION)]


@pytest.fixture
def claimed(table: sqlite3.Connection) -> sqlite3.Connection:
    """A table with one row under way in its first attempt."""
    table.execute("INSERT INTO downloads (url) VALUES ('http://host.example/a')")
    downloads.poll(table, commands.PollRows((), 1), "me", NOW)
    return table


def apply(table: sqlite3.Connection, *saves: commands.Save) -> tuple[Attempt, ...]:
    """The attempts that were refused."""
    unsaved = saving.apply(table, saves, NOW)
    assert all(isinstance(each, SaveStale) for each in unsaved)
    return tuple(each.attempt for each in unsaved)


def row(table: sqlite3.Connection, columns: str = "*") -> tuple[Any, ...]:
    found: tuple[Any, ...] = table.execute(f"SELECT {columns} FROM downloads WHERE id = 1").fetchone()
    return found


def plans(table: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return table.execute("SELECT download_id, attempt, parts FROM reactor_plans").fetchall()


def test_a_stage_and_the_kind_that_works(claimed: sqlite3.Connection) -> None:
    assert apply(claimed, commands.SaveStage(ONE, Stage.EXTRACTING, Kind.DIRECT)) == ()
    assert apply(claimed, commands.SaveStage(ONE, Stage.FETCHING)) == ()
    assert row(claimed, "stage, url_type") == ("fetching", "direct")


def test_a_plan_comes_back_as_it_was(claimed: sqlite3.Connection) -> None:
    apply(claimed, commands.SavePlan(ONE, EXTRACTION))
    assert row(claimed, "title, file_size, url_type") == ("A title", 10, "direct")
    assert plans(claimed) == [(1, 1, 2)]
    (found,) = downloads.recover(claimed).rows
    assert (found.plan, found.plan_attempt) == (EXTRACTION, 1)


def test_progress_of_several_rows_passes_over_those_in_another_state(claimed: sqlite3.Connection) -> None:
    mib = 1024 * 1024
    saves = commands.SaveProgress(
        (
            commands.ProgressOf(Attempt(9, 1), 1.0, 1, 1, 1),
            commands.ProgressOf(Attempt(1, 2), 2.0, 2, 2, 2),
            commands.ProgressOf(ONE, 33.33333, 3 * mib // 2, 61, 1000, "A title"),
        )
    )
    assert apply(claimed, saves) == ()
    columns = "progress, download_speed, eta_seconds, file_size, title, lease_until"
    assert row(claimed, columns) == (33.33, 1.5, 61, 1000, "A title", NOW + contract.LEASE_S)
    apply(claimed, commands.SaveProgress((commands.ProgressOf(ONE, None, 0, None, None),)))
    assert row(claimed, columns)[:5] == (33.33, 0, None, 1000, "A title")


def test_downloaded(claimed: sqlite3.Connection) -> None:
    apply(claimed, commands.SaveWaiting(ONE, TIMEOUT, 1, 0.0))
    downloads.poll(claimed, commands.PollRows((), 1), "me", NOW)
    two = Attempt(1, 2)
    apply(claimed, commands.SavePlan(two, EXTRACTION))
    assert apply(claimed, commands.SaveDownloaded(two, "/downloads/a.bin", 12, None)) == ()
    columns = "status, stage, progress, download_speed, eta_seconds, file_path, file_size, title, finished_at"
    assert row(claimed, columns) == ("downloaded", None, 100, 0, None, "/downloads/a.bin", 12, "A title", MOMENT)
    assert row(claimed, "error, error_code, claimed_by, lease_until, retry_count") == (None, None, None, None, 1)
    assert plans(claimed) == []


def test_waiting_for_the_next_attempt_keeps_the_plan(claimed: sqlite3.Connection) -> None:
    apply(claimed, commands.SavePlan(ONE, EXTRACTION), commands.SaveWaiting(ONE, TIMEOUT, 1, 30.0))
    columns = "status, stage, retry_count, next_attempt_at, error, error_code, finished_at"
    sentence = "It took too long. Try again."
    assert row(claimed, columns) == ("pending", "waiting", 1, NOW + 30, sentence, "timeout", None)
    assert downloads.recover(claimed).leftovers == ()
    (found,) = downloads.poll(claimed, commands.PollRows((), 1), "me", NOW + 30).rows.claimed
    assert (found.attempt, found.plan, found.plan_attempt) == (Attempt(1, 2), EXTRACTION, 1)
    (found,) = downloads.recover(claimed).rows
    assert (found.attempt, found.plan_attempt) == (Attempt(1, 2), 1)
    assert downloads.recover(claimed).leftovers == (), "the files belong to the attempt that goes on with them"


def test_a_cancel_that_was_taken_back_waits_without_an_error(claimed: sqlite3.Connection) -> None:
    apply(claimed, commands.SaveWaiting(ONE, None, 0, 0.0))
    assert row(claimed, "status, stage, error, error_code") == ("pending", "waiting", None, None)


@pytest.mark.parametrize("keep", [False, True])
def test_failed(claimed: sqlite3.Connection, keep: bool) -> None:
    apply(claimed, commands.SavePlan(ONE, EXTRACTION), commands.SaveFailed(ONE, TIMEOUT, Kind.TORRENT, keep_plan=keep))
    columns = "status, stage, error, error_code, url_type, finished_at"
    assert row(claimed, columns) == ("failed", None, "It took too long. Try again.", "timeout", "torrent", MOMENT)
    assert downloads.recover(claimed).leftovers == ((Leftover(ONE, 2),) if keep else ())
    apply(claimed, commands.ForgetPlan(ONE))
    assert plans(claimed) == []


@pytest.mark.parametrize("how", ["cancelled = 1", "status = 'cancelled'"])
@pytest.mark.parametrize("keep", [False, True])
def test_cancelled(claimed: sqlite3.Connection, how: str, keep: bool) -> None:
    apply(claimed, commands.SavePlan(ONE, EXTRACTION))
    claimed.execute(f"UPDATE downloads SET {how}")
    assert apply(claimed, commands.SaveCancelled(ONE, keep_plan=keep)) == ()
    assert row(claimed, "status, stage, finished_at, claimed_by") == ("cancelled", None, MOMENT, None)
    assert plans(claimed) == ([(1, 1, 2)] if keep else [])
    assert apply(claimed, commands.SaveCancelled(ONE, keep_plan=keep)) == (), "it may be said twice"


def test_cancelled_is_refused_when_nobody_cancelled(claimed: sqlite3.Connection) -> None:
    assert apply(claimed, commands.SaveCancelled(ONE)) == (ONE,)
    apply(claimed, commands.SaveFailed(ONE, TIMEOUT))
    claimed.execute("UPDATE downloads SET cancelled = 1")
    assert apply(claimed, commands.SaveCancelled(ONE)) == (ONE,)
    assert row(claimed, "status") == ("failed",)


def test_a_row_that_is_gone_counts_as_cancelled(claimed: sqlite3.Connection) -> None:
    apply(claimed, commands.SavePlan(ONE, EXTRACTION))
    claimed.execute("DELETE FROM downloads")
    assert apply(claimed, commands.SaveCancelled(ONE)) == ()
    assert plans(claimed) == []


@pytest.mark.fault(14, 15)
@pytest.mark.parametrize("save", [*ENDINGS, *ON_THE_WAY], ids=lambda save: type(save).__name__)
@pytest.mark.parametrize(
    "first",
    [
        "UPDATE downloads SET cancelled = 1",
        "UPDATE downloads SET status = 'cancelled'",
        "UPDATE downloads SET status = 'uploading'",
        "UPDATE downloads SET attempt = 2",
        "DELETE FROM downloads",
        "INSERT OR REPLACE INTO downloads (id, url) VALUES (1, 'http://host.example/other')",
    ],
)
def test_what_another_program_committed_first_wins(
    path: Path, claimed: sqlite3.Connection, save: commands.Save, first: str
) -> None:
    sqlite3_program(path, first)
    before = claimed.execute("SELECT * FROM downloads").fetchall()
    assert apply(claimed, save) == (ONE,)
    assert claimed.execute("SELECT * FROM downloads").fetchall() == before
    assert plans(claimed) == []


def test_what_is_refused_keeps_nothing_else_from_being_saved(claimed: sqlite3.Connection) -> None:
    other = Attempt(7, 1)
    saves = (
        commands.SaveFailed(other, TIMEOUT),
        commands.SaveStage(ONE, Stage.FETCHING),
        commands.SaveStage(other, Stage.FETCHING),
    )
    assert apply(claimed, *saves) == (other,)
    assert row(claimed, "stage") == ("fetching",)


def test_all_saves_are_one_transaction(path: Path, claimed: sqlite3.Connection) -> None:
    """The disk is full at the second one."""
    (pages,) = claimed.execute("PRAGMA page_count").fetchone()
    claimed.execute(f"PRAGMA max_page_count = {pages}")
    large = Failure("timeout", "x" * 100_000)
    saves = commands.SaveStage(ONE, Stage.FETCHING), commands.SaveFailed(ONE, large)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        apply(claimed, *saves)
    assert row(claimed, "status, stage") == ("downloading", "detecting")
    assert not claimed.in_transaction
    claimed.execute(f"PRAGMA max_page_count = {pages + 1000}")
    assert apply(claimed, *saves) == ()
    assert row(claimed, "status, error") == ("failed", large.text)


def test_a_plan_that_cannot_be_read_is_none_and_its_debt_stays(claimed: sqlite3.Connection) -> None:
    apply(claimed, commands.SavePlan(ONE, EXTRACTION))
    claimed.execute('UPDATE reactor_plans SET plan = \'{"kind": "of another version"}\'')
    (found,) = downloads.recover(claimed).rows
    assert (found.plan, found.plan_attempt) == (None, 1)
    claimed.execute("UPDATE downloads SET status = 'failed'")
    assert downloads.recover(claimed).leftovers == (Leftover(ONE, 2),)


def test_the_parts_that_are_done_stand_in_the_plan(claimed: sqlite3.Connection) -> None:
    def done() -> frozenset[int]:
        return downloads.recover(claimed).rows[0].done

    apply(claimed, commands.SavePlan(ONE, EXTRACTION, frozenset({0})))
    assert done() == {0}
    for numbers in (frozenset({*range(300), 302, *range(304, 2000)}), frozenset[int]()):
        apply(claimed, commands.SaveProgress((commands.ProgressOf(ONE, 50.0, 1, 1, 1, done=numbers),)))
        assert done() == numbers
    later = commands.ProgressOf(Attempt(1, 2), 50.0, 1, 1, 1, done=frozenset({1}))
    apply(claimed, commands.SaveProgress((later,)))
    assert not done(), "another attempt says nothing of this one's parts"


def test_recovering_takes_only_what_is_ours(claimed: sqlite3.Connection) -> None:
    claimed.execute("INSERT INTO downloads (url, status) VALUES ('u', 'downloading'), ('u', 'pending')")
    found = downloads.recover(claimed)
    assert [(row.attempt, row.stage) for row in found.rows] == [(ONE, "detecting")]
    assert found.instance == claimed.execute("SELECT value FROM reactor_meta WHERE key = 'instance'").fetchone()[0]


def test_what_a_stranger_names_and_promises_can_be_stored(claimed: sqlite3.Connection) -> None:
    apply(
        claimed,
        commands.SaveProgress((commands.ProgressOf(ONE, 1.0, 10**30, 10**30, 10**30, "bad \udcff name"),)),
        commands.SaveDownloaded(ONE, "/downloads/\udcff", 10**30, None),
    )
    assert row(claimed, "file_size, title, file_path") == (2**63 - 1, "bad ? name", "/downloads/?")


@pytest.mark.parametrize("save", [*ON_THE_WAY, *ENDINGS], ids=lambda save: type(save).__name__)
def test_a_save_is_one_update_of_its_row(claimed: sqlite3.Connection, save: commands.Save) -> None:
    """A bot's trigger runs once for it, and sees all of it."""
    statements: list[str] = []
    claimed.set_trace_callback(statements.append)
    assert apply(claimed, save) == ()
    assert len([each for each in statements if each.startswith("UPDATE downloads")]) == 1
    assert not [each for each in statements if each.startswith("SELECT")]


def test_a_save_leaves_alone_what_it_does_not_know(claimed: sqlite3.Connection) -> None:
    """Also for triggers on these columns."""
    claimed.execute(
        """CREATE TEMP TRIGGER no AFTER UPDATE OF title, file_size, url_type ON main.downloads
        BEGIN SELECT RAISE(ABORT, 'written'); END"""
    )
    assert apply(claimed, commands.SaveStage(ONE, Stage.FETCHING)) == ()
    assert apply(claimed, commands.SaveProgress((commands.ProgressOf(ONE, 1.0, 1, 1, None),))) == ()
    assert apply(claimed, commands.SaveFailed(ONE, TIMEOUT)) == ()
