"""Makes a PostgreSQL database fit the contract: a new one, or one in which a bot has had its table for years.

Tables and columns that are missing are added. Nothing is dropped, renamed or rewritten, and a column that exists keeps
the type it has. No statement holds the bot up: each waits at most LOCK_S for a lock, for whoever comes behind it waits
as well, and is tried again; indexes of a table with rows are built beside its use (CREATE INDEX CONCURRENTLY). No index
is on a column that progress changes, and none on the lease: such writes stay within their page (HOT).
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import cast

from psycopg import errors as postgres

from reactor.database.contract import COLUMNS, GONE, UNREADY
from reactor.database.postgres.connection import PostgresConnection
from reactor.database.postgres.made import is_ours, remember
from reactor.database.postgres.waking import CHANNEL
from reactor.database.postgres.words import NUMBERS, Words
from reactor.database.sql import downloads, lists, order
from reactor.database.sql.connection import BOTS, Connection, columns, has_table
from reactor.database.sql.statements import IN_NO_LIST, IS_OVER, LATER, READY, RETRY, instance_of
from reactor.database.sql.unserved import UNKNOWN
from reactor.errors import DatabaseError

SCHEMA_VERSION = 1
LOCK_S = 2.0
TRIES, PAUSE_S = 15, 1.0
"""How often a statement is tried that others keep from its lock, and how long they are let through in between."""
PENDING = "status = 'pending'"
INDEXES = {
    "reactor_pending": ("added_date NULLS FIRST, id", PENDING),
    "reactor_ready": (f"owner, {order.PLACE}", READY),
    "reactor_yielded": ("id", order.GAVE_WAY),
    "reactor_retries": ("next_attempt_at", RETRY),
    "reactor_later": ("not_before", LATER),
    "reactor_cancels": ("id", downloads.WITHDRAWN),
    "reactor_under_way": ("id", "status = 'downloading'"),
    "reactor_choosing": ("next_attempt_at, id", "status = 'choosing'"),
    "reactor_choosing_cancels": ("id", downloads.DISMISSED),
    "reactor_stopped": ("id", "status = 'cancelled' AND stage IS NOT NULL AND stage <> ''"),
    "reactor_failed": ("finished_at NULLS FIRST, id", "status = 'failed'"),
    "reactor_unserved": ("status, id", UNKNOWN),
    "reactor_items_counted": ("parent_id, status", lists.CHILD),
    "reactor_items_open": ("parent_id", lists.OPEN),
    "reactor_failed_lines": ("finished_at NULLS FIRST, id", f"status = 'failed' AND {IN_NO_LIST}"),
    "reactor_ended_lines": ("id", f"{IS_OVER} AND {IN_NO_LIST}"),
    "reactor_lists": ("id", lists.UNDER_WAY),
    "reactor_media": ("media_key, id", "media_key IS NOT NULL"),
    "reactor_unset": ("id", "status IS NULL"),
    "reactor_items": ("parent_id, item_key", lists.CHILD),
    "reactor_tries": ("download_id, id", ""),
    "reactor_published_order": ("folder, at, id", ""),
    "reactor_published_content": ("folder, content, bytes", ""),
}
"""Each holds the few rows that one question is about: what is in it, and of which rows."""
UNIQUE = {"reactor_items"}
ON = {
    "reactor_tries": "reactor_history",
    "reactor_published_order": "reactor_published",
    "reactor_published_content": "reactor_published",
}
"""Of the others it is `downloads`."""
TABLES = ("r", "p")
"""As the catalog has it: a table, and one that has parts."""
SECONDS = ("integer", "bigint", "double precision", "numeric")
"""A `real` tells the minute at best."""
FLAGS = ("smallint", "integer", "bigint", "boolean")
TAKEN = {
    **dict.fromkeys(("file_size", "eta_seconds", "retry_count", "attempt", "progress", "download_speed"), NUMBERS),
    **dict.fromkeys(("not_before", "next_attempt_at", "lease_until"), SECONDS),
    **dict.fromkeys(
        ("duration_s", "width", "height", "position", "items_total", "items_done", "items_failed"), NUMBERS
    ),
    "parent_id": ("smallint", "integer", "bigint"),
    "cancelled": (*FLAGS, "text", "character"),
    "id": ("smallint", "integer", "bigint"),
}
"""How the types begin that a column may have which is no text to reactor."""
WAKE = "reactor_wake"
WAKER = f"""CREATE OR REPLACE FUNCTION {WAKE}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF coalesce(current_setting('reactor.machine', true), '') = '' THEN
        NOTIFY {CHANNEL};
    END IF;
    RETURN NULL;
END $$"""
TRIGGER = f"""CREATE TRIGGER {WAKE} AFTER INSERT OR DELETE OR UPDATE OF status, cancelled ON downloads
    FOR EACH STATEMENT EXECUTE FUNCTION {WAKE}()"""
"""Once for a statement, however many rows it writes; equal notifications of a transaction are one."""
CATALOG = """SELECT c.relname, coalesce(i.indisvalid, true) FROM pg_class AS c
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
    WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('downloads'))
    AND (c.relname LIKE 'reactor%' OR c.relname = 'downloads')"""


def fit(connection: PostgresConnection, create: bool = True) -> str:
    """Add what is missing; the database's instance id comes back. `create`: the table too.

    Raises DatabaseError when the bot's table cannot carry the contract; with the code GONE when there is none, and it
    is not to be created."""
    instance = _ready(connection)
    if instance is not None:
        return instance
    if not create and not has_table(_shared(connection), "downloads"):
        raise DatabaseError("There is no table `downloads`.", code=GONE, retryable=True)
    with _alone(connection):
        _refuse(connection)
        ours = is_ours(connection)
        _add(connection)
        if ours:
            remember(connection)
        instance = _ready(connection)
    assert instance is not None
    return instance


def set_trigger(shared: Connection, wanted: bool) -> None:
    """Have the server wake the reactor for what bots write in plain SQL, or no longer. Of reactor's own writes it says
    nothing; of progress nothing is said at all."""
    connection = cast("PostgresConnection", shared)
    with _alone(connection):
        patiently(connection, f"DROP TRIGGER IF EXISTS {WAKE} ON downloads")
        patiently(connection, WAKER if wanted else f"DROP FUNCTION IF EXISTS {WAKE}()")
        if wanted:
            patiently(connection, TRIGGER)


def fit_read_only(connection: PostgresConnection, create: bool = True) -> str:
    """Nothing is added: DatabaseError for what cannot be looked at as it is."""
    there = columns(_shared(connection))
    if not there:
        raise DatabaseError("There is no table `downloads`.", hint="Is it the bot's database?", code=UNREADY)
    if missing := sorted(COLUMNS - there.keys()):
        raise DatabaseError(
            f"The table `downloads` has no column `{missing[0]}` yet.",
            hint="`reactor run` adds what is missing.",
            code=UNREADY,
        )
    return instance_of(_shared(connection))


def _shared(connection: PostgresConnection) -> Connection:
    return cast("Connection", connection)


@cache
def definitions() -> dict[str, str]:
    """The tables of schema.sql, by name."""
    text = re.sub(r"^--.*\n", "", resources.files(__package__).joinpath("schema.sql").read_text("utf-8"), flags=re.M)
    statements = [statement.strip() for statement in text.split(";") if statement.strip()]
    return {statement.split()[2]: statement for statement in statements}


@cache
def contract_columns() -> dict[str, str]:
    """Name and definition of each column of `downloads`."""
    body = definitions()["downloads"].partition("(\n")[2].rpartition("\n)")[0]
    lines = [line.strip().removesuffix(",") for line in body.splitlines()]
    return {line.split()[0]: line for line in lines}


def _ready(connection: PostgresConnection) -> str | None:
    """The instance id, when nothing is missing."""
    there = dict(connection.raw.execute(CATALOG).fetchall())
    if not definitions().keys() | INDEXES.keys() <= there.keys() or not all(there.values()):
        return None
    if not columns(_shared(connection)).keys() >= COLUMNS:
        return None
    meta = dict(connection.raw.execute("SELECT key, value FROM reactor_meta").fetchall())
    if int(meta.get("schema", SCHEMA_VERSION)) > SCHEMA_VERSION:
        raise DatabaseError("The database was migrated by a newer version of reactor.", hint="Upgrade this one.")
    return meta.get("instance")


def _refuse(connection: PostgresConnection) -> None:
    """Say what is wrong with a table that cannot be used."""
    kind = connection.raw.execute("SELECT relkind FROM pg_class WHERE oid = to_regclass('downloads')").fetchone()
    if kind is None:
        return
    if kind[0] not in TABLES:
        raise DatabaseError("`downloads` is not a table.")
    there = columns(_shared(connection))
    if "url" not in there:
        raise DatabaseError(
            "The table `downloads` has no column `url`.",
            hint="Rename the bot's column to `url`, or choose another database.",
        )
    for name in COLUMNS & there.keys():
        column = there[name]
        if column.generated and name not in BOTS:
            raise DatabaseError(
                f"The table `downloads` cannot be served: its column `{name}` is GENERATED, and has to be written.",
                hint="Make it a plain column, or give it another name.",
            )
        if column.name != name:
            raise DatabaseError(
                f'The table `downloads` cannot be served: its column "{column.name}" is written with quotes.',
                hint=f"Rename it to {name}.",
            )
        if name in TAKEN and not column.type.startswith(TAKEN[name]):
            raise DatabaseError(
                f"The table `downloads` cannot be served: its column `{name}` is {column.type}.",
                hint=f"Make it {contract_columns()[name].split(maxsplit=1)[1].partition(' DEFAULT')[0]}.",
            )
    key = [column.name for column in there.values() if column.key]
    if key != ["id"] or there["id"].default is None:
        raise DatabaseError(
            "The table `downloads` has no column `id` that is its primary key and counts by itself.",
            hint="Make it `bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY`, or bigserial.",
        )


def _add(connection: PostgresConnection) -> None:
    new = not has_table(_shared(connection), "downloads")
    for name, definition in definitions().items():
        if not has_table(_shared(connection), name):
            patiently(connection, definition)
    for name in ("reactor_plans", "reactor_crashes"):  # what is there is of the machine that served alone until now
        if "machine" not in columns(_shared(connection), name):
            (machine,) = [line for line in definitions()[name].splitlines() if line.strip().startswith("machine ")]
            patiently(connection, f"ALTER TABLE {name} ADD COLUMN {machine}")
    there = columns(_shared(connection))
    missing = [
        change for name, text in contract_columns().items() if name not in there for change in _added(name, text)
    ]
    if missing:
        patiently(connection, f"ALTER TABLE downloads {', '.join(missing)}")
    words = Words(columns(_shared(connection)))
    valid = dict(connection.raw.execute(CATALOG).fetchall())
    for name in INDEXES:
        if name in valid and not valid[name]:  # its building was interrupted
            patiently(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        if not valid.get(name):
            _index(connection, name, words, concurrently=not new)
    for key, value in (("instance", secrets.token_hex(16)), ("schema", str(SCHEMA_VERSION))):
        connection.raw.execute(
            "INSERT INTO reactor_meta (key, value) VALUES (%s, %s) ON CONFLICT DO NOTHING", (key, value)
        )


def _added(name: str, definition: str) -> list[str]:
    """A default that is an expression counts for rows to come only: for those that are there, each would be written."""
    bare, _, default = definition.partition(" DEFAULT ")
    if "(" not in default:
        return [f"ADD COLUMN {definition}"]
    return [f"ADD COLUMN {bare}", f"ALTER COLUMN {name} SET DEFAULT {default}"]


def _index(connection: PostgresConnection, name: str, words: Words, *, concurrently: bool) -> None:
    statement = index_statement(name, words, concurrently=concurrently)
    for again in range(TRIES):
        try:
            return patiently(connection, statement)
        except postgres.LockNotAvailable:  # what CONCURRENTLY leaves then is in the way of the next one
            if again == TRIES - 1:
                raise
            patiently(connection, f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def index_statement(name: str, words: Words, *, concurrently: bool = False) -> str:
    """The statement that builds it."""
    what, which = INDEXES[name]
    kind = "UNIQUE INDEX" if name in UNIQUE else "INDEX"
    how = " CONCURRENTLY" if concurrently else ""
    where = f" WHERE {words.spoken(which)}" if which else ""
    table = ON.get(name, "downloads")
    return f"CREATE {kind}{how} {name} ON {table} ({words.spoken(what)}){where}"


def patiently(connection: PostgresConnection, statement: str) -> None:
    """Carry it out, in pieces of LOCK_S of waiting for a lock; an index that is built beside the use of its table is
    the caller's to try again."""
    for again in range(TRIES):
        try:
            connection.raw.execute(statement.encode())
        except postgres.LockNotAvailable:
            if again == TRIES - 1 or (" INDEX CONCURRENTLY" in statement and statement.startswith("CREATE")):
                raise
            time.sleep(PAUSE_S)  # in a worker thread; those that wait behind us are let through
        else:
            return


@contextmanager
def _alone(connection: PostgresConnection) -> Iterator[None]:
    """Nobody else makes the same database ready meanwhile. The lock is asked for again and again: an index that is
    built beside the use of its table waits for whoever waits for a lock."""
    key = "hashtext('reactor'), hashtext('migration')"
    while connection.raw.execute(f"SELECT pg_try_advisory_lock({key})").fetchone() != (True,):
        time.sleep(PAUSE_S / 10)
    (before,) = connection.raw.execute("SHOW lock_timeout").fetchone() or ("0",)
    connection.raw.execute(f"SET lock_timeout = '{LOCK_S}s'")
    try:
        yield
    finally:
        if not connection.raw.closed:
            connection.raw.execute(f"SELECT pg_advisory_unlock({key})")
            connection.raw.execute(f"SET lock_timeout = '{before}'")
