"""A wire to aria2c that breaks every second, and a process that locks the database again and again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.chaos import ROOT

CUT_EVERY_S = 1.0
FREE_S = 0.5
"""How long the database is free between two locks."""
CHUNK = 65536


class Wire:
    """Carries bytes to `port` and back; all its connections are reset again and again."""

    def __init__(self, port: int, *, every_s: float = CUT_EVERY_S) -> None:
        self._to = port
        self._every_s = every_s
        self._open = set[asyncio.StreamWriter]()
        self.cuts = 0

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[int]:
        """The port to talk to."""
        server = await asyncio.start_server(self._carry, "127.0.0.1")
        cutter = asyncio.create_task(self._cut())
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            cutter.cancel()
            server.close()
            self._reset()

    async def _cut(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self._reset()

    def _reset(self) -> None:
        self.cuts += bool(self._open)
        for writer in [*self._open]:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, back}
        self._open |= ends
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            self._open -= ends
            for end in ends:
                end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def locking(db: Path, seconds: float) -> AsyncIterator[None]:
    """Another process that holds the write lock of `db` for `seconds` at a time, until the block is left."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.wire", str(db), str(seconds)), cwd=ROOT, stdin=subprocess.DEVNULL
    )
    try:
        yield
        if process.returncode is not None:
            raise AssertionError(f"the process that locks the database ended with {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _lock() -> None:
    path, seconds = sys.argv[1:]
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    while True:
        db.execute("BEGIN IMMEDIATE")
        time.sleep(float(seconds))
        db.execute("ROLLBACK")
        time.sleep(FREE_S)


if __name__ == "__main__":
    _lock()
