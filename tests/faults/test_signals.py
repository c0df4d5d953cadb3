"""Asked to end at any moment: it does, at once, and what was under way goes on with the next run."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.real.harness import Reactor, alive, running
from tests.servers import FileServer

DATA = random.Random(51).randbytes(200_000)
FLOOD = 60

# stage: how the server holds the row there, and what shows that it is there
HELD: dict[str, tuple[dict[str, Any], Callable[[FileServer], bool]]] = {
    "detecting": ({"hang": True, "content_type": None}, lambda server: bool(server.log)),
    "extracting": ({"head": "hang"}, lambda server: bool(server.requests(method="HEAD"))),
    "adding": ({"stall_after": 0}, lambda server: bool(server.requests(method="GET"))),
    "fetching": ({"stall_after": 50_000}, lambda server: any(request.sent == 50_000 for request in server.log)),
}


def completed(reactor: Reactor, wanted: int) -> bool:
    return len(reactor.events("download_completed")) >= wanted


async def gone(reactor: Reactor, children: list[int]) -> None:
    """Nothing of it runs any more."""
    await Reactor.until(Reactor(reactor.folder), lambda: not any(alive(pid) for pid in children))


@pytest.mark.fault(51)
@pytest.mark.parametrize("stage", HELD)
async def test_in_each_stage(tmp_path: Path, stage: str) -> None:
    how, there = HELD[stage]
    path = "/get" if stage == "detecting" else "/a.bin"
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put(path, DATA, etag='"1"', **how))
        await server.until(lambda: there(server))
        children = reactor.children()
        printed = await reactor.stop()
        assert reactor.process is not None
        assert reactor.process.returncode == 0
        assert "Traceback" not in printed
        await gone(reactor, children)
        assert (reactor.row(one)["status"], reactor.row(one)["attempt"]) == ("downloading", 1)
        assert reactor.events("reactor_stopped")[-1]["left"] == 1
        server.put(path, DATA, etag='"1"', disposition="attachment; filename=a.bin")
        await reactor.start()
        await reactor.until_final()
        row = reactor.row(one)
        await reactor.until(lambda: not reactor.staged())
    assert (row["status"], row["attempt"], row["retry_count"]) == ("downloaded", 1, 0)
    assert reactor.files() == {"a.bin": DATA}


@pytest.mark.nightly
@pytest.mark.fault(51)
async def test_in_the_midst_of_a_flood_and_again(tmp_path: Path) -> None:
    """Rows are claimed, added, ended and written at each of these moments."""
    dice = random.Random(51)
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="4") as reactor:
        reactor.add(*(server.put(f"/{n}.bin", b"%d" % n * 100) for n in range(FLOOD)))
        for share in (0.1, 0.4, 0.7):
            wanted = int(FLOOD * share) + dice.randint(0, 5)
            await reactor.until(partial(completed, reactor, wanted))
            children = reactor.children()
            await reactor.stop(dice.choice((signal.SIGTERM, signal.SIGINT)))
            await gone(reactor, children)
            await reactor.start()
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
        assert {(row["status"], row["attempt"]) for row in reactor.rows()} == {("downloaded", 1)}
    assert reactor.files() == {f"{n}.bin": b"%d" % n * 100 for n in range(FLOOD)}


@pytest.mark.fault(8, 51)
async def test_a_second_signal_does_not_wait_for_a_database_that_is_locked(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=50_000, etag='"1"'))
        await server.until(lambda: any(request.sent == 50_000 for request in server.log))
        with contextlib.closing(sqlite3.connect(reactor.db, isolation_level=None)) as bot:
            bot.execute("BEGIN IMMEDIATE")
            server.release()
            await reactor.until(lambda: (reactor.downloads / "a.bin").exists())
            children = reactor.children()
            assert reactor.process is not None
            reactor.process.send_signal(signal.SIGTERM)
            await reactor.stop()
            await gone(reactor, children)
            assert reactor.row(one)["status"] == "downloading"
            bot.execute("ROLLBACK")
        asked = len(server.requests(method="GET"))
        await reactor.start()
        await reactor.until_final()
        assert (reactor.row(one)["status"], reactor.row(one)["attempt"]) == ("downloaded", 1)
        assert len(server.requests(method="GET")) == asked, "it was published, and is not fetched again"
    assert reactor.files() == {"a.bin": DATA}
