"""A pool of warm worker processes: each is lent to one caller at a time, and ended when idle.

    class Ytdlp(Pool[YtdlpProcess]):
        async def _start(self) -> YtdlpProcess: …       how one comes to be

    async with ytdlp.slots, ytdlp.lend() as worker: …   one, when it is one's turn

Whoever was cancelled, or met an error, leaves none behind.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, Protocol, Self, TypeVar

import anyio
from anyio import AsyncContextManagerMixin
from anyio.abc import TaskGroup

from reactor.errors import ReactorError
from reactor.workers.exchange import WorkerDied


class Process(Protocol):
    """A pooled process."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def alive(self) -> bool:
        """False when it has ended, or was ended."""

    async def end(self) -> None:
        """Kill it and everything it has started, and clean up. Idempotent; not cancellable."""


P = TypeVar("P", bound=Process)


class Pool(AsyncContextManagerMixin, Generic[P]):
    """See the module. Leaving the `async with` ends every process."""

    def __init__(self, *, most: int, idle_s: float) -> None:
        self.slots = anyio.Semaphore(most)
        """One for each process that there may be: who lends holds one, and waits for it when all are busy."""
        self.starts = 0
        """How many processes have been started."""
        self._idle_s = idle_s
        self._idle: dict[P, anyio.Event] = {}
        """Those that wait to be lent, the last one used most lately, and what ends their waiting."""
        self._busy: set[P] = set()
        self._tasks: TaskGroup | None = None
        self._warming: anyio.Event | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """Pids of the processes, the busy ones first."""
        return tuple(process.pid for process in (*self._busy, *self._idle))

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        try:
            async with anyio.create_task_group() as self._tasks:
                try:
                    yield self
                finally:
                    self._tasks.cancel_scope.cancel()
        except BaseExceptionGroup as errors:
            # The body's own error, which is no group to whoever uses this.
            if len(errors.exceptions) == 1:
                raise errors.exceptions[0] from errors.exceptions[0].__cause__
            raise
        finally:
            self._tasks = None
            while self._idle:
                await self._idle.popitem()[0].end()

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[P]:
        """Lend a process, started if none is idle, to the body. It is ended when the body raises, since it may still be
        busy, or when the body ends it."""
        process = await self._take()
        self._busy.add(process)
        try:
            yield process
        except BaseException:
            await process.end()
            raise
        finally:
            self._busy.discard(process)
        if self._tasks is None or not process.alive:
            await process.end()
            return
        self._keep(process)

    def warm(self) -> None:
        """Start a process in the background unless there is one. A failure is ignored: the next caller tries again."""
        if self._tasks is not None and not self._idle and not self._busy and self._warming is None:
            self._warming = anyio.Event()
            self._tasks.start_soon(self._warm)

    async def _warm(self) -> None:
        assert self._warming is not None
        try:
            process = await self._start()
            self.starts += 1
            self._keep(process)
        except (ReactorError, OSError, WorkerDied):
            pass
        finally:
            self._warming.set()
            self._warming = None

    @abstractmethod
    async def _start(self) -> P:
        """Start one. Leaves nothing behind when it raises."""

    async def _take(self) -> P:
        """The one that was used last, for the others to become superfluous; else a new one."""
        if self._warming is not None:
            await self._warming.wait()
        while self._idle:
            process, taken = self._idle.popitem()
            taken.set()
            if process.alive:
                return process
            await process.end()
        process = await self._start()
        self.starts += 1
        return process

    def _keep(self, process: P) -> None:
        assert self._tasks is not None
        taken = self._idle[process] = anyio.Event()
        self._tasks.start_soon(self._end_when_idle, process, taken)

    async def _end_when_idle(self, process: P, taken: anyio.Event) -> None:
        with anyio.move_on_after(self._idle_s):
            await taken.wait()
        if not taken.is_set():
            del self._idle[process]
            await process.end()
