"""The change feed: rings when a program may have changed the database.

    notify  `Queue` and the reactor itself say so in their own transaction (LISTEN, NOTIFY).
    poll    a bot in plain SQL says nothing. Once in `poll_interval` the server is asked which transactions it knows
            (`pg_current_snapshot`): that answer changes with each transaction that has written anything, and with
            nothing else. The reactor's feed lets pass those that have renewed a lease. So an idle queue is not looked
            through.

The listener is a connection of its own. What it hears is tried out at the start and after each reconnect: a pooler that
gives connections away between transactions (pgbouncer) takes a LISTEN, and nothing ever arrives. A ring carries no
data: the reader reads the rows again. A needless ring costs one query; a missed one loses a change.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Self

import anyio
import psycopg
from anyio.abc import TaskStatus

from reactor.concurrency.groups import unwrapped
from reactor.database.contract import REPLACED
from reactor.database.postgres.connection import CONNECT_S, Database, how_alive
from reactor.database.postgres.waking import CHANNEL
from reactor.database.rings import Rings
from reactor.database.sql.connection import Connection
from reactor.errors import DatabaseError

PROBE_S, PROBE_STEP_S = 2.0, 0.05
"""So long the listener waits for its own word, in steps."""
PING_S = 5.0
"""So often it asks whether the server is still there."""
AGAIN_S = 1.0
"""Between two attempts to reach a server that is gone."""
SNAPSHOT = "SELECT CAST(pg_current_snapshot() AS text)"
BEATS = ", ARRAY(SELECT CAST(CAST(xmin AS text) AS bigint) FROM reactor_machines)"
"""The transactions that have written the rows of machines last, and nothing else; without their epochs."""
EPOCH = 2**32

Listener = psycopg.AsyncConnection[Any]


class ChangeFeed(Rings, anyio.AsyncContextManagerMixin):
    """`async with ChangeFeed(database, 1.0) as feed: async for layer in feed: …`, for one reader.

    Every commit after `async with` has begun rings; so scan the rows once inside it, then follow the feed. Another
    database under the same address is reported as `replaced`, the last item: open it anew."""

    def __init__(
        self, database: Database, poll_interval_s: float, on_fallback: Callable[[str], None] | None = None
    ) -> None:
        """`on_fallback` is called once, with the reason, when only the poll is left to notice changes. With it the feed
        is the reactor's, for which its own commits are no news."""
        super().__init__()
        self._database, self._poll_interval_s = database, poll_interval_s
        self._on_fallback = on_fallback or (lambda reason: None)
        self._seen = ""
        self._word, self._heard = "", False
        self._deaf_to_itself = on_fallback is not None  # a bot that watches may be the one that adds, too

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self, None]:
        self._seen, _ = await self._database.run(_snapshot, self._deaf_to_itself)
        with unwrapped():
            async with anyio.create_task_group() as tasks:
                await tasks.start(self._listen)
                tasks.start_soon(self._poll)
                yield self
                tasks.cancel_scope.cancel()

    async def _listen(self, *, task_status: TaskStatus[None]) -> None:
        """Follow the notifications, with a new connection whenever one is lost. Where none arrive: no longer."""
        first = True
        while True:
            try:
                async with self._connected() as listener:
                    if not await self._hears(listener):
                        self._on_fallback("notifications do not arrive: a pooler keeps them, and needs to be passed by")
                        return task_status.started() if first else None
                    if not first:
                        self._ring("notify")  # what came meanwhile was not heard
                    else:
                        task_status.started()
                        first = False
                    while True:
                        await self._follow(listener, PING_S)
                        await listener.execute("SELECT 1")
            except psycopg.InterfaceError as error:  # an event loop that cannot wait for a socket
                self._on_fallback(str(error))
                return task_status.started() if first else None
            except (psycopg.Error, DatabaseError):
                if first:
                    task_status.started()
                    first = False
            await anyio.sleep(AGAIN_S)

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[Listener, None]:
        how: Any = {"autocommit": True, "connect_timeout": CONNECT_S, "prepare_threshold": None}
        how |= how_alive(self._database.address)
        listener = await psycopg.AsyncConnection.connect(self._database.address.conninfo, **how)
        try:
            yield listener
        finally:
            with anyio.CancelScope(shield=True):
                await listener.close()

    async def _hears(self, listener: Listener) -> bool:
        """True when its own word reaches it. LISTEN comes first, and the rows are read after it: nothing is missed."""
        self._word, self._heard = secrets.token_hex(8), False
        await listener.execute(f"LISTEN {CHANNEL}")
        await self._database.run(_say, self._word)  # a pooler shows a connection what it has said itself
        end = anyio.current_time() + PROBE_S
        while not self._heard and (left := end - anyio.current_time()) > 0:
            await self._follow(listener, min(left, PROBE_STEP_S))
        return self._heard

    async def _follow(self, listener: Listener, timeout_s: float) -> None:
        """Note what arrives within this time."""
        async for notify in listener.notifies(timeout=timeout_s):
            self._noted(notify)

    def _noted(self, notify: psycopg.Notify) -> None:
        """Our own commits are no news; a word is that of somebody who listens to himself."""
        if notify.channel != CHANNEL:
            return
        if notify.payload:
            self._heard = self._heard or notify.payload == self._word
        elif notify.pid != self._database.backend or not self._deaf_to_itself:
            self._ring("notify")

    async def _poll(self) -> None:
        lost = False
        while True:
            await anyio.sleep(self._poll_interval_s)
            try:
                seen, beats = await self._database.run(_snapshot, self._deaf_to_itself)
            except DatabaseError as error:
                if error.code == REPLACED:
                    self._ring("replaced")
                    return
                if not lost:
                    self._ring("poll")  # reading says what is wrong
                lost = True
                continue
            if lost or not only_beats(self._seen, seen, beats):
                self._ring("poll")
            self._seen, lost = seen, False


def _say(connection: Connection, word: str) -> None:
    connection.execute(f"NOTIFY {CHANNEL}, '{word}'")


def _snapshot(connection: Connection, with_beats: bool) -> tuple[str, list[int]]:
    ((seen, *beats),) = connection.execute(f"{SNAPSHOT}{BEATS if with_beats else ''}").fetchall()
    return str(seen), beats[0] if beats else []


def only_beats(before: str, now: str, beats: Collection[int]) -> bool:
    """True when no transaction has written anything between these, but for leases that were renewed."""
    if before == now:
        return True
    (_, first, running), (_, end, still_running) = before.split(":"), now.split(":")
    if running or still_running or int(end) - int(first) > len(beats):
        return False
    return all(transaction % EPOCH in beats for transaction in range(int(first), int(end)))
