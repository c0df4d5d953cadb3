"""DRAIN_S: asked to end, reactor lets what is under way end before, and begins nothing."""

from __future__ import annotations

import asyncio
import random
import signal
from functools import partial
from pathlib import Path

from tests.real.harness import Reactor, running
from tests.servers import FileServer

DATA = random.Random(22).randbytes(2_000_000)
HELD = 1_000_000
LONG, SHORT = "3600", "0.5"


async def draining(reactor: Reactor, server: FileServer) -> int:
    """A row is under way that waits for the server, and reactor was asked to end."""
    (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=HELD, etag='"1"'))
    await server.until(lambda: any(request.sent == HELD for request in server.log))
    assert reactor.process is not None
    reactor.process.send_signal(signal.SIGTERM)
    await reactor.until(partial(reactor.events, "reactor_draining"))
    return one


async def ended(reactor: Reactor) -> None:
    """It has ended by itself."""
    assert reactor.process is not None
    async with asyncio.timeout(60):
        assert await reactor.process.wait() == 0


async def test_what_is_under_way_ends_and_nothing_begins(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, DRAIN_S=LONG, MAX_CONCURRENT_DOWNLOADS="2") as reactor:
        one = await draining(reactor, server)
        (told,) = reactor.events("reactor_draining")
        assert (told["reason"], told["under_way"]) == ("SIGTERM", 1)
        (two, three) = reactor.add(server.put("/b.bin", DATA), server.put("/c.bin", DATA))
        reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", three)
        await reactor.until(lambda: reactor.row(three)["status"] == "cancelled")  # it has seen both
        assert not server.requests("/b.bin")
        server.release()
        await ended(reactor)
        assert "asked to end (SIGTERM): 1 running may finish until " in reactor.printed
        assert reactor.row(one)["status"] == "downloaded"
        assert (reactor.row(two)["status"], reactor.row(two)["attempt"]) == ("pending", 0)
        assert not server.requests("/b.bin")
        assert reactor.events("reactor_stopped")[-1]["left"] == 0
        assert reactor.files() == {"a.bin": DATA}
        await reactor.start()
        await reactor.until_final()
        assert reactor.row(two)["status"] == "downloaded"


async def test_what_is_too_slow_goes_on_with_the_next_start_where_it_was(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, DRAIN_S=SHORT) as reactor:
        one = await draining(reactor, server)
        await ended(reactor)
        assert reactor.events("reactor_stopped")[-1]["left"] == 1
        assert (reactor.row(one)["status"], reactor.row(one)["attempt"]) == ("downloading", 1)
        assert any(name.endswith("a.bin") for name in reactor.staged())
        server.put("/a.bin", DATA, etag='"1"')
        await reactor.start()
        await reactor.until_final()
        row = reactor.row(one)
        assert (row["status"], row["attempt"], row["retry_count"]) == ("downloaded", 1, 0)
        assert server.requests("/a.bin", "GET")[-1].sent < len(DATA), "what was there is not fetched again"
    assert reactor.files() == {"a.bin": DATA}


async def test_a_second_signal_ends_the_wait(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, DRAIN_S=LONG) as reactor:
        one = await draining(reactor, server)
        await reactor.stop(signal.SIGINT)
        assert reactor.process is not None
        assert reactor.process.returncode == 0
        assert reactor.events("reactor_stopped")[-1]["left"] == 1
        assert (reactor.row(one)["status"], reactor.row(one)["attempt"]) == ("downloading", 1)


async def test_a_cancel_is_heard_meanwhile(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, DRAIN_S=LONG) as reactor:
        one = await draining(reactor, server)
        reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", one)
        await ended(reactor)
        assert reactor.row(one)["status"] == "cancelled"
        assert reactor.files() == {}
