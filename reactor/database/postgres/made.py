"""Whether `downloads` is as reactor itself has made it, so that nobody has to ask what it lets in."""

from __future__ import annotations

from typing import cast

from reactor.database.postgres.connection import PostgresConnection
from reactor.database.sql.connection import Connection, has_table
from reactor.database.sql.statements import PUT_META

MADE = "made"
"""In reactor_meta: the SHAPE of the table that reactor has made."""
SHAPE = """SELECT md5(string_agg(said, '; ' ORDER BY said)) FROM (
    SELECT concat_ws(' ', attname, format_type(atttypid, atttypmod), attcollation, attnotnull, attidentity,
        attgenerated, pg_get_expr(adbin, adrelid)) AS said
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = to_regclass('downloads') AND attnum > 0 AND NOT attisdropped
    UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = to_regclass('downloads')
    UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid
    WHERE indrelid = to_regclass('downloads') AND c.relname !~ '^reactor(?!_mirror_)') AS said"""
"""Of the columns, constraints and indexes that are copied with it."""


def is_ours(connection: PostgresConnection) -> bool:
    """True when there is no table yet, or nobody has changed the one that reactor has made."""
    shared = cast("Connection", connection)
    if not has_table(shared, "downloads"):
        return True
    if not has_table(shared, "reactor_meta"):
        return False
    made = shared.execute("SELECT value FROM reactor_meta WHERE key = ?", (MADE,)).fetchone()
    return made is not None and made[0] == _shape(connection)


def remember(connection: PostgresConnection) -> None:
    """It is as reactor makes it now."""
    cast("Connection", connection).execute(PUT_META, (MADE, _shape(connection)))


def _shape(connection: PostgresConnection) -> object:
    (shape,) = connection.raw.execute(SHAPE).fetchall()[0]
    return shape
