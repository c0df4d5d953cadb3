"""What the mirrors of engines have in common: names, and pieces of SQL."""

from __future__ import annotations

from reactor.database.mirror import LIVE, Mirror
from reactor.database.sql.statements import quoted
from reactor.errors import DatabaseError
from reactor.models import Status

LIVE_WORDS = ", ".join(f"'{status}'" for status in LIVE)
OUR_WORDS = ", ".join(f"'{status}'" for status in Status)
WORD_MAX = 64
IS_LIVE = f"status IN ({LIVE_WORDS})"
KEPT = {"file_path", "progress", "title"}
"""Never overwritten by nothing."""
WORDS_MAX = 20
"""So many words of the bot's are told."""


def index_name(mirror: Mirror) -> str:
    """The index by which a row in `downloads` is found."""
    return f"reactor_mirror_{mirror.name}"


def index_statement(mirror: Mirror, kind: str = "UNIQUE INDEX") -> str:
    """Finds the row of a key."""
    listed = ", ".join(quoted(link) for link in mirror.links)
    filled = f"{quoted(mirror.links[0])} IS NOT NULL"
    return f"CREATE {kind} IF NOT EXISTS {quoted(index_name(mirror))} ON downloads ({listed}) WHERE {filled}"


def text_literal(value: str) -> str:
    """Text in a statement."""
    return "'" + value.replace("'", "''") + "'"


def attached_before(there: Mirror, asked: Mirror, *, sound: bool) -> Mirror:
    """The mirror that there is, which is to be mended. Raises DatabaseError for another one, and for a sound one."""
    if not there.asks_the_same_as(asked):
        raise DatabaseError(
            f"The table `{there.table}` is attached already, in another way.",
            hint=f"Detach it first: reactor detach {there.table}.",
        )
    if sound:
        raise DatabaseError(f"The table `{there.table}` is attached already.", hint="`reactor doctor` checks it.")
    return there
