"""Programs that do not await, at their worst moments: Ctrl-C, forks, an end that forgets to close."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import random
import signal
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reactor.concurrency.loop_thread import LoopThread, ThreadEnded
from reactor.errors import DatabaseError
from reactor.sync_queue import SyncQueue
from tests.database.sqlite.bot import DEADLINE_S, python

INTERRUPTED = """
import os, random, signal, sys, time
from reactor import SyncQueue

def lost(ignored):  # Python drops a Ctrl-C that comes within a finalizer: it comes again, as a person would press it
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(ignored)

with SyncQueue("bot.db") as queue:  # with all that it imports
    id = queue.add("http://host.example/a")
random.seed(int(sys.argv[1]))
ended = 0
for _ in range(25):
    ear, mouth = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        sys.unraisablehook = lost
        try:
            os.write(mouth, b"s")
            with SyncQueue("bot.db") as queue:
                for row in queue.watch(id):
                    pass
        except KeyboardInterrupt:
            pass
        with SyncQueue("bot.db") as queue:  # and goes on as if nothing had been
            os._exit(0 if queue.get(id).id == id else 1)
    os.read(ear, 1)
    time.sleep(random.uniform(0, 0.03))
    os.kill(pid, signal.SIGINT)
    end = time.monotonic() + 20
    found = (0, 0)
    while time.monotonic() < end and not (found := os.waitpid(pid, os.WNOHANG))[0]:
        time.sleep(0.005)
    if not found[0]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    ended += found == (pid, 0)
    os.close(ear)
    os.close(mouth)
print(ended)
"""
FORKS = """
import os, sys
from reactor import SyncQueue

queue = SyncQueue("bot.db")
with queue:
    watching = queue.watch_all() if queue.add("http://host.example/a") else ()
    next(watching)
    pid = os.fork()
    if pid == 0:
        for call in (lambda: queue.add("http://host.example/b"), lambda: next(watching)):
            try:
                call()
            except Exception as error:
                print(type(error).__name__, error, flush=True)
    else:
        os.waitpid(pid, 0)
        print(queue.add("http://host.example/c"), flush=True)
if pid == 0:
    with SyncQueue("bot.db") as own:
        print(own.add("http://host.example/d"), flush=True)
"""
FORGOTTEN = """
from reactor import SyncQueue
queue = SyncQueue("bot.db").__enter__()
print(queue.add("http://host.example/a"))
"""


@pytest.mark.fault(53)
def test_a_ctrl_c_at_any_moment_of_opening_ends_it(tmp_path: Path) -> None:
    assert python(INTERRUPTED, random.randrange(10**6), cwd=tmp_path) == "25\n"


def test_a_fork_is_told_and_may_open_its_own(tmp_path: Path) -> None:
    *told, own, parent = python(FORKS, cwd=tmp_path).splitlines()
    assert len(told) == 2
    assert all(line.startswith("DatabaseError This queue was opened in another process") for line in told)
    assert (own, parent) == ("2", "3")


def test_a_program_that_ends_without_closing_it_closes_it(tmp_path: Path) -> None:
    assert python(FORGOTTEN, cwd=tmp_path) == "1\n"
    assert not (tmp_path / "bot.db-wal").exists(), "closed in order"


def test_one_cannot_be_sent_to_another_process(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="open one there"):
        pickle.dumps(SyncQueue(tmp_path / "bot.db"))


def test_one_that_is_open_is_not_opened_again(tmp_path: Path) -> None:
    with SyncQueue(tmp_path / "bot.db") as queue, pytest.raises(DatabaseError, match="open already"):
        queue.__enter__()


@asynccontextmanager
async def nothing() -> AsyncGenerator[None, None]:
    yield


def test_a_question_that_was_given_up_is_cancelled_and_keeps_nobody_waiting() -> None:
    """Ctrl-C comes while it is asked: the main thread waits for the answer no more."""
    cancelled = threading.Event()

    async def endless() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    thread = LoopThread(nothing(), "test")
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        thread.ask(endless)
    thread.stop()
    assert cancelled.wait(DEADLINE_S)
    assert not any(each.name == "test" for each in threading.enumerate())
    with pytest.raises(ThreadEnded):
        thread.ask(endless)


@pytest.mark.parametrize("_time", range(6))
def test_what_comes_too_late_is_answered_too(_time: int) -> None:
    """Asked by other threads while it ends; nothing is begun that would never run."""
    thread = LoopThread(nothing(), "test")
    thread.start()
    answers: list[object] = []
    begun = threading.Barrier(9)

    async def one() -> int:
        return 1

    def asks() -> None:
        begun.wait(DEADLINE_S)
        try:
            while True:
                answers.append(thread.ask(one))
        except ThreadEnded as error:
            answers.append(error)

    threads = [threading.Thread(target=asks) for _ in range(8)]
    for each in threads:
        each.start()
    begun.wait(DEADLINE_S)
    thread.stop()
    for each in threads:
        each.join(DEADLINE_S)
        assert not each.is_alive()
    assert sum(isinstance(answer, ThreadEnded) for answer in answers) == 8
    gc.collect()  # which tells of coroutines that were never awaited
