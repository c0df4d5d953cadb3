"""What runs for months: nothing grows with what has happened."""

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
            held.append((process.num_fds(), process.num_threads()))
        (fds, threads), (fds_after, threads_after) = held
        assert fds_after <= fds + SPARE
        assert threads_after <= threads
    assert wire.cuts >= CUTS
