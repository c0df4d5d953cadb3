"""Outside HOURS nothing is begun, and within them at no more than SPEED_LIMIT, or what SPEED_WINDOWS says."""

from __future__ import annotations

import random
import sys
import time
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

import pytest

from tests.real.elsewhere import elsewhere
from tests.real.harness import Reactor, running
from tests.servers import FileServer

MIB = 1024 * 1024
DATA = random.Random(8).randbytes(2 * MIB)
NOON = 12 * 3600
LEFT_S = 4
"""Until it is noon: what a reactor takes to start, and more. Where it takes longer, the next minute does as well."""
PATIENCE_S = 180.0


def nearly_noon() -> str:
    """A time zone in which it will be noon in `LEFT_S` seconds."""
    east = NOON - LEFT_S - int(time.time()) % (2 * NOON)
    east += 2 * NOON if east < -NOON else 0
    hours, rest = divmod(abs(east), 3600)
    return f"NOON{'-' if east >= 0 else '+'}{hours:02}:{rest // 60:02}:{rest % 60:02}"


def minutes(first: int) -> list[str]:
    """Every second minute of the hour from noon, from this one on."""
    return [f"12:{n:02}-12:{n + 1:02}" for n in range(first, 59, 2)]


def is_open(reactor: Reactor) -> bool:
    """What was said last of it."""
    return bool([True, *(event["open"] for event in reactor.events("hours_changed"))][-1])


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


@pytest.mark.timeout(300)
async def test_the_hours_begin_and_another_speed_applies_at_the_minute(tmp_path: Path) -> None:
    """Of an aria2c that somebody else can ask, while it fetches."""
    even = minutes(0)
    settings = {"TZ": nearly_noon(), "HOURS": ";".join(even), "SPEED_LIMIT": "3M"}
    settings["SPEED_WINDOWS"] = ";".join(f"{each} 1M" for each in even)
    async with FileServer() as server, elsewhere(tmp_path / "there") as aria2c:

        def limit() -> int:
            return int(aria2c.rpc("aria2.getGlobalOption")["max-overall-download-limit"])

        async with running(tmp_path, **aria2c.settings(**settings)) as reactor:
            await reactor.until(lambda: not is_open(reactor), PATIENCE_S)
            await reactor.until(lambda: limit() == 3 * MIB)
            (row,) = reactor.add(server.put("/a.bin", DATA, stall_after=MIB))
            await reactor.until(lambda: is_open(reactor), PATIENCE_S)
            await reactor.until(lambda: limit() == MIB)
            await server.until(lambda: any(request.sent == MIB for request in server.log))
            server.release()
            await reactor.until_final()
            assert Path(reactor.row(row)["file_path"]).read_bytes() == DATA
            before = [*takewhile(lambda event: event["event"] != "download_claimed", reactor.events())]
            assert [event["open"] for event in before if event["event"] == "hours_changed"][-2:] == [False, True]
            assert MIB in [event["limit"] for event in reactor.events("speed_limit_changed")]
            assert len(server.requests("/a.bin", "GET")) == 1


@pytest.mark.timeout(300)
async def test_when_they_are_over_what_runs_goes_on_and_nothing_else_begins(tmp_path: Path) -> None:
    hours = ";".join(["11:59-12:00", *minutes(1)])
    settings = {"TZ": nearly_noon(), "HOURS": hours, "STALL_TIMEOUT_S": "0", "MAX_CONCURRENT_DOWNLOADS": "2"}
    async with FileServer() as server, running(tmp_path, **settings) as reactor:
        (first,) = reactor.add(server.put("/a.bin", DATA, stall_after=MIB))
        await reactor.until(lambda: any(request.sent == MIB for request in server.log), PATIENCE_S)
        await reactor.until(lambda: not is_open(reactor), PATIENCE_S)
        (second,) = reactor.add(server.put("/b.bin", DATA))
        server.release()
        await reactor.until(lambda: reactor.row(first)["status"] == "downloaded")
        assert Path(reactor.row(first)["file_path"]).read_bytes() == DATA
        assert (reactor.row(second)["status"], reactor.row(second)["attempt"]) == ("pending", 0)
