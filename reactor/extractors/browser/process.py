"""One browser in a process group of its own: started, asked, watched, killed with its descendants.

    a process of ours (`worker`)  ─ Playwright's driver  ─ Chromium  ─ its many processes

It is isolated from the user's files: an empty folder is its home, its working folder and the place of its profile.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import psutil
from anyio import to_thread
from anyio.abc import Process

from reactor.errors import DownloadError
from reactor.programs import child_environment, own_code
from reactor.records import dataclass
from reactor.workers.exchange import END_DEADLINE_S, WorkerDied
from reactor.workers.process import WorkerProcess, open_in_own_folder, open_process

ANSWER_BYTES_MAX = 32 * 1024 * 1024
WATCH_S = 0.25
"""Between two looks at the memory."""
DEEP = 30
"""Characters of a folder's path. A socket's may have 104 everywhere, and Chromium's is longer by 70."""

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class BrowserSetup:
    """How a browser is configured."""

    executable: Path
    memory_max: int
    """Bytes that it may use, with all its processes. Above that it is killed."""
    proxy: str | None = None
    """For all it asks for, this machine's own addresses included. A page may have another one."""
    headless_tells: bool = False
    """Whether pages can see that a program drives it, without a window."""


class BrowserProcess(WorkerProcess):
    """A process that runs `worker`."""

    def __init__(self, process: Process, folder: Path, memory_max: int) -> None:
        super().__init__(process, answer_bytes_max=ANSWER_BYTES_MAX, bad_answer=bad_answer, folder=folder)
        self._memory_max = memory_max
        self._over_memory = False

    @classmethod
    async def start(cls, setup: BrowserSetup) -> BrowserProcess:
        """Start one and wait until the browser has started: two seconds. Leaves nothing behind when it raises.

        Raises WorkerDied, DownloadError (`storage`, `browser_broken`)."""

        def broken(told: str) -> DownloadError:
            why = " ".join(told.split())[:300].rstrip(".")
            return DownloadError(
                f"The browser {setup.executable.name} does not start: {why}.",
                hint="Set BROWSER_PATH to another Chrome, Chromium or Edge.",
                code="browser_broken",
            )

        process, folder = await open_in_own_folder(_make_folder, _open, "The browser", "browser_broken")
        worker = cls(process, folder, setup.memory_max)
        wanted = {
            "executable": str(setup.executable),
            "sandbox": sandboxed(),
            "proxy": setup.proxy,
            "headless_tells": setup.headless_tells,
        }
        await worker._warm_up(wanted, broken)
        return worker

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """See WorkerProcess. Kills the browser when it takes too much memory: raises DownloadError
        (`too_much_memory`)."""
        answer: dict[str, Any] = {}
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._watch)
            try:
                answer = await super().ask(request)
            except (WorkerDied, DownloadError) as error:
                failure = error
            tasks.cancel_scope.cancel()
        if self._over_memory:
            most = self._memory_max // (1024 * 1024)
            raise DownloadError(f"This page took more than {most:,} MiB of memory.", code="too_much_memory")
        if failure:
            raise failure
        return answer

    async def _kill(self, was_alive: bool) -> None:
        """Chromium's processes leave the group, and may lose their parent."""
        pid = self.pid if was_alive else None
        await to_thread.run_sync(kill_all, pid, str(self._folder))
        await super()._kill(was_alive)

    async def _watch(self) -> None:
        """Kill the browser above its memory limit; the request that it was working on fails."""
        while True:
            if await to_thread.run_sync(takes_more, self.pid, self._memory_max, abandon_on_cancel=True):
                break
            await anyio.sleep(WATCH_S)
        self._over_memory = True
        await self.end()


def sandboxed() -> bool:
    """Whether Chromium's sandbox is on: it does not work for root."""
    return not hasattr(os, "geteuid") or os.geteuid() != 0


def bad_answer() -> DownloadError:
    """The error for an answer that makes no sense."""
    return DownloadError("The browser gave an invalid answer.", code="bad_answer")


def takes_more(pid: int, bytes_max: int) -> bool:
    """Whether a process and its descendants use more memory than `bytes_max`. What they share counts once where the
    system reports that; it is asked only where the sum of their resident memory is above the limit, for the system
    walks through every page of each to tell."""
    below = _below(pid)
    return all(sum(_or(partial(bytes_of, each), 0) for each in below) > bytes_max for bytes_of in (_held, _share))


def _held(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


def _share(process: psutil.Process) -> int:
    """A process's part of what it holds; without what it shares where that cannot be divided."""
    held = process.memory_info()
    full = _or(process.memory_full_info, None)  # refused for a process in a sandbox of its own
    return int(getattr(full, "pss", 0)) or held.rss - getattr(held, "shared", 0)


def kill_all(pid: int | None, folder: str) -> None:
    """Kill a process, its descendants, and every process that uses `folder`; not the calling process.

    Stops them first, so that none can start another one, and waits for their end. Blocks."""
    found: dict[int, psutil.Process] = {}
    while True:
        new = {each.pid: each for each in _belonging(pid, folder) if each.pid not in found}
        if not new:
            break
        found |= new
        for each in new.values():
            with suppress(psutil.Error):
                each.suspend()
    for each in found.values():
        with suppress(psutil.Error):
            each.kill()
    until = time.monotonic() + END_DEADLINE_S
    while any(_runs(each) for each in found.values()) and time.monotonic() < until:
        time.sleep(0.005)


def _belonging(pid: int | None, folder: str) -> list[psutil.Process]:
    """A browser's processes, also those that have lost their parent."""
    below = [] if pid is None else _below(pid)
    return [each for each in (*below, *psutil.process_iter()) if each.pid != os.getpid() and _is(each, below, folder)]


def _is(process: psutil.Process, below: Sequence[psutil.Process], folder: str) -> bool:
    """Whether it is one of `below`, or has `folder` for its temporary files or on its command line."""
    if process in below or _or(process.environ, {}).get("TMPDIR") == folder:
        return True
    return any(folder in part for part in _or(process.cmdline, []))


def _below(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and _or(process.status, psutil.STATUS_ZOMBIE) != psutil.STATUS_ZOMBIE


def _or(asked: Callable[[], T], otherwise: U) -> T | U:
    """What is known of a process, which may have ended in the meantime."""
    try:
        return asked()
    except (psutil.Error, OSError):
        return otherwise


def _make_folder() -> str:
    """An empty folder for one browser. Its place is no deep one: Chromium makes a socket in it."""
    usual = tempfile.gettempdir()
    deep = len(usual) > DEEP and Path("/tmp").is_dir()
    return tempfile.mkdtemp(prefix="reactor-browser-", dir="/tmp" if deep else usual)


async def _open(folder: Path) -> Process:
    library = importlib.util.find_spec("playwright")
    places = [str(Path(library.origin).parents[1])] if library and library.origin else []
    return await open_process(
        own_code("reactor.extractors.browser.worker:main", str(folder), places=places),
        folder,
        child_environment("PLAYWRIGHT_NODEJS_PATH", home=folder, LC_ALL="C.UTF-8"),
    )
