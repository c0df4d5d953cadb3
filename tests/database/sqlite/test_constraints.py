"""Tables whose constraints and triggers are the bot's: what can never work is refused when it is opened; what only
some rows do not take ends those rows, and holds up no other."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reactor.core import commands
from reactor.core.events import RowsPolled, SaveRejected
from reactor.database import contract
from reactor.database.sql import downloads, saving, story
from reactor.database.sqlite.compatibility import check_table
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.migration import migrate
from reactor.errors import DatabaseError, Failure
from tests.database.sqlite.bot import opened, query

NOW = 1_800_000_000.0
TIMEOUT = Failure("timeout", "It took too long.")


def table(columns: str, strict: str = "") -> str:
    return f"CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT NOT NULL, {columns}) {strict}"


STATES = "CREATE TRIGGER own BEFORE UPDATE {} ON downloads WHEN {} BEGIN SELECT RAISE(ABORT, 'bad status'); END"


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (table("finished_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP"), "`finished_at` is NOT NULL"),
        (table("finished_at DATETIME NOT NULL, cancelled BOOLEAN NOT NULL"), "`finished_at` is NOT NULL"),
        (table("cancelled BOOLEAN NOT NULL, title TEXT UNIQUE"), "`title` is UNIQUE"),
        (table("progress REAL AS (100.0 * got / size), got INTEGER, size INTEGER"), "`progress` is GENERATED"),
        (table("cancelled INTEGER AS (stop_at IS NOT NULL) STORED, stop_at TEXT"), "`cancelled` is GENERATED"),
        (table("Status TEXT AS (coalesce(state, 'pending')), state TEXT"), "`Status` is GENERATED"),
        (
            "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT AS (base || path), base TEXT, path TEXT)",
            "`url` is GENERATED",
        ),
        (table("status TEXT CONSTRAINT own CHECK (status <> 'failed')"), "CHECK (status <> 'failed')"),
        (
            table("status TEXT, CONSTRAINT \"own\" CHECK (status IN ('PENDING', 'DOWNLOADING'))"),
            "CHECK (status IN ('PENDING', 'DOWNLOADING'))",
        ),
        (table("status INTEGER NOT NULL DEFAULT 0", "STRICT"), "`status` is INTEGER, and TEXT"),
        (
            table("x") + "; CREATE TRIGGER own BEFORE UPDATE OF status ON downloads WHEN NEW.status <> 'done'"
            " BEGIN SELECT RAISE(IGNORE); END",
            "trigger `own`",
        ),
        (
            table("x") + "; CREATE TRIGGER own AFTER UPDATE ON downloads BEGIN INSERT INTO gone VALUES (1); END",
            "`own` needs the table `gone`",
        ),
        (table("x") + ";" + STATES.format("", "NEW.status NOT IN ('pending', 'downloading', 'done')"), "trigger `own`"),
        (table("x") + ";" + STATES.format("", "NEW.status = 'downloading'"), "trigger `own`"),
        (table("x") + ";" + STATES.format("OF stage", "1"), "trigger `own`"),
        (table("x") + "; CREATE TRIGGER own AFTER UPDATE ON downloads BEGIN SELECT theirs(NEW.id); END", "`theirs`"),
        (
            table("x, kind TEXT") + "; CREATE TRIGGER own AFTER UPDATE OF status ON downloads WHEN NEW.kind = 'a'"
            " BEGIN SELECT their_function(NEW.id); END",
            "its trigger `own` uses the function `their_function`",
        ),
        (table("title TEXT UNIQUE"), "`title` is UNIQUE"),
        (table("title TEXT") + "; CREATE UNIQUE INDEX one ON downloads (Title)", "`title` is UNIQUE"),
        (table("progress INTEGER", "STRICT"), "`progress` is INTEGER, and REAL"),
        (table("status TEXT CHECK (status IN ('pending', 'downloading', 'done'))"), "CHECK (status IN"),
        (table("progress REAL CHECK (progress BETWEEN 0 AND 1)"), "CHECK (progress BETWEEN"),
    ],
)
async def test_a_table_that_no_row_could_go_through_is_refused_untouched(path: Path, statement: str, what: str) -> None:
    with opened(path) as bot:
        bot.executescript(statement)
    before = query(path, "SELECT * FROM sqlite_master")
    with pytest.raises(DatabaseError, match=re.escape(what)) as refused:
        async with Database.open(path, check=check_table):
            pass
    assert not refused.value.retryable
    assert refused.value.hint
    assert query(path, "SELECT * FROM sqlite_master") == before


@pytest.mark.parametrize(
    "statement",
    [
        table(
            "title TEXT NOT NULL DEFAULT '', progress REAL NOT NULL DEFAULT 0, download_speed REAL NOT NULL DEFAULT 0"
        ),
        table("title TEXT CHECK (length(title) > 10), file_size INTEGER CHECK (file_size < 500)"),
        table("x") + ";" + STATES.format("OF status", "NEW.status IN ('failed', 'cancelled')"),
        table("kind TEXT DEFAULT 'a'") + ";" + STATES.format("", "NEW.kind = 'a' AND NEW.status <> 'done'"),
        table("x") + ";" + STATES.format("", "NEW.url LIKE 'https%'"),
        table("x") + ";" + STATES.format("", "(SELECT count(*) FROM downloads WHERE status = 'downloading') > 1"),
        table("x")
        + "; CREATE TABLE log (d INTEGER REFERENCES downloads (id), s TEXT NOT NULL); CREATE TRIGGER own AFTER"
        " UPDATE OF status ON downloads BEGIN INSERT INTO log (d, s) VALUES (NEW.id, NEW.status); END",
        table("updated_at TEXT")
        + "; CREATE TRIGGER own AFTER UPDATE ON downloads BEGIN UPDATE downloads SET updated_at ="
        " datetime('now') WHERE id = NEW.id; END",
        table("x") + "; CREATE VIRTUAL TABLE found USING fts5 (title); CREATE TRIGGER own AFTER UPDATE OF title ON"
        " downloads BEGIN INSERT INTO found (rowid, title) VALUES (NEW.id, NEW.title); END",
        table("x") + "; CREATE TRIGGER own BEFORE INSERT ON downloads BEGIN SELECT RAISE(ABORT, 'not like this'); END",
        "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, added_date TEXT AS ('2026'))",
        table("kind TEXT, status TEXT, CONSTRAINT own CHECK (status <> 'downloaded' OR (kind IN ('a', 'b')))"),
        table("title TEXT") + "; CREATE INDEX own ON downloads (lower(title))",
        table("kind TEXT NOT NULL CHECK (kind IN ('a', 'b')), chat_id INTEGER NOT NULL UNIQUE"),
        table("kind TEXT, status TEXT, CHECK (status <> 'downloaded' OR kind IN ('a', 'b'))"),
        table("chat_id INTEGER NOT NULL DEFAULT 7, status TEXT")
        + "; CREATE UNIQUE INDEX one ON downloads (chat_id) WHERE status = 'downloading'",
        table("host TEXT GENERATED ALWAYS AS (lower(url)) STORED UNIQUE, data BLOB NOT NULL", "STRICT"),
    ],
)
async def test_a_table_that_takes_some_rows_is_served(path: Path, statement: str) -> None:
    with opened(path) as bot:
        bot.executescript(statement)
    async with Database.open(path, check=check_table) as database:
        assert database.instance


# Rows that a table does not take


@contextmanager
def a_table(statement: str, *more: str) -> Iterator[sqlite3.Connection]:
    """Three rows, the first of which is odd: its title is."""
    with opened(Path(":memory:")) as connection:
        connection.execute(statement)
        migrate(connection)
        for url in ("odd", "b", "c"):
            connection.execute("INSERT INTO downloads (url) VALUES (?)", (url,))
        for each in more:
            connection.execute(each)
        yield connection


def look(connection: sqlite3.Connection, room: int = 3, *watch: int) -> RowsPolled:
    return downloads.poll(connection, commands.PollRows(watch, room), "me", NOW).rows


def trigger(when: str, how: str = "ABORT, 'not this one'") -> str:
    return f"CREATE TRIGGER bots BEFORE UPDATE ON downloads WHEN {when} BEGIN SELECT RAISE({how}); END"


def rows(connection: sqlite3.Connection, columns: str = "status") -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT {columns} FROM downloads ORDER BY id").fetchall()


WAYS_TO_REFUSE = ["ABORT, 'not this one'", "ROLLBACK, 'not this one'", "FAIL, 'not this one'", "IGNORE"]


@pytest.mark.fault(12)
@pytest.mark.parametrize("how", WAYS_TO_REFUSE)
def test_a_row_that_cannot_be_saved_keeps_no_other_from_it(how: str) -> None:
    with a_table(table("title TEXT"), trigger("NEW.url = 'odd' AND NEW.status = 'downloaded'", how)) as connection:
        attempts = [found.attempt for found in look(connection).claimed]
        saves = [commands.SaveDownloaded(attempt, f"/{attempt}", 1, None) for attempt in attempts]
        (unsaved,) = saving.apply(connection, saves, NOW)
        assert isinstance(unsaved, SaveRejected)
        assert unsaved.attempt == attempts[0]
        assert not unsaved.failure.retryable
        assert "trigger" in unsaved.failure.text
        assert rows(connection) == [("downloading",), ("downloaded",), ("downloaded",)]
        assert saving.apply(connection, [commands.SaveFailed(attempts[0], unsaved.failure)], NOW) == ()
        assert rows(connection, "status, error")[0] == ("failed", unsaved.failure.text)


def test_a_row_that_ends_says_as_much_as_its_table_takes() -> None:
    with a_table(table("error TEXT, finished_at TEXT"), trigger("NEW.finished_at IS NOT NULL")) as connection:
        attempts = [found.attempt for found in look(connection).claimed]
        connection.execute("UPDATE downloads SET cancelled = 1 WHERE id = 3")
        ends: list[commands.Save] = [commands.SaveFailed(attempts[0], TIMEOUT), commands.SaveCancelled(attempts[2])]
        assert saving.apply(connection, ends, NOW) == ()
        assert rows(connection, "status, error, stage") == [
            ("failed", "It took too long.", None),
            ("downloading", None, "detecting"),
            ("cancelled", None, None),
        ]
        assert [found.code for found in story.tries(connection, 1)] == ["timeout"]
    with a_table(table("error TEXT CHECK (length(error) < 5)")) as connection:
        attempts = [found.attempt for found in look(connection).claimed]
        assert saving.apply(connection, [commands.SaveFailed(attempts[0], TIMEOUT)], NOW) == ()
        assert rows(connection, "status, error")[0] == ("failed", None)


@pytest.mark.fault(12)
@pytest.mark.parametrize("how", WAYS_TO_REFUSE)
@pytest.mark.parametrize("room", [1, 3])
def test_a_row_that_cannot_be_claimed_fails_and_the_others_are(how: str, room: int) -> None:
    with a_table(table("x"), trigger("NEW.url = 'odd' AND NEW.status = 'downloading'", how)) as connection:
        seen = look(connection, room)
        (unsaved,) = seen.rejected
        assert unsaved.attempt.download_id == 1
        assert rows(connection, "status, error, error_code")[0] == ("failed", unsaved.failure.text, "constraint")
        claimed = [*seen.claimed, *look(connection, room - len(seen.claimed)).claimed]
        assert [found.url for found in claimed] == ["b", "c"][:room]
        assert len(story.tries(connection, 1)) == 1


@pytest.mark.parametrize("how", WAYS_TO_REFUSE)
def test_rows_that_can_neither_be_claimed_nor_fail_are_passed_over(how: str) -> None:
    with a_table(table("x"), trigger("NEW.url = 'odd'", how)) as connection:
        for _ in range(2):
            assert [found.url for found in look(connection, 1).claimed] in (["b"], ["c"])
        assert look(connection, 1).claimed == ()
        assert rows(connection) == [("pending",), ("downloading",), ("downloading",)]


def test_no_more_rows_are_passed_over_than_a_look_may_take() -> None:
    with a_table(table("x"), trigger("NEW.url = 'odd'")) as connection:
        connection.executemany("INSERT INTO downloads (url) VALUES (?)", [("odd",)] * (contract.PASSED_MAX + 10))
        assert len(look(connection, 2).claimed) == 2
        assert look(connection, 2).claimed == ()


@pytest.mark.fault(12)
@pytest.mark.parametrize("how", WAYS_TO_REFUSE)
def test_a_cancelled_row_that_cannot_say_so_keeps_no_other_from_it(how: str) -> None:
    with a_table(table("x"), trigger("NEW.url = 'odd' AND NEW.status = 'cancelled'", how)) as connection:
        connection.execute("UPDATE downloads SET cancelled = 1 WHERE id < 3")
        for swept in ((2,), ()):
            seen = look(connection)
            assert seen.swept == swept
        assert rows(connection) == [("pending",), ("cancelled",), ("downloading",)]


def test_one_row_of_a_chat_at_a_time() -> None:
    """A constraint that two rows together break: the second fails, with the reason."""
    index = "CREATE UNIQUE INDEX one ON downloads (chat_id) WHERE status = 'downloading'"
    with a_table(table("chat_id DEFAULT 7, status TEXT DEFAULT 'pending'"), index) as connection:
        seen = look(connection, 2)
        assert [found.url for found in seen.claimed] == ["odd"]
        assert ["UNIQUE" in each.failure.text for each in seen.rejected] == [True]
