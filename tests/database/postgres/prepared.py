"""What a connection has prepared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

PREPARED = """SELECT name, statement, cardinality(parameter_types) FROM pg_prepared_statements
    WHERE statement LIKE '%downloads%'"""


def prepared(raw: psycopg.Connection[Any]) -> Iterator[str]:
    """The statements that speak of downloads, each with the plan that was made of it, whatever the values."""
    for name, statement, number in raw.execute(PREPARED).fetchall():
        values = f"({', '.join(['NULL'] * number)})" if number else ""
        steps = raw.execute(f"EXPLAIN EXECUTE {name} {values}".encode()).fetchall()
        yield "\n".join([statement, *(step for (step,) in steps)])
