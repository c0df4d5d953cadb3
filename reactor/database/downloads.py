"""Every statement about rows. Each public function is one transaction on the connection it is given.

Whatever moves a row on is guarded by what the row is believed to be: its id, the attempt, `downloading`, and not
cancelled. When a bot's cancel was committed first, the guard finds nothing and the write is refused.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from reactor.core import commands
from reactor.core.events import ClaimedRow, Recovered, RowsSeen, WatchedRow
from reactor.core.job import Attempt
from reactor.database import history, plans, rows
from reactor.database.migration import columns
from reactor.database.statements import transaction
from reactor.errors import Failure
from reactor.models import Kind, Stage, Status

LEASE_S = 60.0
"""How long a claim holds without a sign of life. With one reactor for a database nobody waits for it."""
RETRY_MAX_S = 7 * 24 * 3600.0
"""A row that is to wait longer than any setting allows: the clock was set back since. It is due."""
MIB = 1024 * 1024

GUARD = "id = :id AND attempt = :attempt AND status = 'downloading' AND cancelled IS NOT TRUE"
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
    sweeps = [which for which in (WITHDRAWN, STOPPED, UNSET) if _any(connection, which, asked)]
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


def _any(connection: sqlite3.Connection, which: str, asked: Mapping[str, Any]) -> bool:
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


# Saves


def apply(
    connection: sqlite3.Connection, saves: Sequence[commands.Save], now_wall: float, lease_s: float = LEASE_S
) -> tuple[Attempt, ...]:
    """Carry out all saves in one transaction. The attempts whose row was in another state come back: for those
    nothing was written."""
    with transaction(connection):
        return tuple(
            dict.fromkeys(
                attempt for save in saves if (attempt := _apply(connection, save, now_wall, lease_s)) is not None
            )
        )


def _apply(connection: sqlite3.Connection, save: commands.Save, now_wall: float, lease_s: float) -> Attempt | None:
    """The save's attempt when its row was in another state."""
    match save:
        case commands.SaveStage(attempt, stage, kind):
            done = update_stage(connection, attempt, stage, kind)
        case commands.SavePlan(attempt, extraction):
            done = update_download_metadata(
                connection, attempt, title=extraction.title, file_size=extraction.size, kind=extraction.kind
            ) and update_stage(connection, attempt, Stage.FETCHING, anew=not save.continues)
            if done:
                plans.store(connection, save)
        case commands.SaveProgress():
            for row in save.rows:
                if update_progress(connection, row, now_wall + lease_s) and row.done is not None:
                    plans.store_done(connection, row.attempt, row.done)
            return None
        case commands.SaveDownloaded(attempt):
            done = (
                update_download_metadata(connection, attempt, title=save.title, file_size=save.size)
                and update_file_path(connection, attempt, save.path)
                and update_download_status(connection, attempt, Status.DOWNLOADED, now_wall)
            )
        case commands.SaveWaiting(attempt, failure, retry_count, delay_s):
            done = update_download_status(
                connection,
                attempt,
                Status.PENDING,
                now_wall,
                failure=failure,
                retry_count=retry_count,
                next_attempt_at=now_wall + delay_s,
            )
            if done and failure is not None:
                history.add(connection, attempt, now_wall, failure, delay_s)
        case commands.SaveFailed(attempt, failure, kind):
            done = update_download_status(connection, attempt, Status.FAILED, now_wall, failure=failure, kind=kind)
            if done:
                history.add(connection, attempt, now_wall, failure)
        case commands.SaveCancelled(attempt):
            done = _save_cancelled(connection, attempt, now_wall)
        case commands.ForgetPlan(attempt):
            plans.forget(connection, attempt)
            return None
    if isinstance(save, ENDINGS) and done and not save.keep_plan:
        plans.forget(connection, attempt)
    elif isinstance(save, commands.SaveDownloaded) and done:
        plans.store_published(connection, attempt)
    return None if done else attempt


ENDINGS = (commands.SaveDownloaded, commands.SaveFailed, commands.SaveCancelled)


def update_stage(
    connection: sqlite3.Connection, attempt: Attempt, stage: Stage, kind: Kind | None = None, *, anew: bool = False
) -> bool:
    """The row is in another stage; `anew`: with nothing fetched yet. False when the guard refused it, as in all of
    these."""
    return _update(
        connection,
        attempt,
        """stage = :stage, url_type = COALESCE(:kind, url_type),
        progress = CASE WHEN :anew THEN 0 ELSE progress END""",
        stage=stage,
        kind=kind,
        anew=anew,
    )


def update_download_metadata(
    connection: sqlite3.Connection,
    attempt: Attempt,
    *,
    title: str | None = None,
    file_size: int | None = None,
    kind: Kind | None = None,
) -> bool:
    """What is known of the download. None leaves what is there."""
    return _update(
        connection,
        attempt,
        """title = COALESCE(:title, title), file_size = COALESCE(:size, file_size),
        url_type = COALESCE(:kind, url_type)""",
        title=rows.storable(title),
        size=rows.size(file_size),
        kind=kind,
    )


def update_file_path(connection: sqlite3.Connection, attempt: Attempt, path: str) -> bool:
    """Where the file is."""
    return _update(connection, attempt, "file_path = :path", path=rows.storable(path))


def update_progress(connection: sqlite3.Connection, row: commands.ProgressOf, lease_until: float) -> bool:
    """How far it is, and a sign of life."""
    return _update(
        connection,
        row.attempt,
        """progress = COALESCE(:progress, progress), download_speed = :speed, eta_seconds = :eta, lease_until = :lease,
        title = COALESCE(:title, title), file_size = COALESCE(:size, file_size)""",
        progress=None if row.progress is None else round(row.progress, 2),
        speed=round(row.speed / MIB, 3),
        eta=rows.size(row.eta_s),
        lease=lease_until,
        title=rows.storable(row.title),
        size=rows.size(row.size),
    )


def update_download_status(
    connection: sqlite3.Connection,
    attempt: Attempt,
    status: Status,
    now_wall: float,
    *,
    failure: Failure | None = None,
    kind: Kind | None = None,
    retry_count: int | None = None,
    next_attempt_at: float | None = None,
) -> bool:
    """The attempt is over: `downloaded`, `failed`, or `pending` until `next_attempt_at`. The last error stays in
    the row until there is another one, or it is downloaded."""
    return _update(
        connection,
        attempt,
        f"""status = :status, stage = CASE :status WHEN 'pending' THEN 'waiting' END, {OVER},
        finished_at = :finished, next_attempt_at = :next,
        retry_count = COALESCE(:retries, retry_count), url_type = COALESCE(:kind, url_type),
        progress = CASE :status WHEN 'downloaded' THEN 100 ELSE progress END,
        error = CASE :status WHEN 'downloaded' THEN NULL ELSE COALESCE(:error, error) END,
        error_code = CASE :status WHEN 'downloaded' THEN NULL ELSE COALESCE(:code, error_code) END""",
        status=status,
        finished=rows.moment(now_wall) if status.final else None,
        next=next_attempt_at,
        retries=retry_count,
        kind=kind,
        error=rows.storable(failure.sentence) if failure else None,
        code=failure.code if failure else None,
    )


def _save_cancelled(connection: sqlite3.Connection, attempt: Attempt, now_wall: float) -> bool:
    """A row that is gone is no refusal: that is how the bot cancelled it."""
    values = {"id": attempt.download_id, "attempt": attempt.number, "moment": rows.moment(now_wall)}
    ended = connection.execute(
        f"""UPDATE downloads SET {CANCELLED} WHERE id = :id AND attempt = :attempt
        AND (status = 'cancelled' OR (cancelled AND status IN ('downloading', 'pending')))""",
        values,
    )
    return ended.rowcount > 0 or not _any(connection, "id = :id", values)


def _update(connection: sqlite3.Connection, attempt: Attempt, assignments: str, **values: object) -> bool:
    values |= {"id": attempt.download_id, "attempt": attempt.number}
    return connection.execute(f"UPDATE downloads SET {assignments} WHERE {GUARD}", values).rowcount > 0
