"""The engines that the conformance suite runs on: how each is opened, and how a bot reaches it in SQL.

A further engine is one more class here and one more entry in ENGINES; the tests name none."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from reactor.database import engine
from reactor.database.store import Store
from reactor.database.table import Table
from tests.database.sqlite.bot import opened


class Engine(Protocol):
    """One database, empty at first."""

    def open_store(self, owner: str = "me", owner_column: str | None = None) -> AbstractAsyncContextManager[Store]:
        """The daemon's side."""
        ...

    def open_table(self) -> AbstractAsyncContextManager[Table]:
        """The bot's side."""
        ...

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a bot commits on a connection of its own. Values stand for `?`."""
        ...


class Sqlite:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "bot.db"

    def open_store(self, owner: str = "me", owner_column: str | None = None) -> AbstractAsyncContextManager[Store]:
        return engine.open_store(self._path, owner=owner, owner_column=owner_column)

    def open_table(self) -> AbstractAsyncContextManager[Table]:
        return engine.open_table(self._path)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with opened(self._path) as connection:
            return connection.execute(statement, values).fetchall()


ENGINES = {"sqlite": Sqlite}
