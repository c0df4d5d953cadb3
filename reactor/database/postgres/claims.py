"""What a claim and an end ask of PostgreSQL in one statement where other engines are asked twice: each answer that is
waited for costs a round trip, and that of a claim all other machines wait for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from reactor.core.job import Attempt
from reactor.core.turns import WINDOW
from reactor.database.postgres.connection import PostgresConnection
from reactor.database.sql import plans, turns
from reactor.database.sql.order import PLACE
from reactor.database.sql.statements import READY

CURSOR = f"""(SELECT CAST(CAST(value AS json) ->> 'cursor' AS {{kind}}) FROM reactor_meta
    WHERE key = '{turns.TURN}')"""
FIRST = f"""SELECT {{n}} AS n, owner AS whose, id AS first, ({{{{due}}}}) AS is_due, added_date IS NOT NULL AS dated
    FROM downloads WHERE {READY} AND owner > {{after}} ORDER BY owner, {PLACE} LIMIT 1"""
PAGE = f"""WITH RECURSIVE found AS (({FIRST.format(n=1, after=CURSOR)}) UNION ALL
    SELECT next.* FROM found, LATERAL ({FIRST.format(n="found.n + 1", after="found.whose")}) AS next
    WHERE found.n < :window)
    SELECT whose, first, is_due, dated, o.tag, o.day, o.day_rows, o.day_bytes
    FROM found LEFT JOIN reactor_owners AS o ON o.owner = CAST(whose AS text) ORDER BY n"""
"""As `turns.OWNERS`, by one seek for each owner, and with what `turns.ACCOUNTS` says of it."""
FORGET = f"""WITH gone AS ({plans.FORGET}, download_id)
    DELETE FROM reactor_plan_pieces WHERE download_id IN (SELECT download_id FROM gone WHERE length = 0)"""


@turns.ask_page.register
def _ask_page(connection: PostgresConnection, asked: Mapping[str, Any], due: str) -> turns.Page:
    """It is sent with what is asked next."""
    statement = _page(connection.words.type_of("owner"), due)
    return connection.ask(statement, {**asked, "window": WINDOW}).fetchall


@cache
def _page(kind: str, due: str) -> str:
    return PAGE.format(kind=kind, due=due)


@plans.forget.register
def _forget(connection: PostgresConnection, attempt: Attempt) -> None:
    connection.execute(FORGET, (attempt.download_id, attempt.number))
