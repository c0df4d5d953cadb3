"""An aria2c that knows nothing of reactor, as somebody runs it elsewhere."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from reactor.programs import find_aria2c
from tests.real.swarm import free_port

SECRET = "between-us"
WAIT_S = 30.0
QUIET = ("--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--quiet")


def command(folder: Path | str, port: int, *more: str, secret: str = SECRET) -> list[str]:
    """What such an aria2c is started with."""
    rpc = ("--enable-rpc", f"--rpc-secret={secret}", f"--rpc-listen-port={port}", f"--dir={folder}")
    return [str(find_aria2c().path), *QUIET, *rpc, *more]


class Elsewhere:
    """One aria2c. It may be killed and started again, on the same port and with the same folder."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.secret = SECRET
        self._more = more
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        self.folder.mkdir(exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            *command(self.folder, self.port, *self._more, secret=self.secret), stdin=subprocess.DEVNULL
        )
        await listening("127.0.0.1", self.port)
        assert self._process.returncode is None, f"aria2c ended: somebody else has port {self.port}"

    async def kill(self) -> None:
        """End it as a machine that loses its power does."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    def rpc(self, method: str, *params: Any) -> Any:
        """One call by somebody else; its result."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": [f"token:{self.secret}", *params]}
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.port}/jsonrpc", json.dumps(asked).encode(), timeout=30
        ) as answer:
            return json.load(answer)["result"]

    def settings(self, **more: str) -> dict[str, str]:
        """What reactor is told of it."""
        return {"ARIA2C_RPC_URL": f"http://127.0.0.1:{self.port}/jsonrpc", "ARIA2C_RPC_SECRET": self.secret} | more


@asynccontextmanager
async def elsewhere(folder: Path, *more: str) -> AsyncIterator[Elsewhere]:
    """A running one, with further arguments; killed at the end."""
    aria2c = Elsewhere(folder, *more)
    await aria2c.start()
    try:
        yield aria2c
    finally:
        await aria2c.kill()


async def listening(host: str, port: int) -> None:
    """Wait until somebody takes connections there."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.02)


def gids(reports: Sequence[dict[str, str]]) -> list[str]:
    """The gids in an answer of aria2's."""
    return [report["gid"] for report in reports]
