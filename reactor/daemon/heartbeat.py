"""Registers this reactor in the database: which process serves it, with which aria2c, that it drains, and that it has
stopped."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import anyio
from anyio.abc import TaskGroup

from reactor import __version__
from reactor.aria2 import methods
from reactor.aria2.router import Aria2Router
from reactor.daemon import clock
from reactor.daemon.effects.database import Rows
from reactor.daemon.leaving import Leaving
from reactor.daemon.probes import Probes
from reactor.database.presence import Presence, begun
from reactor.errors import Aria2Error, DatabaseError


@asynccontextmanager
async def registered(
    rows: Rows, aria2: Aria2Router, tasks: TaskGroup, leaving: Leaving, probes: Probes | None = None
) -> AsyncIterator[None]:
    """Registered within the block. Write errors are ignored: nothing depends on the entry."""
    pid = os.getpid()
    here = Presence(
        pid=pid,
        host=socket.gethostname(),
        begun=begun(pid),
        since=clock.wall(),
        version=__version__,
        page=probes.page if probes else None,
        metrics=probes.metrics if probes else None,
        slots=rows.slots,
        owner_max=rows.owner_max,
        host_max=rows.host_max,
    )

    async def introduce() -> None:
        nonlocal here
        await _write(rows, here)
        with suppress(Aria2Error):
            await aria2.wait_connected()
            version = (await aria2.call(methods.get_version())).version
            here = replace(here, aria2=version)  # it may drain by now
            await _write(rows, here)

    async def drain() -> None:
        nonlocal here
        await leaving.asked.wait()
        if leaving.drained_at is not None:
            here = replace(here, draining=True)
            await _write(rows, here)

    tasks.start_soon(introduce)
    tasks.start_soon(drain)
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            rows.hurry()  # nothing depends on this write
            await _write(rows, replace(here, stopped=True, draining=False, since=clock.wall()))


async def _write(rows: Rows, presence: Presence) -> None:
    with suppress(DatabaseError):
        await rows.store.renew(presence)
