"""What the database knows of one row beside the row itself."""

from __future__ import annotations

from reactor.database.sql import position
from reactor.database.sql.connection import Connection, has_table, transaction
from reactor.database.sql.table import get_download
from reactor.database.table import Story, Try

FAILURES = """SELECT error_code, count(*) AS number FROM downloads
    WHERE parent_id = ? AND item_key IS NOT NULL AND status = 'failed' GROUP BY error_code ORDER BY number DESC, 1"""


def story(connection: Connection, id: int) -> Story | None:
    """All of it as it was at one moment."""
    with transaction(connection, "DEFERRED"):
        row = get_download(connection, id)
        if row is None:
            return None
        parent = get_download(connection, row.parent_id) if row.parent_id is not None and row.item_key else None
        failures = {code or "": int(number) for code, number in connection.execute(FAILURES, (id,)).fetchall()}
        past, crashes = tuple(tries(connection, id)), _crashes(connection, id)
        stands = position.within(connection, id)
        return Story(row, past, crashes, parent, failures, stands)


def tries(connection: Connection, id: int) -> list[Try]:
    """The tries of one row that did not end well, oldest first."""
    if not has_table(connection, "reactor_history"):
        return []
    found = connection.execute(
        "SELECT attempt, at, code, sentence, again_s FROM reactor_history WHERE download_id = ? ORDER BY id", (id,)
    )
    return [Try(*row) for row in found.fetchall()]


def _crashes(connection: Connection, id: int) -> int:
    if not has_table(connection, "reactor_crashes"):
        return 0
    found = connection.execute("SELECT crashes FROM reactor_crashes WHERE download_id = ?", (id,)).fetchone()
    return int(found[0]) if found else 0
