"""The engines that the conformance suite runs on: how each is opened, and how a bot reaches it in SQL.

A further engine is one more class here and one more entry in ENGINES; the tests name none."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import psycopg

from reactor.database import engine
from reactor.database.postgres import queue, store
from reactor.database.store import Store
from reactor.database.table import Table
from reactor.server_address import ServerAddress
from tests.database.sqlite.bot import opened


class Engine(Protocol):
    """One database, empty at first."""

    place: str
    """Where it is, as DOWNLOAD_DB has it."""
    sqlalchemy: str
    """The same, as SQLAlchemy has it."""
    is_shared: bool
    """Whether machines share it, so that a row says which of them has its file."""

    def open_store(self, owner: str = "me", owner_column: str | None = None) -> AbstractAsyncContextManager[Store]:
        """The daemon's side."""
        ...

    def open_table(self) -> AbstractAsyncContextManager[Table]:
        """The bot's side."""
        ...

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What a bot commits on a connection of its own. Values stand for `?`."""
        ...

    def odd(self, value: object, instead: object = None) -> object:
        """A value of another type than its column's; `instead` where the database itself lets none in."""
        ...

    def patched(self, column: str, said: str) -> str:
        """In SQL, what a column of JSON says with more said."""
        ...

    def forbid(self, column: str, value: str) -> None:
        """From now on the table takes this value in no UPDATE of the column: a trigger of the bot's says so."""
        ...


class Sqlite:
    """A file."""

    is_shared = False

    def __init__(self, folder: Path) -> None:
        self._path = folder / "bot.db"
        self.place = str(self._path)
        self.sqlalchemy = f"sqlite:///{self._path}"

    def open_store(self, owner: str = "me", owner_column: str | None = None) -> AbstractAsyncContextManager[Store]:
        return engine.open_store(self._path, owner=owner, owner_column=owner_column)

    def open_table(self) -> AbstractAsyncContextManager[Table]:
        return engine.open_table(self._path)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with opened(self._path) as connection:
            return connection.execute(statement, values).fetchall()

    def odd(self, value: object, instead: object = None) -> object:
        return value

    def patched(self, column: str, said: str) -> str:
        return f"json_patch({column}, '{said}')"

    def forbid(self, column: str, value: str) -> None:
        says_no = f"WHEN NEW.{column} = '{value}' BEGIN SELECT RAISE(ABORT, 'no'); END"
        self.sql(f"CREATE TRIGGER no BEFORE UPDATE OF {column} ON downloads {says_no}")


class Postgres:
    """A database of a server."""

    is_shared = True

    def __init__(self, url: str) -> None:
        self._address = ServerAddress(url)
        self._kept: psycopg.Connection[Any] | None = None
        self.place = url
        self.sqlalchemy = url.replace("postgresql://", "postgresql+psycopg://")

    def open_store(self, owner: str = "me", owner_column: str | None = None) -> AbstractAsyncContextManager[Store]:
        return store.open_store(self._address, owner=owner, owner_column=owner_column)

    def open_table(self) -> AbstractAsyncContextManager[Table]:
        return queue.open_table(self._address)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        said = statement.replace("id INTEGER PRIMARY KEY", IDENTITY).replace("%", "%%").replace("?", "%s")
        given = [_written(value) for value in values]
        if self._kept is None or self._kept.closed:
            where, how = self._address.conninfo, psycopg.ClientCursor
            self._kept = psycopg.connect(where, autocommit=True, cursor_factory=how)
        cursor = self._kept.execute(said.encode(), given)
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """End the bot's connection."""
        if self._kept is not None:
            self._kept.close()

    def odd(self, value: object, instead: object = None) -> object:
        return instead

    def patched(self, column: str, said: str) -> str:
        return f"CAST({column} AS jsonb) || '{said}'"

    def forbid(self, column: str, value: str) -> None:
        self.sql("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$")
        when = f"FOR EACH ROW WHEN (NEW.{column} = '{value}') EXECUTE FUNCTION no()"
        self.sql(f"CREATE TRIGGER no BEFORE UPDATE OF {column} ON downloads {when}")


def _written(value: object) -> object:
    """As a bot writes it, whatever the type of the column."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, int | float) else value


IDENTITY = "id INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
ENGINES = ("sqlite", "postgres")
