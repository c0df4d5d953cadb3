"""KEEP_DAYS, KEEP_GIB and DELETE_STATUSES while reactor runs: it waits for the next file that is due, for the next
download that is done, or for the bot's next write, whichever of these can make something due. Otherwise it sleeps;
where nothing is asked for, what others have deleted is forgotten once a day."""

from __future__ import annotations

import math
from typing import Any

import anyio

from reactor import notices
from reactor.daemon import clock
from reactor.daemon.effects.database import Rows
from reactor.errors import DatabaseError
from reactor.files.kept import KeptFiles
from reactor.files.staging import KEPT, Staging
from reactor.journal.journal import Journal
from reactor.retention.cleaner import Cleaner, Outcome
from reactor.retention.policy import DAY_S, GRACE_S, policy_of
from reactor.settings import Settings

CLOCK_S = 3600.0
"""A file that waits for its day is looked at again after so long at the latest, for the clock may be set."""
AGAIN_S = 60.0
"""After the database could not be read, or the disk has refused."""
PAUSE_S, SHARE = 0.2, 20
"""Between two rounds: so long, and so many times what the last one took; a bot may write all the time."""


async def keep(rows: Rows, staging: Staging, settings: Settings, journal: Journal) -> None:
    """Delete what is due, until cancelled."""
    if not staging.shared:
        return
    files, policy = rows.store.published, policy_of(settings)
    kept = KeptFiles(staging.download_dir, staging.download_dir / KEPT, files.instance)
    cleaner, told = Cleaner(files, kept, policy), set[int]()
    while True:
        finished, changed, began = rows.finished.next, rows.changed.next, clock.monotonic()
        try:
            await cleaner.finish()
            if policy:
                wait_s = await _round(cleaner, journal, told)
            else:
                await cleaner.forget_gone()
                wait_s = DAY_S
        except DatabaseError:  # the machine meets it too, and tells
            wait_s = AGAIN_S
        if not policy:
            await anyio.sleep(wait_s)
            continue
        await anyio.sleep(max(PAUSE_S, SHARE * (clock.monotonic() - began)))
        await _any_of([finished, *([changed] if policy.statuses else [])], wait_s)


async def _round(cleaner: Cleaner, journal: Journal, told: set[int]) -> float:
    """Delete what is due now; after how many seconds something else may be. Raises DatabaseError."""
    refused = False
    async for outcome in cleaner.clean(clock.wall()):
        refused |= outcome.what == "refused"
        if outcome.what != "refused" or outcome.file.id not in told:
            journal.tell(_notice(outcome))
        if outcome.what == "refused":
            told.add(outcome.file.id)
    next_at = await cleaner.next_at()
    wait_s = math.inf if next_at is None else min(CLOCK_S, max(0.0, next_at - clock.wall()))
    if cleaner.full:  # what is too young now is old enough then
        wait_s = min(wait_s, GRACE_S)
    return AGAIN_S if refused else wait_s


def _notice(outcome: Outcome) -> notices.Notice:
    file, path = outcome.file, outcome.path
    of_row: dict[str, Any] = {"download_id": file.download_id, "attempt": file.attempt}
    if outcome.what == "deleted":
        return notices.FileDeleted(**of_row, path=path, size=outcome.freed, reason=outcome.reason.value)
    for_good = outcome.what == "changed"
    return notices.FileLeft(**of_row, path=path, reason=outcome.why or "", for_good=for_good)


async def _any_of(events: list[anyio.Event], wait_s: float) -> None:
    """Wait for one of them, at most so long."""
    with anyio.move_on_after(wait_s):
        async with anyio.create_task_group() as tasks:

            async def wait(event: anyio.Event) -> None:
                await event.wait()
                tasks.cancel_scope.cancel()

            for each in events:
                tasks.start_soon(wait, each)
