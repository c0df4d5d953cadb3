"""How verbs run what is asynchronous, and what the journal is shown on."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TypeVar

import anyio

from reactor.errors import ReactorError
from reactor.journal.journal import Journal, Sink
from reactor.journal.outlet import Outlet, Renderer

Result = TypeVar("Result")
STDIN, READ_BYTES = 0, 4096


def run_async(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run `work` to its end. A ReactorError out of a task group arrives as itself."""
    gc.enable()
    gc.freeze()  # what was imported stays: it is not looked through again and again
    try:
        return anyio.run(work)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to tell a person: the first of reactor's own, unless something else went wrong too."""
    ours, others = group.split(ReactorError)
    if ours is None or others is not None:
        return group
    error: BaseException = ours
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def open_journal(*renderers: tuple[Renderer, str], sinks: tuple[Sink, ...] = ()) -> Iterator[Journal]:
    """A journal shown by `renderers`, each with the name a person knows its place by."""
    with ExitStack() as stack:
        outlets = [stack.enter_context(Outlet(renderer, name)) for renderer, name in renderers]
        yield Journal([*sinks, *(outlet.offer for outlet in outlets)], now=time.time)


async def until_stdin_ends(stop: anyio.Event) -> None:
    """Set `stop` when nobody holds the other end of stdin any more."""
    os.set_blocking(STDIN, False)
    while True:
        await anyio.wait_readable(STDIN)
        with suppress(BlockingIOError):
            if not os.read(STDIN, READ_BYTES):
                return stop.set()
