"""The wish that the process ends: in order at first, and at once when that takes too long."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskStatus

LEAVE_DEADLINE_S = 4.0
"""How long the last saves may take."""


class Leaving:
    """Asked by a signal or by the program that has started us."""

    def __init__(self) -> None:
        self.reason = ""
        """The name of the signal, or `asked`."""
        self.asked = anyio.Event()
        """Leave everything resumable, and end."""
        self.forced = anyio.Event()
        """End at once."""

    async def take_signals(self, *, task_status: TaskStatus[None]) -> None:
        """SIGTERM and SIGINT ask; a second one forces."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            number = await anext(signals)
            self._ask(number.name)
            with anyio.move_on_after(LEAVE_DEADLINE_S):
                await anext(signals)
            self.forced.set()

    async def follow(self, stop: anyio.Event) -> None:
        """Ask when `stop` is set."""
        await stop.wait()
        self._ask("asked")
        await anyio.sleep(LEAVE_DEADLINE_S)
        self.forced.set()

    def _ask(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.asked.set()

    @asynccontextmanager
    async def cuts_short(self) -> AsyncIterator[None]:
        """The block is cancelled, and left, when the process is to end."""
        async with anyio.create_task_group() as tasks:

            async def cancel() -> None:
                await self.asked.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(cancel)
            yield
            tasks.cancel_scope.cancel()
