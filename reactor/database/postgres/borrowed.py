"""The bot's operations on a connection that is its own, in the transaction that is open there: of psycopg, asyncpg or
SQLAlchemy. Nothing is begun or committed; who serves or watches is woken when the bot commits.

The shared statements are functions that block. Where the bot's connection is asynchronous they run in a worker thread,
and each statement is carried out on the event loop, where the connection lives. Values stand in the statements as
literals, as with reactor's own connections: no driver has to know of which type a column is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from re import Match
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio.from_thread
import psycopg
from anyio import to_thread
from psycopg import sql
from psycopg.rows import tuple_row

from reactor.database.postgres.connection import PostgresConnection, adapters
from reactor.database.postgres.waking import NOTIFY
from reactor.database.sql.queue import SqlOperations
from reactor.database.table import RowOperations
from reactor.errors import DatabaseError
from reactor.patterns import pattern
from reactor.records import dataclass

MARK = pattern(r"%%|%s|%\((\w+)\)s")
WRITTEN = pattern(r"\d+$")
"""At the end of what asyncpg is told of a statement: `UPDATE 1`."""

P = ParamSpec("P")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement has found. `Cursor`, read once."""

    names: Sequence[str]
    rows: list[tuple[Any, ...]]
    rowcount: int

    @property
    def description(self) -> list[tuple[str]]:
        return [(name,) for name in self.names]

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows.pop(0) if self.rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        found = self.rows[:]
        self.rows.clear()
        return found

    def __iter__(self) -> Any:
        return iter(self.fetchall())


Ask = Callable[[str], Answer]
AskAsync = Callable[[str], Coroutine[Any, Any, Answer]]


class _Literals:
    """How psycopg writes values down, without a connection."""

    connection = None

    def __init__(self) -> None:
        self.adapters = adapters()


class _Driver:
    """In place of psycopg's connection: statements with their values in them go to `ask`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._literals: Any = _Literals()

    def cursor(self) -> _Driver:
        return self

    def execute(self, statement: str | bytes, parameters: Any = None) -> Answer:
        text = statement.decode() if isinstance(statement, bytes) else statement
        return self._ask(text if parameters is None else self._filled(text, parameters))

    def _filled(self, statement: str, parameters: Any) -> str:
        in_order = iter(() if isinstance(parameters, Mapping) else parameters)

        def value(found: Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            given = parameters[found[1]] if found[1] else next(in_order)
            return sql.Literal(given).as_string(self._literals)

        return MARK.sub(value, statement)


class Borrowed(PostgresConnection):
    """`Connection` on a bot's own. Errors of its driver are raised as they are."""

    def __init__(self, ask: Ask) -> None:
        driver: Any = _Driver(ask)
        super().__init__(driver)
        self._learned = False

    @property
    def in_transaction(self) -> bool:
        return True

    def call(self, function: Callable[Concatenate[Any, P], Result], *args: P.args, **more: P.kwargs) -> Result:
        """`function` on this connection, whose table is looked at first."""
        if not self._learned:
            self.learn()
            self._learned = True
        return function(self, *args, **more)


def _operations(run: Any) -> RowOperations:
    async def write(function: Callable[Concatenate[Any, P], Result], *args: P.args, **more: P.kwargs) -> Result:
        def both(connection: Borrowed) -> Result:
            result = function(connection, *args, **more)
            if result is not False:  # it has changed nothing
                connection.execute(NOTIFY)
            return result

        return await run(both)  # type: ignore[no-any-return]

    return SqlOperations(run, write)


def operations_within(connection: object) -> RowOperations | None:
    """On a connection, or a session, that is awaited; None for what is none."""
    asked = _asynchronous(connection)
    if asked is None:
        return None

    async def run(function: Callable[Concatenate[Any, P], Result], *args: P.args, **more: P.kwargs) -> Result:
        return await to_thread.run_sync(lambda: borrowed.call(function, *args, **more))

    def ask(statement: str) -> Answer:
        return anyio.from_thread.run(asked, statement)

    borrowed = Borrowed(ask)
    return _operations(run)


def sync_operations_within(connection: object) -> RowOperations | None:
    """On one that blocks; None for what is none."""
    ask = _blocking(connection)
    if ask is None:
        return None
    borrowed = Borrowed(ask)

    async def run(function: Callable[Concatenate[Any, P], Result], *args: P.args, **more: P.kwargs) -> Result:
        return borrowed.call(function, *args, **more)

    return _operations(run)


# The drivers


def _blocking(connection: Any) -> Ask | None:
    if isinstance(connection, psycopg.Connection):
        return lambda statement: _of_psycopg(connection, statement)
    if _is_of(connection, "sqlalchemy"):
        _refuse_sqlite(connection)
        return lambda statement: _of_sqlalchemy(_connection(connection).exec_driver_sql(statement, **PLAIN))
    return None


def _asynchronous(connection: Any) -> AskAsync | None:
    if isinstance(connection, psycopg.AsyncConnection):
        return lambda statement: _of_async_psycopg(connection, statement)
    if _is_of(connection, "asyncpg"):
        return lambda statement: _of_asyncpg(connection, statement)
    if _is_of(connection, "sqlalchemy"):
        _refuse_sqlite(connection)
        return lambda statement: _of_async_sqlalchemy(connection, statement)
    return None


PLAIN: Any = {"execution_options": {"no_parameters": True}}
"""SQLAlchemy's: the driver looks for no placeholders."""


def _is_of(connection: object, package: str) -> bool:
    return any(each.__module__.partition(".")[0] == package for each in type(connection).__mro__)


def _of_psycopg(connection: psycopg.Connection[Any], statement: str) -> Answer:
    with psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
        return _read(cursor.execute(statement.encode()), cursor.fetchall() if cursor.description else [])


async def _of_async_psycopg(connection: psycopg.AsyncConnection[Any], statement: str) -> Answer:
    async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(statement.encode())
        return _read(cursor, await cursor.fetchall() if cursor.description else [])


def _read(cursor: Any, rows: Sequence[Sequence[Any]]) -> Answer:
    return Answer([name for name, *_ in cursor.description or ()], _plain(rows), cursor.rowcount)


async def _of_asyncpg(connection: Any, statement: str) -> Answer:
    prepared = await connection.prepare(statement)
    rows = await prepared.fetch()
    written = WRITTEN.search(prepared.get_statusmsg())
    names = [attribute.name for attribute in prepared.get_attributes()]
    return Answer(names, _plain(rows), int(written[0]) if written else -1)


def _connection(given: Any) -> Any:
    """SQLAlchemy's, also of a session: the one that its transaction has. Of an asynchronous session it is awaited."""
    return given if hasattr(given, "exec_driver_sql") else given.connection()


async def _of_async_sqlalchemy(given: Any, statement: str) -> Answer:
    connection = _connection(given)
    if connection is not given:
        connection = await connection
    return _of_sqlalchemy(await connection.exec_driver_sql(statement, **PLAIN))


def _refuse_sqlite(given: Any) -> None:
    dialect = given.dialect if hasattr(given, "exec_driver_sql") else given.get_bind().dialect
    if dialect.name != "postgresql":
        raise DatabaseError(
            f"`within` takes connections of SQLAlchemy to PostgreSQL, and got one to {dialect.name}.",
            hint="For SQLite give the driver's own: connection.connection.driver_connection.",
        )


def _of_sqlalchemy(result: Any) -> Answer:
    if not result.returns_rows:
        return Answer((), [], result.rowcount)
    return Answer([*result.keys()], _plain(result.fetchall()), result.rowcount)


def _plain(rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Values as reactor's own connections have them, whatever the bot's has been told to make of them."""
    return [tuple(_value(value) for value in row) for row in rows]


def _value(value: Any) -> Any:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return float(value) if isinstance(value, Decimal) else value
