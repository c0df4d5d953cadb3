"""What a claim and an end ask of PostgreSQL in one statement where other engines are asked twice: each answer that is
waited for costs a round trip, and that of a claim all other machines wait for.

`poll` is `downloads.poll_rows` in two round trips, for the case that many small downloads are made of: the poll before
has claimed a row, one row is to be claimed, many owners wait, and there is nothing else to do. In any other case it
changes nothing, and leaves it to that one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast

from reactor.core.commands import PollRows
from reactor.core.events import RowsPolled
from reactor.core.job import Attempt
from reactor.core.turns import NO_CAPS, WINDOW, Waiting, counted, next_of
from reactor.database import contract
from reactor.database.postgres.connection import STILL, PostgresConnection
from reactor.database.sql import downloads, errors, lists, plans, turns
from reactor.database.sql.connection import ALONE, Connection, Cursor, ring, transaction
from reactor.database.sql.order import PLACE
from reactor.database.sql.statements import READY, fit
from reactor.database.store import ByText, Polled
from reactor.records import dataclass
from reactor.row_options import ReadOptions

FIRST = f"""SELECT {{n}} AS n, owner, id, url, added_date, status, cancelled, attempt, next_attempt_at, not_before
    FROM downloads WHERE {READY} AND {{which}} ORDER BY owner, {PLACE} LIMIT 1"""
BEHIND, BEFORE = "owner > (SELECT at FROM cursor)", "owner <= (SELECT at FROM cursor)"
FOUND = "(SELECT count(*) FROM found)"
PAGE = f"""WITH RECURSIVE cursor AS (SELECT CAST(CAST(value AS json) ->> 'cursor' AS {{kind}}) AS at FROM reactor_meta
        WHERE key = '{turns.TURN}'),
    found AS (({FIRST.format(n=1, which=BEHIND)}) UNION ALL
        SELECT next.* FROM found, LATERAL ({FIRST.format(n="found.n + 1", which="owner > found.owner")}) AS next
        WHERE found.n < :window),
    again AS (({FIRST.format(n=f"{FOUND} + 1", which=f"{BEFORE} AND {FOUND} < :window")}) UNION ALL SELECT next.*
        FROM again, LATERAL ({FIRST.format(n="again.n + 1", which=f"owner > again.owner AND {BEFORE}")}) AS next
        WHERE again.n < :window)
    SELECT downloads.owner, id, ({{due}}), added_date IS NOT NULL, {{more}}o.tag, o.day, o.day_rows, o.day_bytes
    FROM (SELECT * FROM found UNION ALL SELECT * FROM again) AS downloads
    LEFT JOIN reactor_owners AS o ON o.owner = CAST(downloads.owner AS text) ORDER BY n"""
"""As `turns.OWNERS`, by one seek for each owner, with what `turns.ACCOUNTS` says of it; and behind the last owner the
first one again."""
FORGET = f"""WITH gone AS ({plans.FORGET}, download_id)
    DELETE FROM reactor_plan_pieces WHERE download_id IN (SELECT download_id FROM gone WHERE length = 0)"""


@turns.ask_page.register
def _ask_page(connection: PostgresConnection, asked: Mapping[str, Any], due: str) -> turns.Page:
    """It is sent with what is asked next."""
    statement = _page(connection.words.type_of("owner"), due)
    return connection.ask(statement, {**asked, "window": WINDOW}).fetchall


@cache
def _page(kind: str, due: str, more: str = "") -> str:
    return PAGE.format(kind=kind, due=due, more=more)


@plans.forget.register
def _forget(connection: PostgresConnection, attempt: Attempt) -> None:
    connection.execute(FORGET, (attempt.download_id, attempt.number))


# A claim in two round trips

URL = "url, "
CLAIM = f"""WITH due(id, url, options, owner, parent, has_entries, defaults, crashes)
    AS MATERIALIZED ({STILL.format(downloads.WANTED, f"{downloads.DUE} AND url = :url")}),
    claimed AS (UPDATE downloads SET {{claim}} WHERE id IN (SELECT id FROM due WHERE NOT has_entries)
        RETURNING {downloads.CLAIMED_ROW}),
    served AS (INSERT INTO reactor_owners (owner, tag) SELECT CAST(:account AS text), CAST(:tag AS double precision)
        FROM claimed WHERE CAST(:owes AS boolean)
        ON CONFLICT (owner) DO UPDATE SET tag = greatest(reactor_owners.tag, excluded.tag)),
    noted AS (INSERT INTO reactor_meta (key, value) SELECT '{turns.TURN}', CAST(:turn AS text) FROM claimed
        ON CONFLICT (key) DO UPDATE SET value = excluded.value),
    alive AS (DELETE FROM reactor_crashes WHERE download_id IN (SELECT id FROM claimed))
    SELECT claimed.*, due.* FROM claimed JOIN due ON due.id = claimed.id"""
"""All that a claim writes, unless the row is another one by now, or somebody else is about to change it."""
WIDTH = 8
"""Columns of CLAIMED_ROW."""
FOLLOWING = f"SELECT {downloads.WANTED} FROM downloads WHERE id = :following"
MANY = 2
"""Of one owner's rows the second one is next, too."""
PATIENCE = 16
"""So many polls after one in which there was something else are not tried."""


class _Otherwise(Exception):
    """It is another case; `lasting`: and may be so for a while."""

    def __init__(self, *, lasting: bool) -> None:
        super().__init__()
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Whose turn it is."""

    turn: turns.Turn
    url: Any
    """As it is stored."""
    following: int
    """The row behind it."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked with a claim."""

    claimed: Cursor
    following: Cursor
    watched: Cursor | None


def poll(
    connection: PostgresConnection,
    command: PollRows,
    owner: str,
    now: float,
    retry_max_s: float,
    by_text: ByText,
    read: ReadOptions,
    may_claim: Callable[[], bool],
) -> Polled | None:
    """As `downloads.poll_rows`; None where that is to be asked, and nothing was done."""
    if not connection.has_claimed or command.claim != 1 or command.spent or command.caps != NO_CAPS:
        return None
    if connection.patience:
        connection.patience -= 1
        return None
    asked = downloads.asked_by(command, owner, now, retry_max_s) | {"held": json.dumps(command.held)}
    try:
        return _poll(connection, asked, by_text, read, may_claim)
    except _Otherwise as found:
        connection.patience = PATIENCE if found.lasting else 0
    except errors.REJECTED:
        connection.patience = PATIENCE  # the bot's table does not take it
    return None


def _poll(
    connection: PostgresConnection,
    asked: Mapping[str, Any],
    by_text: ByText,
    read: ReadOptions,
    may_claim: Callable[[], bool],
) -> Polled:
    shared = cast("Connection", connection)
    probe = connection.ask(downloads.PROBE, asked)
    with transaction(shared, ALONE):
        page = connection.ask(_page(connection.words.type_of("owner"), downloads.DUE, URL), {**asked, "window": WINDOW})
        found = connection.execute(turns.SHARED).fetchone()
        (*others, next_moment) = probe.fetchall()[0]
        stored = _sole(found, others, may_claim)
        chosen = _chosen(page.fetchall(), stored)
        detection = by_text(contract.url(chosen.url))
        sent = _claimed(connection, {**asked, "told": json.dumps([chosen.turn.id] if detection else [])}, chosen)
        ring(shared)
    row = sent.claimed.fetchone()
    if row is None:
        raise _Otherwise(lasting=False)
    wanted = downloads.wanted_of(shared, [row[WIDTH:], *sent.following.fetchall()])
    generation = 0 if row[WIDTH - 1] is None else lists.generations(shared, [row[0]])[row[0]]
    seen = RowsPolled(
        watched=downloads.watched(sent.watched.fetchall()) if sent.watched is not None else (),
        claimed=(downloads.claimed_row(row[:WIDTH], asked["now"], detection, generation),),
        due_in_s=downloads.due_in(next_moment, asked),
        next_url=wanted.urls.get(chosen.following),
    )
    return Polled(downloads.with_asked(seen, wanted, chosen.following, read))


def _sole(found: Sequence[Any], probed: Sequence[Any], may_claim: Callable[[], bool]) -> str:
    """The turn, as it is stored, where there is nothing to do but to claim a row that somebody owns."""
    is_shared, unowned, gave_way, stored = found
    *others, any_due, any_left = probed
    if not any_due or not may_claim() or stored is None:
        raise _Otherwise(lasting=False)
    if any(others) or any_left or not is_shared or unowned or gave_way:
        raise _Otherwise(lasting=True)
    return str(stored)


def _chosen(page: list[tuple[Any, ...]], stored: str) -> _Chosen:
    """As `turns.next_rows`, where the first row of each owner is known for certain."""
    certain = all(due and dated and contract.account(who) == str(who) for who, _, due, dated, *_ in page)
    if len(page) < MANY or not certain:
        raise _Otherwise(lasting=True)
    tag, _ = turns.read_turn(stored)
    waiting = [Waiting(had or 0.0, 0, row) for _, row, _, _, _, had, *_ in page]
    place = next_of(waiting, tag)
    owner, row, _, _, url, had, *_ = page[place]
    tag = counted(waiting.pop(place).tag, tag)
    turn = turns.Turn(row, owner, tag, had is not None and had >= tag)
    return _Chosen(turn, url, waiting[next_of(waiting, tag)].row)


def _claimed(connection: PostgresConnection, asked: Mapping[str, Any], chosen: _Chosen) -> _Asked:
    """It is sent with the COMMIT."""
    turn = chosen.turn
    values = {
        "wanted": [turn.id],
        "url": chosen.url,
        "account": contract.account(turn.owner),
        "tag": turn.tag,
        "owes": not turn.written,
        "turn": turns.stored_turn(turn),
    }
    claimed = connection.ask(_claim(tuple(connection.empties.items())), {**asked, **values})
    following = connection.ask(FOLLOWING, {"following": chosen.following})
    watched = connection.ask(downloads.WATCHED, asked) if asked["watch"] != "[]" else None
    return _Asked(claimed, following, watched)


@cache
def _claim(empties: tuple[tuple[str, str], ...]) -> str:
    return CLAIM.format(claim=fit(downloads.CLAIM, dict(empties)))
