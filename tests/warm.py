"""Programs that start at once: a process that has imported what they import, and forks one for each.

    started = await to_thread.run_sync(warm(REACTOR).start, ["-m", "reactor", "run"], environment, folder, log)

A bot library costs seconds of CPU to import, reactor itself nearly one; with this each worker of the tests pays them
once. What runs is the program's own file or module, as `__main__`, in a process of its own, with its own environment,
folder and log.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import runpy
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

WAIT_S = 90.0
LOOK_S = 0.02
BOTS = (
    "aiogram",
    "aiosqlite",
    "discord",
    "pydantic_settings",
    "reactor.cli.asked",
    "reactor.queue",
    "reactor.settings",
)
REACTOR = (
    *("reactor.cli.run", "reactor.cli.preflight", "reactor.cli.runtime", "reactor.daemon.service"),
    *("reactor.daemon.effects.database", "reactor.daemon.effects.aria2", "reactor.daemon.probes", "typer._adapters"),
    *("reactor.database.sqlite.store", "reactor.database.sqlite.lock", "reactor.aria2.connection"),
    *("reactor.journal.background_writer", "reactor.journal.ndjson", "reactor.journal.stderr_log"),
)


class Started:
    """A process that was forked."""

    def __init__(self, warm: Warm, pid: int) -> None:
        self.pid = pid
        self._warm = warm

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._warm.codes.get(self.pid)

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it. Raises ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait until it ends; its exit code."""
        while (code := self.returncode) is None:
            await asyncio.sleep(LOOK_S)
        return code


class Warm:
    """The process that forks. Made once for a worker, by `warm`."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", *modules],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._changed = threading.Condition()
        self._started: list[int] = []
        self.codes: dict[int, int] = {}
        """pid → exit code, negative for a signal, of those that have ended."""
        threading.Thread(target=self._read, daemon=True, name="warm").start()
        atexit.register(self._close)

    def start(self, arguments: Sequence[str], environment: dict[str, str], folder: Path, log: Path) -> Started:
        """Start a program: `arguments` are what would follow `python` on a command line. It appends to `log`."""
        assert self._process.stdin is not None
        order = {"arguments": arguments, "environment": environment, "folder": str(folder), "log": str(log)}
        with self._changed:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            assert self._changed.wait_for(lambda: self._started, WAIT_S), "nothing was started"
            return Started(self, self._started.pop())

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._changed:
                if "code" in told:
                    self.codes[told["pid"]] = told["code"]
                else:
                    self.codes.pop(told["pid"], None)  # of one that had the number before
                    self._started.append(told["pid"])
                self._changed.notify_all()

    def _close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(WAIT_S)


@cache
def warm(modules: tuple[str, ...]) -> Warm:
    """This worker's, for programs that import these."""
    return Warm(modules)


def main() -> None:
    """Fork at each line of stdin; tell each end. Ends with stdin, and so do those that still run."""
    for name in sys.argv[1:]:
        import_module(name)
    assert threading.active_count() == 1, "a fork takes one thread along"
    waiting = selectors.DefaultSelector()
    orders = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
    waiting.register(orders, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.data is not None:
                waiting.unregister(key.fd)
                os.close(key.fd)
                _tell({"pid": key.data, "code": os.waitstatus_to_exitcode(os.waitpid(key.data, 0)[1])})
            elif not (line := orders.readline()):
                for running in waiting.get_map().values():
                    if running.data is not None:
                        os.kill(running.data, signal.SIGKILL)
                return
            elif pid := os.fork():
                waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, pid)
                _tell({"pid": pid})
            else:
                waiting.close()
                _become(json.loads(line))
                return


def _tell(what: dict[str, int]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _become(order: dict[str, Any]) -> None:
    """Be the program."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    for opened in (log, nothing):
        os.close(opened)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    os.chdir(order["folder"])
    arguments = order["arguments"]
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        sys.path[0] = str(Path(arguments[0]).parent)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
