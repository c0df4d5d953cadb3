"""The examples of the contract, each asked of the real thing: rows, servers, peers, films."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from contrib.docs.document import EXAMPLES
from reactor.media.probing import probe
from reactor.programs import find_ffmpeg
from reactor.sync_queue import SyncQueue
from tests.media.samples import Samples, playlist_of
from tests.real.harness import Reactor, running
from tests.real.swarm import swarm_in
from tests.real.test_cookies import add
from tests.servers import FileServer

VARIANTS = {
    "low": ("640x360", "avc1.64001f"),
    "wanted": ("1280x720", "avc1.64001f"),
    "av1": ("1280x720", "av01.0.05M.08"),
}
ALBUM = {f"{n}.bin": bytes([n]) * 30_000 for n in range(1, 6)}
ITEM = '<item><title>{0}</title><guid>g{0}</guid><enclosure url="{1}" type="audio/mpeg"/></item>'


@dataclass
class Place:
    """What the examples are asked of."""

    reactor: Reactor
    server: FileServer
    torrents: dict[str, bytes]
    samples: Samples

    async def brought(self, url: str, example: str, owner: str | None = None) -> dict[str, Any]:
        """The row of an example at its end."""
        id = add(self.reactor, url, owner, **EXAMPLES[example])
        await self.reactor.until(lambda: self.reactor.row(id)["status"] in ("downloaded", "failed", "choosing"))
        row = self.reactor.row(id)
        assert (row["error"], row["notes"]) == (None, None), example
        return row


async def nothing(place: Place, example: str) -> None:
    row = await place.brought(place.server.put("/a.iso", b"x" * 5000), example)
    assert Path(row["file_path"]).read_bytes() == b"x" * 5000


async def a_film_for_old_phones(place: Place, example: str) -> None:
    lines = ["#EXTM3U"]
    for n, (name, (size, codec)) in enumerate(VARIANTS.items(), 1):
        for part, data in place.samples.hls("ts").items():
            place.server.put(f"/{name}/{part}", data)
        lines.append(f'#EXT-X-STREAM-INF:BANDWIDTH={n}00000,RESOLUTION={size},CODECS="{codec},mp4a.40.2"')
        lines.append(f"{name}/index.m3u8")
    row = await place.brought(place.server.put("/film.m3u8", "\n".join(lines).encode()), example)
    found = await probe(find_ffmpeg().path, Path(row["file_path"]))
    assert (Path(row["file_path"]).suffix, found.video) == (".mp4", "h264")
    parts = {request.path.split("/")[1] for request in place.server.log if request.path.endswith(".ts")}
    assert parts & VARIANTS.keys() == {"wanted"}


async def the_sound(place: Place, example: str) -> None:
    film = place.server.put("/song.mp4", place.samples.film().read_bytes(), content_type="video/mp4")
    row = await place.brought(film, example)
    found = await probe(find_ffmpeg().path, Path(row["file_path"]))
    assert (Path(row["file_path"]).name, found.streams, row["mime_type"]) == (
        "song.mp3",
        (("audio", "mp3"),),
        "audio/mpeg",
    )
    assert row["file_size"] > 192_000 / 8 * 5, "192 kbit/s"


async def subtitles_inside(place: Place, example: str) -> None:
    lines = ["#EXTM3U"]
    for name, data in place.samples.hls("ts").items():
        place.server.put(f"/s/{name}", data)
    for tag in ("de", "en", "fr"):
        place.server.put(f"/s/{tag}.vtt", f"WEBVTT\n\n00:01.000 --> 00:02.000\nin {tag}\n".encode())
        place.server.put(f"/s/{tag}.m3u8", playlist_of(f"#EXTINF:6,\n{tag}.vtt\n"))
        lines.append(f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="{tag}",LANGUAGE="{tag}",URI="{tag}.m3u8"')
    lines += ['#EXT-X-STREAM-INF:BANDWIDTH=1,SUBTITLES="s"', "index.m3u8"]
    row = await place.brought(place.server.put("/s/film.m3u8", "\n".join(lines).encode()), example)
    assert (await probe(find_ffmpeg().path, Path(row["file_path"]))).subtitles
    assert {request.path for request in place.server.log if request.path.endswith(".vtt")} == {"/s/de.vtt", "/s/en.vtt"}


async def a_part_of_it(place: Place, example: str) -> None:
    long = place.samples.root / "long.mp4"
    place.samples.run(
        *("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=5:duration=140"),
        *("-f", "lavfi", "-i", "sine=sample_rate=22050:duration=140"),
        *("-g", "100", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", long),
    )
    row = await place.brought(place.server.put("/long.mp4", long.read_bytes(), content_type="video/mp4"), example)
    assert abs(row["duration_s"] - 40) < 0.5, "between keyframes, which are 20 s apart"


async def the_first_of_a_list(place: Place, example: str) -> None:
    urls = [place.server.put(f"/pod/{n}.mp3", bytes([n]) * 3000, etag=f'"{n}"') for n in range(25)]
    items = "".join(ITEM.format(n, url) for n, url in enumerate(urls))
    document = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Pod</title>{items}</channel></rss>'
    feed = place.server.put("/feed", document.encode(), content_type="application/rss+xml")
    paths = []
    for _ in range(2):
        row = await place.brought(feed, example)
        assert (row["items_total"], row["items_done"]) == (20, 20)
        with SyncQueue(place.reactor.db) as queue:
            paths.append([Path(each.file_path or "") for each in queue.children(row["id"])])
    assert [path.read_bytes() for path in paths[0]] == [bytes([n]) * 3000 for n in range(20)]
    assert not set(paths[0]) & set(paths[1])
    assert all(one.samefile(two) for one, two in zip(*paths, strict=True)), "none of them twice"


async def which_files(place: Place, example: str) -> None:
    row = await place.brought(place.server.put("/asked.torrent", place.torrents["asked"]), example)
    assert row["status"] == "choosing"
    found = json.loads(row["choices"])["files"]
    assert [(each["n"], each["path"], each["bytes"]) for each in found] == [
        (n, name, 30_000) for n, name in enumerate(ALBUM, 1)
    ]


async def the_files_that_were_chosen(place: Place, example: str) -> None:
    row = await place.brought(place.server.put("/chosen.torrent", place.torrents["chosen"]), example)
    there = {path.name: path.read_bytes() for path in Path(row["file_path"]).iterdir()}
    assert there == {name: ALBUM[name] for name in ("2.bin", "5.bin")}


async def the_house_with_cookies(place: Place, example: str) -> None:
    with SyncQueue(place.reactor.db) as queue:
        queue.set_cookies("ann", "mine", "127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tS3CRET\n")
    row = await place.brought(place.server.put("/private.iso", b"x" * 5000), example, owner="ann")
    assert Path(row["file_path"]).name == "private of the house.iso", "small enough for one piece"
    sent = {(each.headers.get("cookie"), each.headers.get("x-house")) for each in place.server.requests("/private.iso")}
    assert sent == {("sid=S3CRET", "1")}


CHECKS: dict[str, Callable[[Place, str], Coroutine[Any, Any, None]]] = dict(
    zip(
        EXAMPLES,
        (
            *(nothing, a_film_for_old_phones, the_sound, subtitles_inside, a_part_of_it),
            *(the_first_of_a_list, which_files, the_files_that_were_chosen, the_house_with_cookies),
        ),
        strict=True,
    )
)
"""What is asked of each, in the order of the page."""


async def test_each_example_of_the_contract_brings_what_it_says(tmp_path: Path, samples: Samples) -> None:
    presets = tmp_path / "presets.toml"
    presets.write_text(
        '[house]\nname = "{title} of the house"\nheaders = { hosts = ["127.0.0.1"], values = { X-House = "1" } }\n'
    )
    async with (
        swarm_in(tmp_path / "swarm") as swarm,
        FileServer() as server,
        running(tmp_path, MAX_CONCURRENT_DOWNLOADS="4", PRESETS=str(presets)) as reactor,
    ):
        albums = {name: swarm.make(name, ALBUM) for name in ("asked", "chosen")}
        await swarm.serve(*albums.values())
        place = Place(reactor, server, {name: made.metainfo for name, made in albums.items()}, samples)
        async with anyio.create_task_group() as tasks:
            for example, check in CHECKS.items():
                tasks.start_soon(check, place, example)
