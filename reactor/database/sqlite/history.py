"""What became of a row's tries that did not end well: kept beside it, so that somebody can ask afterwards.

It is written in the transaction of the save that ends a try. A download that just works leaves nothing here."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from reactor.core.job import Attempt
from reactor.database import contract as rows
from reactor.database.sqlite.statements import has_table
from reactor.errors import Failure

TRIES_MAX = 20
"""Of one row: the latest."""
ENTRIES_MAX = 10_000
"""Of all rows."""


@dataclass(frozen=True, slots=True)
class Try:
    """How one try ended. `at` in seconds since the epoch."""

    attempt: int
    at: float
    code: str
    sentence: str
    again_s: float | None
    """After how many seconds it was to be tried again; None: not by itself."""


def add(
    connection: sqlite3.Connection, attempt: Attempt, now_wall: float, failure: Failure, again_s: float | None = None
) -> None:
    """Note the end of a try, and let go of what is too old."""
    sentence = rows.storable(failure.text)
    (entry,) = connection.execute(
        """INSERT INTO reactor_history (download_id, attempt, at, code, sentence, again_s) VALUES (?, ?, ?, ?, ?, ?)
        RETURNING id""",
        (attempt.download_id, attempt.number, now_wall, failure.code, sentence, again_s),
    ).fetchone()
    connection.execute("DELETE FROM reactor_history WHERE id <= ?", (entry - ENTRIES_MAX,))
    connection.execute(
        """DELETE FROM reactor_history WHERE download_id = :id AND id NOT IN
        (SELECT id FROM reactor_history WHERE download_id = :id ORDER BY id DESC LIMIT :max)""",
        {"id": attempt.download_id, "max": TRIES_MAX},
    )


def tries(connection: sqlite3.Connection, download_id: int) -> list[Try]:
    """Of one row, oldest first."""
    if not has_table(connection, "reactor_history"):
        return []
    found = connection.execute(
        "SELECT attempt, at, code, sentence, again_s FROM reactor_history WHERE download_id = ? ORDER BY id",
        (download_id,),
    )
    return [Try(*row) for row in found.fetchall()]
