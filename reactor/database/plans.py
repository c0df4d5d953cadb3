"""What an attempt is made of, kept beside its row for as long as it may have left something in aria2 or on the disk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from reactor.core import commands
from reactor.core.events import Debt
from reactor.core.job import Attempt
from reactor.database import rows
from reactor.models import Extraction

ATTEMPT = "max(0, CAST(COALESCE(downloads.attempt, 0) AS INTEGER)) % 1000000000"
"""The attempt of a row as a small whole number, whatever a bot has put there."""


def store(connection: sqlite3.Connection, save: commands.SavePlan) -> None:
    """In place of that of the attempt before."""
    parts, plan = len(save.extraction.fetches), save.extraction.model_dump_json()
    connection.execute(
        "INSERT OR REPLACE INTO reactor_plans (download_id, attempt, parts, plan, done) VALUES (?, ?, ?, ?, ?)",
        (save.attempt.download_id, save.attempt.number, parts, plan, rows.ranges(save.done)),
    )


def store_done(connection: sqlite3.Connection, attempt: Attempt, done: frozenset[int]) -> None:
    """These parts are whole."""
    connection.execute(
        "UPDATE reactor_plans SET done = ? WHERE download_id = ? AND attempt = ?",
        (rows.ranges(done), attempt.download_id, attempt.number),
    )


def store_published(connection: sqlite3.Connection, attempt: Attempt) -> None:
    """Its result is the person's, whatever becomes of the rest."""
    connection.execute(
        "UPDATE reactor_plans SET published = 1 WHERE download_id = ? AND attempt = ?",
        (attempt.download_id, attempt.number),
    )


def forget(connection: sqlite3.Connection, attempt: Attempt) -> None:
    """Nothing of the attempt is left. What a later one plans stays."""
    connection.execute(
        "DELETE FROM reactor_plans WHERE download_id = ? AND attempt <= ?", (attempt.download_id, attempt.number)
    )


def of_row(connection: sqlite3.Connection, id: int) -> tuple[Extraction | None, int, frozenset[int]]:
    """What was planned for a row last, by which attempt, and which parts of it are whole."""
    found = connection.execute("SELECT plan, attempt, done FROM reactor_plans WHERE download_id = ?", (id,)).fetchone()
    return (rows.plan(found[0]), found[1], rows.numbers(found[2])) if found else (None, 0, frozenset())


def owners(connection: sqlite3.Connection) -> frozenset[int]:
    """The rows that have a plan: their staging folders are somebody's."""
    return frozenset(id for (id,) in connection.execute("SELECT download_id FROM reactor_plans"))


def debts(connection: sqlite3.Connection, held: Sequence[int] = ()) -> tuple[Debt, ...]:
    """The plans, apart from those of `held`, whose rows do not count on the files any more: neither under way nor
    waiting for their next attempt. A row with a smaller attempt is another one: it was replaced."""
    found = connection.execute(
        f"""SELECT p.download_id, p.attempt, p.parts, p.published
        FROM reactor_plans AS p LEFT JOIN downloads ON downloads.id = p.download_id
        WHERE ({ATTEMPT} >= p.attempt AND (downloads.status = 'downloading'
            OR (downloads.status = 'pending' AND downloads.stage = 'waiting'))) IS NOT TRUE
            AND p.download_id NOT IN (SELECT value FROM json_each(?)) ORDER BY p.download_id""",
        (json.dumps(held),),
    )
    return tuple(
        Debt(Attempt(id, attempt), parts, bool(published)) for id, attempt, parts, published in found.fetchall()
    )
