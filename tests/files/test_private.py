"""Files that are nobody else's."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reactor.files.private import exposed, make, narrow, open_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize(("setgid", "wanted"), [(False, 0o600), (True, 0o660)])
def test_a_new_file_is_private_whatever_the_umask(umask: int, setgid: bool, wanted: int, tmp_path: Path) -> None:
    if setgid:
        tmp_path.chmod(0o2770)
    make(tmp_path / "bot.db")
    os.close(open_private(tmp_path / "events", os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == {"bot.db": wanted, "events": wanted}


def test_what_is_there_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    path.write_text("there")
    path.chmod(0o644)
    make(path)
    assert (path.read_text(), mode(path)) == ("there", 0o644)
    assert list(tmp_path.iterdir()) == [path]


def test_making_one_costs_nobody_his_locks(tmp_path: Path) -> None:
    """Closing a database's file would, had it that name already."""
    path = tmp_path / "bot.db"
    with closing(sqlite3.connect(path)) as first, closing(sqlite3.connect(path, timeout=0)) as second:
        first.execute("BEGIN EXCLUSIVE")
        make(path)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            second.execute("BEGIN IMMEDIATE")


def test_where_nothing_can_be_made_sqlite_says_why(tmp_path: Path) -> None:
    make(tmp_path / "no folder" / "bot.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [(0o644, 0o600), (0o666, 0o600), (0o664, 0o600), (0o640, 0o640), (0o660, 0o660), (0o400, 0o400)],
)
def test_what_everybody_may_read_is_narrowed_and_what_a_group_was_given_stays(
    before: int, after: int, tmp_path: Path
) -> None:
    path = tmp_path / "events"
    path.touch()
    path.chmod(before)
    os.close(open_private(path, os.O_RDONLY))
    assert mode(path) == after


def test_what_is_no_plain_file_of_ours_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo, link, theirs = tmp_path / "fifo", tmp_path / "link", tmp_path / "theirs"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    theirs.touch()
    theirs.chmod(0o644)
    link.symlink_to(theirs)
    for path in (fifo, link):
        narrow(path, 0o600)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    narrow(theirs, 0o600)
    assert (mode(fifo), mode(theirs)) == (0o666, 0o644)


def test_what_everybody_may_read_is_told_with_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bot.db"
    assert exposed(path) == ""
    path.touch()
    path.chmod(0o600)
    assert exposed(path) == ""
    path.chmod(0o644)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    path.rename(closed / "bot.db")
    assert exposed(closed / "bot.db") == "", "nobody gets there"
    for folder in (closed, *closed.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    assert exposed(closed / "bot.db") == "0644"
