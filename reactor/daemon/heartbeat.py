"""Says in the database that this reactor serves it, with which aria2c, and that it has left."""

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
from reactor.aria2.connection import Aria2Connection
from reactor.daemon import clock
from reactor.daemon.effects.database import Rows
from reactor.daemon.probes import Vitals
from reactor.database.sqlite.presence import Presence, begun, store
from reactor.errors import Aria2Error, DatabaseError


@asynccontextmanager
async def present(
    rows: Rows, aria2: Aria2Connection, tasks: TaskGroup, vitals: Vitals | None = None
) -> AsyncIterator[None]:
    """Here for the time of the block. A database that cannot be written to goes without: nothing depends on it."""
    pid = os.getpid()
    page, metrics = (vitals.page, vitals.metrics) if vitals else (None, None)
    here = Presence(pid, socket.gethostname(), begun(pid), clock.wall(), __version__, page=page, metrics=metrics)

    async def introduce() -> None:
        nonlocal here
        await _write(rows, here)
        with suppress(Aria2Error):
            await aria2.wait_connected()
            here = replace(here, aria2=(await aria2.call(methods.get_version())).version)
            await _write(rows, here)

    tasks.start_soon(introduce)
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            rows.hurry()  # nothing depends on what comes now
            await _write(rows, replace(here, stopped=True, since=clock.wall()))


async def _write(rows: Rows, presence: Presence) -> None:
    with suppress(DatabaseError):
        await rows.database.run(store, presence)
