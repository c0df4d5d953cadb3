"""`reactor replay --into`: in place of a reactor, for a bot's own tests. Nothing is downloaded: the rows of the bot's
database go through what the recorded ones went through, at the recorded pace or faster."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import anyio

from reactor.core import commands, events
from reactor.core.commands import Save
from reactor.core.job import Attempt
from reactor.core.machine import Machine
from reactor.database.contract import RETRY_MAX_S
from reactor.database.engine import lock, open_store
from reactor.database.store import Store
from reactor.errors import ReactorError
from reactor.journal.recording import Begun, Step, Unread

OWNER = "stand-in"
LOOK_S = 0.05
PATIENCE_S = 60.0
"""How long it waits for the bot to insert the next row."""


async def play_into(path: Path, recording: Iterable[Begun | Step | Unread], speed: float) -> int:
    """Play it; how many rows it has taken. Each recorded row is played on the oldest one that is pending then.

    Raises ReactorError when the bot inserts too few, DatabaseError when the database cannot be used, DatabaseInUse
    when a reactor serves it."""
    with lock(path):
        async with open_store(path, owner=OWNER) as store:
            return await _play(StandIn(store), recording, speed)


async def _play(stand_in: StandIn, recording: Iterable[Begun | Step | Unread], speed: float) -> int:
    before: float | None = None
    for each in recording:
        if isinstance(each, Begun):
            stand_in.machine = Machine(each.limits)
            stand_in.machine.start()
        elif isinstance(each, Step):
            if before is not None:
                await anyio.sleep(max(0.0, each.now - before) / speed)
            before = each.now
            await stand_in.step(each)
    return stand_in.taken


class StandIn:
    """The recorded attempts, and those of the rows that they are played on."""

    def __init__(self, store: Store) -> None:
        self.machine: Machine
        self.taken = 0
        self._store = store
        self._played: dict[Attempt, Attempt] = {}
        self._rows: dict[int, int] = {}

    async def step(self, step: Step) -> None:
        """One event: claim what it says was claimed, save what the core then saves."""
        if isinstance(step.event, events.RowsPolled):
            for row in step.event.claimed:
                self._played[row.attempt] = await self._claim(row.attempt.download_id)
        saves = [
            self._ours(each) for each in self.machine.handle(step.event, step.now) if isinstance(each, get_args(Save))
        ]
        wanted = [save for save in saves if save is not None]
        for unsaved in await self._store.save(wanted, time.time()) if wanted else ():
            await self._store.save([commands.SaveCancelled(unsaved.attempt)], time.time())

    async def _claim(self, recorded: int) -> Attempt:
        """A row for a recorded one: its own from before, else the oldest that is pending."""
        with anyio.move_on_after(PATIENCE_S):
            while True:
                held = tuple(id for number, id in self._rows.items() if number != recorded)
                look = commands.PollRows((), 1, held)
                seen = (await self._store.poll(look, time.time(), RETRY_MAX_S)).rows
                if seen.claimed:
                    attempt = seen.claimed[0].attempt
                    self.taken += recorded not in self._rows
                    self._rows[recorded] = attempt.download_id
                    return attempt
                await anyio.sleep(LOOK_S if seen.due_in_s is None else min(LOOK_S, max(0.0, seen.due_in_s)))
        raise ReactorError(f"No row was pending within {PATIENCE_S:g} s; the recording has more of them.")

    def _ours(self, save: Save) -> Save | None:
        """The save for the row that is played on; None when there is none."""
        if isinstance(save, commands.SaveProgress):
            rows = [
                dataclasses.replace(row, attempt=self._played[row.attempt])
                for row in save.rows
                if row.attempt in self._played
            ]
            return commands.SaveProgress(tuple(rows)) if rows else None
        if save.attempt not in self._played:
            return None
        return dataclasses.replace(save, attempt=self._played[save.attempt])
