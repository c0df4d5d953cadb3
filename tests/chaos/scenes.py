"""What is downloaded in a storm: single files, HLS in hundreds of parts, torrents."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from reactor.media.probing import probe
from reactor.programs import find_ffmpeg
from tests.chaos.storm import Report, Storm, Wish
from tests.chaos.wire import Wire
from tests.media.samples import Samples, playlist_of
from tests.real.elsewhere import elsewhere
from tests.real.harness import LOOK_S
from tests.real.swarm import Swarm, swarm_in
from tests.servers import FileServer

FILE_BYTES, FILE_RATE = 2_000_000, 1_000_000
PARTS = 200
"""Of one HLS."""
SCENES = ("files", "hls", "torrents", "changing")
WISHES = {"files": 16, "hls": 4, "torrents": 10, "changing": 16}
DATES = ("Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT")
CHANGE_S = 2.0
"""How long it takes at the most until a file that is being fetched is another one."""


async def storm(scene: str, folder: Path, *, seed: int, kills: int, wire: bool = False, lock_s: float = 0) -> Report:
    """Let one storm pass over one scene. Not all that is wished for is there from the beginning: the bot inserts it.

    With `wire` aria2c is elsewhere, outlives everything, and is cut off every second."""
    wishes = WISHES[scene]
    async with AsyncExitStack() as stack:
        settings = await stack.enter_async_context(_breaking_wire(folder)) if wire else {}
        server = await stack.enter_async_context(FileServer())
        if scene == "files":
            wanted = files(server, seed, wishes)
        elif scene == "changing":
            wanted, changes = changing(server, seed, wishes)
            await stack.enter_async_context(_beside(changes))
        elif scene == "hls":
            wanted = films(server, folder, wishes)
        else:
            swarm = await stack.enter_async_context(swarm_in(folder / "swarm"))
            wanted = await torrents(swarm, server, seed, wishes)
        return await Storm(folder, wanted, seed=seed, kills=kills, lock_s=lock_s, **settings).run(server)


@asynccontextmanager
async def _breaking_wire(folder: Path) -> AsyncIterator[dict[str, str]]:
    """An aria2c that shares this disk, behind a wire that breaks; the settings that lead to it."""
    shared = folder / "downloads"
    shared.mkdir()
    async with elsewhere(folder / "elsewhere") as aria2c, Wire(aria2c.port).laid() as end:
        yield aria2c.settings(ARIA2C_RPC_URL=f"ws://127.0.0.1:{end}/jsonrpc", DOWNLOAD_PATH_MAP=f"{shared}={shared}")


def files(server: FileServer, seed: int, wanted: int, *, size: int = FILE_BYTES, rate: int = FILE_RATE) -> list[Wish]:
    """Files that take two seconds each, with a validator; every fifth server says no size before."""
    dice, wishes = random.Random(seed), []
    for n in range(wanted):
        data = dice.randbytes(size)
        digest = hashlib.sha256(data).digest()
        url = server.put(f"/file-{n:03}.bin", data, etag=f'"{n}"', rate=rate, head=405 if n % 5 == 4 else None)
        wishes.append(Wish(url, partial(_is_file, digest), (f"/file-{n:03}.bin",)))
    return wishes


def changing(server: FileServer, seed: int, wanted: int) -> tuple[list[Wish], Coroutine[None, None, None]]:
    """Files of which each becomes another one of the same length at some moment: one server in three says an
    ETag, one a date, one nothing. Whichever comes, it is not a mixture."""
    dice, wishes, after = random.Random(seed), [], dict[str, tuple[bytes, dict[str, str]]]()
    for n in range(wanted):
        path, versions = f"/changing-{n:03}.bin", [dice.randbytes(FILE_BYTES) for _ in range(2)]
        told = [_told(n, version) for version in range(2)]
        url = server.put(path, versions[0], rate=FILE_RATE, **told[0])
        after[path] = versions[1], told[1]
        digests = {hashlib.sha256(data).digest() for data in versions}
        wishes.append(Wish(url, partial(_is_one_of, digests)))

    async def change() -> None:
        for path, (data, told) in after.items():
            # Not before it is being fetched: what changed before is just a file.
            while not server.requests(path, "GET"):
                await asyncio.sleep(LOOK_S)
            await asyncio.sleep(dice.random() * CHANGE_S)  # chance, not synchronisation
            server.put(path, data, rate=FILE_RATE, **told)

    return wishes, change()


def _told(n: int, version: int) -> dict[str, str]:
    """What the `n`th server says of this version: an ETag, a date, or nothing."""
    return ({"etag": f'"{n}-{version}"'}, {"last_modified": DATES[version]}, {})[n % 3]


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Until the block is left."""
    task = asyncio.create_task(work)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def films(server: FileServer, folder: Path, wanted: int) -> list[Wish]:
    """HLS whose segments come again and again under addresses of their own, each with a discontinuity before it."""
    (folder / "samples").mkdir()
    made = Samples(find_ffmpeg().path, folder / "samples").hls("ts", "-hls_time", "1")
    segments = re.findall(r"#EXTINF:([\d.]+),\n(\S+)", made["index.m3u8"].decode())
    chosen = [segments[n % len(segments)] for n in range(PARTS)]
    seconds = sum(float(length) for length, _ in chosen)
    wishes = []
    for film in range(wanted):
        paths = [f"/film-{film}/part-{n}.ts" for n in range(PARTS)]
        for path, (_, name) in zip(paths, chosen, strict=True):
            server.put(path, made[name])
        lines = [f"#EXTINF:{length},\n{path}\n" for path, (length, _) in zip(paths, chosen, strict=True)]
        url = server.put(f"/film-{film}/index.m3u8", playlist_of(*lines))
        wishes.append(Wish(url, partial(_is_film, seconds), tuple(paths)))
    return wishes


async def torrents(swarm: Swarm, server: FileServer, seed: int, wanted: int) -> list[Wish]:
    """Half as magnet links, half as `.torrent`s."""
    dice, wishes, made = random.Random(seed), [], []
    for n in range(wanted):
        name = f"album-{n}"
        contents = {"one.bin": dice.randbytes(400_000), "deep/two.bin": dice.randbytes(200_000)}
        torrent = swarm.make(name, contents)
        made.append(torrent)
        url = torrent.magnet if n % 2 else server.put(f"/{name}.torrent", torrent.metainfo)
        wishes.append(Wish(url, partial(_holds, contents)))
    await swarm.serve(*made)
    return wishes


async def _is_one_of(digests: set[bytes], path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).digest() in digests


async def _is_file(digest: bytes, path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).digest() == digest


async def _is_film(seconds: float, path: Path) -> bool:
    seen = await probe(find_ffmpeg().path, path)
    return bool(seen.video and seen.audio and seen.duration_s and abs(seen.duration_s / seconds - 1) < 0.01)


async def _holds(contents: dict[str, bytes], folder: Path) -> bool:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    } == contents
