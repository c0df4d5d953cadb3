"""Subtitles that rows ask for, from outside."""

from __future__ import annotations

from pathlib import Path

from tests.media.samples import Samples, playlist_of
from tests.real.harness import running
from tests.servers import FileServer


async def test_subtitles_stand_beside_a_film_or_alone_and_one_that_is_refused_costs_nothing(
    tmp_path: Path, samples: Samples
) -> None:
    files, lines = dict(samples.hls("ts")), ["#EXTM3U"]
    for tag in ("de", "en", "fr"):
        files[f"{tag}.vtt"] = f"WEBVTT\n\n00:01.000 --> 00:02.000\n{tag}\n".encode()
        files[f"{tag}.m3u8"] = playlist_of(f"#EXTINF:6,\n{tag}.vtt\n")
        told = f'TYPE=SUBTITLES,GROUP-ID="s",NAME="{tag}",LANGUAGE="{tag}",URI="{tag}.m3u8"'
        lines.append(f"#EXT-X-MEDIA:{told}")
    files["film.m3u8"] = "\n".join([*lines, '#EXT-X-STREAM-INF:BANDWIDTH=1,SUBTITLES="s"', "index.m3u8"]).encode()
    asked = {"languages": ["de", "en", "fr", "it"]}
    async with FileServer() as server, running(tmp_path) as reactor:
        for name, data in files.items():
            server.put(f"/a/{name}", data)
        server.put("/a/fr.vtt", b"", status=429)
        url = server.url("/a/film.m3u8")
        ids = reactor.add(url, subtitles=asked) + reactor.add(url, want="subtitles", subtitles={"languages": ["en"]})
        ids += reactor.add(url, want="subtitles", subtitles={"languages": ["it"]})
        await reactor.until_final()
        beside, alone, none = reactor.rows(*ids)
    assert sorted(path.name for path in Path(beside["file_path"]).iterdir()) == [
        "film.de.srt",
        "film.en.srt",
        "film.mp4",
    ]
    assert beside["notes"] == "There are no subtitles in it.\nSubtitles that are not in the file: fr."
    assert Path(alone["file_path"]).name == "film.en.srt"
    assert Path(alone["file_path"]).read_text() == "1\n00:00:01,000 --> 00:00:02,000\nen\n"
    assert none["error_code"] == "not_as_wished"
    assert none["error"].startswith("There are no subtitles in it.")
