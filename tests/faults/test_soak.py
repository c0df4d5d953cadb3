"""What runs for months, and much at once: nothing grows with what has happened, nothing is lost on the way."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.chaos.wire import Wire
from tests.real.elsewhere import elsewhere
from tests.real.harness import Reactor, running
from tests.servers import FileServer

CUT_EVERY_S = 0.2
WARM, CUTS = 5, 25
SPARE = 2
"""Descriptors that may be open just then: a connection that is being made."""
GROWTH = 6 * 1024 * 1024
"""Bytes that the interpreter may still fill up before they are used again; a leak of a connection's buffers is more."""


def connected_often(reactor: Reactor, times: int) -> bool:
    return len(reactor.events("aria2_connected")) > times


@pytest.mark.fault(52)
async def test_many_reconnects_leave_nothing_open(tmp_path: Path) -> None:
    async with (
        FileServer() as server,
        elsewhere(tmp_path / "there") as aria2c,
        (wire := Wire(aria2c.port, every_s=CUT_EVERY_S)).laid() as port,
        running(tmp_path, **aria2c.settings(ARIA2C_RPC_URL=f"ws://127.0.0.1:{port}/jsonrpc")) as reactor,
    ):
        assert reactor.process is not None
        process = psutil.Process(reactor.process.pid)
        held = []
        for cuts in (WARM, CUTS):
            reactor.add(server.put(f"/{cuts}.bin", b"x" * 1000))
            await reactor.until_final()
            await reactor.until(partial(connected_often, reactor, cuts))
            held.append((process.num_fds(), process.num_threads(), process.memory_info().rss))
        (fds, threads, memory), (fds_after, _, memory_after) = held
        assert fds_after <= fds + SPARE
        # The pool for blocking calls ends what was idle for 10 s at its next call, and each connect makes one (the disk
        # is measured): what it has for a moment more goes, what leaked stays.
        await reactor.until(lambda: process.num_threads() <= threads)
        assert memory_after <= memory + GROWTH
    assert wire.cuts >= CUTS


MANY = 100
SLOW = b"0123456789" * 3000


@pytest.mark.nightly
@pytest.mark.fault(21)
async def test_a_hundred_at_once_over_a_line_that_breaks(tmp_path: Path) -> None:
    """What aria2 tells while the line is down is lost: only asking finds it."""
    async with (
        FileServer() as server,
        elsewhere(tmp_path / "there", f"--max-concurrent-downloads={MANY}") as aria2c,
        (wire := Wire(aria2c.port)).laid() as port,
        running(
            tmp_path,
            **aria2c.settings(
                ARIA2C_RPC_URL=f"ws://127.0.0.1:{port}/jsonrpc",
                MAX_CONCURRENT_DOWNLOADS=str(MANY),
                STALL_TIMEOUT_S="300",
            ),
        ) as reactor,
    ):
        urls = [server.put(f"/{n}.bin", SLOW, stall_after=1000, etag=f'"{n}"') for n in range(MANY)]
        reactor.add(*urls)
        await server.until(lambda: sum(request.sent == 1000 for request in server.log) == MANY)
        cuts = wire.cuts
        await reactor.until(lambda: wire.cuts > cuts)
        server.release()
        await reactor.until_final()
        rows = reactor.rows()
        assert {(row["status"], row["retry_count"]) for row in rows} == {("downloaded", 0)}
        assert {Path(row["file_path"]).read_bytes() for row in rows} == {SLOW}
        sent = [request for request in server.log if request.method == "GET" and request.sent]
        assert len(sent) == MANY, "each was fetched once"


FORGETFUL = 3


@pytest.mark.nightly
@pytest.mark.fault(29)
async def test_an_aria2c_that_forgets_results_soon_fails_no_row_that_is_done(tmp_path: Path) -> None:
    async with (
        FileServer() as server,
        elsewhere(tmp_path / "there", f"--max-download-result={FORGETFUL}", "--max-concurrent-downloads=20") as aria2c,
        running(tmp_path, **aria2c.settings(MAX_CONCURRENT_DOWNLOADS="20")) as reactor,
    ):
        reactor.add(*(server.put(f"/{n}.bin", SLOW) for n in range(MANY)))
        await reactor.until_final()
        rows = reactor.rows()
        assert {(row["status"], row["retry_count"]) for row in rows} == {("downloaded", 0)}
        assert {Path(row["file_path"]).read_bytes() for row in rows} == {SLOW}
