"""Rows that nobody will ever serve are found; those that the bot has moved on, or left behind, are its own."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from reactor.database.sql.unserved import (
    COUNT_MAX,
    FIND,
    FIND_NULL,
    WORDS,
    unserved_statuses,
    unserved_table,
)
from reactor.database.sqlite.migration import migrate
from reactor.database.store import UnservedStatus
from tests.database.sqlite.bot import opened

FINISHED = 20_000


def insert(table: sqlite3.Connection, status: object, columns: str = "", values: str = "") -> int:
    statement = f"INSERT INTO downloads (url, status{columns}) VALUES ('u', ?{values}) RETURNING id"
    return int(table.execute(statement, (status,)).fetchone()[0])


@pytest.mark.parametrize("word", ["queued", "PENDING", "Pending", "new", "", " pending", "0", "QueueStatus.PENDING"])
def test_another_word_for_pending_is_found(table: sqlite3.Connection, word: str) -> None:
    first = insert(table, word)
    insert(table, word)
    insert(table, "pending")
    assert unserved_statuses(table) == [UnservedStatus(word, 2, first)]


def test_a_null_where_the_column_has_a_default_is_found(table: sqlite3.Connection) -> None:
    assert unserved_statuses(table) == [] == table.execute("SELECT 1 FROM downloads").fetchall()
    id = insert(table, None)
    assert unserved_statuses(table) == [UnservedStatus(None, 1, id)]


def test_a_null_where_it_has_none_is_pending() -> None:
    with opened(Path(":memory:")) as table:
        table.execute("CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, status INTEGER)")
        migrate(table)
        insert(table, None)
        assert unserved_statuses(table) == []
        insert(table, 1)
        assert unserved_statuses(table) == [UnservedStatus("1", 1, 2)]


def test_a_column_that_does_not_care_for_capitals_is_served() -> None:
    with opened(Path(":memory:")) as table:
        table.execute("CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, status TEXT COLLATE NOCASE)")
        migrate(table)
        insert(table, "PENDING")
        assert unserved_statuses(table) == []


def test_what_is_the_bots_is_left_alone(table: sqlite3.Connection) -> None:
    for word in ("uploading", "sent", "COMPLETED", "paused", "Failed"):
        insert(table, word)
    insert(table, "in my library", ", file_path", ", '/downloads/a'")
    insert(table, "in my library", ", finished_at", ", '2026-01-01'")
    insert(table, "in my library", ", started_at", ", '2026-01-01'")
    insert(table, "in my library", ", progress", ", 100")
    assert unserved_statuses(table) == []


def test_it_costs_nothing_beside_many_rows_that_are_over(table: sqlite3.Connection) -> None:
    table.execute(
        """WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
        INSERT INTO downloads (url, status, finished_at)
        SELECT 'u', CASE i % 2 WHEN 0 THEN 'downloaded' ELSE 'sent' END, 'f' FROM n""",
        (FINISHED,),
    )
    for word in ("done", "x-ray"):
        table.execute(f"INSERT INTO downloads (url, status) SELECT 'u', '{word}' FROM downloads LIMIT {FINISHED}")
    insert(table, "queued")
    found = {each.status: each.count for each in unserved_statuses(table)}
    assert found == {"queued": 1, "x-ray": COUNT_MAX}, "those of another word do not hide it"
    for statement in (WORDS, FIND.replace("?", "'queued'"), FIND_NULL):
        plan = [step for *_, step in table.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]
        assert [step for step in plan if "downloads" in step and "INDEX reactor_" not in step] == []


@pytest.mark.parametrize(
    ("name", "columns", "like"),
    [
        ("download", "id INTEGER PRIMARY KEY, url TEXT, status TEXT", True),
        ("Tasks", "id INTEGER PRIMARY KEY, link TEXT", True),
        ("my_queue", "key TEXT, source_url TEXT", True),
        ("download_settings", "name TEXT, value TEXT", False),
        ("users", "id INTEGER PRIMARY KEY, avatar_url TEXT", False),
    ],
)
def test_a_table_that_looks_like_the_queue(table: sqlite3.Connection, name: str, columns: str, like: bool) -> None:
    table.execute(f'CREATE TABLE "{name}" ({columns})')
    assert unserved_table(table) is None, "it has no rows"
    table.execute(f'INSERT INTO "{name}" DEFAULT VALUES')
    assert unserved_table(table) == (name if like else None)
    insert(table, "pending")
    assert unserved_table(table) is None, "the bot knows how"
