"""For programs without asyncio: `reactor.Queue`, blocking, from any thread.

    with SyncQueue("bot.db") as queue:
        id = queue.add("https://example.com/file.iso", chat_id=42)
        for row in queue.watch(id):
            print(row.status, row.progress)

One thread of its own serves all that use it.
"""

from __future__ import annotations

import builtins
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, Self, TypeVar

from reactor.concurrency.loop_thread import Forked, LoopThread, ThreadEnded
from reactor.database import engine
from reactor.database.table import LIST_MAX, Counts, Overview, RowOperations
from reactor.errors import DatabaseError
from reactor.models import CookieJarInfo, Download, OwnerAccount, Position
from reactor.options import Options
from reactor.queue import Queue
from reactor.row_options import column_of

__all__ = ["SyncQueue"]

Result = TypeVar("Result")
Found = TypeVar("Found")


class SyncOperations(ABC):
    """What a bot does with rows, on whatever connection."""

    def add(self, url: str, *, options: Options | Mapping[str, Any] | None = None, **own_columns: Any) -> int:
        """Add a row, with what it asks for and values for your own columns; returns its id.

        Raises DownloadError (`bad_options`), with a sentence that names the key."""
        if (asked := column_of(options)) is not None:
            own_columns["options"] = asked
        return self._ask(lambda table: table.add(url, own_columns))

    def cancel(self, id: int) -> bool:
        """Request a stop. False when there is no such download, or it is over."""
        return self._ask(lambda table: table.cancel(id))

    def retry(self, id: int) -> bool:
        """Queue a failed or cancelled download again. False when it is neither."""
        return self._ask(lambda table: table.retry(id))

    def choose(self, id: int, codes: Iterable[str] = ()) -> bool:
        """Answer a download that is `choosing`: as `Queue.choose`."""
        return self._ask(lambda table: table.choose(id, tuple(codes)))

    def set_defaults(self, owner: str | int | None, options: Options | Mapping[str, Any] | None) -> None:
        """What the downloads of an owner ask for unless they say otherwise: as `Queue.set_defaults`."""
        said = column_of(options)
        self._ask(lambda table: table.set_defaults(owner, said))

    def defaults(self, owner: str | int | None) -> dict[str, Any]:
        """What the downloads of an owner ask for unless they say otherwise; `{}` for nothing."""
        return self._ask(lambda table: table.defaults(owner))

    def set_weight(self, owner: str | int | None, weight: float) -> None:
        """The share of an owner, 0.01 to 100: as `Queue.set_weight`."""
        self._ask(lambda table: table.set_weight(owner, weight))

    def get(self, id: int) -> Download | None:
        """One download, or None."""
        return self._ask(lambda table: table.get(id))

    def children(self, id: int) -> builtins.list[Download]:
        """The downloads that a list has become, in its order."""
        return self._ask(lambda table: table.children(id))

    def list(self, status: str | None = None, *, limit: int = LIST_MAX) -> builtins.list[Download]:
        """The latest downloads, oldest first: all, or those with one status."""
        return self._ask(lambda table: table.list(status, limit))

    @abstractmethod
    def _ask(self, question: Callable[[RowOperations], Coroutine[Any, Any, Result]]) -> Result:
        """The answer of the table."""


class SyncWithin(SyncOperations):
    """The same on the bot's own connection, in the transaction that is open there: nothing is begun or committed here.

    Errors of the driver are raised as they are. Reactor and watches see the row when the bot commits."""

    def __init__(self, connection: Any) -> None:
        self._table = engine.sync_within(connection)

    def _ask(self, question: Callable[[RowOperations], Coroutine[Any, Any, Result]]) -> Result:
        try:
            question(self._table).send(None)
        except StopIteration as answer:
            return answer.value  # type: ignore[no-any-return]
        raise AssertionError("it waited for an event loop")


class SyncQueue(SyncOperations):
    """The downloads of one database. Opening it creates the table, or adds the columns it lacks.

    Every method raises DatabaseError when the database cannot be used; `retryable` says whether that may pass."""

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True, poll_interval: float = 1.0) -> None:
        """Without `create` a missing database is an error. `poll_interval` is the longest delay of a watch, in seconds,
        where the system does not tell of changes."""
        self._queue = Queue(path, create=create, poll_interval=poll_interval)
        self._thread: LoopThread | None = None
        """The last one that was started."""
        self._opened = False

    @staticmethod
    def within(connection: Any) -> SyncOperations:
        """`add`, `cancel`, `retry`, `choose`, `set_defaults`, `defaults`, `set_weight`, `get`, `children` and `list` on
        your own connection, in the transaction that is open there: of sqlite3, or on PostgreSQL of psycopg or
        SQLAlchemy (Connection, Session). Raises DatabaseError for any other."""
        return SyncWithin(connection)

    def __enter__(self) -> Self:
        if self._opened:
            raise DatabaseError("This queue is open already.")
        thread = LoopThread(self._queue, "reactor queue")
        thread.start()
        self._thread, self._opened = thread, True
        return self

    def __exit__(self, *_: object) -> None:
        """What other threads have asked for is answered; their watches end."""
        self._opened = False
        if self._thread is not None:
            self._thread.stop()

    def __reduce__(self) -> NoReturn:
        raise TypeError("A SyncQueue cannot be sent to another process: open one there.")

    def watch(self, id: int) -> Generator[Download, None, None]:
        """The download as it is now, then each time it has changed; ends with the final row, or when it is deleted."""
        return self._each(self._queue.watch(id))

    def watch_all(self) -> Generator[Download, None, None]:
        """Every download that is not over, then each row that has changed, up to its end. Ends with the queue.

        What a bot does with a row after that (`uploading`, …) is not among it: use `changes`."""
        return self._each(self._queue.watch_all())

    def counts(self) -> Counts:
        """How many rows are not over, and how old the oldest is."""
        return self._call(self._queue.counts)

    def position(self, id: int) -> Position | None:
        """Where a pending download stands, and why it waits: as `Queue.position`."""
        return self._call(partial(self._queue.position, id))

    def owners(self, limit: int = LIST_MAX) -> builtins.list[OwnerAccount]:
        """Owners that have downloads which are not over, or another weight than 1: as `Queue.owners`."""
        return self._call(partial(self._queue.owners, limit))

    def overview(self, shown_max: int = 50) -> Overview:
        """What is under way, what is next, what ended last: at most `shown_max` rows of each."""
        return self._call(partial(self._queue.overview, shown_max))

    def set_cookies(self, owner: str | int | None, name: str, text: str) -> CookieJarInfo:
        """Keep the cookies of an owner under a name: as `Queue.set_cookies`. Raises CookiesError."""
        return self._call(partial(self._queue.set_cookies, owner, name, text))

    def list_cookies(self, owner: str | int | None) -> builtins.list[CookieJarInfo]:
        """The jars of an owner, without what is in them."""
        return self._call(partial(self._queue.list_cookies, owner))

    def list_all_cookies(self) -> builtins.list[CookieJarInfo]:
        """The jars of all owners, without what is in them."""
        return self._call(self._queue.list_all_cookies)

    def remove_cookies(self, owner: str | int | None, name: str) -> bool:
        """Delete a jar of an owner. False when there is none of that name."""
        return self._call(partial(self._queue.remove_cookies, owner, name))

    def changes(self) -> Generator[None, None, None]:
        """Yields now and after every commit to the database, so that you can run your own queries. Ends with the
        queue."""
        return self._each(self._queue.changes())

    def _ask(self, question: Callable[[RowOperations], Coroutine[Any, Any, Result]]) -> Result:
        return self._call(partial(self._queue._ask, question))

    def _each(self, found: AsyncGenerator[Found, None]) -> Generator[Found, None, None]:
        async def following() -> tuple[Found] | None:
            try:
                return (await anext(found),)
            except StopAsyncIteration:
                return None

        with suppress(_Closed):
            while (one := self._call(following)) is not None:
                try:
                    yield one[0]
                except GeneratorExit:
                    if self._thread is not None:
                        self._thread.tell(found.aclose)
                    raise

    def _call(self, function: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        if self._thread is None:
            raise DatabaseError("The queue is not open.", hint="Use it inside `with SyncQueue(…) as queue`.")
        if not self._opened:
            raise _Closed("The queue is closed.")
        try:
            return self._thread.ask(function)
        except ThreadEnded as error:
            raise _Closed("The queue is closed.") from error
        except Forked as error:
            raise DatabaseError(
                "This queue was opened in another process, before a fork.", hint="Open a SyncQueue in each process."
            ) from error


class _Closed(DatabaseError):
    """Asked after its end."""
