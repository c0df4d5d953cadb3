"""`reactor.database.store` by the statements that engines share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from reactor.core.commands import PollRows, ReadPlan, Save
from reactor.core.events import LeaseRenewed, PlanRead, TakenOver
from reactor.core.turns import Caps
from reactor.database.presence import Presence
from reactor.database.sql import crashes, downloads, plans, presence, saving, turns
from reactor.database.sql.connection import Connection, Runner
from reactor.database.sql.published import PublishedRows
from reactor.database.store import ByText, Polled, Recovery, Unsaved, not_told
from reactor.plan import Brought
from reactor.row_options import ReadOptions, asked_of


class Database(Protocol):
    """An engine's open database."""

    instance: str
    created: bool

    @property
    def run(self) -> Runner:
        """Calls a function where its connection lives."""
        ...

    def hurry(self) -> None:
        """As of a Store."""
        ...

    async def close(self) -> None:
        """As of a Store."""
        ...


D = TypeVar("D", bound=Database)


class SqlStore(Generic[D]):
    """Store on an open database, but for what each engine does its own way: `jars`, `unserved` and `changes`."""

    _poll: Callable[..., Polled] = staticmethod(downloads.poll_rows)
    _save: Callable[..., tuple[Unsaved, ...]] = staticmethod(saving.apply)
    """What is called with the connection first."""

    def __init__(self, database: D, owner: str, owner_column: str | None = None) -> None:
        """`owner` names this process in the rows that it claims, `owner_column` a column of the bot's."""
        self._database, self._owner, self._owner_column = database, owner, owner_column

    @property
    def instance(self) -> str:
        return self._database.instance

    @property
    def created(self) -> bool:
        return self._database.created

    @property
    def _promptly(self) -> Runner:
        """For what takes microseconds."""
        return self._database.run

    @property
    def published(self) -> PublishedRows:
        return PublishedRows(self._database.run, self.instance)

    async def join(self) -> None:
        await self._database.run(downloads.count_crashes)

    async def allow(self, caps: Caps, now: float) -> None:
        await self._database.run(turns.allow, caps, now)

    async def leave(self) -> None:
        await self._database.run(crashes.leave)

    async def recover(self, read: ReadOptions = asked_of) -> Recovery:
        return await self._database.run(_recover, read)

    async def poll(
        self,
        command: PollRows,
        now: float,
        retry_max_s: float,
        by_text: ByText = not_told,
        read: ReadOptions = asked_of,
    ) -> Polled:
        how = by_text, read, self._owner_column
        seen = await self._promptly(self._poll, command, self._owner, now, retry_max_s, *how)
        again = any(row.attempt.number > 1 for row in seen.rows.claimed)
        # They are ours now: nobody has to wait while we read what was planned.
        return await self._database.run(downloads.with_plans, seen) if again else seen

    async def find_same(self, media_key: str, owner: str | None, besides: int) -> tuple[Brought, ...]:
        return await self._database.run(downloads.find_same, media_key, owner, besides)

    async def read_plan(self, command: ReadPlan, read: ReadOptions = asked_of) -> PlanRead | None:
        return await self._database.run(downloads.read_plan, command, read)

    async def save(self, saves: Sequence[Save], now: float) -> tuple[Unsaved, ...]:
        run = self._promptly if saving.is_brief(saves) else self._database.run
        return await run(self._save, saves, now)

    async def renew(self, presence_now: Presence) -> None:
        await self._database.run(presence.store, presence_now)

    @property
    def leased(self) -> bool:
        return False

    async def renew_lease(self) -> LeaseRenewed:
        return LeaseRenewed()

    async def take_over(self) -> TakenOver:
        return TakenOver()

    async def unnamed(self, published: Mapping[int, str]) -> frozenset[int]:
        return frozenset()

    async def check(self) -> None:
        await self._database.run(_read_one)

    def hurry(self) -> None:
        self._database.hurry()

    async def close(self) -> None:
        await self._database.close()


def _recover(connection: Connection, read: ReadOptions) -> Recovery:
    return Recovery(downloads.recover(connection, read), plans.owners(connection))


def _read_one(connection: Connection) -> None:
    connection.execute("SELECT 1 FROM downloads LIMIT 1").fetchall()
