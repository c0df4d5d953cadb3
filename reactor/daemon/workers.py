"""The work that runs for jobs: one cancel scope for each job and attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVarTuple

import anyio
from anyio.abc import TaskGroup

from reactor.core.job import Attempt

Arguments = TypeVarTuple("Arguments")


class Workers:
    """Starts work in one task group and stops it by attempt. What a stopped worker still says is the
    machine's to drop."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._scopes: dict[Attempt | None, set[anyio.CancelScope]] = {}

    def start(
        self,
        attempt: Attempt | None,
        work: Callable[[*Arguments], Awaitable[None]],
        *arguments: *Arguments,
    ) -> None:
        """Run `work` until it ends, or `stop` is called for its attempt (None: for no attempt in particular)."""
        scope = anyio.CancelScope()
        self._scopes.setdefault(attempt, set()).add(scope)
        self._tasks.start_soon(self._run, attempt, scope, work, arguments)

    async def _run(
        self,
        attempt: Attempt | None,
        scope: anyio.CancelScope,
        work: Callable[[*Arguments], Awaitable[None]],
        arguments: tuple[*Arguments],
    ) -> None:
        try:
            with scope:
                await work(*arguments)
        finally:
            scopes = self._scopes[attempt]
            scopes.discard(scope)
            if not scopes:
                del self._scopes[attempt]

    def stop(self, attempt: Attempt) -> None:
        """Cancel all that runs for `attempt`."""
        for scope in self._scopes.get(attempt, ()):
            scope.cancel()
