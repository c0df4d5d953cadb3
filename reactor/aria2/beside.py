"""A background task for the time of an `async with` block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from anyio import create_task_group
from anyio.abc import TaskStatus


@asynccontextmanager
async def run_beside(task: Callable[[TaskStatus[None]], Awaitable[None]]) -> AsyncIterator[None]:
    """Run `task` beside the block: the block begins after `task_status.started()`, and its end cancels the task.

    When the task fails, the block is cancelled and the task's error is raised as it is, not in a group."""

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
        # One level only: a group that the block itself raised stays a group.
        if len(errors.exceptions) == 1:
            raise errors.exceptions[0] from errors.exceptions[0].__cause__
        raise
