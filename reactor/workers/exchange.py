"""Lines of JSON to and from a worker process, and documents beside them: one request, one answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio import to_thread
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from reactor.errors import DownloadError

LONG_ANSWER = 256 * 1024
"""Bytes of JSON from which on it is read in a thread."""
END_DEADLINE_S = 5.0
"""How long a process that says nothing more may take to end."""


class WorkerDied(Exception):
    """The process ended before it answered."""


class Exchange:
    """The pipes of a worker process."""

    def __init__(self, process: Process, answer_bytes_max: int, bad_answer: Callable[[], DownloadError]) -> None:
        assert process.stdin
        assert process.stdout
        self._process = process
        self._stdin = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)
        self._answer_bytes_max = answer_bytes_max
        self._bad_answer = bad_answer

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one request and wait for its answer. Not concurrently, and not again after it was cancelled.

        Raises WorkerDied, and `bad_answer` when the answer is too long or is not a JSON object."""
        async with self._deaths():
            await self._stdin.send(json.dumps(request).encode() + b"\n")
            line = await self._lines.receive_until(b"\n", self._answer_bytes_max)
        return await self._read(line)

    async def ask_about(self, document: bytes, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The same with a document in the request and a body in the answer, as `workers.child` speaks it."""
        async with self._deaths():
            await self._stdin.send(json.dumps({**request, "body": len(document)}).encode() + b"\n")
            await self._stdin.send(document)
            answer = await self._read(await self._lines.receive_until(b"\n", LONG_ANSWER))
            length = answer.get("body")
            if type(length) is not int or not 0 <= length <= self._answer_bytes_max:
                raise self._bad_answer()
            return answer, await self._lines.receive_exactly(length)

    @asynccontextmanager
    async def _deaths(self) -> AsyncIterator[None]:
        try:
            yield
        except anyio.DelimiterNotFound:
            raise self._bad_answer() from None
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead):
            raise WorkerDied(await self._how_it_ended()) from None

    async def _read(self, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line) if len(line) < LONG_ANSWER else await to_thread.run_sync(json.loads, line)
        except (ValueError, RecursionError):
            raise self._bad_answer() from None
        if not isinstance(answer, dict):
            raise self._bad_answer()
        return answer

    async def _how_it_ended(self) -> str:
        with anyio.move_on_after(END_DEADLINE_S):
            code = await self._process.wait()
            return f"signal {-code}" if code < 0 else f"exit code {code}"
        return "no exit code"
