"""Reports when the files of a database are touched. Every call is a hint: `changes.py` reads what it means.

On Linux the loop waits for inotify itself, which wakes nobody while nothing happens. watchfiles, for the other
systems, looks every few milliseconds (in a thread): at the 1 ms that would make it as quick, an idle process woke
900 times a second and took 3 % of a core.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import anyio

Watcher = Literal["inotify", "watchfiles"]
WATCHER: Watcher = "inotify" if sys.platform == "linux" else "watchfiles"
WATCHFILES_STEP_MS = 25

# From <sys/inotify.h>.
IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x2, 0x40, 0x80, 0x100, 0x200
IN_UNMOUNT, IN_Q_OVERFLOW, IN_IGNORED = 0x2000, 0x4000, 0x8000
WANTED = IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
ABOUT_THE_WATCH = IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED
"""Told without a name: events were lost, or there will be no more."""
EVENT = struct.Struct("iIII")
READ_BYTES = 64 * 1024


@asynccontextmanager
async def watch_files(
    folder: Path, names: Collection[str], stir: Callable[[], None], failed: Callable[[str], None], watcher: Watcher
) -> AsyncIterator[None]:
    """Call `stir` whenever one of `names` in `folder` is written, made, renamed or removed. When that cannot be
    told (the system's limits, as a rule) `failed` is called with the reason, once, and nothing else happens."""
    if watcher == "watchfiles":
        async with _watchfiles(folder, names, stir, failed):
            yield
        return
    try:
        descriptor = _inotify(folder)
    except OSError as error:
        failed(error.strerror or str(error))
        yield
        return
    loop = asyncio.get_running_loop()
    wanted = {os.fsencode(name) for name in names}
    loop.add_reader(descriptor, lambda: stir() if _is_about(os.read(descriptor, READ_BYTES), wanted) else None)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _inotify(folder: Path) -> int:
    """A descriptor that becomes readable with each event in `folder`, not in the folders below it."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if libc.inotify_add_watch(descriptor, os.fsencode(folder), WANTED) < 0:
        number = ctypes.get_errno()
        os.close(descriptor)
        raise OSError(number, os.strerror(number))
    return descriptor


def _is_about(told: bytes, wanted: Collection[bytes]) -> bool:
    """True when one of the events in `told` is about a wanted name, or about the watch itself."""
    at = 0
    while at < len(told):
        _, mask, _, length = EVENT.unpack_from(told, at)
        at += EVENT.size
        if mask & ABOUT_THE_WATCH or told[at : at + length].rstrip(b"\0") in wanted:
            return True
        at += length
    return False


@asynccontextmanager
async def _watchfiles(
    folder: Path, names: Collection[str], stir: Callable[[], None], failed: Callable[[str], None]
) -> AsyncIterator[None]:
    from watchfiles import awatch  # only where it is needed

    stop = anyio.Event()

    async def watch() -> None:
        changes = awatch(
            folder,
            watch_filter=lambda _, path: os.path.basename(path) in names,  # noqa: PTH119  (called for every event)
            step=WATCHFILES_STEP_MS,
            debounce=WATCHFILES_STEP_MS,
            rust_timeout=0,
            stop_event=stop,
            recursive=False,
        )
        try:
            async for _ in changes:
                stir()
        except (OSError, RuntimeError) as error:  # RuntimeError: what watchfiles makes of the system's limits
            failed(str(error))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        try:
            yield
        finally:
            stop.set()  # its thread does not hear of a cancellation
