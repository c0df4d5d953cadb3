"""Rows whose media comes in parts: fetched by aria2c, joined by ffmpeg, one file in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reactor.media.probing import probe
from reactor.programs import find_ffmpeg
from tests.media.samples import KEYS, SECONDS, Samples
from tests.real.harness import Reactor, running
from tests.servers import FileServer


def serve(server: FileServer, folder: str, files: dict[str, bytes]) -> str:
    for name, data in files.items():
        server.put(f"/{folder}/{name}", data)
    return server.url(f"/{folder}/")


@pytest.mark.variants(2)
@pytest.mark.parametrize("form", ["aes", "dash", "ts", "fmp4"])
async def test_a_manifest_becomes_one_file(tmp_path: Path, samples: Samples, form: str) -> None:
    make: dict[str, Callable[[], dict[str, bytes]]] = {
        "ts": lambda: samples.hls("ts"),
        "fmp4": lambda: samples.fmp4(),
        "aes": lambda: samples.encrypted("aes", KEYS[0]),
        "dash": lambda: samples.dash("dash"),
    }
    files = make[form]()
    manifest = "index.mpd" if form == "dash" else "index.m3u8"
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(serve(server, "film", files) + manifest)
        await reactor.until_final()
        row = reactor.row(one)
        assert row["status"] == "downloaded", row["error"]
        await reactor.until(lambda: not reactor.staged())
    (name,) = reactor.files()
    seen = await probe(find_ffmpeg().path, tmp_path / "downloads" / name)
    assert seen.video
    assert seen.audio
    assert seen.duration_s is not None
    assert abs(seen.duration_s - SECONDS) < 0.5
    assert row["file_path"].endswith(name)


@pytest.mark.nightly
async def test_five_hundred_parts_cost_few_messages_and_a_cancel_leaves_nothing(
    tmp_path: Path, samples: Samples
) -> None:
    """500 segments of the same bytes, each under an address of its own."""
    files = samples.hls("ts")
    segment = files["part0.ts"]
    lines = "".join(f"#EXTINF:2.0,\npart{n}.ts\n" for n in range(500))
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    log = tmp_path / "aria2.log"
    reactor = Reactor(tmp_path, PROGRESS_INTERVAL="1", EGRESS_GUARD="false")
    reactor.conf.write_text(reactor.conf.read_text() + f"log={log}\nlog-level=info\n")
    async with FileServer() as server:
        for n in range(500):
            server.put(f"/film/part{n}.ts", segment, stall_after=100 if n == 499 else None)
        url = server.put("/film/index.m3u8", f"{head}{lines}#EXT-X-ENDLIST\n".encode())
        await reactor.start()
        try:
            (one,) = reactor.add(url)
            await reactor.until(lambda: len(server.requests(method="GET")) >= 500)
            await reactor.until(lambda: (reactor.row(one)["progress"] or 0) > 99)
            asked = [line for line in log.read_text(errors="replace").splitlines() if "Executing RPC method" in line]
            intervals = len(reactor.events("download_progressed", one))
            assert len(asked) <= 40 + intervals, len(asked)
            reactor.execute("UPDATE downloads SET cancelled = 1")
            await reactor.until_final()
            assert reactor.row(one)["status"] == "cancelled"
            assert not reactor.files()
        finally:
            await reactor.stop()


async def test_without_an_ffmpeg_no_part_is_fetched(tmp_path: Path, samples: Samples) -> None:
    async with FileServer() as server, running(tmp_path, FFMPEG_PATH=str(tmp_path / "none")) as reactor:
        (one,) = reactor.add(serve(server, "film", samples.hls("ts")) + "index.m3u8")
        await reactor.until_final()
        assert "FFMPEG_PATH" in reactor.row(one)["error"]
    assert not [request for request in server.log if request.path.endswith(".ts")]


async def test_a_live_stream_is_refused_with_a_sentence(tmp_path: Path, samples: Samples) -> None:
    files = samples.hls("ts")
    live = files["index.m3u8"].replace(b"#EXT-X-ENDLIST", b"").replace(b"#EXT-X-PLAYLIST-TYPE:VOD", b"")
    files["index.m3u8"] = live.replace(b"SEQUENCE:0", b"SEQUENCE:4711")
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(serve(server, "live", files) + "index.m3u8")
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["error_code"]) == ("failed", "live")
    assert row["error"].endswith(".")
