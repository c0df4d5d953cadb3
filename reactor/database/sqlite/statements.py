"""What SQLite does its own way: scripts, catalogs, and a connection that reads text which is not UTF-8."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Concatenate, ParamSpec, TypeVar

from reactor.database.sql.connection import Column, columns, has_table, tables, unique_columns

P = ParamSpec("P")
Result = TypeVar("Result")


class Connection(sqlite3.Connection):
    """One that knows the table it writes into."""

    empties: Mapping[str, str] = MappingProxyType({})
    """Columns that a bot has made NOT NULL, with what is written there in place of NULL."""


@cache
def script(name: str) -> tuple[str, ...]:
    """The statements of one of this package's .sql files, in order.

    `executescript` would commit whatever is open first, so they are run one by one."""
    found, statement = [], ""
    for line in resources.files(__package__).joinpath(name).read_text("utf-8").splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement.strip())
            statement = ""
    return tuple(found)


@columns.register
def _columns(connection: sqlite3.Connection, table: str = "downloads") -> dict[str, Column]:
    """SQLite does not care for the case of names either."""
    rows = connection.execute(
        'SELECT name, type, dflt_value, "notnull", pk, hidden > 1 FROM pragma_table_xinfo(?)', (table,)
    )
    return {
        name.lower(): Column(name, kind, default, bool(nn), pk, bool(gen)) for name, kind, default, nn, pk, gen in rows
    }


@has_table.register
def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    found = connection.execute("SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None


@tables.register
def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute(
        """SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'
        AND name NOT LIKE 'reactor%' AND name <> 'downloads' COLLATE NOCASE ORDER BY name"""
    )
    return [name for (name,) in found.fetchall()]


@unique_columns.register
def _unique_columns(connection: sqlite3.Connection) -> list[list[str]]:
    indexes = connection.execute(
        """SELECT name FROM pragma_index_list('downloads')
        WHERE "unique" AND (name NOT LIKE 'reactor%' OR name LIKE 'reactor!_mirror!_%' ESCAPE '!')"""
    ).fetchall()
    named = [connection.execute("SELECT name FROM pragma_index_info(?)", index).fetchall() for index in indexes]
    return [[(name or "").lower() for (name,) in names] for names in named]


def within(
    connection: sqlite3.Connection,
    function: Callable[Concatenate[sqlite3.Connection, P], Result],
    *args: P.args,
    **more: P.kwargs,
) -> Result:
    """Call `function(connection, …)` on a connection that is somebody else's, in whatever transaction it is in.

    Nothing is begun, committed or left changed; nobody else must use the connection meanwhile."""
    before = connection.row_factory, connection.text_factory
    connection.row_factory, connection.text_factory = None, decode
    try:
        return function(connection, *args, **more)
    finally:
        connection.row_factory, connection.text_factory = before


def decode(text: bytes) -> str:
    """TEXT as it was stored, which need not be UTF-8: one bad row must not hide the others."""
    return text.decode("utf-8", "replace")
