"""The README and the pages of contrib/docs, taken to pieces: their blocks of code, and who runs them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.real.harness import PATIENCE_S, Reactor
from tests.real.swarm import free_port
from tests.servers import FileServer
from tests.tools import needed, packages

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = ROOT / "contrib" / "docs"
PAGES = (README, *sorted(DOCS.glob("*.md")))
EXAMPLES = "https://example.com/"
TOKEN = "sixteen-characters-or-more"
PORTS = ("8080", "9108", "6800")
"""As the pages have them; others take their place."""
FENCED = re.compile(r"^(#+) ([^\n]+)$|^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of code, and the heading above it ("" before the first)."""

    page: str
    heading: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Every block of a page, in order. The title is no heading."""
    found, heading = [], ""
    for hashes, title, language, text in FENCED.findall(page.read_text("utf-8")):
        if hashes:
            heading = "" if hashes == "#" else title
        else:
            found.append(Block(page.name, heading, language, text))
    return found


def sections() -> dict[tuple[str, str], list[Block]]:
    """(page, heading) → the blocks below it, of all pages."""
    every = [block for page in PAGES for block in blocks(page)]
    return {key: list(each) for key, each in groupby(every, lambda block: (block.page, block.heading))}


def only(page: str, heading: str, language: str) -> str:
    """The one block of a language under a heading."""
    (found,) = [block.text for block in sections()[page, heading] if block.language == language]
    return found


def programs(text: str) -> set[str]:
    """Those of tests/programs.txt that stand where a shell looks for a program."""
    return {name for name in re.findall(r"(?:^|\| )(?:\w+=\S* )*([\w-]+)", text, re.MULTILINE) if name in packages()}


class Terminal:
    """A folder in which somebody types what stands in a page. `https://example.com/` is a server of this machine."""

    def __init__(self, folder: Path, server: FileServer) -> None:
        self.folder = folder
        self._server = server
        self._ports = {port: str(free_port()) for port in PORTS}
        self._log = folder / "terminal.log"
        self._served: list[asyncio.subprocess.Process] = []
        own = Reactor(folder).environment
        kept = {name: value for name, value in own.items() if not name.startswith("DOWNLOAD_D")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = kept | {"PATH": path, "PAGE_TOKEN": TOKEN}

    def real(self, text: str) -> str:
        """The text with a server, and ports, that are there."""
        for port, ours in self._ports.items():
            text = re.sub(rf"\b{port}\b", ours, text)
        return text.replace(EXAMPLES, self._server.url("/"))

    async def run(
        self, *command: str, cwd: Path | None = None, patience_s: float = PATIENCE_S, **environment: str
    ) -> str:
        """Run a command to its end, which is a good one; what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(self.real(word) for word in command),
            cwd=cwd or self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(patience_s):
                printed, _ = await process.communicate()
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise AssertionError(f"{command[-1]} still runs after {patience_s:g} s") from None
        assert process.returncode == 0, f"{command[-1]}\n{printed.decode()}\n{self.said}"
        return printed.decode()

    async def shell(
        self, text: str, cwd: Path | None = None, patience_s: float = PATIENCE_S, **environment: str
    ) -> str:
        """Run lines of a shell; the first that fails ends the test. Skips it when a program of theirs is missing."""
        for name in sorted(programs(text)):
            needed(name)
        return await self.run("bash", "-euo", "pipefail", "-c", text, cwd=cwd, patience_s=patience_s, **environment)

    async def serve(self, text: str) -> None:
        """Start `reactor run …`, and wait until it is ready. It runs to the end of the section."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, self._log.open("ab") as log:
            manager.setblocking(False)
            manager.bind("")  # the system chooses an abstract name
            process = await asyncio.create_subprocess_exec(
                *("bash", "-c", self.real(text)),
                cwd=self.folder,
                env=self.environment | {"NOTIFY_SOCKET": manager.getsockname().decode().replace("\0", "@")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            self._served.append(process)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    while b"READY=1" not in await asyncio.get_running_loop().sock_recv(manager, 4096):
                        pass
            except TimeoutError:
                raise AssertionError(f"{text}is not ready: {self.said}") from None

    @property
    def said(self) -> str:
        """What was printed by what runs."""
        return self._log.read_text() if self._log.exists() else ""

    async def close(self) -> None:
        """End what runs, in order."""
        for process in self._served:
            os.killpg(process.pid, signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                assert await process.wait() == 0, self.said


@asynccontextmanager
async def terminal(folder: Path, **files: bytes) -> AsyncIterator[Terminal]:
    """A terminal beside a server that has `files`, by their stems."""
    async with FileServer() as server:
        for stem, data in files.items():
            server.put(f"/{stem}.mkv", data)
        typed = Terminal(folder, server)
        try:
            yield typed
        finally:
            await typed.close()
