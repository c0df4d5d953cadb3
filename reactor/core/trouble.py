"""A database that cannot be used for a while: the world is told once, and when it can be used again."""

from __future__ import annotations

from reactor import notices
from reactor.core.endings import Endings

LOOK_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""After a look that failed: how long until the next one."""


class Trouble:
    """What is known of it."""

    def __init__(self, flow: Endings) -> None:
        self._flow = flow
        self._told = False
        self._looks_failed = 0

    def tell(self, reason: str) -> None:
        """It cannot be used now."""
        if not self._told:
            self._flow.tell(notices.DatabaseTroubled(reason=reason))
        self._told = True

    def look_failed(self) -> float:
        """When to look again."""
        pause = LOOK_AGAIN_S[min(self._looks_failed, len(LOOK_AGAIN_S) - 1)]
        self._looks_failed += 1
        return self._flow.now + pause

    def over(self) -> None:
        """It answers."""
        self._looks_failed = 0
        if self._told:
            self._told = False
            self._flow.tell(notices.DatabaseRecovered())
