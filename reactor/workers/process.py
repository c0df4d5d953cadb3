"""One process that reads strangers' documents (`workers.child`): started, asked, killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process

from reactor.errors import DownloadError
from reactor.programs import child_environment, own_code
from reactor.workers.exchange import END_DEADLINE_S, Exchange
from reactor.workers.limits import Limits


class Reader:
    """A process that runs `main` of a module of ours. Whoever has started it ends it."""

    def __init__(self, process: Process, limits: Limits) -> None:
        self._process = process
        self._exchange = Exchange(process, limits.answer_bytes, bad_answer)
        self._ended = False
        self.requests = 0
        self.resident_bytes = 0
        """The memory it held when it last answered."""

    def __repr__(self) -> str:
        return f"<Reader {self.pid}, {self.requests} requests>"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._ended and self._process.returncode is None

    @classmethod
    async def start(cls, entry: str, places: Sequence[str], limits: Limits) -> Reader:
        """Start one that runs `entry`, as `programs.own_code` has it; it is ready for a request at once, and reads it
        when it has imported what it needs.

        Raises DownloadError (`storage`) where the system gives no process."""
        setup = {"parent": os.getpid(), "data_bytes": limits.data_bytes, "cpu_s": limits.cpu_s}
        setup |= {"answer_bytes": limits.answer_bytes}
        with anyio.CancelScope(shield=True):
            try:
                process = await anyio.open_process(
                    own_code(entry, json.dumps(setup), places=places),
                    stderr=subprocess.DEVNULL,
                    cwd=Path(sys.executable).anchor,
                    env=child_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                why = error.strerror or type(error).__name__
                raise DownloadError(f"No process could be started: {why}.", code="storage", retryable=True) from error
        return cls(process, limits)

    async def ask(self, document: bytes, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Send one request and wait for its answer; one at a time, and none after one that was given up.

        Raises WorkerDied, DownloadError (`bad_answer`)."""
        self.requests += 1
        answer, body = await self._exchange.ask_about(document, {"id": self.requests, **request})
        if answer.get("id") != self.requests:
            raise bad_answer()
        resident = answer.get("resident")
        self.resident_bytes = resident if isinstance(resident, int) else 0
        return answer, body

    async def end(self) -> None:
        """Kill it."""
        if self._ended:
            return
        self._ended = True
        with anyio.CancelScope(shield=True):
            with suppress(ProcessLookupError):
                self._process.kill()
            with anyio.move_on_after(END_DEADLINE_S):
                await self._process.wait()
            with anyio.move_on_after(END_DEADLINE_S):
                await self._process.aclose()


def bad_answer() -> DownloadError:
    """The error for an answer that makes no sense."""
    return DownloadError("The process that reads documents gave an answer that cannot be used.", code="bad_answer")
