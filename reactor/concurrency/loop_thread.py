"""An event loop in a thread of its own, for programs that do not await.

Between it and the threads that ask there is no lock that Python code holds: a Ctrl-C is raised anywhere in the main
thread, also between taking such a lock and the `with` that would let go of it, and both sides would wait for ever.
What is shared is a set, whose changes are atomic, and `SimpleQueue`, which is C.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from queue import SimpleQueue
from typing import Any, Generic, TypeVar, cast

import anyio

END_DEADLINE_S = 60.0
EXIT_DEADLINE_S = 5.0
"""How long the end of the program waits for what was left open."""
Result = TypeVar("Result")


class ThreadEnded(Exception):
    """Asked after its end."""


class Forked(Exception):
    """Asked in a child of the process that has started the thread: there is no such thread there."""


class _Call(Generic[Result]):
    """One question, and the way back for its answer."""

    def __init__(self, function: Callable[[], Coroutine[Any, Any, Result]]) -> None:
        self.function = function
        self._answers: SimpleQueue[tuple[Result | None, BaseException | None]] = SimpleQueue()
        self.answered = False
        self.task: asyncio.Task[Result] | None = None
        self.given_up = False

    def settle(self, task: asyncio.Task[Result]) -> None:
        """In the loop: hand over how it ended."""
        if task.cancelled():
            self.fail(ThreadEnded())
        elif error := task.exception():
            self.fail(error)
        else:
            self._answer(task.result(), None)

    def fail(self, error: BaseException) -> None:
        """Answer with an error."""
        self._answer(None, error)

    def _answer(self, result: Result | None, error: BaseException | None) -> None:
        self.answered = True
        self._answers.put((result, error))

    def wait(self) -> Result:
        """In the thread that asks."""
        result, error = self._answers.get()
        if error is not None:
            raise error
        return cast("Result", result)

    def give_up(self) -> None:
        """In the loop: nobody waits for it any more."""
        if self.task is not None:
            self.task.cancel()


class LoopThread:
    """Keeps `context` open in its loop, from `start` to `stop`. Not to be started twice."""

    def __init__(self, context: AbstractAsyncContextManager[object], name: str) -> None:
        self._context = context
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scope: anyio.CancelScope
        self._begun: SimpleQueue[BaseException | None] = SimpleQueue()
        self._calls: set[_Call[object]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._over = False

    @property
    def is_ours(self) -> bool:
        """False in a child that was forked since."""
        return self._pid == os.getpid()

    def start(self) -> None:
        """Start it, and wait until the context is open. Raises what opening it raises."""
        try:
            atexit.register(self.stop, EXIT_DEADLINE_S)
            self._thread.start()
            if error := self._begun.get():
                raise error
        except BaseException:
            self.stop()
            raise

    def stop(self, deadline_s: float = END_DEADLINE_S) -> None:
        """Close the context, let everything that was asked before be answered, and end the thread."""
        if not self.is_ours:
            return
        self._stopping = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._leave)
        if self._thread.is_alive():  # it is not while a Ctrl-C ends `start`: then it sees `_stopping`
            self._thread.join(deadline_s)
        atexit.unregister(self.stop)

    def ask(self, function: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Await `function()` in the loop. Raises what it raises, ThreadEnded, Forked."""
        if not self.is_ours:
            raise Forked
        call = _Call(function)
        self._calls.add(cast("_Call[object]", call))
        loop = self._loop
        try:
            if self._over or loop is None:
                raise ThreadEnded
            _post(loop, lambda: self._take(call))
            return call.wait()
        except BaseException:  # for Ctrl-C, wherever in here it comes
            if not call.answered and loop is not None:
                call.given_up = True
                with suppress(ThreadEnded):
                    _post(loop, call.give_up)
            raise
        finally:
            self._calls.discard(cast("_Call[object]", call))

    def tell(self, function: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Have `function()` awaited in the loop, and wait for nothing: for finalizers, in which a Ctrl-C is lost."""
        if self.is_ours and self._loop is not None and not self._over:
            call = _Call(function)
            with suppress(ThreadEnded):
                _post(self._loop, lambda: self._take(call))

    # In the thread

    def _serve(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001  (it is raised in the thread that waits for the start)
            self._begun.put(error)
        finally:
            self._over = True
            self._begun.put(ThreadEnded())
            for call in tuple(self._calls):
                call.fail(ThreadEnded())

    async def _main(self) -> None:
        self._scope = anyio.CancelScope()
        self._loop = asyncio.get_running_loop()
        try:
            with self._scope:
                if self._stopping:
                    return
                async with self._context:
                    self._begun.put(None)
                    await anyio.sleep_forever()
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self._over = True

    def _leave(self) -> None:
        self._scope.cancel()

    def _take(self, call: _Call[Result]) -> None:
        if self._over:  # a task that begins now would never run
            call.fail(ThreadEnded())
        elif not call.given_up:
            call.task = asyncio.get_running_loop().create_task(call.function())
            self._tasks.add(call.task)
            call.task.add_done_callback(self._tasks.discard)
            call.task.add_done_callback(call.settle)


def _post(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError as error:  # the loop is closed
        raise ThreadEnded from error
