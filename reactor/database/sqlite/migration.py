"""Makes a database fit the contract: a new one, or one in which a bot has had its table for years.

Columns that are missing are added, with their defaults. Nothing is dropped, renamed or rewritten: other columns,
tables, indexes and triggers stay as they are, and a column that exists keeps the type it has. Of our own indexes those
are made anew that are not defined as in schema.sql. A database that fits already is not written to.

Rows that are there when `status` is added become `pending`: it is the bot's wish list that is taken over. Where
the bot's own `status` has no default, a row inserted without one (NULL) counts as pending; where it has one, NULL
is the bot's word for something else and is left alone.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from functools import cache

from reactor.database.contract import GONE
from reactor.database.sql.connection import BOTS, Column, columns, has_table, transaction
from reactor.database.sqlite.statements import script
from reactor.errors import DatabaseError
from reactor.records import dataclass

SCHEMA = "schema.sql"
SCHEMA_VERSION = 1
OWNERS = "reactor_owners"


@dataclass(frozen=True, slots=True)
class Contract:
    """What schema.sql describes."""

    columns: tuple[Column, ...]
    names: frozenset[str]
    """Of all tables and indexes."""
    indexes: dict[str, str]
    """How each is defined, as SQLite writes it down."""
    names_of_columns: frozenset[str]
    owners: tuple[Column, ...]
    """Of `reactor_owners`."""
    table: str
    """`downloads`, as SQLite writes it down."""


def migrate(connection: sqlite3.Connection, *, create: bool = True) -> str:
    """Add what is missing, in one transaction; the database's instance id comes back. `create`: the table too.

    Raises DatabaseError when the bot's table cannot carry the contract; with the code GONE when there is none, and it
    is not to be created."""
    instance = _ready(connection)
    if instance is None:
        with transaction(connection):
            if not create and not columns(connection):
                raise DatabaseError("There is no table `downloads`.", code=GONE, retryable=True)
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
        owners = tuple(columns(connection, OWNERS).values())
        return Contract(
            tuple(there.values()), _names(connection), _indexes(connection), frozenset(there), owners, table
        )


def _names(connection: sqlite3.Connection) -> frozenset[str]:
    return frozenset(name.lower() for (name,) in connection.execute("SELECT name FROM main.sqlite_master"))


def _indexes(connection: sqlite3.Connection) -> dict[str, str]:
    """Of those that are ours, how they are defined."""
    found = connection.execute(
        """SELECT name, sql FROM main.sqlite_master
        WHERE type = 'index' AND name LIKE 'reactor!_%' ESCAPE '!' AND sql <> ''"""
    )
    return {name.lower(): sql for name, sql in found}


def _ready(connection: sqlite3.Connection) -> str | None:
    """The instance id, when nothing is missing."""
    there = columns(connection)
    ready = {name for name, column in there.items() if name in BOTS or not column.generated}
    if contract().indexes.items() - _indexes(connection).items():
        return None  # one is missing, or from another release
    if not contract().names <= _names(connection) or not contract().names_of_columns <= ready:
        return None
    if {column.name for column in contract().owners} - columns(connection, OWNERS).keys():
        return None
    meta: dict[str, str] = dict(connection.execute("SELECT key, value FROM reactor_meta"))
    if int(meta.get("schema", SCHEMA_VERSION)) > SCHEMA_VERSION:
        raise DatabaseError("The database was migrated by a newer version of reactor.", hint="Upgrade this one.")
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
    for name, column in there.items():
        if column.generated and name in contract().names_of_columns - BOTS:
            what = f"its column `{column.name}` is GENERATED, and has to be written."
            raise DatabaseError(
                f"The table `downloads` cannot be served: {what}",
                hint="Make it a plain column, or give it another name.",
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
    accounts = columns(connection, OWNERS)
    for column in contract().owners:
        if column.name not in accounts:
            connection.execute(f"ALTER TABLE {OWNERS} ADD COLUMN {column.definition}")
    for name, _ in _indexes(connection).items() - contract().indexes.items():
        if name in contract().indexes:  # as another release has it, whose statements were others
            connection.execute(f"DROP INDEX {name}")
    for statement in script(SCHEMA):
        if statement not in tables:
            connection.execute(statement)
    for key, value in (("instance", secrets.token_hex(16)), ("schema", str(SCHEMA_VERSION))):
        connection.execute("INSERT OR IGNORE INTO reactor_meta (key, value) VALUES (?, ?)", (key, value))
