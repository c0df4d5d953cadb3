"""Serves a database until the process is to end.

When another file takes the database's place, nothing that was open is of use any more: all of it is closed, and opened
anew in the same process (`life`).
"""

from __future__ import annotations

import os
from collections.abc import Callable

import anyio

from reactor import __version__, notices
from reactor.concurrency.groups import unwrapped
from reactor.daemon.effects.database import Rows, machine_of
from reactor.daemon.leaving import Leaving
from reactor.daemon.life import Lasting, live
from reactor.daemon.policy import limits_of
from reactor.daemon.probes import Probes
from reactor.database.engine import lock
from reactor.errors import DatabaseError
from reactor.files.staging import staging_of
from reactor.journal.journal import Journal
from reactor.journal.recording import Recorder
from reactor.presets import Presets
from reactor.settings import Settings

OPEN_AGAIN_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to open the file that has taken the database's place."""


async def serve(
    settings: Settings,
    journal: Journal,
    *,
    handle_signals: bool = True,
    on_ready: Callable[[], None] | None = None,
    stop: anyio.Event | None = None,
    probes: Probes | None = None,
    recorder: Recorder | None = None,
    lasting_files: bool = True,
) -> None:
    """Serve the database until SIGTERM, SIGINT or `stop`; leave everything resumable.

    `on_ready` is called once, when aria2 is connected and rows can be claimed; `probes` are attached to what is open;
    `recorder` records what the core is told; without `lasting_files` retention never knows of what is published.
    Raises ReactorError when it cannot start, or cannot go on (a wrong secret, another server in aria2's place)."""
    limits, leaving = limits_of(settings), Leaving(settings.drain_s)
    staging = staging_of(
        settings, lambda size, options: limits.quotas.of(options).too_large(size), lasting=lasting_files
    )
    presets = Presets(settings.presets, lambda reason: journal.tell(notices.PresetsUnusable(reason=reason)))
    lasting = Lasting(settings, limits, staging, journal, leaving, probes, recorder, on_ready, presets.asked_of)
    with lock(settings.download_db, machine=machine_of(settings)), unwrapped():
        async with anyio.create_task_group() as tasks:

            async def started(rows: Rows) -> None:
                if handle_signals:
                    await tasks.start(leaving.take_signals)
                if stop is not None:
                    tasks.start_soon(leaving.follow, stop)
                journal.tell(
                    notices.ReactorStarted(
                        version=__version__,
                        pid=os.getpid(),
                        database=str(settings.download_db.absolute()),
                        download_dir=str(staging.download_dir),
                        database_made=rows.store.created,
                    )
                )

            replaced = await live(lasting, started)
            while replaced and not leaving.asked.is_set():
                replaced = await _live_again(lasting)
            if replaced:  # nobody was there to tell it
                journal.tell(notices.ReactorStopped(reason=leaving.reason, left=0))
            tasks.cancel_scope.cancel()


async def _live_again(lasting: Lasting) -> bool:
    """With the file that is there now, or with the next one that can be opened."""

    async def opened(rows: Rows) -> None:
        lasting.journal.tell(notices.DatabaseRecovered(replaced=True))

    tries = 0
    while not lasting.leaving.asked.is_set():
        try:
            return await live(lasting, opened, again=True)
        except DatabaseError as error:
            if not tries:
                lasting.journal.tell(notices.DatabaseTroubled(reason=error.failure.text))
        with anyio.move_on_after(OPEN_AGAIN_S[min(tries, len(OPEN_AGAIN_S) - 1)]):
            await lasting.leaving.asked.wait()
        tries += 1
    return True
