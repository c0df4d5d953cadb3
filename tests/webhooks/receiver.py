"""A receiver of webhooks that answers as it is told, and keeps what it has been sent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
WAIT_S = 30.0
"""An error in the test, not a measure."""


@dataclass
class Delivery:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def said(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """`answers` are given one after the other, then `otherwise`; 0 is no answer at all, -1 one that does not come."""

    answers: list[int] = field(default_factory=list)
    otherwise: int = 204
    lines: str = ""
    """More header lines of every answer, each with its end of line."""
    refuses: frozenset[int] = frozenset()
    """Rows of which nothing is taken: 422."""
    needs_data: bool = True
    """Whether a message is one of webhooks."""
    deliveries: list[Delivery] = field(default_factory=list)
    port: int = 0

    def __post_init__(self) -> None:
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/hook?token=swordfish"

    @property
    def taken(self) -> list[Any]:
        """What was taken, in order."""
        return [each.said for each in self.deliveries if 200 <= each.status < 300 and each.method == "POST"]

    async def until(self, count: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(WAIT_S):
            while len(self.deliveries) < count:
                self._changed.clear()
                await self._changed.wait()

    async def until_taken(self, count: int) -> None:
        """Wait until it has taken so many."""
        async with asyncio.timeout(WAIT_S):
            while len(self.taken) < count:
                self._changed.clear()
                await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        status = self.answers.pop(0) if self.answers else self.otherwise
        if body and self.needs_data and json.loads(body)["data"].get("download_id") in self.refuses:
            status = 422
        self.deliveries.append(Delivery(method, path, headers, body, status))
        self._changed.set()
        if status == -1:
            await asyncio.Event().wait()
        if status == 0:
            return False
        told = b"" if method == "HEAD" or status == 204 else b"thanks"
        length = "" if status == 204 else f"Content-Length: {len(told)}\r\n"
        writer.write(f"HTTP/1.1 {status} Said\r\n{length}{self.lines}\r\n".encode() + told)
        await writer.drain()
        return True
