"""One cancel scope for each attempt."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from reactor.core.job import Attempt
from reactor.daemon.workers import Workers

ONE, TWO = Attempt(1, 1), Attempt(1, 2)


async def test_stopping_an_attempt_stops_all_of_its_work_and_no_other() -> None:
    ended: list[str] = []
    go_on = anyio.Event()

    async def work(name: str) -> None:
        try:
            await go_on.wait()
            ended.append(f"{name} done")
        finally:
            ended.append(f"{name} over")

    async with anyio.create_task_group() as tasks:
        workers = Workers(tasks)
        workers.start(ONE, work, "a")
        workers.start(ONE, work, "b")
        workers.start(TWO, work, "c")
        workers.start(None, work, "d")
        await anyio.wait_all_tasks_blocked()
        workers.stop(ONE)
        await anyio.wait_all_tasks_blocked()
        assert sorted(ended) == ["a over", "b over"]
        workers.stop(ONE)
        go_on.set()
    assert sorted(ended) == ["a over", "b over", "c done", "c over", "d done", "d over"]


async def test_work_stopped_before_it_began_never_begins() -> None:
    begun: list[int] = []

    async def work() -> None:
        begun.append(1)
        await anyio.lowlevel.checkpoint()
        begun.append(2)

    async with anyio.create_task_group() as tasks:
        workers = Workers(tasks)
        workers.start(ONE, work)
        workers.stop(ONE)
    assert 2 not in begun
