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
        self._waiting: dict[Callable[[], None], None] = {}

    def allow(self, until: int | None) -> None:
        """Set the allowance: a total since the start; None: no limit."""
        self._until, self._told = until, False
        self._allowed.ring()
        waiting, self._waiting = self._waiting, {}
        for then in waiting:
            then()

    def is_used_up(self) -> bool:
        """True while no bytes are allowed. `on_used` is told once."""
        if self._until is None or self.passed < self._until:
            return False
        if not self._told:
            self._told = True
            self.on_used(self.passed)
        return True

    async def open(self) -> None:
        """Wait until bytes are allowed."""
        while self.is_used_up():
            await self._allowed.next.wait()

    def when_allowed(self, then: Callable[[], None]) -> None:
        """Call `then` once, when bytes are allowed."""
        self._waiting[then] = None

    def forget(self, then: Callable[[], None]) -> None:
        """It is not called any more."""
        self._waiting.pop(then, None)
