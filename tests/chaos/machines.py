"""A storm over one queue on PostgreSQL that several reactors serve, each with its own aria2c, disk and way to the
database. They are killed, stopped and cut off, and the server is started anew; what lasts longer than a lease has
its rows taken over by the others.

What must be true in the end is looked at from outside, as in `storm.py`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.chaos.scenes import files
from tests.chaos.storm import MARK, SETTINGS, Wish, bot_of, command, end, orphans
from tests.chaos.wire import Wire
from tests.database.postgres.server import USER, Server, serving
from tests.extractors.trees import tree
from tests.real.harness import FINAL, LOOK_S, Reactor
from tests.servers import FileServer

NAMES = "abcd"
FILE_BYTES, FILE_RATE = 300_000, 200_000
ROWS_EACH = 2.5
"""Rows for each fault: there is always something under way when the next one comes."""
STRIKE_S = 1.0
"""So long it is calm between two faults, at the most."""
BRIEF_S = 3.0
"""How long a brief trouble lasts, at the most."""
LONG_S = (33.0, 40.0)
"""How long a long one does: longer than a lease."""
LONG_ONES = 0.15
"""The share of long ones among those that may be long, where there are any."""
UP_MIN = 2
"""So many machines are left alone at any time."""
CALM_S = 240.0
"""Until all rows are final, after the last fault."""
FAULTS = {
    "reactor": 6,
    "aria2c": 4,
    "bot": 1,
    "stop": 2,
    "cut": 3,
    "refused": 2,
    "silence": 2,
    "sessions": 1,
    "server": 1,
}
"""How often each of them comes, of all: a kill of the reactor, its aria2c or the bot; a machine that is stopped for a
while; its connections reset, refused for a while, or silent for a while; all sessions ended by the server; the server
stopped, in order or at once, and started anew."""


@dataclass
class Report:
    """What was seen in the end."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    downloaded: int = 0
    cancelled: int = 0
    wanted_bytes: int = 0
    sent_bytes: int = 0
    """By the file server, for the rows that were downloaded."""
    takeovers: list[float] = field(default_factory=list)
    """Seconds from a long trouble's beginning until nothing was under way on that machine any more; the server was not
    away for long meanwhile."""
    trouble: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        struck = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items())) or "nothing"
        longest = f"{len(self.takeovers)} takeovers within {max(self.takeovers, default=0):.1f} s"
        line = (
            f"seed {self.seed}: {struck}; {self.downloaded} downloaded, {self.cancelled} cancelled; {longest};"
            f" {self.sent_bytes:,} bytes sent for {self.wanted_bytes:,}:"
            f" {max(0, self.sent_bytes - self.wanted_bytes):,} fetched again"
        )
        return "\n".join([line, *(f"  wrong: {trouble}" for trouble in self.trouble)])


class Machine(Reactor):
    """One of the reactors, and its wire to the database."""

    def __init__(self, folder: Path, name: str, wire: Wire, port: int, direct: str, **settings: str) -> None:
        self.name, self.wire, self._direct = name, wire, direct
        url = f"postgresql://{USER}@127.0.0.1:{port}/bot"
        (folder / name).mkdir()
        own = {"DOWNLOAD_DB": url, "MACHINE_NAME": name, "XDG_DATA_HOME": str(folder / name / "data")}
        super().__init__(folder / name, **SETTINGS | own | settings)
        self.downloads = Path(self.settings.get("DOWNLOAD_DIR", self.downloads))

    def rows(self, *ids: int) -> list[dict[str, Any]]:
        with psycopg.connect(self._direct, autocommit=True, row_factory=dict_row) as db:
            rows = db.execute("SELECT * FROM downloads ORDER BY id").fetchall()
        return [row for row in rows if not ids or row["id"] in ids]

    async def begin(self) -> None:
        """Start it; and again, as a service is, where there is no server at the moment."""
        while True:
            try:
                return await self.start()
            except AssertionError:
                assert self.process is not None
                if "cannot be reached" not in self.printed:
                    raise

    def goes_on(self) -> None:
        """It has not ended by itself."""
        code = self.process.returncode if self.process is not None else None
        assert code is None, f"{self.name} has ended with {code}: {self.printed}"

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The process and all that it has started stand still."""
        assert self.process is not None
        pids = tree(self.process.pid)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number is signal.SIGSTOP:
                yield

    async def killed(self) -> None:
        """Whatever it is doing."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class MachineStorm:
    """One run: `wishes` are fetched while things break, until they have so many times. With `long` some of the troubles
    last longer than a lease; with `shared` all files come to one folder."""

    def __init__(
        self, folder: Path, server: Server, wishes: Sequence[Wish], *, seed: int, faults: int, long: bool, shared: bool
    ) -> None:
        self._folder, self._server = folder, server
        self._url = server.url("bot")
        self._wishes = {wish.url: wish for wish in wishes}
        self._dice = random.Random(seed)
        self._left, self._long = faults, long
        self._machines: list[Machine] = []
        self._troubled = set[str]()
        self._outages = 0
        self._server_up = asyncio.Event()
        self._server_up.set()
        scratch = folder / "scratch"
        scratch.mkdir()
        self._mark = {MARK: str(scratch)}
        self._settings = {"DOWNLOAD_DIR": str(folder / "downloads")} if shared else {}
        self.report = Report(seed)

    async def run(self, files: FileServer) -> Report:
        """Storm, wait until all is calm, and look."""
        async with AsyncExitStack() as stack:
            for name in NAMES:
                wire = Wire(self._server.socket, every_s=None)
                port = await stack.enter_async_context(wire.laid())
                self._machines.append(Machine(self._folder, name, wire, port, self._url, **self._mark | self._settings))
            stack.push_async_callback(self._end)
            await self._machines[0].begin()  # which makes the tables
            await asyncio.gather(*(machine.begin() for machine in self._machines[1:]))
            await self._start_bot()
            async with asyncio.TaskGroup() as troubles:
                while self._left:
                    await asyncio.sleep(self._dice.random() * STRIKE_S)  # chance, not synchronisation
                    self._strike(troubles)
            await self._calm()
            for machine in self._machines:
                await machine.stop()
            await self._look(files)
        return self.report

    # Faults

    def _strike(self, troubles: asyncio.TaskGroup) -> None:
        """Begin one. A machine that is in trouble is left alone meanwhile."""
        fault = self._dice.choices([*FAULTS], [*FAULTS.values()])[0]
        up = [machine for machine in self._machines if machine.name not in self._troubled]
        for machine in up if self._long else ():
            machine.goes_on()
        of_all = {"bot": self._bot_dies, "sessions": self._sessions_end, "server": self._server_restarts}
        if fault in of_all:
            if not self._server_up.is_set():
                return
            troubles.create_task(of_all[fault]())
        elif len(up) > UP_MIN:
            troubles.create_task(self._in_trouble(self._dice.choice(up), fault))
        else:
            return
        self._left -= 1
        self.report.faults[fault] += 1

    async def _in_trouble(self, machine: Machine, fault: str) -> None:
        self._troubled.add(machine.name)
        long = self._long and fault not in ("aria2c", "cut") and self._dice.random() < LONG_ONES
        seconds = self._dice.uniform(*LONG_S) if long else self._dice.random() * BRIEF_S
        watched = asyncio.create_task(self._watch_takeover(machine)) if long else None
        if fault == "reactor":
            await machine.killed()
            await asyncio.sleep(seconds if long else 0)
            await machine.begin()
        elif fault == "aria2c":
            for pid in [pid for pid in machine.children() if "aria2c" in command(pid)][:1]:
                end(pid)
        elif fault == "cut":
            machine.wire.reset()
        else:
            how = {"stop": machine.stopped, "refused": machine.wire.refused, "silence": machine.wire.silent}[fault]
            with how():
                await asyncio.sleep(seconds)
        if watched is not None:
            watched.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watched
        self._troubled.discard(machine.name)

    async def _watch_takeover(self, machine: Machine) -> None:
        """Note when nothing of what it had under way is its own any more."""
        began, outages = time.monotonic(), self._outages
        mine = f"SELECT id, attempt FROM downloads WHERE status = 'downloading' AND claimed_by = '{machine.name}'"
        before = set(await self._ask(mine))
        while before & set(await self._ask(mine)):
            await asyncio.sleep(LOOK_S * 10)
        if before and outages == self._outages:
            self.report.takeovers.append(time.monotonic() - began)

    async def _bot_dies(self) -> None:
        if self._bot.returncode is None:
            self._bot.kill()
            await self._bot.wait()
            await self._start_bot()

    async def _sessions_end(self) -> None:
        await self._ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

    async def _server_restarts(self) -> None:
        self._server_up.clear()
        await asyncio.to_thread(self._server.stop, self._dice.choice((signal.SIGINT, signal.SIGQUIT)))
        long = self._long and self._dice.random() < LONG_ONES
        self._outages += long
        await asyncio.sleep(self._dice.uniform(*LONG_S) if long else self._dice.random() * BRIEF_S)
        self._server.launch()
        await asyncio.to_thread(self._server.until_ready)
        self._server_up.set()

    async def _start_bot(self) -> None:
        self._bot = await bot_of(self._url, [*self._wishes], self._dice.random())

    async def _ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Of the server, as soon as it is there."""
        while True:
            try:
                return await asyncio.to_thread(self._server.sql, statement, "bot")
            except psycopg.OperationalError:
                await asyncio.sleep(LOOK_S)

    # What must be true

    async def _calm(self) -> None:
        """Every wish has its row, every row is final, and no machine has anything left."""

        async def over() -> bool:
            return not await self._ask(f"SELECT 1 FROM downloads WHERE status NOT IN {FINAL} LIMIT 1")

        async def tidy() -> bool:
            return not any(machine.staged() for machine in self._machines)

        await self._until(self._bot_is_done, "the bot goes on")
        await self._until(over, "rows are not final")
        await self._until(tidy, "something is left in a staging folder")

    async def _bot_is_done(self) -> bool:
        assert self._bot.returncode in (None, 0)
        return self._bot.returncode == 0

    async def _until(self, holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
        try:
            async with asyncio.timeout(CALM_S):
                while not await holds():
                    await asyncio.sleep(LOOK_S * 10)
        except TimeoutError:
            self.report.trouble.append(otherwise)

    async def _look(self, server: FileServer) -> None:
        left = await orphans("=".join(*self._mark.items()).encode())
        self._expect(not left, f"processes were left: {left}")
        rows = self._machines[0].rows()
        urls = [row["url"] for row in rows]
        self._expect(sorted(urls) == sorted(self._wishes), f"{len(urls)} rows for {len(self._wishes)} wishes")
        for row in rows:
            self._expect(row["status"] in FINAL, f"row {row['id']} is {row['status']}, {row['stage']}")
            self._expect(row["status"] != "failed", f"row {row['id']} has failed: {row['error']}")
        self.report.cancelled = sum(row["status"] == "cancelled" for row in rows)
        downloaded = [row for row in rows if row["status"] == "downloaded"]
        self.report.downloaded = len(downloaded)
        for row in downloaded:
            path, wish = Path(row["file_path"] or ""), self._wishes.get(row["url"])
            self._expect(wish is not None and await wish.is_right(path), f"row {row['id']}: wrong bytes in {path}")
        disks = {machine.downloads: machine for machine in self._machines}
        found = Counter(str(disk / name) for disk, machine in disks.items() for name in machine.files())
        wanted = Counter(row["file_path"] for row in downloaded)
        self._expect(not found - wanted, f"files of no row: {sorted(found - wanted)[:5]}")
        self._expect(not wanted - found, f"rows without a file: {sorted(wanted - found)[:5]}")
        told = Counter(
            event["download_id"] for machine in self._machines for event in machine.events("download_completed")
        )
        twice = [id for id, times in told.items() if times > 1]
        self._expect(not twice, f"told twice to be there: {twice[:5]}")
        ((plans,),) = await self._ask("SELECT count(*) FROM reactor_plans")
        self._expect(plans == 0, f"{plans} plans were left")
        for served in (each for row in downloaded for each in self._wishes[row["url"]].paths):
            self.report.wanted_bytes += len(server.data(served))
            self.report.sent_bytes += sum(request.sent for request in server.requests(served, "GET"))

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.report.trouble.append(otherwise)

    async def _end(self) -> None:
        """Whatever has happened, nothing of it stays."""
        for process in (getattr(self, "_bot", None), *(machine.process for machine in self._machines)):
            if process is not None and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def machine_storm(folder: Path, *, seed: int, faults: int, long: bool, shared: bool) -> Report:
    """Let one storm pass."""
    # Of its own, for it ends in any way, and is started anew. What has connected and said nothing holds up its end for
    # `authentication_timeout`.
    with serving(synchronous_commit="on", authentication_timeout="5s") as database:
        database.sql("CREATE DATABASE bot TEMPLATE template0")
        async with FileServer() as server:
            wishes = files(server, seed, int(faults * ROWS_EACH), size=FILE_BYTES, rate=FILE_RATE)
            return await MachineStorm(folder, database, wishes, seed=seed, faults=faults, long=long, shared=shared).run(
                server
            )
