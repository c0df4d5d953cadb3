"""What those beside a serving reactor may see of it: metrics, health checks, a page.

They ask when they want to know, or are told what only we notice. Nothing here costs anything until somebody does.
"""

from __future__ import annotations

from collections.abc import Callable

from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection
from reactor.daemon.effects.database import Rows
from reactor.errors import Aria2Error, DatabaseError

ANSWER_DEADLINE_S = 3.0
STARTING = "It has not started to serve yet."


class Vitals:
    """Handed to `serve`, which attaches itself."""

    def __init__(self) -> None:
        self.on_ring: Callable[[str], None] | None = None
        """Told which layer of the change feed has rung."""
        self.on_answer: Callable[[float], None] | None = None
        """Told after how many seconds aria2 has answered a request."""
        self.page: str | None = None
        """Where the page is, without its token; None: there is none."""
        self.metrics: str | None = None
        """Where the metrics are; None: nowhere."""
        self._aria2: Aria2Connection | None = None
        self._rows: Rows | None = None

    def attach(self, aria2: Aria2Connection, rows: Rows) -> None:
        """From now on there is something to see."""
        self._aria2, self._rows = aria2, rows
        aria2.on_answer, rows.on_ring = self.on_answer, self.on_ring

    async def aria2_trouble(self) -> str | None:
        """Ask aria2 for its version; a sentence when it does not answer, else None."""
        if self._aria2 is None:
            return STARTING
        try:
            await self._aria2.call(methods.get_version(), deadline_s=ANSWER_DEADLINE_S)
        except Aria2Error as error:
            return error.message
        return None

    async def database_trouble(self) -> str | None:
        """Read from the database on the reactor's own connection; a sentence when that fails, else None.

        May wait for as long as the database does."""
        if self._rows is None:
            return STARTING
        try:
            await self._rows.database.run(
                lambda connection: connection.execute("SELECT 1 FROM downloads LIMIT 1").fetchall()
            )
        except DatabaseError as error:
            return error.message
        return None
