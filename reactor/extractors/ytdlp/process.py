"""One process with a warm yt-dlp in it: started, asked, killed with all it has started.

It sees nothing of the user's: an empty folder is its home and its working folder, and of the environment it
gets what programs and certificates are found by.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import Process

from reactor.errors import DownloadError
from reactor.extractors.ytdlp import worker as ytdlp_worker
from reactor.programs import child_environment, find_python
from reactor.workers.exchange import END_DEADLINE_S, Exchange, no_folder

DATA_BYTES_MAX = 1536 * 1024 * 1024
"""Memory one process may use. A JavaScript runtime, which inherits the limit, does not start with 512 MiB."""
HINT = "Update yt-dlp: pip install -U 'yt-dlp[default,deno]'"


@dataclass(frozen=True, slots=True)
class Setup:
    """How a worker is to be."""

    plugins: Path | None = None
    """A folder of packages with extractors of one's own; no other plug-ins are ever loaded."""
    data_bytes_max: int = DATA_BYTES_MAX


def installed() -> Path | None:
    """The folder that yt-dlp is imported from, or None when it is not installed. Imports nothing."""
    found = importlib.util.find_spec("yt_dlp")
    return Path(found.origin).parents[1] if found and found.origin else None


class Worker:
    """A process that runs `worker`. Whoever has started it ends it."""

    def __init__(self, process: Process, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._exchange = Exchange(process, ytdlp_worker.ANSWER_BYTES_MAX, bad_answer)
        self._ended = False
        self.version = ""
        """yt-dlp's."""
        self.requests = 0
        self.resident_bytes = 0
        """The memory it held when it last answered."""

    def __repr__(self) -> str:
        return f"<Worker {self.pid}, {self.requests} requests>"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._ended and self._process.returncode is None

    @classmethod
    async def start(cls, setup: Setup) -> Worker:
        """Start one and wait until it is warm: a second, of its time. Nothing is left of it when this raises.

        Raises WorkerDied, DownloadError (`ytdlp_broken`)."""
        site = installed()
        if site is None:
            raise DownloadError("yt-dlp is not installed.", code="unsupported")
        with anyio.CancelScope(shield=True):
            try:
                folder = Path(await to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="reactor-ytdlp-")))
            except OSError as error:
                raise no_folder(error) from error
            try:
                worker = cls(await _open(folder), folder)
            except OSError as error:
                await to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))
                raise DownloadError(f"yt-dlp does not start: {error.strerror}.", code="ytdlp_broken") from error
        try:
            await worker._warm_up(setup, site)
        except BaseException:
            await worker.end()
            raise
        return worker

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer; one at a time, and none after one that was given up.

        Raises WorkerDied, DownloadError (`bad_answer`)."""
        self.requests += 1
        answer = await self._exchange.ask({"id": self.requests, **request})
        if answer.get("id") != self.requests:
            raise bad_answer()
        resident = answer.get("resident")
        self.resident_bytes = resident if isinstance(resident, int) else 0
        return answer

    async def end(self) -> None:
        """Kill it, with every program it has started, and clean up."""
        if self._ended:
            return
        self._ended = True
        kill_group(self._process)
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(END_DEADLINE_S):
                await self._process.wait()
            await self._process.aclose()
            await to_thread.run_sync(lambda: shutil.rmtree(self._folder, ignore_errors=True))

    async def _warm_up(self, setup: Setup, site: Path) -> None:
        answer = await self._exchange.ask(
            {
                "parent": os.getpid(),
                "path": str(site),
                "plugins": None if setup.plugins is None else str(setup.plugins.absolute()),
                "data_bytes_max": setup.data_bytes_max,
            }
        )
        if "broken" in answer:
            raise DownloadError(f"yt-dlp cannot be loaded: {answer['broken']}.", hint=f"{HINT}.", code="ytdlp_broken")
        self.version = str(answer.get("ready"))


def bad_answer() -> DownloadError:
    """The error for an answer that makes no sense."""
    return DownloadError("yt-dlp gave an answer that cannot be used.", hint=f"{HINT}.", code="bad_answer")


def kill_group(process: Process) -> None:
    """End a process and those it has started, at once."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


async def _open(folder: Path) -> Process:
    return await anyio.open_process(
        [str(find_python()), "-I", ytdlp_worker.__file__],
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=child_environment(home=folder, LC_ALL="C.UTF-8", DENO_NO_UPDATE_CHECK="1"),
        start_new_session=True,
    )
