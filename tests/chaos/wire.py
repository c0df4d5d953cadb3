"""A wire to aria2c that breaks every second, one to a database that is cut on demand, and a process that locks the
database again and again."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.chaos import ROOT

CUT_EVERY_S = 1.0
FREE_S = 0.5
"""How long the database is free between two locks."""
CHUNK = 65536


class Wire:
    """Carries bytes to a port, or a unix socket, and back. All its connections are reset again and again; or, without
    an interval, when somebody wants it."""

    def __init__(self, to: int | Path, *, every_s: float | None = CUT_EVERY_S) -> None:
        self._to = to
        self._every_s = every_s
        self._open = set[asyncio.StreamWriter]()
        self._refuses = False
        self._carries = asyncio.Event()
        self._carries.set()
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
            self.reset()

    def reset(self) -> None:
        """Break what is open now."""
        self.cuts += bool(self._open)
        for writer in [*self._open]:
            writer.transport.abort()

    @contextmanager
    def refused(self) -> Iterator[None]:
        """Nobody gets through."""
        self._refuses = True
        self.reset()
        try:
            yield
        finally:
            self._refuses = False

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Connections stay, and nothing is carried: what was sent meanwhile arrives at the end."""
        self._carries.clear()
        try:
            yield
        finally:
            self._carries.set()

    async def _cut(self) -> None:
        while self._every_s is not None:
            await asyncio.sleep(self._every_s)
            self.reset()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._refuses:
                raise ConnectionRefusedError
            there, back = await self._reached()
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, back}
        self._open |= ends
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._open -= ends
            for end in ends:
                end.transport.abort()

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._to, Path):
            return await asyncio.open_unix_connection(self._to)
        return await asyncio.open_connection("127.0.0.1", self._to)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._carries.wait()
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
