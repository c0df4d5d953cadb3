"""Fragments that statements are made of, and what is done with rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from reactor.database import contract
from reactor.database.sql.connection import Connection, Cursor
from reactor.models import Download

OVER = "download_speed = 0, eta_seconds = NULL, claimed_by = NULL, lease_until = NULL"
"""Columns of every row that is no longer under way."""
DATELESS = "added_date IS NULL ORDER BY id"
DATED = "added_date IS NOT NULL ORDER BY added_date, id"
"""The two kinds of rows, each in its own order; `contract.in_turn` merges them."""
IS_OVER = "status <> 'pending' AND status <> 'downloading' AND status <> 'choosing' AND status <> 'failed'"
"""The text is that of an index, where an IN of more than two costs most of what the write of a row costs: SQLite makes
a table of it each time."""
IN_NO_LIST = "(parent_id IS NULL OR item_key IS NULL)"
"""Of rows that are not entries of a list."""
NO_RETRY, NOT_LATER = "coalesce(nullif(next_attempt_at, ''), 0) = 0", "coalesce(nullif(not_before, ''), 0) = 0"
READY = f"status = 'pending' AND {NO_RETRY} AND {NOT_LATER}"
"""What `reactor_ready` holds; the text is that of the index. Rows that may not be claimed yet stand in two others, and
come here when their time has come (`turns.ripen`)."""
RETRY = f"status = 'pending' AND {NO_RETRY.replace('= 0', '<> 0')}"
LATER = f"status = 'pending' AND {NOT_LATER.replace('= 0', '<> 0')}"
PUT_META = """INSERT INTO reactor_meta (key, value) VALUES (?, ?)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value"""
NOW = "(julianday('now') - 2440587.5) * 86400"
"""Seconds since the epoch."""


def fitted(connection: Connection, assignments: str) -> str:
    """Assignments of an UPDATE such that no NULL meets a column that is NOT NULL."""
    return fit(assignments, getattr(connection, "empties", {}))


def fit(assignments: str, empties: Mapping[str, str]) -> str:
    """The same, of what is known of a table."""
    return _fitted(assignments, frozenset(empties.items())) if empties else assignments


@lru_cache(maxsize=256)
def _fitted(assignments: str, empties: frozenset[tuple[str, str]]) -> str:
    known, parts = dict(empties), []
    for part in _at_top(assignments):
        name, _, value = (each.strip() for each in part.partition("="))
        parts.append(f"{name} = COALESCE({value}, {known[name]})" if name in known else part.strip())
    return ", ".join(parts)


def _at_top(assignments: str) -> Iterator[str]:
    """Cut at the commas that stand in no brackets."""
    depth, begin = 0, 0
    for at, letter in enumerate(assignments):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            yield assignments[begin:at]
            begin = at + 1
    yield assignments[begin:]


def download(cursor: Cursor, row: tuple[Any, ...]) -> Download:
    """A row of `SELECT *`. Has the form of a row factory."""
    return contract.download([name for name, *_ in cursor.description], row)


def any_row(connection: Connection, which: str, asked: Mapping[str, Any]) -> bool:
    """True when there is one."""
    return connection.execute(f"SELECT 1 FROM downloads WHERE {which} LIMIT 1", asked).fetchone() is not None


def quoted(name: str) -> str:
    """A name of a table or a column, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def instance_of(connection: Connection) -> str:
    """The id of a database that is ready, also where it is only read."""
    (instance,) = connection.execute("SELECT value FROM reactor_meta WHERE key = 'instance'").fetchone()
    return str(instance)
