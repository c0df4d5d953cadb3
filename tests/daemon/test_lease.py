"""Whether what a machine has under way is still its own."""

from __future__ import annotations

import anyio
import pytest

from reactor.daemon.lease import Lease
from reactor.database.store import HELD_S


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_it_is_held_for_a_while_after_it_was_asked_for() -> None:
    clock = Clock()
    lease = Lease(needed=True, now=clock)
    seen = [lease.held]
    for passed, renewed in ((HELD_S, True), (HELD_S - 1.5, False), (0.5, False)):
        clock.now += passed
        seen.append(lease.held)
        if renewed:
            lease.renewed(clock.now - 1)
    assert seen == [True, False, True, False]


def test_where_nobody_else_serves_it_is_held() -> None:
    clock = Clock()
    lease = Lease(needed=False, now=clock)
    clock.now += 10 * HELD_S
    assert lease.held


async def test_who_waits_goes_on_with_a_renewal_that_is_new_enough() -> None:
    clock, passed = Clock(), list[str]()
    lease = Lease(needed=True, now=clock)
    await lease.wait()
    clock.now += HELD_S

    async def wait() -> None:
        await lease.wait()
        passed.append("waited")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        lease.renewed(100.0)
        await anyio.wait_all_tasks_blocked()
        assert passed == []
        lease.renewed(clock.now)
    assert passed == ["waited"]
