"""What is written down of a process that has died: with which rows, and how often in a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reactor.core import commands
from reactor.core.crashes import CRASHED, CRASHES_MAX, HELD_FROM
from reactor.core.job import Attempt
from reactor.core.rows import ClaimedRow
from reactor.database.sql import downloads, saving
from reactor.database.sqlite.migration import migrate
from tests.core.world import one_file

NOW = 1_800_000_000.0


@pytest.fixture
def table(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "bot.db", isolation_level=None)) as connection:
        migrate(connection)
        connection.execute("INSERT INTO downloads (url) VALUES ('http://a/'), ('http://b/'), ('http://c/')")
        yield connection


def claim(table: sqlite3.Connection, count: int = 1) -> list[Attempt]:
    """The next rows are taken up, and planned."""
    seen = downloads.poll(table, commands.PollRows((), count), "me", NOW).rows
    attempts = [row.attempt for row in seen.claimed]
    saving.apply(table, [commands.SavePlan(attempt, one_file()) for attempt in attempts], NOW)
    return attempts


def dies(table: sqlite3.Connection) -> dict[int, tuple[int, bool]]:
    """A process dies, and another one begins; how often that was so with which rows, and whether they are held back."""
    downloads.count_crashes(table)
    return {row.attempt.download_id: (row.crashes, row.held) for row in downloads.recover(table).rows}


def found(table: sqlite3.Connection) -> ClaimedRow:
    (row,) = downloads.recover(table).rows
    return row


def test_unless_it_was_with_one_that_others_have_died_with(table: sqlite3.Connection) -> None:
    """Two that kill, each of them alone, would acquit each other for ever."""
    claim(table)
    dies(table)
    claim(table)
    assert dies(table) == {1: (HELD_FROM, True), 2: (1, False)}
    assert dies(table) == {1: (HELD_FROM, True), 2: (HELD_FROM, True)}
    assert dies(table) == {1: (0, False), 2: (0, False)}, "with none of them"


def test_a_death_while_one_is_tried_is_put_down_to_that_one_alone(table: sqlite3.Connection) -> None:
    (one,) = claim(table)
    dies(table)
    dies(table)
    saving.apply(table, [commands.SaveTakenUp(one)], NOW)
    claim(table, 2)
    assert dies(table) == {1: (CRASHES_MAX, True), 2: (0, False), 3: (0, False)}


def test_of_two_that_are_tried_it_is_the_one_that_was_taken_up_last(table: sqlite3.Connection) -> None:
    first, last = claim(table, 2)
    dies(table)
    dies(table)
    saving.apply(table, [commands.SaveTakenUp(last)], NOW)
    saving.apply(table, [commands.SaveTakenUp(first)], NOW)
    assert dies(table) == {1: (CRASHES_MAX, True), 2: (HELD_FROM, True)}


def test_so_does_another_row_with_its_id(table: sqlite3.Connection) -> None:
    claim(table)
    dies(table)
    table.execute("INSERT OR REPLACE INTO downloads (id, url, added_date) VALUES (1, 'http://d/', '2020-01-01')")
    saving.apply(table, [commands.ForgetPlan(Attempt(1, 1))], NOW)
    assert claim(table) == [Attempt(1, 1)]
    assert dies(table)[1] == (1, False)


def test_one_that_failed_so_is_asked_for_again_as_if_nothing_had_been(table: sqlite3.Connection) -> None:
    claim(table)
    dies(table)
    dies(table)
    table.execute("UPDATE reactor_crashes SET crashes = ?", (CRASHES_MAX,))
    saving.apply(table, [commands.SaveFailed(Attempt(1, 1), CRASHED)], NOW)
    table.execute("UPDATE downloads SET status = 'pending' WHERE id = 1")
    assert claim(table) == [Attempt(1, 2)]
    assert dies(table) == {1: (1, False)}


def test_a_row_that_was_cancelled_meanwhile_is_not_taken_up(table: sqlite3.Connection) -> None:
    (one,) = claim(table)
    dies(table)
    dies(table)
    table.execute("UPDATE downloads SET cancelled = 1")
    (refused,) = saving.apply(table, [commands.SaveTakenUp(one)], NOW)
    assert refused.attempt == one
    assert found(table).held
