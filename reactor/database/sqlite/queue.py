"""`reactor.database.table` on SQLite."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import aiosqlite

from reactor.database.sql.queue import SqlOperations, SqlTable
from reactor.database.sql.statements import instance_of
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.connection import Database, in_thread_of
from reactor.database.sqlite.statements import within
from reactor.database.table import Change, RowOperations, Table

if TYPE_CHECKING:
    from reactor.database.jars import Jars

P = ParamSpec("P")
Result = TypeVar("Result")


class SqliteTable(SqlTable):
    """Table on an open database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.run)
        self._database = database

    def changes(self, poll_interval_s: float) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return ChangeFeed(self._database, poll_interval=poll_interval_s)

    async def jars(self) -> Jars:
        from reactor.database.jars import Jars  # most bots have none

        return Jars(self._database.file, await self._run(instance_of))


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

    return SqlOperations(run)


def sync_operations_within(connection: sqlite3.Connection) -> RowOperations:
    """As `reactor.database.engine.sync_within`."""

    async def run(
        function: Callable[Concatenate[sqlite3.Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        return within(connection, function, *args, **more)

    return SqlOperations(run)
