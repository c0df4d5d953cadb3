"""Relays bytes through the guard, counts them, and has the heads of plain answers repaired (`answers`).

Both sides are transports, which call back: a part of 8 kB takes 88 µs of CPU; with tasks that each read wakes, 203.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field

import anyio

from reactor.egress.answers import Answers, Data, ImplausibleLength
from reactor.egress.meter import Meter
from reactor.records import dataclass

UP_BYTES, DOWN_BYTES = 64 * 1024, 128 * 1024
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

ReadAlong = Callable[[Data], Data]


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
    if tunnel.greeted:
        await anyio.sleep(GREETING_S)
    if tunnel.meter is None:
        await _relay(tunnel, upstream, _unchanged, _unchanged)
    else:
        answers = tunnel.answers = Answers()
        await _relay(tunnel, upstream, answers.asked, answers.answered)


async def pass_answer(tunnel: Tunnel, upstream: socket.socket) -> None:
    """Relay the answer to one plain request, with `Connection: close`: the next request may be for another server."""
    await _relay(tunnel, upstream, None, _OneAnswer().answered)


def close_by(linger: bytes, end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def _unchanged(data: Data) -> Data:
    return data


class _OneAnswer:
    """Writes `Connection: close` behind the status line of an answer."""

    def __init__(self) -> None:
        self._line: bytes | None = b""
        """What has come of the status line; None behind it."""

    def answered(self, data: Data) -> Data:
        if self._line is None:
            return data
        self._line += data
        if b"\n" not in self._line and len(self._line) < STATUS_LINE_MAX and data:
            return b""
        line, end, rest = self._line.partition(b"\n")
        self._line = None
        return line + end + (b"Connection: close\r\n" if end and line.startswith(b"HTTP/1.") else b"") + rest


async def _relay(tunnel: Tunnel, upstream: socket.socket, up: ReadAlong | None, down: ReadAlong) -> None:
    """Until it is over. What each side says is read along, and may be changed; without `up` the client has nothing more
    to say."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    client, server = _Client(tunnel, over, up), _Server(tunnel, over, down)
    client.other, server.other = server, client
    try:
        await loop.connect_accepted_socket(lambda: client, tunnel.client)
        await loop.connect_accepted_socket(lambda: server, upstream)
        client.begin()
        server.begin()
        await over
    finally:
        if over.done() and not over.cancelled() and isinstance(over.exception(), OSError):
            with suppress(OSError):  # it is what was lost
                close_by(LINGER_RESET, upstream)
        over.cancel()  # nobody is told any more
        client.close()
        server.close()


class _Side(asyncio.BufferedProtocol, ABC):
    """One end of a relay. When the other one takes no more, nothing more is read here."""

    other: _Side
    transport: asyncio.Transport | None = None

    def __init__(self, tunnel: Tunnel, over: asyncio.Future[None], largest: int) -> None:
        self._tunnel = tunnel
        self._over = over
        self._largest = largest
        self._buffer = memoryview(bytearray(min(FIRST_BYTES, largest)))
        """Grows when a read fills it. It is used again: with nothing left to be written at the other side."""
        self._full = False
        """Has not written all yet."""
        self._early = b""
        """Read before the other side was there: asyncio begins to read although it was told not to (Python 3.11.2)."""

    def begin(self) -> None:
        """Both sides are there."""
        if self._early:
            self.read(memoryview(self._early))
            self._early = b""
        self.read_on()

    @abstractmethod
    def read(self, data: memoryview) -> None:
        """Pass on what was read."""

    @abstractmethod
    def end(self) -> None:
        """Nothing more comes."""

    def read_on(self) -> None:
        """Read, as soon as the other side takes it."""
        if self.transport is not None and not self.other._full:
            self.transport.resume_reading()

    def close(self) -> None:
        """At once."""
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    def _is_over(self, error: Exception | None = None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(high=0)
        transport.pause_reading()  # until both are there

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        self._tunnel.moved = True
        if self.other.transport is None:
            self._early += self._buffer[:count]
            return
        try:
            self.read(self._buffer[:count])
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            self._is_over(error)
        if count == len(self._buffer) < self._largest:
            self._buffer = memoryview(bytearray(min(4 * count, self._largest)))

    def eof_received(self) -> bool:
        try:
            self.end()
        except Exception as error:  # noqa: BLE001
            self._is_over(error)
        return True

    def pause_writing(self) -> None:
        self._full = True
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        self.other.read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over(exc or ConnectionResetError())


class _Client(_Side):
    def __init__(self, tunnel: Tunnel, over: asyncio.Future[None], read_along: ReadAlong | None) -> None:
        super().__init__(tunnel, over, UP_BYTES)
        self._read_along = read_along

    def read(self, data: memoryview) -> None:
        if self._read_along is None:
            self._is_over()
        elif self.other.transport is not None:
            self.other.transport.write(self._read_along(data))

    def end(self) -> None:
        """It has gone."""
        self._is_over()


class _Server(_Side):
    def __init__(self, tunnel: Tunnel, over: asyncio.Future[None], read_along: ReadAlong) -> None:
        super().__init__(tunnel, over, DOWN_BYTES)
        self._read_along = read_along
        self._meter = tunnel.meter
        self._has_ended = False

    def read_on(self) -> None:
        """And as soon as the meter allows it."""
        if self._meter is None or not self._meter.is_used_up():
            super().read_on()
        elif self.transport is not None:
            self.transport.pause_reading()
            self._meter.when_allowed(self.read_on)

    def close(self) -> None:
        super().close()
        if self._meter is not None:
            self._meter.forget(self.read_on)

    def read(self, data: memoryview) -> None:
        if self._has_ended or self.other.transport is None:
            return
        if self._meter is not None:
            self._meter.passed += len(data)
        try:
            self.other.transport.write(self._read_along(data))
        except ImplausibleLength:
            self.other.transport.write(REFUSED)
            self._complete()
        else:
            if self._meter is not None and self._meter.is_used_up():
                self.read_on()

    def end(self) -> None:
        if not self._has_ended and self.other.transport is not None:
            self.other.transport.write(self._read_along(b""))
            self._complete()

    def _complete(self) -> None:
        """The client has all that it gets."""
        self._has_ended = True
        if self.other.transport is not None:
            close_by(LINGER_DEFAULT, self._tunnel.client)
            self.other.transport.write_eof()
