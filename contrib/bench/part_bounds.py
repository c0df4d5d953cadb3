"""What bounds a film that comes in parts: the same steps as a reactor's, with nothing around them, each by itself.

read     its playlist is read into a plan, by a process that can be killed
driven   a second aria2c is started and connected; the parts are handed over in batches, and their ends heard
checked  each part is looked at, and its clock read
joined   the same, and ffmpeg makes one film of them

python -m contrib.bench.part_bounds SHORT LONG    the MiB by which a process grows that reads and holds LONG's plan
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from contrib.bench.bench import Bench
from contrib.bench.proc import peak_mib
from contrib.bench.streams import AT_ONCE, Stream, check_film
from contrib.bench.subjects import write_conf
from contrib.bench.validity import Invalid, Samples, check_bytes
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.aria2.options import TransferPolicy, addition
from reactor.core import events
from reactor.core.job import Attempt, derive_gid
from reactor.core.steps.window import WINDOW_MAX
from reactor.daemon.life import OF_PARTS
from reactor.errors import Aria2Error
from reactor.extractors.base import Context
from reactor.extractors.context import open_context
from reactor.extractors.manifest import extract_manifest
from reactor.media.check import check_parts, measure_parts
from reactor.media.ffmpeg import join
from reactor.models import Kind
from reactor.plan import Extraction
from reactor.programs import find_aria2c, find_ffmpeg

STEPS = ("read", "started", "driven", "checked", "joined")
PATIENCE_S = 120.0


class Steps:
    """Measured in turns with others. Made by `open_steps`."""

    def __init__(self, bench: Bench, stream: Stream, rounds: int, portal: BlockingPortal, context: Context) -> None:
        self._bench, self._stream = bench, stream
        self._portal, self._context = portal, context
        self.took = {name: Samples(f"bound, {name}", rounds) for name in STEPS}
        """In seconds."""

    def once(self) -> dict[str, float]:
        """Take them all, and leave nothing of it."""
        folder = self._bench.place("bound-parts")
        try:
            return self._portal.call(_one, folder, self._stream, self._context)
        finally:
            shutil.rmtree(folder)

    def measure(self) -> None:
        """One round."""
        for name, took in self.once().items():
            self.took[name].add(took)


@contextmanager
def open_steps(bench: Bench, stream: Stream, rounds: int) -> Iterator[Steps]:
    """With the processes that a reactor has, too, which were used before."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_context()) as context:
        steps = Steps(bench, stream, rounds, portal, context)
        steps.once()
        yield steps


def plan_mib(short: Stream, long: Stream) -> float:
    """MiB by which a process that has read the playlist of `short` grows with the plan of `long`."""
    command = [sys.executable, "-m", __name__, short.playlist, long.playlist]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if done.returncode:
        raise Invalid(f"the plan of {len(long.names)} parts was not read: {done.stderr[-500:]}")
    return float(done.stdout)


async def _grown(*playlists: str) -> float:
    """Read and hold the plans; how much the last of them has added."""
    plans, peaks = list[Extraction](), list[float]()
    async with open_context() as context:
        for playlist in playlists:
            plans.append(await extract_manifest(playlist, context, kind=Kind.YTDLP))
            peaks.append(peak_mib(os.getpid()))
    return peaks[-1] - peaks[-2]


async def _one(folder: Path, stream: Stream, context: Context) -> dict[str, float]:
    staged, took = folder / "staged", dict[str, float]()
    staged.mkdir()
    began = time.monotonic()
    plan = await extract_manifest(stream.playlist, context, kind=Kind.YTDLP)
    took["read"] = time.monotonic() - began
    os.sync()  # what was written before is written now, and not in somebody's time
    if len(plan.fetches) != len(stream.names):
        raise Invalid(f"the plan has {len(plan.fetches)} parts instead of {len(stream.names)}")
    with anyio.fail_after(PATIENCE_S):
        took |= await _driven(write_conf(folder, log=False), staged, plan)
    for fetch, name in zip(plan.fetches, stream.names, strict=True):
        check_bytes(staged / fetch.name, (stream.folder / name).read_bytes())
    began = time.monotonic()
    checked = await check_parts(staged, plan)
    await measure_parts(staged, checked, context.parsers.clocks)
    took["checked"] = time.monotonic() - began
    began = time.monotonic()
    joined = await join(find_ffmpeg(None).path, staged, plan, context.parsers)
    took["joined"] = time.monotonic() - began
    await anyio.to_thread.run_sync(check_film, joined.path, stream)
    return took


async def _driven(conf: Path, staged: Path, plan: Extraction) -> dict[str, float]:
    """Seconds to the connection, and to the end of the last part. A batch is as large as half a reactor's window."""
    ended, news, failed = 0, anyio.Event(), list[str]()

    def told(event: object) -> None:
        nonlocal ended
        if isinstance(event, events.TransferNotified) and event.what in ("complete", "error"):
            ended += 1
            failed.extend([event.gid] if event.what == "error" else [])
            news.set()

    additions = [
        addition(fetch, gid=derive_gid("bench", Attempt(1, 1), n), directory=str(staged), policy=TransferPolicy())
        for n, fetch in enumerate(plan.fetches)
    ]
    options, given, began = OF_PARTS | {"max-concurrent-downloads": str(AT_ONCE)}, 0, time.monotonic()
    async with (
        EmbeddedAria2(find_aria2c(), conf, options=options) as embedded,
        Aria2Connection(lambda: embedded.url, embedded.secret, post=told) as aria2,
    ):
        await aria2.wait_connected()
        started = time.monotonic() - began
        while ended < len(additions) and not failed:
            if given < len(additions) and given - ended <= WINDOW_MAX // 2:
                some = additions[given : ended + WINDOW_MAX]
                given += len(some)
                if any(isinstance(answer, Aria2Error) for answer in await aria2.batch(some)):
                    raise Invalid("aria2 did not take a part")
            else:
                await news.wait()
                news = anyio.Event()
        took = time.monotonic() - began
    if failed:
        raise Invalid(f"{len(failed)} parts failed")
    return {"started": started, "driven": took}


if __name__ == "__main__":
    print(anyio.run(_grown, *sys.argv[1:]))
