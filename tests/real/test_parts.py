"""What comes in parts, when a server or aria2c is unkind: only what is wrong is fetched again, and others go on."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from reactor.core.suspects import DEATHS_MAX
from reactor.files.whole_parts import NOTES
from tests.media.samples import Samples, playlist_of
from tests.real.elsewhere import elsewhere
from tests.real.harness import running
from tests.servers import FileServer

HTML = b"<!doctype html><html><body>Please wait</body></html>"
DATA = random.Random(7).randbytes(900_000)


def serve(server: FileServer, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        server.put(f"/film/{name}", data)
    return server.url("/film/index.m3u8")


def many(server: FileServer, count: int, segment: bytes, **how: object) -> str:
    """A playlist of `count` parts, all of them the same bytes."""
    for n in range(count):
        server.put(f"/film/part{n}.ts", segment, **how)
    return server.put("/film/index.m3u8", playlist_of("".join(f"#EXTINF:2.0,\npart{n}.ts\n" for n in range(count))))


def gets(server: FileServer, path: str) -> int:
    return len(server.requests(path, "GET"))


async def test_a_part_that_was_cut_off_once_is_fetched_again_and_no_other(tmp_path: Path, samples: Samples) -> None:
    files = samples.hls("ts")
    parts = sorted(name for name in files if name.endswith(".ts"))
    async with FileServer() as server, running(tmp_path) as reactor:
        url = serve(server, files)
        for name in parts:
            server.put(f"/film/{name}", files[name], ranges=False)
        server.put(f"/film/{parts[1]}", files[parts[1]], ranges=False, cut_after=1000)
        (one,) = reactor.add(url)
        await server.until(lambda: any(request.ended == "cut" for request in server.log))
        server.put(f"/film/{parts[1]}", files[parts[1]], ranges=False)
        await reactor.until_final()
        row = reactor.row(one)
        assert (row["status"], row["attempt"]) == ("downloaded", 1), row["error"]
        assert gets(server, f"/film/{parts[0]}") == 1
        assert gets(server, f"/film/{parts[1]}") <= 4  # aria2c itself tries it once or twice


async def test_a_page_instead_of_a_part_is_fetched_again_and_no_other(tmp_path: Path, samples: Samples) -> None:
    files = samples.hls("ts")
    parts = sorted(name for name in files if name.endswith(".ts"))
    async with FileServer() as server, running(tmp_path) as reactor:
        url = serve(server, files)
        server.put(f"/film/{parts[1]}", HTML)
        (one,) = reactor.add(url)
        await server.until(lambda: any(request.ended == "complete" for request in server.requests(f"/film/{parts[1]}")))
        server.put(f"/film/{parts[1]}", files[parts[1]])
        await reactor.until_final()
        row = reactor.row(one)
        assert (row["status"], row["attempt"]) == ("downloaded", 1), row["error"]
        assert [gets(server, f"/film/{name}") for name in parts] == [1, 2, *[1] * (len(parts) - 2)]


@pytest.mark.nightly
async def test_a_server_that_limits_its_rate_is_not_asked_for_every_part_again_and_again(
    tmp_path: Path, samples: Samples
) -> None:
    async with FileServer() as server, running(tmp_path, MAX_DOWNLOAD_RETRIES="0") as reactor:
        url = many(server, 300, samples.hls("ts")["part0.ts"], status=429, headers=(("Retry-After", "60"),))
        (one,) = reactor.add(url)
        await reactor.until_final()
        assert reactor.row(one)["error_code"] == "rate_limited"
        assert len([request for request in server.log if request.status == 429]) < 40


async def test_one_file_does_not_wait_for_the_parts_of_another_row(tmp_path: Path, samples: Samples) -> None:
    settings = {"MAX_CONCURRENT_DOWNLOADS": "2", "MAX_CONCURRENT_PARTS": "2"}
    async with FileServer() as server, running(tmp_path, **settings) as reactor:
        url = many(server, 40, samples.hls("ts")["part0.ts"], stall_after=100)

        def parts() -> int:
            return len([request for request in server.log if request.path.endswith(".ts")])

        (film,) = reactor.add(url)
        await server.until(lambda: parts() == 2)
        (file,) = reactor.add(server.put("/small.bin", b"small" * 200))
        await reactor.until_final(file)
        assert reactor.row(file)["status"] == "downloaded"
        assert parts() == 2
        assert reactor.row(film)["status"] == "downloading"


@pytest.mark.nightly
async def test_an_aria2c_that_is_killed_again_and_again_costs_no_row_that_moves(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, etag='"1"', rate=150_000))

        def progress() -> float:
            return reactor.row(one)["progress"] or 0.0

        async def die() -> None:
            had, lost = progress(), len(reactor.events("aria2_lost"))
            await reactor.until(lambda: progress() > had + 1)
            os.kill(reactor.children()[0], signal.SIGKILL)
            await reactor.until(lambda: len(reactor.events("aria2_lost")) > lost)

        for _ in range(DEATHS_MAX + 1):
            await die()
        server.put("/a.bin", DATA, etag='"1"')
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["attempt"]) == ("downloaded", 1), row["error"]
    assert reactor.files() == {"a.bin": DATA}


@pytest.mark.variants(1)
@pytest.mark.parametrize("at_once", [1, 16])
async def test_an_aria2c_elsewhere_that_keeps_few_results_is_given_no_part_twice(
    tmp_path: Path, samples: Samples, at_once: int
) -> None:
    count, downloads = 120 if at_once == 1 else 1500, tmp_path / "downloads"
    settings = {"DOWNLOAD_PATH_MAP": f"{downloads}={downloads}", "MAX_CONCURRENT_PARTS": str(at_once)}
    async with (
        FileServer() as server,
        elsewhere(tmp_path / "there") as aria2c,
        running(tmp_path, **aria2c.settings(**settings)) as reactor,
    ):
        url = many(server, count, samples.hls("ts")["part0.ts"])
        server.put(f"/film/part{count - 1}.ts", samples.hls("ts")["part0.ts"], stall_after=100)
        (one,) = reactor.add(url)
        await reactor.until(lambda: server.requests(f"/film/part{count - 1}.ts"))
        await reactor.until(lambda: (reactor.row(one)["progress"] or 0) > 99)
        parts = [request.path for request in server.log if request.path.endswith(".ts")]
        assert sorted(parts) == sorted(set(parts))
        assert len(parts) == count


@pytest.mark.fault(17)
async def test_what_arrived_before_a_crash_is_not_fetched_again_though_no_write_says_so(
    tmp_path: Path, samples: Samples
) -> None:
    files = samples.hls("ts")
    *parts, last = sorted(name for name in files if name.endswith(".ts"))
    async with FileServer() as server, running(tmp_path, PROGRESS_INTERVAL="3600") as reactor:
        url = serve(server, files)
        server.put(f"/film/{last}", files[last], stall_after=100)
        (one,) = reactor.add(url)

        def noted() -> int:
            return sum(len(path.read_bytes().splitlines()) for path in reactor.downloads.rglob(NOTES))

        await reactor.until(lambda: noted() == len(parts))
        await reactor.stop(signal.SIGKILL)
        server.put(f"/film/{last}", files[last])
        await reactor.start()
        await reactor.until_final(one)
        assert reactor.row(one)["status"] == "downloaded", reactor.row(one)["error"]
        assert [gets(server, f"/film/{name}") for name in parts] == [1] * len(parts)
        await reactor.until(lambda: not reactor.staged())


@pytest.mark.fault(18)
@pytest.mark.parametrize("victim", ["aria2c", "reactor"])
async def test_a_kill_in_the_middle_of_parts_mixes_no_bytes_and_loses_none(
    tmp_path: Path, samples: Samples, victim: str
) -> None:
    """The aria2c of parts leaves nothing beside them that says which are whole."""
    parts = noise(samples, "noise")
    held = [f"part{n}.ts" for n in range(20, 24)]
    async with FileServer() as server, running(tmp_path, PROGRESS_INTERVAL="0.5") as reactor:
        url = serve(server, parts)
        for name in held:
            server.put(f"/film/{name}", parts[name], ranges=False, stall_after=len(parts[name]) // 2)
        (one,) = reactor.add(url)

        def noted() -> int:
            return sum(len(path.read_bytes().splitlines()) for path in reactor.downloads.rglob(NOTES))

        await server.until(lambda: all(server.under_way(f"/film/{name}") for name in held))
        assert len(reactor.children()) == 2
        await reactor.until(lambda: noted() == NOISES - len(held))
        for name in held:
            server.put(f"/film/{name}", parts[name])
        if victim == "aria2c":
            os.kill(max(reactor.children()), signal.SIGKILL)
        else:
            await reactor.stop(signal.SIGKILL)
            await reactor.start()
        await reactor.until_final(one)
        row = reactor.row(one)
        assert row["status"] == "downloaded", row["error"]
        again = [name for name in parts if name.endswith(".ts") and gets(server, f"/film/{name}") > 1]
        assert set(again) <= set(held)
    assert sound(samples, row["file_path"], "joined") == sound(samples, samples.root / "noise/index.m3u8", "served")


NOISES = 40


def noise(samples: Samples, name: str) -> dict[str, bytes]:
    """A sound in parts of which no two are alike."""
    folder = samples.root / name
    if not folder.exists():
        folder.mkdir()
        source = f"anoisesrc=sample_rate=48000:seed=1:duration={NOISES * 0.36}"
        how = ("-c:a", "mp2", "-f", "hls", "-hls_time", "0.36", "-hls_playlist_type", "vod")
        segments = ("-hls_segment_filename", folder / "part%d.ts")
        samples.run("-f", "lavfi", "-i", source, *how, *segments, folder / "index.m3u8")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def sound(samples: Samples, path: Path, name: str) -> bytes:
    """The coded sound in a file, and nothing of what is around it."""
    coded = samples.root / f"{name}.mp2"
    samples.run("-i", path, "-map", "0:a", "-c", "copy", "-f", "mp2", coded)
    return coded.read_bytes()
