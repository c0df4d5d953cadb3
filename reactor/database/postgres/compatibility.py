"""Checks that a bot's table accepts what reactor writes, before the first claim: on a copy of the table, constraints
and indexes and all, in a transaction that is rolled back.

Constraints that involve only columns of the contract are refused here, with a sentence that names the column. Where the
bot's own columns matter, only the rows can show it: a row that is rejected fails alone. Triggers are not copied: what
they say is said of each row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import psycopg
from psycopg import errors as postgres

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.contract import COLUMNS
from reactor.database.postgres.connection import PostgresConnection
from reactor.database.postgres.errors import KEY
from reactor.database.postgres.made import is_ours
from reactor.database.postgres.migration import fit
from reactor.database.sql.connection import Connection, by_itself, columns, required
from reactor.database.sql.downloads import CLAIM
from reactor.database.sql.errors import Refused
from reactor.database.sql.rehearsal import IDS, MOMENT, NOW, STATUSES, TOLD, endings, steps
from reactor.database.sql.saving import write
from reactor.database.sql.statements import fitted, quoted
from reactor.errors import DatabaseError

COPY = "CREATE TEMPORARY TABLE downloads (LIKE downloads INCLUDING ALL) ON COMMIT DROP"
CHECKS = """SELECT conname, pg_get_constraintdef(oid), ARRAY(SELECT CAST(a.attname AS text) FROM pg_attribute AS a
    WHERE a.attrelid = conrelid AND a.attnum = ANY (conkey)) FROM pg_constraint
    WHERE conrelid = to_regclass('downloads') AND contype = 'c'"""
SMALL = postgres.StringDataRightTruncation, postgres.NumericValueOutOfRange
Checks = dict[str, tuple[str, list[str]]]


def fit_checked(connection: PostgresConnection, create: bool = True) -> str:
    """As `migration.fit`; raises DatabaseError, which names the column, when no download could go through the table.
    One that is as reactor makes it needs no check, which takes longer than all else that opens a database."""
    ours = is_ours(connection)
    instance = fit(connection, create)
    if ours:
        return instance
    connection.learn()
    checks: Checks = {name: (text, names) for name, text, names in connection.raw.execute(CHECKS).fetchall()}
    connection.raw.execute("BEGIN")
    try:
        connection.raw.execute(COPY)
        for error in _play(connection):
            if what := _meaning(error, checks):
                raise DatabaseError(f"The table `downloads` cannot be served: {what[0]}", hint=what[1])
    except postgres.InsufficientPrivilege:
        return instance  # it may make no temporary table: only the rows can tell
    finally:
        if not connection.raw.closed:
            connection.raw.execute("ROLLBACK")
    return instance


def _play(connection: PostgresConnection) -> Iterator[psycopg.Error]:
    """What is said against the way of two rows, for each of the ways that there are."""
    shared = cast("Connection", connection)
    asked = {"owner": "reactor", "lease": NOW, "moment": MOMENT, "told": f"[{IDS[0]}]"}
    for last in range(len(endings(Attempt(1, 1)))):
        if refused := list(_tried(connection, partial(_insert, connection))):
            yield from (error for error in refused if isinstance(error, SMALL))
            return  # what a bot's row has to be cannot be guessed
        claim = f"UPDATE downloads SET {fitted(shared, CLAIM)}"
        if refused := list(_tried(connection, partial(shared.execute, claim, asked))):
            yield from refused
            return
        if isinstance(endings(Attempt(1, 1))[last], commands.SaveCancelled):
            shared.execute("UPDATE downloads SET cancelled = 1")
        units = [steps(Attempt(id, 1))[step] for step in range(len(steps(Attempt(1, 1)))) for id in IDS]
        for unit in (*units, *(endings(Attempt(id, 1))[last] for id in IDS)):
            yield from _tried(connection, partial(write, shared, unit, NOW, NOW, plan=(b"{}",)))


def _tried(connection: PostgresConnection, function: Callable[[], object]) -> Iterator[psycopg.Error]:
    try:
        with by_itself(cast("Connection", connection)):
            function()
    except Refused as error:
        if isinstance(error.__cause__, psycopg.Error):
            yield error.__cause__
    except postgres.DatatypeMismatch as error:
        yield error


def _insert(connection: PostgresConnection) -> None:
    """Two rows as a bot has them, with nothing in the bot's own columns where that is allowed."""
    shared = cast("Connection", connection)
    shared.execute("DELETE FROM downloads")
    there = columns(shared)
    for id in IDS:
        values: dict[str, object] = {"id": id, "url": f"http://host.example/{id}", "status": "pending"}
        values |= required(there)
        for name, column in there.items():
            if name not in values and column.not_null and column.default is None and not column.generated:
                values[name] = str(id)
        names = ", ".join(quoted(there[name].name) for name in values)
        shared.execute(
            f"INSERT INTO downloads ({names}) VALUES ({', '.join('?' * len(values))})", tuple(values.values())
        )


def _meaning(error: psycopg.Error, checks: Checks) -> tuple[str, str] | None:
    """What is wrong and what to do, when only columns of ours are at fault, and whatever the download is."""
    match error:
        case postgres.NotNullViolation() if error.diag.column_name in COLUMNS:
            name = error.diag.column_name
            return f"its column `{name}` is NOT NULL, and reactor has to empty it.", f"Let `{name}` be NULL."
        case postgres.UniqueViolation():
            found = KEY.match(error.diag.message_detail or "")
            names = [name.strip().strip('"') for name in found["columns"].split(",")] if found else []
            if names and COLUMNS.issuperset(names):
                listed = ", ".join(f"`{name}`" for name in names)
                return f"its {listed} is UNIQUE, and two downloads may have the same.", "Take that away."
        case postgres.CheckViolation():
            text, names = checks.get(error.diag.constraint_name or "", ("", []))
            if names and set(names) <= COLUMNS - TOLD:
                what = re.sub(r"^CHECK \(\((.*)\)\)$", r"\1", text)
                return (
                    f"its CHECK ({what}) does not let in what reactor writes.",
                    f"Change it. Statuses are {STATUSES}.",
                )
        case postgres.InvalidTextRepresentation() | postgres.DatatypeMismatch():
            said = error.diag.message_primary
            return f"it does not take what reactor writes: {said}.", f"Statuses are {STATUSES}."
        case postgres.StringDataRightTruncation() | postgres.NumericValueOutOfRange():
            return f"a column is too small: {error.diag.message_primary}.", "Make it text, or a larger number."
    return None
