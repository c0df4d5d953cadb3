"""A bell: each time it rings all who wait for that are woken."""

from __future__ import annotations

import anyio


class Bell:
    """Who waits takes `next` before looking at what it is about: a ring meanwhile is not lost."""

    def __init__(self) -> None:
        self.next = anyio.Event()
        """Is set when it rings next."""

    def ring(self) -> None:
        """Wake them."""
        self.next.set()
        self.next = anyio.Event()
