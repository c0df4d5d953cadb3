"""`reactor clean` as a person types it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.cli.command import reactor, refused
from tests.retention import place as places
from tests.retention.place import place_in


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "NOW", time.time())


@pytest.mark.usefixtures("_now")
async def test_it_says_what_it_would_delete_and_deletes_it(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        await place.bring("old\x1b[2J.bin", b"x" * 2048, age_s=8 * 86_400)
        await place.bring("changed.bin", age_s=8 * 86_400 - 1)
        await place.bring("young.bin", age_s=6 * 86_400)
        (place.folder / "changed.bin").write_bytes(b"mine")
    old = tmp_path / "downloads" / "old\\x1b[2J.bin"
    for flags, word in (("--dry-run",), "would be deleted, and"), ((), "deleted,"):
        done = reactor("clean", *flags, cwd=tmp_path, DOWNLOAD_DB="bot.db", KEEP_DAYS="7")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            f"#1  2.0 KiB  {old}  older than KEEP_DAYS",
            f"1 file {word} 2.0 KiB (2048 bytes) freed.",
        ]
        assert done.stderr.splitlines() == [
            f"reactor: #2 is left: {tmp_path / 'downloads' / 'changed.bin'}: it was changed since, or replaced."
        ]
    again = reactor("clean", "--dry-run", cwd=tmp_path, DOWNLOAD_DB="bot.db", KEEP_DAYS="7")
    assert (again.stdout, again.stderr) == ("0 files would be deleted, and 0 B (0 bytes) freed.\n", "")
    flagged = reactor("clean", "--days", "5", "--db", "bot.db", cwd=tmp_path)
    assert flagged.stdout.endswith("1 file deleted, 3 B (3 bytes) freed.\n")
    assert place.names() == ["changed.bin"]


@pytest.mark.usefixtures("_now")
async def test_each_flag_stands_for_its_setting(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        await place.bring("a", b"x" * 2**20, age_s=86_401)
        await place.bring("b", b"x" * 2**20, age_s=86_400)
        place.sql("UPDATE downloads SET status = 'sent' WHERE id = 2")
    by_status = reactor("clean", "--dry-run", "--statuses", "sent,archived", "--db", "bot.db", cwd=tmp_path)
    assert "#2  1.0 MiB" in by_status.stdout
    by_size = reactor("clean", "--gib", "0.001", "--db", "bot.db", "--dir", place.folder, cwd=tmp_path / "downloads")
    assert by_size.returncode == 2, "there is no such database"
    by_size = reactor("clean", "--gib", "0.001", "--db", "bot.db", cwd=tmp_path)
    assert "#1  1.0 MiB" in by_size.stdout
    assert by_size.stdout.splitlines()[-1] == "1 file deleted, 1.0 MiB (1048576 bytes) freed."
    assert place.names() == ["b"]


def test_it_does_nothing_by_itself(tmp_path: Path) -> None:
    assert "No rule says which files to delete" in refused(reactor("clean", cwd=tmp_path))
    assert "There is no database" in refused(reactor("clean", "--days", "1", cwd=tmp_path))
    assert "is reactor's own" in refused(reactor("clean", "--statuses", "downloaded", cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []
