"""One run of ffmpeg: collects its messages, reports its progress, and kills its process group at the end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from reactor import numbers
from reactor.errors import DownloadError, ProgramMissing
from reactor.programs import child_environment, limit_memory
from reactor.records import dataclass

MEMORY_MAX = 2 * 1024**3
"""Bytes. Joining by copy takes a tenth of it."""
WORDS_MAX = 64 * 1024
"""Bytes of what ffmpeg says that are kept: the last ones."""
LINE_MAX = 4096
"""Bytes of a line of its progress."""


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended."""

    code: int
    words: str
    """The end of what ffmpeg wrote to its standard error."""
    output: str = ""
    """The same of its standard output, where no progress was asked for."""


async def run_ffmpeg(
    ffmpeg: Path,
    arguments: Sequence[str],
    *,
    folder: Path,
    deadline_s: float,
    on_progress: Callable[[float], None] | None = None,
) -> Run:
    """Run ffmpeg in `folder`; `on_progress` gets the seconds of media that are written.

    Nothing of it is left when this returns or raises: not when it is cancelled either. Raises DownloadError
    (`timeout`) at the deadline, ProgramMissing when ffmpeg cannot be started."""
    command = [str(ffmpeg), "-nostdin", "-hide_banner"]
    command += ["-nostats", "-progress", "pipe:1"] if on_progress else []
    try:
        # Cancelled in the midst of a start, asyncio would kill the process alone, and not those it has started.
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env=child_environment(),
                start_new_session=True,
            )
    except OSError as error:
        raise ProgramMissing(f"ffmpeg at {ffmpeg} does not run: {error.strerror or error}.") from error
    limit_memory(process.pid, MEMORY_MAX)
    words: deque[bytes] = deque()
    output: deque[bytes] = deque()
    try:
        with anyio.fail_after(deadline_s):
            async with anyio.create_task_group() as tasks:
                assert process.stdout
                assert process.stderr
                tasks.start_soon(_gather, process.stderr, words)
                if on_progress:
                    tasks.start_soon(_follow, process.stdout, on_progress)
                else:
                    tasks.start_soon(_gather, process.stdout, output)
            code = await process.wait()
    except TimeoutError:
        message = f"ffmpeg did not finish within {deadline_s:.0f} s."
        raise DownloadError(message, code="timeout", retryable=True) from None
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process)
    return Run(code, *(b"".join(said).decode(errors="replace") for said in (words, output)))


async def _gather(stream: ByteReceiveStream, words: deque[bytes]) -> None:
    async for piece in stream:
        words.append(piece)
        while sum(map(len, words)) - len(words[0]) > WORDS_MAX:
            words.popleft()


async def _follow(stream: ByteReceiveStream, on_progress: Callable[[float], None]) -> None:
    """Read `key=value` lines to their end."""
    lines = BufferedByteReceiveStream(stream)
    while True:
        try:
            line = await lines.receive_until(b"\n", LINE_MAX)
        except (anyio.IncompleteRead, anyio.EndOfStream):
            return
        key, _, value = line.partition(b"=")
        done_us = numbers.whole(value.decode("ascii", "replace")) if key == b"out_time_us" else None
        if done_us is not None:
            on_progress(done_us / 1_000_000)


async def _end(process: Process) -> None:
    """Kill what is left of the process group and close the pipes."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.aclose()
