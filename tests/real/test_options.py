"""What rows ask for, from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reactor.media.probing import probe
from reactor.programs import find_ffmpeg
from tests.media.samples import Samples
from tests.real.harness import running
from tests.servers import FileServer


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
