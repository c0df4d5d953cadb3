"""What is written into rows that are under way. Each public function is one transaction on the connection it is given.

Whatever moves a row on is guarded by what the row is believed to be: its id, the attempt, `downloading`, and not
cancelled. When a bot's cancel was committed first, the guard finds nothing and the write is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Mapping, Sequence

from reactor.core import commands
from reactor.core.events import SaveRejected, SaveStale
from reactor.core.job import Attempt
from reactor.core.quotas import PLAN_TOO_LARGE
from reactor.database import contract as rows
from reactor.database.sqlite import crashes, history, plans
from reactor.database.sqlite import errors as troubles
from reactor.database.sqlite.downloads import CANCELLED, CANCELLED_BARE, FAILED_BARE, LEASE_S, OVER, any_row
from reactor.database.sqlite.statements import fitted, transaction
from reactor.errors import Failure
from reactor.models import Kind, Stage, Status

MIB = 1024 * 1024
ENDINGS = (commands.SaveDownloaded, commands.SaveFailed, commands.SaveCancelled)
BARE = {commands.SaveFailed: FAILED_BARE, commands.SaveCancelled: CANCELLED_BARE}
"""What a row that ends says at least, where the bot's table does not take more: from much to little."""
Unsaved = SaveStale | SaveRejected
Unit = (
    commands.SaveStage
    | commands.SavePlan
    | commands.ProgressOf
    | commands.SaveDownloaded
    | commands.SaveWaiting
    | commands.SaveFailed
    | commands.SaveCancelled
    | commands.SaveTakenUp
    | commands.ForgetPlan
    | commands.ForgetCrashes
)
"""A save, or one row's part of one."""

GUARD = "id = :id AND attempt = :attempt AND status = 'downloading' AND cancelled IS NOT TRUE"


def apply(
    connection: sqlite3.Connection, saves: Sequence[commands.Save], now_wall: float, lease_s: float = LEASE_S
) -> tuple[Unsaved, ...]:
    """Carry out all saves in one transaction. What comes back are the attempts for which something was not written:
    their row was in another state, or the bot's table does not take it, or what was planned is too large. The others
    are saved all the same."""
    units = [unit for save in saves for unit in _units(save)]
    spared = [0] * len(units)
    encoded, forbidden = _encoded(units)
    while True:
        try:
            with transaction(connection):
                lease_until = now_wall + lease_s
                refused, ended = _apply_all(connection, units, encoded, now_wall, lease_until, spared, forbidden)
        except _Forbidden as found:
            # All of it is undone, however the constraint fails (ON CONFLICT ROLLBACK): once more, with less of this.
            spared[found.number] += 1
            if spared[found.number] > len(BARE.get(type(units[found.number]), ())):
                forbidden[found.number] = troubles.forbidden(found.error)
        else:
            left = {units[number].attempt: failure for number, failure in forbidden.items()}
            told = (SaveRejected(attempt, failure) for attempt, failure in left.items() if attempt not in ended)
            return (*(SaveStale(attempt, last) for attempt, last in refused.items()), *told)


class _Forbidden(Exception):
    """The bot's table does not take the save of this number."""

    def __init__(self, number: int, error: sqlite3.Error) -> None:
        super().__init__(number)
        self.number = number
        self.error = error


def _units(save: commands.Save) -> Sequence[Unit]:
    """What is written for one attempt each."""
    match save:
        case commands.SaveProgress():
            return save.rows
        case _:
            return (save,)


def _encoded(units: Sequence[Unit]) -> tuple[dict[int, tuple[bytes, ...]], dict[int, Failure]]:
    """The plans as they are stored, by the numbers of their saves, and those that are too large: made before anybody
    has to wait for our transaction."""
    encoded: dict[int, tuple[bytes, ...]] = {}
    forbidden: dict[int, Failure] = {}
    for number, unit in enumerate(units):
        if isinstance(unit, commands.SavePlan):
            try:
                encoded[number] = plans.encode(unit.extraction)
            except plans.PlanTooLarge:
                forbidden[number] = PLAN_TOO_LARGE
    return encoded, forbidden


def _apply_all(
    connection: sqlite3.Connection,
    units: Sequence[Unit],
    encoded: Mapping[int, Sequence[bytes]],
    now_wall: float,
    lease_until: float,
    spared: Sequence[int],
    forbidden: Container[int],
) -> tuple[dict[Attempt, bool], set[Attempt]]:
    """The attempts whose row was in another state, with whether it was their end that it did not take; and those that
    are over now."""
    refused, ended = dict[Attempt, bool](), set[Attempt]()
    for number, unit in enumerate(units):
        if number in forbidden:
            continue
        try:
            done = write(connection, unit, now_wall, lease_until, spared[number], encoded.get(number, ()))
        except troubles.FORBIDDEN as error:
            raise _Forbidden(number, error) from error
        last = isinstance(unit, (*ENDINGS, commands.SaveWaiting))
        if not done:
            refused[unit.attempt] = refused.get(unit.attempt, False) or last
        elif last:
            ended.add(unit.attempt)
    return refused, ended


def write(
    connection: sqlite3.Connection,
    save: Unit,
    now_wall: float,
    lease_until: float,
    spared: int = 0,
    plan: Sequence[bytes] = (),
) -> bool:
    """False when the row was in another state. `spared`: how much less is written than there is to say; `plan`: of a
    SavePlan, as it is stored. Raises one of troubles.FORBIDDEN when the bot's table does not take it."""
    attempt = save.attempt
    match save:
        case commands.SaveStage():
            done = update_stage(connection, attempt, save.stage, save.kind)
        case commands.SavePlan(extraction=extraction):
            done = update_download_metadata(
                connection, attempt, title=extraction.title, file_size=extraction.size, kind=extraction.kind
            ) and update_stage(connection, attempt, Stage.FETCHING, anew=not save.continues)
            if done:
                plans.store(connection, save, plan)
        case commands.ProgressOf():
            if update_progress(connection, save, lease_until) and save.done is not None:
                plans.store_done(connection, attempt, save.done)
            done = True
        case commands.SaveDownloaded():
            done = (
                update_download_metadata(connection, attempt, title=save.title, file_size=save.size)
                and update_file_path(connection, attempt, save.path)
                and update_download_status(connection, attempt, Status.DOWNLOADED, now_wall)
            )
        case commands.SaveWaiting(failure=failure, delay_s=delay_s):
            done = update_download_status(
                connection,
                attempt,
                Status.PENDING,
                now_wall,
                failure=failure,
                retry_count=save.retry_count,
                next_attempt_at=now_wall + delay_s,
            )
            if done and failure is not None:
                history.add(connection, attempt, now_wall, failure, delay_s)
        case commands.SaveFailed(failure=failure):
            if spared:
                done = _update(connection, attempt, FAILED_BARE[spared - 1], **rows.said(failure))
            else:
                done = update_download_status(
                    connection, attempt, Status.FAILED, now_wall, failure=failure, kind=save.kind
                )
            if done:
                history.add(connection, attempt, now_wall, failure)
        case commands.SaveCancelled():
            done = _save_cancelled(connection, attempt, now_wall, CANCELLED_BARE[spared - 1] if spared else CANCELLED)
        case commands.SaveTakenUp():
            done = any_row(connection, GUARD, {"id": attempt.download_id, "attempt": attempt.number})
            if done:
                crashes.take_up(connection, attempt)
        case commands.ForgetPlan():
            plans.forget(connection, attempt)
            done = True
        case commands.ForgetCrashes():
            crashes.forget(connection, [attempt.download_id])
            done = True
    if isinstance(save, ENDINGS) and done and not save.keep_plan:
        plans.forget(connection, attempt)
    elif isinstance(save, commands.SaveDownloaded) and done:
        plans.store_published(connection, attempt)
    return done


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
        **rows.said(failure),
    )


def _save_cancelled(connection: sqlite3.Connection, attempt: Attempt, now_wall: float, assignments: str) -> bool:
    """A row that is gone is no refusal: that is how the bot cancelled it."""
    values = {"id": attempt.download_id, "attempt": attempt.number, "moment": rows.moment(now_wall)}
    ended = connection.execute(
        f"""UPDATE downloads SET {fitted(connection, assignments)} WHERE id = :id AND attempt = :attempt
        AND (status = 'cancelled' OR (cancelled AND status IN ('downloading', 'pending')))""",
        values,
    )
    return ended.rowcount > 0 or not any_row(connection, "id = :id", values)


def _update(connection: sqlite3.Connection, attempt: Attempt, assignments: str, **values: object) -> bool:
    values |= {"id": attempt.download_id, "attempt": attempt.number}
    assignments = fitted(connection, assignments)
    if connection.execute(f"UPDATE downloads SET {assignments} WHERE {GUARD}", values).rowcount > 0:
        return True
    if any_row(connection, GUARD, values):
        raise troubles.passed_over()
    return False
