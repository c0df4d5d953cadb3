"""Hands an answer that reactor's own client holds over to aria2c, as if the server gave it to it.

aria2c asks for a URL whose host only the guard knows. Whatever protocol the answer came by, aria2c gets it in plain
HTTP, through the proxy on loopback."""

from __future__ import annotations

import asyncio
import math
import secrets
import socket
from contextlib import suppress

import anyio

from reactor import numbers
from reactor.egress.relay import LINGER_DEFAULT, UP_BYTES, Tunnel, close_by
from reactor.errors import DownloadError
from reactor.net.client import NoAnswer, Response

HEAD_MAX = 256 * 1024
HANDED_MAX = 256
_SUFFIX = ".handed.invalid"
"""No name of DNS ends so (RFC 6761)."""


class HandedAnswers:
    """Answers by the names of the hosts that stand for them, each for one request."""

    def __init__(self) -> None:
        self._waiting: dict[str, Response] = {}

    def add(self, response: Response) -> str:
        """The URL by which aria2c gets the answer."""
        while len(self._waiting) >= HANDED_MAX:
            self._waiting.pop(next(iter(self._waiting))).close()
        host = f"{secrets.token_hex(8)}{_SUFFIX}"
        self._waiting[host] = response
        return f"http://{host}/"

    def take(self, host: str) -> Response | None:
        """The answer that a host stands for; None for another host. Raises DownloadError where it was taken before."""
        if not host.endswith(_SUFFIX):
            return None
        response = self._waiting.pop(host, None)
        if response is None:
            raise DownloadError("The server broke the connection off.", code="connection_lost", retryable=True)
        return response

    def close(self) -> None:
        """Close those that nobody has asked for."""
        while self._waiting:
            self._waiting.popitem()[1].close()


async def pass_handed(tunnel: Tunnel, response: Response) -> None:
    """Answer the client's request with `response`, to its end. A client that goes ends it, and so does a server that
    breaks off: then the client is told by a reset."""
    loop, client = asyncio.get_running_loop(), tunnel.client
    try:
        await _request(client)
        size = None
        if "transfer-encoding" not in response.headers:
            size = numbers.size(response.headers.get("content-length", ""))
        length = b"Transfer-Encoding: chunked" if size is None else b"Content-Length: %d" % size
        await loop.sock_sendall(client, b"HTTP/1.1 200 OK\r\n%b\r\nConnection: close\r\n\r\n" % length)
        async with anyio.create_task_group() as tasks:

            async def until_gone() -> None:
                with suppress(OSError):
                    await loop.sock_recv(client, 1)
                tasks.cancel_scope.cancel()

            tasks.start_soon(until_gone)
            with suppress(NoAnswer, OSError):
                await _body(tunnel, response, chunked=size is None)
                close_by(LINGER_DEFAULT, client)
            tasks.cancel_scope.cancel()
    finally:
        response.close()


async def _request(client: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < HEAD_MAX:
        data = await asyncio.get_running_loop().sock_recv(client, UP_BYTES)
        if not data:
            raise ConnectionResetError
        head += data


async def _body(tunnel: Tunnel, response: Response, *, chunked: bool) -> None:
    loop = asyncio.get_running_loop()
    async for piece in response.as_sent(math.inf):
        tunnel.moved = True
        if tunnel.meter is not None:
            tunnel.meter.passed += len(piece)
            await tunnel.meter.open()
        await loop.sock_sendall(tunnel.client, b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
    if chunked:
        await loop.sock_sendall(tunnel.client, b"0\r\n\r\n")
