"""Programs that start at once: a process that has imported what bots import, and forks one for each.

A bot library costs seconds of CPU to import; with this each worker of the tests pays them once. What runs is the
program's own file, as `__main__`, in a process of its own, with its own environment, folder and log.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import selectors
import signal
import subprocess
import sys
import threading
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

WAIT_S = 90.0


class Warm:
    """The process that forks. Made once for a worker, by `warm`."""

    def __init__(self) -> None:
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bots.warm"],
            cwd=root,
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

    def start(self, program: Path, environment: dict[str, str], folder: Path, log: Path) -> int:
        """Start a program; its pid."""
        assert self._process.stdin is not None
        order = {"program": str(program), "environment": environment, "folder": str(folder), "log": str(log)}
        with self._changed:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            assert self._changed.wait_for(lambda: self._started, WAIT_S), "nothing was started"
            return self._started.pop()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._changed:
                if "code" in told:
                    self.codes[told["pid"]] = told["code"]
                else:
                    self._started.append(told["pid"])
                self._changed.notify_all()

    def _close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(WAIT_S)


@cache
def warm() -> Warm:
    """This worker's."""
    return Warm()


def main() -> None:
    """Fork at each line of stdin; tell each end. Ends with stdin, and so do those that still run."""
    for name in ("aiogram", "aiosqlite", "discord", "pydantic_settings", "reactor.queue", "reactor.settings"):
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
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.argv = [order["program"]]
    sys.path[0] = str(Path(order["program"]).parent)
    runpy.run_path(order["program"], run_name="__main__")


if __name__ == "__main__":
    main()
