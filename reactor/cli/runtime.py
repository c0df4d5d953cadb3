"""How verbs run what is asynchronous, and what the journal is shown on."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

import anyio

from reactor.errors import DatabaseInUse, ReactorError
from reactor.journal.stderr_log import logged_to_stderr

if TYPE_CHECKING:
    from reactor.journal.background_writer import Renderer
    from reactor.journal.journal import Journal, Sink

Result = TypeVar("Result")
STDIN, READ_BYTES = 0, 4096
HANDOVER_S, HANDOVER_LOOK_S = 10.0, 0.1
"""How long a reactor that has been told to end may take, with room to spare; how often it is looked for."""


def run_async(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run `work` to its end. A ReactorError out of a task group arrives as itself."""
    gc.enable()
    gc.freeze()  # what was imported stays: it is not looked through again and again
    try:
        with logged_to_stderr():
            return anyio.run(work)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to tell a person: the first of reactor's own, or the only one; unless something else went wrong too."""
    ours, others = group.split(ReactorError)
    error: BaseException = group if ours is None or others is not None else ours
    while isinstance(error, BaseExceptionGroup) and (len(error.exceptions) == 1 or others is None):
        error = error.exceptions[0]
    return error


@contextmanager
def open_journal(*renderers: tuple[Renderer, str], sinks: tuple[Sink, ...] = ()) -> Iterator[Journal]:
    """A journal shown by `renderers`, each with the name a person knows its place by."""
    from reactor.journal.background_writer import BackgroundWriter
    from reactor.journal.journal import Journal

    with ExitStack() as stack:
        writers = [stack.enter_context(BackgroundWriter(renderer, name)) for renderer, name in renderers]
        yield Journal([*sinks, *(writer.offer for writer in writers)], now=time.time)


async def until_stdin_ends(stop: anyio.Event) -> None:
    """Set `stop` when nobody holds the other end of stdin any more; at once where it has none (a file, /dev/null)."""
    os.set_blocking(STDIN, False)
    while True:
        try:
            await anyio.wait_readable(STDIN)
        except PermissionError:  # epoll_ctl(2): it cannot be waited for
            return stop.set()
        with suppress(BlockingIOError):
            if not os.read(STDIN, READ_BYTES):
                return stop.set()


async def until_process_ends(pid: int, stop: anyio.Event) -> None:
    """Set `stop` when the process that has started us has ended. Only Linux tells (pidfd_open(2)); elsewhere this
    returns at once.

    Its end of our stdin is not enough: whatever it has forked holds that too, and may outlive it."""
    if sys.platform != "linux":
        return
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return stop.set()
    except OSError:  # an old kernel, or a sandbox
        return
    try:
        if os.getppid() == pid:  # or it had ended before, and this is another one of its number
            await anyio.wait_readable(watched)
        stop.set()
    finally:
        os.close(watched)


async def until_free(database: os.PathLike[str]) -> None:
    """Wait for a reactor that is about to end, as that of a bot that has just been started again: for HANDOVER_S."""
    from reactor.database.engine import lock

    with anyio.move_on_after(HANDOVER_S):
        while True:
            try:
                with lock(database):
                    return
            except DatabaseInUse:
                await anyio.sleep(HANDOVER_LOOK_S)
