"""The order of one owner's rows: what has given way to others goes on first, then by rank, date and id."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from reactor.database import contract
from reactor.database.sql.connection import Connection

RANK = "(CASE priority WHEN -2 THEN 2 WHEN -1 THEN 1 WHEN 1 THEN -1 WHEN 2 THEN -2 ELSE 0 END)"
"""Of an owner's rows those of the lowest rank are first. As the index has it; without an IN (`statements.IS_OVER`)."""
PLACE = f"{RANK}, added_date, id"
GAVE_WAY = "status = 'pending' AND stage = 'yielded'"
"""What `reactor_yielded` holds: few, for each had a slot. The text is that of the index."""
YIELDED_MAX = 1000


def yielded(connection: Connection, asked: Mapping[str, Any], due: str) -> dict[str, list[int]]:
    """The rows that have given way and are `due` again, in their order, by the accounts of their owners."""
    statement = f"SELECT owner, {RANK}, id, added_date FROM downloads WHERE {GAVE_WAY} AND {due} LIMIT {YIELDED_MAX}"
    rows = connection.execute(statement, asked).fetchall()
    found = dict[str, list[int]]()
    for owner, _, id, _ in sorted(rows, key=lambda row: (row[1], contract.text(row[3]) or "", row[2])):
        found.setdefault(contract.account(owner), []).append(id)
    return found


def in_turn(connection: Connection, asked: Mapping[str, Any], due: str, owner: object, limit: int) -> list[int]:
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
