"""Says what is wrong with a table of PostgreSQL's that is to be attached, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import psycopg
from psycopg import errors as postgres

from reactor.database.mirror import Mirror, shown
from reactor.database.postgres.connection import PostgresConnection
from reactor.database.postgres.mirrors import kinds_of, ours, sql_of
from reactor.database.sql.connection import Connection, columns, tables
from reactor.database.sql.mirror_checks import key_of, named, refuse_own_downloads, refuse_twice, refuse_written
from reactor.database.sql.statements import quoted
from reactor.errors import DatabaseError

KIND = "SELECT CAST(relkind AS text), relispartition FROM pg_class WHERE oid = to_regclass(%s)"
KINDS = {"v": "a view", "m": "a view", "f": "a table of another server", "p": "a table in parts"}
UNIQUE = """SELECT ARRAY(SELECT lower(a.attname) FROM unnest(i.indkey) AS k
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k) FROM pg_index AS i
    WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL"""
CHECKS = """SELECT pg_get_constraintdef(c.oid) FROM pg_constraint AS c WHERE c.conrelid = to_regclass(%s)
    AND c.contype = 'c' AND c.conkey <@ ARRAY(SELECT a.attnum FROM pg_attribute AS a
        WHERE a.attrelid = c.conrelid AND a.attname = ANY (%s))"""
RIGHTS = """SELECT has_table_privilege(to_regclass(%(table)s), 'SELECT'), has_table_privilege(to_regclass(%(table)s),
    'UPDATE'), has_table_privilege(to_regclass(%(table)s), 'TRIGGER')"""


def checked(connection: PostgresConnection, mirror: Mirror) -> Mirror:
    """The mirror, with names as the table has them and its key. Raises DatabaseError."""
    shared = cast("Connection", connection)
    table = _table(connection, mirror.table)
    there = columns(shared, table)
    unique = [set(names) for (names,) in connection.raw.execute(UNIQUE, (quoted(table),)).fetchall()]
    found = named(mirror, table, there)
    found = key_of(found, there, unique)
    refuse_twice(found)
    refuse_written(found, there)
    refuse_own_downloads(columns(shared), ours(connection).keys())
    _refuse_rights(connection, table)
    _refuse_words(connection, found)
    return found


def _table(connection: PostgresConnection, name: str) -> str:
    """The table's name as the schema has it."""
    if name.lower() == "downloads":
        raise DatabaseError("The table `downloads` is served as it is.", hint="Attach another table, or none.")
    if name.lower().startswith(("reactor_", "pg_")):
        raise DatabaseError(f"The table `{name}` is none of a bot's.")
    for each in (name, name.lower()):
        if (found := connection.raw.execute(KIND, (quoted(each),)).fetchone()) is not None:
            return _plain(each, *found)
    others = tables(cast("Connection", connection))[:20]
    hint = f"Tables are {', '.join(others)}." if others else "It has no table yet."
    raise DatabaseError(f"There is no table `{name}`.", hint=hint)


def _plain(name: str, kind: str, part: bool) -> str:
    if kind in "vm":
        raise DatabaseError(f"`{name}` is a view, not a table.", hint="Attach the table that it shows.")
    if kind != "r" or part:
        what = KINDS.get(kind, "no table")
        why = "of which a row that changes places looks as if it was deleted"
        raise (
            DatabaseError(f"`{name}` is {'a part of one in parts' if part else what}, {why}.")
            if (kind == "p" or part)
            else DatabaseError(f"`{name}` is {what}, which has no triggers.")
        )
    return name


def _refuse_rights(connection: PostgresConnection, table: str) -> None:
    (rights,) = connection.raw.execute(RIGHTS, {"table": quoted(table)}).fetchall()
    if not all(rights):
        raise DatabaseError(
            f"This user may not do with `{table}` what a mirror does.",
            hint=f"GRANT SELECT, UPDATE, TRIGGER ON {quoted(table)} TO it.",
        )


def _refuse_words(connection: PostgresConnection, mirror: Mirror) -> None:
    """A word that the status cannot be, by its type or by a CHECK; found on a table of these columns alone, that nobody
    else sees."""
    kinds, there = kinds_of(connection, mirror.table), columns(cast("Connection", connection), mirror.table)
    for word, _ in mirror.words:
        for value, column in zip(word, mirror.status, strict=True):
            if value is None and there[column.lower()].not_null and word in mirror.told.values():
                raise DatabaseError(f"The column `{column}` of `{mirror.table}` is NOT NULL.")
            if value is not None and kinds[column.lower()].category in "BN":
                _refuse_value(connection, mirror, value, column, kinds[column.lower()].name)
    listed = ", ".join(quoted(column) for column in mirror.status)
    connection.raw.execute("BEGIN")
    try:
        copy = f"CREATE TEMPORARY TABLE reactor_words AS SELECT {listed} FROM {quoted(mirror.table)} WITH NO DATA"
        connection.raw.execute(copy.encode())
        for (check,) in connection.raw.execute(CHECKS, (quoted(mirror.table), [*mirror.status])).fetchall():
            connection.raw.execute(f"ALTER TABLE reactor_words ADD {check}".encode())
        for statement, told in _writes(connection, mirror):
            try:
                connection.raw.execute(statement.encode())
            except (psycopg.IntegrityError, psycopg.DataError) as error:
                said = error.diag.message_primary
                raise DatabaseError(f"The table `{mirror.table}` does not take {told}: {said}.") from error
    except postgres.InsufficientPrivilege:
        return  # it may make no temporary table: only the rows can tell
    finally:
        connection.raw.execute("ROLLBACK")


def _refuse_value(connection: PostgresConnection, mirror: Mirror, value: str, column: str, kind: str) -> None:
    try:
        connection.raw.execute(f"SELECT CAST(%s AS {kind})".encode(), (value,))
    except psycopg.DataError as error:
        raise DatabaseError(f"The column `{column}` of `{mirror.table}` is {kind}, and {value!r} is none.") from error


def _writes(connection: PostgresConnection, mirror: Mirror) -> Iterator[tuple[str, str]]:
    sql = sql_of(connection, mirror)
    for status, word in mirror.told.items():
        values = ", ".join(sql.literal(value, column) for value, column in zip(word, mirror.status, strict=True))
        yield f"INSERT INTO reactor_words VALUES ({values})", f"{shown(word)!r} for `{status}`"
