"""The bot's side of the queue: rows in, rows out. `Store` is the daemon's side.

Every method is one transaction. Each raises DatabaseError when the database cannot be used; `retryable` says whether
the same may succeed later. The codes stand in `contract.py`.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from reactor.database.presence import Machine, Presence
from reactor.models import Download, OwnerAccount, Position
from reactor.records import dataclass

if TYPE_CHECKING:
    from reactor.database.jars import Jars
    from reactor.database.published import PublishedFiles

LIST_MAX = 1000
"""Rows that `list` returns when it is not told how many."""

Change = Literal["hook", "file", "notify", "poll", "replaced"]
"""How a change was noticed: by a write of this connection, an event of the file system, a word of the server, or a
poll. `replaced`: another database stands under the name, and the one that is open is closed."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The rows that are not over, or have failed."""

    pending: int
    """Those that may begin."""
    waiting: int
    """Pending ones that wait for their retry."""
    downloading: int
    oldest_s: float
    """Age of the oldest dated row that was never begun, in seconds; 0 when there is none."""
    failed: int = 0
    choosing: int = 0
    """Those that ask what is to be fetched."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The table as an operator sees it: a list is one row, that of its parent, here and in the counts."""

    counts: Counts
    under_way: tuple[Download, ...]
    queued: tuple[Download, ...]
    """Those that are next, in the order in which they are served."""
    choosing: tuple[Download, ...]
    """Those that ask what is to be fetched; first the one whose time is over first."""
    failed: tuple[Download, ...]
    """The latest failures, the last one first."""
    ended: tuple[Download, ...]
    """The latest other rows that are over, newest first."""
    served: Presence | None
    """The reactor that serves them, or did last."""
    places: Mapping[int, Position] = field(default_factory=dict)
    """Where those that are queued stand, as far as that is known."""

    @property
    def over(self) -> tuple[Download, ...]:
        """Both, newest first."""
        return tuple(sorted((*self.failed, *self.ended), key=lambda row: row.id, reverse=True))


@dataclass(frozen=True, slots=True)
class Try:
    """How one try of a row ended that did not end well."""

    attempt: int
    at: float
    """Seconds since the epoch."""
    code: str
    sentence: str
    again_s: float | None
    """Seconds until it was to be tried again; None: not by itself."""


@dataclass(frozen=True, slots=True)
class Story:
    """One row, with what the database knows of it beside the row."""

    row: Download
    tries: tuple[Try, ...]
    """Oldest first."""
    crashes: int
    """How often in succession the process has died while it worked on this row."""
    parent: Download | None = None
    """The list that it is an entry of, as far as that is there."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """Of a list: how many of its entries failed, by code, the commonest first."""
    position: Position | None = None
    """Of one that waits."""


@dataclass(slots=True)
class ChangeCursor:
    """Up to where a reader has followed the rows. Belongs to one reader, and may be used on with the database that
    replaced the first one."""

    live: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    """The rows that were not over, as they were read last; where it follows certain rows, those, and `()` for one that
    was not there."""
    last_id: int = -1
    """The highest id that was seen; -1: nothing was read yet."""


class RowOperations(Protocol):
    """What a bot does with rows. On a connection of the bot's own it happens in the transaction that is open there."""

    async def add(self, url: str, own_columns: Mapping[str, Any]) -> int:
        """Add a row, with values for the bot's own columns; returns its id. The row is `pending` unless `own_columns`
        has a `status`.

        Raises DatabaseError for a column that the table does not have, a value that it cannot store, a table that
        lacks the contract's columns, and when a trigger of the table dropped the row."""
        ...

    async def cancel(self, id: int) -> bool:
        """Request a stop, of a list's entries too. False when there is no such row, or it is over, or its status is not
        reactor's."""
        ...

    async def retry(self, id: int) -> bool:
        """Queue a failed or cancelled row again, as if it were new; only its attempt goes on counting. The same of a
        list that is `partial`: it is read again, and its entries that were not downloaded are retried. False when
        it is none of these."""
        ...

    async def children(self, id: int) -> builtins.list[Download]:
        """The rows of a list's entries, in the order of the list."""
        ...

    async def choose(self, id: int, codes: Sequence[str]) -> bool:
        """Answer the question of a row that is `choosing`, or has failed and says what would help: its options say from
        now on what was chosen, and it is queued again. Without a code the default is taken. False when it asks nothing.

        Raises DownloadError (`bad_options`) for a code that is not among its choices."""
        ...

    async def remove(self, id: int) -> bool:
        """Delete a row. False when there is none."""
        ...

    async def set_defaults(self, owner: str | int | None, options: str | None) -> None:
        """What the rows of an owner (None: rows without one) ask for from now on unless they say otherwise, as the
        column `options` has it; None: nothing."""
        ...

    async def defaults(self, owner: str | int | None) -> dict[str, Any]:
        """What was set so; `{}` where there is nothing."""
        ...

    async def set_weight(self, owner: str | int | None, weight: float) -> None:
        """The share of an owner (None: of rows without one) from now on. Raises DatabaseError for one that is not from
        0.01 to 100."""
        ...

    async def get(self, id: int) -> Download | None:
        """One row; None when there is none."""
        ...

    async def list(self, status: str | None = None, limit: int = LIST_MAX) -> builtins.list[Download]:
        """The latest `limit` rows, oldest first: all, or those with one status."""
        ...


class Table(RowOperations, Protocol):
    """The open queue."""

    async def count(self, status: str | None = None) -> int:
        """How many rows there are, all or with one status. Its cost grows with the table."""
        ...

    async def folded(self, limit: int = LIST_MAX) -> tuple[builtins.list[Download], int]:
        """The latest `limit` rows, oldest first, without entries of lists that are there; and how many there are.
        The cost grows with the table."""
        ...

    async def entries(self, id: int, offset: int = 0, limit: int = LIST_MAX) -> tuple[builtins.list[Download], int]:
        """`limit` of the rows of a list's entries, in its order, from the one after `offset`; and how many there
        are."""
        ...

    async def counts(self) -> Counts:
        """How many rows are not over or have failed, and the age of the oldest."""
        ...

    async def overview(self, shown_max: int) -> Overview:
        """At most `shown_max` rows of each kind, and the counts. Its cost does not grow with the rows that are over."""
        ...

    async def position(self, id: int) -> Position | None:
        """Where a row stands among those that wait, and why it waits; None for one that does not. It reads all rows
        that wait, by an index."""
        ...

    async def owners(self, limit: int = LIST_MAX) -> builtins.list[OwnerAccount]:
        """Owners that have rows which are not over, or another weight than 1; first those with the most rows. It reads
        all rows that are not over."""
        ...

    async def machines(self) -> builtins.list[Machine]:
        """Those that serve the queue, or did within the last week, by name; none where the engine lets one reactor
        serve only."""
        ...

    async def drain(self, name: str, draining: bool) -> bool:
        """Have a machine claim nothing more, or claim again. False when there is none of this name. Raises
        DatabaseError where the engine lets one reactor serve only."""
        ...

    async def story(self, id: int) -> Story | None:
        """One row with its tries and its place in the queue; None when there is none."""
        ...

    async def presence(self) -> Presence | None:
        """The reactor that serves the database, or did last; None where none has."""
        ...

    async def changed(self, cursor: ChangeCursor) -> builtins.list[Download]:
        """The rows that changed since this cursor was used last, by id; the first time every row that is not over.
        Deleted rows are not among them. Its cost does not grow with the rows that are over."""
        ...

    async def changed_among(self, cursor: ChangeCursor, ids: Sequence[int]) -> dict[int, Download | None]:
        """Those of these rows that changed since this cursor was used last, the first time each; None: it is not
        there. Its cost grows with `ids` only."""
        ...

    def changes(self, poll_interval_s: float) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """A feed that yields after commits of anybody, at least once after each burst of them.

        What is committed after the context was entered is told; so read inside it once, then follow. `replaced` is the
        last item, when another database stands under the name: the Table is closed then, open it anew.
        `poll_interval_s` is the longest delay where the system tells nothing (a network disk)."""
        ...

    async def jars(self) -> Jars:
        """The cookies that owners of rows have left with it."""
        ...

    async def published(self) -> PublishedFiles:
        """What was published for rows, for retention."""
        ...

    async def ended_sessions(self) -> dict[str, int]:
        """Sessions of the page that were ended early, with the moment (seconds since the epoch) at which each would
        have ended by itself."""
        ...

    async def end_session(self, session: str, until: int, now: float) -> None:
        """End a session of the page that would have lasted to `until`; sessions that are over at `now` are forgotten.
        Moments are seconds since the epoch."""
        ...
