"""The rows, by way of `reactor.Queue`: one that is open for as long as the database is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import anyio

from reactor.errors import DatabaseError
from reactor.queue import Queue

AGAIN_FIRST_S, AGAIN_MAX_S = 0.05, 2.0
"""Between two tries to open it; doubling."""
T = TypeVar("T")


class Table:
    """`keep` holds it open, in a task of its own; `ask` uses it from any."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: Queue | None = None
        self._trouble = DatabaseError("The database is not open yet.", retryable=True)
        self._broken = anyio.Event()

    async def keep(self) -> None:
        """Open it, and anew when another file has taken its place. Whoever serves it makes it; this never does."""
        again_s = AGAIN_FIRST_S
        while True:
            self._broken = anyio.Event()
            try:
                async with Queue(self._path, create=False) as self._queue:
                    again_s = AGAIN_FIRST_S
                    await self._broken.wait()
            except DatabaseError as error:
                self._trouble = error
            finally:
                self._queue = None
            await anyio.sleep(again_s)
            again_s = min(2 * again_s, AGAIN_MAX_S)

    async def ask(self, wish: Callable[[Queue], Awaitable[T]]) -> T:
        """Have a wish fulfilled. Raises DatabaseError."""
        if self._queue is None:
            raise self._trouble
        try:
            return await wish(self._queue)
        except DatabaseError as error:
            self._trouble = error
            self._broken.set()
            raise
