"""A task beside a body, as an `async with`: what a connection and an aria2c of our own have in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from anyio import create_task_group
from anyio.abc import TaskStatus


@asynccontextmanager
async def background(task: Callable[[TaskStatus[None]], Awaitable[None]]) -> AsyncIterator[None]:
    """Run `task` from its `started()` until the body ends.

    When the task fails the body is cancelled and the task's error comes out as it is, not in a group."""

    async def run(*, task_status: TaskStatus[None]) -> None:
        await task(task_status)

    try:
        async with create_task_group() as group:
            await group.start(run)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        # One level only: a group of the body's own stays what it is.
        if len(errors.exceptions) == 1:
            raise errors.exceptions[0] from errors.exceptions[0].__cause__
        raise
