"""For bots: rows in, rows out, and a wait that costs nothing.

    async with Queue("bot.db") as queue:
        id = await queue.add("https://example.com/file.iso", chat_id=42)
        async for row in queue.watch(id):
            print(row.status, row.progress)

`Queue.within(connection)` does the same on a connection of the bot's own; `SyncQueue` is for bots that do not await.
Nothing here is needed: the table is the interface, and any program that writes SQLite can do the same.
"""

from __future__ import annotations

import builtins
import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import aiosqlite
import anyio

from reactor.database.sqlite import overview
from reactor.database.sqlite import table as wishes
from reactor.database.sqlite.changes import ChangeFeed, unwrapped
from reactor.database.sqlite.connection import Database, in_thread_of
from reactor.database.sqlite.errors import REPLACED
from reactor.database.sqlite.overview import Counts, Overview
from reactor.database.sqlite.statements import within
from reactor.errors import DatabaseError
from reactor.models import Download, Status
from reactor.task_context import TaskContext

__all__ = ["Queue"]

PATIENCE_S = 30.0
"""How long a watch goes on while the database is locked, or its file is being replaced."""
P = ParamSpec("P")
Result = TypeVar("Result")


class Wishes(ABC):
    """What a bot asks for and asks about, on whatever connection."""

    async def add(self, url: str, **own_columns: Any) -> int:
        """Add a row, with values for columns of the bot's own; its id comes back."""
        return await self._run(wishes.add, url, own_columns)

    async def cancel(self, id: int) -> bool:
        """Ask for a stop. False when there is no such download, or it is over."""
        return await self._run(wishes.mark_cancelled, id)

    async def retry(self, id: int) -> bool:
        """Queue a failed or cancelled download again. False when it is neither."""
        return await self._run(wishes.retry, id)

    async def get(self, id: int) -> Download | None:
        """One download, or None."""
        return await self._run(wishes.get_download, id)

    async def list(self, status: str | None = None, *, limit: int = wishes.LIST_MAX) -> builtins.list[Download]:
        """The latest downloads, oldest first, all or those with one status."""
        if status is None:
            return await self._run(wishes.list_downloads, limit)
        return await self._run(wishes.get_downloads_by_status, status, limit)

    @abstractmethod
    async def _run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        """`function(connection, …)`: one of the statements of `reactor.database.sqlite.table`, or of `overview`."""


class Within(Wishes):
    """The same on the bot's own connection, in the transaction it is in: nothing is begun or committed here.

    What sqlite3 raises is not translated. The row is there for reactor, and for watches, when the bot commits."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def _run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        return await in_thread_of(self._connection, lambda: within(self._connection._conn, function, *args, **more))


class Queue(Wishes):
    """The downloads of one database. Opening it makes the table, or adds the columns it lacks; to `look` does neither.

    Every method raises DatabaseError when the database cannot be used; `retryable` says whether that may pass."""

    def __init__(
        self, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False, poll_interval: float = 1.0
    ) -> None:
        """Without `create` a missing file is an error. With `look` nothing is ever written, and what would be is
        refused. `poll_interval` (s) is the safety net behind the watches."""
        self._path = path
        self._create = create
        self._read_only = read_only
        self._poll_interval = poll_interval
        self._tick = anyio.Event()
        self._closed: anyio.Event | None = None
        """None until it is entered."""
        self._opened: AsyncExitStack | None = None
        self._database: Database | None = None
        """None while the file that has taken the place of the last one cannot be opened."""
        self._fed: Database | None = None
        """The one that a change feed reads."""
        self._context = TaskContext("Queue")

    @staticmethod
    def within(connection: aiosqlite.Connection) -> Wishes:
        """`add`, `cancel`, `retry`, `get` and `list` on the bot's own connection, in its own transaction."""
        return Within(connection)

    async def __aenter__(self) -> Self:
        """Open it. Another task may close it."""
        await self._context.enter(self._being_open())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._context.exit()

    @asynccontextmanager
    async def _being_open(self) -> AsyncGenerator[None, None]:
        await self._open(create=self._create)
        self._following, self._closed, self._replacing = False, anyio.Event(), anyio.Lock()
        try:
            with unwrapped():
                async with anyio.create_task_group() as self._tasks:
                    yield
                    self._tasks.cancel_scope.cancel()
        finally:
            self._closed.set()
            self._ring()
            with anyio.CancelScope(shield=True):
                async with self._replacing:
                    await self._close()

    # Following rows

    async def watch(self, id: int) -> AsyncGenerator[Download, None]:
        """The download as it is now, then each time it has changed; ends with the final row, or when it is deleted."""
        before: Download | None = None
        async with aclosing(self._each(lambda connection: [wishes.get_download(connection, id)])) as found:
            async for row in found:
                if row is None:
                    return
                if row != before:
                    yield row
                if _is_over(row):
                    return
                before = row

    async def watch_all(self) -> AsyncGenerator[Download, None]:
        """Every download that is not over, then each row that has changed, up to its end. Ends with the queue.

        What a bot does with a row after that (`uploading`, …) is not told: `changes` has a beat for it."""
        async with aclosing(self._each(wishes.Changes().read)) as found:
            async for row in found:
                yield row

    async def counts(self) -> Counts:
        """How many rows are not over, and how old the oldest is."""
        return await self._run(overview.counts)

    async def overview(self, shown_max: int = 50) -> Overview:
        """What is under way, what is next, what ended last: at most `shown_max` rows of each."""
        return await self._run(overview.overview, shown_max)

    async def changes(self) -> AsyncGenerator[None, None]:
        """A beat now, and after each change of the database, for what a bot looks up itself. Ends with the queue."""
        async with aclosing(self._each(lambda connection: [None])) as beats:
            async for beat in beats:
                yield beat

    # Following the database

    async def _run(
        self, function: Callable[Concatenate[sqlite3.Connection, P], Result], *args: P.args, **more: P.kwargs
    ) -> Result:
        database = self._database or await self._current()
        try:
            return await database.run(function, *args, **more)
        except DatabaseError as error:
            if error.code != REPLACED:
                raise
        # It has done nothing: what is meant is the file that has this name now.
        return await (await self._current(instead_of=database)).run(function, *args, **more)

    async def _each(self, read: Callable[[sqlite3.Connection], Iterable[Result]]) -> AsyncGenerator[Result, None]:
        """What `read` finds now, and again after each change; ends when the queue is closed."""
        if self._closed is None:
            raise _not_open()
        if not self._following:
            self._following = True
            self._tasks.start_soon(self._follow)
        failing_since: float | None = None
        while not self._closed.is_set():
            tick = self._tick
            try:
                found = await self._run(read)
            except DatabaseError as error:
                if self._closed.is_set():
                    return
                now = anyio.current_time()
                failing_since = failing_since or now
                if not error.retryable or now - failing_since > PATIENCE_S:
                    raise
                with anyio.move_on_after(self._poll_interval):
                    await tick.wait()
                continue
            failing_since = None
            for row in found:
                yield row
            await tick.wait()
        if (failure := self._context.failure) is not None:
            raise failure

    async def _follow(self) -> None:
        """Ring all watches when the database changes; have the file that has taken its place, when one has."""
        while True:
            try:
                self._fed = database = await self._current()
                try:
                    async with ChangeFeed(database, poll_interval=self._poll_interval) as feed:
                        self._ring()  # for what was written between a watch's first look and now
                        async for layer in feed:
                            if layer != "replaced":
                                self._ring()
                finally:
                    self._fed = None
                    self._ring()
                await self._current(instead_of=database)
            except DatabaseError:  # the watches meet it too, and tell when it lasts
                await anyio.sleep(self._poll_interval)

    def _ring(self) -> None:
        self._tick.set()
        self._tick = anyio.Event()

    # Opening it

    async def _current(self, *, instead_of: Database | None = None) -> Database:
        """The database that is open, or has just been opened in place of one that another file has replaced.

        Raises DatabaseError."""
        if self._closed is None or self._closed.is_set():
            raise _not_open()
        with anyio.move_on_after(PATIENCE_S):
            while instead_of is not None and self._fed is instead_of:
                await self._tick.wait()  # its feed closes it before anybody opens the other: see Database.close
        async with self._replacing:
            if self._closed.is_set():
                raise _not_open()
            if self._database is None or (self._database is instead_of and self._fed is not instead_of):
                await self._close()
                return await self._open(create=False)
            return self._database

    async def _open(self, *, create: bool) -> Database:
        async with AsyncExitStack() as opening:
            self._database = await opening.enter_async_context(
                Database.open(self._path, create=create, read_only=self._read_only)
            )
            self._opened = opening.pop_all()
        return self._database

    async def _close(self) -> None:
        opened, self._opened, self._database = self._opened, None, None
        if opened is not None:
            await opened.aclose()


def _not_open() -> DatabaseError:
    return DatabaseError("The queue is not open.", hint="Use it inside `async with Queue(…) as queue`.")


def _is_over(row: Download) -> bool:
    """True for a final row, and for one that the bot has moved on since (`uploading`, …)."""
    if row.status in ("", Status.PENDING, Status.DOWNLOADING):
        return False
    return row.status in tuple(Status) or row.finished_at is not None
