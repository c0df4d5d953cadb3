"""How those who serve or watch are woken: one channel, without a word of what has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from reactor.database.sql.connection import Connection, transaction

CHANNEL = "reactor"
NOTIFY = f"NOTIFY {CHANNEL}"
P = ParamSpec("P")
Result = TypeVar("Result")


def ringing(
    connection: Connection,
    function: Callable[Concatenate[Connection, P], Result],
    *args: P.args,
    **more: P.kwargs,
) -> Result:
    """Call `function(connection, …)` and wake the others, in one transaction: they hear of it when it is committed."""
    with transaction(connection):
        result = function(connection, *args, **more)
        if result is not False:  # it has changed nothing
            connection.execute(NOTIFY)
    return result
