"""A database that is mounted as a single file has a -wal of its own on each side: it is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reactor.database.sqlite import mounts
from reactor.database.sqlite.mounts import mount_points, refuse_mounted_file
from reactor.errors import DatabaseError
from tests.database.sqlite.bot import DEADLINE_S, query

NAMESPACE = ("unshare", "--map-root-user", "--mount", "--")
OPENS = """
import sys
from reactor import SyncQueue
from reactor.errors import DatabaseError
try:
    with SyncQueue(sys.argv[1]) as queue:
        print("opened")
except DatabaseError as error:
    print(error)
"""


def in_a_container(folder: Path, mount: str, database: str) -> str:
    """What a bot says that opens `database`, where `mount` has been carried out."""
    script = f'{mount} && exec "$0" -c "$1" "$2"'
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", script, sys.executable, OPENS, database],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("host", "container"):
        (tmp_path / name).mkdir()
    query(tmp_path / "host" / "my bot.db", "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT)")
    return tmp_path


@pytest.mark.needs("unshare")
@pytest.mark.parametrize("opened_as", ["container/my bot.db", "link.db"])
def test_a_single_file_is_refused(folders: Path, opened_as: str) -> None:
    (folders / "container" / "my bot.db").touch()
    (folders / "link.db").symlink_to(folders / "container" / "my bot.db")
    before = sorted(folders.rglob("*"))
    told = in_a_container(folders, "mount --bind 'host/my bot.db' 'container/my bot.db'", opened_as)
    assert "is mounted as a single file" in told
    assert "Mount its folder" in told
    assert sorted(folders.rglob("*")) == before


@pytest.mark.needs("unshare")
def test_its_folder_is_not(folders: Path) -> None:
    assert in_a_container(folders, "mount --bind host container", "container/my bot.db") == "opened\n"


def test_what_proc_says_is_read() -> None:
    told = rb"""36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
37 35 98:0 /bot.db /data/my\040bot\134.db rw - ext4 /dev/sda1 rw

odd"""
    assert mount_points(told) == {b"/mnt2", rb"/data/my bot\.db"}


def test_where_proc_says_nothing_the_disks_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "MOUNTINFO", tmp_path / "none")
    (tmp_path / "bot.db").touch()
    refuse_mounted_file(tmp_path / "bot.db")
    whole = Path.stat

    def elsewhere(path: Path, **more: bool) -> os.stat_result:
        found = whole(path, **more)
        return os.stat_result((*found[:2], found[2] + (path.name == "bot.db"), *found[3:]))

    monkeypatch.setattr(Path, "stat", elsewhere)
    with pytest.raises(DatabaseError, match="single file"):
        refuse_mounted_file(tmp_path / "bot.db")
