"""What rows ask for, from outside."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from reactor.media.probing import probe
from reactor.media.tagging import jpg_size
from reactor.programs import find_ffmpeg
from tests.media.samples import Samples
from tests.real.harness import running
from tests.real.swarm import swarm_in
from tests.servers import FileServer

OF_MEDIA: dict[str, Any] = {
    "want": "audio",
    "quality": 720,
    "codec": "h264",
    "container": "mkv",
    "format": "22",
    "language": "de",
    "audio": {"format": "mp3"},
    "subtitles": {"languages": ["de"]},
    "thumbnail": "file",
    "chapters": "split",
    "sponsorblock": "remove",
    "clip": [[0, 1]],
    "cut": "exact",
    "live": {"max_s": 10},
    "playlist": {"items": "1-3"},
    "files": [1],
}
"""What does not apply to a disk image, key by key."""


async def test_what_does_not_apply_to_a_file_is_noted_key_by_key_or_fails(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="3") as reactor:
        url = server.put("/image.iso", b"x" * 5000)
        (all_of_them,) = reactor.add(url, **OF_MEDIA)
        strict = {key: id for key, value in OF_MEDIA.items() for id in reactor.add(url, strict=True, **{key: value})}
        await reactor.until_final()
        noted = reactor.row(all_of_them)
        failed = {key: reactor.row(id) for key, id in strict.items()}
    assert noted["status"] == "downloaded"
    assert [line.partition("`")[2].partition("`")[0] for line in noted["notes"].splitlines()] == list(OF_MEDIA)
    assert {key: row["error_code"] for key, row in failed.items()} == dict.fromkeys(OF_MEDIA, "not_as_wished")
    assert all(f"(`{key}`)" in row["error"] for key, row in failed.items())
    assert list(reactor.files()) == ["image.iso"]


async def test_options_that_do_not_apply_are_noted_or_fail_and_bad_ones_name_the_key(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="3") as reactor:
        url = server.put("/image.iso", b"x" * 5000)
        asked: list[dict[str, Any]] = [{}, {"format": "22"}, {"format": "22", "strict": True}, {"formt": "22"}]
        ids = [id for options in asked for id in reactor.add(url, **options)]
        await reactor.until_final()
        rows = reactor.rows(*ids)
    assert [row["error_code"] for row in rows] == [None, None, "not_as_wished", "bad_options"]
    assert rows[0]["notes"] is None
    assert "`format`" in rows[1]["notes"]
    assert "`format`" in rows[2]["error"]
    assert "`format`" in rows[3]["error"]
    assert len(reactor.files()) == 2


async def test_what_is_asked_of_media_is_made_of_it(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    samples = Samples(find_ffmpeg().path, tmp_path / "samples")
    film = samples.film().read_bytes()
    stream = samples.hls("stream")
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="3") as reactor:
        file = server.put("/film.mp4", film, content_type="video/mp4")
        for name, data in stream.items():
            server.put(f"/stream/{name}", data)
        mp3 = {"want": "audio", "audio": {"format": "mp3"}}
        ids = [
            *reactor.add(file, **mp3),
            *reactor.add(server.url("/stream/index.m3u8"), clip=[["0:03", "0:05"]]),
            *reactor.add(server.put("/image.iso", b"x" * 5000), **mp3),
            *reactor.add(server.put("/broken.mp4", b"\0\0\0\x18ftypisom" + bytes(5000)), clip=[[0, 1]]),
        ]
        await reactor.until_final()
        sound, clip, iso, broken = reactor.rows(*ids)
    assert {row["status"] for row in (sound, clip, iso, broken)} == {"downloaded"}
    assert (Path(sound["file_path"]).name, sound["notes"]) == ("film.mp3", None)
    assert (Path(clip["file_path"]).suffix, clip["notes"]) == (".mp4", None)
    assert (await probe(find_ffmpeg().path, Path(clip["file_path"]))).duration_s == pytest.approx(2.0, abs=1.2)
    assert {request.path for request in server.log if request.path.endswith(".ts")} == {
        "/stream/part1.ts",
        "/stream/part2.ts",
    }
    assert Path(iso["file_path"]).read_bytes() == b"x" * 5000
    assert "`want`" in iso["notes"]
    assert "neither a film nor a sound" in broken["notes"]


async def test_a_file_as_its_row_asks_for_it(tmp_path: Path) -> None:
    """Its name, its checksum, the page that leads to it, and how fast and how large it may come."""
    data = random.Random(1).randbytes(300_000)
    wrong, right = (f"sha-256={hashlib.sha256(each).hexdigest()}" for each in (b"", data))
    async with FileServer() as server, running(tmp_path, MAX_DOWNLOAD_RETRIES="0") as reactor:
        url = server.put("/a.iso", data)
        away = server.put("/away", redirect=server.put("/b.iso", data).replace("127.0.0.1", "localhost"), status=302)
        page = "http://site.example/page?id=1"
        (named,) = reactor.add(url, name="{title} (mine)", checksum=right, referer=page, speed_kib=5000)
        (other,) = reactor.add(away, referer=page)
        (damaged,) = reactor.add(url, checksum=wrong)
        (large,) = reactor.add(url, max_mib=1)
        (small,) = reactor.add(server.put("/big.iso", data * 4), max_mib=1)
        await reactor.until_final()
        asked = {(each.path, each.headers.get("referer")) for each in server.log}
    rows = [reactor.row(id) for id in (named, other, damaged, large, small)]
    assert [row["error_code"] for row in rows] == [None, None, "checksum", None, "too_large"]
    assert Path(rows[0]["file_path"]).name == "a (mine).iso"
    assert {row["notes"] for row in rows} == {None}
    assert {from_ for path, from_ in asked if path == "/a.iso"} >= {page}
    assert {from_ for path, from_ in asked if path == "/b.iso"} == {None}, "another host"
    assert "max_mib" in rows[4]["error"]


async def test_only_the_files_of_a_torrent_that_are_asked_for(tmp_path: Path, samples: Samples) -> None:
    """And what whoever uploads the film in it has to say of that."""
    film = samples.film().read_bytes()
    files = {"one.mkv": b"1" * 20_000, "two.txt": b"2" * 300, "in/three.mp4": film}
    async with (
        swarm_in(tmp_path / "swarm") as swarm,
        FileServer() as server,
        running(tmp_path, MAX_CONCURRENT_DOWNLOADS="3") as reactor,
    ):
        album = swarm.make("album", files)
        await swarm.serve(album)
        (largest,) = reactor.add(album.magnet, files="largest", name="best", checksum="md5=" + "0" * 32)
        await reactor.until_final()
        (texts,) = reactor.add(server.put("/album.torrent", album.metainfo), files=["*.TXT"])
        await reactor.until_final()
        (none,) = reactor.add(server.url("/album.torrent"), files=["*.iso", "9"])
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
    rows = [reactor.row(id) for id in (largest, texts, none)]
    assert [row["error_code"] for row in rows] == [None, None, "not_as_wished"]
    assert reactor.files() == {"best/in/three.mp4": film, "album/two.txt": files["two.txt"]}
    assert "`checksum`" in rows[0]["notes"]
    assert (rows[0]["file_size"], round(rows[0]["duration_s"]), rows[0]["width"]) == (len(film), 6, 96)
    assert jpg_size(Path(rows[0]["thumbnail_path"]).read_bytes()) == (96, 64)
    assert rows[1]["thumbnail_path"] is None


async def test_a_preset_brings_what_no_row_may_say_to_the_rows_own_host(tmp_path: Path) -> None:
    presets = tmp_path / "presets.toml"
    presets.write_text(
        '[house]\nname = "{title} of the house"\nheaders = { hosts = ["127.0.0.1"], values = { X-House = "1" } }\n'
        '[members]\nlogin = { hosts = ["127.0.0.1"], user = "ann", password = "hush" }\n'
    )
    async with FileServer() as server, running(tmp_path, PRESETS=str(presets)) as reactor:
        far = server.put("/far.iso", b"x" * 5000).replace("127.0.0.1", "localhost")
        away = server.put("/away", redirect=far, status=302)
        (one,) = reactor.add(server.put("/near.iso", b"x" * 5000), use=["house"])
        (two,) = reactor.add(away, use=["house"])
        closed = server.put("/closed.iso", b"x" * 5000, user=("ann", "hush"))
        (member,) = reactor.add(closed, use=["members"])
        (elsewhere,) = reactor.add(closed.replace("127.0.0.1", "localhost"), use=["members"])
        await reactor.until_final()
        assert reactor.row(member)["status"] == "downloaded"
        assert reactor.row(elsewhere)["error_code"] == "needs_login"
        presets.write_text("[house]\nnonsense = 1\n")
        (three,) = reactor.add(server.url("/near.iso"), use=["house"])
        (four,) = reactor.add(server.url("/near.iso"), use=["nobody"])
        await reactor.until_final()
    rows = [reactor.row(id) for id in (one, two, three, four)]
    assert [row["error_code"] for row in rows] == [None, None, None, "bad_options"]
    names = ["near of the house.iso", "far of the house.iso", "near of the house (1).iso"]
    assert [Path(row["file_path"]).name for row in rows[:3]] == names
    sent = {(each.path, each.headers.get("x-house")) for each in server.log if each.path != "/closed.iso"}
    assert sent == {("/near.iso", "1"), ("/away", "1"), ("/far.iso", None)}
    assert len(reactor.events("presets_unusable")) == 1


async def test_a_preset_says_into_which_folder_a_result_goes_also_after_a_kill(tmp_path: Path) -> None:
    presets, data = tmp_path / "presets.toml", random.Random(5).randbytes(46 * 1024 * 1024)
    presets.write_text('[music]\nfolder = "Music"\n[whole]\nfolder = "Music"\nagain = "reuse"\n')
    settings = {"PRESETS": str(presets), "DELETE_STATUSES": "uploaded", "PROGRESS_INTERVAL": "0.1"}
    async with FileServer() as server, running(tmp_path, **settings) as reactor:
        url = server.put("/a.iso", data, etag='"1"')
        (pieces,) = reactor.add(url, use=["music"], split_mib=45)
        await reactor.until(lambda: reactor.events("download_finishing"))
        await reactor.stop(signal.SIGKILL)
        await reactor.start()
        ids = reactor.add(server.put("/b.iso", data[:5000], etag='"2"'), server.url("/b.iso"), use=["music"])
        await reactor.until_final()
        (linked,) = reactor.add(server.url("/b.iso"), use=["whole"])
        (outside,) = reactor.add(url, folder="Music")
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
        came, row = reactor.files(), reactor.row(pieces)
        assert reactor.row(outside)["error_code"] == "bad_options"
        reactor.execute("UPDATE downloads SET status = 'uploaded' WHERE id <> ?", ids[1])
        await reactor.until(lambda: len(reactor.events("file_deleted")) == 3)
    assert came.keys() == {f"Music/{name}" for name in (
        "a/a.iso.001", "a/a.iso.002", "b.iso", "b (1).iso", "b (2).iso",
    )}  # fmt: skip
    assert Path(row["file_path"]) == reactor.downloads / "Music" / "a"
    assert Path(reactor.row(linked)["file_path"]).name == "b (2).iso"
    assert list(reactor.files()) == ["Music/b (1).iso"]


async def test_the_same_again_is_refused_where_it_is_not_wanted_twice(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        url, bare = server.put("/a.iso", b"x" * 5000, etag='"1"'), server.put("/b.iso", b"x" * 5000)
        ids = [id for _ in range(2) for id in reactor.add(url, again="refuse")]
        ids += reactor.add(bare, again="refuse")
        await reactor.until_final()
        server.put("/a.iso", b"y" * 5000, etag='"2"')
        ids += reactor.add(url, again="refuse")
        await reactor.until_final()
    rows = [reactor.row(id) for id in ids]
    assert [row["error_code"] for row in rows] == [None, "duplicate", None, None]
    assert f"download {ids[0]} " in rows[1]["error"]
    assert ["`again`" in (row["notes"] or "") for row in rows] == [False, False, True, False]
    assert rows[0]["media_key"] != rows[3]["media_key"]


async def test_what_is_too_large_for_an_upload_comes_in_pieces_also_after_a_kill(tmp_path: Path) -> None:
    data = random.Random(4).randbytes(46 * 1024 * 1024)
    async with FileServer() as server, running(tmp_path, PROGRESS_INTERVAL="0.1") as reactor:
        url = server.put("/image.iso", data, etag='"1"')
        (one,) = reactor.add(url, split_mib=45)
        await reactor.until(lambda: reactor.events("download_finishing"))
        await reactor.stop(signal.SIGKILL)
        await reactor.start()
        (small,) = reactor.add(server.put("/small.iso", data[:5000]), split_mib=45)
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
        row, files = reactor.row(one), reactor.files()
    assert (row["status"], row["error_code"], row["notes"], row["retry_count"]) == ("downloaded", None, None, 0)
    sizes = {"image.iso.001": 45 * 1024 * 1024, "image.iso.002": 1024 * 1024}
    told = {each["path"]: each["bytes"] for each in json.loads(row["files"])}
    assert (Path(row["file_path"]).name, told, row["file_size"]) == ("image", sizes, len(data))
    assert Path(reactor.row(small)["file_path"]).name == "small.iso"
    assert files.keys() == {*(f"image/{name}" for name in sizes), "small.iso"}
    whole = hashlib.sha256(b"".join(files[f"image/{name}"] for name in sizes)).hexdigest()
    assert whole == hashlib.sha256(data).hexdigest()


async def test_the_same_again_is_linked_where_its_owner_has_it_already(tmp_path: Path) -> None:
    """Two at the same time are fetched both; what has gone, and what is another's, is fetched, too."""
    data = random.Random(2).randbytes(50_000)
    files = {"one.txt": b"1" * 70_000, "in/two.txt": b"2" * 300}
    async with (
        swarm_in(tmp_path / "swarm") as swarm,
        FileServer() as server,
        running(tmp_path, MAX_CONCURRENT_DOWNLOADS="2") as reactor,
    ):
        album = swarm.make("album", files)
        await swarm.serve(album)
        url, torrent = server.put("/a.iso", data, etag='"1"'), server.put("/album.torrent", album.metainfo)
        both = reactor.add(url, url, again="reuse")
        await reactor.until_final()
        assert {bool(reactor.row(id)["notes"]) for id in both} == {False}
        server.log.clear()
        (linked,) = reactor.add(url, again="reuse", name="mine")
        (folder,) = reactor.add(torrent, again="reuse")
        await reactor.until_final()
        assert all((each.range or "bytes=0-").startswith("bytes=0-") for each in server.requests("/a.iso", "GET"))
        (second,) = reactor.add(torrent, again="reuse")
        reactor.execute("INSERT INTO downloads(url, options, owner) VALUES (?, ?, 'ann')", url, '{"again": "reuse"}')
        await reactor.until_final()
        told = reactor.events("download_extracted")
        paths = {id: Path(reactor.row(id)["file_path"]) for id in (*both, linked, folder, second)}
        assert paths[linked].samefile(paths[both[1]])
        assert (paths[second] / "one.txt").samefile(paths[folder] / "one.txt")
        for id in (*both, linked, folder):
            paths[id].unlink() if paths[id].is_file() else shutil.rmtree(paths[id])
        (anew,) = reactor.add(url, again="reuse")
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
    reuses = {each["download_id"]: each["reuses"] for each in told}
    assert (reuses[linked] in both, reuses[folder], reuses[second], reuses[second + 1]) == (True, None, folder, None)
    assert paths[linked].name == "mine.iso"
    assert {row["status"] for row in reactor.rows()} == {"downloaded"}
    assert {name: each for name, each in reactor.files().items() if name.startswith("album")} == {
        f"album (1)/{name}": each for name, each in files.items()
    }
    assert Path(reactor.row(anew)["file_path"]).read_bytes() == data
