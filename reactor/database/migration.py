"""Makes a database fit the contract: a new one, or one in which a bot has had its table for years.

Columns that are missing are added, with their defaults. Nothing is dropped, renamed or rewritten: other columns,
tables, indexes and triggers stay as they are, and a column that exists keeps the type it has. A database that
fits already is not written to.

Rows that are there when `status` is added become `pending`: it is the bot's wish list that is taken over. Where
the bot's own `status` has no default, a row inserted without one (NULL) counts as pending; where it has one, NULL
is the bot's word for something else and is left alone.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import cache

from reactor.database.statements import has_table, script, transaction
from reactor.errors import DatabaseError

SCHEMA = "schema.sql"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Column:
    """One column as SQLite has it."""

    name: str
    type: str
    default: str | None
    not_null: bool
    key: int
    """Its place in the primary key, from 1; 0 when it is not in it."""

    @property
    def definition(self) -> str:
        """For ALTER TABLE, which takes no default that is an expression: such a column has none then."""
        constant = self.default is not None and "(" not in self.default
        return f"{self.name} {self.type}" + (f" DEFAULT {self.default}" if constant else "")


@dataclass(frozen=True, slots=True)
class Contract:
    """What schema.sql describes."""

    columns: tuple[Column, ...]
    names: frozenset[str]
    """Of all tables and indexes."""
    names_of_columns: frozenset[str]
    table: str
    """`downloads`, as SQLite writes it down."""


def columns(connection: sqlite3.Connection) -> dict[str, Column]:
    """The columns of `downloads` by their name in lower case (SQLite does not care either); empty without it."""
    rows = connection.execute("SELECT name, type, dflt_value, \"notnull\", pk FROM pragma_table_info('downloads')")
    return {name.lower(): Column(name, kind, default, bool(nn), pk) for name, kind, default, nn, pk in rows}


def migrate(connection: sqlite3.Connection) -> str:
    """Add what is missing, in one transaction; the database's instance id comes back.

    Raises DatabaseError when the bot's table cannot carry the contract."""
    instance = _ready(connection)
    if instance is None:
        with transaction(connection):
            _refuse(connection)
            _add(connection)
        instance = _ready(connection)
        assert instance is not None
    return instance


def refuse_unready(connection: sqlite3.Connection) -> None:
    """Raise DatabaseError for what cannot be looked at as it is; nothing is added."""
    there = columns(connection)
    if not there:
        raise DatabaseError("There is no table `downloads`.", hint="Is it the bot's database?")
    missing = [column.name for column in contract().columns if column.name not in there]
    if missing:
        raise DatabaseError(
            f"The table `downloads` has no column `{missing[0]}` yet.", hint="`reactor run` adds what is missing."
        )


def is_empty(connection: sqlite3.Connection) -> bool:
    """True when there is no table yet: nobody else has made this database what it is."""
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


@cache
def contract() -> Contract:
    """What schema.sql describes."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in script(SCHEMA):
            connection.execute(statement)
        there = columns(connection)
        (table,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'downloads'").fetchone()
        return Contract(tuple(there.values()), _names(connection), frozenset(there), table)


def _names(connection: sqlite3.Connection) -> frozenset[str]:
    return frozenset(name.lower() for (name,) in connection.execute("SELECT name FROM main.sqlite_master"))


def _ready(connection: sqlite3.Connection) -> str | None:
    """The instance id, when nothing is missing."""
    there = columns(connection)
    if not contract().names <= _names(connection) or any(column.name not in there for column in contract().columns):
        return None
    meta: dict[str, str] = dict(connection.execute("SELECT key, value FROM reactor_meta"))
    if int(meta.get("schema", SCHEMA_VERSION)) > SCHEMA_VERSION:
        raise DatabaseError("The database was made ready by a newer reactor.", hint="Upgrade this one.")
    return meta.get("instance")


def _refuse(connection: sqlite3.Connection) -> None:
    """Say what is wrong with a table that cannot be used."""
    kind = connection.execute("SELECT type FROM main.sqlite_master WHERE name = 'downloads' COLLATE NOCASE").fetchone()
    if kind is None:
        return
    if kind[0] != "table":
        raise DatabaseError(f"`downloads` is a {kind[0]}, not a table.")
    there = columns(connection)
    if "url" not in there:
        raise DatabaseError(
            "The table `downloads` has no column `url`.",
            hint="Rename the bot's column to `url`, or choose another database.",
        )
    key = there.get("id")
    whole_number = key is not None and (key.type.upper() == "INTEGER" or ("INT" in key.type.upper() and key.not_null))
    if not whole_number or [column.name for column in there.values() if column.key] != [key.name if key else ""]:
        raise DatabaseError("The table `downloads` has no column `id` that is its INTEGER PRIMARY KEY.")


def _add(connection: sqlite3.Connection) -> None:
    tables = [statement for statement in script(SCHEMA) if "CREATE TABLE" in statement]
    old_plans = has_table(connection, "reactor_plans") and not has_table(connection, "reactor_plan_pieces")
    for statement in tables:
        connection.execute(statement)
    if old_plans:  # from before they were bounded: nobody reads them, and they may have hundreds of MB
        connection.execute("UPDATE reactor_plans SET plan = ''")
    there = columns(connection)
    strict = connection.execute(
        "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name = 'downloads' COLLATE NOCASE"
    ).fetchone()[0]
    for column in contract().columns:
        if column.name not in there:
            # A STRICT table knows no BOOLEAN.
            definition = column.definition.replace("BOOLEAN", "INTEGER") if strict else column.definition
            connection.execute(f"ALTER TABLE downloads ADD COLUMN {definition}")
    for statement in script(SCHEMA):
        if statement not in tables:
            connection.execute(statement)
    for key, value in (("instance", secrets.token_hex(16)), ("schema", str(SCHEMA_VERSION))):
        connection.execute("INSERT OR IGNORE INTO reactor_meta (key, value) VALUES (?, ?)", (key, value))
