"""What an operator sees of the table: a list is one row, that of its parent. Each statement reads only the rows that it
shows, by an index; of those that are pending, also those that stand before them."""

from __future__ import annotations

import json

from reactor.database import contract as rows
from reactor.database.sql import presence
from reactor.database.sql.connection import Connection, transaction
from reactor.database.sql.statements import DATED, DATELESS, IN_NO_LIST, IS_OVER, NOW, RETRY, download
from reactor.database.table import Counts, Overview
from reactor.models import Download, Position


def overview(connection: Connection, shown_max: int) -> Overview:
    """At most `shown_max` rows of each kind."""
    with transaction(connection, "DEFERRED"):
        queued, places = _queued(connection, shown_max)
        return Overview(
            _folded(connection),
            under_way=_read(connection, UNDER_WAY, shown_max),
            queued=queued,
            choosing=_read(connection, CHOOSING, shown_max),
            failed=_read(connection, FAILED, shown_max),
            ended=_read(connection, ENDED, shown_max),
            served=presence.read(connection),
            places=places,
        )


def counts(connection: Connection) -> Counts:
    """How many there are, and since when."""
    return _counts(connection, "status = 'failed'")


def _counts(connection: Connection, failed_rows: str) -> Counts:
    (pending,) = connection.execute("SELECT count(*) FROM downloads WHERE status = 'pending'").fetchone()
    (waiting,) = connection.execute(WAITING).fetchone()
    (downloading,) = connection.execute("SELECT count(*) FROM downloads WHERE status = 'downloading'").fetchone()
    oldest = connection.execute(OLDEST).fetchone()
    (failed,) = connection.execute(f"SELECT count(*) FROM downloads WHERE {failed_rows}").fetchone()
    (choosing,) = connection.execute("SELECT count(*) FROM downloads WHERE status = 'choosing'").fetchone()
    age_s = (rows.waited(*oldest) or 0.0) if oldest else 0.0
    return Counts(pending - waiting, waiting, downloading, age_s, failed, choosing)


def _folded(connection: Connection) -> Counts:
    """The same without the entries of lists."""
    counted = _counts(connection, f"status = 'failed' AND {IN_NO_LIST}")
    pending, waiting, downloading, choosing = connection.execute(ENTRIES).fetchone()
    return Counts(
        counted.pending - (pending - waiting),
        counted.waiting - waiting,
        counted.downloading - downloading,
        counted.oldest_s,
        counted.failed,
        counted.choosing - choosing,
    )


UNDER_WAY = f"SELECT * FROM downloads WHERE status = 'downloading' AND {IN_NO_LIST} ORDER BY id LIMIT ?"
THESE = "SELECT * FROM downloads WHERE id IN (SELECT value FROM json_each(?)) AND status = 'pending'"
QUEUED = f"SELECT * FROM downloads WHERE status = 'pending' AND {IN_NO_LIST} AND {{}} LIMIT ?"
FAILED = f"SELECT * FROM downloads WHERE status = 'failed' AND {IN_NO_LIST} ORDER BY finished_at DESC, id DESC LIMIT ?"
CHOOSING = f"SELECT * FROM downloads WHERE status = 'choosing' AND {IN_NO_LIST} ORDER BY next_attempt_at, id LIMIT ?"
ENDED = f"""SELECT * FROM downloads WHERE {IS_OVER}
    AND {IN_NO_LIST} ORDER BY id DESC LIMIT ?"""
WAITING = f"SELECT count(*) FROM downloads WHERE {RETRY} AND next_attempt_at > {NOW}"
ENTRIES = f"""SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'pending'
        AND next_attempt_at IS NOT NULL AND next_attempt_at > {NOW}),
    count(*) FILTER (WHERE status = 'downloading'), count(*) FILTER (WHERE status = 'choosing') FROM downloads
    WHERE parent_id IS NOT NULL AND item_key IS NOT NULL AND status IN ('pending', 'downloading', 'choosing')"""
"""Of lists, and not over."""
OLDEST = f"""SELECT added_date, {NOW} FROM downloads
    WHERE status = 'pending' AND next_attempt_at IS NULL AND {DATED} LIMIT 1"""


def _queued(connection: Connection, shown_max: int) -> tuple[tuple[Download, ...], dict[int, Position]]:
    """Those that are next, and where they stand; behind them others that wait, of which that is not known."""
    from reactor.database.sql.position import line_up

    places = line_up(connection, shown_max)
    rows = {row.id: row for row in _read(connection, THESE, json.dumps([*places]))}
    if len(rows) < shown_max:
        others = (row for which in (DATELESS, DATED) for row in _read(connection, QUEUED.format(which), shown_max))
        rows |= {row.id: row for row in others if row.id not in rows}
    order = [*(id for id in places if id in rows), *(id for id in rows if id not in places)]
    return tuple(rows[id] for id in order[:shown_max]), places


def _read(connection: Connection, statement: str, asked: object) -> tuple[Download, ...]:
    cursor = connection.execute(statement, (asked,))
    return tuple(download(cursor, row) for row in cursor.fetchall())
