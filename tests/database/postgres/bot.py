"""The other side: a bot with PostgreSQL, in SQL of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import psycopg

from reactor.database import engine
from reactor.database.store import Store
from reactor.database.table import Table
from tests.database.postgres.kept import Kept


class Bot:
    """One database, and both ways into it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._kept = Kept(url)

    def store(self, owner: str = "me") -> AbstractAsyncContextManager[Store]:
        """The daemon's side."""
        return engine.open_store(self.url, owner=owner)

    def table(self, *, create: bool = True, read_only: bool = False) -> AbstractAsyncContextManager[Table]:
        """The bot's side."""
        return engine.open_table(self.url, create=create, read_only=read_only)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a connection of its own commits; another one after the server was away."""
        return self._kept.sql(statement, values or None)

    def close(self) -> None:
        """End its connection."""
        self._kept.close()

    def flushed(self, statement: str, first: str | None = None) -> tuple[Any, ...]:
        """One row of the server's statistics, with what has been counted up to now: of `first`, which is carried out
        before, and of connections that have ended."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            if first is not None:
                connection.execute(first.encode())
            connection.execute("SELECT pg_stat_force_next_flush()")
            (found,) = connection.execute(statement.encode()).fetchall()
            return tuple(found)
