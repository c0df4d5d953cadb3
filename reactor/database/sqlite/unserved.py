"""What of SQLite's database is never served."""

from __future__ import annotations

import sqlite3

from reactor.database.sql.unserved import unserved_statuses, unserved_table
from reactor.database.sqlite import mirrors
from reactor.database.store import Unserved


def unserved(connection: sqlite3.Connection) -> Unserved:
    """All, as it is now."""
    statuses = tuple(unserved_statuses(connection))
    return Unserved(statuses, other_table(connection), tuple(mirrors.troubles(connection)))


def other_table(connection: sqlite3.Connection) -> str | None:
    """A table that looks like the bot's queue, unless it is attached, while there is no row in `downloads`."""
    return unserved_table(connection, {mirror.table for mirror in mirrors.stored(connection)})
