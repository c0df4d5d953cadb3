"""Files that only a browser could fetch, handed to aria2 as if a server had them.

    async with Handover() as handover:
        dialer.inside[HOST] = handover.connect          how the guard reaches it
        url = handover.offer(file, size)                aria2 fetches this, once or in parts

So a file that a page has made itself, or that was the answer to a form, is counted, checked, limited and put into its
place as every other download is. The file has no name any more when it is offered: it is gone with this process,
however that ends. What is not asked for in KEPT_S is forgotten; a URL that is not known is answered 404, and the page
is asked again.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from typing import BinaryIO, Self

import anyio
import h11
from anyio import AsyncContextManagerMixin
from anyio.abc import TaskGroup

from reactor.records import dataclass

HOST = "files.reactor.invalid"
"""The host of its URLs: a name that no name server knows (RFC 6761, section 6.4)."""
KEPT_S = 600.0
FILES_MAX = 8
HEAD_S = 10.0
HEAD_BYTES_MAX = 64 * 1024
PIECE_BYTES = 1024 * 1024
"""Between two pieces a reader may be told to stop."""
STALL_S = 300.0
"""A reader that takes nothing for so long has gone."""


@dataclass(slots=True)
class _File:
    file: BinaryIO
    size: int
    used_at: float
    readers: int = 0


class Handover(AsyncContextManagerMixin):
    """See the module. Leaving the `async with` closes every file and connection."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, _File] = OrderedDict()
        self._server: socket.socket | None = None
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        with closing(socket.create_server(("127.0.0.1", 0))) as self._server:
            self._server.setblocking(False)
            try:
                async with anyio.create_task_group() as self._tasks:
                    self._tasks.start_soon(self._accept)
                    self._tasks.start_soon(self._sweep)
                    yield self
                    self._tasks.cancel_scope.cancel()
            finally:
                while self._files:
                    self._files.popitem()[1].file.close()

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where it listens; for `Guard`'s own ports, to which nobody else gets."""
        assert self._server is not None
        host, port = self._server.getsockname()
        return str(host), int(port)

    def offer(self, file: BinaryIO, size: int) -> str:
        """The URL of an open file, which is closed in time. Of too many the oldest that nobody reads is forgotten."""
        token = secrets.token_urlsafe(24)
        self._files[token] = _File(file, size, anyio.current_time())
        if len(self._files) > FILES_MAX:
            idle = next((each for each, known in self._files.items() if not known.readers), token)
            self._forget(idle)
        return f"http://{HOST}/{token}"

    async def connect(self) -> socket.socket:
        """A connection to it, non-blocking. Raises OSError."""
        connection = socket.socket()
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, self.endpoint)
        except BaseException:
            connection.close()
            raise
        return connection

    def _forget(self, token: str) -> None:
        known = self._files.pop(token, None)
        if known is not None:
            known.file.close()

    async def _sweep(self) -> None:
        while True:
            await anyio.sleep(KEPT_S / 10)
            before = anyio.current_time() - KEPT_S
            for token in [token for token, each in self._files.items() if not each.readers and each.used_at < before]:
                self._forget(token)

    async def _accept(self) -> None:
        assert self._server is not None
        assert self._tasks is not None
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._server)
            self._tasks.start_soon(self._serve, client)

    async def _serve(self, client: socket.socket) -> None:
        """Answer one request, and close."""
        with closing(client):
            try:
                request = None
                with anyio.move_on_after(HEAD_S):
                    request = await _request(client)
                if request is not None:
                    await self._answer(client, *request)
            except (OSError, h11.RemoteProtocolError):
                pass  # who asked has gone, or speaks something else

    async def _answer(self, client: socket.socket, method: str, token: str, range_: str) -> None:
        loop, known = asyncio.get_running_loop(), self._files.get(token)
        if known is None:
            await loop.sock_sendall(client, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        known.readers += 1
        try:
            first, end = span(range_, known.size) or (0, known.size)
            partial = span(range_, known.size) is not None
            head = [
                "HTTP/1.1 206 Partial Content" if partial else "HTTP/1.1 200 OK",
                "Content-Type: application/octet-stream",
                f"Content-Length: {end - first}",
                "Accept-Ranges: bytes",
                f'ETag: "{token}"',
                *([f"Content-Range: bytes {first}-{end - 1}/{known.size}"] if partial else []),
                "Connection: close",
            ]
            await loop.sock_sendall(client, "\r\n".join([*head, "", ""]).encode("ascii"))
            while method == "GET" and first < end:
                with anyio.fail_after(STALL_S):
                    sent = await loop.sock_sendfile(client, known.file, first, min(PIECE_BYTES, end - first))
                if not sent:
                    return
                first += sent
        except TimeoutError:
            pass
        finally:
            known.readers -= 1
            known.used_at = anyio.current_time()


async def _request(client: socket.socket) -> tuple[str, str, str] | None:
    """Method, token and Range of a request; None where it ends too early. Raises h11.RemoteProtocolError."""
    loop, http = asyncio.get_running_loop(), h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    while data := await loop.sock_recv(client, HEAD_BYTES_MAX):
        http.receive_data(data)
        event = http.next_event()
        if isinstance(event, h11.Request):
            ranges = [value.decode("latin-1") for name, value in event.headers if name == b"range"]
            target = event.target.decode("ascii")
            return event.method.decode("ascii"), target.rpartition("/")[2], ranges[0] if ranges else ""
    return None


def span(range_: str, size: int) -> tuple[int, int] | None:
    """First byte and end of a `Range` of one span; None for what is none, or holds nothing: then it is the whole."""
    unit, _, told = range_.partition("=")
    first, dash, last = told.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not first.isdecimal() or (last and not last.isdecimal()):
        return None
    start, end = int(first[:20]), min(int(last[:20]) + 1 if last else size, size)
    return (start, end) if start < end else None
