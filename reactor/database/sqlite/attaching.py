"""Attaches and detaches tables of a database that is not open yet."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from reactor.database.mirror import Attached, Detached, Mirror
from reactor.database.sqlite import mirrors
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.errors import cannot_open, translate
from reactor.database.sqlite.mirror_checks import checked
from reactor.database.sqlite.mounts import refuse_mounted_file
from reactor.database.sqlite.opened import absolute, read_only_mode
from reactor.database.sqlite.statements import decode

WAIT_S = 5.0
"""How long another writer is waited for, where nothing is written."""


async def attach(path: str | os.PathLike[str], mirror: Mirror, *, dry_run: bool) -> Attached:
    """As `reactor.database.engine.attach`."""
    with read_only(path) as connection:
        mirror = checked(connection, mirror)
        found = mirrors.planned(connection, mirror)
    if dry_run:
        return found
    async with Database.open(path, create=False) as database:
        return await database.run(lambda sqlite: mirrors.attach(sqlite, checked(sqlite, mirror)))


async def detach(path: str | os.PathLike[str], table: str, *, dry_run: bool) -> Detached:
    """As `reactor.database.engine.detach`."""
    with read_only(path) as connection:
        found = mirrors.detach(connection, table, dry_run=True)
    if dry_run:
        return found
    async with Database.open(path, create=False) as database:
        return await database.run(mirrors.detach, table)


@contextmanager
def read_only(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """The database as it is, before anything is added."""
    given = absolute(path)
    if refusal := cannot_open(given, create=False):
        raise refusal
    refuse_mounted_file(given)
    try:
        uri = f"{given.as_uri()}?mode={read_only_mode(given)}"
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_S, isolation_level=None)) as connection:
            connection.text_factory = decode
            connection.execute("PRAGMA query_only = ON")
            yield connection
    except sqlite3.DatabaseError as error:
        raise translate(error, given) from error
