"""Where a row stands among those that wait, and why it waits. Reads the rows that wait, by their index."""

from __future__ import annotations

import json
from statistics import fmean
from typing import Any

from reactor.core.turns import Caps, Line, before
from reactor.database import contract
from reactor.database.sql import presence
from reactor.database.sql.connection import Connection, transaction
from reactor.database.sql.statements import IN_NO_LIST, NOW, READY
from reactor.database.sql.turns import ACCOUNTS, RANK, UNDER_WAY, turn_of
from reactor.models import Position, WaitReason
from reactor.net.registrable import site_of

THIS = f"""SELECT owner, {RANK} AS rank, added_date AS date, id, url, next_attempt_at, not_before, stage FROM downloads
    WHERE id = ? AND status = 'pending'"""
AHEAD = f"""SELECT count(*) FROM downloads WHERE {READY} AND owner IS :owner AND id <> :id
    AND ({RANK} < :rank OR ({RANK} = :rank AND coalesce((added_date, id) < (:date, :id), id < :id)))"""
OTHERS = f"""SELECT owner, count(*), min(id) FROM downloads WHERE {READY}
    AND owner IS NOT :owner GROUP BY owner"""
TOOK = f"""SELECT started_at, finished_at FROM downloads
    WHERE status NOT IN ('pending', 'downloading', 'choosing', 'failed') AND {IN_NO_LIST} ORDER BY id DESC LIMIT 20"""
"""Of the latest ones that are over."""
USUAL_S = 60.0
"""Where nothing was downloaded yet: of no account but for the order of those with unlike accounts."""


def position(connection: Connection, id: int) -> Position | None:
    """None for a row that does not wait."""
    with transaction(connection, "DEFERRED"):
        return within(connection, id)


def within(connection: Connection, id: int) -> Position | None:
    """The same, in a transaction that is open."""
    cursor = connection.execute(THIS, (id,))
    found = cursor.fetchall()
    if not found:
        return None
    this = dict(zip([name for name, *_ in cursor.description], found[0], strict=True))
    (own,) = connection.execute(AHEAD, {name: this[name] for name in ("owner", "rank", "date", "id")}).fetchone()
    others = connection.execute(OTHERS, {"owner": this["owner"]}).fetchall()
    (now,) = connection.execute(f"SELECT {NOW}").fetchone()
    took = _took(connection)
    ahead = before(*_lines(connection, this, others), own, took or USUAL_S)
    serves = presence.read(connection)
    slots = serves.slots if serves is not None else 1
    under_way = connection.execute(UNDER_WAY).fetchall()
    until = max((moment for moment in (_moment(this[name]) for name in MOMENTS) if moment > now), default=None)
    about = None if took is None else (ahead + (len(under_way) >= slots) / 2) * took / slots
    if about is not None and until is not None:
        about = max(about, until - now)
    if serves is None or not serves.alive:
        return Position(id, ahead, "unserved", None, until)
    if until is not None:
        return Position(id, ahead, _later(this, now), about, until)
    return Position(id, ahead, _cap(this, under_way, Caps(serves.owner_max, site_max=serves.host_max)), about, until)


def _took(connection: Connection) -> float | None:
    """Seconds, from the first claim to the end, of the latest ones; None where there are none."""
    found = [(contract.moment_of(begun), contract.moment_of(ended)) for begun, ended in connection.execute(TOOK)]
    took = [ended - begun for begun, ended in found if begun is not None and ended is not None and ended > begun]
    return fmean(took) if took else None


MOMENTS = ("next_attempt_at", "not_before")


def _moment(value: object) -> float:
    return contract.due(value) or 0.0


def _later(this: dict[str, Any], now: float) -> WaitReason:
    if _moment(this["not_before"]) > now:
        return "quota" if this["stage"] == "quota" else "later"
    return "retry"


def _cap(this: dict[str, Any], under_way: list[tuple[Any, Any]], caps: Caps) -> WaitReason:
    account, site = contract.account(this["owner"]), site_of(contract.url(this["url"])) if caps.site_max else None
    if caps.owner_is_full(account, sum(1 for owner, _ in under_way if contract.account(owner) == account)):
        return "owner_max"
    if site and caps.site_is_full(sum(1 for _, url in under_way if site_of(contract.url(url)) == site)):
        return "host_max"
    return "turn"


def _lines(connection: Connection, this: dict[str, Any], others: list[tuple[Any, int, int]]) -> tuple[Line, list[Line]]:
    """That of the row's owner, and those of the others."""
    accounts = [contract.account(owner) for owner in (this["owner"], *(owner for owner, *_ in others))]
    tags = {owner: tag for owner, tag, *_ in connection.execute(ACCOUNTS, (json.dumps(accounts),)).fetchall()}
    weights = dict(connection.execute("SELECT owner, weight FROM reactor_owners WHERE weight <> 1").fetchall())
    queue_tag, _ = turn_of(connection)
    mine, *theirs = [
        Line(max(tags.get(account, 0.0), queue_tag), weights.get(account, 1.0), rows, first)
        for account, (rows, first) in zip(accounts, [(0, this["id"]), *((n, id) for _, n, id in others)], strict=True)
    ]
    return mine, theirs
