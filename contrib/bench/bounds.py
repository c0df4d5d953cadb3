"""What bounds the figures of small files that are missed: the same steps as a reactor's, with nothing around them.

The ladder climbs from bare aria2c towards a reactor. Each rung does the least that its promise takes, in Python, in
one process, as many rows at a time as the reactor beside it, with the reactor's own parts:

    driven   each file is handed to aria2c by itself over its WebSocket, its end is heard, its outcome asked
    looked   and its server was asked for name, size and type (while the file before was on its way)
    kept     and a row was claimed, its plan and its end saved, each in a commit of its own
    placed   and the file has come into a folder of its own, was checked, placed by a record that outlives a kill, and
             tidied up after

What is left between `placed` and the reactor is what decides, writes the journal, listens to everybody else and lets
what aria2c fetches through the guard.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from contrib.bench.bench import Bench
from contrib.bench.servers import PATIENCE_S
from contrib.bench.subjects import write_conf
from contrib.bench.validity import Invalid, check_folder
from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.options import TransferPolicy, addition
from reactor.core import commands, events
from reactor.core.job import Attempt, derive_gid
from reactor.database.contract import RETRY_MAX_S
from reactor.database.engine import open_store
from reactor.database.store import Store
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context
from reactor.extractors.context import open_context
from reactor.extractors.detect import detect
from reactor.files.staging import Staging
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish
from reactor.programs import find_aria2c

RUNGS = ("driven", "looked", "kept", "placed")


@dataclass(frozen=True)
class Rung:
    """What one of them takes."""

    rate: float
    """Files per second."""
    cpu_ms: float
    """Of this process, for one file."""


def rung(bench: Bench, which: str, url: str, files: Path, names: Sequence[str], at_once: int = 1) -> Rung:
    """Have these files downloaded, so many at a time, by the steps up to this rung."""
    folder = bench.place(f"bound-{which}")
    took, cpu, published = anyio.run(_climb, which, folder, [f"{url}/{name}" for name in names], at_once)
    check_folder(published, files, names)
    return Rung(len(names) / took, cpu * 1000 / len(names))


async def _climb(which: str, folder: Path, urls: list[str], at_once: int) -> tuple[float, float, Path]:
    published = folder / "downloads"
    published.mkdir()
    heard: dict[str, anyio.Event] = {}

    def told(event: object) -> None:
        if isinstance(event, events.TransferNotified) and event.what == "complete" and event.gid in heard:
            heard[event.gid].set()

    conf = write_conf(folder, log=False)
    async with (
        EmbeddedAria2(find_aria2c(), conf) as embedded,
        Aria2Connection(lambda: embedded.url, embedded.secret, post=told) as aria2,
        open_store(folder / "bot.db", owner="bench") as store,
        open_context() as context,
    ):
        await aria2.wait_connected()
        _insert(folder / "bot.db", urls)
        rows = _Rows(which, published, store, aria2, context, heard, urls, at_once)
        began, cpu = time.monotonic(), time.process_time()
        await rows.fetch()
        return time.monotonic() - began, time.process_time() - cpu, published


def _insert(db: Path, urls: list[str]) -> None:
    connection = sqlite3.connect(db)
    with connection:
        connection.executemany("INSERT INTO downloads (url) VALUES (?)", [(url,) for url in urls])
    connection.close()


class _Rows:
    """So many at once, in the order of their ids, as a reactor has them."""

    def __init__(
        self,
        which: str,
        published: Path,
        store: Store,
        aria2: Aria2Connection,
        context: Context,
        heard: dict[str, anyio.Event],
        urls: list[str],
        at_once: int,
    ) -> None:
        height = RUNGS.index(which)
        self._looked, self._kept, self._placed = (height >= RUNGS.index(name) for name in ("looked", "kept", "placed"))
        self._staging = Staging(published, instance=store.instance)
        self._published = published
        self._store = store
        self._aria2 = aria2
        self._context = context
        self._heard = heard
        self._policy = TransferPolicy()
        self._urls, self._at_once = urls, at_once
        self._begun, self._ahead = iter(range(len(urls))), iter(range(len(urls)))
        self._found = [anyio.Event() for _ in urls]
        self._extractions: dict[int, Extraction] = {}
        self._look_room = anyio.Semaphore(at_once)
        """So many are looked at before their turn."""

    async def fetch(self) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(self._at_once):
                tasks.start_soon(self._look_ahead)
                tasks.start_soon(self._serve, tasks)

    async def _look_ahead(self) -> None:
        for n in self._ahead:
            await self._look_room.acquire()
            self._extractions[n] = await self._look(self._urls[n])
            self._found[n].set()

    async def _look(self, url: str) -> Extraction:
        detection = await detect(url, self._context)
        if self._looked:
            return await EXTRACTORS[detection.kind].extract(detection, self._context)
        name = url.rpartition("/")[2]
        fetches = (Fetch(urls=(url,), name=name),)
        return Extraction(kind=Kind.DIRECT, title=name, fetches=fetches, finish=Finish(how="file", name=name))

    async def _serve(self, tasks: TaskGroup) -> None:
        for n in self._begun:
            attempt = Attempt(n + 1, 1)
            if self._kept:
                polled = await self._store.poll(commands.PollRows((), 1, ()), time.time(), RETRY_MAX_S)
                attempt = polled.rows.claimed[0].attempt
            await self._found[attempt.download_id - 1].wait()
            found = self._extractions.pop(attempt.download_id - 1)
            self._look_room.release()
            await self._one(attempt, found)
            if self._placed:
                tasks.start_soon(anyio.to_thread.run_sync, self._staging.tidy, [attempt.download_id])

    async def _one(self, attempt: Attempt, found: Extraction) -> None:
        fetch = found.fetches[0]
        if self._kept:
            await self._save(commands.SavePlan(attempt, found))
        if self._placed:
            self._staging.is_new(attempt.download_id)
        gid = derive_gid("bench", attempt, 0)
        over = self._heard[gid] = anyio.Event()
        directory = self._staging.folder(attempt.download_id) if self._placed else self._published
        await self._aria2.call(addition(fetch, gid=gid, directory=str(directory), policy=self._policy))
        with anyio.fail_after(PATIENCE_S):
            await over.wait()
        del self._heard[gid]
        report = await self._aria2.call(methods.tell_status(gid))
        if report.status is not events.TransferStatus.COMPLETE:
            raise Invalid(f"aria2 says {report.status} of {fetch.name}: {report.error_message}")
        path, size = str(self._published / fetch.name), report.total
        if self._placed:
            finish = commands.Finish(attempt, found, ((),), report.total)
            path, size = await anyio.to_thread.run_sync(self._staging.finish, finish)
        if self._kept:
            await self._save(commands.SaveDownloaded(attempt, path, size, found.title))

    async def _save(self, save: commands.Save) -> None:
        if await self._store.save([save], time.time()):
            raise Invalid("a row was refused")
