"""Shutdown requests: orderly first, forced when that takes too long."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskStatus

LEAVE_DEADLINE_S = 4.0
"""How long the last saves may take."""


class Leaving:
    """A shutdown request, by signal or by the program that runs `serve`."""

    def __init__(self) -> None:
        self.reason = ""
        """The name of the signal, or `asked`."""
        self.asked = anyio.Event()
        """Leave everything resumable, and end."""
        self.forced = anyio.Event()
        """End at once."""

    async def take_signals(self, *, task_status: TaskStatus[None]) -> None:
        """SIGTERM and SIGINT request the shutdown; a second signal, or LEAVE_DEADLINE_S, forces it."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            number = await anext(signals)
            self._ask(number.name)
            with anyio.move_on_after(LEAVE_DEADLINE_S):
                await anext(signals)
            self.forced.set()

    async def follow(self, stop: anyio.Event) -> None:
        """Request the shutdown when `stop` is set."""
        await stop.wait()
        self._ask("asked")
        await anyio.sleep(LEAVE_DEADLINE_S)
        self.forced.set()

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
