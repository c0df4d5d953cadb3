"""A context that one task opens and another closes: hooks of frameworks, notebooks, fixtures."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reactor.concurrency.task_context import TaskContext
from reactor.errors import ReactorError
from reactor.queue import Queue
from reactor.runner import Runner
from tests.database.sqlite.bot import DEADLINE_S, python, query

URL = "http://host.example/a"
HOOKS = """
import asyncio, sys
from reactor import Queue, Runner

loop = asyncio.new_event_loop()
runner, queue = Runner(download_db="bot.db", launch="launch" in sys.argv), Queue("bot.db")

async def post_init():
    await runner.__aenter__()
    await queue.__aenter__()

async def handler():
    print(await queue.add("http://host.example/a"), (await runner.status()).state, flush=True)

async def post_shutdown():
    await queue.__aexit__(None, None, None)
    await runner.__aexit__(None, None, None)

for hook in (post_init, handler, post_shutdown):
    loop.run_until_complete(hook())
loop.close()
"""
FORGOTTEN = """
import asyncio, sys
from reactor import Queue

async def main():
    await Queue("bot.db").__aenter__()

if sys.argv[1] == "run":
    asyncio.run(main())
else:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
print("done")
"""
FORKS = """
import asyncio, os
from reactor import Queue

async def main():
    async with Queue("bot.db") as queue:
        pid = os.fork()
        if pid == 0:
            try:
                await queue.add("http://host.example/a")
            except Exception as error:
                print(type(error).__name__, error, flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        print(await queue.add("http://host.example/a"))

asyncio.run(main())
"""


@asynccontextmanager
async def noted(seen: list[str], *, opens: Callable[[], object] = lambda: None) -> AsyncGenerator[None, None]:
    opens()
    seen.append("opened")
    try:
        async with asyncio.timeout(None):  # not to be left by another task
            yield
    finally:
        seen.append("closed")


def test_queue_and_runner_are_opened_in_one_task_and_closed_in_another(tmp_path: Path) -> None:
    assert python(HOOKS, "launch", cwd=tmp_path) == "1 running\n"


@pytest.mark.parametrize("how", ["run", "run_until_complete"])
def test_a_program_that_forgets_to_close_it_ends(tmp_path: Path, how: str) -> None:
    assert python(FORGOTTEN, how, cwd=tmp_path) == "done\n"


def test_a_fork_is_told_that_the_database_is_not_open_in_it(tmp_path: Path) -> None:
    told, added = python(FORKS, cwd=tmp_path).splitlines()
    assert told.startswith("DatabaseError The database ")
    assert "before a fork. Open it in each process." in told
    assert added == "1", "the child has left the parent's connection alone"


async def test_what_opening_raises_is_raised_to_the_one_that_opens() -> None:
    def opens() -> None:
        raise ReactorError("It cannot.")

    context = TaskContext("Queue")
    for _ in range(2):
        with pytest.raises(ReactorError, match="It cannot"):
            await context.enter(noted([], opens=opens))
    await context.exit()


async def test_a_cancel_while_it_opens_closes_what_was_opened() -> None:
    seen: list[str] = []
    begun = asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncGenerator[None, None]:
        async with noted(seen):
            begun.set()
            await asyncio.Event().wait()
            yield

    opening = asyncio.create_task(TaskContext("Queue").enter(slow()))
    async with asyncio.timeout(DEADLINE_S):
        await begun.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    assert seen == ["opened", "closed"]


async def test_a_second_cancel_does_not_keep_it_from_closing() -> None:
    seen: list[str] = []
    leaving, left = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow() -> AsyncGenerator[None, None]:
        async with noted(seen):
            yield
            leaving.set()
            await left.wait()

    context = TaskContext("Queue")
    await context.enter(slow())
    closing = asyncio.create_task(context.exit())
    async with asyncio.timeout(DEADLINE_S):
        await leaving.wait()
        for _ in range(2):
            closing.cancel()
            await asyncio.sleep(0)
        assert not closing.done()
        left.set()
        with pytest.raises(asyncio.CancelledError):
            await closing
    assert seen == ["opened", "closed"]


async def test_what_ends_it_before_its_time_is_logged_at_once_and_raised_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ends = asyncio.Event()

    @asynccontextmanager
    async def breaking() -> AsyncGenerator[None, None]:
        async def breaks() -> None:
            await ends.wait()
            raise ReactorError("It broke.")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(breaks())
            yield

    context = TaskContext("Queue")
    await context.enter(breaking())
    ends.set()
    async with asyncio.timeout(DEADLINE_S):
        while not caplog.records:
            await asyncio.sleep(0)
    assert isinstance(context.failure, ExceptionGroup)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    with pytest.raises(ExceptionGroup):
        await context.exit()


def test_without_asyncio_one_sentence_says_so(tmp_path: Path) -> None:
    """As under trio, whose loop asyncio does not see."""
    for opening in (Queue(tmp_path / "bot.db"), Runner(download_db=tmp_path / "bot.db")):
        with pytest.raises(ReactorError, match="needs an event loop of asyncio") as caught:
            opening.__aenter__().send(None)
        assert "trio" in str(caught.value)
    assert not (tmp_path / "bot.db").exists()


async def test_it_is_not_opened_twice_at_once_and_not_closed_from_another_loop(tmp_path: Path) -> None:
    threads = threading.active_count()
    async with Queue(tmp_path / "bot.db") as queue:
        with pytest.raises(ReactorError, match="open already"):
            await queue.__aenter__()
        with pytest.raises(ReactorError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, queue.__aexit__())
        await queue.add(URL)
    async with queue:
        assert len(await queue.list()) == 1, "it may be opened again"
    assert query(tmp_path / "bot.db", "SELECT count(*) FROM downloads") == [(1,)]
    assert threading.active_count() <= threads + 1, "asyncio's own thread for to_thread stays"
