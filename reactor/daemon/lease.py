"""Whether what this machine has under way is still its own, by its own monotonic clock.

Others wait for longer before they take it over, so nothing is published by two machines, however long this process
was stopped or cut off from the database."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from reactor.daemon import clock
from reactor.database.store import HELD_S


class Lease:
    """Begins as one that was just renewed."""

    def __init__(self, *, needed: bool, now: Callable[[], float] = clock.monotonic) -> None:
        """Not `needed` where nobody else serves the queue: it is always held."""
        self._needed, self._now = needed, now
        self._renewed_at = now()
        self._renewed = anyio.Event()

    @property
    def held(self) -> bool:
        """False once it was not renewed for too long."""
        return not self._needed or self._now() - self._renewed_at < HELD_S

    def renewed(self, asked_at: float) -> None:
        """The database has renewed it, after it was asked at this monotonic moment."""
        self._renewed_at = asked_at
        self._renewed.set()
        self._renewed = anyio.Event()

    async def wait(self) -> None:
        """Return when it is held: at once, or after the next renewal."""
        while not self.held:
            await self._renewed.wait()
