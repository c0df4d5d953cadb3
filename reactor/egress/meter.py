"""Limits the bytes of our own downloads until their disk space has been checked.

The guard counts what passes; what of it ends up in whose file only aria2 can tell. So nobody is cut off by the count:
when it reaches what was allowed, nothing more is read, `on_used` is told, and whoever decides asks aria2 and allows
more.
"""

from __future__ import annotations

from collections.abc import Callable

from reactor.concurrency.bell import Bell


class Meter:
    """Counts bytes, and blocks once the allowance is used up."""

    def __init__(self) -> None:
        self.passed = 0
        """Bytes since it was made."""
        self.on_used: Callable[[int], None] = lambda passed: None
        self._until: int | None = None
        self._allowed = Bell()
        self._told = False

    def allow(self, until: int | None) -> None:
        """Set the allowance: a total since the start; None: no limit."""
        self._until, self._told = until, False
        self._allowed.ring()

    async def open(self) -> None:
        """Wait until bytes are allowed."""
        while self._until is not None and self.passed >= self._until:
            if not self._told:
                self._told = True
                self.on_used(self.passed)
            await self._allowed.next.wait()
