"""Outside HOURS nothing is begun, and within them at no more than SPEED_LIMIT."""

from __future__ import annotations

import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from datetime import datetime, timedelta
from pathlib import Path

from tests.real.harness import running
from tests.servers import FileServer


async def test_outside_the_hours_a_row_waits_and_is_told_why(tmp_path: Path) -> None:
    now = datetime.now()
    later = [(now + timedelta(hours=hours)).strftime("%H") for hours in (2, 3)]
    async with FileServer() as server, running(tmp_path, HOURS="-".join(later)) as reactor:
        waits, cancelled = reactor.add(server.put("/a.bin", b"a"), server.put("/b.bin", b"b"))
        reactor.execute("UPDATE downloads SET cancelled = 1 WHERE id = ?", cancelled)
        await reactor.until(lambda: reactor.row(cancelled)["status"] == "cancelled")
        assert reactor.row(waits)["status"] == "pending"
        asked = sys.executable, "-m", "reactor", "why", str(waits)
        why = await create_subprocess_exec(*asked, env=reactor.environment, stdout=PIPE)
        told, _ = await why.communicate()
        assert b"HOURS" in told
        assert f"at {later[0]}:00".encode() in told
        assert [each["open"] for each in reactor.events("hours_changed")] == [False]


async def test_within_them_it_comes(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, HOURS="00-24", SPEED_LIMIT="50M") as reactor:
        (row,) = reactor.add(server.put("/a.bin", b"a" * 10**6))
        await reactor.until(lambda: reactor.row(row)["status"] == "downloaded")
