"""Looking at the rows, claiming, recovering. Each public function is one transaction on the connection it is given.
What is written into rows that are under way stands in `saving.py`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from reactor.core import commands
from reactor.core.events import ClaimedRow, Recovered, RowsSeen, WatchedRow
from reactor.core.job import Attempt
from reactor.database import plans, rows
from reactor.database.migration import columns
from reactor.database.statements import transaction

LEASE_S = 60.0
"""How long a claim holds without a sign of life. With one reactor for a database nobody waits for it."""
RETRY_MAX_S = 7 * 24 * 3600.0
"""A row that is to wait longer than any setting allows: the clock was set back since. It is due."""

OVER = "download_speed = 0, eta_seconds = NULL, claimed_by = NULL, lease_until = NULL"
"""What every row has that is no longer under way."""
CANCELLED = f"""status = 'cancelled', stage = NULL, finished_at = COALESCE(finished_at, :moment),
    next_attempt_at = NULL, {OVER}"""
DUE = f"""status = 'pending' AND cancelled IS NOT TRUE
    AND (next_attempt_at IS NULL OR next_attempt_at <= :now OR next_attempt_at > :now + :retry_max)
    AND NOT EXISTS (SELECT 1 FROM reactor_plans AS p WHERE p.download_id = downloads.id AND p.attempt > {plans.ATTEMPT})
    """
"""A plan of a later attempt is that of another row that had this id: a debt, to be paid first."""

# Looking, claiming, recovering


def look(
    connection: sqlite3.Connection, command: commands.Look, owner: str, now_wall: float, lease_s: float = LEASE_S
) -> RowsSeen:
    """Carry out a Look. Takes the write lock only when there is something to write, so that a bot that holds it
    cannot keep a cancel from being seen."""
    asked = {
        "watch": json.dumps(command.watch),
        "held": json.dumps(command.held),
        "claim": command.claim,
        "owner": owner,
        "now": now_wall,
        "moment": rows.moment(now_wall),
        "lease": now_wall + lease_s,
        "retry_max": RETRY_MAX_S,
    }
    sweeps = [which for which in (WITHDRAWN, STOPPED, UNSET) if any_row(connection, which, asked)]
    if UNSET in sweeps and not _null_is_pending(connection):
        sweeps.remove(UNSET)
    writing = bool(sweeps) or (command.claim > 0 and bool(_due(connection, asked, 1)))
    with transaction(connection, "IMMEDIATE" if writing else "DEFERRED"):
        swept = _sweep(connection, sweeps, asked)
        due = _due(connection, asked, command.claim + 1)
        claimed = _claim(connection, due[: command.claim], asked) if writing else ()
        return RowsSeen(
            watched=_watched(connection, asked),
            claimed=claimed,
            swept=swept,
            debts=plans.debts(connection, command.held),
            due_in_s=_due_in(connection, asked),
            next_url=_url(connection, due[len(claimed)]) if claimed and len(due) > len(claimed) else None,
        )


UNSET = "status IS NULL"
WITHDRAWN = "cancelled AND status = 'pending'"
"""Cancelled before it began, or while it waited for its next attempt."""
STOPPED = "status = 'cancelled' AND stage IS NOT NULL AND id NOT IN (SELECT value FROM json_each(:watch))"
"""The bot wrote `cancelled` itself, into a row that waits, or while no reactor ran."""


def _null_is_pending(connection: sqlite3.Connection) -> bool:
    """True where the bot's `status` has no default: a row without one was simply inserted."""
    return columns(connection)["status"].default is None


def any_row(connection: sqlite3.Connection, which: str, asked: Mapping[str, Any]) -> bool:
    return connection.execute(f"SELECT 1 FROM downloads WHERE {which} LIMIT 1", asked).fetchone() is not None


def _sweep(connection: sqlite3.Connection, sweeps: Sequence[str], asked: Mapping[str, Any]) -> tuple[int, ...]:
    if UNSET in sweeps:
        connection.execute(f"UPDATE downloads SET status = 'pending' WHERE {UNSET}")
    swept: set[int] = set()
    for which in (WITHDRAWN, STOPPED):
        if which in sweeps:
            ended = connection.execute(f"UPDATE downloads SET {CANCELLED} WHERE {which} RETURNING id", asked)
            swept |= {id for (id,) in ended.fetchall()}
    return tuple(sorted(swept))


def _due(connection: sqlite3.Connection, asked: Mapping[str, Any], limit: int) -> list[int]:
    found = connection.execute(
        f"""SELECT id FROM downloads WHERE {DUE} AND id NOT IN (SELECT value FROM json_each(:held))
        ORDER BY added_date, id LIMIT :limit""",
        {**asked, "limit": limit},
    )
    return [row[0] for row in found.fetchall()]


def _url(connection: sqlite3.Connection, id: int) -> str | None:
    return rows.text(connection.execute("SELECT url FROM downloads WHERE id = ?", (id,)).fetchone()[0])


def _claim(connection: sqlite3.Connection, ids: list[int], asked: Mapping[str, Any]) -> tuple[ClaimedRow, ...]:
    """In the order of `ids`: RETURNING promises none."""
    if not ids:
        return ()
    claimed = connection.execute(
        f"""UPDATE downloads SET status = 'downloading', stage = 'detecting', attempt = {plans.ATTEMPT} + 1,
            claimed_by = :owner, lease_until = :lease, started_at = COALESCE(started_at, :moment), finished_at = NULL,
            next_attempt_at = NULL, progress = COALESCE(progress, 0), download_speed = 0, eta_seconds = NULL
        WHERE id IN (SELECT value FROM json_each(:ids)) AND {DUE}
        RETURNING id, attempt, url, retry_count, progress, added_date""",
        {**asked, "ids": json.dumps(ids)},
    ).fetchall()
    return tuple(
        _claimed_row(connection, row[:5], waited_s=rows.waited(row[5], asked["now"]))
        for row in sorted(claimed, key=lambda row: ids.index(row[0]))
    )


def _watched(connection: sqlite3.Connection, asked: Mapping[str, Any]) -> tuple[WatchedRow, ...]:
    found = connection.execute(
        """SELECT id, COALESCE(attempt, 0), status, cancelled IS TRUE FROM downloads
        WHERE id IN (SELECT value FROM json_each(:watch)) ORDER BY id""",
        asked,
    )
    return tuple(
        WatchedRow(id, attempt, rows.text(status) or "", bool(cancelled))
        for id, attempt, status, cancelled in found.fetchall()
    )


def _due_in(connection: sqlite3.Connection, asked: Mapping[str, Any]) -> float | None:
    (due,) = connection.execute(
        """SELECT min(next_attempt_at) FROM downloads WHERE status = 'pending' AND next_attempt_at > :now
        AND next_attempt_at <= :now + :retry_max""",
        asked,
    ).fetchone()
    return None if due is None else float(due) - float(asked["now"])


def recover(connection: sqlite3.Connection) -> Recovered:
    """Carry out a Recover: the rows an earlier run had under way, and what it left of rows that are not."""
    with transaction(connection, "DEFERRED"):
        under_way = connection.execute(
            """SELECT id, attempt, url, retry_count, progress, stage FROM downloads
            WHERE status = 'downloading' AND attempt BETWEEN 1 AND 1000000000 AND attempt = CAST(attempt AS INTEGER)
            ORDER BY id"""
        ).fetchall()
        found = [_claimed_row(connection, row[:5], stage=rows.text(row[5])) for row in under_way]
        (instance,) = connection.execute("SELECT value FROM reactor_meta WHERE key = 'instance'").fetchone()
        return Recovered(tuple(found), plans.debts(connection), instance)


def _claimed_row(
    connection: sqlite3.Connection, row: tuple[Any, ...], *, waited_s: float | None = None, stage: str | None = None
) -> ClaimedRow:
    id, attempt, url, retries, progress = row
    plan, plan_attempt, done = plans.of_row(connection, id)
    return ClaimedRow(
        Attempt(id, attempt),
        rows.text(url) or "",
        max(0, rows.whole(retries) or 0),
        waited_s,
        plan,
        plan_attempt,
        stage,
        done,
        rows.real(progress),
    )
