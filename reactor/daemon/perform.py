"""Carries out the commands of the machine: one arm for each.

Commands come in batches, one for each event, and keep their order. The saves of a batch commit, in one
transaction, before anything else of it starts; batches that wait together commit together. Each command says
itself what its place among the others is (`timing`). While the database is locked by somebody else everything
behind a save waits, and nothing is lost: the loop goes on taking events, aria2 goes on fetching.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from reactor.core import commands, events
from reactor.core.commands import Command, Save, Timing, attempt_of, is_save
from reactor.core.job import Attempt
from reactor.daemon.effects.aria2 import Downloading
from reactor.daemon.effects.database import Rows
from reactor.daemon.effects.work import Stages, unforeseen
from reactor.daemon.loop import Post
from reactor.daemon.workers import Workers
from reactor.database.store import Unsaved
from reactor.errors import DatabaseError
from reactor.journal.journal import Journal
from reactor.net.credentials import redact
from reactor.notices import DownloadClaimed, DownloadResumed, Notice

C = TypeVar("C", bound=Command)

LAZY_S = 0.02
"""How long the news that a row is in another stage may wait for another save to go with."""
SAVE_AGAIN_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Performer:
    """Carries out commands. `submit` never waits; `run` carries out what has to wait, until Exit or a cancel."""

    def __init__(
        self, rows: Rows, downloading: Downloading, stages: Stages, workers: Workers, journal: Journal, post: Post
    ) -> None:
        self._rows = rows
        self._downloading = downloading
        self._stages = stages
        self._workers = workers
        self._journal = journal
        self._post = post
        self._batches: deque[Sequence[Command]] = deque()
        self._taken: list[Command] = []
        """Of those what is being saved, or begins after that."""
        self._held: set[Attempt] = set()
        """The attempts of what is queued, or being saved."""
        self._waiting = anyio.Event()
        self._stages_told: dict[Attempt | None, commands.SaveStage] = {}

    def submit(self, batch: Sequence[Command]) -> None:
        """Carry out what one event led to: at once, unless it has to be saved first, or is about an attempt for
        which something waits. The queue has no limit of its own: the machine has, it decides nothing new for a
        row before the outcome of what is queued."""
        if any(Timing.AT_ONCE in command.timing for command in batch):
            for command in batch:
                if Timing.AT_ONCE in command.timing:
                    self._start(command)
            batch = [command for command in batch if Timing.AT_ONCE not in command.timing]
        attempts = {attempt for command in batch if (attempt := attempt_of(command)) is not None}
        if any(is_waited_for(command) for command in batch) or attempts & self._held:
            self._batches.append(batch)
            self._held |= attempts
            self._waiting.set()
            return
        for command in batch:
            if isinstance(command, commands.SaveStage):
                self._stages_told[command.attempt] = command
                self._waiting.set()
            else:
                self._start(command)

    async def run(self) -> None:
        """Carry out what waits, batch after batch."""
        while True:
            await self._wait()
            self._taken = [command for batch in self._batches for command in batch]
            self._batches.clear()
            await self._save([command for command in self._taken if is_save(command)])
            if self._rows.leased:
                self._post(events.TimePassed())  # what took long to be saved may not be its own any more
            # What came meanwhile for the same attempts has waited, and still does: it is next.
            for command in self._taken:
                if isinstance(command, commands.Exit):
                    return
                if not is_save(command):
                    self._start(command)
            if not self._batches:
                self._held.clear()

    async def _wait(self) -> None:
        """Wait for a batch. A stage that was told and has waited long enough for one is written alone."""
        while not self._batches:
            if self._stages_told:
                with anyio.move_on_after(LAZY_S):
                    await self._next()
                if not self._batches:
                    await self._write(self._take_stages())
            else:
                await self._next()

    async def _next(self) -> None:
        await self._waiting.wait()
        self._waiting = anyio.Event()

    async def _save(self, saves: list[Save]) -> None:
        """Commit what cannot wait, and with it the stages that did."""
        for save in saves:
            if isinstance(save, commands.SaveStage):
                self._stages_told[save.attempt] = save
            elif Timing.SAYS_STAGE in save.timing:
                self._stages_told.pop(attempt_of(save), None)
        urgent = last_words([save for save in saves if Timing.MAY_WAIT not in save.timing])
        # What is still told then came after all that would supersede it.
        if urgent:
            await self._write([*urgent, *self._take_stages()])

    def _take_stages(self) -> list[Save]:
        waited: list[Save] = [*self._stages_told.values()]
        self._stages_told.clear()
        return waited

    async def _write(self, saves: list[Save]) -> None:
        unsaved = await self._commit(saves)
        refused = {event.attempt for event in unsaved}
        for event in unsaved:
            self._drop(event.attempt)  # it was decided before the machine heard of this
            self._post(event)
        for save in saves:
            attempt = attempt_of(save)
            if attempt is None or attempt in refused:
                continue
            if Timing.ENTRIES in save.timing:
                self._post(events.EntriesSaved(attempt))
            if Timing.LAST in save.timing:
                self._post(events.Saved(attempt))

    async def _commit(self, saves: list[Save]) -> tuple[Unsaved, ...]:
        tries = 0
        while True:
            try:
                return await self._rows.apply(saves)
            except DatabaseError as error:
                self._post(events.DatabaseFailed(error.failure, saving=True))
            await anyio.sleep(SAVE_AGAIN_S[min(tries, len(SAVE_AGAIN_S) - 1)])
            tries += 1

    def _start(self, command: Command) -> None:
        match command:
            case commands.Tell():
                self._journal.tell(_shown(command.notice))
            case commands.StopWork():
                self._workers.stop(command.attempt)
            case commands.Fence():
                self._fence(command)
            case commands.PollRows():
                self._workers.start(None, self._rows.poll, command)
            case commands.Recover():
                self._workers.start(None, self._rows.recover, command)
            case commands.RenewLease():
                self._workers.start(None, self._rows.renew_lease, command)
            case commands.TakeOver():
                self._workers.start(None, self._rows.take_over, command)
            case commands.ReadPlan():
                self._work(command.attempt, self._rows.read_plan, command)
            case commands.Detect():
                self._work(command.attempt, self._stages.detect, command)
            case commands.Prefetch():
                self._workers.start(None, self._stages.prefetch, command)
            case commands.Extract():
                self._work(command.attempt, self._stages.extract, command)
            case commands.Finish():
                self._work(command.attempt, self._stages.finish, command)
            case commands.Discard():
                self._workers.start(None, self._stages.discard, command)
            case commands.Tidy():
                self._workers.start(None, self._stages.tidy, command)
            case commands.AddTransfers():
                self._work(command.attempt, self._downloading.add, command)
            case commands.RemoveTransfers():
                self._workers.start(None, self._downloading.remove, command)
            case commands.ForgetTransfers():
                self._workers.start(None, self._downloading.forget, command)
            case commands.AskStatus():
                self._workers.start(None, self._downloading.ask, command)
            case commands.Inquire():
                self._workers.start(command.attempt, self._downloading.inquire, command)
            case commands.Allow():
                self._downloading.allow(command)
            case commands.Widen():
                self._workers.start(command.attempt, self._downloading.widen, command)
            case commands.MeasureDisk():
                self._workers.start(None, self._stages.measure_disk, command)
            case commands.CleanUp():
                self._workers.start(None, self._downloading.clean_up, command)
            case _:
                raise AssertionError(f"no arm for {command!r}")

    def _fence(self, command: commands.Fence) -> None:
        self._workers.stop(command.attempt)
        self._drop(command.attempt)
        if command.gids:
            self._workers.start(None, self._downloading.remove, command)

    def _drop(self, attempt: Attempt) -> None:
        """What is queued for an attempt is still saved, if its row is its own; nothing of it begins. What is decided
        from now on does: a row that a bot has made anew may have the same attempt."""
        self._taken = [each for each in self._taken if not begins(each, attempt)]
        self._batches = deque([each for each in batch if not begins(each, attempt)] for batch in self._batches)

    def _work(self, attempt: Attempt, work: Callable[[C], Awaitable[None]], command: C) -> None:
        """Begin work for an attempt; StopWork ends it."""
        self._workers.start(attempt, self._failing_alone, attempt, work, command)

    async def _failing_alone(self, attempt: Attempt, work: Callable[[C], Awaitable[None]], command: C) -> None:
        """What nobody foresaw ends this attempt and nothing else: one stranger's answer must not stop everybody's
        downloads, and then again at each start."""
        try:
            await work(command)
        except Exception as error:  # noqa: BLE001
            self._post(events.WorkFailed(attempt, unforeseen(error)))


def last_words(saves: Sequence[Save]) -> list[Save]:
    """Drop a last write that is followed by another one of the same attempt: only that one is written and answered."""
    last = {attempt_of(save): save for save in saves if Timing.LAST in save.timing}
    return [save for save in saves if Timing.LAST not in save.timing or last[attempt_of(save)] is save]


def is_waited_for(command: Command) -> bool:
    """True if the rest of its batch has to wait for it."""
    if Timing.SAVE in command.timing:
        return Timing.MAY_WAIT not in command.timing
    return Timing.BARRIER in command.timing


def begins(command: Command, attempt: Attempt) -> bool:
    """True if it would begin work for this attempt."""
    return Timing.BEGINS in command.timing and attempt_of(command) == attempt


def _shown(notice: Notice) -> Notice:
    """The notice with credentials removed from its URL."""
    if isinstance(notice, DownloadClaimed | DownloadResumed):
        return dataclasses.replace(notice, url=redact(notice.url))
    return notice
