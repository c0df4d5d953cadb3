"""The measuring server: a process of its own that says, by its own clock, what clients do and when.

    python -m contrib.bench.server

Serves on a loopback port of the system's choice. The first line on stdout is the port; each of the others is
`NANOSECONDS WHAT NAME`, in CLOCK_MONOTONIC, which all processes of a machine share. WHAT is

- `look`: a HEAD, or a GET of the first byte, has arrived;
- `get`: any other GET has arrived;
- `sent`: the last byte of the answer to it is handed to the system (the time just before);
- `closed`: the client has closed the connection before that.

`/NAME?size=BYTES[&hold=SECONDS][&rate=BYTES_PER_S]`: `hold` is how long the last byte is kept back, `rate` how fast
the body goes. It ends when its stdin is closed.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from urllib.parse import parse_qsl, urlsplit

TICK_S = 0.05
"""How often a body with a `rate` goes on."""
_BLOCK = random.Random(7).randbytes(256 * 1024)


def content(first: int, last: int) -> bytes:
    """The bytes of every file from `first` up to and without `last`: the same, however long the file."""
    start = first % len(_BLOCK)
    repeated = _BLOCK * ((start + last - first) // len(_BLOCK) + 1)
    return repeated[start : start + last - first]


def log(when: int, what: str, name: str) -> None:
    """One line, at once: the reader is waiting for it."""
    os.write(1, f"{when} {what} {name}\n".encode())


class Connection(asyncio.Protocol):
    """One client; its requests come one after the other."""

    def __init__(self) -> None:
        self._head = b""
        self._came = 0
        self._serving: str | None = None
        self._size = self._sent = 0
        self._rate = self._hold = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._head:
            self._came = time.monotonic_ns()
        self._head += data
        if b"\r\n\r\n" in self._head:
            head, _, self._head = self._head.partition(b"\r\n\r\n")
            self._answer(head.decode("latin-1"))

    def eof_received(self) -> None:
        self._gone()

    def connection_lost(self, error: Exception | None) -> None:
        self._gone()

    def _answer(self, head: str) -> None:
        method, target, _ = head.split(" ", 2)
        url = urlsplit(target)
        asked = dict(parse_qsl(url.query))
        name, size = url.path[1:], int(asked["size"])
        first_byte = "\r\nrange: bytes=0-0" in head.lower()
        is_look = method == "HEAD" or first_byte
        log(self._came, "look" if is_look else "get", name)
        status = f"206 Partial Content\r\nContent-Range: bytes 0-0/{size}" if first_byte else "200 OK"
        length = 1 if first_byte else size
        self._transport.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        if is_look:
            self._transport.write(content(0, 1) if method == "GET" else b"")
            return
        self._serving, self._size, self._sent = name, size, 0
        self._hold, self._rate = float(asked.get("hold", 0)), float(asked.get("rate", 0))
        self._go_on()

    def _go_on(self) -> None:
        """Send what may be sent now."""
        before_last = self._size - 1
        if self._sent >= before_last:
            self._end()
            return
        upto = min(before_last, self._sent + int(self._rate * TICK_S)) if self._rate else before_last
        self._transport.write(content(self._sent, upto))
        self._sent = upto
        loop = asyncio.get_running_loop()
        if upto == before_last:
            self._timer = loop.call_later(self._hold, self._end)
        else:
            self._timer = loop.call_later(TICK_S, self._go_on)

    def _end(self) -> None:
        assert self._serving is not None
        if self._transport.get_write_buffer_size():
            raise AssertionError("the body before the last byte is still here: too much for one piece")
        name, self._serving = self._serving, None
        when = time.monotonic_ns()
        self._transport.write(content(self._size - 1, self._size))
        log(when, "sent", name)

    def _gone(self) -> None:
        when = time.monotonic_ns()
        if self._timer:
            self._timer.cancel()
        if self._serving is not None:
            name, self._serving = self._serving, None
            log(when, "closed", name)


async def serve() -> None:
    """Serve until stdin is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
