"""What every statement needs: scripts, transactions, rows, and a connection that reads text which is not UTF-8."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

from reactor.database import contract
from reactor.models import Download

OVER = "download_speed = 0, eta_seconds = NULL, claimed_by = NULL, lease_until = NULL"
"""Columns of every row that is no longer under way."""
DATELESS = "added_date IS NULL ORDER BY id"
DATED = "added_date IS NOT NULL ORDER BY added_date, id"
"""The two kinds of rows, each in its own order; `contract.in_turn` merges them."""
IN_NO_LIST = "(parent_id IS NULL OR item_key IS NULL)"
"""Of rows that are not entries of a list."""
NO_RETRY, NOT_LATER = "coalesce(nullif(next_attempt_at, ''), 0) = 0", "coalesce(nullif(not_before, ''), 0) = 0"
READY = f"status = 'pending' AND {NO_RETRY} AND {NOT_LATER}"
"""What `reactor_ready` holds; the text is that of the index. Rows that may not be claimed yet stand in two others, and
come here when their time has come (`turns.ripen`)."""
RETRY = f"status = 'pending' AND {NO_RETRY.replace('= 0', '<> 0')}"
LATER = f"status = 'pending' AND {NOT_LATER.replace('= 0', '<> 0')}"
NOW = "(julianday('now') - 2440587.5) * 86400"
"""Seconds since the epoch."""
P = ParamSpec("P")
Result = TypeVar("Result")


class Connection(sqlite3.Connection):
    """One that knows the table it writes into."""

    empties: Mapping[str, str] = MappingProxyType({})
    """Columns that a bot has made NOT NULL, with what is written there in place of NULL."""


def fitted(connection: sqlite3.Connection, assignments: str) -> str:
    """Assignments of an UPDATE such that no NULL meets a column that is NOT NULL."""
    return fit(assignments, connection.empties) if isinstance(connection, Connection) else assignments


def fit(assignments: str, empties: Mapping[str, str]) -> str:
    """The same, of what is known of a table."""
    return _fitted(assignments, frozenset(empties.items())) if empties else assignments


@lru_cache(maxsize=256)
def _fitted(assignments: str, empties: frozenset[tuple[str, str]]) -> str:
    known, parts = dict(empties), []
    for part in _at_top(assignments):
        name, _, value = (each.strip() for each in part.partition("="))
        parts.append(f"{name} = COALESCE({value}, {known[name]})" if name in known else part.strip())
    return ", ".join(parts)


def _at_top(assignments: str) -> Iterator[str]:
    """Cut at the commas that stand in no brackets."""
    depth, begin = 0, 0
    for at, letter in enumerate(assignments):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield assignments[begin:at]
            begin = at + 1
    yield assignments[begin:]


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


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All or nothing: committed at the end, rolled back on any error.

    IMMEDIATE takes the write lock at once and waits for it: a transaction that begins by reading could find out
    later that somebody else wrote (SQLITE_BUSY_SNAPSHOT), which no busy_timeout helps against."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk makes SQLite roll back by itself
            connection.execute("ROLLBACK")
        raise


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


def download(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Download:
    """A row of `SELECT *`. Has the form of a row factory."""
    return contract.download([name for name, *_ in cursor.description], row)


def any_row(connection: sqlite3.Connection, which: str, asked: Mapping[str, Any]) -> bool:
    """True when there is one."""
    return connection.execute(f"SELECT 1 FROM downloads WHERE {which} LIMIT 1", asked).fetchone() is not None


def quoted(name: str) -> str:
    """A name of a table or a column, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """True when there is a table of this name."""
    found = connection.execute("SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?", (name,))
    return found.fetchone() is not None


def decode(text: bytes) -> str:
    """TEXT as it was stored, which need not be UTF-8: one bad row must not hide the others."""
    return text.decode("utf-8", "replace")
