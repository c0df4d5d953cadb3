"""What the effects post."""

from __future__ import annotations

from collections.abc import Awaitable

from reactor.core import events


class Heard(list[events.Event]):
    """In the order in which it was posted."""

    async def of(self, work: Awaitable[None]) -> events.Event:
        """The one event that this leads to."""
        self.clear()
        await work
        (event,) = self
        return event
