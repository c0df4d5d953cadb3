"""Real HTTP servers on loopback that behave, or misbehave, as told; for the tests of every room.

    async with FileServer() as server:
        server.put("/a.bin", b"…", etag='"1"', head=405)
        … server.url("/a.bin") …
        await server.until(lambda: len(server.requests("/a.bin")) == 2)

`with ThreadedFileServer() as server:` is the same for tests without an event loop. Resources may be added
and replaced at any time. Every request is logged in `server.log`, with the body bytes sent and how it ended.
"""

from __future__ import annotations

import asyncio
import base64
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
PIECE = 256 * 1024
"""Bytes written at once when nothing slows the server down."""
RESET = struct.pack("ii", 1, 0)
"""The linger of a socket that is reset when it is closed."""
WAIT_S = 30.0
"""How long `until` waits: an error in the test, not a measure."""

Ending = Literal["open", "complete", "cut", "closed by client"]


@dataclass(frozen=True)
class Resource:
    """What stands under one path, and how it is served."""

    data: bytes = b""
    status: int = 200
    content_type: str | None = "application/octet-stream"
    disposition: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    """More headers; one given here replaces what would be sent, an empty one removes it."""
    redirect: str | None = None
    """Answers `status` (302 unless told) with this Location."""
    user: tuple[str, str] | None = None
    """Answers 401 unless the request has these by Basic Authorization."""
    ranges: bool = True
    """False: Range is ignored and the whole is sent."""
    head: Literal["close", "hang"] | int | None = None
    """Another status for HEAD, or a connection that is closed, or never answered, on HEAD."""
    head_headers: tuple[tuple[str, str], ...] = ()
    """Headers that only HEAD gets: lies."""
    rate: int | None = None
    """Bytes per second."""
    stall_after: int | None = None
    """Sends so many bytes of the body and then nothing, until the client goes or `release` is called."""
    cut_after: int | None = None
    """Closes the connection after so many bytes of the promised body."""
    reset_after: int | None = None
    """Resets it after so many bytes."""
    chunked: bool = False
    """Sends no length."""
    endless: bool = False
    """Chunked without an end: the data again and again."""
    raw: bytes | None = None
    """Sends this instead of HTTP, then closes."""
    close: bool = False
    """Closes without an answer."""
    hang: bool = False
    """Never answers."""
    failures: int = 0
    """Answers 503 so many times first."""
    at_once: int | None = None
    """Answers 503 to a GET while so many others are being answered."""


@dataclass
class Request:
    """One request as the server saw it."""

    method: str
    path: str
    """With its query."""
    headers: dict[str, str]
    """Names in lower case; the last of equal ones."""
    peer: tuple[str, int] = ("", 0)
    status: int | None = None
    sent: int = 0
    """Bytes of the body handed to the network."""
    moments: list[tuple[float, int]] = field(default_factory=list)
    """When (time.monotonic) so many of them had been."""
    ended: Ending = "open"

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


@dataclass
class FileServer:
    """Serves what was `put`, on a port the system chose. Everything else is 404."""

    host: str = HOST
    tls: ssl.SSLContext | None = None
    log: list[Request] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._resources: dict[str, Resource] = {}
        self._changed = asyncio.Event()
        self._released = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None

    def put(self, path: str, data: bytes = b"", **how: Any) -> str:
        """Serve `data` under `path` from now on; `how` are the fields of Resource. Returns its URL."""
        self._resources[path] = Resource(data, **how)
        return self.url(path)

    def url(self, path: str = "/", *, host: str | None = None, user: str | None = None) -> str:
        """The URL of a path, by another name of this machine or with user info if wanted."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{f'{user}@' if user else ''}{host or self.host}:{self.port}{path}"

    def data(self, path: str) -> bytes:
        """What stands under a path; nothing where nothing does."""
        return self._resources[path].data if path in self._resources else b""

    def requests(self, path: str | None = None, method: str | None = None) -> list[Request]:
        """The logged requests, of one path (without its query) or one method only."""
        return [r for r in self.log if path in (None, urlsplit(r.path).path) and method in (None, r.method)]

    def under_way(self, path: str) -> list[Request]:
        """The GETs of one path that are being answered."""
        return [each for each in self.log if each.path == path and each.method == "GET" and each.ended == "open"]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is asked whenever a request came, moved on or ended."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def release(self) -> None:
        """Let every stalled or hanging answer go on, now and later."""
        self._released.set()

    async def __aenter__(self) -> Self:
        if self.host.startswith("127.") and self.host != HOST:
            self._reserved = self._reserve()
        self._server = await asyncio.start_server(
            self._accepted, self.host, self.port, ssl=self.tls, limit=1024 * 1024, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def _reserve(self) -> socket.socket:
        """Choose a port that nobody else gets, at the usual address either: by its number the guard knows its own."""
        reserved = socket.socket()
        reserved.bind((HOST, self.port))
        self.port = reserved.getsockname()[1]
        return reserved

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the port and every connection. Entering again serves the same on the same port."""
        if self._server:
            self._server.close()
        if self._reserved:
            self._reserved.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # One connection

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._server
        if not self._server.is_serving():  # it came in the moment in which the port was closed
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._connected(reader, writer))
        self._tasks[task] = writer
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        writer = self._tasks.pop(task)
        if task.cancelled() or task.exception() is not None:  # perhaps before it began: then it has closed nothing
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            writer.transport.abort()  # the client went, or the test is over

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and answer it. Returns whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        pairs = (line.partition(":") for line in head[1:] if line)
        request = Request(
            method, path, {n.lower(): v.strip() for n, _, v in pairs}, writer.get_extra_info("peername")[:2]
        )
        await reader.readexactly(int(request.headers.get("content-length", "0")))
        self.log.append(request)
        self._changed.set()
        resource = self._resources.get(path) or self._resources.get(urlsplit(path).path)
        try:
            open_still = await self._answer(request, resource or _plain(404), reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            self._end(request, "closed by client" if reader.at_eof() or writer.is_closing() else "cut")
            raise
        if request.ended == "open":
            self._end(request, "complete" if open_still else "cut")
        return open_still and request.headers.get("connection", "").lower() != "close"

    async def _answer(
        self, request: Request, resource: Resource, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        is_head = request.method == "HEAD"
        if resource.failures:
            self._resources[urlsplit(request.path).path] = replace(resource, failures=resource.failures - 1)
            resource = _plain(503)
        if resource.at_once is not None and not is_head and len(self.under_way(request.path)) > resource.at_once:
            resource = _plain(503)
        if resource.hang or (is_head and resource.head == "hang"):
            await self._stall(request, reader)
            return False
        if resource.close or (is_head and resource.head == "close"):
            return False
        if resource.raw is not None:
            writer.write(resource.raw)
            return False
        status, headers, body = _reply(request, resource)
        request.status = status
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{n}: {v}" for n, v in headers), "", ""]
        writer.write("\r\n".join(lines).encode("utf-8", "surrogateescape"))
        if is_head or status in (204, 304):
            await writer.drain()
            return True
        return await self._send(request, resource, body, reader, writer)

    async def _send(
        self,
        request: Request,
        resource: Resource,
        body: memoryview,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Send the body as slowly, as wrongly or as whole as the resource says."""
        piece = min(PIECE, max(1, resource.rate // 10)) if resource.rate else PIECE
        position = 0
        while position < len(body) or (resource.endless and len(body)):
            marks = (resource.stall_after, resource.cut_after, resource.reset_after)
            limits = [m - request.sent for m in marks if m is not None]
            part = bytes(body[position : position + min([piece, *(m for m in limits if m > 0)])])
            if resource.cut_after is not None and request.sent >= resource.cut_after:
                return False
            if resource.reset_after is not None and request.sent >= resource.reset_after:
                to_be_reset(writer)
                return False
            if resource.stall_after is not None and request.sent == resource.stall_after:
                await self._stall(request, reader)
                resource = replace(resource, stall_after=None)
                continue
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if resource.chunked or resource.endless else part)
            await writer.drain()
            request.sent += len(part)
            request.moments.append((time.monotonic(), request.sent))
            self._changed.set()
            position = (position + len(part)) % len(body) if resource.endless else position + len(part)
            if resource.rate:
                await asyncio.sleep(len(part) / resource.rate)
        if resource.chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _stall(self, request: Request, reader: asyncio.StreamReader) -> None:
        """Wait until the test releases the answer, or the client goes (which ends the exchange)."""
        self._changed.set()
        gone = asyncio.ensure_future(reader.read())
        released = asyncio.ensure_future(self._released.wait())
        try:
            await asyncio.wait([gone, released], return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                gone.exception()
                self._end(request, "closed by client")
                raise ConnectionResetError
        finally:
            gone.cancel()
            released.cancel()
            await asyncio.gather(gone, released, return_exceptions=True)

    def _end(self, request: Request, how: Ending) -> None:
        request.ended = how
        self._changed.set()


class ThreadedFileServer:
    """A FileServer with an event loop and a thread of its own. `put`, `url`, `log` as there."""

    def __init__(self, **how: Any) -> None:
        self._ready = threading.Event()
        self._how = how
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="file server")

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with FileServer(**self._how) as self._server:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> FileServer:
        self._thread.start()
        if not self._ready.wait(WAIT_S):
            raise TimeoutError("the server did not start")
        return self._server

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_S)


def to_be_reset(writer: asyncio.StreamWriter) -> None:
    """Closing the connection resets it from now on."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _plain(status: int) -> Resource:
    return Resource(HTTPStatus(status).phrase.encode(), status=status, content_type="text/plain")


def _reply(request: Request, resource: Resource) -> tuple[int, list[tuple[str, str]], memoryview]:
    """Status, headers and body for a request, as an honest server has them, then the lies."""
    is_head = request.method == "HEAD"
    if resource.user and request.headers.get("authorization") != _basic(*resource.user):
        resource = replace(_plain(401), headers=(("WWW-Authenticate", 'Basic realm="here"'),))
    if is_head and isinstance(resource.head, int):
        resource = replace(_plain(resource.head), head_headers=resource.head_headers)
    headers = {"Content-Type": resource.content_type, "Content-Disposition": resource.disposition}
    headers |= {"ETag": resource.etag, "Last-Modified": resource.last_modified}
    status, body = resource.status, memoryview(resource.data)
    if resource.redirect is not None:
        status = 302 if status == 200 else status
        headers["Location"] = resource.redirect
    elif resource.ranges and status == 200:
        headers["Accept-Ranges"] = "bytes"
        status, body, headers["Content-Range"] = _ranged(request, resource)
    if resource.chunked or resource.endless:
        headers["Transfer-Encoding"] = "chunked"
    else:
        headers["Content-Length"] = str(len(body))
    names = {name.lower(): name for name in headers}
    for name, value in (*resource.headers, *(resource.head_headers if is_head else ())):
        headers[names.get(name.lower(), name)] = value
    return status, [(name, value) for name, value in headers.items() if value], body


def _ranged(request: Request, resource: Resource) -> tuple[int, memoryview, str | None]:
    """The part of the data that was asked for: status, bytes and Content-Range."""
    whole, total = memoryview(resource.data), len(resource.data)
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.range or "")
    condition = request.headers.get("if-range")
    if not asked or condition not in (None, resource.etag, resource.last_modified):
        return 200, whole, None
    first, last = int(asked[1]), min(int(asked[2] or total), total - 1)
    if first >= total:
        return 416, memoryview(b""), f"bytes */{total}"
    return 206, whole[first : last + 1], f"bytes {first}-{last}/{total}"


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
