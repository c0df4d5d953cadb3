"""Sessions of the page that were revoked; a signed cookie would stay valid until its own end."""

from __future__ import annotations

import json

from reactor.database.sql.connection import Connection, has_table, transaction
from reactor.database.sql.statements import PUT_META

KEY = "ended_sessions"


def ended(connection: Connection) -> dict[str, int]:
    """The moment (seconds since the epoch) at which each would have ended by itself, by session."""
    if not has_table(connection, "reactor_meta"):
        return {}
    found = connection.execute("SELECT value FROM reactor_meta WHERE key = ?", (KEY,)).fetchone()
    try:
        return {str(session): int(until) for session, until in json.loads(found[0]).items()} if found else {}
    except (AttributeError, TypeError, ValueError):
        return {}


def end(connection: Connection, session: str, until: int, now: float) -> None:
    """From now on this one is over; those that would be over anyway are forgotten."""
    with transaction(connection):
        kept = {each: end for each, end in ended(connection).items() if end > now} | {session: until}
        connection.execute(PUT_META, (KEY, json.dumps(kept)))
