"""Says what is wrong with a table that is to be attached, before anything is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress

from reactor.database.mirror import Mirror, shown
from reactor.database.sql.connection import Column, columns
from reactor.database.sql.mirror_checks import key_of, named, refuse_own_downloads, refuse_twice, refuse_written
from reactor.database.sql.statements import quoted
from reactor.database.sqlite.compatibility import MISSING, TYPES, with_check, words_of
from reactor.database.sqlite.migration import contract
from reactor.database.sqlite.mirror_sql import MirrorSql
from reactor.database.sqlite.mirrors import unique_columns
from reactor.errors import DatabaseError
from reactor.models import Status


def checked(connection: sqlite3.Connection, mirror: Mirror) -> Mirror:
    """The mirror, with names as the table has them and its key. Raises DatabaseError."""
    table = _table(connection, mirror.table)
    there = columns(connection, table)
    unique = [set(names) for names in unique_columns(connection, table)]
    found = key_of(named(mirror, table, there), there, unique)
    refuse_twice(found)
    refuse_written(found, there)
    refuse_own_downloads(columns(connection), contract().names_of_columns)
    _refuse_missing_functions(connection, found)
    _refuse_words(connection, found, there)
    return found


def _table(connection: sqlite3.Connection, name: str) -> str:
    """The table's name as the schema has it."""
    if name.lower() == "downloads":
        raise DatabaseError("The table `downloads` is served as it is.", hint="Attach another table, or none.")
    if name.lower().startswith(("reactor_", "sqlite_")):
        raise DatabaseError(f"The table `{name}` is none of a bot's.")
    found = connection.execute(
        "SELECT name, type, sql FROM main.sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE",
        (name,),
    ).fetchone()
    if found is None:
        others = connection.execute(OTHERS).fetchall()
        hint = f"Tables are {', '.join(other for (other,) in others)}." if others else "It has no table yet."
        raise DatabaseError(f"There is no table `{name}`.", hint=hint)
    table, kind, definition = found
    if kind == "view":
        raise DatabaseError(f"`{table}` is a view, not a table.", hint="Attach the table that it shows.")
    if str(definition).upper().startswith("CREATE VIRTUAL"):
        raise DatabaseError(f"`{table}` is a virtual table, which has no triggers.")
    return str(table)


OTHERS = """SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
    AND name NOT LIKE 'reactor!_%' ESCAPE '!' ORDER BY name LIMIT 20"""


def _refuse_missing_functions(connection: sqlite3.Connection, mirror: Mirror) -> None:
    """Triggers and constraints of the bot's table run with what we write, too."""
    written = [*mirror.status, *mirror.written.values()]
    assigned = ", ".join(f"{quoted(name)} = {quoted(name)}" for name in written)
    try:
        connection.execute(f"EXPLAIN UPDATE {quoted(mirror.table)} SET {assigned}").fetchall()
    except sqlite3.OperationalError as error:
        if found := MISSING.search(str(error)):
            uses = f"The table `{mirror.table}` uses the {found[1]} `{found[2]}`"
            raise DatabaseError(
                f"{uses}, which only the bot's own connection has.",
                hint="SQLite needs it for each write of any program: do without it there.",
            ) from error
        raise DatabaseError(f"The table `{mirror.table}` cannot be written: {error}.") from error


def _refuse_words(connection: sqlite3.Connection, mirror: Mirror, there: Mapping[str, Column]) -> None:
    """A word that a CHECK of the bot's lets no row have; found on a copy of the table in memory."""
    (definition,) = connection.execute(
        "SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = ?", (mirror.table,)
    ).fetchone()
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        try:
            copy.execute(definition)
            copy.execute("PRAGMA ignore_check_constraints = ON")
            _insert(copy, mirror.table, there)
            copy.execute("PRAGMA ignore_check_constraints = OFF")
        except sqlite3.Error:
            return  # what a row of the bot's has to be cannot be guessed: only the rows can tell
        refused = [(status, with_check(error, definition)) for status, error in _refused(copy, mirror, there)]
    status_alone = {name.lower() for name in mirror.status}
    for status, error in refused:
        named = words_of(error) & there.keys()
        if named and named <= status_alone:  # else it is perhaps the guessed row that is refused
            word = shown(mirror.told[status])
            raise DatabaseError(f"The table `{mirror.table}` does not take {word!r} for `{status}`: {error}.")


def _insert(copy: sqlite3.Connection, table: str, there: Mapping[str, Column]) -> None:
    values = {
        column.name: next((kind for word, kind in TYPES if word in column.type.upper()), float)
        for column in there.values()
        if not column.generated and (column.key or (column.not_null and column.default is None))
    }
    listed, marks = ", ".join(map(quoted, values)), ", ".join("?" * len(values))
    row = [b"1" if kind is bytes else kind(1) for kind in values.values()]
    into = f"({listed}) VALUES ({marks})" if values else "DEFAULT VALUES"
    copy.execute(f"INSERT INTO {quoted(table)} {into}", row)


def _refused(copy: sqlite3.Connection, mirror: Mirror, there: Mapping[str, Column]) -> Iterator[tuple[Status, str]]:
    sql = MirrorSql(mirror, there, {})
    for status, assigned in sql.written_words().items():
        with suppress(sqlite3.OperationalError):  # a function that is not here
            try:
                copy.execute(f"UPDATE {quoted(mirror.table)} SET {assigned}")
            except sqlite3.IntegrityError as error:
                yield status, str(error)
