"""A connection by way of the guard: how a process of ours that is not aria2c gets out."""

from __future__ import annotations

import asyncio
import base64
import socket

import anyio

from reactor.errors import DownloadError

CONNECT_S = 60.0
HEAD_MAX = 16 * 1024
REFUSED = 403


async def connect_by(proxy: str, proxy_port: int, user: str, secret: str, host: str, port: int) -> socket.socket:
    """A tunnel to `host`, non-blocking; names are resolved at its other end. Raises OSError where there is none, and
    DownloadError (`refused_address`) where there may be none."""
    loop, connection = asyncio.get_running_loop(), socket.socket()
    try:
        connection.setblocking(False)
        with anyio.fail_after(CONNECT_S):
            await loop.sock_connect(connection, (proxy, proxy_port))
            there = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            login = base64.b64encode(f"{user}:{secret}".encode()).decode()
            request = f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\nProxy-Authorization: Basic {login}\r\n\r\n"
            await loop.sock_sendall(connection, request.encode())
            status = _status(await _head(connection))
        if status == REFUSED:
            raise DownloadError(f"{host} leads to an address that downloads may not reach.", code="refused_address")
        if status != 200:
            raise OSError(f"no connection to {host}: {status}")
    except BaseException:
        connection.close()
        raise
    return connection


async def _head(connection: socket.socket) -> bytes:
    """The head of the answer, and nothing of what follows it. Raises OSError."""
    loop, head = asyncio.get_running_loop(), bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = await loop.sock_recv(connection, 1)  # what comes behind it is the server's
        if not byte or len(head) > HEAD_MAX:
            raise OSError("the proxy does not answer")
        head += byte
    return bytes(head)


def _status(head: bytes) -> int:
    word = head.split(b" ", 2)[1:2]
    return int(word[0]) if word and word[0].isdigit() and len(word[0]) == 3 else 0
