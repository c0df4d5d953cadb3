"""What was published is known again, and only that is taken away."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import pytest

from reactor.files import kept
from reactor.files.kept import CHECKING, ID, UNPLACED, Found, KeptFiles, content_of, folder_id
from reactor.files.renaming import UNSUPPORTED

INSTANCE = "0123456789abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "downloads"
    made.mkdir()
    folder_id(made / ".reactor-kept")
    return made


@pytest.fixture
def files(folder: Path) -> KeptFiles:
    return KeptFiles(folder, folder / ".reactor-kept", INSTANCE)


def put(folder: Path, name: str = "a.bin", data: bytes = b"abc") -> str:
    (folder / name).write_bytes(data)
    return content_of(folder / name)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".reactor-kept"}


def test_a_folder_has_one_id_for_ever(tmp_path: Path) -> None:
    private = tmp_path / ".reactor-kept"
    assert folder_id(private, create=False) == ""
    first = folder_id(private)
    assert len(first) == 32
    assert folder_id(private) == folder_id(private, create=False) == first
    assert folder_id(tmp_path / "other") != first


def test_a_file_is_taken_and_deleted(folder: Path, files: KeptFiles) -> None:
    content = put(folder)
    assert files.look("a.bin", content) is Found.TAKEN
    assert files.exists("a.bin")
    assert files.take(5, "a.bin", content) is Found.TAKEN
    assert (names(folder), files.taken()) == (set(), [5])
    assert files.take(5, "a.bin", content) is Found.TAKEN, "once more, as after a kill"
    files.delete(5)
    files.delete(5)
    assert files.taken() == []
    assert files.take(5, "a.bin", content) is Found.GONE


def test_a_folder_is_taken_whole(folder: Path, files: KeptFiles) -> None:
    (folder / "t" / "in").mkdir(parents=True)
    (folder / "t" / "in" / "x").write_bytes(b"x")
    content = content_of(folder / "t")
    assert files.take(1, "t", content) is Found.TAKEN
    files.delete(1)
    assert names(folder) == set()


def test_what_stands_in_a_folder_is_taken_from_there_and_goes_back_there(
    folder: Path, files: KeptFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "Music").mkdir()
    content, other = put(folder, "Music/a.bin"), put(folder, "a.bin", b"other")
    assert files.take(1, "Music/a.bin", content) is Found.TAKEN
    assert (names(folder), names(folder / "Music")) == ({"Music", "a.bin"}, set())
    files.delete(1)
    again = put(folder, "Music/a.bin")
    monkeypatch.setattr(KeptFiles, "_is", _killed)
    with pytest.raises(OSError, match="killed"):
        files.take(2, "Music/a.bin", again)
    assert names(folder / "Music") == set()
    files.put_back_unchecked()
    assert (content_of(folder / "Music" / "a.bin"), content_of(folder / "a.bin")) == (again, other)


def _killed(self: KeptFiles, path: Path, content: str) -> bool:
    raise OSError("killed")


@pytest.mark.parametrize("how", ["written", "replaced", "touched", "a folder"])
def test_what_was_changed_stays(folder: Path, files: KeptFiles, how: str) -> None:
    content = put(folder)
    path = folder / "a.bin"
    match how:
        case "written":
            path.write_bytes(b"abcd")
        case "replaced":
            before = path.stat()
            (folder / "new").write_bytes(b"abc")
            os.utime(folder / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
            (folder / "new").replace(path)
        case "touched":
            os.utime(path, ns=(1, 1))
        case "a folder":
            path.unlink()
            path.mkdir()
    assert files.take(1, "a.bin", content) is Found.CHANGED
    assert path.exists()
    assert files.taken() == []


@pytest.mark.parametrize("how", ["added", "removed", "changed"])
def test_a_folder_that_was_changed_stays(folder: Path, files: KeptFiles, how: str) -> None:
    (folder / "t").mkdir()
    (folder / "t" / "x").write_bytes(b"x")
    content = content_of(folder / "t")
    match how:
        case "added":
            (folder / "t" / "mine").touch()
        case "removed":
            (folder / "t" / "x").unlink()
        case "changed":
            (folder / "t" / "x").write_bytes(b"longer")
    assert files.take(1, "t", content) is Found.CHANGED
    assert (folder / "t").is_dir()


def test_a_link_is_never_followed(folder: Path, files: KeptFiles, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"abc")
    content = content_of(tmp_path / "precious")
    (folder / "a.bin").symlink_to(tmp_path / "precious")
    assert files.take(1, "a.bin", content) is Found.CHANGED
    (folder / "t").mkdir()
    (folder / "t" / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="link"):
        content_of(folder / "t")
    assert files.take(1, "t", content) is Found.CHANGED
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../a.bin", "t/u/a.bin", "{tmp_path}/a.bin", ".reactor-kept"])
def test_a_name_that_is_none_of_ours_is_refused(folder: Path, files: KeptFiles, tmp_path: Path, name: str) -> None:
    name = name.format(tmp_path=tmp_path)
    (tmp_path / "a.bin").write_bytes(b"abc")
    assert files.look(name, content_of(tmp_path / "a.bin")) is Found.CHANGED
    for _ in range(2):
        assert files.take(1, name, content_of(tmp_path / "a.bin")) is Found.CHANGED
        (folder / ".reactor-kept" / f"{CHECKING}deleted-{INSTANCE[:12]}-1").mkdir(exist_ok=True)  # of a killed run
    assert (tmp_path / "a.bin").exists()
    assert (folder / ".reactor-kept").is_dir()


def test_what_is_put_in_its_place_meanwhile_goes_back(
    folder: Path, files: KeptFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = put(folder)
    look = files.look

    def looked(name: str, content: str) -> Found:
        found = look(name, content)
        (folder / "new").write_bytes(b"mine")
        (folder / "new").replace(folder / "a.bin")
        return found

    monkeypatch.setattr(files, "look", looked)
    assert files.take(1, "a.bin", content) is Found.CHANGED
    assert (folder / "a.bin").read_bytes() == b"mine"
    assert names(folder) == {"a.bin"}
    assert files.taken() == []


@pytest.mark.parametrize("renames", [True, False])
def test_it_goes_back_beside_what_has_its_name(
    folder: Path, files: KeptFiles, renames: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run was killed between the move and the second look; by then both names are somebody else's."""
    content = put(folder)
    (folder / "a.bin").unlink()
    place = folder / ".reactor-kept" / f"{CHECKING}deleted-{INSTANCE[:12]}-1"
    place.mkdir()
    (place / "a.bin").write_bytes(b"mine")
    (folder / "a.bin").write_bytes(b"other")
    if not renames:

        def refuse(source: Path, target: Path) -> None:
            raise OSError(UNSUPPORTED[0], "no")

        monkeypatch.setattr(kept, "rename_new", refuse)
    assert files.take(1, "a.bin", content) is Found.CHANGED
    assert {(folder / name).read_bytes() for name in names(folder)} == {b"mine", b"other"}


def test_a_kill_after_the_move_loses_nothing(folder: Path, files: KeptFiles) -> None:
    content = put(folder)
    place = folder / ".reactor-kept" / f"{CHECKING}deleted-{INSTANCE[:12]}-1"
    place.mkdir()
    (folder / "a.bin").rename(place / "a.bin")
    assert files.taken() == []
    assert files.take(1, "a.bin", content) is Found.TAKEN
    assert files.taken() == [1]
    assert KeptFiles(folder, folder / ".reactor-kept", "another one").taken() == []


def test_what_a_killed_run_has_not_looked_at_once_more_goes_back(folder: Path, files: KeptFiles) -> None:
    content = put(folder)
    place = folder / ".reactor-kept" / f"{CHECKING}deleted-{INSTANCE[:12]}-1"
    place.mkdir()
    (folder / "a.bin").rename(place / "a.bin")
    files.put_back_unchecked()
    assert names(folder) == {"a.bin"}
    assert files.look("a.bin", content) is Found.TAKEN
    assert not place.exists()


@pytest.mark.parametrize("left", [b"", b"\xff" * 32, b"no id"])
def test_an_id_that_is_none_is_made_anew(folder: Path, left: bytes) -> None:
    (folder / ".reactor-kept" / ID).write_bytes(left)
    assert folder_id(folder / ".reactor-kept", create=False) == ""
    made = folder_id(folder / ".reactor-kept")
    assert len(made) == 32
    assert folder_id(folder / ".reactor-kept") == made


def test_an_id_that_a_killed_run_had_not_placed_is_deleted(folder: Path, files: KeptFiles) -> None:
    private = folder / ".reactor-kept"
    made = folder_id(private)
    (private / f"{UNPLACED}0123abcd").write_bytes(b"0" * 32)
    files.delete_unplaced()
    assert [path.name for path in private.iterdir()] == [ID]
    assert folder_id(private) == made


def test_an_id_is_made_even_if_another_run_takes_it_for_one_that_was_left(
    folder: Path, files: KeptFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, place, times = folder / ".reactor-kept", kept._place, count()

    def in_between(source: Path, target: Path) -> None:
        if next(times) == 0:
            files.delete_unplaced()
        place(source, target)

    (private / ID).unlink()
    monkeypatch.setattr(kept, "_place", in_between)
    made = folder_id(private)
    assert next(times) == 2
    assert len(made) == 32
    assert (private / ID).read_text() == made
