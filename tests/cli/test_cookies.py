"""`reactor cookies` as a person types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor.queue import Queue
from reactor.sync_queue import SyncQueue
from tests.cli.command import reactor, reactor_here

COOKIES = ".site.example\tTRUE\t/\tTRUE\t1999999999\tsid\tSECRET\nold.example\tFALSE\t/\tFALSE\t1\ta\tb\n"


def test_jars_are_added_listed_and_removed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cookies.txt").write_text(COOKIES)
    assert reactor_here("cookies", "add", "mine", "cookies.txt", "--owner", "42", cwd=tmp_path) == 0
    added = capfd.readouterr()
    line = "42\tmine\t1 cookie\t2033-05-18\tsite.example\n"
    assert (added.out, added.err) == (line, "reactor: 1 cookie left out: expired, or of no use to a browser.\n")
    piped = reactor("cookies", "add", "house", "-", cwd=tmp_path, stdin=COOKIES.encode())
    assert (piped.returncode, piped.stdout) == (0, "-\thouse\t1 cookie\t2033-05-18\tsite.example\n")
    assert reactor_here("cookies", "list", cwd=tmp_path) == 0
    assert capfd.readouterr().out == piped.stdout + line
    assert reactor_here("cookies", "list", "--owner", "42", cwd=tmp_path) == 0
    assert capfd.readouterr().out == line
    assert reactor_here("cookies", "remove", "mine", cwd=tmp_path) == 1
    assert capfd.readouterr().err == "reactor: There is no jar 'mine' of this owner.\n"
    assert reactor_here("cookies", "remove", "mine", "--owner", "42", cwd=tmp_path) == 0
    with SyncQueue(tmp_path / "downloads.db") as queue:
        assert queue.list_cookies("42") == []
        assert [jar.name for jar in queue.list_cookies(None)] == ["house"]


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"\xff\xfe", "The cookies are no UTF-8 text."),
        (b"sid=SECRET", "Line 1 of the cookies is not one of a cookies.txt. "),
        (None, "cookies.txt cannot be read: No such file or directory."),
    ],
)
def test_what_cannot_be_kept_is_told_in_a_sentence(
    file: bytes | None, sentence: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if file is not None:
        (tmp_path / "cookies.txt").write_bytes(file)
    assert reactor_here("cookies", "add", "mine", "cookies.txt", cwd=tmp_path) == 2
    told = capfd.readouterr()
    assert told.err.startswith(f"reactor: {sentence}")
    assert "SECRET" not in told.err + told.out


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
