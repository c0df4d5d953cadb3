"""How those who serve or watch are woken: one channel, without a word of what has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from reactor.database.sql.connection import Connection, Runner, transaction

CHANNEL = "reactor"
NOTIFY = f"NOTIFY {CHANNEL}"
P = ParamSpec("P")
Result = TypeVar("Result")


def ringing(run: Runner) -> Runner:
    """The same, and the others are woken, in one transaction: they hear of it when it is committed."""

    async def write(function: Callable[Concatenate[Any, P], Result], *args: P.args, **more: P.kwargs) -> Result:
        def both(connection: Connection) -> Result:
            with transaction(connection):
                result = function(connection, *args, **more)
                if result is not False:  # it has changed nothing
                    connection.execute(NOTIFY)
            return result

        return await run(both)

    return write
