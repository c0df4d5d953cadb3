"""What an operator looks at: the rows that are under way, those that wait, the latest that failed or ended otherwise.

Each statement reads as many rows as it shows, by an index, however many there are.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from reactor.database import contract as rows
from reactor.database.sqlite import presence
from reactor.database.sqlite.presence import Presence
from reactor.database.sqlite.statements import transaction
from reactor.models import Download


@dataclass(frozen=True, slots=True)
class Counts:
    """The rows that are not over, or have failed."""

    pending: int
    """Those that may begin."""
    waiting: int
    """Pending ones that wait for their retry."""
    downloading: int
    oldest_s: float
    """Age of the oldest one with a date that was never begun; 0 when there is none."""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """A look at the table."""

    counts: Counts
    under_way: tuple[Download, ...]
    queued: tuple[Download, ...]
    """Those that are next, in the order in which they are served."""
    failed: tuple[Download, ...]
    """Those that failed last, the last one first."""
    ended: tuple[Download, ...]
    """The latest others that reactor has nothing more to do with, newest first."""
    served: Presence | None
    """Who serves them, or did last."""

    @property
    def over(self) -> tuple[Download, ...]:
        """Both, newest first."""
        return tuple(sorted((*self.failed, *self.ended), key=lambda row: row.id, reverse=True))


def overview(connection: sqlite3.Connection, shown_max: int) -> Overview:
    """At most `shown_max` rows of each kind."""
    with transaction(connection, "DEFERRED"):
        return Overview(
            counts(connection),
            under_way=_read(connection, UNDER_WAY, shown_max),
            queued=_queued(connection, shown_max),
            failed=_read(connection, FAILED, shown_max),
            ended=_read(connection, ENDED, shown_max),
            served=presence.read(connection),
        )


def counts(connection: sqlite3.Connection) -> Counts:
    """How many there are, and since when."""
    (pending,) = connection.execute("SELECT count(*) FROM downloads WHERE status = 'pending'").fetchone()
    (waiting,) = connection.execute(WAITING).fetchone()
    (downloading,) = connection.execute("SELECT count(*) FROM downloads WHERE status = 'downloading'").fetchone()
    oldest = connection.execute(OLDEST).fetchone()
    (failed,) = connection.execute("SELECT count(*) FROM downloads WHERE status = 'failed'").fetchone()
    age_s = max(0.0, float(oldest[0] or 0.0)) if oldest else 0.0
    return Counts(pending - waiting, waiting, downloading, age_s, failed)


def ahead(connection: sqlite3.Connection, number: int) -> int:
    """How many pending rows are served before this one."""
    found = connection.execute(AHEAD, (number,)).fetchone()
    return int(found[0])


UNDER_WAY = "SELECT * FROM downloads WHERE status = 'downloading' ORDER BY id LIMIT ?"
QUEUED = "SELECT * FROM downloads WHERE status = 'pending' AND {} LIMIT ?"
FAILED = "SELECT * FROM downloads WHERE status = 'failed' ORDER BY finished_at DESC, id DESC LIMIT ?"
ENDED = "SELECT * FROM downloads WHERE status NOT IN ('pending', 'downloading', 'failed') ORDER BY id DESC LIMIT ?"
AHEAD = """SELECT count(*) FROM downloads AS d, (SELECT added_date, id FROM downloads WHERE id = ?) AS this
    WHERE d.status = 'pending'
    AND coalesce((d.added_date, d.id) < (this.added_date, this.id), d.id < this.id)"""
WAITING = """SELECT count(*) FROM downloads WHERE status = 'pending' AND next_attempt_at IS NOT NULL
    AND next_attempt_at > (julianday('now') - 2440587.5) * 86400"""
OLDEST = f"""SELECT (julianday('now') - julianday(added_date)) * 86400 FROM downloads
    WHERE status = 'pending' AND next_attempt_at IS NULL AND {rows.DATED} LIMIT 1"""


def _queued(connection: sqlite3.Connection, shown_max: int) -> tuple[Download, ...]:
    found = [_read(connection, QUEUED.format(which), shown_max) for which in (rows.DATELESS, rows.DATED)]
    known = {row.id: row for each in found for row in each}
    return tuple(known[id] for id in rows.in_turn(*([row.id for row in each] for each in found))[:shown_max])


def _read(connection: sqlite3.Connection, statement: str, shown_max: int) -> tuple[Download, ...]:
    cursor = connection.execute(statement, (shown_max,))
    return tuple(rows.download(cursor, row) for row in cursor.fetchall())
