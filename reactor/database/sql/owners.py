"""Owners of rows, as an operator sees them: one line of `reactor_owners` for each that was served, or has a weight.
Rows without an owner have that of ''."""

from __future__ import annotations

from collections import Counter

from reactor.database import contract
from reactor.database.sql.connection import Connection, has_table, transaction
from reactor.models import OwnerAccount

SET_WEIGHT = """INSERT INTO reactor_owners (owner, weight) VALUES (?, ?)
    ON CONFLICT (owner) DO UPDATE SET weight = excluded.weight"""
OPEN = """SELECT owner, 'pending', count(*) FROM downloads WHERE status = 'pending' GROUP BY owner
    UNION ALL SELECT owner, 'downloading', count(*) FROM downloads WHERE status = 'downloading' AND stage IS NOT 'items'
    GROUP BY owner"""


def set_weight(connection: Connection, owner: str | int | None, weight: float) -> None:
    """It counts from the next second of slot on. Raises DatabaseError for one that is none."""
    connection.execute(SET_WEIGHT, (contract.account(owner), contract.weight(weight)))


def owners(connection: Connection, limit: int) -> list[OwnerAccount]:
    """Those that have rows which are not over, or a weight: the ones with the most rows first. Reads all such rows."""
    rows, weights = Counter[tuple[str, str]](), dict[str, float]()
    with transaction(connection, "DEFERRED"):
        for owner, status, number in connection.execute(OPEN).fetchall():
            rows[contract.account(owner), status] += number
        if has_table(connection, "reactor_owners"):
            weights = dict(connection.execute("SELECT owner, weight FROM reactor_owners").fetchall())
    named = {owner for owner, _ in rows} | {owner for owner, weight in weights.items() if weight != 1}
    found = [
        OwnerAccount(owner or None, weights.get(owner, 1.0), rows[owner, "pending"], rows[owner, "downloading"])
        for owner in named
    ]
    return sorted(found, key=lambda each: (-each.pending - each.downloading, each.owner or ""))[:limit]
