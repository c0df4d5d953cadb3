"""Publishing: whole or not at all, never over anything, once."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reactor.errors import DownloadError
from reactor.files.names import tame_name
from reactor.files.publish import RECORD, publish, published, take_back

ROOT = Path(__file__).parents[2]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "downloads"
    path.mkdir()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stage(tmp_path: Path, name: str = "a.bin", content: bytes = b"bytes", number: int = 1) -> Path:
    staging = tmp_path / f"staging-{number}"
    staging.mkdir()
    (staging / name).write_bytes(content)
    return staging / name


def stage_folder(tmp_path: Path) -> Path:
    source = tmp_path / "staging" / "album"
    (source / "cd1").mkdir(parents=True)
    (source / "cd1" / "song.mp3").write_bytes(b"song")
    (source / "cover.jpg").write_bytes(b"cover")
    return source


def test_a_file_moves(tmp_path: Path, directory: Path) -> None:
    source = stage(tmp_path)
    assert published(source, directory) is None
    final = publish(source, directory, "film.mp4")
    assert final == directory / "film.mp4"
    assert final.read_bytes() == b"bytes"
    assert not source.exists()
    assert names(directory) == ["film.mp4"]
    assert published(source, directory) == final


def test_nothing_is_overwritten(tmp_path: Path, directory: Path) -> None:
    (directory / "a.mp4").write_bytes(b"another's")
    (directory / "a (1).mp4").mkdir()
    (directory / "a (2).mp4").symlink_to("nowhere")
    assert publish(stage(tmp_path), directory, "a.mp4") == directory / "a (3).mp4"
    assert (directory / "a.mp4").read_bytes() == b"another's"
    assert list((directory / "a (1).mp4").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_moves_and_an_empty_folder_counts_as_taken(tmp_path: Path, directory: Path) -> None:
    (directory / "album").mkdir()
    source = stage_folder(tmp_path)
    final = publish(source, directory, "album")
    assert final == directory / "album (1)"
    assert (final / "cd1" / "song.mp3").read_bytes() == b"song"
    assert not source.exists()
    assert list((directory / "album").iterdir()) == []


@pytest.mark.parametrize("shape", ["file", "folder"])
@pytest.mark.parametrize("keep", [False, True])
def test_publishing_twice_is_publishing_once(tmp_path: Path, directory: Path, shape: str, keep: bool) -> None:
    source = stage(tmp_path) if shape == "file" else stage_folder(tmp_path)
    first = publish(source, directory, "a", keep=keep)
    assert publish(source, directory, "a", keep=keep) == first
    assert names(directory) == ["a"]
    assert source.exists() is keep


def test_kept_sources_share_their_bytes(tmp_path: Path, directory: Path) -> None:
    source = stage_folder(tmp_path)
    final = publish(source, directory, "album", keep=True)
    assert (source / "cd1" / "song.mp3").samefile(final / "cd1" / "song.mp3")
    file = stage(tmp_path)
    assert publish(file, directory, "a.bin", keep=True).samefile(file)


def test_another_name_of_anothers_file_is_told_from_the_first_one(tmp_path: Path, directory: Path) -> None:
    """Both are one file on the disk: taking back the one must not take the other."""
    first = publish(stage(tmp_path), directory, "a.bin")
    source = tmp_path / "staging-2" / "twin"
    source.parent.mkdir()
    source.hardlink_to(first)
    second = publish(source, directory, "a.bin", shared=True)
    assert (second, second.samefile(first)) == (directory / "a (1).bin", True)
    assert published(source, directory) == second
    take_back(source, directory)
    assert names(directory) == ["a.bin"]
    source.hardlink_to(first)
    record = {"name": "a.bin", "source": list(identity(first)), "thing": list(identity(first)), "reserved": None}
    source.parent.with_name(f"{source.parent.name}{RECORD}").write_text(json.dumps(record | {"shared": True}))
    assert published(source, directory) is None, "killed before it had a name of its own"
    take_back(source, directory)
    assert first.exists()


def identity(path: Path) -> tuple[int, int]:
    return path.stat().st_dev, path.stat().st_ino


def test_a_new_source_under_the_old_path_is_published_anew(tmp_path: Path, directory: Path) -> None:
    source = stage(tmp_path)
    first = publish(source, directory, "a.bin", keep=True)
    replacement = source.with_name("new")
    replacement.write_bytes(b"other bytes")
    replacement.replace(source)
    second = publish(source, directory, "a.bin")
    assert (first.read_bytes(), second.read_bytes()) == (b"bytes", b"other bytes")


def test_without_a_source_and_a_record_there_is_nothing_to_publish(tmp_path: Path, directory: Path) -> None:
    with pytest.raises(FileNotFoundError):
        publish(tmp_path / "staging" / "missing", directory, "a")


@pytest.mark.parametrize("record", ['{"name": "../secret", "source": [1, 2], "thing": [1, 2]}', "[", "{}", "7"])
def test_a_record_that_is_not_ours_leads_nowhere(tmp_path: Path, directory: Path, record: str) -> None:
    source = stage(tmp_path)
    source.parent.with_name(f"{source.parent.name}{RECORD}").write_text(record)
    assert published(source, directory) is None
    assert publish(source, directory, "a.bin") == directory / "a.bin"


@pytest.mark.parametrize("keep", [False, True])
def test_symbolic_links_are_refused(tmp_path: Path, directory: Path, keep: bool) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    inside = stage_folder(tmp_path)
    (inside / "cd1" / "link").symlink_to(secret)
    itself = tmp_path / "staging" / "link"
    itself.symlink_to(secret)
    for source in (inside, itself):
        with pytest.raises(DownloadError) as caught:
            publish(source, directory, "a", keep=keep)
        assert caught.value.code == "unsafe_file"
    assert names(directory) == []


def test_many_at_once_under_one_name(tmp_path: Path, directory: Path) -> None:
    sources = [stage(tmp_path, content=str(n).encode(), number=n) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        finals = list(pool.map(lambda source: publish(source, directory, "a.bin"), sources))
    assert len(set(finals)) == 40
    assert [final.read_bytes() for final in finals] == [str(n).encode() for n in range(40)]


@pytest.mark.parametrize("disk", ["links", "nolinks", "other", "neither"])
@pytest.mark.parametrize("keep", ["keep", "move"])
@pytest.mark.parametrize("shape", ["file", "folder", "twin"])
def test_killed_before_any_system_call_it_ends_the_same(tmp_path: Path, shape: str, keep: str, disk: str) -> None:
    command = [sys.executable, "-m", "tests.files.crashing_publish", str(tmp_path), shape, keep, disk]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr
    outcomes = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(outcomes) > 3
    file = [10_000, "012345678"]
    whole = {"file": file, "folder": {"one": file, "deep": {"two": [3, "two"]}}, "twin": [9, "another's"]}[shape]
    for outcome in outcomes:
        downloads = outcome["downloads"]
        assert outcome["statuses"] in ([9, 0], [0, 0]), run.stderr
        assert outcome["kept"] is (keep == "keep")
        assert downloads.pop("a.bin") == [9, "another's"]
        assert downloads.pop("a (1).bin") == {}
        assert downloads.pop(outcome["final"]) == whole
        # Where a disk has neither, a kill between taking a name and noting that leaves the empty place behind.
        assert disk == "neither" or not downloads, downloads
        assert all(left in ({}, [0, ""]) for left in downloads.values()), downloads
    assert outcomes[-1]["downloads"] == {}


@pytest.mark.parametrize("keep", [False, True])
def test_names_inside_a_folder_are_tamed(tmp_path: Path, directory: Path, keep: bool) -> None:
    source = tmp_path / "staging" / "www.site.com"
    for name in ("setup.exe", "setup.exe.renamed", "www.site.com/x.sh", "Game.app/run", "film.mp4"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    final = publish(
        source, directory, "www.site.com", keep=keep, tame=lambda name, folder: tame_name(name, folder=folder)
    )
    found = {str(path.relative_to(final)): path.read_text() for path in final.rglob("*") if path.is_file()}
    both = {found.pop("setup.exe.renamed"), found.pop("setup.exe (1).renamed")}
    assert both == {"setup.exe", "setup.exe.renamed"}, "nothing is lost"
    assert found == {
        "www.site.com/x.sh.renamed": "www.site.com/x.sh",
        "Game.app.renamed/run": "Game.app/run",
        "film.mp4": "film.mp4",
    }
    assert source.exists() is keep
    assert published(source, directory) == final
    assert publish(source, directory, "www.site.com", keep=keep) == final, "once"
    assert names(directory) == ["www.site.com"]


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("keep", [False, True])
def test_names_that_become_the_same_stay_apart(tmp_path: Path, directory: Path, keep: bool) -> None:
    """Files, folders, and one of each; whoever has the name already keeps it."""
    source = tmp_path / "staging" / "album"
    for name in ("a?", "a", "a*", "b/one", "b?/one", "c", "c?/deep", "d?/x", "d*/x/deep"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    final = publish(source, directory, "album", keep=keep, tame=lambda name, _: name.rstrip("?*"))
    found = content(final)
    assert sorted(found.values()) == ["a", "a*", "a?", "b/one", "b?/one", "c", "c?/deep", "d*/x/deep", "d?/x"]
    assert {name: found[name] for name in ("a", "b/one", "c")} == {"a": "a", "b/one": "b/one", "c": "c"}
    assert set(found) >= {"a (1)", "a (2)", "b (1)/one", "c (1)/deep"}
    assert set(found) & {"d/x", "d (1)/x"}
    assert source.exists() is keep
    if keep:
        assert len(content(source)) == 9, "what is served to others keeps its names"


def test_thousands_of_names_that_become_one(tmp_path: Path, directory: Path) -> None:
    source = tmp_path / "staging" / "album"
    source.mkdir(parents=True)
    for number in range(5000):
        (source / f"{number}").touch()
    final = publish(source, directory, "album", tame=lambda *_: "same.txt")
    assert len(names(final)) == 5000
    assert "same (4999).txt" in names(final)
