"""What an operator sees of the table."""

from __future__ import annotations

import sqlite3

import pytest

from reactor.database.sql.overview import counts, overview
from reactor.database.table import Counts


def add(table: sqlite3.Connection, status: str | None, added: str = "2026-01-01 00:00:00", **more: object) -> int:
    values = {"url": "u", "status": status, "added_date": added} | more
    marks = ", ".join("?" * len(values))
    inserted = table.execute(f"INSERT INTO downloads({', '.join(values)}) VALUES({marks})", [*values.values()])
    assert inserted.lastrowid is not None
    return inserted.lastrowid


def test_each_kind_in_the_order_it_is_shown(table: sqlite3.Connection) -> None:
    late = add(table, "pending", "2026-01-03 00:00:00")
    early = add(table, "pending", "2026-01-02 00:00:00")
    way = [add(table, "downloading"), add(table, "downloading")]
    over = [add(table, status) for status in ("failed", "downloaded", "cancelled", "uploading")]
    seen = overview(table, 3)
    assert [row.id for row in seen.under_way] == way
    assert [row.id for row in seen.queued] == [early, late]
    assert [row.id for row in seen.failed] == over[:1]
    assert [row.id for row in seen.ended] == over[:0:-1], "no more than asked for, the newest first"
    assert [row.id for row in seen.over] == over[::-1]
    assert (seen.counts.pending, seen.counts.waiting, seen.counts.downloading) == (2, 0, 2)


def test_what_failed_is_not_pushed_out_by_what_did_not(table: sqlite3.Connection) -> None:
    failed = [add(table, "failed", finished_at=f"2026-01-0{day} 00:00:00") for day in (1, 3, 2)]
    for _ in range(20):
        add(table, "uploaded")
    seen = overview(table, 2)
    assert [row.id for row in seen.failed] == [failed[1], failed[2]], "by when they failed, the last one first"
    assert seen.counts.failed == 3
    assert {row.status for row in seen.ended} == {"uploaded"}


def test_counts(table: sqlite3.Connection) -> None:
    assert counts(table) == Counts(0, 0, 0, 0.0)
    add(table, "pending", "2000-01-01 00:00:00", next_attempt_at=4e9)  # waits for its retry: it was begun once
    add(table, "pending", "2000-01-01 00:00:00", next_attempt_at=1.0)  # may begin again
    assert counts(table) == Counts(1, 1, 0, 0.0)
    table.execute("INSERT INTO downloads(url, added_date) VALUES('u', datetime('now', '-90 seconds'))")
    found = counts(table)
    assert (found.pending, found.waiting) == (2, 1)
    assert 89 < found.oldest_s < 150


@pytest.mark.parametrize("garbage", ["", "yesterday", "2999-01-01 00:00:00", b"\xff", 7, None])
def test_a_date_that_is_none_does_no_harm(table: sqlite3.Connection, garbage: object) -> None:
    add(table, "pending", garbage)  # type: ignore[arg-type]
    assert counts(table).pending == 1
    assert counts(table).oldest_s >= 0
    assert len(overview(table, 10).queued) == 1
