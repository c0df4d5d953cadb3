"""What is written into rows that are under way. Each public function is one transaction on the connection it is given.

Whatever moves a row on is guarded by what the row is believed to be: its id, the attempt, `downloading`, and not
cancelled. When a bot's cancel was committed first, the guard finds nothing and the write is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database import history, plans, rows
from reactor.database.downloads import CANCELLED, LEASE_S, OVER, any_row
from reactor.database.statements import transaction
from reactor.errors import Failure
from reactor.models import Kind, Stage, Status

MIB = 1024 * 1024
GUARD = "id = :id AND attempt = :attempt AND status = 'downloading' AND cancelled IS NOT TRUE"


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
    return ended.rowcount > 0 or not any_row(connection, "id = :id", values)


def _update(connection: sqlite3.Connection, attempt: Attempt, assignments: str, **values: object) -> bool:
    values |= {"id": attempt.download_id, "attempt": attempt.number}
    return connection.execute(f"UPDATE downloads SET {assignments} WHERE {GUARD}", values).rowcount > 0
