"""Staging: where a row's files are, and what is published of them."""

from __future__ import annotations

import dataclasses
import gzip
import json
import zlib
from pathlib import Path

import pytest

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.errors import DownloadError
from reactor.files.publish import RECORD
from reactor.files.staged_checks import FilesMissing, OtherThing
from reactor.files.staging import Staging
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish, Torrent

ONE = Attempt(1, 1)
PLACE = "0123456789ab-1"


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    made = Staging(tmp_path, instance="0123456789abcdef")
    made.prepare(1, fresh=True)
    return made


def finish(name: str = "a.bin", *, size: int | None = None, total: int = 0, how: str = "file") -> commands.Finish:
    torrent = Torrent(info_hash="a" * 40) if how == "torrent" else None
    fetch = Fetch(urls=("http://host.example/a",), name=name, size=size, torrent=torrent)
    extraction = Extraction.model_validate(
        {"kind": Kind.DIRECT, "fetches": (fetch,), "finish": Finish(how="file", name=name)}
    )
    if how == "torrent":
        extraction = extraction.model_copy(update={"finish": Finish(how="torrent", name=name)})
    return commands.Finish(ONE, extraction, (), total)


def test_a_file_is_checked_and_published_and_only_the_record_of_it_stays(staging: Staging, tmp_path: Path) -> None:
    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    (staging.folder(1) / "deeper").mkdir()
    for _ in range(2):  # killed before the row said so, it is asked for again
        assert staging.finish(finish(size=5, total=5)) == (str(tmp_path / "a.bin"), 5)
        assert sorted(path.name for path in (tmp_path / ".reactor").rglob("*")) == [PLACE, PLACE + RECORD]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.bin"]
    staging.tidy((1, 7))
    assert not list((tmp_path / ".reactor").iterdir())


def test_a_database_in_place_of_another_clears_the_folders_of_that_one(staging: Staging, tmp_path: Path) -> None:
    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    (tmp_path / ".reactor" / "somebody-1").mkdir()
    staging.adopt(staging.instance)
    assert staging.leftovers() == {1}, "one restored from a backup goes on with them"
    staging.adopt("another")
    assert [path.name for path in (tmp_path / ".reactor").iterdir()] == ["somebody-1"]


def test_what_another_attempt_has_put_there_is_not_tidied_away(staging: Staging) -> None:
    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    staging.tidy((1,))
    assert (staging.folder(1) / "a.bin").exists()


def test_what_there_was_to_say_is_known_after_a_crash(staging: Staging) -> None:
    """The process dies between the publishing and the row's last write."""
    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    staging.finish(finish(size=5, total=5), notes=("A piece is missing.",))
    again = Staging(staging.download_dir, instance=staging.instance)
    again.finish(dataclasses.replace(finish(size=5), resumed=True))
    assert again.noted(1) == ("A piece is missing.",)
    again.tidy((1,))
    assert again.noted(1) == ()


def test_finishing_again_after_a_crash_finds_what_was_published(staging: Staging, tmp_path: Path) -> None:
    from reactor.files.publish import publish

    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    publish(staging.folder(1) / "a.bin", tmp_path, "a.bin")
    assert staging.finish(finish(size=5, total=5)) == (str(tmp_path / "a.bin"), 5)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.bin"]


@pytest.mark.fault(17)
@pytest.mark.parametrize("size", [5, None])
def test_after_a_restart_only_what_is_on_record_tells_that_a_file_is_whole(
    staging: Staging, tmp_path: Path, size: int | None
) -> None:
    """Zeros have the size of a file, too, and not every engine leaves a control file beside them."""
    (staging.folder(1) / "a.bin").write_bytes(bytes(5))
    resumed = dataclasses.replace(finish(size=size), resumed=True)
    with pytest.raises(FilesMissing):
        staging.finish(resumed)
    assert staging.finish(dataclasses.replace(resumed, said_whole=True)) == (str(tmp_path / "a.bin"), 5)


@pytest.mark.parametrize("beside", [".aria2", ".aria2__temp"])
def test_a_file_with_a_control_file_is_not_whole(staging: Staging, beside: str) -> None:
    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    (staging.folder(1) / f"a.bin{beside}").touch()
    with pytest.raises(FilesMissing):
        staging.finish(finish())


def test_a_torrents_control_file_stays_while_it_is_served(staging: Staging, tmp_path: Path) -> None:
    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    (staging.folder(1) / "a.bin.aria2").touch()
    assert staging.finish(finish(how="torrent", total=5)) == (str(tmp_path / "a.bin"), 5)
    assert not list(staging.folder(1).iterdir())


def test_a_name_without_a_suffix_gets_that_of_its_content(staging: Staging, tmp_path: Path) -> None:
    (staging.folder(1) / "8f3a").write_bytes(b"%PDF-1.7")
    assert staging.finish(finish("8f3a", total=8)) == (str(tmp_path / "8f3a.pdf"), 8)


def test_a_file_that_is_not_there_is_missing(staging: Staging) -> None:
    with pytest.raises(FilesMissing):
        staging.finish(finish())


@pytest.mark.parametrize(("size", "total"), [(6, 0), (None, 6)])
def test_a_file_of_another_size_than_promised_is_never_published(
    staging: Staging, tmp_path: Path, size: int | None, total: int
) -> None:
    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    with pytest.raises(DownloadError, match=r"has 5 bytes instead of 6\."):
        staging.finish(finish(size=size, total=total))
    assert not (tmp_path / "a.bin").exists()


def test_a_file_of_another_size_than_an_earlier_answer_had_said_is_one(staging: Staging, tmp_path: Path) -> None:
    """What is made anew for each answer: HEAD has said 6, and what came has the size that it said itself."""
    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    assert staging.finish(finish(size=6, total=5)) == (str(tmp_path / "a.bin"), 5)


def packed(name: str, content: bytes) -> commands.Finish:
    """To be published: what came packed, unasked."""
    wanted = finish(name, total=len(content))
    unasked = wanted.extraction.finish.model_copy(update={"packed": True})
    return dataclasses.replace(wanted, extraction=wanted.extraction.model_copy(update={"finish": unasked}))


def test_what_came_packed_unasked_is_unpacked(staging: Staging, tmp_path: Path) -> None:
    """And looked into then."""
    content = gzip.compress(b"a,b\n" * 1000) + gzip.compress(b"c,d\n")
    (staging.folder(1) / "a.csv").write_bytes(content)
    assert staging.finish(packed("a.csv", content)) == (str(tmp_path / "a.csv"), 4004)
    assert (tmp_path / "a.csv").read_bytes() == b"a,b\n" * 1000 + b"c,d\n"
    page = gzip.compress(b"<html><body>Sorry</body></html>")
    (staging.folder(1) / "a.zip").write_bytes(page)
    with pytest.raises(OtherThing):
        staging.finish(packed("a.zip", page))


@pytest.mark.parametrize("window_bits", [15, -15], ids=["as the RFC has it", "as many send it"])
def test_what_came_deflated_unasked_is_unpacked(staging: Staging, tmp_path: Path, window_bits: int) -> None:
    packer = zlib.compressobj(wbits=window_bits)
    content = packer.compress(b"a,b\n" * 1000) + packer.flush()
    (staging.folder(1) / "a.csv").write_bytes(content)
    assert staging.finish(packed("a.csv", content)) == (str(tmp_path / "a.csv"), 4000)
    assert (tmp_path / "a.csv").read_bytes() == b"a,b\n" * 1000
    assert not (tmp_path / "a.csv.unpacked").exists()


@pytest.mark.parametrize(
    "content",
    [b"a,b\n", gzip.compress(b"a,b\n" * 1000)[:-9], b"\x1f\x8b\x08rubbish"],
    ids=["not packed", "cut off", "rubbish"],  # gzip writes the time
)
def test_what_cannot_be_unpacked_stays_as_it_came(staging: Staging, tmp_path: Path, content: bytes) -> None:
    (staging.folder(1) / "a.csv").write_bytes(content)
    assert staging.finish(packed("a.csv", content)) == (str(tmp_path / "a.csv"), len(content))
    assert (tmp_path / "a.csv").read_bytes() == content


def test_what_would_be_too_large_is_not_unpacked_to_its_end(staging: Staging, tmp_path: Path) -> None:
    content = gzip.compress(bytes(64 * 1024**2))
    (staging.folder(1) / "a.csv").write_bytes(content)
    with pytest.raises(DownloadError) as caught:
        staging.finish(packed("a.csv", content), 3 * 1024**2)
    assert caught.value.code == "too_large"
    assert [path.name for path in staging.folder(1).iterdir()] == ["a.csv"]


def test_a_torrents_folder_is_published_without_what_aria2_keeps_beside_it(staging: Staging, tmp_path: Path) -> None:
    album = staging.folder(1) / "album"
    album.mkdir()
    (album / "one.ogg").write_bytes(b"12345")
    (staging.folder(1) / f"{'a' * 40}.torrent").touch()
    assert staging.finish(finish(how="torrent", total=5)) == (str(tmp_path / "album"), 5)
    assert (tmp_path / "album" / "one.ogg").read_bytes() == b"12345"


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("programs", [False, True])
def test_names_inside_a_torrent_are_clean_too(staging: Staging, tmp_path: Path, keep: bool, programs: bool) -> None:
    """And what is served to others keeps its own."""
    staging.programs = programs
    raw = ["bidi\u202e4pm.txt", "zero\u200b.txt", "x.exe\u2060", "-rf", "con", ".bashrc", "q?<>|*.txt", "e\u0301" * 80]
    album = staging.folder(1) / "album"
    for folder in ("", "\u2066.hidden"):
        (album / folder).mkdir(parents=True, exist_ok=True)
        for name in raw:
            (album / folder / name).write_text(name)
    final = Path(staging.finish(dataclasses.replace(finish(how="torrent"), keep=keep))[0])
    found = {str(path.relative_to(final)): path.read_text() for path in final.rglob("*") if path.is_file()}
    program = "x.exe" if programs else "x.exe.renamed"
    clean = ["bidi4pm.txt", "zero.txt", program, "rf", "_con", "bashrc", "q_____.txt", "é" * 80]
    assert found == {f"{folder}{name}": was for folder in ("", "hidden/") for name, was in zip(clean, raw, strict=True)}
    assert album.exists() is keep
    if keep:
        assert {path.name for path in album.iterdir()} == {*raw, "\u2066.hidden"}


def test_preparing_afresh_empties_the_folder_and_preparing_again_does_not(staging: Staging) -> None:
    (staging.folder(1) / "a.bin").touch()
    staging.prepare(1, fresh=False)
    assert (staging.folder(1) / "a.bin").exists()
    staging.prepare(1, fresh=True)
    assert not (staging.folder(1) / "a.bin").exists()


@pytest.mark.parametrize("fresh", [True, False])
def test_the_next_attempt_takes_back_what_one_published_that_was_stopped_then(
    staging: Staging, tmp_path: Path, fresh: bool
) -> None:
    (staging.folder(1) / "a.bin").write_bytes(b"12345")
    staging.finish(finish(size=5, total=5))
    staging.prepare(1, fresh=fresh)
    assert [path.name for path in (tmp_path / ".reactor").rglob("*")] == [PLACE]
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize("name", [RECORD, PLACE + RECORD])
def test_a_torrent_cannot_pass_for_the_record_of_what_was_published(
    staging: Staging, tmp_path: Path, name: str
) -> None:
    theirs = tmp_path / "somebody else's.bin"
    theirs.write_bytes(b"secret")
    places = dict.fromkeys(("source", "thing"), (theirs.stat().st_dev, theirs.stat().st_ino))
    (staging.folder(1) / name).write_text(json.dumps({"name": theirs.name, "reserved": None} | places))
    final, _ = staging.finish(finish(how="torrent"))
    assert Path(final).read_text().startswith("{")
    staging.discard(1)
    assert theirs.exists()
    assert not Path(final).exists()


def test_discarding_takes_back_what_a_cancel_overtook(staging: Staging, tmp_path: Path) -> None:
    for keep in (True, False):
        staging.prepare(1, fresh=True)
        (staging.folder(1) / "a.bin").write_bytes(b"12345")
        final = Path(staging.finish(finish(size=5, total=5))[0])
        for _ in range(2):
            staging.discard(1, keep_result=keep)
        assert not staging.leftovers()
        assert final.exists() is keep


def test_only_its_own_folders_are_leftovers(staging: Staging, tmp_path: Path) -> None:
    (tmp_path / ".reactor" / "fedcba987654-7").mkdir()
    (tmp_path / ".reactor" / "0123456789ab-x").mkdir()
    assert staging.leftovers() == {1}


def test_a_shared_disk_is_named_as_the_other_side_sees_it(tmp_path: Path) -> None:
    shared = Staging(tmp_path / "in", path_map=("/srv", str(tmp_path)), instance="0123456789abcdef")
    assert shared.seen_by_aria2(7) == "/srv/in/.reactor/0123456789ab-7"


def test_without_a_shared_disk_the_other_sides_path_is_the_result(tmp_path: Path) -> None:
    remote = Staging(tmp_path, shared=False, remote_dir="/srv/aria2", instance="0123456789abcdef")
    folder = "/srv/aria2/reactor-0123456789ab-1"
    assert remote.seen_by_aria2(1) == folder
    one = finish()
    there = commands.Finish(ONE, one.extraction, ((f"{folder}/a.bin",),), 5)
    assert remote.finish(there) == (f"{folder}/a.bin", 5)
    many = finish(how="torrent")
    album = commands.Finish(ONE, many.extraction, ((f"{folder}/album/1.ogg", f"{folder}/album/2.ogg"),), 9)
    assert remote.finish(album) == (f"{folder}/album", 9)
    assert remote.finish(one) == (f"{folder}/{one.extraction.fetches[0].name}", one.extraction.size or 0), "it forgot"
    with pytest.raises(FilesMissing):
        remote.finish(many)
    assert not list(tmp_path.iterdir())


def album(
    *, size: int, files: tuple[str, ...], keep: bool = False, select: str = "1,3", top: str = "album"
) -> commands.Finish:
    torrent = Torrent(metainfo=b"d", info_hash="a" * 40, select=select)
    fetch = Fetch(name=top, size=size, torrent=torrent)
    finish = Finish(how="torrent", name="An album")
    extraction = Extraction(kind=Kind.TORRENT, fetches=(fetch,), finish=finish)
    return commands.Finish(ONE, extraction, (files,), 16384 if select else size, keep=keep)


def stage_album(staging: Staging) -> tuple[str, ...]:
    folder = staging.folder(1)
    for name in ("album/a", "album/b", "album/.pad/5", "album/c/d.aria2"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "album.aria2").touch()
    return (f"{folder}/album/a", f"{folder}/album/c/d.aria2")


@pytest.mark.parametrize("keep", [False, True])
def test_of_a_torrent_only_what_is_wanted_is_published(staging: Staging, tmp_path: Path, keep: bool) -> None:
    files = stage_album(staging)
    path, size = staging.finish(album(size=22, files=files, keep=keep))
    there = sorted(str(found.relative_to(path)) for found in Path(path).rglob("*"))
    assert (path, size, there) == (str(tmp_path / "An album"), 22, ["a", "c", "c/d.aria2"])
    assert bool(list(staging.folder(1).iterdir())) is keep
    assert staging.finish(album(size=22, files=(), keep=keep)) == (path, size), "killed before the row said so"


@pytest.mark.parametrize(("size", "lost"), [(23, ""), (22, "a")])
def test_what_is_wanted_of_a_torrent_has_to_be_there(staging: Staging, size: int, lost: str) -> None:
    files = stage_album(staging)
    if lost:
        (staging.folder(1) / "album" / lost).unlink()
    with pytest.raises(DownloadError) as caught:
        staging.finish(album(size=size, files=files))
    assert caught.value.code == ("files_missing" if lost else "changed")


def test_a_payload_may_have_the_name_of_a_control_file(staging: Staging, tmp_path: Path) -> None:
    hashed = f"{'0' * 40}.torrent"
    for name in (hashed, f"{hashed}.aria2"):
        (staging.folder(1) / name).write_bytes(b"12345")
    path, _ = staging.finish(album(size=5, files=(), select="", top=hashed))
    assert Path(path).read_bytes() == b"12345"


@pytest.mark.parametrize("content", [b"d4:infodee", b"", None])
def test_the_metadata_of_a_magnet_link(staging: Staging, content: bytes | None) -> None:
    path = staging.folder(1) / f"{'a' * 40}.torrent"
    if content is not None:
        path.write_bytes(content)
    if content:
        assert staging.metadata(1, "a" * 40, 3) == content[:4]
        return
    with pytest.raises(FilesMissing):
        staging.metadata(1, "a" * 40, 3)
    assert not path.exists(), "aria2 would not write over it"


def pictures(*names: str, resumed: bool = False) -> commands.Finish:
    fetches = tuple(Fetch(urls=(f"http://host.example/{name}",), name=name) for name in names)
    extraction = Extraction(kind=Kind("pictures"), fetches=fetches, finish=Finish(how="folder", name="A: holiday"))
    return commands.Finish(ONE, extraction, (), 0, resumed=resumed)


def test_several_files_become_one_folder(staging: Staging, tmp_path: Path) -> None:
    for n in (1, 2):
        (staging.folder(1) / f"{n}.jpg").write_bytes(bytes(n))
    with pytest.raises(FilesMissing):
        staging.finish(pictures("1.jpg", "2.jpg", "3.exe"))
    (staging.folder(1) / "3.exe").write_bytes(bytes(3))
    staging.programs = False
    for _ in range(2):  # killed before the row said so, it is asked for again
        assert staging.finish(pictures("1.jpg", "2.jpg", "3.exe")) == (str(tmp_path / "A_ holiday"), 6)
    assert sorted(path.name for path in (tmp_path / "A_ holiday").iterdir()) == ["1.jpg", "2.jpg", "3.exe.renamed"]
    assert not list(staging.folder(1).iterdir())


def test_a_page_in_place_of_one_of_several_files(staging: Staging, tmp_path: Path) -> None:
    (staging.folder(1) / "1.jpg").write_bytes(b"x")
    (staging.folder(1) / "2.jpg").write_bytes(b"<!DOCTYPE html><html>Log in</html>")
    with pytest.raises(DownloadError, match=r"in place of 2\.jpg") as caught:
        staging.finish(pictures("1.jpg", "2.jpg"))
    assert (caught.value.code, caught.value.retryable) == ("wrong_content", True)
    with pytest.raises(FilesMissing):  # after a restart they are looked for by the parts' own record first
        staging.finish(pictures("1.jpg", resumed=True))
