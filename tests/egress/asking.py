"""A guard to be asked, a server behind it, and how one asks."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from reactor.egress.addresses import Exceptions
from reactor.egress.proxy import Guard
from tests.servers import FileServer

LOOPBACK = Exceptions.parse("127.0.0.1")
DATA = random.Random(3).randbytes(3_000_000)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def guarding(exceptions: Exceptions | None = LOOPBACK, *own: tuple[str, int]) -> AsyncIterator[Guard]:
    """A guard that leaves no open file."""
    before = files()
    async with Guard(exceptions, own=lambda: own) as guard:
        yield guard
    assert guard.tunnels == 0
    await until(lambda: files() <= before)


@asynccontextmanager
async def server() -> AsyncIterator[FileServer]:
    async with FileServer() as serving:
        serving.put("/file", DATA)
        yield serving


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Streams]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with anyio.move_on_after(5):
            with suppress(OSError):
                await writer.wait_closed()


def login(url: str) -> str:
    parts = urlsplit(url)
    return "Basic " + base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()


def asking(method: str, target: str, proxied: str | None, *lines: str) -> bytes:
    host = urlsplit(target if "//" in target else f"//{target}").netloc
    known = [f"Proxy-Authorization: {login(proxied)}"] if proxied else []
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *known, *lines, "", ""]).encode()


async def status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.split()[1])


async def tunnel(streams: Streams, proxied: str, place: str) -> int:
    streams[1].write(asking("CONNECT", place, proxied))
    return await status(streams[0])


async def ask(proxied: str, place: str) -> int:
    """The status that a request for a tunnel gets."""
    async with connected(proxied) as streams:
        return await tunnel(streams, proxied, place)


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.005)
