"""Finds requests that are never served: rows with another word for `pending`, rows in another table.

A status that reactor does not know may be the bot's own for a row that is over (`uploading`, `sent`). So a row counts
only while it was never begun, and its status is not one of the usual words for an end or a pause.
"""

from __future__ import annotations

from collections.abc import Collection

from reactor.database import contract as rows
from reactor.database.sql.connection import Connection, columns, tables
from reactor.database.sql.statements import quoted
from reactor.database.store import UnservedStatus
from reactor.models import Status

COUNT_MAX = 10_000
"""So many rows of a word are counted."""
WORDS_MAX = 100
TOLD_MAX = 10
NEVER_BEGUN = "COALESCE(NULLIF(started_at, ''), NULLIF(finished_at, ''), NULLIF(file_path, '')) IS NULL"
UNKNOWN = " AND ".join([*(f"status <> '{status.value}'" for status in Status), NEVER_BEGUN])
"""As the index reactor_unserved has it."""
WORDS = f"""WITH RECURSIVE words(word) AS (SELECT min(status) FROM downloads WHERE {UNKNOWN}
    UNION ALL SELECT (SELECT min(status) FROM downloads WHERE {UNKNOWN} AND status > word) FROM words
    WHERE word IS NOT NULL)
    SELECT word FROM words WHERE word IS NOT NULL LIMIT {WORDS_MAX}"""
"""Each word once: one step of the index for each, however many rows have it."""
FIND = f"""SELECT count(*), min(id) FROM (SELECT id FROM downloads
    WHERE {UNKNOWN} AND status = ? AND COALESCE(progress, 0) + 0 < 100 LIMIT {COUNT_MAX}) AS found"""
FIND_NULL = f"SELECT count(*), min(id) FROM (SELECT id FROM downloads WHERE status IS NULL LIMIT {COUNT_MAX}) AS found"
OVER = (
    {"aborted", "archived", "canceled", "complete", "completed", "delete", "deleted", "delivered", "done", "draft"}
    | {"duplicate", "error", "errored", "expired", "failure", "finish", "finished", "held", "hold", "ignored", "listed"}
    | {"ok", "on_hold", "paused", "processed", "processing", "publish", "published", "rejected", "removed", "seen"}
    | {"sending", "sent", "skipped", "succeeded", "success", "upload", "uploaded", "uploading", *Status}
) - {Status.PENDING}
"""What programs call a row that is over, or that they do not want to be served now."""
LINKS = {"href", "link", "magnet", "source", "uri", "url"}
QUEUES = ("download", "task", "job", "queue", "request", "link", "url", "media", "video", "torrent", "file")


def unserved_statuses(connection: Connection) -> list[UnservedStatus]:
    """Those of a table that has the columns of the contract."""
    found: list[UnservedStatus] = []
    for (word,) in connection.execute(WORDS).fetchall():
        status = rows.text(word) or ""
        if status.strip().casefold() not in OVER:
            count, id = connection.execute(FIND, (word,)).fetchone()
            found += [UnservedStatus(status, count, rows.whole(id) or 0)] if count else []
    if columns(connection)["status"].default is not None:
        count, id = connection.execute(FIND_NULL).fetchone()
        found += [UnservedStatus(None, count, rows.whole(id) or 0)] if count else []
    return sorted(found, key=lambda one: -one.count)[:TOLD_MAX]


def unserved_table(connection: Connection, besides: Collection[str] = ()) -> str | None:
    """The name of a table that looks like the bot's queue, while there is no row in `downloads`; `besides`: those that
    are known."""
    if columns(connection) and connection.execute("SELECT 1 FROM downloads LIMIT 1").fetchone() is not None:
        return None
    found = [name for name in tables(connection) if name not in besides and _is_like_a_queue(connection, name)]
    ranked = sorted(found, key=lambda name: next(at for at, word in enumerate(QUEUES) if word in name.lower()))
    return ranked[0] if ranked else None


def _is_like_a_queue(connection: Connection, table: str) -> bool:
    if not any(word in table.lower() for word in QUEUES):
        return False
    links = {word for name in columns(connection, table) for word in name.split("_")} & LINKS
    return bool(links) and connection.execute(f"SELECT 1 FROM {quoted(table)} LIMIT 1").fetchone() is not None
