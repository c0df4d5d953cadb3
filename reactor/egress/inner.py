"""What the guard answers by itself, to aria2c, at URLs of `inner_urls`: the peers of all trackers of a torrent, and
those that a magnet link names (`x.pe`), as one tracker tells them; and the zeros of pad files (BEP 47), as a web seed
sends them. aria2 asks one tracker only, knows no other peers, and stops where a web seed does not have the pad files,
as none has. Nothing is kept: a URL says all there is to answer.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import unquote

import anyio

from reactor.egress.addresses import Address
from reactor.egress.inner_urls import ZEROS_MAX, swarm_of
from reactor.patterns import pattern
from reactor.records import dataclass

HEAD_MAX = 64 * 1024
IDLE_S = 60.0

_REQUEST = pattern(rb"(?:GET|HEAD) /(swarm|zeros)/([^? ]*)\??(\S*) HTTP/1\.[01]\r\n")
_RANGE = pattern(rb"\r\nRange: *bytes=(\d{1,10})-(\d{0,10})", re.IGNORECASE)
_ZEROS = bytes(64 * 1024)

Resolve = Callable[[str, int], Awaitable[tuple[Address, ...]]]
"""The addresses of a host and port to which a connection may be made; raises DownloadError where there is none."""


Announce = Callable[[Sequence[str], Sequence[tuple[str, int]], str], Awaitable[bytes]]
"""What trackers and peers (host, port) tell whoever asks with this query, bencoded."""


async def nobody(trackers: Sequence[str], peers: Sequence[tuple[str, int]], query: str) -> bytes:
    """Where nobody is asked."""
    return b"d14:failure reason7:Nobody.e"


@dataclass(frozen=True, slots=True)
class _Answer:
    head: bytes
    zeros: int = 0
    """So many of them follow."""


async def serve(client: socket.socket, announce: Announce) -> None:
    """Answer what is asked on a connection until it is closed, or nothing is asked for a while. Raises OSError."""
    loop, asked = asyncio.get_running_loop(), bytearray()
    with anyio.move_on_after(IDLE_S) as idle:
        while data := await loop.sock_recv(client, HEAD_MAX):
            asked += data
            while (end := asked.find(b"\r\n\r\n")) >= 0:
                answer = await _answer(bytes(asked[: end + 2]), announce)
                del asked[: end + 4]
                await loop.sock_sendall(client, answer.head)
                for sent in range(0, answer.zeros, len(_ZEROS)):
                    await loop.sock_sendall(client, _ZEROS[: answer.zeros - sent])
            if len(asked) > HEAD_MAX:
                return
            idle.deadline = anyio.current_time() + IDLE_S


async def _answer(head: bytes, announce: Announce) -> _Answer:
    request = _REQUEST.match(head)
    if request is None:
        return _Answer(_head(404, 0))
    what, rest = request[1].lower(), unquote(request[2].decode("ascii", "replace"))
    if what == b"swarm":
        body = await announce(*swarm_of(rest), request[3].decode("ascii", "replace"))
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


def _head(status: int, length: int, lines: str = "") -> bytes:
    phrase = {200: "OK", 206: "Partial Content", 404: "Not Found", 416: "Range Not Satisfiable"}[status]
    return f"HTTP/1.1 {status} {phrase}\r\nContent-Length: {length}\r\n{lines}\r\n".encode()
