"""The order in which rows are claimed, and what their owners have had.

Where no row that waits has an owner, the order is that of `_in_turn`. Else an owner is chosen for each slot
(`core.turns`), and of its rows that order. What that costs grows neither with the rows that wait nor with their owners:
the next WINDOW owners, with the first row of each, are found by as many seeks of an index.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from reactor.core import commands
from reactor.core.turns import WINDOW, Account, Waiting, counted, next_of
from reactor.database import contract
from reactor.database.contract import RIPEN_MAX
from reactor.database.sqlite.per_row import RowUpdater
from reactor.records import dataclass

TURN = "turn"
"""In reactor_meta: the queue's tag, and the owner that was served last, as the bot has stored it."""
RANK = "(CASE WHEN priority IN (-2, -1, 1, 2) THEN -CAST(priority AS INTEGER) ELSE 0 END)"
"""Of an owner's rows those of the lowest rank are first."""
PLACE = f"{RANK}, added_date, id"
NO_RETRY, NOT_LATER = "coalesce(nullif(next_attempt_at, ''), 0) = 0", "coalesce(nullif(not_before, ''), 0) = 0"
READY = f"status = 'pending' AND {NO_RETRY} AND {NOT_LATER}"
"""What `reactor_ready` holds; the text is that of the index. Rows that may not be claimed yet stand in two others, and
come here when their time has come (`ripen`)."""
RETRY = f"status = 'pending' AND {NO_RETRY.replace('= 0', '<> 0')}"
LATER = f"status = 'pending' AND {NOT_LATER.replace('= 0', '<> 0')}"
RIPE = {
    "next_attempt_at = NULL": (
        f"{RETRY} AND next_attempt_at <= :now",
        f"{RETRY} AND next_attempt_at > :now + :retry_max",
    ),
    "not_before = NULL": (f"{LATER} AND not_before <= :now", f"{LATER} AND not_before >= ''"),
}
"""What is written of those whose time has come. What a bot stores there that is no number says nothing."""
SHARED = f"""SELECT EXISTS (SELECT 1 FROM downloads WHERE {READY} AND owner IS NOT NULL),
    (SELECT value FROM reactor_meta WHERE key = '{TURN}')"""
FIRST = f"SELECT id FROM downloads WHERE {READY} AND {{}} ORDER BY owner, {PLACE} LIMIT 1"
OWNERS = f"""WITH RECURSIVE found(first, whose, n) AS (
    SELECT id, owner, 1 FROM downloads WHERE id = ({FIRST.format("{begin}")})
    UNION ALL
    SELECT id, owner, n + 1 FROM found, downloads WHERE n < :window AND id = ({FIRST.format("owner > found.whose")}))
    SELECT whose, first, ({{due}}), added_date IS NOT NULL FROM found JOIN downloads ON id = first ORDER BY n"""
AFTER, FROM_THE_FIRST = "owner > :cursor", "owner IS NOT NULL"
CHARGE = """UPDATE reactor_owners SET tag = max(tag, coalesce((SELECT json_extract(value, '$.tag') FROM reactor_meta
    WHERE key = 'turn'), 0)) + :seconds / weight WHERE owner = :owner"""
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


def ripen(connection: sqlite3.Connection, updater: RowUpdater, asked: Mapping[str, Any]) -> bool:
    """Let rows be claimed whose retry is due, or whose `not_before` is over. True when there are more of them."""
    more = False
    for assignment, kinds in RIPE.items():
        for which in kinds:
            found = connection.execute(f"{_ripe(which)} LIMIT {RIPEN_MAX + 1}", asked).fetchall()
            more = more or len(found) > RIPEN_MAX
            updater.update(connection, [id for (id,) in found[:RIPEN_MAX]], (assignment,), asked)
    return more


def _ripe(which: str) -> str:
    return f"SELECT id FROM downloads WHERE {which} AND {FREE}"


FREE = "typeof(id) = 'integer' AND id NOT IN (SELECT value FROM json_each(:held))"
ANY_RIPE = " OR ".join(f"EXISTS ({_ripe(which)})" for kinds in RIPE.values() for which in kinds)


def next_rows(connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, limit: int) -> list[Turn]:
    """At most `limit` rows of those that are `due` (a condition, with the values in `asked`), the first one first."""
    shared, stored = connection.execute(SHARED).fetchone()
    if not shared:
        return [Turn(id) for id in _in_turn(connection, asked, due, None, limit)]
    queue_tag, cursor = _turn(stored)
    turns, begun = list[Turn](), Counter[str]()
    held: list[int] = json.loads(asked["held"])
    waiting = _waiting(connection, asked, due, cursor)
    tags = _tags(connection, [each.account for each in waiting])
    while waiting:
        those = [Waiting(tags.get(each.account, 0.0), begun[each.account], each.row) for each in waiting]
        place = next_of(those, queue_tag)
        chosen = waiting.pop(place)
        first = chosen.row if chosen.certain else _first(connection, asked, due, chosen.owner)
        assert first is not None
        queue_tag = counted(those[place].tag, queue_tag)
        turns.append(Turn(first, chosen.owner, queue_tag))
        if len(turns) == limit:
            break
        begun[chosen.account] += 1
        held.append(first)
        asked = {**asked, "held": json.dumps(held)}
        further = _first(connection, asked, due, chosen.owner)
        if further is not None:
            waiting.insert(place, replace(chosen, row=further, certain=True))
    return turns


def accounts(
    connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, spent: Sequence[str | None]
) -> tuple[Account, ...]:
    """What the owners whose slices are `spent` have had, and the next owners that have a row that is due."""
    _, stored = connection.execute(SHARED).fetchone()
    queue_tag, cursor = _turn(stored)
    waiting = {each.account for each in _waiting(connection, asked, due, cursor)}
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
    _, stored = connection.execute(SHARED).fetchone()
    queue_tag, _ = _turn(stored)
    connection.execute("DELETE FROM reactor_owners WHERE tag <= ? AND weight = 1", (queue_tag,))


def _turn(stored: str | None) -> tuple[float, str | int | None]:
    """The queue's tag, and the owner that was served last."""
    if stored is None:
        return 0.0, None
    told = json.loads(stored)
    return float(told["tag"]), told["cursor"]


def _tags(connection: sqlite3.Connection, accounts: Sequence[str]) -> dict[str, float]:
    found = connection.execute(
        "SELECT owner, tag FROM reactor_owners WHERE owner IN (SELECT value FROM json_each(?))", (json.dumps(accounts),)
    )
    return dict(found.fetchall())


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An owner with a row that is due."""

    owner: Any
    """As it is stored."""
    account: str
    row: int
    """The first of its rows."""
    certain: bool
    """False where a dated one may stand before it."""


def _waiting(
    connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, cursor: str | int | None
) -> list[_Candidate]:
    """The next owners that have a row that is due, each with the first of them; whoever has none is passed over."""
    nobodys = _first(connection, asked, due, None)
    found = [] if nobodys is None else [_Candidate(None, "", nobodys, certain=True)]
    for owner, row, is_due, dated in _circle(connection, asked, due, cursor):
        first = row if is_due else _first(connection, asked, due, owner)
        if first is not None:
            found.append(_Candidate(owner, contract.account(owner), first, bool(dated) or not is_due))
            if len(found) >= WINDOW:
                break
    return found


def _circle(
    connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, cursor: str | int | None
) -> Iterator[tuple[Any, int, int, int]]:
    """All owners that have a row that is ready, from the one after `cursor` on: each with the first of these, whether
    it is due, and whether it has a date."""
    at, wrapped, seen = cursor, cursor is None, set[Any]()
    while True:
        statement = _owners(FROM_THE_FIRST if at is None else AFTER, due)
        owners = connection.execute(statement, {**asked, "cursor": at, "window": WINDOW}).fetchall()
        for found in owners:
            if found[0] in seen:
                return
            seen.add(found[0])
            yield found
        if not owners and wrapped:
            return
        at, wrapped = (owners[-1][0], wrapped) if owners else (None, True)


@cache
def _owners(begin: str, due: str) -> str:
    return OWNERS.format(begin=begin, due=due)


def _first(connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, owner: object) -> int | None:
    return next(iter(_in_turn(connection, asked, due, owner, 1)), None)


def _in_turn(
    connection: sqlite3.Connection, asked: Mapping[str, Any], due: str, owner: object, limit: int
) -> list[int]:
    """The first rows of an owner that are due: by rank, and of one rank in the order of `contract.in_turn`."""
    values = {**asked, "whose": owner, "limit": limit}
    found = connection.execute(_statement(due, owner is None), values).fetchall()
    ranks = dict.fromkeys(rank for rank, *_ in found)
    order = list[int]()
    for rank in ranks:
        dateless, dated = ([id for at, kind, id in found if at == rank and kind == which] for which in (0, 1))
        if dateless:
            theirs = connection.execute(_dated(due, owner is None), {**values, "rank": rank})
            dated = [id for (id,) in theirs.fetchall()]
        order += contract.in_turn(dateless, dated)
    return order[:limit]


@cache
def _statement(due: str, nobodys: bool) -> str:
    whose = "owner IS NULL" if nobodys else "owner = :whose"
    return f"""SELECT {RANK}, added_date IS NOT NULL, id FROM downloads WHERE {due} AND {whose}
        ORDER BY {PLACE} LIMIT :limit"""


@cache
def _dated(due: str, nobodys: bool) -> str:
    whose = "owner IS NULL" if nobodys else "owner = :whose"
    return f"""SELECT id FROM downloads WHERE {due} AND {whose} AND {RANK} = :rank AND added_date IS NOT NULL
        ORDER BY added_date, id LIMIT :limit"""
