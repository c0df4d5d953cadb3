"""The bot's statements. Each function is one transaction on the connection it is given, or part of the one that is
open there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from reactor.choices import answered, read_choices
from reactor.database import contract
from reactor.database.sql.connection import Connection, columns, empties, required, storable, transaction
from reactor.database.sql.statements import IN_NO_LIST, download, fit, quoted
from reactor.database.table import LIST_MAX, ChangeCursor
from reactor.errors import DatabaseError
from reactor.models import Download, Status
from reactor.options import read_options
from reactor.row_options import column_of

Row = tuple[Any, ...]
P = ParamSpec("P")
Result = TypeVar("Result")


def _storable(function: Callable[P, Result]) -> Callable[P, Result]:
    """A value that SQLite has no room for is told in a sentence: DatabaseError."""

    @wraps(function)
    def telling(*args: P.args, **more: P.kwargs) -> Result:
        try:
            return function(*args, **more)
        except OverflowError as error:
            raise DatabaseError("A number is too large for the database: it takes 64 bits.") from error
        except UnicodeEncodeError as error:
            raise DatabaseError(
                "A text with a lone surrogate (half a character) cannot be stored.",
                hint="Clean it first: text.encode('utf-8', 'replace').decode().",
            ) from error

    return telling


@_storable
def add(connection: Connection, url: str, own: Mapping[str, Any]) -> int:
    """Insert a row with the bot's own columns `own`; its id comes back.

    Raises DatabaseError for a column that the table does not have, or a table that lacks columns of reactor's."""
    there = columns(connection)
    if "added_date" not in there:
        raise DatabaseError(
            "The table `downloads` is not ready for rows.",
            hint="Start the reactor first, or open the database once with reactor.Queue.",
        )
    if unknown := [name for name in own if name.lower() not in there]:
        raise DatabaseError(f"The table `downloads` has no column `{unknown[0]}`.")
    names, values = ["url", *own], [url, *own.values()]
    if "status" not in map(str.lower, own):  # the bot's column may have a default of its own
        names, values = [*names, "status"], [*values, Status.PENDING.value]
    added = there["added_date"]
    if added.default is None and not added.generated and "added_date" not in map(str.lower, own):
        names, values = [*names, "added_date"], [*values, connection.execute(NOW).fetchone()[0]]
    for name, value in required(there).items():
        if name not in map(str.lower, names):
            names, values = [*names, name], [*values, value]
    values = [storable(connection, there[name.lower()], value) for name, value in zip(names, values, strict=True)]
    listed = ", ".join(quoted(there[name.lower()].name) for name in names)
    marks = ", ".join("?" * len(values))
    inserted = connection.execute(f"INSERT INTO downloads ({listed}) VALUES ({marks}) RETURNING id", values).fetchall()
    if not inserted:
        raise DatabaseError("A trigger of the table `downloads` rejected the row.")
    return int(inserted[0][0])


NOW = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"


@_storable
def mark_cancelled(connection: Connection, id: int) -> bool:
    """Ask for a stop. False when there is no such row, or it is over, or not reactor's."""
    asked = connection.execute(
        """UPDATE downloads SET cancelled = 1
        WHERE id = ? AND (status IN ('pending', 'downloading', 'choosing') OR status IS NULL)""",
        (id,),
    )
    return asked.rowcount > 0


@_storable
def retry(connection: Connection, id: int) -> bool:
    """Send a failed or cancelled row back to the queue, as if it were new; a list of which not all came, too: its claim
    takes those entries along (`lists.claim`). False when it is none of these."""
    sent = connection.execute(
        f"""UPDATE downloads SET {fit(ANEW, empties(connection))}
        WHERE id = ? AND (status IN ('failed', 'cancelled') OR (status = 'downloaded' AND error_code = 'partial'))""",
        (id,),
    )
    return sent.rowcount > 0


@_storable
def choose(connection: Connection, id: int, codes: Sequence[str]) -> bool:
    """Answer the question of a row: one UPDATE, of what was read. False when it asks nothing, or is another one by now.

    Raises DownloadError (`bad_options`) for a code that is not there."""
    asked = "SELECT choices, options FROM downloads WHERE id = ? AND status IN ('choosing', 'failed')"
    for stored, options in connection.execute(asked, (id,)).fetchall():
        choices = read_choices(contract.text(stored))
        if choices is None:
            continue
        answer = column_of(answered(read_options(contract.text(options)), choices, codes))
        told = connection.execute(
            f"""UPDATE downloads SET {fit(ANEW, empties(connection))}, choices = NULL, options = ?
            WHERE id = ? AND choices IS ? AND options IS ?
            AND ((status = 'choosing' AND cancelled IS NOT TRUE) OR status = 'failed')""",
            (answer, id, stored, options),
        )
        return told.rowcount > 0
    return False


@_storable
def remove(connection: Connection, id: int) -> bool:
    """Delete a row. False when there is none."""
    return connection.execute("DELETE FROM downloads WHERE id = ?", (id,)).rowcount > 0


ANEW = """status = 'pending', cancelled = 0, stage = NULL, progress = 0, download_speed = NULL, eta_seconds = NULL,
    retry_count = 0, next_attempt_at = NULL, not_before = NULL, started_at = NULL, finished_at = NULL, error = NULL,
    error_code = NULL"""
"""What a row has that was never taken up."""


@_storable
def get_download(connection: Connection, id: int) -> Download | None:
    """One row."""
    cursor = connection.execute("SELECT * FROM downloads WHERE id = ?", (id,))
    found = cursor.fetchall()
    return download(cursor, found[0]) if found else None


@_storable
def children(connection: Connection, id: int) -> list[Download]:
    """The rows of a list's entries, in the order of the list."""
    found = _read(connection, "WHERE parent_id = ? AND item_key IS NOT NULL", id)
    return sorted(found, key=lambda row: (row.position or 0, row.id))


@_storable
def get_downloads_by_status(connection: Connection, status: str, limit: int = LIST_MAX) -> list[Download]:
    """The latest `limit` rows with this status, oldest first."""
    return _read(connection, "WHERE status = ? ORDER BY id DESC LIMIT ?", status, limit)[::-1]


@_storable
def list_downloads(connection: Connection, limit: int = LIST_MAX) -> list[Download]:
    """The latest `limit` rows, oldest first."""
    return _read(connection, "ORDER BY id DESC LIMIT ?", limit)[::-1]


def folded(connection: Connection, limit: int = LIST_MAX) -> tuple[list[Download], int]:
    """The latest `limit` rows, oldest first, without entries of lists that are there; and how many there are."""
    shown = f"WHERE {IN_NO_LIST} OR NOT EXISTS (SELECT 1 FROM downloads AS p WHERE p.id = downloads.parent_id)"
    with transaction(connection, "DEFERRED"):
        found = _read(connection, f"{shown} ORDER BY id DESC LIMIT ?", limit)[::-1]
        (total,) = connection.execute(f"SELECT count(*) FROM downloads {shown}").fetchone()
    return found, int(total)


@_storable
def entries(connection: Connection, id: int, offset: int = 0, limit: int = LIST_MAX) -> tuple[list[Download], int]:
    """Some of the rows of a list's entries, in its order; and how many there are."""
    theirs = "WHERE parent_id = ? AND item_key IS NOT NULL"
    with transaction(connection, "DEFERRED"):
        found = _read(connection, f"{theirs} ORDER BY COALESCE(position, 0), id LIMIT ? OFFSET ?", id, limit, offset)
        (total,) = connection.execute(f"SELECT count(*) FROM downloads {theirs}", (id,)).fetchone()
    return found, int(total)


def count(connection: Connection, status: str | None = None) -> int:
    """How many rows there are, all or with one status. Reads them all."""
    (found,) = connection.execute(
        "SELECT count(*) FROM downloads WHERE :status IS NULL OR status = :status", {"status": status}
    ).fetchone()
    return int(found)


def changed(connection: Connection, cursor: ChangeCursor) -> list[Download]:
    """The rows that changed since `cursor` was used last, by id, as they are now."""
    with transaction(connection, "DEFERRED"):
        found = connection.execute(LIVE)
        at = next(place for place, (name, *_) in enumerate(found.description) if name.lower() == "id")
        live = {row[at]: row for row in found.fetchall()}
        over = {row[at]: row for id in cursor.live.keys() - live.keys() for row in _by_id(connection, id)}
        if cursor.last_id >= 0:
            came = connection.execute("SELECT * FROM downloads WHERE id > ?", (cursor.last_id,)).fetchall()
            over |= {row[at]: row for row in came if row[at] not in live}
        (last,) = connection.execute("SELECT COALESCE(max(id), 0) FROM downloads").fetchone()
    changed = [row for id, row in live.items() if cursor.live.get(id) != row] + list(over.values())
    cursor.live, cursor.last_id = live, last
    return [download(found, row) for row in sorted(changed, key=lambda row: row[at])]


@_storable
def changed_among(connection: Connection, cursor: ChangeCursor, ids: Sequence[int]) -> dict[int, Download | None]:
    """Those of these rows that changed since `cursor` was used last; None for one that is not there."""
    found = connection.execute(
        "SELECT * FROM downloads WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(ids),)
    )
    at = next(place for place, (name, *_) in enumerate(found.description) if name.lower() == "id")
    rows = {row[at]: row for row in found.fetchall()}
    changed = {id: row for id in ids if cursor.live.get(id) != (row := rows.get(id, ()))}
    cursor.live |= changed
    return {id: download(found, row) if row else None for id, row in changed.items()}


LIVE = " UNION ALL ".join(
    f"SELECT * FROM downloads WHERE status = '{each}'" for each in ("pending", "downloading", "choosing")
)
"""Each part has an index of its own; with OR it would be a scan."""


def _by_id(connection: Connection, id: int) -> list[Row]:
    return connection.execute("SELECT * FROM downloads WHERE id = ?", (id,)).fetchall()


def _read(connection: Connection, clause: str, *values: object) -> list[Download]:
    cursor = connection.execute(f"SELECT * FROM downloads {clause}", values)
    return [download(cursor, row) for row in cursor.fetchall()]
