"""What bounds the figures that are missed: the same steps as a reactor's, with nothing around them.

The ladder climbs from bare aria2c towards a reactor. Each rung does the least that its promise takes, in Python, in
one process, one row at a time, with the reactor's own parts:

    driven   each file is handed to aria2c by itself over its WebSocket, its end is heard, its outcome asked
    looked   and its server was asked for name, size and type (while the file before was on its way)
    kept     and a row was claimed, its plan and its end saved, each in a commit of its own
    placed   and the file has come into a folder of its own, was checked, placed by a record that outlives a kill, and
             tidied up after

What is left between `placed` and the reactor is what decides, writes the journal and listens to everybody else.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import anyio

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
from reactor.models import Extraction, Fetch, Finish, Kind
from reactor.programs import find_aria2c

RUNGS = ("driven", "looked", "kept", "placed")


def rung(bench: Bench, which: str, url: str, files: Path, names: Sequence[str]) -> float:
    """Files per second of one rung."""
    folder = bench.place(f"bound-{which}")
    took, published = anyio.run(_climb, which, folder, [f"{url}/{name}" for name in names])
    check_folder(published, files, names)
    return len(names) / took


async def _climb(which: str, folder: Path, urls: list[str]) -> tuple[float, Path]:
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
        began = time.monotonic()
        await _Rows(which, published, store, aria2, context, heard).fetch(urls)
        return time.monotonic() - began, published


def _insert(db: Path, urls: list[str]) -> None:
    connection = sqlite3.connect(db)
    with connection:
        connection.executemany("INSERT INTO downloads (url) VALUES (?)", [(url,) for url in urls])
    connection.close()


class _Rows:
    """One after the other, as a reactor has them."""

    def __init__(
        self,
        which: str,
        published: Path,
        store: Store,
        aria2: Aria2Connection,
        context: Context,
        heard: dict[str, anyio.Event],
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

    async def fetch(self, urls: list[str]) -> None:
        found = await self._look(urls[0])
        for n, _ in enumerate(urls):
            ahead: list[Extraction] = []
            async with anyio.create_task_group() as tasks:
                if n + 1 < len(urls):
                    tasks.start_soon(self._look_ahead, urls[n + 1], ahead)
                if n and self._placed:
                    tasks.start_soon(anyio.to_thread.run_sync, self._staging.tidy, [n])
                await self._one(n, found)
            if ahead:
                found = ahead[0]

    async def _look_ahead(self, url: str, found: list[Extraction]) -> None:
        found.append(await self._look(url))

    async def _look(self, url: str) -> Extraction:
        detection = await detect(url, self._context)
        if self._looked:
            return await EXTRACTORS[detection.kind].extract(detection, self._context)
        name = url.rpartition("/")[2]
        fetches = (Fetch(urls=(url,), name=name),)
        return Extraction(kind=Kind.DIRECT, title=name, fetches=fetches, finish=Finish(how="file", name=name))

    async def _one(self, n: int, found: Extraction) -> None:
        fetch, attempt = found.fetches[0], Attempt(n + 1, 1)
        if self._kept:
            polled = await self._store.poll(commands.PollRows((), 1, ()), time.time(), RETRY_MAX_S)
            attempt = polled.rows.claimed[0].attempt
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
