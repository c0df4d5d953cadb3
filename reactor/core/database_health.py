"""A database that cannot be used for a while: the world is told once, and when it can be used again."""

from __future__ import annotations

from reactor import notices
from reactor.core import commands
from reactor.core.context import Commands

POLL_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""After a poll that failed: how long until the next one."""


class DatabaseHealth:
    """What is known of it."""

    def __init__(self) -> None:
        self._told = False
        self._polls_failed = 0

    def failed(self, reason: str) -> Commands:
        """It cannot be used now."""
        told, self._told = self._told, True
        return [] if told else [commands.Tell(notices.DatabaseTroubled(reason=reason))]

    def poll_failed(self) -> float:
        """Seconds until the next poll."""
        pause = POLL_AGAIN_S[min(self._polls_failed, len(POLL_AGAIN_S) - 1)]
        self._polls_failed += 1
        return pause

    def answers(self) -> Commands:
        """It can be used."""
        told, self._told, self._polls_failed = self._told, False, 0
        return [commands.Tell(notices.DatabaseRecovered())] if told else []
