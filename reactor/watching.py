"""Watches of single rows, which share one read of all their rows for each change.

A read for each watch would cost a bot with a thousand of them a tenth of a second for each change, on the loop that its
chats wait for too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable

from reactor.concurrency.bell import Bell
from reactor.database.table import ChangeCursor, Table
from reactor.errors import DatabaseError
from reactor.models import Download

AT_ONCE = 200
"""Rows of one read: what it holds the interpreter for is a millisecond or two."""


class Watch:
    """What one watch was told last."""

    def __init__(self) -> None:
        self._told = Bell()
        self._row: Download | None = None
        self._new = False
        self._failure: DatabaseError | None = None
        self._over = False

    def tell(self, row: Download | None) -> None:
        """The row as it is now; None: it is not there."""
        self._row, self._new = row, True
        self._told.ring()

    def end(self, failure: DatabaseError | None = None) -> None:
        """Nothing more is told."""
        self._failure, self._over = failure, True
        self._told.ring()

    async def rows(self) -> AsyncGenerator[Download | None, None]:
        """What is told: the latest, where there is more than one. Raises what it has failed with."""
        while True:
            told = self._told.next
            if self._new:
                self._new = False
                yield self._row
            elif self._failure is not None:
                raise self._failure
            elif self._over:
                return
            else:
                await told.wait()


class Watches:
    """All watches of a queue, by their rows."""

    def __init__(self) -> None:
        self.bell = Bell()
        """Rings when there is something to look for."""
        self._watches = defaultdict[int, list[Watch]](list)
        self._seen = ChangeCursor()

    def enter(self, id: int) -> Watch:
        """A new one. It is told of its row at the next look."""
        watch = Watch()
        self._watches[id].append(watch)
        self._seen.live.pop(id, None)
        self.bell.ring()
        return watch

    def leave(self, id: int, watch: Watch) -> None:
        """It has seen enough."""
        self._watches[id].remove(watch)
        if not self._watches[id]:
            del self._watches[id]
            self._seen.live.pop(id, None)

    async def look(self, table: Table) -> Iterable[int]:
        """Tell of the rows that are otherwise than they were told, and return their ids. Raises DatabaseError; what was
        read until then is told."""
        ids, told = list(self._watches), list[int]()
        for begin in range(0, len(ids), AT_ONCE):
            found = await table.changed_among(self._seen, ids[begin : begin + AT_ONCE])
            for id, row in found.items():
                for watch in self._watches.get(id, ()):
                    watch.tell(row)
            told += found
        return told

    def end(self, failure: DatabaseError | None = None) -> None:
        """End all that are there."""
        for watches in self._watches.values():
            for watch in watches:
                watch.end(failure)
