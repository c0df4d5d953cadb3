"""What the guard answers by itself, to aria2c, under a host name that nobody has (RFC 6761): the peers that a magnet
link names (`x.pe`), as a tracker tells them, and the zeros of pad files (BEP 47), as a web seed sends them. aria2 knows
peers from trackers only, and stops where a web seed does not have the pad files, as none has.

    http://reactor.invalid/peers/203.0.113.7:6881,peer.example:51413
    http://reactor.invalid/zeros/12768

Nothing is kept: a URL says all there is to answer.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, unquote

import anyio

from reactor.egress.addresses import Address
from reactor.errors import DownloadError

HOST = "reactor.invalid"
PEERS_MAX = 20
ZEROS_MAX = 2**28
HEAD_MAX = 64 * 1024
IDLE_S = 60.0
INTERVAL_S = 60
"""How often aria2 asks again."""

_REQUEST = re.compile(rb"(?:GET|HEAD) (?:http://[^/ ]*)?/(peers|zeros)/([^? ]*)\S* HTTP/1\.[01]\r\n", re.IGNORECASE)
_RANGE = re.compile(rb"\r\nRange: *bytes=(\d{1,10})-(\d{0,10})", re.IGNORECASE)
_PEER = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:/\[\],]+)):(\d{1,5})")
_ZEROS = bytes(64 * 1024)

Resolve = Callable[[str, int], Awaitable[tuple[Address, ...]]]
"""The addresses of a host and port to which a connection may be made; raises DownloadError where there is none."""


@dataclass(frozen=True, slots=True)
class _Answer:
    head: bytes
    zeros: int = 0
    """So many of them follow."""


def peers_url(peers: Iterable[str]) -> str | None:
    """The tracker that names these peers (`host:port`); None where none of them is one."""
    known = [peer for peer in peers if _PEER.fullmatch(peer)][:PEERS_MAX]
    return f"http://{HOST}/peers/{quote(','.join(known), safe=',:[]')}" if known else None


def zeros_url(size: int) -> str:
    """A web seed of so many zeros."""
    return f"http://{HOST}/zeros/{size}"


async def serve(client: socket.socket, resolve: Resolve) -> None:
    """Answer what is asked on a connection until it is closed, or nothing is asked for a while. Raises OSError."""
    loop, asked = asyncio.get_running_loop(), bytearray()
    with anyio.move_on_after(IDLE_S) as idle:
        while data := await loop.sock_recv(client, HEAD_MAX):
            asked += data
            while (end := asked.find(b"\r\n\r\n")) >= 0:
                answer = await _answer(bytes(asked[: end + 2]), resolve)
                del asked[: end + 4]
                await loop.sock_sendall(client, answer.head)
                for sent in range(0, answer.zeros, len(_ZEROS)):
                    await loop.sock_sendall(client, _ZEROS[: answer.zeros - sent])
            if len(asked) > HEAD_MAX:
                return
            idle.deadline = anyio.current_time() + IDLE_S


async def _answer(head: bytes, resolve: Resolve) -> _Answer:
    request = _REQUEST.match(head)
    if request is None:
        return _Answer(_head(404, 0))
    what, rest = request[1].lower(), unquote(request[2].decode("ascii", "replace"))
    if what == b"peers":
        body = await _peers(rest, resolve)
        return _Answer(_head(200, len(body)) + body)
    size = int(rest) if re.fullmatch(r"\d{1,9}", rest) else 0
    if not 0 < size <= ZEROS_MAX:
        return _Answer(_head(404, 0))
    ranged = _RANGE.search(head)
    first, last = (int(ranged[1]), min(int(ranged[2] or size - 1), size - 1)) if ranged else (0, size - 1)
    if first > last:
        return _Answer(_head(416, 0))
    count = last - first + 1
    lines = f"Content-Range: bytes {first}-{last}/{size}\r\n" if ranged else ""
    return _Answer(_head(206 if ranged else 200, count, lines), 0 if head.startswith(b"HEAD") else count)


async def _peers(rest: str, resolve: Resolve) -> bytes:
    """The answer of a tracker (BEP 23 and 7), with the peers to which a connection may be made."""
    by_length: dict[int, bytes] = {4: b"", 16: b""}
    for found in _PEER.finditer(rest):
        port = int(found[3])
        if not 0 < port < 2**16:
            continue
        with suppress(DownloadError):
            for address in (await resolve(found[1] or found[2], port))[:PEERS_MAX]:
                by_length[len(address.packed)] += address.packed + port.to_bytes(2, "big")
    four, six = by_length[4], by_length[16]
    return b"d8:intervali%de5:peers%d:%b6:peers6%d:%be" % (INTERVAL_S, len(four), four, len(six), six)


def _head(status: int, length: int, lines: str = "") -> bytes:
    phrase = {200: "OK", 206: "Partial Content", 404: "Not Found", 416: "Range Not Satisfiable"}[status]
    return f"HTTP/1.1 {status} {phrase}\r\nContent-Length: {length}\r\n{lines}\r\n".encode()
