"""Reactors that serve one queue as several machines, each with an aria2c and a disk of its own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.real.harness import LOOK_S, Reactor

DEADLINE_S = 120.0


@asynccontextmanager
async def machine(folder: Path, url: str, name: str, slots: int, **settings: str) -> AsyncIterator[Reactor]:
    """A reactor that serves by this name."""
    (folder / name).mkdir()
    one = Reactor(
        folder / name,
        DOWNLOAD_DB=url,
        MACHINE_NAME=name,
        MAX_CONCURRENT_DOWNLOADS=str(slots),
        XDG_DATA_HOME=str(folder / "data"),
        **settings,
    )
    await one.start()
    try:
        yield one
    finally:
        if one.process is not None and one.process.returncode is None:
            one.process.send_signal(signal.SIGCONT)
            await one.stop()


async def until(condition: Callable[[], bool], seen: Callable[[], object]) -> None:
    """Wait until it holds."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise AssertionError(f"not so yet: {seen()}") from None
