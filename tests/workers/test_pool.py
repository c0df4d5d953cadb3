"""Processes that are lent: one at a time, warm for the next, and none left behind."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio
import pytest
from anyio.abc import Process

from reactor.workers.pool import Pool
from tests.extractors.processes import runs, until


class Sleeper:
    """A process that does nothing."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def end(self) -> None:
        with anyio.CancelScope(shield=True):
            if self.alive:
                self._process.kill()
            await self._process.aclose()


class Sleepers(Pool[Sleeper]):
    async def _start(self) -> Sleeper:
        return Sleeper(await anyio.open_process(["sleep", "600"], stdin=None, stdout=None, stderr=None))


async def lent(pool: Sleepers) -> int:
    async with pool.slots, pool.lend() as one:
        return one.pid


async def test_one_serves_one_after_the_other_and_ends_with_the_pool() -> None:
    async with Sleepers(most=2, idle_s=60.0) as pool:
        assert (pool.starts, pool.pids) == (0, ())
        pids = {await lent(pool) for _ in range(3)}
        assert (pool.starts, set(pool.pids)) == (1, pids)
    assert not any(map(runs, pids))


async def test_the_one_used_last_is_lent_first() -> None:
    async with Sleepers(most=2, idle_s=60.0) as pool:
        async with AsyncExitStack() as first, pool.lend() as two:
            one = await first.enter_async_context(pool.lend())
            assert set(pool.pids) == {one.pid, two.pid}
            await first.aclose()
        assert [await lent(pool), pool.starts] == [two.pid, 2]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
async def test_an_error_ends_it(error: type[BaseException]) -> None:
    async with Sleepers(most=1, idle_s=60.0) as pool:
        with pytest.raises(error):
            async with pool.slots, pool.lend() as one:
                raise error
        assert (pool.pids, runs(one.pid)) == ((), False)
        assert await lent(pool) != one.pid


async def test_a_cancel_ends_it() -> None:
    async with Sleepers(most=1, idle_s=60.0) as pool:
        with anyio.CancelScope() as scope:
            async with pool.slots, pool.lend() as one:
                scope.cancel()
                await anyio.sleep_forever()
        assert (pool.pids, runs(one.pid)) == ((), False)


async def test_one_that_was_ended_or_died_is_not_lent_again() -> None:
    async with Sleepers(most=1, idle_s=60.0) as pool:
        async with pool.lend() as one:
            await one.end()
        assert pool.pids == ()
        async with pool.lend() as two:
            pass
        two._process.kill()
        await until(lambda: not two.alive)
        assert await lent(pool) not in (one.pid, two.pid)
        assert pool.starts == 3


async def test_one_that_nobody_needs_is_ended() -> None:
    async with Sleepers(most=1, idle_s=0.0) as pool:
        pid = await lent(pool)
        await until(lambda: pool.pids == () and not runs(pid))


async def test_an_error_of_the_body_comes_out_as_it_is() -> None:
    pids = []

    async def body() -> None:
        async with Sleepers(most=1, idle_s=60.0) as pool:
            pids.append(await lent(pool))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await body()
    assert not any(map(runs, pids))
