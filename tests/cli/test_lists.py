"""Lists and questions as `list`, `watch`, `top` and `why` show them, on a database that no daemon serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reactor.choices import Choices, FormatChoice, HelpChoice
from tests.cli.command import reactor, refused
from tests.cli.terminal import terminal
from tests.database.sqlite.bot import query

QUALITIES = Choices(formats=(FormatChoice(c="f1", label="720p", pick={"quality": 720}),)).stored()
SMALLER = Choices(help=(HelpChoice(c="h1", label="sound", pick={"want": "audio"}),)).stored()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A list of three, a row that asks, one that failed and knows what would help."""
    path = tmp_path / "downloads.db"
    assert reactor("add", *(f"http://127.0.0.1/{name}" for name in ("list", "ask", "large")), cwd=tmp_path).stdout
    query(
        path,
        "UPDATE downloads SET status = 'downloading', stage = 'items', title = 'A course', items_total = 3,"
        " items_done = 1, items_failed = 1, progress = 70, download_speed = 2.5, eta_seconds = 300 WHERE id = 1",
    )
    query(path, "UPDATE downloads SET status = 'choosing', choices = ? WHERE id = 2", QUALITIES)
    query(path, "UPDATE downloads SET status = 'failed', error = 'Too large.', choices = ? WHERE id = 3", SMALLER)
    for place, status, code in ((1, "downloaded", None), (2, "failed", "not_found"), (3, "pending", None)):
        query(
            path,
            "INSERT INTO downloads(url, status, error_code, title, parent_id, item_key, position)"
            " VALUES('http://127.0.0.1/item', ?, ?, ?, 1, ?, ?)",
            *(status, code, f"Lecture {place}", place, place),
        )
    return path


def shown(tmp_path: Path, *words: object) -> str:
    done = reactor(*words, cwd=tmp_path, COLUMNS="160")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_list_is_one_line_until_its_entries_are_asked_for(tmp_path: Path, db: Path) -> None:
    lines = shown(tmp_path, "list").splitlines()
    assert [line.split()[0] for line in lines] == ["id", "1", "2", "3"]
    assert "70 %  1 of 3  2.5 MiB/s  5:00  A course (1 failed)" in lines[1]
    assert "asks what to download, `reactor choose 2`" in lines[2]
    assert "Too large. `reactor choose 3` lists what would help." in lines[3]
    assert [row["id"] for row in json.loads(shown(tmp_path, "list", "--json"))] == [1, 2, 3]
    assert [row["id"] for row in json.loads(shown(tmp_path, "list", "--all", "--json"))] == [1, 2, 3, 4, 5, 6]
    assert [row["id"] for row in json.loads(shown(tmp_path, "list", "--status", "failed", "--json"))] == [3, 5]


def test_the_entries_of_one_list(tmp_path: Path, db: Path) -> None:
    assert [line.split()[0] for line in shown(tmp_path, "list", 1).splitlines()] == ["id", "4", "5", "6"]
    some = reactor("list", 1, "--limit", 2, cwd=tmp_path)
    assert "Lecture 2" in some.stdout
    assert "Lecture 3" not in some.stdout
    assert some.stderr == "reactor: and 1 more entries; --limit 0 lists all.\n"
    for words, sentence in (((2,), "is no list with entries"), ((9,), "no download 9"), ((1, "--all"), "neither")):
        assert sentence in refused(reactor("list", *words, cwd=tmp_path))


def test_why(tmp_path: Path, db: Path) -> None:
    said = shown(tmp_path, "why", 1)
    assert "It is a list: 1 of 3 entries downloaded, 1 waiting or running. `reactor list 1` lists them." in said
    assert "1 not downloaded: 1 not_found." in said
    assert "It is entry 2 of the list #1, A course." in shown(tmp_path, "why", 5)
    assert "`reactor choose 3` lists what would help." in shown(tmp_path, "why", 3)


def test_top_and_watch(tmp_path: Path, db: Path) -> None:
    lines = shown(tmp_path, "top").splitlines()
    assert {"Under way: 1", "Queued: 0; 1 ask what to fetch", "Over"} <= {line.rstrip() for line in lines}
    assert "2.5 MiB/s" in lines[1], "the speed of the entries counts once"
    assert not any("Lecture" in line for line in lines)
    with terminal("watch", cwd=tmp_path, width=120, height=20) as screen:
        seen = screen.until(lambda lines: any("reactor choose 2" in line for line in lines))
        assert not any("Lecture" in line for line in seen)
        query(db, "UPDATE downloads SET items_done = 2 WHERE id = 1")
        screen.until(lambda lines: any("2 of 3" in line for line in lines))
