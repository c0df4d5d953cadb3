"""Torrents against a real swarm: magnet links, `.torrent` URLs, several files, seeding, nobody there."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import bencode2
import pytest

from tests.aria2.servers import make_torrent
from tests.real.harness import alive, running
from tests.real.swarm import swarm_in
from tests.servers import FileServer

ALBUM = {"disc 1/one.ogg": random.Random(1).randbytes(200_000), "two.ogg": random.Random(2).randbytes(90_000)}
HASTY = {"TORRENT_STALL_TIMEOUT_S": "4", "MAX_DOWNLOAD_RETRIES": "0", "PROGRESS_INTERVAL": "0.5"}
FILM = {"film.mkv": random.Random(3).randbytes(300_000)}


@pytest.mark.fault(44)
async def test_a_magnet_link_a_torrent_url_and_several_files(tmp_path: Path) -> None:
    async with (
        swarm_in(tmp_path / "swarm") as swarm,
        FileServer() as server,
        running(tmp_path, MAX_CONCURRENT_DOWNLOADS="3") as reactor,
    ):
        film, album = swarm.make("film.mkv", FILM), swarm.make("album", ALBUM)
        await swarm.serve(film, album)
        magnet, by_suffix = reactor.add(film.magnet, server.put("/album.torrent", album.metainfo))
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 2, reactor.rows()
        server.put("/get?id=1", album.metainfo, content_type="application/x-bittorrent")
        (by_type,) = reactor.add(server.url("/get?id=1"))
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
    rows = {row["id"]: row for row in reactor.rows()}
    downloads = tmp_path / "downloads"
    assert {row["url_type"] for row in rows.values()} == {"torrent"}
    assert rows[magnet]["file_path"] == str(downloads / "film.mkv")
    assert rows[magnet]["title"] == "film.mkv"
    assert rows[magnet]["file_size"] == 300_000
    assert rows[by_suffix]["file_path"] == str(downloads / "album")
    assert rows[by_type]["file_path"] == str(downloads / "album (1)")
    assert reactor.files() == FILM | {
        f"{folder}/{name}": data for folder in ("album", "album (1)") for name, data in ALBUM.items()
    }


@pytest.mark.variants(1)
@pytest.mark.fault(44)
@pytest.mark.parametrize("by", ["setting", "preset"])
async def test_a_torrent_can_be_served_to_others_after_the_row_is_done(tmp_path: Path, by: str) -> None:
    presets = tmp_path / "presets.toml"
    presets.write_text("[tracker]\nseed_ratio = 5\n")
    settings = {"SEED_RATIO": "5"} if by == "setting" else {"PRESETS": str(presets)}
    options: dict[str, Any] = {} if by == "setting" else {"use": ["tracker"]}
    async with swarm_in(tmp_path / "swarm") as swarm, running(tmp_path, **settings) as reactor:
        film = swarm.make("film.mkv", FILM)
        await swarm.serve(film)
        (one,) = reactor.add(film.magnet, **options)
        await reactor.until_final()
        assert reactor.row(one)["status"] == "downloaded"
        assert reactor.staged(), "its own copy is still being served"
        pids = reactor.children()
        await reactor.stop()
        assert not any(alive(pid) for pid in pids)
        await reactor.start()
        await reactor.until(lambda: not reactor.staged())
    assert reactor.files() == FILM


@pytest.mark.variants(1)
@pytest.mark.fault(44)
@pytest.mark.parametrize("first", ["magnet", "torrent"])
async def test_the_same_torrent_again_while_the_first_is_served_to_others(tmp_path: Path, first: str) -> None:
    async with (
        swarm_in(tmp_path / "swarm") as swarm,
        FileServer() as server,
        running(tmp_path, SEED_RATIO="1000") as reactor,
    ):
        film = swarm.make("film.mkv", FILM)
        await swarm.serve(film)
        urls = film.magnet, server.put("/film.torrent", film.metainfo)
        one, two = urls if first == "magnet" else urls[::-1]
        reactor.add(one)
        await reactor.until_final()
        assert not reactor.events("seeding_ended")
        reactor.add(two)
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 2, reactor.rows()
        assert reactor.row(2)["attempt"] <= 4
        assert len(reactor.events("seeding_ended")) == 1
    assert {name: data for name, data in reactor.files().items() if not name.startswith(".reactor")} == FILM | {
        "film (1).mkv": FILM["film.mkv"]
    }


@pytest.mark.fault(44)
async def test_a_magnet_link_that_nobody_serves_ends_with_a_sentence(tmp_path: Path) -> None:
    async with swarm_in(tmp_path / "swarm") as swarm:
        film = swarm.make("film.mkv", FILM)
        async with running(tmp_path, TORRENT_STALL_TIMEOUT_S="1", MAX_DOWNLOAD_RETRIES="0") as reactor:
            magnet, torrent = reactor.add(film.magnet, "magnet:?xt=urn:btih:" + "ab" * 20)
            await reactor.until_final()
            rows = reactor.rows(magnet, torrent)
            await reactor.until(lambda: not reactor.files())
    assert [(row["status"], row["error_code"]) for row in rows] == [("failed", "no_peers")] * 2
    assert rows[0]["error"].startswith("Nobody who has this torrent was found within 1 s.")


async def test_a_torrent_cancelled_while_it_runs_leaves_nothing(tmp_path: Path) -> None:
    async with swarm_in(tmp_path / "swarm") as swarm, FileServer() as server, running(tmp_path) as reactor:
        film = swarm.make("film.mkv", FILM)
        (one,) = reactor.add(server.put("/film.torrent", film.metainfo))
        await reactor.until(lambda: reactor.row(one)["stage"] == "fetching")
        reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", one)
        await reactor.until_final()
        assert reactor.row(one)["status"] == "cancelled"
        assert not reactor.files()


async def test_a_torrent_that_names_another_folder_is_refused(tmp_path: Path) -> None:
    bad = b"d4:infod5:filesld6:lengthi1e4:pathl2:..2:..1:xeee4:name1:a12:piece lengthi32768e6:pieces20:" + b"x" * 20
    async with FileServer() as server, running(tmp_path) as reactor:
        reactor.add(server.put("/a.torrent", bad + b"ee"), server.put("/b.torrent", b"<html>not a torrent"))
        await reactor.until_final()
        rows = reactor.rows()
    assert [row["status"] for row in rows] == ["failed"] * 2
    assert all(row["error"].endswith(".") for row in rows)
    assert not reactor.files()


@pytest.mark.fault(44)
async def test_a_private_torrent(tmp_path: Path) -> None:
    async with swarm_in(tmp_path / "swarm") as swarm, FileServer() as server, running(tmp_path) as reactor:
        film = swarm.make("film.mkv", FILM, private=True)
        await swarm.serve(film)
        (one,) = reactor.add(server.put("/film.torrent", film.metainfo))
        await reactor.until_final()
        assert reactor.row(one)["status"] == "downloaded", reactor.row(one)
        assert not reactor.row(one)["error"]
        await reactor.until(lambda: not reactor.staged())
    assert reactor.files() == FILM


@pytest.mark.nightly
@pytest.mark.fault(44)
async def test_the_same_torrent_twice_at_once(tmp_path: Path) -> None:
    """aria2 takes an info hash once: the second row waits for the first, and has a file of its own."""
    async with swarm_in(tmp_path / "swarm") as swarm, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="2") as reactor:
        film = swarm.make("film.mkv", FILM)
        await swarm.serve(film)
        reactor.add(film.magnet, film.magnet)
        await reactor.until_final()
        rows = reactor.rows()
        await reactor.until(lambda: not reactor.staged())
    assert [(row["status"], row["retry_count"]) for row in rows] == [("downloaded", 0)] * 2
    assert reactor.files() == {"film.mkv": FILM["film.mkv"], "film (1).mkv": FILM["film.mkv"]}


async def test_of_what_is_whole_the_row_says_what_is_missing(tmp_path: Path) -> None:
    pieces = {"one.ogg": ALBUM["disc 1/one.ogg"][: 4 * 32_768], "two.ogg": ALBUM["two.ogg"]}
    async with FileServer() as server, running(tmp_path, PARTIAL_TORRENTS="true", **HASTY) as reactor:
        metainfo, _ = make_torrent(server.url("/none"), "album", pieces)
        seeded = bencode2.bencode(bencode2.bdecode(metainfo) | {b"url-list": server.url("/w/").encode()})
        server.put("/w/album/one.ogg", pieces["one.ogg"])
        (one,) = reactor.add(server.put("/album.torrent", seeded))
        await reactor.until_final()
        row = reactor.row(one)
        await reactor.until(lambda: not reactor.staged())
    assert row["status"] == "downloaded", row
    assert row["notes"] == "Nobody shared all of this torrent: 1 of its files is here. Missing: two.ogg."
    assert reactor.files() == {"album/one.ogg": pieces["one.ogg"]}


async def test_pad_files_are_not_asked_of_the_web_and_not_published(tmp_path: Path) -> None:
    piece = 16_384
    one, two = ALBUM["disc 1/one.ogg"][:20_000], ALBUM["two.ogg"]
    whole = one + bytes(2 * piece - len(one)) + two
    info = {
        "name": "album",
        "piece length": piece,
        "pieces": b"".join(hashlib.sha1(whole[at : at + piece]).digest() for at in range(0, len(whole), piece)),
        "files": [
            {"length": len(one), "path": ["one.ogg"]},
            {"attr": "p", "length": 2 * piece - len(one), "path": [".pad", str(2 * piece - len(one))]},
            {"length": len(two), "path": ["two.ogg"]},
        ],
    }
    async with FileServer() as server, running(tmp_path, **HASTY) as reactor:
        server.put("/w/album/one.ogg", one)
        server.put("/w/album/two.ogg", two)
        raw = bencode2.bencode({"announce": server.url("/none"), "info": info, "url-list": server.url("/w/")})
        (row,) = reactor.add(server.put("/album.torrent", raw))
        await reactor.until_final()
        asked = {request.path for request in server.requests() if "pad" in request.path}
        assert reactor.row(row)["status"] == "downloaded", reactor.rows()
        assert reactor.row(row)["file_size"] == len(one) + len(two)
        await reactor.until(lambda: not reactor.staged())
    assert not asked
    assert reactor.files() == {"album/one.ogg": one, "album/two.ogg": two}
