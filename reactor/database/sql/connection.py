"""What the statements of this package ask of an engine: a connection, and the few things that each engine does its own
way. Those are found by the type of the connection (`functools.singledispatch`).

Statements are written in the SQL that engines share, with names such as `:id` for values. What no two engines say alike
is a fragment with a name of its own (`statements.FREE`), which an engine may replace by its own words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import singledispatch
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from reactor.database.contract import COLUMNS
from reactor.patterns import pattern
from reactor.records import dataclass

CONSTANT = pattern(r"'(?:[^']|'')*'|[+-]?\d+(\.\d+)?")
"""A default that is a literal, as engines write it down."""
TEXTS, NUMBERS = ("CHAR", "CLOB", "TEXT"), ("INT", "REAL", "FLOA", "DOUB")
"""Words in the declared types of columns that hold them."""
BOTS = frozenset({"id", "added_date"})
"""Columns that nobody need write: the database may compute them."""

P = ParamSpec("P")
Result = TypeVar("Result")


class Cursor(Protocol):
    """What a statement has found."""

    @property
    def description(self) -> Any:
        """Of each column a sequence, the name first."""
        ...

    @property
    def rowcount(self) -> int:
        """How many rows were written."""
        ...

    def fetchone(self) -> Any:
        """The next row, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """The rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """One connection, in autocommit."""

    @property
    def in_transaction(self) -> bool:
        """True while a transaction can be rolled back."""
        ...

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor:
        """Carry out one statement; values stand for `:name` (a mapping) or `?` (a sequence)."""
        ...

    def executemany(self, sql: str, parameters: Any, /) -> object:
        """The same with each of several values."""
        ...


class Runner(Protocol):
    """Calls `function(connection, …)` where the connection lives."""

    def __call__(
        self, function: Callable[Concatenate[Any, P], Result], *args: P.args, **more: P.kwargs
    ) -> Coroutine[Any, Any, Result]:
        """Its result."""
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the engine has it."""

    name: str
    type: str
    default: str | None
    not_null: bool
    key: int
    """Its place in the primary key, from 1; 0 when it is not in it."""
    generated: bool = False
    """The database computes it: nobody writes into it."""

    @property
    def empty(self) -> str | None:
        """What is written in place of NULL into a column that is NOT NULL: '', of a number its default or 0; None
        where a bot could not read that, as in a column of moments."""
        declared, constant = self.type.upper(), CONSTANT.fullmatch(self.default or "")
        if any(word in declared for word in TEXTS):
            return "''"
        if constant:
            return self.default
        return "0" if self.default is None and any(word in declared for word in NUMBERS) else None

    @property
    def definition(self) -> str:
        """For ALTER TABLE, which takes no default that is an expression: such a column has none then."""
        constant = self.default is not None and "(" not in self.default
        filled = " NOT NULL" if self.not_null and constant else ""
        return f"{self.name} {self.type}{filled}" + (f" DEFAULT {self.default}" if constant else "")


def empties(connection: Connection) -> dict[str, str]:
    """Columns of ours that a bot has made NOT NULL, with what is written there in place of NULL."""
    there = columns(connection)
    ours = {name: there[name] for name in COLUMNS & there.keys() - {"id"}}
    return {name: column.empty for name, column in ours.items() if column.not_null and column.empty}


def required(there: Mapping[str, Column]) -> dict[str, object]:
    """Columns of ours that a row has to fill, as an ORM makes them whose defaults are not SQL's; each as it is in a
    row that was never taken up."""
    zeros = dict.fromkeys(("cancelled", "progress", "retry_count", "attempt"), 0)
    ours = {name: there[name] for name in COLUMNS & there.keys() - BOTS}
    return {
        name: zeros.get(name, "" if column.empty == "''" else 0)
        for name, column in ours.items()
        if column.not_null and column.default is None and (name in zeros or column.empty)
    }


# What each engine does its own way


@singledispatch
def columns(connection: Connection, table: str = "downloads") -> dict[str, Column]:
    """The columns of a table by their name in lower case; empty without it."""
    raise TypeError(connection)


@singledispatch
def has_table(connection: Connection, name: str) -> bool:
    """True when there is a table of this name."""
    raise TypeError(connection)


@singledispatch
def unique_columns(connection: Connection) -> list[list[str]]:
    """The columns of each index of the bot's that no two rows may share, in lower case."""
    raise TypeError(connection)


ALONE = "ALONE"


@singledispatch
def begin(connection: Connection, kind: str) -> None:
    """Begin a transaction: `IMMEDIATE` for one that writes, `DEFERRED` for one that reads several times as it was at
    one moment, ALONE for one that claims: until its end nobody else does, also where others can write meanwhile."""
    connection.execute("BEGIN IMMEDIATE" if kind == ALONE else f"BEGIN {kind}")


@singledispatch
def by_itself(connection: Connection) -> AbstractContextManager[object]:
    """A context for one statement of a transaction that goes on, as far as the engine lets it, when a constraint
    rejects it."""
    return nullcontext()


@singledispatch
def still(connection: Connection, ids: Sequence[int], which: str, asked: Mapping[str, Any]) -> Sequence[int]:
    """Those of `ids` that meet the condition `which` yet, and will until the end of the transaction; where others can
    write meanwhile."""
    return ids


@singledispatch
def read_still(
    connection: Connection, columns: str, ids: Sequence[int], which: str, asked: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """What stands in those of `ids` of which `still` speaks."""
    statement = f"SELECT {columns} FROM downloads WHERE id IN (SELECT value FROM json_each(?))"
    return connection.execute(statement, (json.dumps(ids),)).fetchall()


@singledispatch
def ring(connection: Connection) -> None:
    """Wake those who wait for rows once the transaction that is open, or begins next, is committed; where the engine
    does not do so by itself."""


@singledispatch
def machine_name(connection: Connection) -> str:
    """The name of the machine that it serves for; "" where one reactor serves alone, and for a bot's."""
    return ""


@singledispatch
def storable(connection: Connection, column: Column, value: Any) -> Any:
    """A value of a bot's as this column takes it."""
    return value


@singledispatch
def tables(connection: Connection) -> list[str]:
    """The names of the tables of the bot's, in order."""
    raise TypeError(connection)


@contextmanager
def transaction(connection: Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All or nothing: committed at the end, rolled back on any error.

    SQLite's IMMEDIATE takes the write lock at once and waits for it: a transaction that begins by reading could find
    out later that somebody else wrote (SQLITE_BUSY_SNAPSHOT), which no busy_timeout helps against."""
    begin(connection, kind)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk makes SQLite roll back by itself
            connection.execute("ROLLBACK")
        raise
