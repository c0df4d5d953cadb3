"""The record in which a reactor says that it serves the database."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import singledispatch

from reactor.database.presence import Presence
from reactor.database.sql.connection import Connection, has_table
from reactor.database.sql.statements import PUT_META

KEY = "process"


def store(connection: Connection, presence: Presence) -> None:
    """In place of that of the reactor before."""
    connection.execute(PUT_META, (KEY, json.dumps(asdict(presence))))


@singledispatch
def read(connection: Connection) -> Presence | None:
    """None where no reactor has served yet, or one that wrote it otherwise."""
    if not has_table(connection, "reactor_meta"):
        return None
    found = connection.execute("SELECT value FROM reactor_meta WHERE key = ?", (KEY,)).fetchone()
    try:
        return Presence(**json.loads(found[0])) if found else None
    except (TypeError, ValueError):
        return None
