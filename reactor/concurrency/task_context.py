"""An async context manager that one task opens and another closes.

Hooks of frameworks (python-telegram-bot's `post_init` and `post_shutdown`, aiogram's `on_startup`, fixtures, cells of a
notebook) enter in one task and leave in another, which task groups and cancel scopes do not allow. So the context
lives in a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractAsyncContextManager

import anyio

from reactor.errors import ReactorError

_log = logging.getLogger(__name__)


class TaskContext:
    """Holds one context open at a time. `what` names it in sentences: `Queue`."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._scope: anyio.CancelScope
        self._task: asyncio.Task[None] | None = None

    async def enter(self, context: AbstractAsyncContextManager[object]) -> None:
        """Open it. What opening it raises is raised here; a cancel closes what was opened already.

        Raises ReactorError when no asyncio loop runs (trio), and when another context is open."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise ReactorError(
                f"`{self._what}` needs an event loop of asyncio, and none runs here.",
                hint="Under trio use `SyncQueue` in a thread (`trio.to_thread.run_sync`), and `reactor run` beside it.",
            ) from error
        if self._task is not None:
            raise ReactorError(f"This `{self._what}` is open already.", hint="Make one for each `async with`.")
        ready: asyncio.Future[None] = loop.create_future()
        self._scope, self._leave = anyio.CancelScope(), asyncio.Event()
        self._task = task = loop.create_task(self._hold(context, ready), name=f"reactor {self._what}")
        try:
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            self._scope.cancel()
            self._task = None
            await _until_done(task)
            raise
        if not ready.done():
            self._task = None
            task.result()
            raise ReactorError(f"`{self._what}` was cancelled while it opened.")
        task.add_done_callback(self._tell)

    async def exit(self) -> None:
        """Close it. Raises what closing it raises, and what has closed it before it was asked to."""
        if self._task is None:
            return
        if self._task.get_loop() is not asyncio.get_running_loop():
            raise ReactorError(
                f"This `{self._what}` was opened in another event loop.", hint="Close it in the one that opened it."
            )
        task, self._task = self._task, None
        self._leave.set()
        await _until_done(task)
        if not task.cancelled():
            task.result()

    @property
    def failure(self) -> BaseException | None:
        """What has closed it before it was asked to."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    async def _hold(self, context: AbstractAsyncContextManager[object], ready: asyncio.Future[None]) -> None:
        with self._scope:
            async with context:
                ready.set_result(None)
                await self._leave.wait()

    def _tell(self, task: asyncio.Task[None]) -> None:
        if task is self._task and (error := self.failure) is not None:  # nobody waits for its end
            _log.error("%s has ended: %s", self._what, error, exc_info=error)


async def _until_done(task: asyncio.Task[None]) -> None:
    """Wait for its end, however often we are cancelled meanwhile; the cancel goes on from here then."""
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        raise cancelled
