"""Machines that serve one queue, each with a lease that it renews; what a machine had whose lease has run out is taken
over by the others.

A row under way names its machine (`claimed_by`), and so does a plan: what waits for its next attempt has files on that
machine's disk, and is left to it. Moments are the server's. A machine that comes back finds its rows in another state
or another attempt, and whatever it writes into them changes nothing (`saving.GUARD`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from psycopg.errors import LockNotAvailable

from reactor.core.events import LeaseRenewed, TakenOver
from reactor.core.lease import BEAT_S, HELD_S
from reactor.database import contract
from reactor.database.postgres.connection import PostgresConnection, lock_key
from reactor.database.postgres.waking import NOTIFY
from reactor.database.presence import Machine, Presence
from reactor.database.sql import presence
from reactor.database.sql.connection import Connection, has_table, transaction
from reactor.database.sql.per_row import RowUpdater, until_taken
from reactor.database.sql.statements import NOW, OVER
from reactor.errors import DatabaseInUse, Failure

DEAD_S = 30.0
"""A machine that has not renewed its lease for so long has lost it, in seconds."""
MISSED_S = 1.5 * BEAT_S
"""A machine that has not renewed its lease for longer than this has missed a beat, in seconds. If that was because of
the server, the others have missed theirs too, and some are slower to come back: it takes nothing over for DEAD_S then,
nor does one that begins."""
FORGET_S = 7 * 86_400.0
"""A machine that has not been seen for so long is forgotten."""
BATCH = 100
"""Rows that are taken over at once."""
TAKEOVERS_MAX = 3
"""With so many machines that were lost with it a row ends: it may be what they were lost by."""
LOST = Failure(
    "machine_lost",
    "Each machine that has tried it was lost.",
    "The file may be what brings it down; try it again later.",
)
TAKEOVER = "'takeover'"
TAKE = f"SELECT pg_try_advisory_xact_lock({lock_key(TAKEOVER)})"
NEW = f"INSERT INTO reactor_machines (name, session, seen_at, held_since) VALUES (:name, :session, {NOW}, {NOW})"
REGISTER = f"""{NEW} ON CONFLICT (name)
    DO UPDATE SET session = excluded.session, seen_at = excluded.seen_at, held_since = excluded.held_since"""
REGISTER_AGAIN = f"{NEW} ON CONFLICT (name) DO NOTHING RETURNING 1"
MAY_CLAIM = f"""SELECT 1 FROM reactor_machines
    WHERE name = :name AND session = :session AND draining = 0 AND seen_at > {NOW} - {HELD_S}"""
INTRODUCE = "UPDATE reactor_machines SET presence = :told WHERE name = :name AND session = :session"
PRESENCES = """SELECT presence FROM reactor_machines WHERE presence <> ''
    ORDER BY CAST(CAST(presence AS json) ->> 'stopped' AS boolean), seen_at DESC LIMIT 10"""
MACHINES = f"""SELECT name, {NOW} - seen_at, draining, presence, (SELECT count(*) FROM downloads AS d
    WHERE d.status = 'downloading' AND d.claimed_by = m.name AND coalesce(d.stage, '') <> 'items')
    FROM reactor_machines AS m ORDER BY name"""
DRAIN = "UPDATE reactor_machines SET draining = :draining WHERE name = :name RETURNING 1"
ALIVE = f"SELECT 1 FROM reactor_machines AS m WHERE m.seen_at > {NOW} - {DEAD_S} AND m.name = {{}}"
ORPHANED = (
    f"""status = 'downloading' AND coalesce(stage, '') <> 'items' AND NOT EXISTS ({ALIVE.format("claimed_by")})"""
)
"""Under way on a machine that is none any more."""
UNSTOPPED = (
    f"""status = 'cancelled' AND stage <> '' AND claimed_by <> '' AND NOT EXISTS ({ALIVE.format("claimed_by")})"""
)
"""Cancelled by its bot on such a machine, which did not come to take it down."""
OWN = "status = 'downloading' AND coalesce(stage, '') <> 'items' AND claimed_by = :name"
LEAVES = f"""DELETE FROM reactor_machines AS m WHERE name = :name AND session = :session AND EXISTS (SELECT 1 FROM
    reactor_machines AS o WHERE o.name <> m.name AND o.draining = 0 AND o.seen_at > {NOW} - {HELD_S}) RETURNING 1"""
"""Where another one would begin what this one has."""
GIVEN_BACK = f"status = 'pending', stage = NULL, next_attempt_at = NULL, {OVER}"
ENDED = f"""status = 'failed', stage = NULL, finished_at = :moment, next_attempt_at = NULL,
    error = :lost, error_code = :lost_code, {OVER}"""
COUNTED = """INSERT INTO reactor_takeovers AS t (download_id, times) SELECT unnest(CAST(:ids AS bigint[])), 1
    ON CONFLICT (download_id) DO UPDATE SET times = t.times + 1 RETURNING download_id, times"""
UNREACHED = f"""SELECT p.download_id FROM reactor_plans AS p JOIN downloads AS d ON d.id = p.download_id
    WHERE d.status = 'pending' AND NOT EXISTS ({ALIVE.format("p.machine")} AND m.draining = 0)"""
"""Files of these rows are where nobody comes to, or where nothing is begun any more."""
UNPLANNED = f"""DELETE FROM reactor_plans WHERE download_id IN ({UNREACHED} ORDER BY p.download_id LIMIT {BATCH})
    RETURNING download_id"""
OVER_SINCE = """SELECT t.download_id FROM reactor_takeovers AS t WHERE NOT EXISTS (SELECT 1 FROM downloads AS d
    WHERE d.id = t.download_id AND d.status IN ('pending', 'downloading'))"""
"""Counted as taken over, and over: if the row is sent back, it begins anew."""
SETTLED = f"DELETE FROM reactor_takeovers WHERE download_id IN ({OVER_SINCE})"
FORGOTTEN = f"seen_at < {NOW} - {FORGET_S}"
OVERDUE = f"""EXISTS (SELECT 1 FROM downloads WHERE {ORPHANED}) OR EXISTS (SELECT 1 FROM downloads WHERE {UNSTOPPED})
    OR EXISTS ({UNREACHED}) OR EXISTS ({OVER_SINCE}) OR EXISTS (SELECT 1 FROM reactor_machines WHERE {FORGOTTEN})"""
"""A takeover has something to do."""
NEXT_LOST_IN_S = f"""(SELECT min(o.seen_at) + {DEAD_S} - {NOW} FROM reactor_machines AS o
    WHERE o.name <> :name AND o.seen_at > {NOW} - {DEAD_S})"""
LOST_IN_S = f"CASE WHEN held_since >= {NOW} - {DEAD_S} THEN held_since + {DEAD_S} - {NOW} ELSE {NEXT_LOST_IN_S} END"
"""When there may be something to take over. Who has missed a beat, or begins, may not before: another machine may be
lost by then, of which no moment to come is known."""
RENEW_ONLY = f"""UPDATE reactor_machines SET seen_at = {NOW},
    held_since = CASE WHEN seen_at < {NOW} - {MISSED_S} THEN {NOW} ELSE held_since END
    WHERE name = :name AND session = :session RETURNING {LOST_IN_S}"""
RENEW = f"{RENEW_ONLY}, CASE WHEN held_since < {NOW} - {DEAD_S} THEN {OVERDUE} ELSE FALSE END"
"""The only statement of a machine that has nothing to do. It asks for what is to be taken over only where the machine
has missed no beat for a while."""


def register(connection: Connection, name: str, session: str) -> None:
    """This process serves by this name now."""
    connection.execute(REGISTER, {"name": name, "session": session})


def may_claim(connection: PostgresConnection, name: str, session: str) -> Callable[[], bool]:
    """True while its lease is its own, and it is not to be drained; asked with what is asked next."""
    answer = connection.ask(MAY_CLAIM, {"name": name, "session": session})
    found: list[bool] = []

    def may() -> bool:
        if not found:
            found.append(answer.fetchone() is not None)
        return found[0]

    return may


def renew(connection: Connection, name: str, session: str) -> LeaseRenewed:
    """Renew its lease. Raises DatabaseInUse when another process has the name."""
    mine = {"name": name, "session": session}
    try:
        found = connection.execute(RENEW, mine).fetchone()
    except LockNotAvailable:  # somebody changes the bot's table, which is no reason to lose a lease
        found = connection.execute(RENEW_ONLY, mine).fetchone()
    if found is not None:
        lost_in_s, *overdue = found
        return LeaseRenewed(any(overdue), lost_in_s)
    if connection.execute(REGISTER_AGAIN, mine).fetchone() is None:
        raise DatabaseInUse(
            f"Another reactor has taken the name {name} in this database.",
            hint="Give each machine a MACHINE_NAME of its own.",
        )
    return LeaseRenewed()


def introduce(connection: Connection, name: str, session: str, told: str) -> None:
    """What this process says of itself, as JSON."""
    connection.execute(INTRODUCE, {"name": name, "session": session, "told": told})


@presence.read.register
def _serving(connection: PostgresConnection) -> Presence | None:
    """Of the machine that serves and was seen last; else of the one that served last."""
    if not has_table(connection, "reactor_machines"):
        return None
    told = (_presence(told) for (told,) in connection.execute(PRESENCES).fetchall())
    return next((each for each in told if each is not None), None)


def _presence(told: str | None) -> Presence | None:
    """None for what another version says otherwise."""
    with suppress(TypeError, ValueError):
        return Presence(**json.loads(told or ""))
    return None


def of_queue(connection: Connection) -> list[Machine]:
    """By name."""
    if not has_table(connection, "reactor_machines"):
        return []
    return [_machine(*found) for found in connection.execute(MACHINES).fetchall()]


def _machine(name: str, seen_s: float, draining: int, told: str | None, downloading: int) -> Machine:
    presence = _presence(told)
    ends = presence is not None and presence.draining
    return Machine(name, max(0.0, seen_s), seen_s > DEAD_S, bool(draining) or ends, downloading, presence)


def drain(connection: Connection, name: str, draining: bool) -> bool:
    """False without such a machine."""
    with transaction(connection):
        found = connection.execute(DRAIN, {"name": name, "draining": int(draining)}).fetchone()
        connection.execute(NOTIFY)
    return found is not None


def leave(connection: Connection, name: str, session: str) -> None:
    """This machine ends as it was asked to: what it has under way waits again, for the others, at once. It costs no
    retry and counts as no loss. Where no other machine would begin it, all stays for the next start."""
    mine = {"name": name, "session": session}

    def give_back(updater: RowUpdater) -> None:
        with transaction(connection):
            if connection.execute(LEAVES, mine).fetchone() is None:
                return
            ids = [id for (id,) in connection.execute(f"SELECT id FROM downloads WHERE {OWN}", mine).fetchall()]
            updater.update(connection, ids, (GIVEN_BACK, "status = 'pending'"), mine, which=OWN)
            _drop_plans(connection)
            connection.execute(NOTIFY)

    until_taken(give_back)


def take_over(connection: Connection) -> TakenOver:
    """Have the rows of lost machines wait again, BATCH at most; one that was taken over too often fails."""
    return until_taken(partial(_take_over, connection))


def _take_over(connection: Connection, updater: RowUpdater) -> TakenOver:
    (now,) = connection.execute(f"SELECT {NOW}").fetchone()
    asked: dict[str, Any] = {"moment": contract.moment(now), "lost": LOST.text, "lost_code": LOST.code}
    with transaction(connection):
        if not connection.execute(TAKE).fetchone()[0]:
            return TakenOver()  # another machine is about it
        orphans = _ids(connection, ORPHANED)
        counted = connection.execute(COUNTED, {"ids": orphans}).fetchall() if orphans else []
        deadly = [id for id, times in counted if times >= TAKEOVERS_MAX]
        others = [id for id in orphans if id not in deadly]
        done = updater.update(connection, deadly, (ENDED, GIVEN_BACK), asked, which=ORPHANED)
        done += updater.update(connection, others, (GIVEN_BACK, "status = 'pending'"), asked, which=ORPHANED)
        stopped = _ids(connection, UNSTOPPED)
        let_go = updater.update(connection, stopped, ("claimed_by = NULL",), asked, which=UNSTOPPED)
        freed = _drop_plans(connection)
        connection.execute(SETTLED)
        connection.execute(f"DELETE FROM reactor_machines WHERE {FORGOTTEN}")
        taken = bool(done or let_go or freed)
        if taken:
            connection.execute(NOTIFY)
        # Where rows take no change the same ones would be found again.
        full = (len(orphans) == BATCH and done) or (len(stopped) == BATCH and let_go) or len(freed) == BATCH
        return TakenOver(taken, bool(full))


def named(connection: Connection, ids: Sequence[int]) -> dict[int, str | None]:
    """The files that rows name which are there."""
    found = connection.execute("SELECT id, file_path FROM downloads WHERE id = ANY (:ids)", {"ids": [*ids]})
    return dict(found.fetchall())


def _drop_plans(connection: Connection) -> list[int]:
    """Of rows whose files are where nobody comes to."""
    freed = [id for (id,) in connection.execute(UNPLANNED).fetchall()]
    if freed:
        connection.execute("DELETE FROM reactor_plan_pieces WHERE download_id = ANY (:ids)", {"ids": freed})
    return freed


def _ids(connection: Connection, which: str) -> list[int]:
    found = connection.execute(f"SELECT id FROM downloads WHERE {which} ORDER BY id LIMIT {BATCH}")
    return [id for (id,) in found.fetchall()]
