"""`reactor.database.table` on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reactor.database.postgres import machines
from reactor.database.postgres.changes import ChangeFeed
from reactor.database.postgres.connection import Database
from reactor.database.postgres.migration import fit, fit_read_only, set_trigger
from reactor.database.postgres.waking import ringing
from reactor.database.sql.queue import SqlTable
from reactor.database.table import Change, Table
from reactor.server_address import ServerAddress

if TYPE_CHECKING:
    from reactor.database.jars import Jars
    from reactor.database.presence import Machine


class PostgresTable(SqlTable):
    """Table on an open database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.run, ringing(database.run))
        self._database = database

    def changes(self, poll_interval_s: float) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return ChangeFeed(self._database, poll_interval_s)

    async def machines(self) -> list[Machine]:
        return await self._database.run(machines.of_queue)

    async def drain(self, name: str, draining: bool) -> bool:
        return await self._database.run(machines.drain, name, draining)

    async def jars(self) -> Jars:
        return jars_of(self._database)


def jars_of(database: Database) -> Jars:
    """The cookies that owners of rows have left: on this machine, in the user's own folder, for there is no file that
    they could stand beside."""
    from reactor.database.jars import Jars  # most bots have none

    folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "reactor"
    file = folder / database.instance
    with suppress(OSError):  # whoever puts a jar there is told
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)  # whose jars they are, and whose they may be: as of a file of SQLite's
    return Jars(file, database.instance)


@asynccontextmanager
async def open_table(address: ServerAddress, *, create: bool = True, read_only: bool = False) -> AsyncIterator[Table]:
    """As `reactor.database.engine.open_table`."""
    how = fit_read_only if read_only else fit
    async with Database.open(address, how, create=create and not read_only, read_only=read_only) as database:
        yield PostgresTable(database)


async def prepare(address: ServerAddress, trigger: bool | None) -> None:
    """As `reactor.database.engine.prepare`."""
    async with Database.open(address, fit) as database:
        if trigger is not None:
            await database.run(set_trigger, trigger)
