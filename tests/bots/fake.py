"""What the stand-ins for chat services have in common: an HTTP server on loopback, and a wait for what comes."""

from __future__ import annotations

import asyncio
import socket
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

from aiohttp import BodyPartReader, web

WAIT_S = 75.0
"""How long `until` waits: an error in the test or the bot, not a measure."""
BODY_MAX = 200_000_000
CHUNK = 2**20
"""More than a connection holds: aiohttp gives back what it has read beyond a chunk by a function that it warns of,
which is an error here."""

HELD_MAX = 2**18
"""Of an upload that is not read the system keeps so much, in bytes; left to itself, as much as a whole file."""


class Fake:
    """A server, on a port that the system chose."""

    def __init__(self) -> None:
        self.port = 0
        self._changed = asyncio.Event()
        self._last = 0

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """What is served."""

    @abstractmethod
    def shown(self) -> list[str]:
        """What people see, for the words of a failure."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=BODY_MAX)
        app.router.add_routes(self.routes())
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HELD_MAX)
        await web.SockSite(self._runner, listener).start()
        self.port = listener.getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until `condition` holds; it is asked whenever something has come, and now and then."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not condition():
                    self._changed.clear()
                    try:
                        await asyncio.wait_for(self._changed.wait(), 0.1)
                    except TimeoutError:
                        continue
        except TimeoutError:
            raise AssertionError(f"still not so after {WAIT_S} s: {self.shown()}") from None

    def next_id(self) -> int:
        """A number that was not used before."""
        self._last += 1
        return self._last


async def fields(request: web.Request) -> dict[str, Any]:
    """The fields of a form: a text, and of a file its name and what is in it. Kept in memory: a connection that breaks
    off leaves no file open."""
    if request.content_type != "multipart/form-data":
        return dict(await request.post())
    found: dict[str, Any] = {}
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        content = bytearray()
        while chunk := await part.read_chunk(CHUNK):
            content += chunk
        found[part.name or ""] = (part.filename, bytes(content)) if part.filename is not None else content.decode()
    return found
