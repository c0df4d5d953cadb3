"""Processes of ours that can be killed: started, asked, ended with everything they have started.

`WorkerProcess` is the base of all kinds; `DocumentReader` is the kind that parses strangers' documents
(`workers.child` is at its other end).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import Process

from reactor.errors import DownloadError
from reactor.programs import child_environment, own_code
from reactor.workers.exchange import END_DEADLINE_S, Exchange
from reactor.workers.limits import Limits


class WorkerProcess:
    """A process that leads its own process group and answers numbered requests, one at a time. Its starter calls
    `end`."""

    def __init__(
        self,
        process: Process,
        *,
        answer_bytes_max: int,
        bad_answer: Callable[[], DownloadError],
        folder: Path | None = None,
    ) -> None:
        """`folder` is the process's own, and is deleted with it."""
        self._process = process
        self._exchange = Exchange(process, answer_bytes_max, bad_answer)
        self._bad_answer = bad_answer
        self._folder = folder
        self._ended = False
        self.version = ""
        """Of the program that it wraps; empty where it wraps none."""
        self.requests = 0
        """How many it has been sent."""
        self.resident_bytes = 0
        """The memory it held when it last answered; 0 where it does not report it."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pid}, {self.requests} requests>"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def folder(self) -> Path:
        """Its own folder. Raises AssertionError where it has none."""
        assert self._folder is not None
        return self._folder

    @property
    def alive(self) -> bool:
        """False after it has ended by itself or by `end`."""
        return not self._ended and self._process.returncode is None

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer. Do not call it again after it was cancelled.

        Raises WorkerDied, DownloadError (`bad_answer`)."""
        self.requests += 1
        return self._checked(await self._exchange.ask({"id": self.requests, **request}))

    async def ask_about(self, document: bytes, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The same with a document in the request, and with the body of the answer."""
        self.requests += 1
        answer, body = await self._exchange.ask_about(document, {"id": self.requests, **request})
        return self._checked(answer), body

    async def end(self) -> None:
        """Kill its process group and delete its folder. Later calls do nothing. Cancellation does not interrupt it."""
        if self._ended:
            return
        was_alive = self.alive
        self._ended = True
        with anyio.CancelScope(shield=True):
            await self._kill(was_alive)
            with anyio.move_on_after(END_DEADLINE_S):
                await self._process.wait()
            with anyio.move_on_after(END_DEADLINE_S):
                await self._process.aclose()
            if self._folder is not None:
                await to_thread.run_sync(_delete, self._folder)

    async def _kill(self, was_alive: bool) -> None:
        """`was_alive`: its pid is still its own. A subclass kills what has left the process group, too."""
        kill_group(self._process)

    async def _warm_up(self, setup: Mapping[str, Any], broken: Callable[[str], DownloadError]) -> None:
        """Send the setup, and wait for `{"ready": VERSION}` or `{"broken": WHY}`. Ends the process when it raises:
        WorkerDied, DownloadError."""
        try:
            answer = await self._exchange.ask(setup)
            if "broken" in answer:
                raise broken(str(answer["broken"]))
        except BaseException:
            await self.end()
            raise
        self.version = str(answer.get("ready"))

    def _checked(self, answer: dict[str, Any]) -> dict[str, Any]:
        if answer.get("id") != self.requests:
            raise self._bad_answer()
        resident = answer.get("resident")
        self.resident_bytes = resident if isinstance(resident, int) else 0
        return answer


class DocumentReader(WorkerProcess):
    """A process that parses documents within `Limits`."""

    @classmethod
    async def start(cls, entry: str, places: Sequence[str], limits: Limits) -> DocumentReader:
        """Start one that runs `entry`, a function as `programs.own_code` names it, with `places` on its import path.
        It accepts a request at once, and answers when its imports are done.

        Raises DownloadError (`storage`) when the system starts no process."""
        setup = {"parent": os.getpid(), "data_bytes": limits.data_bytes, "cpu_s": limits.cpu_s}
        setup |= {"answer_bytes": limits.answer_bytes}
        with anyio.CancelScope(shield=True):
            try:
                process = await open_process(
                    own_code(entry, json.dumps(setup), places=places), Path(sys.executable).anchor, child_environment()
                )
            except OSError as error:
                raise _storage("No process could be started", error) from error
        return cls(process, answer_bytes_max=limits.answer_bytes, bad_answer=bad_answer)


async def open_process(command: Sequence[str], folder: str | Path, environment: Mapping[str, str]) -> Process:
    """Start a program in a process group of its own, its input and output as pipes. Raises OSError."""
    return await anyio.open_process(
        command, stderr=subprocess.DEVNULL, cwd=folder, env=environment, start_new_session=True
    )


async def open_in_own_folder(
    make: Callable[[], str], open_: Callable[[Path], Awaitable[Process]], program: str, code: str
) -> tuple[Process, Path]:
    """Start a process in a new folder, which `make` makes. Leaves nothing behind when it raises.

    Raises DownloadError: `storage` when there is no folder, `code` when `program` does not start."""
    with anyio.CancelScope(shield=True):
        try:
            folder = Path(await to_thread.run_sync(make))
        except OSError as error:
            raise _storage("No folder for temporary files could be made", error) from error
        try:
            process = await open_(folder)
        except OSError as error:
            await to_thread.run_sync(_delete, folder)
            raise DownloadError(f"{program} does not start: {error.strerror}.", code=code) from error
    return process, folder


def kill_group(process: Process) -> None:
    """Kill a process and those of its group, at once. On Windows only the process itself."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def bad_answer() -> DownloadError:
    """The error for an answer that makes no sense."""
    return DownloadError("The parser process gave an invalid answer.", code="bad_answer")


def _storage(what: str, error: OSError) -> DownloadError:
    why = error.strerror or type(error).__name__
    return DownloadError(f"{what}: {why}.", code="storage", retryable=True)


def _delete(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
