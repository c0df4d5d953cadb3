"""A connection for many statements: to open one takes longer than to ask it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg


class Kept:
    """Opened by its first statement; another one after the server was away."""

    def __init__(self, url: str, cursors: type[psycopg.Cursor[Any]] = psycopg.Cursor) -> None:
        self._url, self._cursors = url, cursors
        self._connection: psycopg.Connection[Any] | None = None

    def sql(self, statement: str, values: Sequence[object] | None = None) -> list[tuple[Any, ...]]:
        """What it commits, and what comes back."""
        cursor = self._opened().execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """End it, if it is open."""
        if self._connection is not None:
            self._connection.close()

    def _opened(self) -> psycopg.Connection[Any]:
        try:
            if self._connection is not None and not self._connection.closed:
                self._connection.execute("SELECT 1")
        except psycopg.OperationalError:
            self.close()
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, cursor_factory=self._cursors)
        return self._connection
