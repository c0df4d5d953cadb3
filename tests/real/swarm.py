"""A swarm on loopback: Debian's opentracker, torrents by transmission-create, an aria2c that seeds."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import bencode2

from reactor.programs import find_aria2c
from tests.aria2.servers import Tracker, make_torrent, serving
from tests.tools import tool

WAIT_S = 30.0


@dataclass(frozen=True)
class Made:
    """A torrent and what is in it."""

    metainfo: bytes
    info_hash: str
    files: dict[str, bytes]
    """Relative path → bytes."""
    tracker: str
    torrent: Path

    @property
    def magnet(self) -> str:
        """Its magnet link, which names the tracker."""
        return f"magnet:?xt=urn:btih:{self.info_hash}&tr={self.tracker}"


class Swarm:
    """A tracker, and a seeder for each torrent made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._whitelist = folder / "whitelist"
        self._processes: list[asyncio.subprocess.Process] = []
        self._stack = AsyncExitStack()
        self._stand_in: Tracker | None = None
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/announce"

    async def serve(self, *torrents: Made) -> None:
        """Track these, and seed each one. Once for a swarm: the tracker answers only for what it was told."""
        await self._track(torrents)
        for made in torrents:
            await self._start(
                *(str(find_aria2c().path), "--no-conf", "--enable-dht=false", "--enable-dht6=false"),
                *("--bt-enable-lpd=false", "--enable-peer-exchange=false", "--seed-ratio=0.0", "--quiet"),
                *("--check-integrity=true", f"--dir={self._folder / 'seed'}", f"--listen-port={free_port()}"),
                str(made.torrent),
            )
        async with asyncio.timeout(WAIT_S):
            for made in torrents:
                while not await self._is_seeded(made.info_hash):
                    await asyncio.sleep(0.05)

    async def _track(self, torrents: Sequence[Made]) -> None:
        opentracker = tool("opentracker")
        if opentracker is None:
            self._stand_in = Tracker()
            await self._stack.enter_async_context(serving(self._stand_in, self._port))
            return
        self._whitelist.write_text("".join(f"{made.info_hash}\n" for made in torrents))
        # Started by root it locks itself into its folder as nobody, and reads its list there.
        command = [opentracker, "-i", "127.0.0.1", "-p", str(self._port), "-P", str(self._port)]
        await self._start(*command, "-d", str(self._folder), "-w", self._whitelist.name)
        async with asyncio.timeout(WAIT_S):
            while not await self._ask("/stats"):
                await asyncio.sleep(0.02)

    async def _start(self, *command: str) -> None:
        self._processes.append(
            await asyncio.create_subprocess_exec(
                *command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
        )

    def make(self, name: str, files: dict[str, bytes], *, private: bool = False) -> Made:
        """Make a torrent of `files`: one file without a folder when its key is `name`. Nobody serves it yet.

        `private`: its peers may be asked of its tracker only (BEP 27)."""
        root = self._folder / "seed" / name
        for path, data in files.items():
            file = root if path == name else root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        torrent = self._folder / f"{name}.torrent"
        transmission = tool("transmission-create")
        if transmission is None:
            torrent.write_bytes(make_torrent(self.url.removesuffix("/announce"), name, files, private=private)[0])
        else:
            command = [transmission, *["-p"] * private, "-o", str(torrent), "-t", self.url, "-s", "32", str(root)]
            subprocess.run(command, check=True, capture_output=True)
        metainfo = torrent.read_bytes()
        info = bencode2.bdecode(metainfo)[b"info"]
        return Made(metainfo, hashlib.sha1(bencode2.bencode(info)).hexdigest(), files, self.url, torrent)

    async def _is_seeded(self, info_hash: str) -> bool:
        if self._stand_in is not None:
            return bool(self._stand_in.peers.get(bytes.fromhex(info_hash)))
        quoted = "".join(f"%{info_hash[n : n + 2]}" for n in range(0, 40, 2))
        return b"8:completei1e" in await self._ask(f"/scrape?info_hash={quoted}")

    async def _ask(self, path: str) -> bytes:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return b""
        writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer

    async def close(self) -> None:
        await self._stack.aclose()
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


def free_port() -> int:
    """A port that is free now, for TCP and UDP, and none that the system gives to the next who asks: those begin at
    32768 (Linux), and reactor's own aria2c takes one in between."""
    while True:
        port = random.randint(10_000, 19_999)
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port


@asynccontextmanager
async def swarm_in(folder: Path) -> AsyncIterator[Swarm]:
    """A swarm that ends with the test."""
    folder.mkdir()
    swarm = Swarm(folder)
    try:
        yield swarm
    finally:
        await swarm.close()
