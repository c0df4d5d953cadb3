"""What a row has brought is given to another one as its own."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.errors import DownloadError, Failure
from reactor.files.copying import PIECE_BYTES, copy_bytes
from reactor.files.staged_checks import FilesMissing
from reactor.files.staging import Staging
from reactor.models import Kind
from reactor.options import Options
from reactor.plan import Brought, Extraction, Fetch, Finish

BYTES = b"0123456789"


def copied(source: Path, target: Path) -> None:
    copy_bytes(source, target)


def no_copy(source: Path, target: Path) -> None:
    raise AssertionError("there are links")


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path, instance="0123456789abcdef")


def brought(path: Path) -> Brought:
    size = path.stat().st_size if path.is_file() else sum(each.stat().st_size for each in path.rglob("*.bin"))
    return Brought(download_id=1, path=str(path), bytes=size, notes=("A piece is missing.",))


def wanted(there: Brought, name: str = "a.bin", id: int = 2, **finish: Any) -> commands.Finish:
    fetch = Fetch(urls=("http://host.example/a",), name=name)
    how = Finish(**{"how": "file", "name": name, "reused": there} | finish)
    return commands.Finish(Attempt(id, 1), Extraction(kind=Kind.DIRECT, fetches=(fetch,), finish=how), (), 0)


def files(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_a_file_gets_another_name_and_each_row_can_do_with_its_own_what_it_likes(
    staging: Staging, tmp_path: Path
) -> None:
    first = tmp_path / "a.bin"
    first.write_bytes(BYTES)
    there = brought(first)
    for _ in range(2):  # killed before the row said so, it is asked for again
        assert staging.reuse(wanted(there), there, no_copy) == (str(tmp_path / "a (1).bin"), len(BYTES))
        assert staging.noted(2) == there.notes
    assert first.samefile(tmp_path / "a (1).bin")
    third = staging.reuse(wanted(there, "mine.bin", id=3), there, no_copy)
    staging.discard(2)  # a cancel has overtaken it
    first.unlink()
    assert files(tmp_path / "mine.bin") == {}
    staging.tidy((3,))
    assert files(tmp_path) == {"mine.bin": BYTES}
    assert third == (str(tmp_path / "mine.bin"), len(BYTES))


def test_a_folder_is_a_folder_of_its_own(staging: Staging, tmp_path: Path) -> None:
    first = tmp_path / "film"
    (first / "deep").mkdir(parents=True)
    (first / "1.bin").write_bytes(BYTES)
    (first / "deep" / "2.bin").write_bytes(BYTES)
    there = brought(first)
    command = wanted(there, "mine.mp4", options=Options(chapters="split"))
    assert staging.reuse(command, there, no_copy) == (str(tmp_path / "mine"), 2 * len(BYTES))
    shutil.rmtree(first)
    staging.tidy((2,))
    assert files(tmp_path) == {"mine/1.bin": BYTES, "mine/deep/2.bin": BYTES}


@pytest.mark.parametrize(
    ("name", "there", "given"),
    [("a.tar.gz", "b.tar.gz", "a.tar.gz"), ("setup.exe", "setup.exe.renamed", "setup.exe.renamed")],
)
def test_the_name_is_the_rows_own(staging: Staging, tmp_path: Path, name: str, there: str, given: str) -> None:
    (tmp_path / there).write_bytes(BYTES)
    staging.programs = False
    found = brought(tmp_path / there)
    path, _ = staging.reuse(wanted(found, name, id=2), found, no_copy)
    assert Path(path).name == (given if given != there else "setup.exe (1).renamed")


def test_the_suffix_is_that_of_what_was_made(staging: Staging, tmp_path: Path) -> None:
    (tmp_path / "film.mp3").write_bytes(BYTES)
    there = brought(tmp_path / "film.mp3")
    path, _ = staging.reuse(wanted(there, "mine.mp4", options=Options(want="audio")), there, no_copy)
    assert Path(path).name == "mine.mp3"


def test_what_has_gone_or_changed_or_is_nothing_of_ours_is_not_given(staging: Staging, tmp_path: Path) -> None:
    secret, first = tmp_path.parent / f"{tmp_path.name}.secret", tmp_path / "a.bin"
    secret.write_bytes(BYTES)
    first.write_bytes(BYTES)
    there = brought(first)
    assert staging.still_there(there)
    (tmp_path / "link").symlink_to(secret)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(secret)
    (tmp_path / ".reactor").mkdir()
    (tmp_path / ".reactor" / "a.bin").write_bytes(BYTES)
    odd = (secret, tmp_path / "link", tmp_path / ".reactor" / "a.bin", tmp_path / "folder" / ".." / ".." / secret.name)
    for path in (*odd, tmp_path / "no", Path(), Path("/"), Path("a\0b"), tmp_path):
        assert not staging.still_there(there.model_copy(update={"path": str(path)})), path
    assert not staging.still_there(Brought(download_id=1, path=str(tmp_path / "folder"), bytes=0))
    with first.open("ab") as more:
        more.write(b"more")
    assert not staging.still_there(there)
    first.unlink()
    with pytest.raises(FilesMissing):
        staging.reuse(wanted(there), there, no_copy)
    assert list(staging.folder(2).iterdir()) == []
    staging.shared = False
    assert not staging.still_there(there)


def test_what_is_too_large_for_this_row_is_refused(staging: Staging, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(BYTES)
    there = brought(tmp_path / "a.bin")
    staging.too_large = lambda size, options: Failure("too_large", f"{size} bytes.")
    with pytest.raises(DownloadError) as caught:
        staging.reuse(wanted(there), there, no_copy)
    assert caught.value.code == "too_large"
    assert files(tmp_path) == {"a.bin": BYTES}


def test_where_the_disk_has_no_links_it_gets_a_copy_whole_or_not_at_all(
    staging: Staging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    first = tmp_path / "a.bin"
    first.write_bytes(BYTES)
    there = brought(first)

    def dies(source: Path, target: Path) -> None:
        target.write_bytes(BYTES[:3])
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        staging.reuse(wanted(there), there, dies)
    path, size = staging.reuse(wanted(there), there, copied)
    assert (Path(path).read_bytes(), size) == (BYTES, len(BYTES))
    assert not first.samefile(path)


def test_a_copy_can_be_stopped_in_the_midst_of_it(tmp_path: Path) -> None:
    source, looks = tmp_path / "a", []
    source.write_bytes(b"x" * (2 * PIECE_BYTES + 5))
    assert copy_bytes(source, tmp_path / "b", offset=PIECE_BYTES - 1, length=7) == 7
    assert copy_bytes(source, tmp_path / "c") == 2 * PIECE_BYTES + 5

    def stop() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_bytes(source, tmp_path / "d", check=stop)
    assert (tmp_path / "d").stat().st_size == PIECE_BYTES
