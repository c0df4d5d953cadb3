"""Saves: what each writes, and that a bot's cancel which was committed first always wins."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.events import Leftover, SaveStale
from reactor.core.job import Attempt
from reactor.database.sql import downloads, saving
from reactor.errors import Failure
from reactor.models import Kind, Stage
from reactor.plan import Extraction, Fetch, Finish
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


@pytest.mark.fault(14, 15)
@pytest.mark.parametrize("save", [*ENDINGS, *ON_THE_WAY], ids=lambda save: type(save).__name__)
@pytest.mark.parametrize(
    "first",
    [
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
