"""What goes through the guard: bytes, passed on as they are and counted, the heads of plain answers read on the way."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from reactor.egress.answers import Answers, Data, Unbelievable
from reactor.egress.meter import Meter

UP_BYTES, DOWN_BYTES = 64 * 1024, 256 * 1024
"""The most that is read at once, on the way out and on the way in."""
FIRST_BYTES = 16 * 1024
"""The most at first: a buffer grows where what comes fills it. A request and a small file need no more."""
STATUS_LINE_MAX = 8192
BROKEN_OFF, IN_ORDER = (struct.pack("hh" if sys.platform == "win32" else "ii", on, 0) for on in (1, 0))
"""The linger of a socket that is reset when it is closed, and of one that is not."""
REFUSED = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""What our program gets in place of an answer that nobody can believe."""


@dataclass(eq=False, slots=True)
class Tunnel:
    """One connection of one of our own programs."""

    near: socket.socket
    """The connection of our own program."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    moved: bool = True
    user: str = ""
    """Who opened it."""
    answers: Answers | None = None
    """What reads the answers, where bytes are counted."""
    meter: Meter | None = None
    """What counts the bytes that come, where they are counted."""


async def join(tunnel: Tunnel, far: socket.socket) -> None:
    """Pass bytes on both ways until our program is gone, or one of the two breaks the connection off.

    A server may say all it has and go on listening. None of our programs does so: when nothing more comes from it, it
    has closed the connection whole, and whatever is still sent is sent for nothing."""
    answers = tunnel.answers = Answers() if tunnel.meter is not None else None

    def asked(data: Data) -> Data:
        if answers is not None:
            answers.asked(data)
        return data

    async with anyio.create_task_group() as tasks:

        async def up() -> None:
            try:
                await _pass(tunnel, tunnel.near, far, UP_BYTES, asked)
            except OSError:
                close_by(BROKEN_OFF, far)
            tasks.cancel_scope.cancel()

        tasks.start_soon(up)
        try:
            await _pass_down(tunnel, far, answers)
            tunnel.near.shutdown(socket.SHUT_WR)
        except OSError:
            close_by(BROKEN_OFF, far)
            tasks.cancel_scope.cancel()


async def _pass(
    tunnel: Tunnel,
    source: socket.socket,
    sink: socket.socket,
    size: int,
    read_along: Callable[[Data], Data],
    meter: Meter | None = None,
) -> None:
    """Pass on what comes. Nothing more is read while the other side has not taken what was read before, or the meter
    is shut."""
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
        await asyncio.sleep(0)  # neither waits while both are ready: everybody else has a turn in between


async def _pass_down(tunnel: Tunnel, far: socket.socket, answers: Answers | None = None) -> None:
    """Pass on what a server sends, in order to its end: no more than may be, and no length that no file has."""
    meter = tunnel.meter

    def read_along(data: Data) -> Data:
        if meter is not None:
            meter.passed += len(data)
        return answers.answered(data) if answers is not None else data

    try:
        await _pass(tunnel, far, tunnel.near, DOWN_BYTES, read_along, meter)
    except Unbelievable:
        await asyncio.get_running_loop().sock_sendall(tunnel.near, REFUSED)
    close_by(IN_ORDER, tunnel.near)


async def pass_answer(tunnel: Tunnel, far: socket.socket) -> None:
    """Pass the answer to one plain request on, and say that no second one can follow on this connection: it may be
    meant for another server."""
    loop, head = asyncio.get_running_loop(), b""
    async with anyio.create_task_group() as tasks:

        async def until_gone() -> None:
            try:
                await loop.sock_recv(tunnel.near, 1)
            except OSError:
                close_by(BROKEN_OFF, far)
            tasks.cancel_scope.cancel()

        tasks.start_soon(until_gone)
        try:
            while b"\n" not in head and len(head) < STATUS_LINE_MAX and (data := await loop.sock_recv(far, UP_BYTES)):
                head += data
            line, end, rest = head.partition(b"\n")
            close = b"Connection: close\r\n" if end and line.startswith(b"HTTP/1.") else b""
            await loop.sock_sendall(tunnel.near, line + end + close + rest)
            await _pass_down(tunnel, far)
        except OSError:
            close_by(BROKEN_OFF, far)
        tasks.cancel_scope.cancel()


def close_by(linger: bytes, end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
