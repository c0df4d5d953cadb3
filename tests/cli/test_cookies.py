"""`reactor cookies` as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.queue import Queue
from reactor.sync_queue import SyncQueue
from tests.cli.command import reactor

COOKIES = ".site.example\tTRUE\t/\tTRUE\t1999999999\tsid\tSECRET\nold.example\tFALSE\t/\tFALSE\t1\ta\tb\n"


def test_jars_are_added_listed_and_removed(tmp_path: Path) -> None:
    (tmp_path / "cookies.txt").write_text(COOKIES)
    added = reactor("cookies", "add", "mine", "cookies.txt", "--owner", "42", cwd=tmp_path)
    line = "42\tmine\t1 cookie\t2033-05-18\tsite.example\n"
    assert (added.stdout, added.stderr) == (line, "reactor: 1 cookie left out: expired, or of no use to a browser.\n")
    piped = reactor("cookies", "add", "house", "-", cwd=tmp_path, stdin=COOKIES.encode())
    assert (piped.returncode, piped.stdout) == (0, "-\thouse\t1 cookie\t2033-05-18\tsite.example\n")
    assert reactor("cookies", "list", cwd=tmp_path).stdout == piped.stdout + line
    assert reactor("cookies", "list", "--owner", "42", cwd=tmp_path).stdout == line
    refused = reactor("cookies", "remove", "mine", cwd=tmp_path)
    assert (refused.returncode, refused.stderr) == (1, "reactor: There is no jar 'mine' of this owner.\n")
    assert reactor("cookies", "remove", "mine", "--owner", "42", cwd=tmp_path).returncode == 0
    with SyncQueue(tmp_path / "downloads.db") as queue:
        assert queue.list_cookies("42") == []
        assert [jar.name for jar in queue.list_cookies(None)] == ["house"]


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"\xff\xfe", "The cookies are not UTF-8 text."),
        (b"sid=SECRET", "Line 1 of the cookies does not have the format of a cookies.txt. "),
        (None, "cookies.txt cannot be read: No such file or directory."),
    ],
)
def test_what_cannot_be_kept_is_told_in_a_sentence(file: bytes | None, sentence: str, tmp_path: Path) -> None:
    if file is not None:
        (tmp_path / "cookies.txt").write_bytes(file)
    told = reactor("cookies", "add", "mine", "cookies.txt", cwd=tmp_path)
    assert told.returncode == 2
    assert told.stderr.startswith(f"reactor: {sentence}")
    assert "SECRET" not in told.stderr + told.stdout


async def test_a_queue_keeps_them_beside_the_file_that_its_name_leads_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "bot.db").symlink_to(tmp_path / "data" / "real.db")
    (tmp_path / "data" / "real.db").touch()
    async with Queue(tmp_path / "bot.db") as queue:
        await queue.set_cookies(42, "mine", COOKIES)
    with SyncQueue(tmp_path / "data" / "real.db") as queue:
        told = queue.set_cookies("42", "other", COOKIES)
        assert told.left_out == 1
        assert [jar.name for jar in queue.list_cookies("42")] == ["mine", "other"]
        assert queue.remove_cookies(42, "mine")
        id = queue.add("http://site.example/x", owner=42)
        row = queue.get(id)
        assert row is not None
        assert row.owner == "42"
    assert (tmp_path / "data" / "real.db.cookies").is_dir()
    assert not (tmp_path / "bot.db.cookies").exists()
    assert "SECRET" not in (tmp_path / "data" / "real.db").read_bytes().decode("latin-1")
