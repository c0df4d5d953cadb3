"""Attaches and detaches tables of a database on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import psycopg
from anyio import to_thread

from reactor.database.mirror import Attached, Detached, Mirror, MirrorState
from reactor.database.postgres import mirrors
from reactor.database.postgres.connection import Database, PostgresConnection, connected
from reactor.database.postgres.errors import translate
from reactor.database.postgres.migration import fit
from reactor.database.postgres.mirror_checks import checked
from reactor.database.sql.connection import Connection
from reactor.database.sql.unserved import unserved_table
from reactor.server_address import ServerAddress

Result = TypeVar("Result")


async def attach(address: ServerAddress, mirror: Mirror, *, dry_run: bool) -> Attached:
    """As `reactor.database.engine.attach`."""
    found = await to_thread.run_sync(_as_it_is, address, lambda seen: mirrors.planned(seen, checked(seen, mirror)))
    if dry_run:
        return found
    async with Database.open(address, fit) as database:
        return await database.run(lambda seen: mirrors.attach(_own(seen), checked(_own(seen), mirror)))


async def detach(address: ServerAddress, table: str, *, dry_run: bool) -> Detached:
    """As `reactor.database.engine.detach`."""
    found = await to_thread.run_sync(_as_it_is, address, lambda seen: mirrors.detach(seen, table, dry_run=True))
    if dry_run:
        return found
    async with Database.open(address, fit, create=False) as database:
        return await database.run(lambda seen: mirrors.detach(_own(seen), table))


async def attached(address: ServerAddress) -> tuple[list[MirrorState], str | None]:
    """As `reactor.database.engine.attached`."""
    return await to_thread.run_sync(_as_it_is, address, lambda seen: (mirrors.states(seen), _other(seen)))


def _other(connection: PostgresConnection) -> str | None:
    known = {mirror.table for mirror in mirrors.stored(connection)}
    return unserved_table(cast("Connection", connection), known)


def _own(connection: Connection) -> PostgresConnection:
    return cast("PostgresConnection", connection)


def _as_it_is(address: ServerAddress, function: Callable[[PostgresConnection], Result]) -> Result:
    """What `function` finds in the database before anything is added to it. It may only read. Blocks."""
    try:
        raw = connected(address)
        with raw:
            connection = PostgresConnection(raw)
            connection.learn()
            return function(connection)
    except psycopg.Error as error:
        raise translate(error, str(address)) from error
