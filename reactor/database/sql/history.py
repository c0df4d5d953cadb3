"""The history of a row's tries that did not end well, for `reactor why`.

It is written in the transaction of the save that ends a try. A download that works at once leaves nothing here."""

from __future__ import annotations

from reactor.core.job import Attempt
from reactor.database import contract as rows
from reactor.database.sql.connection import Connection
from reactor.errors import Failure

TRIES_MAX = 20
"""Of one row: the latest."""
ENTRIES_MAX = 10_000
"""Of all rows."""


def add(
    connection: Connection, attempt: Attempt, now_wall: float, failure: Failure, again_s: float | None = None
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
