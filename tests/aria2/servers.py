"""Small true servers for the tests: files over HTTP as they should not be served, a tracker, another aria2."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

import anyio
import bencode2
from websockets.asyncio.server import ServerConnection, serve

BLOCK = 65_536


def some_bytes(size: int, seed: str = "") -> bytes:
    """Bytes that are the same for the same arguments, and like no others."""
    return hashlib.shake_256(seed.encode()).digest(size)


async def until(condition: Callable[[], Any], deadline_s: float = 30) -> Any:
    """Wait for a condition outside of this process to hold; its value."""
    with anyio.fail_after(deadline_s):
        while not (value := condition()):
            await anyio.sleep(0.01)
        return value


@dataclass
class Resource:
    """One path of a FileServer, and how it misbehaves."""

    data: bytes = b""
    status: str = "200 OK"
    ranges: bool = True
    truncate_at: int | None = None
    """Bytes of each body after which the connection is closed."""
    hold_at: int | None = None
    """Bytes of each body after which nothing comes until `release` is set."""
    chunked: bool = False
    headers: tuple[str, ...] = ()
    release: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    path: str
    headers: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def range(self) -> tuple[int, int | None] | None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", "".join(self.values("range")))
        return (int(found[1]), int(found[2]) if found[2] else None) if found else None


class FileServer:
    """Files over HTTP/1.1 on a loopback port."""

    def __init__(self) -> None:
        self.resources: dict[str, Resource] = {}
        self.asked: list[Asked] = []
        self.sent = 0
        """Bytes of bodies."""
        self.url = ""

    def add(self, path: str, data: bytes = b"", **more: Any) -> str:
        """Serve something; its URL."""
        self.resources[path] = Resource(data, **more)
        return self.url + path

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await self._answer((await reader.readuntil(b"\r\n\r\n")).decode("latin1"), writer):
            pass

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> bool:
        first, *lines = head.rstrip().split("\r\n")
        headers = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        asked = Asked(first.split()[1], headers)
        self.asked.append(asked)
        resource = self.resources.get(asked.path, Resource(status="404 Not Found"))
        data, status, more = resource.data, resource.status, list(resource.headers)
        if asked.range and resource.ranges and status == "200 OK":
            start, end = asked.range[0], len(data) - 1 if asked.range[1] is None else asked.range[1]
            more.append(f"Content-Range: bytes {start}-{end}/{len(data)}")
            data, status = data[start : end + 1], "206 Partial Content"
        more.append("Transfer-Encoding: chunked" if resource.chunked else f"Content-Length: {len(data)}")
        writer.write("\r\n".join([f"HTTP/1.1 {status}", *more, "", ""]).encode())
        return await self._body(resource, data, writer)

    async def _body(self, resource: Resource, data: bytes, writer: asyncio.StreamWriter) -> bool:
        for start in range(0, len(data), BLOCK):
            if resource.truncate_at is not None and start >= resource.truncate_at:
                return False
            if resource.hold_at is not None and start >= resource.hold_at:
                await writer.drain()
                await resource.release.wait()
            block = data[start : start + BLOCK]
            writer.write(b"%x\r\n%b\r\n" % (len(block), block) if resource.chunked else block)
            await writer.drain()
            self.sent += len(block)
        if resource.chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


class Tracker:
    """A BitTorrent tracker over HTTP that introduces all to each other."""

    def __init__(self) -> None:
        self.peers: dict[bytes, set[int]] = {}
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        query = urlsplit(target).query
        info_hash = unquote_to_bytes(re.findall(r"info_hash=([^&]*)", query)[0])
        ports = self.peers.setdefault(info_hash, set())
        ports.add(int(parse_qs(query)["port"][0]))
        peers = b"".join(b"\x7f\0\0\1" + port.to_bytes(2, "big") for port in sorted(ports))
        body = bencode2.bencode({"interval": 2, "peers": peers})
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
        await writer.drain()


@asynccontextmanager
async def serving(
    server: FileServer | Tracker, port: int = 0, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve on this port, or one that the system chooses; nothing is left of it afterwards."""
    tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await server.handle(reader, writer)
        writer.close()
        with suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not listener.is_serving():  # it came in the moment in which the port was closed
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(handle(reader, writer))
        tasks[task] = writer
        task.add_done_callback(ended)

    def ended(task: asyncio.Task[None]) -> None:
        writer = tasks.pop(task)
        if task.cancelled() or task.exception() is not None:  # perhaps before it began: then it has closed nothing
            writer.transport.abort()

    listener = await asyncio.start_server(accepted, "127.0.0.1", port, ssl=tls)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def make_torrent(tracker: str, name: str, files: dict[str, bytes], *, private: bool = False) -> tuple[bytes, str]:
    """A `.torrent` for files in a folder `name`, or for the one file `name`; and its magnet link."""
    piece = 32_768
    whole = b"".join(files.values())
    pieces = b"".join(hashlib.sha1(whole[at : at + piece]).digest() for at in range(0, len(whole), piece))
    info: dict[str, Any] = {"name": name, "piece length": piece, "pieces": pieces}
    if list(files) == [name]:
        info["length"] = len(whole)
    else:
        info["files"] = [{"length": len(data), "path": path.split("/")} for path, data in files.items()]
    if private:
        info["private"] = 1
    announce = f"{tracker}/announce"
    info_hash = hashlib.sha1(bencode2.bencode(info)).hexdigest()
    return bencode2.bencode({"announce": announce, "info": info}), f"magnet:?xt=urn:btih:{info_hash}&tr={announce}"


@asynccontextmanager
async def other_server(handle: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    """A WebSocket server that is not, or not quite, aria2; its URL."""
    async with serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/jsonrpc"
