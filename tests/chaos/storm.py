"""A storm: the real reactor, its aria2c and a bot, of which one after the other is killed with signal 9.

What must be true in the end is looked at from outside: the database, the files, the processes, and what the server
has sent. Everything that is drawn by chance comes from one seed; what the kernel makes of it does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import ROOT
from tests.chaos.waste import Waste, waste
from tests.chaos.wire import locking
from tests.real.harness import FINAL, LOOK_S, PATIENCE_S, Reactor, alive, processes
from tests.servers import FileServer, Request

MARK = "TMPDIR"
"""In the environment of everything that comes of a storm's reactor: a child's folder is inside of the storm's."""
VICTIMS = ("reactor",) * 5 + ("aria2c",) * 4 + ("bot",)
WHOLE_KEPT_S, PARTS_KEPT_S = 2.5, 7.0
"""After this what was sent must not be sent again when somebody dies. aria2 writes down once a second what it has of a
file; which of many parts are there, the row's plan says as often as the progress is written (5 s)."""
BY_US = "accept-encoding"
"""A header that reactor itself sends, which looks at headers alone; aria2 does not."""
LIFE_S = 1.2
"""How long something lives at the most before the next one dies, where no lock slows everything down."""
ORPHANS_S = 5.0
"""How long what has lost its reactor may live."""
SETTINGS = {
    "MAX_CONCURRENT_DOWNLOADS": "2",
    "TORRENT_STALL_TIMEOUT_S": "60",
    "HTTP_TIMEOUT_S": "20",
}


@dataclass(frozen=True)
class Wish:
    """A URL, and how to tell that what came of it is right."""

    url: str
    is_right: Callable[[Path], Awaitable[bool]]
    paths: tuple[str, ...] = ()
    """Where the server keeps its bytes; empty when they come from somewhere else."""


@dataclass
class Report:
    """What was seen in the end."""

    seed: int
    kills: dict[str, int] = field(default_factory=dict)
    downloaded: int = 0
    cancelled: int = 0
    wanted_bytes: int = 0
    sent_bytes: int = 0
    """By the file server, for the rows that were downloaded from it."""
    waste: Waste = field(default_factory=lambda: Waste(0, 0, 0))
    trouble: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        killed = ", ".join(f"{name} {count} times" for name, count in sorted(self.kills.items())) or "nothing"
        lines = [
            f"seed {self.seed}: killed {killed}; {self.downloaded} downloaded, {self.cancelled} cancelled;"
            f" {self.sent_bytes:,} bytes sent for {self.wanted_bytes:,}: {self.waste.twice:,} twice, of which a resume"
            f" could have kept {self.waste.avoidable:,}, and {self.waste.probes:,} where only the size was asked for"
        ]
        return "\n".join([*lines, *(f"  wrong: {trouble}" for trouble in self.trouble)])


class Storm:
    """One run. `wishes` are fetched while things are killed, until there were `kills`.

    With `lock_s` another process locks the database for so long, again and again; then things live about as long."""

    def __init__(
        self, folder: Path, wishes: Sequence[Wish], *, seed: int, kills: int, lock_s: float = 0, **settings: str
    ) -> None:
        self._wishes = {wish.url: wish for wish in wishes}
        self._dice = random.Random(seed)
        self._left = kills
        self._lock_s = lock_s
        scratch = folder / "scratch"
        scratch.mkdir()
        self._mark = f"{MARK}={scratch}".encode()
        self._deaths: list[float] = []
        self._bot: asyncio.subprocess.Process | None = None
        self.reactor = Reactor(folder, **SETTINGS | settings | {MARK: str(scratch)})
        self.report = Report(seed)

    async def run(self, server: FileServer) -> Report:
        """Storm, wait until all is calm, and look."""
        try:
            await self.reactor.start()
            await self._start_bot()
            async with locking(self.reactor.db, self._lock_s) if self._lock_s else contextlib.nullcontext():
                while self._left:
                    await self._kill()
            await self._calm()
            await self.reactor.stop()
            await self._look(server)
        finally:
            for process in (self._bot, self.reactor.process):
                if process is not None and process.returncode is None:
                    process.send_signal(signal.SIGKILL)
                    await process.wait()
        return self.report

    async def _kill(self) -> None:
        await asyncio.sleep(self._dice.random() * max(LIFE_S, self._lock_s))  # chance, not synchronisation
        victim = self._dice.choice(VICTIMS)
        if victim == "aria2c":
            victims = [pid for pid in self.reactor.children() if "aria2c" in command(pid)]
            if not victims:
                return
            self._deaths.append(time.monotonic())
            end(self._dice.choice(victims))  # what comes in parts has one of its own
        elif victim == "bot":
            if self._bot is None or self._bot.returncode is not None:
                return
            self._bot.kill()
            await self._bot.wait()
            await self._start_bot()
        else:
            self._deaths.append(time.monotonic())
            await self.reactor.stop(signal.SIGKILL)
            await self.reactor.start()
        self._left -= 1
        self.report.kills[victim] = self.report.kills.get(victim, 0) + 1

    async def _start_bot(self) -> None:
        self._bot = await bot_of(self.reactor.db, [*self._wishes], self._dice.random())

    async def _calm(self) -> None:
        """Every wish has its row, and every row is final."""
        assert self._bot is not None
        async with asyncio.timeout(PATIENCE_S):
            assert await self._bot.wait() == 0
        await self.reactor.until_final()
        await self.reactor.until(lambda: not self.reactor.staged())

    # What must be true

    async def _look(self, server: FileServer) -> None:
        await self._look_at_processes()
        with contextlib.closing(sqlite3.connect(self.reactor.db)) as db:
            self._expect(db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "the database is damaged")
            (plans,) = db.execute("SELECT count(*) FROM reactor_plans").fetchone()
        self._expect(plans == 0, f"{plans} plans were left")
        rows, published = self.reactor.rows(), set[str]()
        urls = [row["url"] for row in rows]
        self._expect(sorted(urls) == sorted(self._wishes), f"{len(urls)} rows for {len(self._wishes)} wishes")
        for row in rows:
            await self._look_at_row(row["status"], row["url"], row["file_path"], row["error"])
            if row["status"] == "downloaded":
                published.add(Path(row["file_path"]).relative_to(self.reactor.downloads).parts[0])
        found = {name.split("/")[0] for name in self.reactor.files()}
        self._expect(found == published, f"files of no row: {sorted(found ^ published)[:5]}")
        self._count(server, [row["url"] for row in rows if row["status"] == "downloaded"])

    async def _look_at_row(self, status: str, url: str, path: str | None, error: str | None) -> None:
        self.report.downloaded += status == "downloaded"
        self.report.cancelled += status == "cancelled"
        self._expect(status in FINAL and status != "failed", f"{url} is {status}: {error}")
        if status == "downloaded" and url in self._wishes:
            right = path is not None and await self._wishes[url].is_right(Path(path))
            self._expect(right, f"{url}: wrong bytes in {path}")

    async def _look_at_processes(self) -> None:
        """Whoever lost its reactor ends by itself, soon."""
        left = await orphans(self._mark)
        self._expect(not left, f"processes were left: {left}")

    def _count(self, server: FileServer, downloaded: Sequence[str]) -> None:
        """The bytes of what was downloaded: wanted, sent, and sent twice."""
        answers = defaultdict[str, list[Request]](list)
        for request in server.requests(method="GET"):
            if BY_US not in request.headers:
                answers[request.path].append(request)
        for paths in (self._wishes[url].paths for url in downloaded):
            kept_s = (WHOLE_KEPT_S if len(paths) == 1 else PARTS_KEPT_S) + self._lock_s
            for path in paths:
                self.report.wanted_bytes += len(server.data(path))
                self.report.sent_bytes += sum(request.sent for request in answers[path])
                more = waste(answers[path], self._deaths, kept_s)
                self.report.waste = Waste(*map(sum, zip(self.report.waste, more, strict=True)))
        avoidable = self.report.waste.avoidable
        self._expect(avoidable == 0, f"{avoidable:,} bytes were sent again that a resume could have kept")

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.report.trouble.append(otherwise)


async def orphans(mark: bytes) -> dict[int, str]:
    """The command lines of those with this in their environment that do not end by themselves, soon."""
    left = _marked(mark)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ORPHANS_S):
            while left := _marked(mark):
                await asyncio.sleep(LOOK_S)
    return left


def _marked(mark: bytes) -> dict[int, str]:
    return {pid: command(pid) for pid in processes() if alive(pid) and _is_marked(pid, mark)}


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return any(each.startswith(mark) for each in environment)
    except OSError:
        return False


def command(pid: int) -> str:
    """A command line; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def end(pid: int) -> None:
    """Kill it, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


async def bot_of(db: object, wishes: Sequence[str], seed: float) -> asyncio.subprocess.Process:
    """A bot, as a process of its own."""
    bot = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.bot", str(db), str(seed)), cwd=ROOT, stdin=subprocess.PIPE
    )
    assert bot.stdin is not None
    bot.stdin.write(json.dumps([*wishes]).encode())
    bot.stdin.close()
    return bot
