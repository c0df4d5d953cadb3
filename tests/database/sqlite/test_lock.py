"""One reactor for a database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reactor.database.sqlite.lock import lock
from reactor.errors import DatabaseError, DatabaseInUse
from tests.database.sqlite.bot import DEADLINE_S

HOLD = """
import sys
from reactor.database.sqlite.lock import lock
with lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_is_told_who_has_it(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for _ in range(2):
            with pytest.raises(DatabaseInUse, match=f"pid {holder.pid}") as refused, lock(path):
                pass
            assert str(path) in str(refused.value)
        holder.kill()
        holder.wait(DEADLINE_S)
    with lock(path):
        assert path.with_name("bot.db.reactor.lock").read_text() == f"{os.getpid()}\n"


def test_two_in_one_process_are_two(path: Path) -> None:
    with lock(path), pytest.raises(DatabaseInUse), lock(path):
        pass
    with lock(path):
        pass


def test_a_link_to_the_database_has_the_same_lock(path: Path, tmp_path: Path) -> None:
    path.touch()
    (tmp_path / "link").symlink_to(path)
    with lock(tmp_path / "link"), pytest.raises(DatabaseInUse), lock(path):
        pass


def test_a_place_where_no_lock_can_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match="cannot be made"), lock(tmp_path / "file" / "bot.db"):
        pass
