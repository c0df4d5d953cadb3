"""The database side of the performer: what is read and written, and the doorbell."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import anyio
from anyio import to_thread

from reactor import notices
from reactor.concurrency.bell import Bell
from reactor.core import commands, events
from reactor.core.job import Attempt
from reactor.core.rows import ClaimedRow
from reactor.daemon import clock
from reactor.daemon.heap import give_back
from reactor.daemon.loop import Post
from reactor.daemon.policy import caps_of
from reactor.database.contract import REPLACED
from reactor.database.engine import open_store
from reactor.database.store import ByText, Recovery, Store, Unsaved
from reactor.errors import DatabaseError, DatabaseInUse, Failure
from reactor.extractors.detect import by_text
from reactor.files.staged_checks import CONTROL_SUFFIXES
from reactor.files.staging import Staging
from reactor.files.whole_parts import whole_parts
from reactor.journal.journal import Journal
from reactor.row_options import ReadOptions, asked_of
from reactor.settings import Settings

READ_AGAIN_S = 1.0
STUCK_MAX = 20
"""So many reasons are told why rows take nothing."""


class Rows:
    """An open database, as long as no other file takes its place."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        staging: Staging,
        journal: Journal,
        post: Post,
        *,
        joined: bool = False,
        read_options: ReadOptions = asked_of,
    ) -> None:
        """`joined`: this process has served another database before."""
        self.store = store
        self._poll_interval = settings.download_poll_interval
        self._retry_max_s = settings.retry_max_delay_s
        self.slots, self.owner_max = settings.max_concurrent_downloads, settings.owner_max
        self.host_max = settings.host_max
        self._caps = caps_of(settings)
        self._staging = staging
        self._journal = journal
        self._post = post
        self._read_options = read_options
        self._joined = joined
        """True once it is noted which rows the process before this one may have died of."""
        self.leased = store.leased
        """True where several machines may serve the queue."""
        self.changed = Bell()
        """Rings when the database has changed."""
        self.quiet = anyio.Event()
        """Set once there was nothing to claim."""
        self.finished = Bell()
        """Rings when a row has been downloaded."""
        self.stuck: dict[str, int] = {}
        """Why rows take nothing that is written, with the first of them."""
        self.by_text: ByText = by_text
        """Says the kind of a URL where its text tells it."""
        self.on_change: Callable[[str], None] | None = None
        """Told, if set, which layer of the change feed has rung."""

    def hurry(self) -> None:
        """The process is about to end: wait for no other writer of the database."""
        self.store.hurry()

    # One method for each command; the outcome is posted as an event

    async def poll(self, command: commands.PollRows) -> None:
        """Read, end what was cancelled, and claim, in one transaction."""
        try:
            polled = await self.store.poll(command, clock.wall(), self._retry_max_s, self.by_text, self._read_options)
        except DatabaseError as error:
            self._post(events.DatabaseFailed(error.failure))
        else:
            self._note_stuck(polled.stuck)
            self._post(polled.rows)
            if command.claim and not polled.rows.claimed:
                self.quiet.set()

    def _note_stuck(self, stuck: Mapping[int, Failure]) -> None:
        for id, failure in stuck.items():
            if failure.text not in self.stuck and len(self.stuck) < STUCK_MAX:
                self.stuck[failure.text] = id
                self.changed.ring()

    async def recover(self, command: commands.Recover) -> None:
        """What an earlier run left: rows, plans, and staging folders that no plan knows."""
        try:
            if not self._joined:
                await self.store.join()
                self._joined = True
            await self.store.allow(self._caps, clock.wall())
            found = await self._take_over(await self.store.recover(self._read_options))
        except DatabaseError as error:
            self._post(events.DatabaseFailed(error.failure))
        else:
            self._post(found)

    async def read_plan(self, command: commands.ReadPlan) -> None:
        """Of a row that was held back."""
        while True:
            try:
                found = await self.store.read_plan(command, self._read_options)
            except DatabaseError as error:
                self._post(events.DatabaseFailed(error.failure, saving=True))
                await anyio.sleep(READ_AGAIN_S)
            else:
                break
        if found is not None:
            self._post(found)

    async def renew_lease(self, command: commands.RenewLease) -> None:
        """Raises DatabaseInUse when another process has this machine's name now."""
        try:
            renewed = await self.store.renew_lease()
        except DatabaseInUse:
            raise
        except DatabaseError as error:
            self._post(events.RenewalFailed(error.failure))
        else:
            self._post(renewed)

    async def take_over(self, command: commands.TakeOver) -> None:
        """What other machines have lost."""
        taken = events.TakenOver(failed=True)
        try:
            taken = await self.store.take_over()
        except DatabaseError as error:
            self._post(events.DatabaseFailed(error.failure, saving=True))
        self._post(taken)

    async def leave(self) -> None:
        """Note that the process ends as it was asked to, unless the database cannot be written."""
        self.hurry()
        with suppress(DatabaseError):
            await self.store.leave()

    async def _take_over(self, recovery: Recovery) -> events.Recovered:
        """Raises DatabaseError."""
        found = recovery.found
        published = await to_thread.run_sync(self._strays, recovery)
        unnamed = await self.store.unnamed({id: str(path) for id, path in published.items() if path is not None})
        leftovers = (
            *found.leftovers,
            *(events.Leftover(Attempt(id, 0), 0, keep_result=id not in unnamed) for id in published),
        )
        rows = await to_thread.run_sync(lambda: tuple(map(self._with_parts, found.rows)))
        return replace(found, leftovers=leftovers, rows=rows)

    def _strays(self, recovery: Recovery) -> dict[int, Path | None]:
        """Rows whose folder no plan knows, each with what was published from it."""
        self._staging.adopt(recovery.found.instance)
        owned = {*recovery.planned, *(row.attempt.download_id for row in recovery.found.rows)}
        return {id: self._staging.published(id) for id in sorted(self._staging.leftovers() - owned)}

    def _with_parts(self, row: ClaimedRow) -> ClaimedRow:
        """With the parts that arrived after the last write of its progress."""
        if row.plan is None or len(row.plan.fetches) < 2 or not self._staging.shared:
            return row
        names = {fetch.name: n for n, fetch in enumerate(row.plan.fetches)}
        with suppress(OSError):
            folder = self._staging.folder(row.attempt.download_id)
            arrived = whole_parts(folder, names, CONTROL_SUFFIXES)
            return replace(row, done=row.done | {names[name] for name in arrived})
        return row

    async def apply(self, saves: Sequence[commands.Save]) -> tuple[Unsaved, ...]:
        """Commit saves in one transaction; those that could not be written. Raises DatabaseError."""
        unsaved = await self.store.save(saves, clock.wall())
        if any(isinstance(save, commands.SaveDownloaded) for save in saves):
            self.finished.ring()
        for save in saves:
            if isinstance(save, commands.SavePlan):
                give_back(len(save.extraction.fetches))  # what reading and writing it has left
        return unsaved

    # The doorbell

    async def watch(self) -> None:
        """Ring the machine for every change, until another file takes the database's place."""
        while True:
            try:
                await self.store.check()
                async with self.store.changes(self._poll_interval, self._polling_only) as feed:
                    self.changed.ring()  # what came before the feed began does not ring
                    self._post(events.DatabaseChanged("start"))
                    async for layer in feed:
                        if self.on_change:
                            self.on_change(layer)
                        if layer == "replaced":
                            return
                        self.changed.ring()
                        self._post(events.DatabaseChanged(layer))
            except DatabaseError as error:
                if error.code == REPLACED:
                    return
                self._post(events.DatabaseFailed(error.failure, saving=True))
            await anyio.sleep(READ_AGAIN_S)

    def _polling_only(self, reason: str) -> None:
        self._journal.tell(notices.FilesUnwatched(reason=reason))


def machine_of(settings: Settings) -> str:
    """The name of this machine among those that serve the queue."""
    return settings.machine_name.strip() or socket.gethostname()


@asynccontextmanager
async def open_rows(
    settings: Settings,
    staging: Staging,
    journal: Journal,
    post: Post,
    *,
    again: bool = False,
    read_options: ReadOptions = asked_of,
) -> AsyncIterator[Rows]:
    """Open the database. `again`: in place of another one, and only if it is there, since one that was deleted is not
    made anew. Raises DatabaseError."""
    here, column = machine_of(settings), settings.owner_column or None
    async with open_store(settings.download_db, owner=here, create=not again, owner_column=column) as store:
        yield Rows(store, settings, staging, journal, post, joined=again, read_options=read_options)
