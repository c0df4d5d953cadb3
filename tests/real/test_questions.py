"""Rows that ask what is to be fetched, and answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reactor import Queue, SyncQueue
from reactor.errors import DownloadError
from tests.cli.command import reactor as command
from tests.media.samples import Samples
from tests.real.harness import Reactor, running
from tests.real.swarm import swarm_in
from tests.real.test_torrents import ALBUM
from tests.servers import FileServer

LADDER = {"low": (256, 144, 200_000), "mid": (426, 240, 400_000), "high": (640, 360, 800_000)}


PADDING = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 4000
"""Packets of MPEG-TS that say nothing: 0.7 MiB."""


def ladder(server: FileServer, files: dict[str, bytes], padded: str = "") -> str:
    """A film in three sizes."""
    lines = ["#EXTM3U"]
    for name, (width, height, rate) in LADDER.items():
        for part, data in files.items():
            server.put(f"/{name}/{part}", data + PADDING if name == padded and part.endswith(".ts") else data)
        codecs = 'CODECS="avc1.64001f,mp4a.40.2"'
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={rate},RESOLUTION={width}x{height},{codecs}"]
        lines += [f"{name}/index.m3u8"]
    return server.put("/film.m3u8", "\n".join(lines).encode())


async def asked(reactor: Reactor, id: int) -> dict[str, Any]:
    """What a row asks."""
    await reactor.until(lambda: reactor.row(id)["status"] not in ("pending", "downloading"))
    row = reactor.row(id)
    assert row["status"] == "choosing", row
    found: dict[str, Any] = json.loads(row["choices"])
    return found


def answer(reactor: Reactor, id: int, *codes: str) -> None:
    with SyncQueue(reactor.db) as queue:
        assert queue.choose(id, codes)


@pytest.mark.fault(44)
async def test_the_qualities_of_a_film_and_what_is_taken_without_an_answer(tmp_path: Path, samples: Samples) -> None:
    files = samples.hls("ts")
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="1") as reactor:
        url = ladder(server, files)
        one, other, last = reactor.add(url, url, url, ask="formats")
        for id in (one, other, last):  # there is one slot, and who asks takes none
            found = await asked(reactor, id)
            assert [each["c"] for each in found["formats"]] == ["f1", "f2", "f3", "a1"]
        assert [each["label"] for each in found["formats"]] == ["360p", "240p", "144p", "sound"]
        assert found["formats"][1]["pick"] == {"quality": 240}
        assert not reactor.files()
        looks = len(server.requests("/film.m3u8"))
        answer(reactor, one, "f2")
        reactor.execute("UPDATE downloads SET next_attempt_at = 1 WHERE id = ?", other)
        reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", last)
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["downloaded", "downloaded", "cancelled"], reactor.rows()
        assert len(server.requests("/film.m3u8")) == looks, "it is known already"
    fetched = {path.split("/")[1] for path in (request.path for request in server.log) if path.endswith(".ts")}
    assert fetched == {"mid", "high"}
    assert json.loads(reactor.row(one)["options"]) == {"ask": "never", "quality": 240}


async def test_a_bot_can_ask_before_it_adds(tmp_path: Path, samples: Samples) -> None:
    async with FileServer() as server, running(tmp_path) as reactor, Queue(reactor.db) as queue:
        for name, data in samples.hls("ts").items():
            server.put(f"/film/{name}", data)
        found = await queue.probe(server.url("/film/index.m3u8"))
        assert (found.title, found.duration_s is not None, found.help) == ("film", True, ())
        with pytest.raises(DownloadError, match="404"):
            await queue.probe(server.url("/none.iso"))
        assert await queue.list() == []
        with pytest.raises(DownloadError) as late:
            await queue.probe(server.url("/film/index.m3u8"), timeout_s=0.0)
        assert late.value.code == "timeout"
        assert await queue.list() == []
    assert not reactor.files()


async def test_the_files_of_a_torrent(tmp_path: Path) -> None:
    async with swarm_in(tmp_path / "swarm") as swarm, FileServer() as server, running(tmp_path) as reactor:
        album = swarm.make("album", ALBUM)
        await swarm.serve(album)
        link, file = (
            *reactor.add(album.magnet, ask="files"),
            *reactor.add(server.put("/a.torrent", album.metainfo), ask="all"),
        )
        for id in (link, file):
            found = await asked(reactor, id)
            assert {each["path"]: each["bytes"] for each in found["files"]} == {
                name: len(data) for name, data in ALBUM.items()
            }
            assert found["files_total"] == len(ALBUM)
            assert id != link or not reactor.staged()
            (code,) = (each["c"] for each in found["files"] if each["path"] == "two.ogg")
            answer(reactor, id, code)
            await reactor.until_final(id)
            assert reactor.row(id)["status"] == "downloaded", reactor.row(id)
        await reactor.until(lambda: not reactor.staged())
    assert set(reactor.files().values()) == {ALBUM["two.ogg"]}


@pytest.mark.nightly
async def test_what_would_help_a_row_that_has_failed_is_chosen(tmp_path: Path, samples: Samples) -> None:
    """The jar that fits where a site wants to know who asks, and a smaller picture of what is too large."""
    gate = b"<title>A film</title><p>Please sign in to watch this film.</p>"
    async with FileServer() as server, running(tmp_path) as reactor:

        def help(id: int, code: str) -> dict[str, Any]:
            row = reactor.row(id)
            assert (row["status"], row["error_code"]) == ("failed", code), row
            return {each["c"]: each["pick"] for each in json.loads(row["choices"])["help"]}

        def choose(id: int, *codes: str) -> str:
            said = command("choose", id, *codes, "--db", reactor.db, cwd=tmp_path)
            assert said.returncode == 0, said.stderr
            return said.stdout

        page = server.put("/page", gate, content_type="text/html")
        with SyncQueue(reactor.db) as queue:
            queue.set_cookies("ann", "mine", f"{server.host}\tFALSE\t/\tFALSE\t0\tsid\tANN-S3CRET\n")
            ann, bob = (queue.add(page, owner=owner) for owner in ("ann", "bob"))
        (large,) = reactor.add(ladder(server, samples.hls("ts"), padded="high"), max_mib=1)
        await reactor.until_final()
        assert help(ann, "needs_login") == {"h1": {"cookies": "mine"}}
        assert help(bob, "needs_login") == {"h1": {"cookies": server.host}}
        assert help(large, "too_large")["h3"] == {"quality": 240}
        film = server.put("/film.mp4", samples.film().read_bytes(), content_type="video/mp4")
        server.put("/page", f"<title>A film</title><video src={film}></video>".encode(), content_type="text/html")
        before = len(server.requests("/page"))
        for id, code, said in ((ann, "h1", "the cookies `mine`"), (bob, "h1", "added as"), (large, "h3", "240p")):
            assert said in choose(id)
            choose(id, code)
        await reactor.until_final()
        assert [reactor.row(id)["status"] for id in (ann, large)] == ["downloaded", "downloaded"]
        assert reactor.row(bob)["error_code"] == "bad_options", "there is no such jar yet"
        sent = [request.headers.get("cookie") for request in server.requests("/page")[before:]]
        assert set(sent) == {"sid=ANN-S3CRET"}
        assert any(request.path.startswith("/mid/part") for request in server.log)
