"""`reactor.database.store` on PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import cast

from reactor.core import commands
from reactor.core.commands import PollRows, Save
from reactor.core.events import LeaseRenewed, TakenOver
from reactor.database.jars import Jars
from reactor.database.mirror import MirrorMended
from reactor.database.postgres import claims, machines, mirrors
from reactor.database.postgres.changes import ChangeFeed
from reactor.database.postgres.compatibility import fit_checked
from reactor.database.postgres.connection import Database, PostgresConnection
from reactor.database.postgres.migration import fit
from reactor.database.postgres.queue import jars_of
from reactor.database.presence import Presence
from reactor.database.sql import admission, downloads, saving
from reactor.database.sql.connection import Connection, Runner, ring
from reactor.database.sql.store import SqlStore
from reactor.database.sql.unserved import unserved_statuses, unserved_table
from reactor.database.store import ByText, Polled, Recovery, Store, Unsaved, Unserved, not_told
from reactor.database.table import Change
from reactor.row_options import ReadOptions, asked_of
from reactor.server_address import ServerAddress

QUIET = (commands.SaveProgress, commands.ChargeOwner, commands.ForgetPlan, commands.ForgetCrashes, commands.SaveTakenUp)
"""Saves for which nobody is woken: there are many of them, and whoever waits for a row looks at it every second."""


def _poll(
    session: str,
    connection: PostgresConnection,
    command: PollRows,
    owner: str,
    now: float,
    retry_max_s: float,
    by_text: ByText,
    read: ReadOptions,
    owner_column: str | None,
) -> Polled:
    how = by_text, read, owner_column
    if not command.claim:
        return downloads.poll_rows(connection, command, owner, now, retry_max_s, *how)
    may_claim = machines.may_claim(connection, owner, session)
    if owner_column is None:
        quickly = claims.poll(connection, command, owner, now, retry_max_s, by_text, read, may_claim)
        if quickly is not None:
            return quickly
    seen = downloads.poll_rows(connection, command, owner, now, retry_max_s, *how, may_claim)
    connection.has_claimed = bool(seen.rows.claimed)
    return seen


def _save(connection: Connection, saves: Sequence[Save], now: float) -> tuple[Unsaved, ...]:
    if not all(isinstance(save, QUIET) for save in saves):
        ring(connection)
    return saving.apply(connection, saves, now)


class PostgresStore(SqlStore[Database]):
    """Store on an open database."""

    _save = staticmethod(_save)

    def __init__(self, database: Database, owner: str, owner_column: str | None, renewals: Database) -> None:
        """`renewals`: the same database, by a connection on which nothing else is waited for."""
        super().__init__(database, owner, owner_column)
        self._renewals = renewals
        self._session = secrets.token_hex(16)
        self._poll = partial(_poll, self._session)
        self._mirrored, self._mended = False, list[MirrorMended]()

    @property
    def _run(self) -> Runner:
        """For what is PostgreSQL's own."""
        return cast("Runner", self._database.run)

    async def register(self) -> None:
        """This process serves as the machine `owner`, from now on."""
        await self._database.run(machines.register, self._owner, self._session)
        self._mended += await self._run(mirrors.refresh)
        self._mirrored = bool(await self._run(mirrors.stored))

    async def renew(self, presence_now: Presence) -> None:
        await self._database.run(machines.introduce, self._owner, self._session, json.dumps(asdict(presence_now)))

    @property
    def leased(self) -> bool:
        return True

    async def renew_lease(self) -> LeaseRenewed:
        return await self._renewals.run(machines.renew, self._owner, self._session)

    async def take_over(self) -> TakenOver:
        return await self._database.run(machines.take_over)

    async def unnamed(self, published: Mapping[int, str]) -> frozenset[int]:
        named = await self._database.run(machines.named, list(published))
        return frozenset(id for id, path in named.items() if path != published[id])

    async def leave(self) -> None:
        await super().leave()
        await self._database.run(machines.leave, self._owner, self._session)

    async def recover(self, read: ReadOptions = asked_of) -> Recovery:
        """With an id of this machine's own: two machines may have one disk, or one aria2c."""
        found = await super().recover(read)
        own = hashlib.sha256(f"{self.instance}\0{self._owner}".encode()).hexdigest()[:32]
        return replace(found, found=replace(found.found, instance=own))

    @property
    def jars(self) -> Jars:
        return jars_of(self._database)

    async def poll(
        self,
        command: PollRows,
        now: float,
        retry_max_s: float,
        by_text: ByText = not_told,
        read: ReadOptions = asked_of,
    ) -> Polled:
        if self._mirrored:
            self._mended += await self._run(mirrors.keep)
        return await super().poll(command, now, retry_max_s, by_text, read)

    async def unserved(self) -> Unserved:
        """Also finds out that a table was attached, or detached, meanwhile."""
        self._mirrored, found = await self._run(_unserved)
        mended = tuple(self._mended)
        self._mended.clear()
        return replace(found, mended=mended)

    def changes(
        self, poll_interval_s: float, on_fallback: Callable[[str], None]
    ) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return ChangeFeed(self._database, poll_interval_s, on_fallback)


def _unserved(connection: PostgresConnection) -> tuple[bool, Unserved]:
    """Whether any table is attached, and what is not served."""
    shared, attached = cast("Connection", connection), {mirror.table for mirror in mirrors.stored(connection)}
    statuses, table = tuple(unserved_statuses(shared)), unserved_table(shared, attached)
    return bool(attached), Unserved(statuses, table, tuple(mirrors.troubles(connection)))


@asynccontextmanager
async def open_store(
    address: ServerAddress, *, owner: str, create: bool = True, owner_column: str | None = None
) -> AsyncIterator[Store]:
    """As `reactor.database.engine.open_store`."""
    async with (
        Database.open(address, fit_checked, create=create, machine=owner) as database,
        Database.open(address, fit, create=False, machine=owner) as renewals,
    ):
        await database.run(admission.check_column, owner_column)
        opened = PostgresStore(database, owner, owner_column, renewals)
        await opened.register()
        yield opened
