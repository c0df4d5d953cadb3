"""Saves rows that are under way. `apply` is one transaction on the connection it is given.

Each write is one UPDATE, guarded by what the row is believed to be: its id, its attempt, `downloading`, not cancelled.
When a bot's cancel was committed first, the guard matches nothing, and the save is stale.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from reactor.choices import Choices
from reactor.core import commands
from reactor.core.events import SaveRejected, SaveStale
from reactor.core.job import PERCENT_DIGITS, Attempt
from reactor.core.quotas import PLAN_TOO_LARGE
from reactor.database import contract as rows
from reactor.database.contract import LEASE_S
from reactor.database.sql import crashes, errors, history, lists, plans, published, turns
from reactor.database.sql.connection import Connection, machine_name, transaction
from reactor.database.sql.downloads import CANCELLED, CANCELLED_BARE, FAILED_BARE
from reactor.database.sql.statements import OVER, any_row, fitted
from reactor.database.store import Unsaved
from reactor.errors import Failure
from reactor.models import NO_UPLOAD, Kind, Stage, Status, Upload

MIB = 1024 * 1024
BRIEF_MAX, BRIEF_PARTS_MAX, BRIEF_BYTES_MAX = 32, 500, 32 * 1024
"""What is written in microseconds: rows or fetches, the parts of a row that have arrived, and a plan."""
ENDINGS = (commands.SaveDownloaded, commands.SaveFailed, commands.SaveCancelled, commands.SaveChoices)
BARE = {commands.SaveFailed: FAILED_BARE, commands.SaveCancelled: CANCELLED_BARE}
"""Variants with fewer columns, for tables that reject the full write."""
Unit = (
    commands.SaveStage
    | commands.SavePlan
    | commands.SaveEntries
    | commands.SaveListed
    | commands.ProgressOf
    | commands.SaveDownloaded
    | commands.SaveChoices
    | commands.SaveWaiting
    | commands.SaveFailed
    | commands.SaveCancelled
    | commands.SaveTakenUp
    | commands.ForgetPlan
    | commands.ForgetCrashes
    | commands.ChargeOwner
)
"""A save, or one row's part of one."""

Assignments = tuple[str, Mapping[str, object]]
"""What an UPDATE sets, as SQL, and the values that it names."""
GUARD = """id = :id AND attempt = :attempt AND status = 'downloading' AND cancelled IS NOT TRUE
    AND stage IS NOT 'items'"""


def is_brief(saves: Sequence[commands.Save]) -> bool:
    """True where writing them takes microseconds: few rows, no large plan, no list's entries."""
    return len(saves) <= BRIEF_MAX and all(map(_is_brief, saves))


def _is_brief(save: commands.Save) -> bool:
    match save:
        case commands.SavePlan(extraction=extraction):
            return len(extraction.fetches) <= BRIEF_MAX and extraction.plan_bytes <= BRIEF_BYTES_MAX
        case commands.SaveProgress(rows=rows):
            return len(rows) <= BRIEF_MAX and all(len(row.done or ()) <= BRIEF_PARTS_MAX for row in rows)
        case commands.SaveEntries() | commands.SaveListed() | commands.SaveChoices():
            return False
        case commands.SaveFailed(choices=choices):
            return choices is None
        case _:
            return True


def apply(
    connection: Connection, saves: Sequence[commands.Save], now_wall: float, lease_s: float = LEASE_S
) -> tuple[Unsaved, ...]:
    """Carry out all saves in one transaction. What comes back are the attempts for which something was not written:
    their row was in another state, or the bot's table does not take it, or what was planned is too large. The others
    are saved all the same."""
    units = [unit for save in saves for unit in _units(save)]
    spared, counting = [0] * len(units), True
    encoded, rejected = _encoded(units)
    while True:
        try:
            with transaction(connection):
                lease_until = now_wall + lease_s
                refused, ended, further = _apply_all(
                    connection, units, encoded, now_wall, lease_until, spared, rejected
                )
                if counting:
                    _recount(connection, further)
        except _Uncountable:
            counting = False  # the bot's table does not let a list say how far it is
        except _Forbidden as found:
            # All of it is undone, however the constraint fails (ON CONFLICT ROLLBACK): once more, with less of this.
            spared[found.number] += 1
            if spared[found.number] > len(BARE.get(type(units[found.number]), ())):
                rejected[found.number] = errors.constraint_failure(found.error)
        else:
            left = {units[number].attempt: failure for number, failure in rejected.items()}
            told = (SaveRejected(attempt, failure) for attempt, failure in left.items() if attempt not in ended)
            return (*(SaveStale(attempt, last) for attempt, last in refused.items()), *told)


class _Uncountable(Exception):
    """The transaction was lost over what the entries of a list have changed in its row."""


def _recount(connection: Connection, further: set[int]) -> None:
    try:
        lists.recount(connection, sorted(further))
    except errors.REJECTED as error:
        raise _Uncountable from error


class _Forbidden(Exception):
    """The bot's table does not take the save of this number."""

    def __init__(self, number: int, error: Exception) -> None:
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
    rejected: dict[int, Failure] = {}
    for number, unit in enumerate(units):
        if isinstance(unit, commands.SavePlan):
            try:
                encoded[number] = plans.encode(unit.extraction)
            except plans.PlanTooLarge:
                rejected[number] = PLAN_TOO_LARGE
    return encoded, rejected


def _apply_all(
    connection: Connection,
    units: Sequence[Unit],
    encoded: Mapping[int, Sequence[bytes]],
    now_wall: float,
    lease_until: float,
    spared: Sequence[int],
    rejected: Container[int],
) -> tuple[dict[Attempt, bool], set[Attempt], set[int]]:
    """The attempts whose row was in another state, with whether it was their end that it did not take; those that are
    over now; and the lists of which something has become."""
    refused, ended, further = dict[Attempt, bool](), set[Attempt](), set[int]()
    for number, unit in enumerate(units):
        if number in rejected:
            continue
        try:
            done = write(connection, unit, now_wall, lease_until, spared[number], encoded.get(number, ()), further)
        except errors.REJECTED as error:
            raise _Forbidden(number, error) from error
        last = commands.Timing.LAST in unit.timing
        if not done:
            refused[unit.attempt] = refused.get(unit.attempt, False) or last
        elif last:
            ended.add(unit.attempt)
    return refused, ended, further


def write(
    connection: Connection,
    save: Unit,
    now_wall: float,
    lease_until: float,
    spared: int = 0,
    plan: Sequence[bytes] = (),
    further: set[int] | None = None,
) -> bool:
    """False when the row was in another state. `spared`: how much less is written than there is to say; `plan`: of a
    SavePlan, as it is stored; `further` gets the list that the row is an entry of. Raises one of
    errors.REJECTED when the bot's table does not take it."""
    attempt = save.attempt
    match save:
        case commands.SaveStage(stage=stage, kind=kind):
            done = _update(connection, attempt, further, update_stage(stage), update_download_metadata(kind=kind))
        case commands.SavePlan(extraction=extraction):
            done = _update(
                connection,
                attempt,
                further,
                update_download_metadata(title=extraction.title, file_size=extraction.size, kind=extraction.kind),
                update_stage(Stage.FETCHING, from_zero=not save.continues),
                *update_media_key(extraction.finish.media_key, anew=attempt.number > 1),
            )
            if done:
                plans.store(connection, save, plan)
        case commands.SaveEntries():
            done = _update(
                connection,
                attempt,
                further,
                update_stage(Stage.LISTING),
                ("lease_until = :lease", {"lease": lease_until}),
            )
            if done:
                lists.store(connection, save, now_wall)
        case commands.SaveListed():
            title = update_download_metadata(title=save.title)
            done = _update(connection, attempt, further, title, lists.listed(connection, save, now_wall))
            if done:
                plans.forget(connection, attempt)
                crashes.forget(connection, [attempt.download_id])
        case commands.ProgressOf():
            if _update(connection, attempt, further, update_progress(save, lease_until)) and save.done is not None:
                plans.store_done(connection, attempt, save.done)
            done = True
        case commands.SaveDownloaded():
            done = _update(
                connection,
                attempt,
                further,
                update_download_metadata(title=save.title, file_size=save.size),
                update_file_path(save.path),
                *([] if save.notes is None else [update_notes(save.notes)]),
                *([] if save.upload == NO_UPLOAD else [update_upload(save.upload)]),
                *update_file_url(save.upload.file_url, anew=attempt.number > 1),
                *update_machine(machine_name(connection)),
                update_download_status(Status.DOWNLOADED, now_wall),
            )
            if done and save.placed is not None:
                published.store(connection, save, save.placed, now_wall)
        case commands.SaveChoices():
            done = _update(
                connection,
                attempt,
                further,
                update_download_metadata(title=save.title, kind=save.kind),
                update_choices(save.choices),
                update_download_status(
                    Status.CHOOSING, now_wall, next_attempt_at=now_wall + save.wait_s, stage=Stage.WAITING
                ),
            )
        case commands.SaveWaiting(failure=failure, delay_s=delay_s):
            waiting = update_download_status(
                Status.PENDING,
                now_wall,
                failure=failure,
                retry_count=save.retry_count,
                next_attempt_at=None if save.yielded else now_wall + delay_s,
                stage=Stage.YIELDED if save.yielded else Stage.WAITING,
            )
            done = _update(connection, attempt, further, waiting)
            if done and failure is not None:
                history.add(connection, attempt, now_wall, failure, delay_s)
        case commands.SaveFailed(failure=failure):
            ending: list[Assignments]
            if spared:
                ending = [(FAILED_BARE[spared - 1], rows.said(failure))]
            else:
                ending = [update_failed(now_wall, failure), update_download_metadata(kind=save.kind)]
                ending += [update_choices(save.choices)] if save.choices is not None else []
            done = _update(connection, attempt, further, *ending)
            if done:
                history.add(connection, attempt, now_wall, failure)
        case commands.SaveCancelled():
            done = _save_cancelled(
                connection, attempt, further, now_wall, CANCELLED_BARE[spared - 1] if spared else CANCELLED
            )
        case commands.SaveTakenUp():
            done = any_row(connection, GUARD, {"id": attempt.download_id, "attempt": attempt.number})
            if done:
                crashes.take_up(connection, attempt)
        case commands.ForgetPlan():
            plans.forget(connection, attempt)
            done = True
        case commands.ChargeOwner():
            turns.charge(connection, save, now_wall)
            done = True
        case commands.ForgetCrashes():
            crashes.forget(connection, [attempt.download_id])
            done = True
    if isinstance(save, ENDINGS) and done and not save.keep_plan:
        plans.forget(connection, attempt)
    elif isinstance(save, commands.SaveDownloaded) and done:
        plans.store_published(connection, attempt)
    return done


# What an UPDATE of `downloads` sets. A save is made of several of these and is one statement.


def update_stage(stage: Stage, *, from_zero: bool = False) -> Assignments:
    """The stage that the row is in; `from_zero`: with no progress."""
    return "stage = :stage" + (", progress = 0" if from_zero else ""), {"stage": stage}


def update_download_metadata(
    *, title: str | None = None, file_size: int | None = None, kind: Kind | None = None
) -> Assignments:
    """Title, size in bytes, and the kind of URL. None leaves what is there."""
    values = {"title": rows.storable(title), "file_size": rows.size(file_size), "url_type": kind}
    given = {name: value for name, value in values.items() if value is not None}
    return ", ".join(f"{name} = :{name}" for name in given), given


def update_file_path(path: str) -> Assignments:
    """Where the file is."""
    return "file_path = :file_path", {"file_path": rows.storable(path)}


def update_progress(row: commands.ProgressOf, lease_until: float) -> Assignments:
    """Progress (0 to 100), speed (bytes/s in `row`, MiB/s in the table), seconds left, and the lease. The lease ends
    at `lease_until`, seconds since the epoch."""
    metadata, values = update_download_metadata(title=row.title, file_size=row.size)
    return ", ".join(filter(None, (PROGRESS, metadata))), {
        **values,
        "progress": None if row.progress is None else round(row.progress, PERCENT_DIGITS),
        "speed": round(row.speed / MIB, 3),
        "eta": rows.size(row.eta_s),
        "lease": lease_until,
    }


def update_notes(notes: str) -> Assignments:
    """What is not as it was offered. Written only if there is something to say: a bot's column may have this name."""
    return "notes = :notes", {"notes": rows.storable(notes)}


def update_media_key(key: str, *, anew: bool) -> Sequence[Assignments]:
    """What it is, known to whoever wants the same again; `anew`: an earlier attempt may have said something else."""
    return [("media_key = :media_key", {"media_key": rows.storable(key) or None})] if key or anew else []


def update_upload(upload: Upload) -> Assignments:
    """What whoever uploads it has to say. Only what is known is written."""
    values = {
        "mime_type": upload.mime_type,
        "duration_s": None if upload.duration_s is None else round(upload.duration_s, 3),
        "width": upload.width,
        "height": upload.height,
        "thumbnail_path": rows.storable(upload.thumbnail_path),
        "files": rows.stored_files(upload.files) if upload.files else None,
    }
    given = {name: value for name, value in values.items() if value is not None}
    return ", ".join(f"{name} = :{name}" for name in given), given


def update_file_url(url: str | None, *, anew: bool) -> Sequence[Assignments]:
    """Where others can fetch the file; `anew`: an earlier attempt may have put another one somewhere else."""
    return [("file_url = :file_url", {"file_url": url})] if url is not None or anew else []


def update_machine(name: str) -> Sequence[Assignments]:
    """Where the file is; nothing where one reactor serves alone."""
    return [("machine = :machine", {"machine": name})] if name else []


def update_choices(choices: Choices) -> Assignments:
    """What there is to choose from."""
    return "choices = :choices", {"choices": choices.stored()}


PROGRESS = """progress = COALESCE(:progress, progress), download_speed = :speed, eta_seconds = :eta,
    lease_until = :lease"""


def update_download_status(
    status: Status,
    now_wall: float,
    *,
    failure: Failure | None = None,
    retry_count: int | None = None,
    next_attempt_at: float | None = None,
    stage: Stage | None = None,
) -> Assignments:
    """The attempt is over: `downloaded`, `failed`, or `pending` or `choosing` until `next_attempt_at` (seconds since
    the epoch). The last error stays in the row until there is another one, or it is downloaded."""
    set_too = ""
    if retry_count is not None:
        set_too += ", retry_count = :retries"
    if status is Status.DOWNLOADED:
        set_too += ", progress = 100, error = NULL, error_code = NULL"
    elif failure is not None:
        set_too += ", error = :error, error_code = :code"
    return f"status = :status, stage = :stage, {OVER}, finished_at = :finished, next_attempt_at = :next{set_too}", {
        "status": status,
        "stage": stage,
        "finished": rows.moment(now_wall) if status.final else None,
        "next": next_attempt_at,
        "retries": retry_count,
        **rows.said(failure),
    }


def update_failed(now_wall: float, failure: Failure) -> Assignments:
    """The attempt is over, and so is the row, unless some entries of a list have rows: it is left to these."""
    return f"{lists.FAILED}, {OVER}, next_attempt_at = NULL, error = :error, error_code = :code", {
        "finished": rows.moment(now_wall),
        **rows.said(failure),
    }


def _save_cancelled(
    connection: Connection, attempt: Attempt, further: set[int] | None, now_wall: float, assignments: str
) -> bool:
    """True for a row that is gone, too: that is how the bot cancelled it."""
    values = {"id": attempt.download_id, "attempt": attempt.number, "moment": rows.moment(now_wall)}
    ended = connection.execute(
        f"""UPDATE downloads SET {fitted(connection, assignments)} WHERE id = :id AND attempt = :attempt
        AND (status = 'cancelled' OR (cancelled AND status IN ('downloading', 'pending'))) RETURNING {lists.PARENT}""",
        values,
    ).fetchall()
    _note(ended, further)
    return bool(ended) or not any_row(connection, "id = :id", values)


def _note(written: Sequence[tuple[object]], further: set[int] | None) -> None:
    if further is not None:
        further.update(parent for (parent,) in written if isinstance(parent, int))


def _update(connection: Connection, attempt: Attempt, further: set[int] | None, *assignments: Assignments) -> bool:
    """One guarded UPDATE of all of them. False when the row is in another state."""
    values: dict[str, object] = {"id": attempt.download_id, "attempt": attempt.number}
    for _, given in assignments:
        values |= given
    listed = fitted(connection, ", ".join(each for each, _ in assignments if each))
    written = connection.execute(
        f"UPDATE downloads SET {listed} WHERE {GUARD} RETURNING {lists.PARENT}", values
    ).fetchall()
    _note(written, further)
    if written:
        return True
    if any_row(connection, GUARD, values):
        raise errors.passed_over()
    return False
