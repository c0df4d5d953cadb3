"""`reactor.database.table` on SQLite."""

from __future__ import annotations

import builtins
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import aiosqlite

from reactor.database.presence import Presence
from reactor.database.sql import defaults, overview, owners, presence, sessions, table
from reactor.database.sql.connection import Runner
from reactor.database.sql.statements import instance_of
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.connection import Database, in_thread_of
from reactor.database.sqlite.statements import within
from reactor.database.table import LIST_MAX, Change, ChangeCursor, Counts, Overview, RowOperations, Story, Table
from reactor.models import Download, OwnerAccount, Position

if TYPE_CHECKING:
    from reactor.database.jars import Jars
    from reactor.database.sql.published import PublishedRows

P = ParamSpec("P")
Result = TypeVar("Result")


class SqliteOperations:
    """RowOperations on a connection that `run` reaches."""

    def __init__(self, run: Runner) -> None:
        self._run = run

    async def add(self, url: str, own_columns: Mapping[str, Any]) -> int:
        return await self._run(table.add, url, own_columns)

    async def cancel(self, id: int) -> bool:
        return await self._run(table.mark_cancelled, id)

    async def retry(self, id: int) -> bool:
        return await self._run(table.retry, id)

    async def choose(self, id: int, codes: Sequence[str]) -> bool:
        return await self._run(table.choose, id, codes)

    async def remove(self, id: int) -> bool:
        return await self._run(table.remove, id)

    async def set_defaults(self, owner: str | int | None, options: str | None) -> None:
        await self._run(defaults.put, owner, options)

    async def defaults(self, owner: str | int | None) -> dict[str, Any]:
        return await self._run(defaults.get, owner)

    async def set_weight(self, owner: str | int | None, weight: float) -> None:
        await self._run(owners.set_weight, owner, weight)

    async def get(self, id: int) -> Download | None:
        return await self._run(table.get_download, id)

    async def children(self, id: int) -> builtins.list[Download]:
        return await self._run(table.children, id)

    async def list(self, status: str | None = None, limit: int = LIST_MAX) -> builtins.list[Download]:
        if status is None:
            return await self._run(table.list_downloads, limit)
        return await self._run(table.get_downloads_by_status, status, limit)


class SqliteTable(SqliteOperations):
    """Table on an open database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.run)
        self._database = database

    async def count(self, status: str | None = None) -> int:
        return await self._run(table.count, status)

    async def folded(self, limit: int = LIST_MAX) -> tuple[builtins.list[Download], int]:
        return await self._run(table.folded, limit)

    async def entries(self, id: int, offset: int = 0, limit: int = LIST_MAX) -> tuple[builtins.list[Download], int]:
        return await self._run(table.entries, id, offset, limit)

    async def counts(self) -> Counts:
        return await self._run(overview.counts)

    async def overview(self, shown_max: int) -> Overview:
        return await self._run(overview.overview, shown_max)

    async def position(self, id: int) -> Position | None:
        from reactor.database.sql import position  # with it comes the core's rule, which a bot seldom needs

        return await self._run(position.position, id)

    async def owners(self, limit: int = LIST_MAX) -> builtins.list[OwnerAccount]:
        return await self._run(owners.owners, limit)

    async def story(self, id: int) -> Story | None:
        from reactor.database.sql import story

        return await self._run(story.story, id)

    async def presence(self) -> Presence | None:
        return await self._run(presence.read)

    async def changed(self, cursor: ChangeCursor) -> builtins.list[Download]:
        return await self._run(table.changed, cursor)

    async def changed_among(self, cursor: ChangeCursor, ids: Sequence[int]) -> dict[int, Download | None]:
        return await self._run(table.changed_among, cursor, ids)

    def changes(self, poll_interval_s: float) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return ChangeFeed(self._database, poll_interval=poll_interval_s)

    async def jars(self) -> Jars:
        from reactor.database.jars import Jars  # most bots have none

        return Jars(self._database.file, await self._run(instance_of))

    async def published(self) -> PublishedRows:
        from reactor.database.sql.published import PublishedRows  # bots have nothing to do with it

        return PublishedRows(self._database.run, await self._run(instance_of))

    async def ended_sessions(self) -> dict[str, int]:
        return await self._run(sessions.ended)

    async def end_session(self, session: str, until: int, now: float) -> None:
        await self._run(sessions.end, session, until, now)


@asynccontextmanager
async def open_table(
    path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False
) -> AsyncIterator[Table]:
    """As `reactor.database.engine.open_table`."""
    async with Database.open(path, create=create, read_only=read_only) as database:
        yield SqliteTable(database)


def operations_within(connection: aiosqlite.Connection) -> RowOperations:
    """As `reactor.database.engine.within`."""

    async def run(
        function: Callable[Concatenate[sqlite3.Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        return await in_thread_of(connection, lambda: within(connection._conn, function, *args, **more))

    return SqliteOperations(run)


def sync_operations_within(connection: sqlite3.Connection) -> RowOperations:
    """As `reactor.database.engine.sync_within`."""

    async def run(
        function: Callable[Concatenate[sqlite3.Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        return within(connection, function, *args, **more)

    return SqliteOperations(run)
