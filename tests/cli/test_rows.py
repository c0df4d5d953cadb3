"""`add`, `list`, `cancel` and `watch` on a database that no daemon serves."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import reactor, refused


def query(path: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask the database by other means than ours."""
    with closing(sqlite3.connect(path)) as database, database:
        return database.execute(statement, values).fetchall()


@pytest.fixture
def bot_db(tmp_path: Path) -> Path:
    """A bot's database with one row in each state."""
    path = tmp_path / "bot.db"
    assert reactor("add", "--db", path, "http://127.0.0.1/1", cwd=tmp_path).returncode == 0
    rows = [
        ("http://user:secret@127.0.0.1/2.bin", "downloading", "Two\x1b[2J [red]", None, None),
        ("http://127.0.0.1/3", "downloaded", "Three", "downloads/three.bin", None),
        ("http://127.0.0.1/4", "failed", None, None, "The server has no such file (404)."),
        ("http://127.0.0.1/5", "uploading", None, None, None),
    ]
    for row in rows:
        query(path, "INSERT INTO downloads (url, status, title, file_path, error) VALUES (?, ?, ?, ?, ?)", *row)
    return path


def test_add_makes_the_database_and_prints_an_id_a_line(tmp_path: Path) -> None:
    done = reactor("add", "http://127.0.0.1/a", "magnet:?xt=urn:btih:" + "0" * 40, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n2\n", "")
    rows = query(tmp_path / "downloads.db", "SELECT id, url, status FROM downloads ORDER BY id")
    assert rows == [(1, "http://127.0.0.1/a", "pending"), (2, "magnet:?xt=urn:btih:" + "0" * 40, "pending")]


def test_what_looks_like_a_flag_is_added_after_a_double_dash(tmp_path: Path) -> None:
    assert reactor("add", "--", "--url", cwd=tmp_path).stdout == "1\n"
    assert query(tmp_path / "downloads.db", "SELECT url FROM downloads") == [("--url",)]


@pytest.mark.parametrize("verb", [("list",), ("cancel", "1"), ("retry", "1"), ("watch",), ("watch", "1")])
def test_a_database_that_is_not_there_is_not_made_by_looking(tmp_path: Path, verb: tuple[str, ...]) -> None:
    assert "no.db" in refused(reactor(*verb, "--db", "no.db", cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", [("add", "http://127.0.0.1/"), ("list",), ("cancel", "1"), ("watch", "1")])
@pytest.mark.parametrize("name", ["folder", "text"])
def test_what_is_no_database_is_refused(tmp_path: Path, verb: tuple[str, ...], name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("This is a shopping list, not a database.\n" * 100)
    assert name in refused(reactor(*verb, "--db", name, cwd=tmp_path))


def test_list_shows_every_row_safely(bot_db: Path) -> None:
    done = reactor("list", "--db", bot_db, cwd=bot_db.parent, COLUMNS="200")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [
        ["1", "pending"],
        ["2", "downloading"],
        ["3", "downloaded"],
        ["4", "failed"],
        ["5", "uploading"],
    ]
    assert "Three → downloads/three.bin" in lines[3]
    assert "The server has no such file (404)." in lines[4]
    assert "\x1b" not in done.stdout
    assert "[red]" in lines[2]


def test_list_shows_no_password(bot_db: Path) -> None:
    query(bot_db, "UPDATE downloads SET title = NULL")
    assert "secret" not in reactor("list", "--db", bot_db, cwd=bot_db.parent, COLUMNS="200").stdout


def test_list_takes_a_status_and_prints_json(bot_db: Path) -> None:
    done = reactor("list", "--db", bot_db, "--status", "failed", "--json", cwd=bot_db.parent)
    (row,) = json.loads(done.stdout)
    assert (row["id"], row["status"], row["error"]) == (4, "failed", "The server has no such file (404).")
    assert json.loads(reactor("list", "--db", bot_db, "--status", "x", "--json", cwd=bot_db.parent).stdout) == []


def test_cancel_asks_for_a_stop(bot_db: Path) -> None:
    done = reactor("cancel", "--db", bot_db, 1, 2, cwd=bot_db.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    cancelled = query(bot_db, "SELECT id FROM downloads WHERE cancelled OR status = 'cancelled' ORDER BY id")
    assert cancelled == [(1,), (2,)]


def test_retry_queues_what_is_over_and_says_what_is_not(bot_db: Path) -> None:
    reactor("cancel", "--db", bot_db, 1, cwd=bot_db.parent)
    query(bot_db, "UPDATE downloads SET status = 'failed', retry_count = 5, error = 'No.' WHERE id = 1")
    done = reactor("retry", "--db", bot_db, 99, 1, 2, cwd=bot_db.parent)
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first == "reactor: There is no download 99."
    assert second.startswith("reactor: Download 2 is ")
    assert second.endswith("only failed or cancelled downloads can be retried.")
    row = query(bot_db, "SELECT status, cancelled, retry_count, error FROM downloads WHERE id = 1")
    assert row == [("pending", 0, 0, None)]


def test_cancel_says_which_it_could_not_and_stops_the_others(bot_db: Path) -> None:
    done = reactor("cancel", "--db", bot_db, 99, 1, 3, cwd=bot_db.parent)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "reactor: There is no download 99.",
        "reactor: Download 3 is already downloaded.",
    ]
    assert query(bot_db, "SELECT id FROM downloads WHERE cancelled OR status = 'cancelled'") == [(1,)]


@pytest.mark.parametrize(("number", "code"), [(3, 0), (4, 1)])
def test_watch_ends_at_once_with_what_is_over(bot_db: Path, number: int, code: int) -> None:
    done = reactor("watch", "--db", bot_db, number, cwd=bot_db.parent)
    assert done.returncode == code
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith(f"#{number}  ")


def test_watch_says_that_there_is_no_such_download(bot_db: Path) -> None:
    assert "no download 99" in refused(reactor("watch", "--db", bot_db, 99, cwd=bot_db.parent))
