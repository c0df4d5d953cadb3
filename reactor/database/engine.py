"""Opens the queue that DOWNLOAD_DB names. The only module that chooses the engine, which is SQLite."""

from __future__ import annotations

import os
import sqlite3
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING

import aiosqlite

from reactor.database.sqlite.queue import open_table as _open_table
from reactor.database.sqlite.queue import operations_within, sync_operations_within
from reactor.database.table import RowOperations, Table

if TYPE_CHECKING:
    from reactor.database.mirror import Attached, Detached, Mirror
    from reactor.database.store import Store


def open_store(
    database: str | os.PathLike[str], *, owner: str, create: bool = True, owner_column: str | None = None
) -> AbstractAsyncContextManager[Store]:
    """Open it for serving; `owner` names this process in the rows that it claims, `owner_column` a column of the bot's
    that says whose a row is which has no `owner`.

    Adds what the table lacks of the contract, and creates a missing database with `create`. Raises DatabaseError when
    it cannot be used, or when the table's constraints rule out every download: it names the column then."""
    from reactor.database.sqlite.store import open_store as open_it  # a bot does not load the daemon's side

    return open_it(database, owner=owner, create=create, owner_column=owner_column)


def open_table(
    database: str | os.PathLike[str], *, create: bool = True, read_only: bool = False
) -> AbstractAsyncContextManager[Table]:
    """Open it for a bot, or for an operator.

    Adds what the table lacks of the contract, and creates a missing database with `create`. With `read_only` nothing is
    created, added or written, and a table that lacks something is an error. Raises DatabaseError."""
    return _open_table(database, create=create, read_only=read_only)


async def attach(database: str | os.PathLike[str], mirror: Mirror, *, dry_run: bool = False) -> Attached:
    """Have a table of the bot's stand for rows of `downloads`; with `dry_run` nothing is written.

    Raises DatabaseError when it cannot, in one sentence; nothing is changed then."""
    from reactor.database.sqlite.attaching import attach as attach_it

    return await attach_it(database, mirror, dry_run=dry_run)


async def detach(database: str | os.PathLike[str], table: str, *, dry_run: bool = False) -> Detached:
    """Take away what `attach` has made; with `dry_run` nothing is written. Raises DatabaseError."""
    from reactor.database.sqlite.attaching import detach as detach_it

    return await detach_it(database, table, dry_run=dry_run)


def within(connection: aiosqlite.Connection) -> RowOperations:
    """The operations on a bot's own connection, in the transaction that is open there; nothing is begun or committed.
    The driver's errors are raised as they are."""
    return operations_within(connection)


def sync_within(connection: sqlite3.Connection) -> RowOperations:
    """The same on a connection that blocks: none of these operations waits for the event loop."""
    return sync_operations_within(connection)


def lock(database: str | os.PathLike[str], role: str = "reactor") -> AbstractContextManager[None]:
    """Hold the lock that one process of each `role` can have. Raises DatabaseInUse when another one has it."""
    from reactor.database.sqlite.lock import lock as hold  # what it needs is loaded by those that lock

    return hold(database, role)
