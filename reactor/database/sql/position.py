"""Where rows stand among those that wait, and why they wait. Reads the rows that wait, by their index."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from statistics import fmean
from typing import Any

from reactor.core.turns import Caps, Line, before
from reactor.database import contract
from reactor.database.presence import Presence
from reactor.database.sql import presence
from reactor.database.sql.connection import Connection, transaction
from reactor.database.sql.order import RANK, in_turn, yielded
from reactor.database.sql.statements import IN_NO_LIST, IS_OVER, LATER, NOW, READY, RETRY
from reactor.database.sql.turns import ACCOUNTS, UNDER_WAY, circle, turn_of
from reactor.models import Position, WaitReason
from reactor.net.registrable import site_of
from reactor.records import dataclass

FIELDS = f"id, owner, {RANK} AS rank, added_date AS date, url, next_attempt_at, not_before, stage"
THIS = f"SELECT {FIELDS} FROM downloads WHERE id = ? AND status = 'pending'"
THESE = f"""SELECT {FIELDS}, parent_id IS NOT NULL AND item_key IS NOT NULL AS entry FROM downloads
    WHERE id IN (SELECT value FROM json_each(?)) AND status = 'pending'"""
BEFORE = f"{RANK} < :rank OR ({RANK} = :rank AND coalesce((added_date, id) < (:date, :id), id < :id))"
AHEAD = f"SELECT count(*) FROM downloads WHERE {READY} AND owner IS :owner AND id <> :id AND ({BEFORE})"
BEHIND = f"SELECT count(*) FROM downloads WHERE id IN (SELECT value FROM json_each(:ids)) AND NOT ({BEFORE})"
OTHERS = f"""SELECT owner, count(*), min(id) FROM downloads WHERE {READY}
    AND owner IS NOT :owner GROUP BY owner"""
PUT_OFF = (
    f"SELECT next_attempt_at, id FROM downloads WHERE {RETRY} AND {IN_NO_LIST} ORDER BY next_attempt_at, id LIMIT ?",
    f"SELECT not_before, id FROM downloads WHERE {LATER} AND {IN_NO_LIST} ORDER BY not_before, id LIMIT ?",
)
TOOK = f"""SELECT started_at, finished_at FROM downloads
    WHERE {IS_OVER} AND {IN_NO_LIST} ORDER BY id DESC LIMIT 20"""
"""Of the latest ones that are over."""
USUAL_S = 60.0
"""Where nothing was downloaded yet: of no account but for the order of those with unlike accounts."""
OWNERS_MAX = 64
"""Rows of so many owners are lined up."""


def position(connection: Connection, id: int) -> Position | None:
    """None for a row that does not wait."""
    with transaction(connection, "DEFERRED"):
        return within(connection, id)


def within(connection: Connection, id: int) -> Position | None:
    """The same, in a transaction that is open."""
    this = next(_rows(connection, THIS, id), None)
    if this is None:
        return None
    state, own = _QueueState.of(connection), _of_its_owner(connection, this)
    others = connection.execute(OTHERS, {"owner": this["owner"]}).fetchall()
    counts = [(this["owner"], 0, this["id"]), *others]
    mine, *theirs = _lines(connection, counts)
    ahead = before(mine, theirs, own, state.took_s or USUAL_S)
    return state.position(this, ahead, own, len(others))


def line_up(connection: Connection, most: int) -> dict[int, Position]:
    """The rows that are next, those that are no entries of lists, in the order in which they begin; behind them those
    that may not begin yet. In a transaction that is open."""
    state, gave_way = _QueueState.of(connection), yielded(connection, {}, READY)
    _, cursor = turn_of(connection)
    found = (owner for page in circle(connection, {}, READY, cursor) for owner, *_ in page)
    owners, line = [None, *islice(found, OWNERS_MAX)], list[tuple[float, int]]()
    for owner, account in zip(owners, _lines(connection, [(owner, 0, 0) for owner in owners]), strict=True):
        first = gave_way.get(contract.account(owner), [])
        rows = dict.fromkeys([*first, *in_turn(connection, {}, READY, owner, most)])
        each_s = (state.took_s or USUAL_S) / account.weight
        line += [(account.tag + n * each_s, row) for n, row in enumerate(rows)]
    line.sort()
    ahead, found_now = {row: n for n, (_, row) in enumerate(line)}, dict[int, Position]()
    for at in range(0, len(line), most):
        found_now |= _positions(connection, state, ahead, [row for _, row in line[at : at + most]])
        if len(found_now) >= most:
            break
    put_off = [row for statement in PUT_OFF for row in connection.execute(statement, (most,)).fetchall()]
    later = [row for _, row in sorted((_moment(moment), row) for moment, row in put_off)]
    found_now |= _positions(connection, state, dict.fromkeys(later, len(line)), later)
    return dict(islice(found_now.items(), most))


def _positions(
    connection: Connection, state: _QueueState, ahead: Mapping[int, int], ids: Iterable[int]
) -> dict[int, Position]:
    """Of these, in this order; not of entries of lists."""
    wanted = dict.fromkeys(ids)
    rows = {row["id"]: row for row in _rows(connection, THESE, json.dumps([*wanted])) if not row["entry"]}
    return {id: state.position(rows[id], ahead[id]) for id in wanted if id in rows}


def _rows(connection: Connection, statement: str, *values: object) -> Iterator[dict[str, Any]]:
    cursor = connection.execute(statement, values)
    for row in cursor.fetchall():
        yield dict(zip([name for name, *_ in cursor.description], row, strict=True))


def _of_its_owner(connection: Connection, this: Mapping[str, Any]) -> int:
    """How many rows of the same owner begin before it."""
    account, asked = contract.account(this["owner"]), {name: this[name] for name in ("owner", "rank", "date", "id")}
    first = yielded(connection, {}, READY).get(account, [])
    if this["stage"] == "yielded":
        return first.index(this["id"]) if this["id"] in first else len(first)
    (ahead,) = connection.execute(AHEAD, asked).fetchone()
    (behind,) = connection.execute(BEHIND, asked | {"ids": json.dumps(first)}).fetchone() if first else (0,)
    return int(ahead) + int(behind)


@dataclass(frozen=True, slots=True)
class _QueueState:
    """What all positions depend on, read once."""

    now: float
    took_s: float | None
    """Seconds that the latest ones took."""
    serves: Presence | None
    under_way: list[tuple[Any, Any]]
    """Owners and URLs."""

    @classmethod
    def of(cls, connection: Connection) -> _QueueState:
        """As it is now."""
        (now,) = connection.execute(f"SELECT {NOW}").fetchone()
        return cls(now, _took(connection), presence.read(connection), connection.execute(UNDER_WAY).fetchall())

    def position(self, this: Mapping[str, Any], ahead: int, own: int = 0, owners: int = 0) -> Position:
        """Of a row with so many before it, of which `own` are its owner's, and `owners` other owners that wait."""
        serves, now = self.serves, self.now
        slots = serves.slots if serves is not None else 1
        until = max((moment for moment in (_moment(this[name]) for name in MOMENTS) if moment > now), default=None)
        about = None if self.took_s is None else (ahead + (len(self.under_way) >= slots) / 2) * self.took_s / slots
        if about is not None and until is not None:
            about = max(about, until - now)
        why: WaitReason
        if serves is None or not serves.alive:
            why, about = "unserved", None
        elif until is not None:
            why = _later(this, now)
        else:
            why = _cap(this, self.under_way, Caps(serves.owner_max, site_max=serves.host_max))
        return Position(this["id"], ahead, why, about, until, own, owners)


def _took(connection: Connection) -> float | None:
    """Seconds, from the first claim to the end, of the latest ones; None where there are none."""
    found = [(contract.moment_of(begun), contract.moment_of(ended)) for begun, ended in connection.execute(TOOK)]
    took = [ended - begun for begun, ended in found if begun is not None and ended is not None and ended > begun]
    return fmean(took) if took else None


MOMENTS = ("next_attempt_at", "not_before")


def _moment(value: object) -> float:
    return contract.due(value) or 0.0


def _later(this: Mapping[str, Any], now: float) -> WaitReason:
    if _moment(this["not_before"]) > now:
        return "quota" if this["stage"] == "quota" else "later"
    return "retry"


def _cap(this: Mapping[str, Any], under_way: list[tuple[Any, Any]], caps: Caps) -> WaitReason:
    account, site = contract.account(this["owner"]), site_of(contract.url(this["url"])) if caps.site_max else None
    if caps.owner_is_full(account, sum(1 for owner, _ in under_way if contract.account(owner) == account)):
        return "owner_max"
    if site and caps.site_is_full(sum(1 for _, url in under_way if site_of(contract.url(url)) == site)):
        return "host_max"
    return "turn"


def _lines(connection: Connection, counts: list[tuple[Any, int, int]]) -> list[Line]:
    """Those of owners, each with the number of its rows and the first of them."""
    accounts = [contract.account(owner) for owner, *_ in counts]
    tags = {owner: tag for owner, tag, *_ in connection.execute(ACCOUNTS, (json.dumps(accounts),)).fetchall()}
    weights = dict(connection.execute("SELECT owner, weight FROM reactor_owners WHERE weight <> 1").fetchall())
    queue_tag, _ = turn_of(connection)
    return [
        Line(max(tags.get(account, 0.0), queue_tag), weights.get(account, 1.0), rows, first)
        for account, (_, rows, first) in zip(accounts, counts, strict=True)
    ]
