"""What the disk and the settings do not allow, with a real disk that is too small."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.media.samples import Samples, playlist_of
from tests.real.harness import Reactor, running
from tests.servers import FileServer
from tests.tools import needed

MIB = 1024 * 1024
DATA = random.Random(4).randbytes(24 * MIB)
MOUNT = 'mount -t tmpfs -o size="$1" none "$0" && shift && exec "$@"'


@asynccontextmanager
async def on_a_small_disk(folder: Path, size: str, **settings: str) -> AsyncIterator[Reactor]:
    """A reactor whose download folder is a disk of its own, in a mount namespace of its own."""
    reactor = Reactor(folder, **settings)
    reactor.downloads.mkdir()
    reactor.before = (needed("unshare"), "--map-root-user", "--mount", "sh", "-c", MOUNT, str(reactor.downloads), size)
    await reactor.start()
    try:
        yield reactor
    finally:
        await reactor.stop()


def remount(reactor: Reactor, how: str) -> None:
    """Make its disk one that may (`rw`) or may not (`ro`) be written."""
    mount = ("mount", "-o", f"remount,bind,{how}", str(reactor.downloads))
    subprocess.run(["nsenter", f"--target={_pid(reactor)}", "--user", "--mount", "--", *mount], check=True, timeout=30)


def on_disk(reactor: Reactor, path: Any) -> bytes:
    """A file of its disk."""
    return Path(f"/proc/{_pid(reactor)}/root{path}").read_bytes()


def _pid(reactor: Reactor) -> int:
    assert reactor.process is not None
    return reactor.process.pid


@contextmanager
def filled(reactor: Reactor, mib: int) -> Iterator[None]:
    """Somebody else's file on its disk, of so many MiB or as many as fit."""
    path = Path(f"/proc/{_pid(reactor)}/root{reactor.downloads}/somebody's")
    with suppress(OSError), path.open("wb", buffering=0) as file:
        for _ in range(mib):
            file.write(bytes(MIB))
    try:
        yield
    finally:
        path.unlink()


@pytest.mark.variants(1)
@pytest.mark.fault(43)
@pytest.mark.parametrize("kept", ["20", "0"], ids=["room-that-has-to-stay", "no-room-at-all"])
async def test_a_disk_that_somebody_fills_holds_the_queue_and_it_goes_on_when_there_is_room(
    tmp_path: Path, kept: str
) -> None:
    async with FileServer() as server, on_a_small_disk(tmp_path, "64m", MIN_FREE_DISK_MIB=kept) as reactor:
        one = server.put("/one.bin", DATA, rate=2 * MIB, etag='"1"')
        reactor.add(one, server.put("/two.bin", b"small"))
        await reactor.until(lambda: (reactor.row(1)["progress"] or 0) > 5)
        with filled(reactor, 40 if kept == "20" else 64):
            await reactor.until(lambda: reactor.events("disk_full"))
            await reactor.until(lambda: reactor.row(1)["stage"] == "waiting")
            first, second = reactor.rows()
            assert (first["status"], first["error_code"], first["retry_count"]) == ("pending", "no_space", 0)
            assert "room" in first["error"]
            assert (second["status"], second["attempt"]) == ("pending", 0), "nothing is begun"
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 2
        assert on_disk(reactor, reactor.row(1)["file_path"]) == DATA
        assert len(reactor.events("disk_full")) == len(reactor.events("disk_freed")) == 1
        assert [request.range for request in server.requests("/one.bin", "GET")][-1], "what was there was kept"


@pytest.mark.variants(1)
@pytest.mark.fault(43)
@pytest.mark.parametrize("kept", ["20", "0"], ids=["room-that-has-to-stay", "no-room-at-all"])
async def test_what_is_larger_than_the_disk_holds_up_nobody(tmp_path: Path, kept: str) -> None:
    size = "40m" if kept == "20" else "23m"
    async with FileServer() as server, on_a_small_disk(tmp_path, size, MIN_FREE_DISK_MIB=kept) as reactor:
        reactor.add(server.put("/large.bin", DATA), server.put("/small.bin", b"small"))
        await reactor.until_final()
        large, small = reactor.rows()
        assert (large["status"], large["error_code"], large["attempt"]) == ("failed", "no_space", 1)
        assert large["error"].startswith("It needs 24.0 MiB of the disk, which has room for ")
        assert small["status"] == "downloaded"
        assert sum(request.sent for request in server.requests("/large.bin", "GET")) <= 1, "it was not begun"
        assert not reactor.events("disk_full")


@pytest.mark.nightly
@pytest.mark.fault(43)
@pytest.mark.parametrize("kept", ["20", "0"], ids=["room-that-has-to-stay", "no-room-at-all"])
async def test_what_has_no_end_is_given_up_in_the_end_and_holds_up_nobody(tmp_path: Path, kept: str) -> None:
    size = "40m" if kept == "20" else "20m"
    async with FileServer() as server, on_a_small_disk(tmp_path, size, MIN_FREE_DISK_MIB=kept) as reactor:
        endless = server.put("/large.bin", DATA, endless=True, ranges=False, rate=16 * MIB)
        reactor.add(endless, server.put("/small.bin", b"small"))
        await reactor.until_final()
        large, small = reactor.rows()
        assert (large["status"], large["error_code"], large["attempt"]) == ("failed", "no_space", 2)
        assert small["status"] == "downloaded"
        await reactor.until(lambda: not list(Path(f"/proc/{_pid(reactor)}/root{reactor.downloads}/.reactor").iterdir()))


@pytest.mark.nightly
@pytest.mark.fault(43)
async def test_what_has_no_end_and_comes_fast_leaves_free_what_has_to_stay_so(tmp_path: Path) -> None:
    """However seldom progress is asked for."""
    settings = {"MIN_FREE_DISK_MIB": "80", "PROGRESS_INTERVAL": "60", "MAX_DOWNLOAD_RETRIES": "0"}
    async with FileServer() as server, on_a_small_disk(tmp_path, "200m", **settings) as reactor:
        least = 200.0

        def over() -> bool:
            nonlocal least
            least = min(least, shutil.disk_usage(f"/proc/{_pid(reactor)}/root{reactor.downloads}").free / MIB)
            return bool(reactor.row(one)["status"] == "failed")

        (one,) = reactor.add(server.put("/endless.bin", DATA, endless=True, ranges=False))
        await reactor.until(over)
        assert reactor.row(one)["error_code"] == "no_space"
        assert 80 - 24 < least < 100


@pytest.mark.fault(43)
async def test_small_files_are_not_begun_either_where_there_is_no_room(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MIN_FREE_DISK_MIB="1000000000") as reactor:
        one, *_ = reactor.add(*(server.put(f"/{n}.bin", b"small") for n in range(5)))
        await reactor.until(lambda: reactor.events("disk_full"))
        command = [sys.executable, "-m", "reactor", "why", str(one)]
        told = await asyncio.create_subprocess_exec(*command, env=reactor.environment, stdout=subprocess.PIPE)
        said = (await told.communicate())[0].decode()
        assert "must stay free (MIN_FREE_DISK_MIB): no new download starts" in said
        assert {row["attempt"] for row in reactor.rows()} == {0}
        assert not server.requests("/0.bin")


@pytest.mark.variants(1)
@pytest.mark.fault(58)
@pytest.mark.parametrize("limit", ["MAX_FILE_SIZE_MIB", "MIN_FREE_DISK_MIB"])
async def test_one_part_that_is_named_many_times(tmp_path: Path, samples: Samples, limit: str) -> None:
    files = samples.hls("ts")
    many = 40 * MIB // len(files["part0.ts"])
    files["index.m3u8"] = playlist_of("#EXT-X-DISCONTINUITY\n#EXTINF:2,\npart0.ts\n" * many)
    settings = {"MAX_FILE_SIZE_MIB": "5", "MIN_FREE_DISK_MIB": "0"} if limit == "MAX_FILE_SIZE_MIB" else {limit: "20"}
    async with FileServer() as server, on_a_small_disk(tmp_path, "50m", **settings) as reactor:
        urls = {name: server.put(f"/{name}", data) for name, data in files.items()}
        (one,) = reactor.add(urls["index.m3u8"])
        await reactor.until_final()
        row = reactor.row(one)
        code = "too_large" if limit == "MAX_FILE_SIZE_MIB" else "no_space"
        assert (row["status"], row["error_code"], row["retry_count"]) == ("failed", code, 0)
        assert "The joined file" in row["error"] if code == "too_large" else "Joining the parts needs" in row["error"]
        await reactor.until(lambda: not list(Path(f"/proc/{_pid(reactor)}/root{reactor.downloads}/.reactor").iterdir()))


SLOW = """#!/bin/sh
case "$*" in *-movflags*) : > "$0.begun"; while [ ! -e "$0.go" ]; do sleep 0.05; done;; esac
exec "{ffmpeg}" "$@"
"""


@pytest.mark.fault(43, 58)
async def test_a_disk_that_somebody_fills_while_a_film_is_joined(tmp_path: Path, samples: Samples) -> None:
    """It stops, keeps what was fetched, and goes on when there is room."""
    slow = tmp_path / "ffmpeg"
    slow.write_text(SLOW.format(ffmpeg=samples.ffmpeg))
    slow.chmod(0o755)
    settings = {"MIN_FREE_DISK_MIB": "20", "FFMPEG_PATH": str(slow)}
    async with FileServer() as server, on_a_small_disk(tmp_path, "40m", **settings) as reactor:
        files = samples.hls("ts")
        urls = {name: server.put(f"/{name}", data) for name, data in files.items()}
        (one,) = reactor.add(urls["index.m3u8"])
        await reactor.until(lambda: (tmp_path / "ffmpeg.begun").exists())
        with filled(reactor, 30):
            await reactor.until(lambda: reactor.events("disk_full"))
            (tmp_path / "ffmpeg.go").touch()
        await reactor.until_final()
        row = reactor.row(one)
        assert (row["status"], row["retry_count"]) == ("downloaded", 0), row["error"]
        assert len(server.requests("/part0.ts", "GET")) == 1, "what was fetched was kept"


@pytest.mark.variants(1)
@pytest.mark.parametrize("chunked", [False, True], ids=["told-before", "found-out"])
async def test_what_is_too_large_is_not_fetched_to_its_end(tmp_path: Path, chunked: bool) -> None:
    async with FileServer() as server, running(tmp_path, MAX_FILE_SIZE_MIB="5") as reactor:
        answer: dict[str, Any] = {"chunked": True, "rate": 8 * MIB} if chunked else {}
        reactor.add(server.put("/big.bin", DATA, **answer), server.put("/small.bin", b"small"))
        await reactor.until_final()
        big, small = reactor.rows()
        assert (big["status"], big["error_code"], big["retry_count"]) == ("failed", "too_large", 0)
        assert "MAX_FILE_SIZE_MIB" in big["error"]
        assert small["status"] == "downloaded"
        await reactor.until(lambda: not reactor.staged())
        assert reactor.files() == {"small.bin": b"small"}
        sent = sum(request.sent for request in server.requests("/big.bin", "GET"))
        assert sent < len(DATA) if chunked else sent <= 1


@pytest.mark.parametrize("kind", ["file", "parts"])
async def test_what_has_no_end_gets_no_larger_than_is_allowed(tmp_path: Path, kind: str) -> None:
    """However fast it comes, and however seldom progress is asked for."""
    settings = {"MAX_FILE_SIZE_MIB": "40", "PROGRESS_INTERVAL": "60"}
    async with FileServer() as server, running(tmp_path, **settings) as reactor:
        url = server.put("/endless.ts", DATA, endless=True, ranges=False)
        if kind == "parts":
            segments = "".join(f"#EXTINF:4,\nendless.ts?{n}\n" for n in range(4))
            playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n{segments}#EXT-X-ENDLIST\n"
            url = server.put("/index.m3u8", playlist.encode())
        (one,) = reactor.add(url)
        top = 0

        def over() -> bool:
            nonlocal top
            top = max(top, reactor.held())
            return bool(reactor.row(one)["status"] == "failed")

        await reactor.until(over)
        assert reactor.row(one)["error_code"] == "too_large"
        await reactor.until(lambda: not reactor.staged())
        sent = sum(request.sent for request in server.requests("/endless.ts", "GET"))
        assert top > 0
        assert sent > 40 * MIB
        assert top < 56 * MIB


@pytest.mark.fault(65)
async def test_a_length_that_is_told_when_it_is_fetched_ends_nobody_elses_download(tmp_path: Path) -> None:
    """After an honest answer to whoever looked before. What is encrypted nobody can read before aria2."""

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                size = 5000 if asked.startswith(b"HEAD") else 2**62
                writer.write(b"HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nContent-Length: %d\r\n\r\n" % size)
                await writer.drain()
        writer.close()

    settings = {"MAX_CONCURRENT_DOWNLOADS": "4", "MAX_DOWNLOAD_RETRIES": "0"}
    async with (
        FileServer() as server,
        await asyncio.start_server(lie, "127.0.0.1", 0) as liar,
        running(tmp_path, **settings) as reactor,
    ):
        pids = reactor.children()
        port = liar.sockets[0].getsockname()[1]
        bad = f"http://127.0.0.1:{port}/a.bin"
        first, *others = reactor.add(bad, *(server.put(f"/{n}.bin", DATA, rate=4 * MIB) for n in range(3)))
        await reactor.until_final()
        row = reactor.row(first)
        assert (row["status"], row["error_code"]) == ("failed", "too_large"), row
        assert [reactor.row(other)["status"] for other in others] == ["downloaded"] * 3
        assert [reactor.row(other)["retry_count"] for other in others] == [0] * 3
        assert reactor.children() == pids, "it has lived on"


async def test_a_size_that_no_file_has_is_not_asked_of_aria2(tmp_path: Path) -> None:
    """It would die of it, and everybody's transfers with it."""
    lie = (("Content-Length", "9" * 18),)
    piece = b"d4:infod6:lengthi1099511627776e4:name1:x12:piece lengthi1099511627776e6:pieces20:" + b"h" * 20 + b"ee"
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="4") as reactor:
        pids = reactor.children()
        by_head = server.put("/a.bin", DATA, headers=lie, ranges=False)
        by_get = server.put("/b.bin", DATA, headers=lie, head=405, ranges=False)
        reactor.add(by_head, by_get, server.put("/c.torrent", piece), server.put("/d.bin", b"small"))
        await reactor.until_final()
        *refused, last = reactor.rows()
        assert [row["error_code"] for row in refused] == ["too_large", "too_large", "bad_torrent"], refused
        assert refused[0]["retry_count"] == 0
        assert last["status"] == "downloaded"
        assert reactor.children() == pids


async def test_an_attempt_has_its_time(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, DOWNLOAD_TIMEOUT_S="1") as reactor:
        reactor.add(server.put("/slow.bin", DATA, rate=1000))
        await reactor.until_final()
        (row,) = reactor.rows()
        assert (row["status"], row["error_code"]) == ("failed", "timeout")
        assert "DOWNLOAD_TIMEOUT_S" in row["error"]
        assert reactor.files() == {}


@pytest.mark.fault(43)
async def test_a_disk_that_may_not_be_written_for_a_while(tmp_path: Path) -> None:
    async with FileServer() as server, on_a_small_disk(tmp_path, "140m", MAX_DOWNLOAD_RETRIES="100") as reactor:
        remount(reactor, "ro")
        (one,) = reactor.add(server.put("/a.bin", b"small"))
        await reactor.until(lambda: reactor.row(one)["error_code"] == "storage")
        row = reactor.row(one)
        assert row["status"] in ("pending", "downloading")
        assert row["error"].startswith("The download folder cannot be written: Read-only file system.")
        remount(reactor, "rw")
        await reactor.until_final()
        assert (reactor.row(one)["status"], reactor.row(one)["error"]) == ("downloaded", None)
        assert on_disk(reactor, reactor.row(one)["file_path"]) == b"small"


@pytest.mark.fault(43)
async def test_a_disk_that_may_never_be_written(tmp_path: Path) -> None:
    async with FileServer() as server, on_a_small_disk(tmp_path, "140m", MAX_DOWNLOAD_RETRIES="2") as reactor:
        remount(reactor, "ro")
        (one,) = reactor.add(server.put("/a.bin", b"small"))
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["error_code"], row["retry_count"]) == ("failed", "storage", 2)
    assert row["error"].endswith(".")


@pytest.mark.fault(33)
async def test_a_server_that_drips_does_not_keep_its_place(tmp_path: Path) -> None:
    settings = {"STALL_TIMEOUT_S": "4", "MIN_SPEED_KIB": "1000", "MAX_DOWNLOAD_RETRIES": "0"}
    async with FileServer() as server, running(tmp_path, **settings) as reactor:
        reactor.add(server.put("/drips.bin", DATA, rate=40_000), server.put("/small.bin", b"small"))
        await reactor.until_final()
        drips, small = reactor.rows()
        assert (drips["status"], drips["error_code"]) == ("failed", "timeout")
        assert "MIN_SPEED_KIB" in drips["error"]
        assert small["status"] == "downloaded"
