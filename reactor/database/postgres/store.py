"""`reactor.database.store` on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from reactor.core import commands
from reactor.core.commands import PollRows, ReadPlan, Save
from reactor.core.events import PlanRead
from reactor.database.jars import Jars
from reactor.database.postgres.changes import ChangeFeed
from reactor.database.postgres.compatibility import fit_checked
from reactor.database.postgres.connection import Database
from reactor.database.postgres.queue import jars_of
from reactor.database.postgres.waking import NOTIFY
from reactor.database.presence import Presence
from reactor.database.sql import admission, crashes, downloads, plans, presence, saving
from reactor.database.sql.connection import Connection
from reactor.database.sql.published import PublishedRows
from reactor.database.sql.unserved import unserved_statuses, unserved_table
from reactor.database.store import ByText, Polled, Recovery, Store, Unsaved, Unserved, not_told
from reactor.database.table import Change
from reactor.models import Brought
from reactor.row_options import ReadOptions, asked_of
from reactor.server_address import ServerAddress

QUIET = (commands.SaveProgress, commands.ChargeOwner, commands.ForgetPlan, commands.ForgetCrashes, commands.SaveTakenUp)
"""Saves for which nobody is woken: there are many of them, and whoever waits for a row looks at it every second."""


class PostgresStore:
    """Store on an open database."""

    def __init__(self, database: Database, owner: str, owner_column: str | None = None) -> None:
        self._database, self._owner, self._owner_column = database, owner, owner_column

    @property
    def instance(self) -> str:
        return self._database.instance

    @property
    def created(self) -> bool:
        return self._database.created

    @property
    def jars(self) -> Jars:
        return jars_of(self._database)

    @property
    def published(self) -> PublishedRows:
        return PublishedRows(self._database.run, self.instance)

    async def join(self) -> None:
        await self._database.run(downloads.count_crashes)

    async def leave(self) -> None:
        await self._database.run(crashes.leave)

    async def recover(self, read: ReadOptions = asked_of) -> Recovery:
        return await self._database.run(
            lambda connection: Recovery(downloads.recover(connection, read), plans.owners(connection))
        )

    async def poll(
        self,
        command: PollRows,
        now: float,
        retry_max_s: float,
        by_text: ByText = not_told,
        read: ReadOptions = asked_of,
    ) -> Polled:
        how = by_text, read, self._owner_column
        return await self._database.run(_poll, command, self._owner, now, retry_max_s, *how)

    async def find_same(self, media_key: str, owner: str | None, besides: int) -> tuple[Brought, ...]:
        return await self._database.run(downloads.find_same, media_key, owner, besides)

    async def read_plan(self, command: ReadPlan, read: ReadOptions = asked_of) -> PlanRead | None:
        return await self._database.run(downloads.read_plan, command, read)

    async def save(self, saves: Sequence[Save], now: float) -> tuple[Unsaved, ...]:
        return await self._database.run(_save, saves, now)

    async def renew(self, presence_now: Presence) -> None:
        await self._database.run(presence.store, presence_now)

    async def unserved(self) -> Unserved:
        return await self._database.run(_unserved)

    async def check(self) -> None:
        await self._database.run(_read_one)

    def changes(
        self, poll_interval_s: float, on_fallback: Callable[[str], None]
    ) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return ChangeFeed(self._database, poll_interval_s, on_fallback)

    def hurry(self) -> None:
        self._database.hurry()

    async def close(self) -> None:
        await self._database.close()


def _poll(
    connection: Connection,
    command: PollRows,
    owner: str,
    now: float,
    retry_max_s: float,
    by_text: ByText,
    read: ReadOptions,
    owner_column: str | None,
) -> Polled:
    polled = downloads.poll(connection, command, owner, now, retry_max_s, by_text, read, owner_column)
    seen = polled.rows
    if seen.claimed or seen.swept or seen.rejected or seen.lists:
        connection.execute(NOTIFY)
    return polled


def _save(connection: Connection, saves: Sequence[Save], now: float) -> tuple[Unsaved, ...]:
    unsaved = saving.apply(connection, saves, now)
    if not all(isinstance(save, QUIET) for save in saves):
        connection.execute(NOTIFY)
    return unsaved


def _unserved(connection: Connection) -> Unserved:
    return Unserved(tuple(unserved_statuses(connection)), unserved_table(connection))


def _read_one(connection: Connection) -> None:
    connection.execute("SELECT 1 FROM downloads LIMIT 1").fetchall()


@asynccontextmanager
async def open_store(
    address: ServerAddress, *, owner: str, create: bool = True, owner_column: str | None = None
) -> AsyncIterator[Store]:
    """As `reactor.database.engine.open_store`."""
    async with Database.open(address, fit_checked, create=create, prepares=True) as database:
        await database.run(admission.check_column, owner_column)
        yield PostgresStore(database, owner, owner_column)
