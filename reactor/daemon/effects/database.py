"""The database side of the performer: what is read and written, and the doorbell."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TypeVar

import anyio
from anyio import to_thread

from reactor import notices
from reactor.core import commands, events
from reactor.core.job import Attempt
from reactor.daemon import clock
from reactor.database.engine import lock, open_store
from reactor.database.store import Polled, Recovery, Store, Unsaved
from reactor.errors import DatabaseError, Failure
from reactor.files.staging import Staging
from reactor.journal.journal import Journal
from reactor.settings import Settings

Answer = TypeVar("Answer")
Outcome = AsyncGenerator[events.Event, None]

READ_AGAIN_S = 1.0
OPEN_AGAIN_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""After another file took the database's place: how long until it is tried again to open it."""


STUCK_MAX = 20
"""So many reasons are told why rows take nothing."""


class Rows:
    """The database, opened anew when another file takes its place."""

    def __init__(
        self, settings: Settings, staging: Staging, journal: Journal, emit: Callable[[events.Event], Awaitable[None]]
    ) -> None:
        self._path = settings.download_db
        self._poll_interval = settings.download_poll_interval
        self._retry_max_s = settings.retry_max_delay_s
        self._staging = staging
        self._journal = journal
        self._emit = emit
        self._owner = socket.gethostname()
        self._stack = AsyncExitStack()
        self._store: Store | None = None
        self._counted = False
        """True once it is noted which rows the process before this one may have died of."""
        self._opened = 0
        """How many databases were opened, one after another; the commands name theirs by this number."""
        self.changed = anyio.Event()
        """Set when the database has changed since this was asked for."""
        self.stuck: dict[str, int] = {}
        """Why rows take nothing that is written, with the first of them."""
        self.on_change: Callable[[str], None] | None = None
        """Told, if set, which layer of the change feed has rung."""

    @property
    def store(self) -> Store:
        """The one that is open now."""
        assert self._store is not None
        return self._store

    async def open(self, *, create: bool = True) -> None:
        """Open the database, and close the one before. Raises DatabaseError."""
        stack = AsyncExitStack()
        store = await stack.enter_async_context(open_store(self._path, owner=self._owner, create=create))
        earlier, self._stack, self._store = self._stack, stack, store
        self._opened += 1
        await earlier.aclose()

    def hurry(self) -> None:
        """The process is about to end: wait for no other writer of the database."""
        self.store.hurry()

    async def close(self) -> None:
        """Close it, and its thread."""
        await self._stack.aclose()

    # One method for each command; each yields the outcome as an event

    async def poll(self, command: commands.PollRows) -> Outcome:
        """Read, end what was cancelled, and claim, in one transaction."""
        polled = await self._ask(command.database, lambda store: store.poll(command, clock.wall(), self._retry_max_s))
        if isinstance(polled, Polled):
            self._note_stuck(polled.stuck)
            yield polled.rows
        elif polled is not None:
            yield polled

    def _note_stuck(self, stuck: Mapping[int, Failure]) -> None:
        for id, failure in stuck.items():
            if failure.text not in self.stuck and len(self.stuck) < STUCK_MAX:
                self.stuck[failure.text] = id
                self._note_change()

    def _note_change(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()

    async def recover(self, command: commands.Recover) -> Outcome:
        """What an earlier run left: rows, plans, and staging folders that no plan knows. Of a database that was
        replaced by this one, nothing is left but its folders: they go."""
        if command.database == 1 and not self._counted:
            joined = await self._ask(command.database, lambda store: store.join())
            if joined is not None:
                yield joined
                return
            self._counted = True
        found = await self._ask(command.database, lambda store: store.recover())
        if isinstance(found, Recovery):
            recovered = await to_thread.run_sync(self._take_over, found.found, found.planned)
            if command.database == self._opened:
                yield recovered
        elif found is not None:
            yield found

    async def read_plan(self, command: commands.ReadPlan) -> Outcome:
        """Of a row that was held back."""
        while True:
            try:
                found = await self.store.read_plan(command)
            except DatabaseError as error:
                yield events.DatabaseFailed(error.failure, saving=True)
                await anyio.sleep(READ_AGAIN_S)
            else:
                break
        if found is not None:
            yield found

    async def leave(self) -> None:
        """Note that the process ends as it was asked to, unless the database cannot be written."""
        self.hurry()
        with suppress(DatabaseError):
            await self.store.leave()

    async def _ask(
        self, number: int, question: Callable[[Store], Awaitable[Answer]]
    ) -> Answer | events.DatabaseFailed | None:
        """The answer of the database that was opened as the `number`th; None when it is another one by now."""
        if number != self._opened:
            return None
        answer: Answer | events.DatabaseFailed
        try:
            answer = await question(self.store)
        except DatabaseError as error:
            answer = events.DatabaseFailed(error.failure)
        return answer if number == self._opened else None

    def _take_over(self, found: events.Recovered, planned: frozenset[int]) -> events.Recovered:
        self._staging.adopt(found.instance)
        owned = {*planned, *(row.attempt.download_id for row in found.rows)}
        stray = sorted(self._staging.leftovers() - owned)
        leftovers = (
            *found.leftovers,
            *(events.Leftover(Attempt(download_id, 0), 0, keep_result=True) for download_id in stray),
        )
        return replace(found, leftovers=leftovers)

    async def apply(self, saves: Sequence[commands.Save]) -> tuple[Unsaved, ...]:
        """Commit saves in one transaction; those that could not be written. Raises DatabaseError."""
        return await self.store.save(saves, clock.wall())

    # The doorbell

    async def watch(self) -> None:
        """Ring the machine for every change, for ever."""
        while True:
            try:
                async with self.store.changes(self._poll_interval, self._polling_only) as feed:
                    await self._emit(events.DatabaseChanged("start"))
                    async for layer in feed:
                        if self.on_change:
                            self.on_change(layer)
                        self._note_change()
                        if layer != "replaced":
                            await self._emit(events.DatabaseChanged(layer))
            except DatabaseError as error:
                await self._emit(events.DatabaseFailed(error.failure, saving=True))
            await self._open_again()
            await self._emit(events.DatabaseReplaced())

    async def _open_again(self) -> None:
        tries = 0
        while True:
            try:
                return await self.open(
                    create=False
                )  # a database that was deleted is not made anew behind anybody's back
            except DatabaseError as error:
                await self._emit(events.DatabaseFailed(error.failure, saving=True))
            await anyio.sleep(OPEN_AGAIN_S[min(tries, len(OPEN_AGAIN_S) - 1)])
            tries += 1

    def _polling_only(self, reason: str) -> None:
        self._journal.tell(notices.FilesUnwatched(reason=reason))


@asynccontextmanager
async def open_rows(
    settings: Settings, staging: Staging, journal: Journal, emit: Callable[[events.Event], Awaitable[None]]
) -> AsyncIterator[Rows]:
    """Take the database's lock and open it. Raises DatabaseError, DatabaseInUse when another reactor serves it."""
    rows = Rows(settings, staging, journal, emit)
    async with AsyncExitStack() as stack:
        stack.enter_context(lock(settings.download_db))
        stack.push_async_callback(rows.close)
        await rows.open()
        yield rows
