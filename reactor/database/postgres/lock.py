"""One reactor for each machine that serves a database, and one process of any other role that must be single.

The lock is an advisory one of a session that lasts as long as it is held, so it ends with the process, however that
ends. A pooler that gives connections away between transactions would keep it for nobody: that is refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from reactor.database.postgres.connection import CONNECT_S, lock_key, unclear
from reactor.database.postgres.errors import translate
from reactor.errors import DatabaseError, DatabaseInUse
from reactor.server_address import ServerAddress

PROBE_S = 2.0
"""So long a connection waits for its own notification."""
TAKE = f"SELECT pg_try_advisory_lock({lock_key('%s')})"

OTHERS = " One on another machine, or with other folders, needs a MACHINE_NAME of its own."


@contextmanager
def lock(address: ServerAddress, who: str = "reactor", machine: str = "") -> Iterator[None]:
    """Hold the lock of a database, of which each `who` has one, and with a name each `machine`. Raises DatabaseInUse
    when another has it, DatabaseError when the server cannot be reached, or only by way of such a pooler."""
    try:
        connection = psycopg.connect(
            address.conninfo, autocommit=True, connect_timeout=CONNECT_S, prepare_threshold=None
        )
    except psycopg.ProgrammingError as error:
        raise unclear(address) from error
    except psycopg.Error as error:
        raise translate(error, str(address)) from error
    with connection:
        try:
            _refuse_pooler(connection, address)
            taken = connection.execute(TAKE, (f"{who}:{machine}" if machine else who,)).fetchone() == (True,)
        except psycopg.Error as error:
            raise translate(error, str(address)) from error
        if not taken:
            named = f" of the name {machine}" if machine else ""
            raise DatabaseInUse(
                f"Another {who}{named} serves the database {address}.",
                hint=f"One is enough: stop it, or use it.{OTHERS if machine else ''}",
            )
        yield


def _refuse_pooler(connection: psycopg.Connection[Any], address: ServerAddress) -> None:
    """A session that is one hears what is said in another."""
    channel = f"reactor_{secrets.token_hex(8)}"
    connection.execute(f"LISTEN {channel}")
    with psycopg.connect(address.conninfo, autocommit=True, connect_timeout=CONNECT_S) as other:
        other.execute(f"NOTIFY {channel}")
    if not list(connection.notifies(timeout=PROBE_S, stop_after=1)):
        raise DatabaseError(
            f"The database {address} is reached through a pooler that gives connections away between transactions.",
            hint="Name the address of the server itself, or let the pooler keep sessions (`pool_mode = session`).",
        )
    connection.execute(f"UNLISTEN {channel}")
