"""Relays bytes through the guard, counts them, and has the heads of plain answers repaired (`answers`)."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import field

import anyio

from reactor.egress.answers import Answers, Data, ImplausibleLength
from reactor.egress.meter import Meter
from reactor.records import dataclass

UP_BYTES, DOWN_BYTES = 64 * 1024, 256 * 1024
"""The largest read, to the server and from it."""
FIRST_BYTES = 16 * 1024
"""The first read. A buffer grows when a read fills it; requests and small files need no more."""
GREETING_S = 0.3
"""aria2c (1.36, 1.37) loses what comes together with the answer to its CONNECT: it has so long to read that."""
STATUS_LINE_MAX = 8192
LINGER_RESET, LINGER_DEFAULT = (struct.pack("hh" if sys.platform == "win32" else "ii", on, 0) for on in (1, 0))
"""SO_LINGER: close with a RST, or in order with a FIN."""
IMPLAUSIBLE_STATUS = 589
"""A status that no server sends. aria2 reports nothing of an answer but its status."""
REFUSED = b"HTTP/1.1 %d Implausible Length\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % IMPLAUSIBLE_STATUS
"""Replaces an answer that promises more bytes than any file has."""


@dataclass(eq=False, slots=True)
class Tunnel:
    """One connection of a client: aria2c, yt-dlp or the browser."""

    client: socket.socket
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    moved: bool = True
    user: str = ""
    greeted: bool = False
    """True where the server speaks first."""
    answers: Answers | None = None
    """Reads the answers, where bytes are counted."""
    meter: Meter | None = None
    """Counts received bytes, where they are counted."""


async def join(tunnel: Tunnel, upstream: socket.socket) -> None:
    """Relay both ways until the client closes or either side breaks the connection off.

    A server may half-close; a client never does: its end of input means that it has closed, and the rest of the answer
    is dropped."""
    answers = tunnel.answers = Answers() if tunnel.meter is not None else None

    def asked(data: Data) -> Data:
        return answers.asked(data) if answers is not None else data

    async with anyio.create_task_group() as tasks:

        async def up() -> None:
            try:
                await _pass(tunnel, tunnel.client, upstream, UP_BYTES, asked)
            except OSError:
                close_by(LINGER_RESET, upstream)
            tasks.cancel_scope.cancel()

        tasks.start_soon(up)
        if tunnel.greeted:
            await anyio.sleep(GREETING_S)
        try:
            await _pass_down(tunnel, upstream, answers)
            tunnel.client.shutdown(socket.SHUT_WR)
        except OSError:
            close_by(LINGER_RESET, upstream)
            tasks.cancel_scope.cancel()


async def _pass(
    tunnel: Tunnel,
    source: socket.socket,
    sink: socket.socket,
    size: int,
    read_along: Callable[[Data], Data],
    meter: Meter | None = None,
) -> None:
    """Relay one way, with back-pressure: reads no more until the sink has taken the last read, and while the meter is
    closed."""
    loop, buffer = asyncio.get_running_loop(), memoryview(bytearray(min(FIRST_BYTES, size)))
    while True:
        if meter is not None:
            await meter.open()
        count = await loop.sock_recv_into(source, buffer)
        if not count:
            return
        tunnel.moved = True
        await loop.sock_sendall(sink, read_along(buffer[:count]))
        if count == len(buffer) < size:
            buffer = memoryview(bytearray(min(4 * count, size)))
        await asyncio.sleep(0)  # while both sides are ready neither call yields to other tasks


async def _pass_down(tunnel: Tunnel, upstream: socket.socket, answers: Answers | None = None) -> None:
    """Relay an answer to its end, within the meter's limit; replace one of implausible length."""
    meter = tunnel.meter

    def read_along(data: Data) -> Data:
        if meter is not None:
            meter.passed += len(data)
        return answers.answered(data) if answers is not None else data

    try:
        await _pass(tunnel, upstream, tunnel.client, DOWN_BYTES, read_along, meter)
    except ImplausibleLength:
        await asyncio.get_running_loop().sock_sendall(tunnel.client, REFUSED)
    close_by(LINGER_DEFAULT, tunnel.client)


async def pass_answer(tunnel: Tunnel, upstream: socket.socket) -> None:
    """Relay the answer to one plain request, with `Connection: close`: the next request may be for another server."""
    loop, head = asyncio.get_running_loop(), b""
    async with anyio.create_task_group() as tasks:

        async def until_gone() -> None:
            try:
                await loop.sock_recv(tunnel.client, 1)
            except OSError:
                close_by(LINGER_RESET, upstream)
            tasks.cancel_scope.cancel()

        tasks.start_soon(until_gone)
        try:
            while (
                b"\n" not in head and len(head) < STATUS_LINE_MAX and (data := await loop.sock_recv(upstream, UP_BYTES))
            ):
                head += data
            line, end, rest = head.partition(b"\n")
            close = b"Connection: close\r\n" if end and line.startswith(b"HTTP/1.") else b""
            await loop.sock_sendall(tunnel.client, line + end + close + rest)
            await _pass_down(tunnel, upstream)
        except OSError:
            close_by(LINGER_RESET, upstream)
        tasks.cancel_scope.cancel()


def close_by(linger: bytes, end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
