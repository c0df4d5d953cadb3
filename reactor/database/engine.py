"""Opens the queue that DOWNLOAD_DB names. The only module that chooses the engine: PostgreSQL for the address of a
server, else SQLite. The driver of PostgreSQL is an extra, and loaded by those that use it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

import aiosqlite

from reactor.database.sqlite.queue import open_table as _open_table
from reactor.database.sqlite.queue import operations_within, sync_operations_within
from reactor.database.table import RowOperations, Table
from reactor.errors import DatabaseError
from reactor.server_address import ServerAddress, server_address

if TYPE_CHECKING:
    from reactor.database.copied import Copied
    from reactor.database.mirror import Attached, Detached, Mirror, MirrorState
    from reactor.database.sql.connection import Connection
    from reactor.database.store import Store

Place = str | os.PathLike[str]
"""Of a database: a path, or the address of one on a server."""


def open_store(
    database: Place, *, owner: str, create: bool = True, owner_column: str | None = None
) -> AbstractAsyncContextManager[Store]:
    """Open it for serving; `owner` names this machine in the rows that it claims, `owner_column` a column of the bot's
    that says whose a row is which has no `owner`.

    Adds what the table lacks of the contract, and creates a missing database with `create` (on a server: the table).
    Raises DatabaseError when it cannot be used, or when the table's constraints rule out every download: it names the
    column then."""
    if (address := _server(database)) is not None:
        from reactor.database.postgres.store import open_store as open_there

        return open_there(address, owner=owner, create=create, owner_column=owner_column)
    from reactor.database.sqlite.store import open_store as open_it  # a bot does not load the daemon's side

    return open_it(database, owner=owner, create=create, owner_column=owner_column)


def open_table(database: Place, *, create: bool = True, read_only: bool = False) -> AbstractAsyncContextManager[Table]:
    """Open it for a bot, or for an operator.

    Adds what the table lacks of the contract, and creates a missing database with `create` (on a server: the table).
    With `read_only` nothing is created, added or written, and a table that lacks something is an error. Raises
    DatabaseError."""
    if (address := _server(database)) is not None:
        from reactor.database.postgres.queue import open_table as open_there

        return open_there(address, create=create, read_only=read_only)
    return _open_table(database, create=create, read_only=read_only)


async def prepare(database: Place, *, trigger: bool | None = None) -> None:
    """Make a database ready, as the first `open_table` does. `trigger`: on a server, have it wake the reactor for what
    a bot writes in plain SQL, or no longer. Raises DatabaseError."""
    if (address := _server(database)) is not None:
        from reactor.database.postgres.queue import prepare as prepare_there

        return await prepare_there(address, trigger)
    if trigger is not None:
        raise DatabaseError(
            "A trigger that wakes the reactor is made on a PostgreSQL server only.",
            hint="SQLite's file tells of each change by itself.",
        )
    async with open_table(database):
        return None


async def attach(database: Place, mirror: Mirror, *, dry_run: bool = False) -> Attached:
    """Have a table of the bot's stand for rows of `downloads`; with `dry_run` nothing is written.

    Raises DatabaseError when it cannot, in one sentence; nothing is changed then."""
    if (address := _server(database)) is not None:
        from reactor.database.postgres.attaching import attach as attach_there

        return await attach_there(address, mirror, dry_run=dry_run)
    from reactor.database.sqlite.attaching import attach as attach_it

    return await attach_it(database, mirror, dry_run=dry_run)


async def detach(database: Place, table: str, *, dry_run: bool = False) -> Detached:
    """Take away what `attach` has made; with `dry_run` nothing is written. Raises DatabaseError."""
    if (address := _server(database)) is not None:
        from reactor.database.postgres.attaching import detach as detach_there

        return await detach_there(address, table, dry_run=dry_run)
    from reactor.database.sqlite.attaching import detach as detach_it

    return await detach_it(database, table, dry_run=dry_run)


async def attached(address: ServerAddress) -> tuple[list[MirrorState], str | None]:
    """How it is with the tables of a server's database that are attached; and the name of one that looks like a bot's
    queue, while there is no row in `downloads`. Raises DatabaseError."""
    from reactor.database.postgres.attaching import attached as attached_there

    return await attached_there(address)


def copy(source: Place, target: Place) -> Copied:
    """Copy a queue out of SQLite's file into a database on a PostgreSQL server, every row or none; what is in the file
    stays there. Blocks. Raises DatabaseError, in one sentence, and DatabaseInUse where a reactor serves one of them."""
    from reactor.database.sqlite.attaching import read_only

    address = _server(target)
    if address is None or _server(source) is not None:
        raise DatabaseError(
            "A queue is copied out of SQLite's file into a database on a PostgreSQL server.",
            hint="reactor copy bot.db postgresql://user@host/name.",
        )
    from reactor.database.postgres.copying import copy as copy_there

    with read_only(source) as connection, lock(source):
        connection.execute("BEGIN")
        return copy_there(cast("Connection", connection), address)


def within(connection: Any) -> RowOperations:
    """The operations on a bot's own connection, in the transaction that is open there; nothing is begun or committed.
    The driver's errors are raised as they are. Raises DatabaseError for what is none of the connections known."""
    if isinstance(connection, aiosqlite.Connection):
        return operations_within(connection)
    if find_spec("psycopg") is not None:
        from reactor.database.postgres.borrowed import operations_within as within_there

        if (operations := within_there(connection)) is not None:
            return operations
    raise _unknown(connection, "aiosqlite, or (with the extra `postgres`) of psycopg, asyncpg or SQLAlchemy")


def sync_within(connection: Any) -> RowOperations:
    """The same on a connection that blocks: none of these operations waits for the event loop."""
    if isinstance(connection, sqlite3.Connection):
        return sync_operations_within(connection)
    if find_spec("psycopg") is not None:
        from reactor.database.postgres.borrowed import sync_operations_within as within_there

        if (operations := within_there(connection)) is not None:
            return operations
    raise _unknown(connection, "sqlite3, or (with the extra `postgres`) of psycopg or SQLAlchemy")


def _unknown(connection: object, known: str) -> DatabaseError:
    kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
    return DatabaseError(f"`within` takes a connection of {known}, and got {kind}.")


def lock(database: Place, role: str = "reactor", machine: str = "") -> AbstractContextManager[None]:
    """Hold the lock that one process of each `role` can have; on a server one of each `machine`. Raises DatabaseInUse
    when another one has it."""
    if (address := _server(database)) is not None:
        from reactor.database.postgres.lock import lock as hold_there

        return hold_there(address, role, machine)
    from reactor.database.sqlite.lock import lock as hold  # what it needs is loaded by those that lock

    return hold(database, role)


def _server(database: Place) -> ServerAddress | None:
    """The address, where it is that of a server. Raises DatabaseError where its driver is missing."""
    address = server_address(database)
    if address is not None and find_spec("psycopg") is None:
        raise DatabaseError(
            f"The database {address} needs psycopg, which is not installed.", hint="Install the extra `postgres`."
        )
    return address
