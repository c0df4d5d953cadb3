"""The other side: a bot that knows nothing of reactor, in a process of its own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

DEADLINE_S = 60.0
"""Nothing here takes a second; a busy machine may make it."""
BOT = """
import sqlite3, sys
bot = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    try:
        print(bot.execute(line).fetchall(), flush=True)
    except sqlite3.Error as error:
        print(repr(error), flush=True)
"""


def python(program: str, *arguments: object, **more: Any) -> str:
    """Run a Python program to its end; what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        **more,
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def query(path: Path, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask with a connection of its own, in this process."""
    with opened(path) as connection:
        return connection.execute(statement, values).fetchall()


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A plain connection, in autocommit."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


class Bot:
    """A process with the database open that carries out one statement after the other."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._answers = BufferedByteReceiveStream(process.stdout)

    async def __call__(self, statement: str) -> str:
        """The answer, when it has been carried out."""
        with anyio.fail_after(DEADLINE_S):
            await self._stdin.send(f"{' '.join(statement.split())}\n".encode())
            return (await self._answers.receive_until(b"\n", 1_000_000)).decode()


@asynccontextmanager
async def a_bot(path: Path, **environment: str) -> AsyncIterator[Bot]:
    """A bot for as long as the context lasts."""
    process = await anyio.open_process([sys.executable, "-c", BOT, str(path)], stderr=None, env=environment or None)
    async with process:
        try:
            yield Bot(process)
        finally:
            with anyio.CancelScope(shield=True):
                assert process.stdin is not None
                await process.stdin.aclose()
                with anyio.move_on_after(DEADLINE_S) as scope:
                    await process.wait()
                if scope.cancelled_caught:
                    process.kill()
