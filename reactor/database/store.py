"""The daemon's side of the queue: whose turn it is, and what becomes of it. `Table` is the bot's side.

Who may write what is decided by fencing: each claim raises the row's `attempt`, and every later write carries that
number. A write changes its row only while the row still has this attempt, is `downloading`, and is not cancelled; so a
cancel that was committed first always wins, and whoever lost a row changes nothing.

Every method is one transaction, or reads only. Each raises DatabaseError when the database cannot be used: `retryable`
when the same may succeed later. The codes stand in `contract.py`; with `REPLACED` another database stands under the
name, nothing was done, and the Store has to be opened anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from typing import Protocol

from reactor.core.commands import PollRows, ReadPlan, Save
from reactor.core.events import LeaseRenewed, PlanRead, Recovered, RowsPolled, SaveRejected, SaveStale, TakenOver
from reactor.core.turns import Caps
from reactor.database.jars import Jars
from reactor.database.mirror import MirrorMended, MirrorTrouble
from reactor.database.presence import Presence
from reactor.database.published import PublishedFiles
from reactor.database.table import Change
from reactor.errors import Failure
from reactor.plan import Brought, Detection
from reactor.records import dataclass
from reactor.row_options import ReadOptions, asked_of

Unsaved = SaveStale | SaveRejected
ByText = Callable[[str], Detection | None]


def not_told(url: str) -> None:
    """For those who do not look at the text of URLs."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What a poll found and claimed."""

    rows: RowsPolled
    stuck: Mapping[int, Failure] = field(default_factory=dict)
    """Rows that the table lets neither be claimed nor fail, by id, with the reason. They were passed over."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What an earlier process left."""

    found: Recovered
    planned: frozenset[int]
    """The ids of rows that have a plan: their staging folders belong to somebody."""


@dataclass(frozen=True, slots=True)
class UnservedStatus:
    """Rows that have the same status, which is not reactor's and looks like another word for `pending`."""

    status: str | None
    """None: NULL, where the column has a default, so that somebody has written it."""
    count: int
    """At most 10 000, which then means that many or more."""
    download_id: int
    """The id of the first."""


@dataclass(frozen=True, slots=True)
class Unserved:
    """What a bot has written that is never served."""

    statuses: tuple[UnservedStatus, ...]
    """The commonest first."""
    table: str | None
    """Another table that looks like the bot's queue, while `downloads` has no row."""
    mirrors: tuple[MirrorTrouble, ...] = ()
    """Tables that are attached no longer, though they should be."""
    mended: tuple[MirrorMended, ...] = ()
    """What was mended since this was asked last."""


class Store(Protocol):
    """The open queue, as a process that serves it has it. It fits the contract: opening it added what was missing, and
    refused a table that no download could go through."""

    @property
    def instance(self) -> str:
        """The database's own id: gids and staging folders derive from it."""
        ...

    @property
    def created(self) -> bool:
        """True when there was no such database before it was opened."""
        ...

    @property
    def jars(self) -> Jars:
        """The cookies that owners of rows have left with it."""
        ...

    @property
    def published(self) -> PublishedFiles:
        """What was published for rows, for retention."""
        ...

    async def join(self) -> None:
        """This process begins to serve. If the one before ended without `leave`, the rows it worked on are counted as
        a crash of theirs. To be called once in a process's life, before `recover`."""
        ...

    async def allow(self, caps: Caps, now: float) -> None:
        """From now on owners may have so much in a day: rows that were put off because of other quotas may begin. To be
        called before `recover`."""
        ...

    async def leave(self) -> None:
        """This process ends as it was asked to: no row is counted as the cause. What it has under way waits for other
        machines at once, where there are any; else it stays for the next start."""
        ...

    async def recover(self, read: ReadOptions = asked_of) -> Recovery:
        """Read the rows an earlier process had under way, with their plans and options, and what it left of rows that
        are over. A row that was there at two crashes in succession comes without its plan, and `held`."""
        ...

    async def unnamed(self, published: Mapping[int, str]) -> frozenset[int]:
        """Rows that name another file than the one published for them here, or none, where several machines serve: it
        was published by an attempt that was taken over before it could say so. A row that is gone is none of them."""
        ...

    async def poll(
        self,
        command: PollRows,
        now: float,
        retry_max_s: float,
        by_text: ByText = not_told,
        read: ReadOptions = asked_of,
    ) -> Polled:
        """Carry out a PollRows: read the rows that are watched, end those that were cancelled before they began, and
        claim the next ones that are due.

        `now` is in seconds since the epoch. `retry_max_s` is the longest wait that the settings allow: a row that would
        wait for longer is due, since the clock was set back. `by_text` says the kind of a URL where the text tells it:
        such a row is claimed as `extracting`, and comes with its `detection`; any other one as `detecting`. `read` says
        what a row's options ask for. The order is that of `contract.in_turn`, and where rows have owners that of
        `core.turns`, of each owner's rows the other one. A row that the table does not let be
        claimed fails, with the reason, and holds up no other. Waits for other writers only when there is something to
        write."""
        ...

    async def find_same(self, media_key: str, owner: str | None, besides: int) -> tuple[Brought, ...]:
        """What the latest rows of this owner (None: of nobody's) have brought that has this key, the latest first,
        `besides` not counted."""
        ...

    async def read_plan(self, command: ReadPlan, read: ReadOptions = asked_of) -> PlanRead | None:
        """The row of a held attempt with its plan; None when the row is not under way in this attempt any more."""
        ...

    async def save(self, saves: Sequence[Save], now: float) -> tuple[Unsaved, ...]:
        """Commit these in one transaction; `now` is in seconds since the epoch. A save extends its row's lease.

        Returns an event for each attempt of which something was not written: SaveStale when the row is in another
        state (cancelled, deleted, in another attempt), SaveRejected when a constraint or a trigger of the table does
        not let it in, or a plan is too large. The other saves are committed all the same. Progress of a row in another
        state is dropped without an event. Either all of it is committed, or DatabaseError is raised and nothing is."""
        ...

    async def renew(self, presence: Presence) -> None:
        """Say that this process serves, or with `stopped` that it has ended. Replaces the record of the process
        before."""
        ...

    @property
    def leased(self) -> bool:
        """True where several machines may serve the queue: what this one has under way is its own only for as long as
        it renews its lease."""
        ...

    async def renew_lease(self) -> LeaseRenewed:
        """Renew this machine's lease, by one statement, which also says whether there is something to take over. Raises
        DatabaseInUse when another process has this machine's name now."""
        ...

    async def take_over(self) -> TakenOver:
        """Have a batch of the rows of machines whose lease has run out wait again, for any machine."""
        ...

    async def unserved(self) -> Unserved:
        """Rows and tables that look like requests and are never served. Its cost does not grow with the rows that are
        over."""
        ...

    async def check(self) -> None:
        """Read one row, and nothing else: raises DatabaseError when that cannot be done."""
        ...

    def changes(
        self, poll_interval_s: float, on_fallback: Callable[[str], None]
    ) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """A feed that yields after commits of bots; the Store's own saves do not ring. As `Table.changes`.

        `on_fallback` is called once, with the reason, where changes can only be found by polling."""
        ...

    def hurry(self) -> None:
        """The process is about to end: from now on wait for no other writer."""
        ...

    async def close(self) -> None:
        """Close it now; a second call does nothing."""
        ...
