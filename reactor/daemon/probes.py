"""Probes into a running reactor, for metrics, health checks and the page."""

from __future__ import annotations

from collections.abc import Callable

from reactor.aria2 import methods
from reactor.aria2.router import Aria2Router
from reactor.daemon.effects.database import Rows
from reactor.errors import Aria2Error, DatabaseError

ANSWER_DEADLINE_S = 3.0
STARTING = "It has not started to serve yet."


class Probes:
    """Created before `serve`, which attaches its connections to it."""

    def __init__(self) -> None:
        self.on_change: Callable[[str], None] | None = None
        """Called with the layer of the change feed that reported a change."""
        self.on_answer: Callable[[float], None] | None = None
        """Called with the seconds that aria2 took to answer a request."""
        self.page: str | None = None
        """URL of the page, without its token; None: off."""
        self.metrics: str | None = None
        """URL of the metrics; None: off."""
        self._aria2: Aria2Router | None = None
        self._rows: Rows | None = None

    def attach(self, aria2: Aria2Router, rows: Rows) -> None:
        """Probe these connections from now on."""
        self._aria2, self._rows = aria2, rows
        aria2.on_answer, rows.on_change = self.on_answer, self.on_change

    async def aria2_trouble(self) -> str | None:
        """Why aria2 cannot be used, as a sentence; None when it answers."""
        if self._aria2 is None:
            return STARTING
        try:
            await self._aria2.call(methods.get_version(), deadline_s=ANSWER_DEADLINE_S)
        except Aria2Error as error:
            return error.message
        return None

    async def database_trouble(self) -> str | None:
        """Why the database cannot be read, as a sentence; None when it can.

        Uses the reactor's own connection; waits as long as that does."""
        if self._rows is None:
            return STARTING
        try:
            await self._rows.store.check()
        except DatabaseError as error:
            return error.message
        return None
