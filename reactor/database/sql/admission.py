"""Rows that are new: whose they are, where a column of the bot's says it, and those that are too many of one owner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from reactor.core.turns import Caps
from reactor.database.sql.connection import Connection, columns
from reactor.database.sql.per_row import RowUpdater
from reactor.database.sql.statements import IN_NO_LIST, LATER, OVER, PUT_META, READY, quoted
from reactor.errors import DatabaseError, Failure

OWNED_MAX = 1000
SEEN = "seen"
"""In reactor_meta: the highest id of a row that was looked at. Rows are looked at once; entries of lists never."""
LAST = f"""SELECT (SELECT coalesce(max(id), 0) FROM downloads),
    (SELECT CAST(value AS INTEGER) FROM reactor_meta WHERE key = '{SEEN}')"""
NEW = f"""SELECT id, owner FROM downloads WHERE id > ? AND status = 'pending' AND coalesce(owner, '') <> ''
    AND {IN_NO_LIST} ORDER BY id"""
WAITING = f"""SELECT count(*) FROM (SELECT id FROM downloads WHERE {READY} AND owner = :whose AND {IN_NO_LIST}
    UNION ALL SELECT id FROM downloads WHERE {LATER} AND owner = :whose AND {IN_NO_LIST}) AS waiting"""
REFUSED = Failure(
    "too_many_waiting",
    "Too many downloads of the same owner wait already (OWNER_WAITING_MAX).",
    "Ask for it again when some of them are over.",
    False,
)
REFUSE = f"""status = 'failed', stage = NULL, finished_at = :moment, next_attempt_at = NULL, error = :too_many,
    error_code = '{REFUSED.code}', {OVER}"""
REFUSE_BARE = (f"status = 'failed', stage = NULL, error_code = '{REFUSED.code}'", "status = 'failed', stage = NULL")


UNOWNED = f"""SELECT id FROM downloads WHERE {READY} AND owner IS NULL AND {{}} IS NOT NULL
    AND typeof(id) = 'integer' AND id NOT IN (SELECT value FROM json_each(:held)) LIMIT {OWNED_MAX}"""


def check_column(connection: Connection, column: str | None) -> None:
    """Raise DatabaseError when the bot's table does not have it."""
    if column is not None and column.lower() not in columns(connection):
        message = f"The table `downloads` has no column `{column}`."
        raise DatabaseError(message, hint="OWNER_COLUMN names one that says whose a row is.")


def unowned(connection: Connection, column: str | None, asked: Mapping[str, Any]) -> list[int]:
    """Rows without an owner of which the bot's own `column` says whose they are: at most OWNED_MAX."""
    if column is None:
        return []
    return [id for (id,) in connection.execute(UNOWNED.format(_named(connection, column)), asked).fetchall()]


def own(
    connection: Connection,
    updater: RowUpdater,
    ids: Sequence[int],
    column: str | None,
    asked: Mapping[str, Any],
) -> bool:
    """Note whose they are. True when there may be more of them."""
    if ids and column:
        assignment = f"owner = CAST({_named(connection, column)} AS TEXT)"
        updater.update(connection, ids, (assignment,), asked, which="owner IS NULL")
    return len(ids) == OWNED_MAX


def _named(connection: Connection, column: str) -> str:
    """As the bot has named it."""
    return quoted(columns(connection)[column.lower()].name)


def has_new(connection: Connection, caps: Caps) -> bool:
    """True when rows were added since they were looked at."""
    if not caps.owner_waiting_max:
        return False
    last, seen = connection.execute(LAST).fetchone()
    return seen is None or last > seen


def refuse(connection: Connection, updater: RowUpdater, asked: Mapping[str, Any], caps: Caps) -> list[tuple[int, int]]:
    """The rows that are too many fail, of an owner the last ones: their ids and attempts. What was there before there
    was a limit stays."""
    last, seen = connection.execute(LAST).fetchone()
    connection.execute(PUT_META, (SEEN, str(last)))
    added = defaultdict[Any, list[int]](list)
    for id, owner in connection.execute(NEW, (last if seen is None else seen,)).fetchall():
        added[owner].append(id)
    refused = list[int]()
    for owner, ids in added.items():
        (waiting,) = connection.execute(WAITING, {"whose": owner}).fetchone()
        number = caps.too_many(waiting)
        refused += ids[-number:] if number else []
    values = {**asked, "too_many": REFUSED.text}
    ways = (REFUSE, *REFUSE_BARE)
    done = updater.update(connection, refused, ways, values, "id, attempt", "status = 'pending'")
    return [row for _, row in done]
