"""Shutdown requests: orderly first, forced when that takes too long. With DRAIN_S a signal lets what is under way end
before."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskStatus

from reactor.daemon import clock

LEAVE_DEADLINE_S = 4.0
"""How long the last saves may take."""


class Leaving:
    """A shutdown request, by signal or by the program that runs `serve`."""

    def __init__(self, drain_s: float = 0.0) -> None:
        """`drain_s` is the setting DRAIN_S."""
        self._drain_s = drain_s
        self.reason = ""
        """The name of the signal, or `asked`."""
        self.drained_at: float | None = None
        """Until when what is under way may end, seconds since the epoch; None: it may not."""
        self.asked = anyio.Event()
        """Begin nothing more, leave everything resumable, and end."""
        self.hurried = anyio.Event()
        """What is under way may not go on any more."""
        self.forced = anyio.Event()
        """End at once."""

    async def take_signals(self, *, task_status: TaskStatus[None]) -> None:
        """SIGTERM and SIGINT request the shutdown; after a second signal, or DRAIN_S, nothing is waited for; after the
        next one, or LEAVE_DEADLINE_S, it is forced."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            number = await anext(signals)
            if self._drain_s:
                self.drained_at = clock.wall() + self._drain_s
                self._ask(number.name)
                with anyio.move_on_after(self._drain_s):
                    await anext(signals)
            self._hurry(number.name)
            with anyio.move_on_after(LEAVE_DEADLINE_S):
                await anext(signals)
            self.forced.set()

    async def follow(self, stop: anyio.Event) -> None:
        """Request the shutdown when `stop` is set: whoever started this process waits for nothing, or is gone."""
        await stop.wait()
        self._hurry("asked")
        await anyio.sleep(LEAVE_DEADLINE_S)
        self.forced.set()

    def _hurry(self, reason: str) -> None:
        self._ask(reason)
        self.hurried.set()

    def _ask(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.asked.set()

    @asynccontextmanager
    async def cuts_short(self) -> AsyncIterator[None]:
        """Cancel the block, without an error, when a shutdown is requested."""
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                await self.asked.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel)
            yield
            tasks.cancel_scope.cancel()
