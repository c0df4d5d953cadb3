"""A large file gets all the connections that are allowed where they bring more, and only there."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from reactor.core.widths import FEW
from tests.real.harness import running
from tests.servers import FileServer

DATA = random.Random(5).randbytes(48 * 1024 * 1024)
EACH = 1024 * 1024
"""Bytes a second of one connection."""
MOST = 16


@pytest.mark.nightly
async def test_where_each_connection_has_a_speed_of_its_own(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, CONNECTIONS_PER_SERVER=str(MOST)) as reactor:
        (row,) = reactor.add(server.put("/film.mkv", DATA, rate=EACH))
        most = 0

        def enough() -> bool:
            nonlocal most
            seen = reactor.row(row)
            if (seen["progress"] or 0) > 70:  # decided long ago: those that were replaced by more are gone
                most = max(most, len(server.under_way("/film.mkv")))
            return bool(seen["status"] == "downloaded")

        await reactor.until(enough)
        assert most > FEW
        assert Path(reactor.row(row)["file_path"]).read_bytes() == DATA


@pytest.mark.nightly
async def test_where_more_of_them_are_refused(tmp_path: Path) -> None:
    """Those that it had go on, and it has no more of them in the end."""
    async with FileServer() as server, running(tmp_path, CONNECTIONS_PER_SERVER=str(MOST)) as reactor:
        (row,) = reactor.add(server.put("/film.mkv", DATA, rate=EACH, at_once=FEW + 2))
        await reactor.until(lambda: reactor.row(row)["status"] == "downloaded")
        assert [each for each in server.requests("/film.mkv", "GET") if each.status == 503]
        assert Path(reactor.row(row)["file_path"]).read_bytes() == DATA
        assert reactor.row(row)["retry_count"] == 0
