"""Access to the rows: one `reactor.Queue` that is opened anew whenever the database was lost."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from reactor.errors import DatabaseError
from reactor.queue import Queue

AGAIN_FIRST_S, AGAIN_MAX_S = 0.05, 2.0
"""Backoff between attempts to open it."""
T = TypeVar("T")


class RowStore:
    """`keep_open` runs as a task; `run` may be called from any other."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = path
        self._queue: Queue | None = None
        self._trouble = DatabaseError("The database is not open yet.", retryable=True)
        self._broken = anyio.Event()

    async def keep_open(self) -> None:
        """Keep the database open, and reopen it after errors. Never creates it: that is the daemon's task."""
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

    async def run(self, operation: Callable[[Queue], Awaitable[T]]) -> T:
        """Run an operation on the queue. Raises DatabaseError."""
        if self._queue is None:
            raise self._trouble
        try:
            return await operation(self._queue)
        except DatabaseError as error:
            self._trouble = error
            self._broken.set()
            raise
