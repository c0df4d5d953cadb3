"""Polls, claims and recovers rows. Each public function is one transaction on the connection it is given. Saves of rows
that are under way stand in `saving.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from reactor.core import commands
from reactor.core.events import PlanRead, Recovered, RowsPolled, SaveRejected, WatchedRow
from reactor.core.job import Attempt
from reactor.core.rows import ClaimedRow
from reactor.core.turns import Caps
from reactor.database import contract as rows
from reactor.database.contract import DUE_IN_MAX_S, LEASE_S, PASSED_MAX, RETRY_MAX_S, SLACK_S
from reactor.database.sql import admission, crashes, defaults, history, lists, plans, turns
from reactor.database.sql.connection import ALONE, Connection, columns, read_still, ring, transaction
from reactor.database.sql.per_row import RowUpdater, until_taken
from reactor.database.sql.statements import LATER, OVER, READY, RETRY, instance_of
from reactor.database.store import ByText, Polled, not_told
from reactor.errors import Failure
from reactor.options import NO_OPTIONS, OPTIONS_BYTES_MAX
from reactor.plan import Brought, Detection
from reactor.records import dataclass
from reactor.row_options import Asked, ReadOptions, asked_of

CANCELLED = f"""status = 'cancelled', stage = NULL, finished_at = COALESCE(NULLIF(finished_at, ''), :moment),
    next_attempt_at = NULL, {OVER}"""
CANCELLED_BARE = ("status = 'cancelled', stage = NULL",)
FAILED_BARE = ("status = 'failed', stage = NULL, error = :error, error_code = :code", "status = 'failed', stage = NULL")
"""Variants with fewer columns, for tables that reject the full write."""
DUE = f"""{READY} AND cancelled IS NOT TRUE AND typeof(id) = 'integer'
    AND NOT EXISTS (SELECT 1 FROM reactor_plans AS p WHERE p.download_id = downloads.id AND ({plans.FOREIGN}))
    AND id NOT IN (SELECT value FROM json_each(:held))"""
"""A plan of a later attempt is that of another row that had this id: a leftover, to be cleaned up first."""
CLAIMED = """CAST(attempt AS INTEGER) BETWEEN 1 AND 1000000000 AND attempt = CAST(attempt AS INTEGER)
    AND typeof(id) = 'integer'"""
"""A row under way that says anything else is no reactor's."""

# Looking, claiming, recovering


def poll(connection: Connection, *asked: Any, **more: Any) -> Polled:
    """`poll_rows`, with what was planned for the rows that are claimed."""
    return with_plans(connection, poll_rows(connection, *asked, **more))


def poll_rows(
    connection: Connection,
    command: commands.PollRows,
    owner: str,
    now_wall: float,
    retry_max_s: float = RETRY_MAX_S,
    by_text: ByText = not_told,
    read: ReadOptions = asked_of,
    owner_column: str | None = None,
    may_claim: Callable[[], bool] = lambda: True,
) -> Polled:
    """Carry out a PollRows, but for the plans; `owner_column`: the bot's own column that says whose a row is;
    `may_claim` is asked after what there is. Takes the write lock only when there is something to write, so that a bot
    that holds it cannot keep a cancel from being seen."""
    asked = asked_by(command, owner, now_wall, retry_max_s)

    def look(updater: RowUpdater) -> Polled:
        held = json.dumps([*command.held, *updater.passed])
        seen = _poll(connection, command, asked | {"held": held}, updater, by_text, read, owner_column, may_claim)
        return Polled(seen, {id: updater.failures[id] for id in updater.passed})

    return until_taken(look)


def asked_by(command: commands.PollRows, owner: str, now_wall: float, retry_max_s: float) -> dict[str, Any]:
    """The values that the statements of a poll name, but for `held`."""
    return {
        "watch": json.dumps(command.watch),
        "owner": owner,
        "now": now_wall,
        "moment": rows.moment(now_wall),
        "lease": now_wall + LEASE_S,
        "retry_max": retry_max_s + SLACK_S,
        "unanswered": UNANSWERED.text,
    }


def _poll(
    connection: Connection,
    command: commands.PollRows,
    asked: Mapping[str, Any],
    updater: RowUpdater,
    by_text: ByText,
    read: ReadOptions,
    owner_column: str | None,
    may_claim: Callable[[], bool],
) -> RowsPolled:
    *found, stopped, ended, any_ripe, any_due, any_left, next_moment = connection.execute(PROBE, asked).fetchone()
    room = command.claim if len(updater.passed) < PASSED_MAX and may_claim() else 0
    sweeps = [which for which, there in zip(SWEEPS, found, strict=True) if there]
    if UNSET in sweeps and not _null_is_pending(connection):
        sweeps.remove(UNSET)
    if stopped:
        sweeps += [WITHDRAWN, DISMISSED]
    claiming = room > 0 and (any_due or any_ripe or bool(sweeps))
    ripens = any_ripe and (claiming or bool(command.spent))
    added, unowned = admission.has_new(connection, command.caps), admission.unowned(connection, owner_column, asked)
    writes = claiming or sweeps or ended or ripens or added or unowned
    reads = command.watch or command.spent or any_left
    kind = ALONE if claiming else "IMMEDIATE" if writes else "DEFERRED"
    with transaction(connection, kind) if writes or reads else nullcontext():
        if stopped:
            lists.stop(connection, updater, asked)
        swept, unanswered = _sweep(connection, sweeps, asked, updater)
        more = admission.own(connection, updater, unowned, owner_column, asked)
        refused = _refuse(connection, updater, asked, command.caps) if added else ()
        over = lists.end(connection, updater, asked) if sweeps or ended else ()
        if ripens:
            more = turns.ripen(connection, updater, asked) or more
            ripe = admission.unowned(connection, owner_column, asked)  # which was not ready before
            more = admission.own(connection, updater, ripe, owner_column, asked) or more
        order, wanted = _next(connection, asked, room, command.caps, updater) if claiming else ([], NOTHING)
        due = [turn.id for turn in order]
        told = {id: found for id in due[:room] if (found := by_text(wanted.urls[id])) is not None}
        if wanted.parents:
            lists.claim(connection, [id for id in due[:room] if id in wanted.parents], updater, asked)
        claimed, rejected = _claim(connection, due[:room], asked, updater, told) if due else ((), ())
        if wanted.crashes:
            attempts = [*(row.attempt for row in claimed), *(each.attempt for each in rejected)]
            crashes.forget(connection, [each.download_id for each in attempts])
        begun = {row.attempt.download_id: row.attempt.number for row in claimed}
        new = [id for id, number in begun.items() if number == 1]
        turns.served(connection, [turn for turn in order if turn.id in begun], new, asked["now"], command.caps)
        # Of what the probe has found a claim changes nothing.
        others = sweeps or ended or stopped or ripens or added or unowned or rejected or updater.passed
        stands = not others and not command.caps.daily
        seen = RowsPolled(
            watched=watched(connection.execute(WATCHED, asked).fetchall()) if command.watch else (),
            claimed=claimed,
            swept=swept,
            rejected=(*unanswered, *refused, *rejected),
            lists=over,
            leftovers=() if stands and not any_left else plans.leftovers(connection, command.held),
            due_in_s=0.0
            if more and len(claimed) < room
            else due_in(next_moment if stands else _next_moment(connection, asked), asked),
            next_url=wanted.urls[due[room]] if claimed and len(due) > room else None,
            # Where some of the slots are still free, nobody waits.
            accounts=turns.accounts(connection, asked, DUE, command.spent, command.caps)
            if command.spent and (any_due or any_ripe) and len(claimed) == room
            else (),
        )
        if claimed or swept or seen.rejected or over:
            ring(connection)
    # They are ours now: nobody has to wait while we read what was asked for them.
    return with_asked(seen, wanted, due[room] if len(due) > room else None, read) if claimed else seen


def with_asked(seen: RowsPolled, wanted: Wanted, following: int | None, read: ReadOptions) -> RowsPolled:
    """With what was asked for the rows that were claimed, and for the one that is next."""
    owned = [replace(row, owner=wanted.owners.get(row.attempt.download_id)) for row in seen.claimed]
    asking = tuple(_with_options(row, wanted.asked[row.attempt.download_id], read) for row in owned)
    seen = replace(seen, claimed=asking)
    if seen.next_url is None or following is None:
        return seen
    later = read(wanted.asked[following])
    if isinstance(later, Failure):
        return replace(seen, next_url=None)
    return replace(seen, next_options=later, next_owner=wanted.owners.get(following))


def with_plans(connection: Connection, seen: Polled) -> Polled:
    """With what was planned for the rows that were claimed. A first attempt has none."""
    planned = tuple(_with_plan(connection, row) if row.attempt.number > 1 else row for row in seen.rows.claimed)
    return replace(seen, rows=replace(seen.rows, claimed=planned))


UNSET = "status IS NULL"
UNCLAIMED = f"""status = 'downloading' AND ({CLAIMED}) IS NOT TRUE
    AND id NOT IN (SELECT value FROM json_each(:held))"""
"""Under way, but claimed by no reactor: left by another downloader, or the bot rebuilt its table."""
WORDS = ", ".join(f"'{word}'" for word in rows.TRUE_WORDS)
WORDED = f"cancelled <> 0 AND lower(cancelled) IN ({WORDS}) AND status IN ('pending', 'downloading')"
"""Cancelled by a word, which SQLite takes for 0, and which is more than a number. The comparison spares all other rows
the IN (`statements.IS_OVER`)."""
WITHDRAWN = "cancelled AND status = 'pending'"
"""Cancelled before it began, or while it waited for its next attempt."""
UNWATCHED = "id NOT IN (SELECT value FROM json_each(:watch))"
"""Nobody takes it down."""
STOPPED = f"status = 'cancelled' AND stage IS NOT NULL AND stage <> '' AND {UNWATCHED}"
"""The bot wrote `cancelled` itself, into a row that waits, or while no reactor ran."""
DISMISSED = f"status = 'choosing' AND cancelled <> 0 AND (cancelled OR lower(cancelled) IN ({WORDS}))"
"""Cancelled while it asked."""
LATE = "status = 'choosing' AND next_attempt_at <= :now"
"""Nobody has answered in time."""
REFUSES = "CASE WHEN json_valid(choices) THEN json_extract(choices, '$.unanswered') = 'fail' END IS TRUE"
GIVEN_UP, BY_DEFAULT = f"{LATE} AND {REFUSES}", f"{LATE} AND NOT ({REFUSES})"
PATCHED = """json_patch(CASE WHEN json_valid(options) THEN options ELSE '{}' END, '{"ask": "never"}')"""
DEFAULT = f"status = 'pending', stage = NULL, next_attempt_at = NULL, choices = NULL, options = {PATCHED}"
UNANSWERED = Failure(
    "unanswered",
    "The question what to download was not answered in time.",
    "Ask for it again, or choose: it is still there.",
)
EXPIRED = f"""status = 'failed', stage = NULL, finished_at = :moment, next_attempt_at = NULL,
    error = :unanswered, error_code = 'unanswered', {OVER}"""
EXPIRED_BARE = ("status = 'failed', stage = NULL, error_code = 'unanswered'", "status = 'failed', stage = NULL")
SWEEPS = {
    UNSET: ("status = 'pending'",),
    UNCLAIMED: ("status = 'pending', stage = NULL, next_attempt_at = NULL",),
    WORDED: ("cancelled = 1", "status = 'cancelled'"),
    WITHDRAWN: (CANCELLED, *CANCELLED_BARE),
    STOPPED: (CANCELLED, *CANCELLED_BARE),
    DISMISSED: (CANCELLED, *CANCELLED_BARE),
    GIVEN_UP: (EXPIRED, *EXPIRED_BARE),
    BY_DEFAULT: (DEFAULT, "status = 'pending'"),
}
"""Rows whose state is normalised before the claim, and the variants of the write."""
ROW = "EXISTS (SELECT 1 FROM downloads WHERE {})"
NEXT_MOMENT = f"""SELECT min(due) FROM (
    SELECT min(next_attempt_at) AS due FROM downloads WHERE {RETRY} AND next_attempt_at > :now
        AND next_attempt_at <= :now + :retry_max
    UNION ALL SELECT min(not_before) FROM downloads WHERE {LATER} AND not_before > :now AND not_before < ''
    UNION ALL SELECT min(next_attempt_at) FROM downloads WHERE status = 'choosing' AND next_attempt_at > :now
    ) AS moments"""
"""When a retry is due, `not_before` is over, or a question has waited for long enough."""
PROBE = "SELECT " + ", ".join(
    [
        *map(ROW.format, SWEEPS),
        f"EXISTS ({lists.STOPPED})",
        ROW.format(lists.ENDED),
        turns.ANY_RIPE,
        ROW.format(DUE),
        f"EXISTS (SELECT 1 FROM {plans.LEFT})",
        f"({NEXT_MOMENT})",
    ]
)
"""Which of them there are, whether a list was stopped or is over, whether the time of any has come, whether any is due,
whether there are leftovers, and when the next row is due: all that an idle poll has to know, in one statement."""


def _null_is_pending(connection: Connection) -> bool:
    """True where the bot's `status` has no default: a row without one was simply inserted."""
    return columns(connection)["status"].default is None


def _sweep(
    connection: Connection, sweeps: Sequence[str], asked: Mapping[str, Any], updater: RowUpdater
) -> tuple[tuple[int, ...], tuple[SaveRejected, ...]]:
    """Those that were cancelled, and those whose question nobody has answered."""
    swept, unanswered = set[int](), list[SaveRejected]()
    for which, ways in SWEEPS.items():
        if which in sweeps or (which is WITHDRAWN and sweeps):
            found = connection.execute(f"SELECT id FROM downloads WHERE {which} AND typeof(id) = 'integer'", asked)
            ids = [id for (id,) in found.fetchall()]
            done = [row for _, row in updater.update(connection, ids, ways, asked, "id, attempt", which)]
            if ways[0] is CANCELLED:
                swept |= {id for id, _ in done}
            elif which is GIVEN_UP:
                unanswered += [SaveRejected(Attempt(id, rows.count(attempt)), UNANSWERED) for id, attempt in done]
    for each in unanswered:
        history.add(connection, each.attempt, asked["now"], each.failure)
    return tuple(sorted(swept)), tuple(unanswered)


def _refuse(
    connection: Connection, updater: RowUpdater, asked: Mapping[str, Any], caps: Caps
) -> tuple[SaveRejected, ...]:
    """Those of which too many wait."""
    refused = [
        SaveRejected(Attempt(id, rows.count(attempt)), admission.REFUSED)
        for id, attempt in admission.refuse(connection, updater, asked, caps)
    ]
    for each in refused:
        history.add(connection, each.attempt, asked["now"], each.failure)
    return tuple(refused)


OPTIONS = f"substr(options, 1, {OPTIONS_BYTES_MAX + 1})"
"""As far as they are read; one more says that they are too long."""


OWNER = f"substr(owner, 1, {20 * rows.OWNER_MAX})"
"""As far as it is read: `contract.owner` makes one of it that is nobody else's."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What stands in rows that are next, by their ids."""

    urls: Mapping[int, str]
    asked: Mapping[int, Asked]
    owners: Mapping[int, str]
    """Of those that have one."""
    parents: Sequence[int]
    """Those that have entries."""
    crashes: bool
    """There are rows that the process has died with."""


NOTHING = Wanted({}, {}, {}, (), False)
WANTED = f"""id, url, {OPTIONS}, {OWNER}, {lists.PARENT}, {lists.HAS_ENTRIES},
    EXISTS (SELECT 1 FROM reactor_defaults), EXISTS (SELECT 1 FROM reactor_crashes)"""
"""Mostly nobody has said what his rows ask for, and the process has died with none: that is not looked up then."""
BUSY_TRIES = 5
"""So often rows are passed over that somebody else is about to change, or has just changed."""


def _next(
    connection: Connection, asked: Mapping[str, Any], room: int, caps: Caps, updater: RowUpdater
) -> tuple[list[turns.Turn], Wanted]:
    """The rows for so many slots and the one behind them, and what stands in them. Nobody else changes them now."""
    for _ in range(BUSY_TRIES):
        order = turns.next_rows(connection, asked, DUE, room + 1, caps, updater)
        ids = [turn.id for turn in order]
        wanted = wanted_of(connection, read_still(connection, WANTED, ids, DUE, asked)) if order else NOTHING
        if len(wanted.urls) == len(order):
            return order, wanted
        busy = [turn.id for turn in order if turn.id not in wanted.urls]
        asked = {**asked, "held": json.dumps([*json.loads(asked["held"]), *busy])}
    return [turn for turn in order if turn.id in wanted.urls], wanted


def wanted_of(connection: Connection, found: Sequence[tuple[Any, ...]]) -> Wanted:
    """What WANTED has found."""
    owners = {id: owner for id, _, _, told, *_ in found if (owner := rows.owner(told))}
    any_default = any(row[6] for row in found)
    below = defaults.of_owners(connection, {owners.get(id, "") for id, *_ in found}) if any_default else {}
    options = {
        id: Asked(rows.text(text), below.get(owners.get(id, "")), entry=parent is not None)
        for id, _, text, _, parent, *_ in found
    }
    return Wanted(
        urls={id: rows.url(url) for id, url, *_ in found},
        asked=options,
        owners=owners,
        parents=[row[0] for row in found if row[5]],
        crashes=any(row[7] for row in found),
    )


def _with_options(row: ClaimedRow, asked: Asked, read: ReadOptions) -> ClaimedRow:
    found = read(asked)
    if isinstance(found, Failure):
        return replace(row, refusal=found)
    return row if found is NO_OPTIONS else replace(row, options=found)


CLAIM = f"""status = 'downloading', attempt = {plans.ATTEMPT} + 1, claimed_by = :owner,
    lease_until = :lease, started_at = COALESCE(NULLIF(started_at, ''), :moment), finished_at = NULL,
    next_attempt_at = NULL, not_before = NULL, progress = COALESCE(progress, 0), download_speed = 0, eta_seconds = NULL,
    stage = (CASE WHEN id IN (SELECT value FROM json_each(:told)) THEN 'extracting' ELSE 'detecting' END)"""


CLAIMED_ROW = f"id, attempt, url, retry_count, progress, error_code, added_date, {lists.PARENT}"


def claimed_row(row: Sequence[Any], now: float, detection: Detection | None, generation: int) -> ClaimedRow:
    """What CLAIMED_ROW says of one that was just claimed."""
    found = _claimed_row(tuple(row[:6]), waited_s=rows.waited(row[6], now))
    return replace(found, detection=detection, generation=generation)


def _claim(
    connection: Connection,
    ids: Sequence[int],
    asked: Mapping[str, Any],
    updater: RowUpdater,
    told: Mapping[int, Detection],
) -> tuple[tuple[ClaimedRow, ...], tuple[SaveRejected, ...]]:
    """In the order of `ids`: RETURNING promises none. A row that cannot be claimed fails."""
    values = {**asked, "told": json.dumps([*told])}
    done = updater.update(connection, ids, (CLAIM, *FAILED_BARE), values, CLAIMED_ROW, which=None)
    generations = lists.generations(connection, [row[0] for _, row in done if row[7] is not None])
    claimed, rejected = list[ClaimedRow](), list[SaveRejected]()
    for way, row in sorted(done, key=lambda each: ids.index(each[1][0])):
        if way == 0:
            claimed.append(claimed_row(row, asked["now"], told.get(row[0]), generations.get(row[0], 0)))
        else:
            failure = updater.failures[row[0]]
            rejected.append(SaveRejected(Attempt(row[0], rows.count(row[1])), failure))
            history.add(connection, rejected[-1].attempt, asked["now"], failure)
    return tuple(claimed), tuple(rejected)


WATCHED = f"""SELECT id, CASE WHEN {CLAIMED} THEN CAST(attempt AS INTEGER) ELSE 0 END, status, cancelled IS TRUE
    FROM downloads WHERE id IN (SELECT value FROM json_each(:watch)) ORDER BY id"""


def watched(found: Sequence[tuple[Any, ...]]) -> tuple[WatchedRow, ...]:
    """What WATCHED has found."""
    return tuple(
        WatchedRow(id, attempt, rows.text(status) or "", bool(cancelled)) for id, attempt, status, cancelled in found
    )


def _next_moment(connection: Connection, asked: Mapping[str, Any]) -> object:
    (due,) = connection.execute(NEXT_MOMENT, asked).fetchone()
    return due


def due_in(due: object, asked: Mapping[str, Any]) -> float | None:
    moment = rows.real(due)
    return None if moment is None else min(moment - float(asked["now"]), DUE_IN_MAX_S)


OWN_UNDER_WAY = "status = 'downloading' AND TRUE"
"""What this machine has under way: all of it, where no other machine serves the same queue."""
UNDER_WAY = f"""SELECT id, attempt, url, retry_count, progress, error_code, stage, {OPTIONS}, {OWNER}, {lists.PARENT}
    FROM downloads
    WHERE {OWN_UNDER_WAY} AND {CLAIMED} AND stage IS NOT 'items'"""
"""A list is under way by itself: see `lists`."""


def count_crashes(connection: Connection) -> None:
    """The process before this one has ended: note which rows it may have died of. Before `recover`, and once."""
    with transaction(connection):
        found = connection.execute(f"{UNDER_WAY} ORDER BY id").fetchall()
        crashes.count(connection, [Attempt(id, int(attempt)) for id, attempt, *_ in found])
        turns.forget_even(connection)


def recover(connection: Connection, read: ReadOptions = asked_of) -> Recovered:
    """Carry out a Recover: the rows an earlier run had under way, and what it left of rows that are not."""
    with transaction(connection, "DEFERRED"):
        under_way = connection.execute(f"{UNDER_WAY} ORDER BY id").fetchall()
        found = [_under_way(connection, row, read) for row in under_way]
        return Recovered(tuple(found), plans.leftovers(connection), instance_of(connection))


BROUGHT = f"""SELECT id, file_path, file_size, notes, {OWNER} FROM downloads WHERE media_key = ? AND id <> ?
    AND status NOT IN ('pending', 'downloading', 'choosing', 'failed', 'cancelled')
    AND file_path <> '' AND length(file_path) <= 4096 AND typeof(id) = 'integer' ORDER BY id DESC LIMIT 1000"""
BROUGHT_MAX = 10


def find_same(connection: Connection, media_key: str, owner: str | None, besides: int) -> tuple[Brought, ...]:
    """What the latest rows of this owner have brought that has this key, whatever their bot has made of their status
    since, the latest first."""
    found = connection.execute(BROUGHT, (media_key, besides))
    theirs = [
        Brought(
            download_id=id,
            path=rows.text(path) or "",
            bytes=rows.amount(size) or 0,
            notes=tuple((rows.filled(notes) or "").splitlines()),
        )
        for id, path, size, notes, whose in found.fetchall()
        if rows.owner(whose) == owner
    ]
    return tuple(theirs[:BROUGHT_MAX])


def read_plan(connection: Connection, command: commands.ReadPlan, options: ReadOptions = asked_of) -> PlanRead | None:
    """Carry out a ReadPlan."""
    with transaction(connection, "DEFERRED"):
        found = connection.execute(f"{UNDER_WAY} AND id = ?", (command.attempt.download_id,)).fetchall()
        under_way = [_under_way(connection, row, options) for row in found]
        return next((PlanRead(command.attempt, row) for row in under_way if row.attempt == command.attempt), None)


def _under_way(connection: Connection, row: tuple[Any, ...], read: ReadOptions) -> ClaimedRow:
    account = rows.account(row[8])
    asked = Asked(rows.text(row[7]), defaults.of_owners(connection, [account]).get(account), entry=row[9] is not None)
    found = _with_options(_claimed_row(row[:6], stage=rows.text(row[6])), asked, read)
    generation = lists.generations(connection, [row[0]])[row[0]] if row[9] is not None else 0
    found = replace(found, owner=account or None, generation=generation)
    times, held = crashes.of_row(connection, found.attempt)
    if not held:
        return replace(_with_plan(connection, found), crashes=times)
    planned, parts = plans.extent(connection, found.attempt)
    return replace(found, crashes=times, held=True, plan_attempt=planned, parts=parts)


def _claimed_row(row: tuple[Any, ...], *, waited_s: float | None = None, stage: str | None = None) -> ClaimedRow:
    id, attempt, url, retries, progress, error_code = row
    return ClaimedRow(
        Attempt(id, int(attempt)),
        rows.url(url),
        rows.count(retries),
        waited_s,
        stage=stage,
        progress=rows.percent(progress),
        error_code=rows.text(error_code),
    )


def _with_plan(connection: Connection, row: ClaimedRow) -> ClaimedRow:
    plan, plan_attempt, done = plans.of_row(connection, row.attempt.download_id)
    return replace(row, plan=plan, plan_attempt=plan_attempt, done=done)
