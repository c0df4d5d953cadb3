"""What a wake costs does not grow with the rows that are over: every statement finds its rows by an index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.sql import downloads, saving
from reactor.database.sql import table as wishes
from reactor.database.sql.overview import WAITING, overview
from reactor.database.sql.statements import any_row
from reactor.database.table import ChangeCursor
from reactor.errors import Failure
from reactor.lists import Entry
from reactor.models import Kind, Stage
from tests.database.states import NOW, UNDER_WAY

FINISHED = 20_000
OWNERS = 50
STATEMENTS_MAX = 35


@pytest.fixture
def long_table(table: sqlite3.Connection) -> sqlite3.Connection:
    """Many rows that are over, and one of each kind that is not."""
    table.execute("PRAGMA synchronous = OFF")
    table.execute(
        """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO downloads (url, status, attempt, finished_at, cancelled)
        SELECT 'u', CASE i % 4 WHEN 0 THEN 'downloaded' WHEN 1 THEN 'failed' WHEN 2 THEN 'cancelled' ELSE 'sent' END,
            1, 'f', i % 4 = 2 FROM n""",
        (FINISHED,),
    )
    table.execute(UNDER_WAY)
    return table


@contextmanager
def traced(table: sqlite3.Connection) -> Iterator[list[str]]:
    """Collects the statements that are run."""
    statements: list[str] = []
    table.set_trace_callback(statements.append)
    try:
        yield statements
    finally:
        table.set_trace_callback(None)


def assert_indexed(table: sqlite3.Connection, statements: list[str]) -> None:
    explained = 0
    for statement in statements:
        if not re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)", statement) or "downloads" not in statement:
            continue
        for *_, step in table.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall():
            explained += 1
            whole = re.match(r"SCAN (downloads|d)\b(?!.* INDEX reactor_)", step)
            assert not whole, f"{step}: {statement}"
            assert "TEMP B-TREE" not in step, f"{step}: {statement}"
    assert explained


@pytest.mark.fault(50)
@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("claim", [0, 1])
def test_a_look(long_table: sqlite3.Connection, analyzed: bool, claim: int) -> None:
    if analyzed:
        long_table.execute("ANALYZE")
    with traced(long_table) as statements:
        seen = downloads.poll(long_table, commands.PollRows((1, 2), claim, (3, FINISHED + 4)), "me", NOW).rows
    assert len(seen.claimed) == claim
    assert len(seen.swept) == 3
    assert seen.due_in_s == 9
    assert_indexed(long_table, statements)


def test_no_index_makes_a_table_for_each_row_that_is_written(table: sqlite3.Connection) -> None:
    """Of an IN of more than two, that is: 0.3 ms where all else of a write takes 0.01. Behind a condition that few
    rows meet it is not evaluated."""
    indexes = "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'downloads' AND sql LIKE '% IN (%'"
    spared = [re.search(r"WHERE (.*?) AND", sql) for (sql,) in table.execute(indexes)]
    assert {found and found[1] for found in spared} == {"parent_id IS NOT NULL", "cancelled <> 0"}


@pytest.mark.parametrize("analyzed", [False, True])
def test_a_look_where_owners_take_turns(long_table: sqlite3.Connection, analyzed: bool) -> None:
    rows = [(str(n % OWNERS), f"2026-01-01 {n}") for n in range(10 * OWNERS)]
    long_table.executemany("INSERT INTO downloads (url, owner, added_date) VALUES ('u', ?, ?)", rows)
    if analyzed:
        long_table.execute("ANALYZE")
    for number in range(OWNERS):
        with traced(long_table) as statements:
            seen = downloads.poll(long_table, commands.PollRows((), 1), "me", NOW).rows
        assert len(seen.claimed) == 1
        if number < 2:
            assert_indexed(long_table, statements)
        assert len(statements) <= STATEMENTS_MAX, "it looks at all owners, or at all of their rows"


def test_an_idle_poll_is_one_statement(table: sqlite3.Connection) -> None:
    """One that asks what there is to do, and what a poll must know whatever it finds."""
    table.execute(f"INSERT INTO downloads (url, status, next_attempt_at) VALUES ('u', 'pending', {NOW + 9})")
    with traced(table) as statements:
        assert downloads.poll(table, commands.PollRows((), 1), "me", NOW).rows.due_in_s == 9
    assert len(statements) == 1


def test_a_look_where_no_status_means_pending(long_table: sqlite3.Connection) -> None:
    with traced(long_table) as statements:
        assert not any_row(long_table, f"{downloads.UNSET} AND id < 0", {})
        long_table.execute(f"UPDATE downloads SET status = 'pending' WHERE {downloads.UNSET}")
    assert_indexed(long_table, statements)


def test_recovering(long_table: sqlite3.Connection) -> None:
    long_table.execute("INSERT INTO reactor_plans (download_id, attempt, parts, plan) VALUES (7, 1, 1, '{}')")
    with traced(long_table) as statements:
        found = downloads.recover(long_table)
    assert [row.attempt for row in found.rows] == [Attempt(FINISHED + 4, 1)]
    assert len(found.leftovers) == 1
    assert_indexed(long_table, statements)


def test_saves(long_table: sqlite3.Connection) -> None:
    attempt = Attempt(FINISHED + 4, 1)
    failure = Failure("timeout", "It took too long.")
    saves: list[commands.Save] = [
        commands.SaveStage(attempt, Stage.FETCHING),
        commands.SaveProgress((commands.ProgressOf(attempt, 1.0, 1, 1, 1),)),
        commands.SaveWaiting(attempt, failure, 1, 5.0),
        commands.SaveCancelled(attempt),
        commands.SaveFailed(attempt, failure),
        commands.ForgetPlan(attempt),
    ]
    with traced(long_table) as statements:
        saving.apply(long_table, saves, NOW)
    assert_indexed(long_table, statements)


def test_lists(long_table: sqlite3.Connection) -> None:
    """Among many entries that are over; of what a poll asks, and of what each end of an entry writes."""
    list_, first = FINISHED + 4, FINISHED + 10
    long_table.execute("UPDATE downloads SET parent_id = 1, item_key = id WHERE id BETWEEN 2 AND ?", (FINISHED,))
    entries = tuple(Entry(key=str(n), url=f"http://host.example/{n}", position=n) for n in range(1, 4))
    attempt = Attempt(list_, 1)
    with traced(long_table) as statements:
        assert saving.apply(long_table, [commands.SaveEntries(attempt, entries, 50)], NOW) == ()
        assert saving.apply(long_table, [commands.SaveListed(attempt, Kind.YTDLP, None, 3)], NOW) == ()
        long_table.execute("UPDATE downloads SET status = 'downloading', attempt = 1 WHERE id = ?", (first,))
        done = commands.SaveDownloaded(Attempt(first, 1), "/a", 1, None)
        assert saving.apply(long_table, [done], NOW) == ()
        long_table.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", (list_,))
        seen = downloads.poll(long_table, commands.PollRows((), 0), "me", NOW).rows
        assert [each.done for each in seen.lists] == [1]
        assert [row.position for row in wishes.children(long_table, list_)] == [1, 2, 3]
        long_table.execute("UPDATE downloads SET status = 'pending', cancelled = 0 WHERE id = ?", (list_,))
        downloads.poll(long_table, commands.PollRows((), 9), "me", NOW)
    assert_indexed(long_table, statements)


def test_what_a_watch_of_all_rows_reads(long_table: sqlite3.Connection) -> None:
    changes = ChangeCursor()
    with traced(long_table) as statements:
        first = wishes.changed(long_table, changes)
        assert wishes.changed(long_table, changes) == []
    assert len(first) == 7
    assert_indexed(long_table, statements)


def test_what_a_bot_asks(long_table: sqlite3.Connection) -> None:
    with traced(long_table) as statements:
        wishes.get_downloads_by_status(long_table, "pending")
        wishes.get_download(long_table, 5)
        wishes.mark_cancelled(long_table, 5)
        wishes.retry(long_table, 5)
        wishes.choose(long_table, 5, ())
    assert_indexed(long_table, [statement for statement in statements if "ORDER BY id DESC" not in statement])


def test_what_an_operator_looks_at(long_table: sqlite3.Connection) -> None:
    with traced(long_table) as statements:
        overview(long_table, 50)
    assert_indexed(long_table, [statement for statement in statements if "ORDER BY id DESC" not in statement])


def test_how_many_wait_for_a_retry_is_counted_among_those_that_do(long_table: sqlite3.Connection) -> None:
    ((*_, step),) = long_table.execute(f"EXPLAIN QUERY PLAN {WAITING}").fetchall()
    assert step == "SEARCH downloads USING INDEX reactor_retries (next_attempt_at>?)"
    assert long_table.execute(WAITING).fetchone() == (1,)
