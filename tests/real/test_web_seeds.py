"""A torrent that a web server seeds (BEP 19), while nobody else has it."""

from __future__ import annotations

import random
from pathlib import Path
from urllib.parse import quote

import bencode2
import pytest

from tests.aria2.servers import make_torrent
from tests.real.harness import running
from tests.servers import FileServer

FILM = random.Random(5).randbytes(300_000)


@pytest.mark.parametrize("seeding", ["0", "5"])
async def test_a_torrent_comes_whole_from_a_web_seed_alone(tmp_path: Path, seeding: str) -> None:
    async with FileServer() as server, running(tmp_path, SEED_RATIO=seeding) as reactor:
        metainfo, _ = make_torrent(server.url(""), "film.mkv", {"film.mkv": FILM})  # its tracker answers 404
        seeded = bencode2.bdecode(metainfo) | {b"url-list": server.put("/film.mkv", FILM)}
        (one,) = reactor.add(server.put("/film.torrent", bencode2.bencode(seeded)))
        await reactor.until_final()
        row = reactor.row(one)
        assert (row["status"], row["retry_count"]) == ("downloaded", 0), reactor.events()
        published = {name: data for name, data in reactor.files().items() if not name.startswith(".reactor")}
        assert published == {"film.mkv": FILM}
        if seeding == "0":
            await reactor.until(lambda: not reactor.staged())


@pytest.mark.fault(42)
async def test_the_names_in_it_become_clean(tmp_path: Path) -> None:
    """Of the files, of folders, and what a row says of a name that is refused."""
    names = {
        "bidi\u202e4pm.txt": "bidi4pm.txt",
        "-rf": "rf",
        ".hidden/con": "hidden/_con",
        "x.exe\u2060": "x.exe.renamed",
    }
    files = {name: name.encode() for name in names}
    async with FileServer() as server, running(tmp_path) as reactor:
        metainfo, _ = make_torrent(server.url(""), "album", files)
        for name, data in files.items():
            server.put(quote(f"/album/{name}"), data)
        seeded = bencode2.bdecode(metainfo) | {b"url-list": server.url("/")}
        reactor.add(server.put("/album.torrent", bencode2.bencode(seeded)))
        tab, _ = make_torrent(server.url(""), "b", {"\u202eb\tc": b"1", "d": b"2"})
        reactor.add(server.put("/tab.torrent", tab))
        await reactor.until_final()
        assert reactor.row(1)["status"] == "downloaded", reactor.events()
        published = {name: data for name, data in reactor.files().items() if not name.startswith(".reactor")}
        assert published == {f"album/{names[name]}": data for name, data in files.items()}
        refused = reactor.row(2)
        assert refused["status"] == "failed"
        assert refused["error"].isprintable(), "aria2 quotes what it does not take"
        assert "b c" in refused["error"]
