"""A server that gives little for ever, with the only slot: others are served beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.real.harness import PATIENCE_S, running
from tests.servers import FileServer

DATA = bytes(10**6)
RATE = 5000
"""Bytes a second: more than MIN_SPEED_KIB, less than SLOW_KIB."""


@pytest.mark.nightly
@pytest.mark.fault(73)
async def test_what_comes_slowly_holds_up_the_next_for_a_minute(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, SLOW_MAX="1", CONNECTIONS_PER_SERVER="1") as reactor:
        slow, other = reactor.add(server.put("/slow.bin", DATA, rate=RATE), server.put("/other.bin", b"other"))
        await reactor.until(lambda: reactor.row(other)["status"] == "downloaded", 2 * PATIENCE_S)
        (told,) = reactor.events("download_lane", slow)
        assert told["slow"]
        assert told["speed"] < 10 * RATE
        assert reactor.row(slow)["status"] == "downloading"
        first, second = (reactor.add(server.url(f"/slow.bin?{n}"))[0] for n in range(2))
        await reactor.until(lambda: reactor.row(first)["status"] == "downloading")
        assert reactor.row(second)["status"] == "pending", "no more than SLOW_MAX beside it"
