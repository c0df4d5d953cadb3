"""The order in which rows are claimed, and what their owners have had.

Where no row that waits has an owner, the order is that of `contract.in_turn`. Else an owner is chosen for each slot
(`core.turns`), and of its rows that order. What that costs grows neither with the rows that wait nor with their owners:
the next WINDOW owners are found by as many seeks of an index.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from reactor.core import commands
from reactor.core.turns import WINDOW, Account, Waiting, counted, next_of
from reactor.database import contract
from reactor.database.sqlite.statements import DATED, DATELESS
from reactor.records import dataclass

TURN = "turn"
"""In reactor_meta: the queue's tag, and the owner that was served last, as the bot has stored it."""
SHARED = "SELECT EXISTS (SELECT 1 FROM downloads WHERE status = 'pending' AND owner IS NOT NULL)"
OWNERS = """WITH RECURSIVE found(owner, n) AS (
    SELECT (SELECT owner FROM downloads WHERE status = 'pending' AND {begin} ORDER BY owner LIMIT 1), 1
    UNION ALL
    SELECT (SELECT owner FROM downloads WHERE status = 'pending' AND owner > found.owner ORDER BY owner LIMIT 1), n + 1
    FROM found WHERE found.owner IS NOT NULL AND n < :window)
    SELECT owner, (SELECT id FROM downloads WHERE {due} AND owner = found.owner AND {dateless} LIMIT 1),
        (SELECT id FROM downloads WHERE {due} AND owner = found.owner AND {dated} LIMIT 1)
    FROM found WHERE owner IS NOT NULL"""
AFTER, FROM_THE_FIRST = "owner > :cursor", "owner IS NOT NULL"
CHARGE = """UPDATE reactor_owners SET tag = max(tag, coalesce((SELECT json_extract(value, '$.tag') FROM reactor_meta
    WHERE key = 'turn'), 0)) + :seconds WHERE owner = :owner"""
SERVED = """INSERT INTO reactor_owners (owner, tag) VALUES (?, ?)
    ON CONFLICT (owner) DO UPDATE SET tag = max(tag, excluded.tag)"""


@dataclass(frozen=True, slots=True)
class Turn:
    """A row that is next."""

    id: int
    owner: Any = None
    """As it is stored."""
    tag: float | None = None
    """Of the queue, once the row is begun; None where no row has an owner."""


def next_rows(connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, limit: int) -> list[Turn]:
    """At most `limit` rows of those that are `due` (a condition, with the values in `asked`), the first one first."""
    (shared,) = connection.execute(SHARED).fetchone()
    if not shared:
        return [Turn(id) for id in _in_turn(connection, asked, due, "", limit)]
    queue_tag, cursor = _turn(connection)
    turns, begun = list[Turn](), Counter[str]()
    held: list[int] = json.loads(asked["held"])
    waiting = _waiting(connection, asked, due, cursor)
    tags = _tags(connection, [contract.account(owner) for owner in waiting])
    while waiting:
        those = [(owner, contract.account(owner), row) for owner, row in waiting.items()]
        place = next_of([Waiting(tags.get(who, 0.0), begun[who], row) for _, who, row in those], queue_tag)
        owner, account, row = those[place]
        queue_tag = counted(tags.get(account, 0.0), queue_tag)
        turns.append(Turn(row, owner, queue_tag))
        if len(turns) == limit:
            break
        begun[account] += 1
        held.append(row)
        further = _first(connection, {**asked, "held": json.dumps(held)}, due, owner)
        if further is None:
            del waiting[owner]
        else:
            waiting[owner] = further
    return turns


def accounts(
    connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, spent: Sequence[str | None]
) -> tuple[Account, ...]:
    """What the owners whose slices are `spent` have had, and the next owners that have a row that is due."""
    queue_tag, cursor = _turn(connection)
    waiting = {contract.account(owner) for owner in _waiting(connection, asked, due, cursor)}
    those = sorted(waiting | {contract.account(owner) for owner in spent})
    tags = _tags(connection, those)
    return tuple(Account(who or None, counted(tags.get(who, 0.0), queue_tag), who in waiting) for who in those)


def served(connection: sqlite3.Connection, turns: Sequence[Turn]) -> None:
    """These are claimed."""
    shared = [each for each in turns if each.tag is not None]
    if not shared:
        return
    connection.executemany(SERVED, [(contract.account(each.owner), each.tag) for each in shared])
    last = shared[-1]
    cursor = last.owner if isinstance(last.owner, str | int) else None
    stored = json.dumps({"tag": last.tag, "cursor": cursor})
    connection.execute("INSERT OR REPLACE INTO reactor_meta (key, value) VALUES (?, ?)", (TURN, stored))


def charge(connection: sqlite3.Connection, save: commands.ChargeOwner) -> None:
    """Seconds of slot that a row of an owner has had. Nobody's are counted as soon as there was somebody else."""
    connection.execute(CHARGE, {"owner": contract.account(save.owner), "seconds": save.seconds})


def forget_even(connection: sqlite3.Connection) -> None:
    """Drop the accounts that say no more than none does: those of whom has had no more than the others."""
    queue_tag, _ = _turn(connection)
    connection.execute("DELETE FROM reactor_owners WHERE tag <= ?", (queue_tag,))


def _turn(connection: sqlite3.Connection) -> tuple[float, str | int | None]:
    """The queue's tag, and the owner that was served last."""
    stored = connection.execute("SELECT value FROM reactor_meta WHERE key = ?", (TURN,)).fetchone()
    if stored is None:
        return 0.0, None
    told = json.loads(stored[0])
    return float(told["tag"]), told["cursor"]


def _tags(connection: sqlite3.Connection, accounts: Sequence[str]) -> dict[str, float]:
    found = connection.execute(
        "SELECT owner, tag FROM reactor_owners WHERE owner IN (SELECT value FROM json_each(?))", (json.dumps(accounts),)
    )
    return dict(found.fetchall())


def _waiting(
    connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, cursor: str | int | None
) -> dict[Any, int]:
    """The next owners that have a row that is due, each with the first of them; whoever has none is passed over."""
    nobodys = _first(connection, asked, due, None)
    found: dict[Any, int] = {} if nobodys is None else {None: nobodys}
    for owner, row in _circle(connection, asked, due, cursor):
        if row is not None:
            found[owner] = row
            if len(found) >= WINDOW:
                break
    return found


def _circle(
    connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, cursor: str | int | None
) -> Iterator[tuple[Any, int | None]]:
    """All owners that have a row that waits, from the one after `cursor` on, each with the first that is due."""
    at, wrapped, seen = cursor, cursor is None, set[Any]()
    while True:
        statement = _owners(FROM_THE_FIRST if at is None else AFTER, due)
        owners = connection.execute(statement, {**asked, "cursor": at, "window": WINDOW}).fetchall()
        for owner, dateless, dated in owners:
            if owner in seen:
                return
            seen.add(owner)
            yield owner, min((each for each in (dateless, dated) if each is not None), default=None)
        if not owners and wrapped:
            return
        at, wrapped = (owners[-1][0], wrapped) if owners else (None, True)


@cache
def _owners(begin: str, due: str) -> str:
    return OWNERS.format(begin=begin, due=due, dateless=DATELESS, dated=DATED)


def _first(connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, owner: object) -> int | None:
    whose = " AND owner IS NULL" if owner is None else " AND owner = :whose"
    return next(iter(_in_turn(connection, {**asked, "whose": owner}, due, whose, 1)), None)


def _in_turn(connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, whose: str, limit: int) -> list[int]:
    found = connection.execute(_statement(due, whose), {**asked, "limit": limit}).fetchall()
    return contract.in_turn(*([id for dated, id in found if dated == which] for which in (0, 1)))[:limit]


@cache
def _statement(due: str, whose: str) -> str:
    """Those that are due, without a date and with one, each kind in its own order."""
    return " UNION ALL ".join(
        f"SELECT * FROM (SELECT {dated}, id FROM downloads WHERE {due}{whose} AND {which} LIMIT :limit)"
        for dated, which in enumerate((DATELESS, DATED))
    )
