"""Looking at the rows: which are claimed, in which order, and what else one look finds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reactor.core import commands
from reactor.core.events import Leftover, RowsPolled
from reactor.core.job import Attempt
from reactor.database.sql import downloads, saving
from reactor.database.sql import table as wishes
from reactor.database.sqlite.migration import migrate
from tests.database.sqlite.bot import a_bot, opened, query

NOW = 1_800_000_000.0
STATUSES = ["pending", "downloading", "downloaded", "cancelled", "failed", "uploading", "PENDING", ""]


def look(
    table: sqlite3.Connection,
    claim: int = 0,
    *,
    watch: Iterable[int] = (),
    held: Iterable[int] = (),
    now: float = NOW,
) -> RowsPolled:
    return downloads.poll(table, commands.PollRows(tuple(watch), claim, tuple(held)), "me", now).rows


def add(table: sqlite3.Connection, **values: Any) -> int:
    values = {"url": "http://host.example/"} | values
    statement = f"INSERT INTO downloads ({', '.join(values)}) VALUES ({', '.join('?' * len(values))}) RETURNING id"
    return int(table.execute(statement, tuple(values.values())).fetchall()[0][0])


def row(table: sqlite3.Connection, id: int, columns: str) -> tuple[Any, ...]:
    found: tuple[Any, ...] = table.execute(f"SELECT {columns} FROM downloads WHERE id = ?", (id,)).fetchone()
    return found


def claimed(seen: RowsPolled) -> list[int]:
    return [row.attempt.download_id for row in seen.claimed]


def plan(table: sqlite3.Connection, id: int, attempt: int, text: str = "{}") -> None:
    table.execute(
        "INSERT INTO reactor_plans (download_id, attempt, parts, plan) VALUES (?, ?, 2, ?)", (id, attempt, text)
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(STATUSES),
            st.sampled_from([0, 1, None]),
            st.sampled_from([None, "2026-01-01 00:00:00", "2026-01-01 00:00:00.5", "2026-01-02 00:00:00", 5, b"x"]),
            st.sampled_from([None, NOW - 1, NOW, NOW + 1, NOW + 2 * 3600]),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.integers(0, 5),
)
def test_the_oldest_that_are_due_are_claimed_in_order(rows: list[tuple[Any, ...]], room: int) -> None:
    with opened(Path(":memory:")) as table:
        migrate(table)
        table.execute("BEGIN")
        held = []
        for status, cancelled, added, due, is_held in rows:
            id = add(table, status=status, cancelled=cancelled, added_date=added, next_attempt_at=due)
            held += [id] if is_held else []
        table.execute("COMMIT")
        due = """SELECT id FROM downloads WHERE coalesce(cancelled, 0) = 0 AND (status = 'downloading'
            OR (status = 'pending' AND coalesce(next_attempt_at, 0) NOT BETWEEN ? AND ?)) AND added_date IS {} NULL
            ORDER BY added_date, id"""
        dateless, dated = (
            [id for (id,) in table.execute(due.format(no), (NOW + 0.5, NOW + 10)).fetchall() if id not in held]
            for no in ("", "NOT")
        )
        expected = list[int]()
        while dateless or dated:
            first = min((each for each in (dateless, dated) if each), key=lambda each: each[0])
            expected.append(first.pop(0))
        seen = look(table, room, held=held)
        assert claimed(seen) == expected[:room]
        assert (seen.next_url is not None) == (len(expected) > room > 0)
        ours = ("pending", "downloading")
        untouched = [(number, row[0]) for number, row in enumerate(rows, 1) if row[0] not in ours]
        assert all(row_status == row(table, id, "status")[0] for id, row_status in untouched)


@pytest.mark.parametrize(
    ("added", "waited"),
    [
        ("2027-01-15 07:59:00", 60.0),
        ("2027-01-15T07:59:00Z", 60.0),
        ("2027-01-15T09:59:00+02:00", 60.0),
        (NOW - 60, 60.0),
        ("2027-01-15 09:00:00", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+23:59", pytest.approx(65e9, rel=0.1)),
        (b"\x00", None),
    ],
)
def test_how_long_it_waited_is_told_where_the_date_can_be_read(
    table: sqlite3.Connection, added: object, waited: float | None
) -> None:
    add(table, added_date=added)
    assert look(table, 1).claimed[0].waited_s == (waited if waited is None else pytest.approx(waited))


@pytest.mark.parametrize(("code", "known"), [("forbidden", "forbidden"), (None, None), (b"\xff", "\ufffd"), (7, "7")])
def test_a_claim_tells_how_the_attempt_before_ended(table: sqlite3.Connection, code: object, known: str | None) -> None:
    add(table, attempt=1, retry_count=1, error="no", error_code=code)
    assert look(table, 1).claimed[0].error_code == known
    assert downloads.recover(table).rows[0].error_code == known


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("url", "text"),
    [("x" * 100_000, "x" * 100_000), (b"http://\xff", "http://�"), (17, "17"), ("a\0b\nc", "a\0b\nc"), ("", "")],
)
def test_a_url_of_any_kind_is_claimed_as_text(table: sqlite3.Connection, url: object, text: str) -> None:
    add(table, url=url)
    assert look(table, 1).claimed[0].url == text


@pytest.mark.fault(12)
def test_a_url_that_is_null_is_claimed_as_nothing(path: Path) -> None:
    with opened(path) as table:
        table.execute("CREATE TABLE downloads (id INTEGER PRIMARY KEY, url)")
        migrate(table)
        add(table, url=None)
        assert look(table, 1).claimed[0].url == ""


@pytest.mark.fault(12)
@pytest.mark.parametrize("odd", [float("inf"), 2**63 - 1, -(2**63), -1, 1.5, "x", "9" * 400, b"\xff", None])
def test_an_attempt_of_any_kind_is_counted_on_as_a_small_number(table: sqlite3.Connection, odd: object) -> None:
    id = add(table, attempt=odd, retry_count=odd)
    (seen,) = look(table, 1).claimed
    assert type(seen.attempt.number) is int
    assert 0 < seen.attempt.number <= 10**9
    assert seen.retry_count >= 0
    assert [found.attempt for found in downloads.recover(table).rows] == [seen.attempt]
    table.execute("UPDATE downloads SET attempt = ? WHERE id = ?", (odd, id))
    assert downloads.recover(table).rows == (), "it is no reactor's"


@pytest.mark.parametrize(("column", "claims"), [("status TEXT", 1), ("status TEXT DEFAULT 'pending'", 0), ("x", 0)])
def test_no_status_is_pending_only_where_the_bots_column_has_no_default(path: Path, column: str, claims: int) -> None:
    with opened(path) as table:
        table.execute(f"CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, {column})")
        migrate(table)
        id = add(table, status=None)
        assert len(look(table, 1).claimed) == claims
        assert row(table, id, "status") == ("downloading" if claims else None,)


@pytest.mark.parametrize("held", [False, True])
def test_rows_that_no_reactor_has_under_way_begin_anew(table: sqlite3.Connection, held: bool) -> None:
    """An earlier downloader has left them, or the bot has made its table anew without our columns."""
    left = add(table, status="downloading", stage="odd", progress=40.0, next_attempt_at=NOW + 60)
    cancelled = add(table, status="downloading", cancelled=1)
    ours = add(table, status="downloading", attempt=1)
    seen = look(table, 0, held=[left, cancelled] if held else [])
    states = [row(table, id, "status, stage") for id in (left, cancelled, ours)]
    if held:
        assert states == [("downloading", "odd"), ("downloading", None), ("downloading", None)], "it is being stopped"
        return
    assert seen.swept == (cancelled,)
    assert states == [("pending", None), ("cancelled", None), ("downloading", None)]
    assert [(found.attempt, found.progress) for found in look(table, 1).claimed] == [(Attempt(left, 1), 40.0)]


def test_rows_cancelled_before_they_began_say_so(table: sqlite3.Connection) -> None:
    withdrawn = add(table, cancelled=1)
    waiting = add(table, status="cancelled", stage="waiting", next_attempt_at=NOW + 5, attempt=1)
    running = add(table, status="cancelled", stage="fetching", attempt=1)
    bots = add(table, status="cancelled")
    assert look(table, watch=[running]).swept == (withdrawn, waiting)
    ended = ("cancelled", None, None, "2027-01-15 08:00:00.000")
    for id in (withdrawn, waiting):
        assert row(table, id, "status, stage, next_attempt_at, finished_at") == ended
    assert row(table, running, "stage, finished_at") == ("fetching", None)
    assert row(table, bots, "finished_at") == (None,)
    assert look(table, watch=[running]).swept == ()


def test_what_cancelled_deleted_and_replaced_rows_left_is_a_debt(table: sqlite3.Connection) -> None:
    swept = add(table, cancelled=1, stage="waiting", attempt=2)
    waits = add(table, stage="waiting", attempt=1, next_attempt_at=NOW + 5)
    runs = add(table, status="downloading", attempt=2)
    replaced = add(table, next_attempt_at=NOW + 5)
    seeding = add(table, status="downloaded", attempt=1)
    for id, attempt in [(swept, 2), (waits, 1), (runs, 1), (replaced, 1), (seeding, 1), (99, 4)]:
        plan(table, id, attempt)
    leftovers = (
        Leftover(Attempt(swept, 2), 2),
        Leftover(Attempt(replaced, 1), 2),
        Leftover(Attempt(99, 4), 2),
    )
    assert look(table, held=[seeding, runs], watch=[runs]).leftovers == leftovers
    assert look(table, held=[seeding, runs, 99], watch=[runs]).leftovers == leftovers[:2]


async def test_a_bot_that_holds_the_write_lock_hides_no_cancel(path: Path, table: sqlite3.Connection) -> None:
    table.execute("PRAGMA journal_mode = WAL")
    table.execute("PRAGMA busy_timeout = 0")
    id = add(table, status="downloading", attempt=1, cancelled=1)
    async with a_bot(path) as bot:
        await bot("BEGIN IMMEDIATE")
        assert look(table, 1, watch=[id]).watched[0].cancelled
        await bot("ROLLBACK")


def test_a_look_that_finds_nothing_writes_nothing(path: Path, table: sqlite3.Connection) -> None:
    add(table, status="downloaded")
    with opened(path) as other:
        before = other.execute("PRAGMA data_version").fetchone()
        look(table, 5)
        assert other.execute("PRAGMA data_version").fetchone() == before
    assert query(path, "SELECT count(*) FROM downloads") == [(1,)]


@pytest.mark.fault(12)
@pytest.mark.parametrize("odd", [1e300, -1e300, float("inf"), "1e300", 2**63 - 1, "x" * 1000, b"\xff", -5, None])
def test_what_a_bot_has_put_into_our_columns_can_be_written_back(table: sqlite3.Connection, odd: object) -> None:
    """A cancel that is taken back, and a failure, save the count that was read."""
    add(table, **dict.fromkeys(("retry_count", "progress", "lease_until", "added_date", "next_attempt_at"), odd))
    (found,) = look(table, 1).claimed
    assert 0 <= found.retry_count <= 10**9
    assert found.progress is None or 0 <= found.progress <= 100
    waiting = commands.SaveWaiting(found.attempt, None, found.retry_count, 0.0)
    progress = commands.SaveProgress((commands.ProgressOf(found.attempt, found.progress, 0, None, None),))
    assert saving.apply(table, [progress, waiting], NOW) == ()
    assert [again.attempt for again in look(table, 1).claimed] == [Attempt(1, 2)]


@pytest.mark.fault(12)
def test_an_id_that_is_no_number_is_passed_over(path: Path) -> None:
    with opened(path) as table:
        table.execute("CREATE TABLE downloads (id BIGINT NOT NULL PRIMARY KEY, url TEXT)")
        migrate(table)
        for id in ("../x", b"\x00", 1.5, 7):
            table.execute("INSERT INTO downloads (id, url) VALUES (?, 'u')", (id,))
        assert claimed(look(table, 5)) == [7]
        table.execute("UPDATE downloads SET cancelled = 1")
        assert claimed(look(table, 5, watch=[7])) == []


@pytest.mark.parametrize("check", ["", "CHECK (cancelled IN ('true', 'False', 'No', 'YES', 't'))"])
def test_a_cancel_in_words_is_understood(path: Path, check: str) -> None:
    """As bots write it whose column is a text, or that bind a word: SQLite takes it for 0."""
    with opened(path) as table:
        table.execute(f"CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, cancelled TEXT {check})")
        migrate(table)
        going, words = add(table), ("true", "YES", "t")
        assert claimed(look(table, 1)) == [going]
        no = [add(table, cancelled=word, status="pending") for word in ("False", "No")]
        yes = [add(table, cancelled=word, status="pending") for word in words]
        table.execute("UPDATE downloads SET cancelled = 'true' WHERE id = ?", (going,))
        assert wishes.get_download(table, going).cancelled  # type: ignore[union-attr]
        seen = look(table, 9, watch=[going])
        assert claimed(seen) == no
        assert [row(table, id, "status") for id in yes] == [("cancelled",)] * len(words)
        (watched,) = seen.watched
        assert watched.cancelled or watched.status == "cancelled"
