"""For bots: add rows, read rows, wait for changes.

    async with Queue("bot.db") as queue:
        id = await queue.add("https://example.com/file.iso", chat_id=42)
        async for row in queue.watch(id):
            print(row.status, row.progress)

`Queue.within(connection)` does the same on a connection of the bot's own; `SyncQueue` is for programs without asyncio.
None of it is required: the table is the interface, and any program that writes SQL can use it directly.
"""

from __future__ import annotations

import builtins
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio
from anyio import to_thread

from reactor.choices import Choices
from reactor.concurrency.bell import Bell
from reactor.concurrency.groups import unwrapped
from reactor.concurrency.task_context import TaskContext
from reactor.database import engine
from reactor.database.contract import REPLACED
from reactor.database.table import LIST_MAX, ChangeCursor, Counts, Overview, RowOperations, Table
from reactor.errors import DatabaseError, DownloadError
from reactor.models import CookieJarInfo, Download, OwnerAccount, Position, Status
from reactor.options import Options, patched
from reactor.row_options import column_of
from reactor.watching import Watches

if TYPE_CHECKING:
    from reactor.database.jars import Jars
    from reactor.database.presence import Machine

__all__ = ["Queue"]

PATIENCE_S = 30.0
"""How long a watch tries again while the database is locked, or is being replaced."""
PROBE = {"want": "info", "ask": "all", "unanswered": "fail"}
"""The options of a row that is only looked into. Should its bot die, it ends by itself."""
Result = TypeVar("Result")


class QueueOperations(ABC):
    """What a bot does with rows, on whatever connection."""

    async def add(self, url: str, *, options: Options | Mapping[str, Any] | None = None, **own_columns: Any) -> int:
        """Add a row, with what it asks for and values for your own columns; returns its id.

        Raises DownloadError (`bad_options`), with a sentence that names the key."""
        if (asked := column_of(options)) is not None:
            own_columns["options"] = asked
        return await self._ask(lambda table: table.add(url, own_columns))

    async def cancel(self, id: int) -> bool:
        """Request a stop, of a list with all of its entries. False when there is no such download, or it is over."""
        return await self._ask(lambda table: table.cancel(id))

    async def retry(self, id: int) -> bool:
        """Queue a failed or cancelled download again; of a list those entries that did not come. False when it is
        neither, and not `partial`."""
        return await self._ask(lambda table: table.retry(id))

    async def choose(self, id: int, codes: Iterable[str] = ()) -> bool:
        """Answer a download that is `choosing`, by the codes of its `choices`, or one that has failed and says there
        what would help: it is queued again with what was chosen. Without a code the default is taken.

        False when it asks nothing. Raises DownloadError (`bad_options`) for a code that is not there."""
        return await self._ask(lambda table: table.choose(id, tuple(codes)))

    async def set_defaults(self, owner: str | int | None, options: Options | Mapping[str, Any] | None) -> None:
        """What the downloads of an owner ask for unless they say otherwise, in place of what was set before; None or
        `{}`: nothing. `owner` None: of those without one. It counts for downloads that are taken up from now on.

        Raises DownloadError (`bad_options`), with a sentence that names the key."""
        said = column_of(options)
        await self._ask(lambda table: table.set_defaults(owner, said))

    async def defaults(self, owner: str | int | None) -> dict[str, Any]:
        """What the downloads of an owner ask for unless they say otherwise; `{}` for nothing."""
        return await self._ask(lambda table: table.defaults(owner))

    async def set_weight(self, owner: str | int | None, weight: float) -> None:
        """The share of an owner, 0.01 to 100: one of weight 2 gets twice as many seconds of slot as one of weight 1,
        which everybody has. `owner` None: of rows without one. It is for the operator to decide, not for users.

        Raises DatabaseError for a number that is none of these."""
        await self._ask(lambda table: table.set_weight(owner, weight))

    async def get(self, id: int) -> Download | None:
        """One download, or None."""
        return await self._ask(lambda table: table.get(id))

    async def children(self, id: int) -> builtins.list[Download]:
        """The downloads that a list has become, in its order."""
        return await self._ask(lambda table: table.children(id))

    async def list(self, status: str | None = None, *, limit: int = LIST_MAX) -> builtins.list[Download]:
        """The latest downloads, oldest first: all, or those with one status."""
        return await self._ask(lambda table: table.list(status, limit))

    @abstractmethod
    async def _ask(self, question: Callable[[RowOperations], Awaitable[Result]]) -> Result:
        """The answer of the table."""


class Within(QueueOperations):
    """The same on the bot's own connection, in the transaction that is open there: nothing is begun or committed here.

    Errors of the driver are raised as they are. Reactor and watches see the row when the bot commits."""

    def __init__(self, connection: Any) -> None:
        self._table = engine.within(connection)

    async def _ask(self, question: Callable[[RowOperations], Awaitable[Result]]) -> Result:
        return await question(self._table)


class Queue(QueueOperations):
    """The downloads of one database. Opening it creates the table, or adds the columns it lacks.

    Every method raises DatabaseError when the database cannot be used; `retryable` says whether that may pass."""

    def __init__(
        self, path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False, poll_interval: float = 1.0
    ) -> None:
        """Without `create` a missing database is an error. `read_only` creates and writes nothing: a table that lacks
        columns is an error, and so is each write. `poll_interval` is the longest delay of a watch, in seconds, where
        the system does not tell of changes."""
        self._path = path
        self._create = create
        self._read_only = read_only
        self._poll_interval = poll_interval
        self._changed = Bell()
        self._watches = Watches()
        self._closed: anyio.Event | None = None
        """None until it is entered."""
        self._opened: AsyncExitStack | None = None
        self._table: Table | None = None
        """None while the database that replaced the last one cannot be opened."""
        self._fed: Table | None = None
        """The one whose changes are followed."""
        self._context = TaskContext("Queue")

    @staticmethod
    def within(connection: Any) -> QueueOperations:
        """`add`, `cancel`, `retry`, `choose`, `set_defaults`, `defaults`, `set_weight`, `get`, `children` and `list` on
        your own connection, in the transaction that is open there: of aiosqlite, or on PostgreSQL of psycopg
        (AsyncConnection), asyncpg or SQLAlchemy (AsyncConnection, AsyncSession). Raises DatabaseError for any other."""
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
        self._following, self._telling = False, False
        self._closed, self._replacing = anyio.Event(), anyio.Lock()
        try:
            with unwrapped():
                async with anyio.create_task_group() as self._tasks:
                    yield
                    self._tasks.cancel_scope.cancel()
        finally:
            self._closed.set()
            self._ring()
            self._watches.end()
            with anyio.CancelScope(shield=True):
                async with self._replacing:
                    await self._close()

    # Following rows

    async def watch(self, id: int) -> AsyncGenerator[Download, None]:
        """The download as it is now, then each time it has changed; ends with the final row, or when it is deleted."""
        before: Download | None = None
        self._begin_following()
        if not self._telling:
            self._telling = True
            self._tasks.start_soon(self._tell_watches)
        watch = self._watches.enter(id)
        try:
            async with aclosing(watch.rows()) as told:
                async for row in told:
                    if row is None:
                        return
                    if row != before:
                        yield row
                    if _is_over(row):
                        return
                    before = row
        finally:
            self._watches.leave(id, watch)
        self._raise_failure()

    async def probe(
        self,
        url: str,
        *,
        options: Options | Mapping[str, Any] | None = None,
        timeout_s: float = 60.0,
        **own_columns: Any,
    ) -> Choices:
        """What there is at a URL, without a download. It adds a row that is only looked into, in its turn as any other,
        waits for what is found, at most `timeout_s`, and deletes it; `own_columns` as of `add`.

        Raises DownloadError with what the row has failed with, or `timeout`."""
        said = options.said() if isinstance(options, Options) else options or {}
        id = await self.add(url, options=patched([said, PROBE]), **own_columns)
        try:
            with anyio.fail_after(timeout_s):
                async with aclosing(self.watch(id)) as rows:
                    async for row in rows:
                        if row.status == Status.CHOOSING and row.choices is not None:
                            return row.choices
                        if _is_over(row):
                            failed = row.error or f"It is {row.status}."
                            raise DownloadError(failed, code=row.error_code or "unsupported")
        except TimeoutError:
            message = f"What there is was not found out within {timeout_s:g} s."
            raise DownloadError(message, code="timeout", retryable=True) from None
        finally:
            with anyio.CancelScope(shield=True):
                await self._ask(lambda table: table.remove(id))
        raise DownloadError("The row was deleted before it was looked into.", code="unsupported")

    async def watch_all(self) -> AsyncGenerator[Download, None]:
        """Every download that is not over, then each row that has changed, up to its end. Ends with the queue.

        What a bot does with a row after that (`uploading`, …) is not among it: use `changes`."""
        cursor = ChangeCursor()
        async with aclosing(self._each(lambda table: table.changed(cursor))) as found:
            async for row in found:
                yield row

    async def counts(self) -> Counts:
        """How many rows are not over, and how old the oldest is."""
        return await self._ask(lambda table: table.counts())

    async def entries(self, id: int, offset: int = 0, limit: int = LIST_MAX) -> tuple[builtins.list[Download], int]:
        """`limit` of the downloads that a list has become, in its order, from the one after `offset`; and how many
        there are."""
        return await self._ask(lambda table: table.entries(id, offset, limit))

    async def overview(self, shown_max: int = 50) -> Overview:
        """What is under way, what is next, what ended last: at most `shown_max` rows of each. A list is one row."""
        return await self._ask(lambda table: table.overview(shown_max))

    async def position(self, id: int) -> Position | None:
        """Where a pending download stands: about how many are before it, why it waits, about how long, and all that as
        a sentence (`text`). None for one that does not wait."""
        return await self._ask(lambda table: table.position(id))

    async def owners(self, limit: int = LIST_MAX) -> builtins.list[OwnerAccount]:
        """Owners that have downloads which are not over, or another weight than 1; first those with the most."""
        return await self._ask(lambda table: table.owners(limit))

    async def machines(self) -> builtins.list[Machine]:
        """Who serves a queue on a PostgreSQL server, by name: each with what it has under way and when it was seen
        last. One on SQLite is served by one reactor at the most: none."""
        return await self._ask(lambda table: table.machines())

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yields now and after every commit to the database, so that you can run your own queries. Ends with the
        queue."""
        async with aclosing(self._each(_nothing)) as beats:
            async for beat in beats:
                yield beat

    # Cookies

    async def set_cookies(self, owner: str | int | None, name: str, text: str) -> CookieJarInfo:
        """Keep the cookies of an owner under a name, in place of those it had: a `cookies.txt`, or what an extension
        of a browser has exported as JSON. They go with the owner's rows whose option `cookies` says that name, to the
        hosts they belong to. `owner` None: of rows without one.

        They stand in a private folder beside the database. Raises CookiesError, which repeats nothing of the text."""
        jars = await self._jars(writing=True)
        return await to_thread.run_sync(jars.put, owner, name, text)

    async def list_cookies(self, owner: str | int | None) -> builtins.list[CookieJarInfo]:
        """The jars of an owner, without what is in them."""
        return await to_thread.run_sync((await self._jars()).list_owner, owner)

    async def list_all_cookies(self) -> builtins.list[CookieJarInfo]:
        """The jars of all owners, without what is in them."""
        return await to_thread.run_sync((await self._jars()).list_all)

    async def remove_cookies(self, owner: str | int | None, name: str) -> bool:
        """Delete a jar of an owner. False when there is none of that name."""
        jars = await self._jars(writing=True)
        return await to_thread.run_sync(jars.remove, owner, name)

    async def _jars(self, *, writing: bool = False) -> Jars:
        if writing and self._read_only:
            raise DatabaseError("This queue was opened for reading only.")
        return await self._ask(lambda table: table.jars())

    async def ended_sessions(self) -> dict[str, int]:
        """For reactor's own page: as `Table.ended_sessions`."""
        return await self._ask(lambda table: table.ended_sessions())

    async def end_session(self, session: str, until: int, now: float) -> None:
        """For reactor's own page: as `Table.end_session`."""
        await self._ask(lambda table: table.end_session(session, until, now))

    # Following the database

    async def _ask(self, question: Callable[[Table], Awaitable[Result]]) -> Result:
        table = self._table or await self._current()
        try:
            return await question(table)
        except DatabaseError as error:
            if error.code != REPLACED:
                raise
        # Nothing was done: the database that has this name now is meant.
        return await question(await self._current(instead_of=table))

    async def _each(
        self, read: Callable[[Table], Awaitable[Iterable[Result]]], bell: Bell | None = None
    ) -> AsyncGenerator[Result, None]:
        """What `read` finds now, and again after each change, or whenever the bell rings; ends when the queue is
        closed."""
        closed, bell = self._begin_following(), bell or self._changed
        failing_since: float | None = None
        while not closed.is_set():
            tick = bell.next
            try:
                found = await self._ask(read)
            except DatabaseError as error:
                if closed.is_set():
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
        self._raise_failure()

    def _begin_following(self) -> anyio.Event:
        """Follow the database, from the first who asks for it on; returns what is set when the queue is closed."""
        if self._closed is None:
            raise _not_open()
        if not self._following:
            self._following = True
            self._tasks.start_soon(self._follow)
        return self._closed

    def _raise_failure(self) -> None:
        """What has closed the queue, if nobody has asked for it."""
        if (failure := self._context.failure) is not None:
            raise failure

    async def _tell_watches(self) -> None:
        """Tell each watch of its row, by one read for all of them."""
        try:
            async with aclosing(self._each(self._watches.look, self._watches.bell)) as found:
                async for _ in found:
                    pass  # the look has told them
        except DatabaseError as error:
            self._telling = False
            self._watches.end(error)

    async def _follow(self) -> None:
        """Wake all watches when the database changes; open the one that replaced it, when one has."""
        while True:
            try:
                self._fed = table = await self._current()
                try:
                    async with table.changes(self._poll_interval) as feed:
                        self._ring()  # for what was written between a watch's first look and now
                        async for layer in feed:
                            if layer != "replaced":
                                self._ring()
                finally:
                    self._fed = None
                    self._ring()
                await self._current(instead_of=table)
            except DatabaseError:  # the watches meet it too, and tell when it lasts
                await anyio.sleep(self._poll_interval)

    def _ring(self) -> None:
        self._changed.ring()
        self._watches.bell.ring()

    # Opening it

    async def _current(self, *, instead_of: Table | None = None) -> Table:
        """The table that is open, or has just been opened in place of one whose database was replaced.

        Raises DatabaseError."""
        if self._closed is None or self._closed.is_set():
            raise _not_open()
        with anyio.move_on_after(PATIENCE_S):
            while instead_of is not None and self._fed is instead_of:
                await self._changed.next.wait()  # its feed closes it; only then is the other one opened
        async with self._replacing:
            if self._closed.is_set():
                raise _not_open()
            if self._table is None or (self._table is instead_of and self._fed is not instead_of):
                await self._close()
                return await self._open(create=False)
            return self._table

    async def _open(self, *, create: bool) -> Table:
        async with AsyncExitStack() as opening:
            self._table = await opening.enter_async_context(
                engine.open_table(self._path, create=create, read_only=self._read_only)
            )
            self._opened = opening.pop_all()
        return self._table

    async def _close(self) -> None:
        opened, self._opened, self._table = self._opened, None, None
        if opened is not None:
            await opened.aclose()


async def _nothing(_: Table) -> tuple[None]:
    return (None,)


def _not_open() -> DatabaseError:
    return DatabaseError("The queue is not open.", hint="Use it inside `async with Queue(…) as queue`.")


def _is_over(row: Download) -> bool:
    """True for a final row, and for one that the bot has moved on since (`uploading`, …)."""
    if row.status in ("", Status.PENDING, Status.DOWNLOADING, Status.CHOOSING):
        return False
    return row.status in tuple(Status) or row.finished_at is not None
