"""Ends of every kind: what was under way goes on where it was, and nothing is left running."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from reactor.core.crashes import CRASHES_MAX
from reactor.programs import find_aria2c
from tests.real.harness import Reactor, alive, running, serving
from tests.servers import FileServer

DATA = random.Random(7).randbytes(1_500_000)


@pytest.mark.fault(51)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_a_download_goes_on_after_the_reactor_was_ended(tmp_path: Path, number: signal.Signals) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=700_000, etag='"1"'))
        await server.until(lambda: any(request.sent == 700_000 for request in server.log))
        await reactor.until(lambda: (reactor.row(one)["progress"] or 0) > 0)
        (aria2c,) = reactor.children()
        await reactor.stop(number)
        assert reactor.process is not None
        assert reactor.process.returncode == (-9 if number is signal.SIGKILL else 0)
        await Reactor.until(Reactor(tmp_path), lambda: not alive(aria2c))
        row = reactor.row(one)
        assert (row["status"], row["attempt"]) == ("downloading", 1)
        server.put("/a.bin", DATA, etag='"1"')
        before = len(server.log)
        await reactor.start()
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["attempt"], row["retry_count"]) == ("downloaded", 1, 0)
    assert reactor.files() == {"a.bin": DATA}
    if number is not signal.SIGKILL:  # then aria2c had the time to save what it had
        ranges = [request.range or "" for request in server.log[before:]]
        assert any(begin.startswith("bytes=") and int(begin[6:].split("-")[0]) >= 600_000 for begin in ranges), ranges


@pytest.mark.fault(66)
async def test_a_row_that_the_reactor_dies_with_each_time_fails_and_the_others_go_on(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, MAX_CONCURRENT_DOWNLOADS="2") as reactor:
        deadly, other = reactor.add(server.put("/a.bin", DATA, hang=True), server.put("/b.bin", DATA, hang=True))
        await server.until(lambda: len(server.log) >= 2)
        await reactor.stop(signal.SIGKILL)
        # As it would be had it died twice before with the one of them.
        reactor.execute("INSERT INTO reactor_crashes VALUES (?, 1, ?, 1)", deadly, CRASHES_MAX - 1)
        server.put("/b.bin", DATA)
        asked = len(server.requests("/a.bin"))
        await reactor.start()
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["failed", "downloaded"]
        assert reactor.row(deadly)["error_code"] == "crashed"
        assert len(server.requests("/a.bin")) == asked, "nothing was done for it before"
        server.put("/a.bin", DATA)
        reactor.execute("UPDATE downloads SET status = 'pending' WHERE id = ?", deadly)
        await reactor.until_final()
        assert reactor.row(deadly)["status"] == "downloaded"
        assert reactor.events("download_failed", other) == []


async def test_a_reactor_that_was_asked_to_end_blames_nobody(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        reactor.add(server.put("/a.bin", DATA, hang=True))
        await reactor.until(lambda: reactor.events("download_claimed"))
        for times in (1, 2):
            await reactor.stop(signal.SIGTERM)
            await reactor.start()
            await reactor.until(lambda: len(reactor.events("download_resumed")) == times)  # noqa: B023 - waited for here
        crashes = [event["crashes"] for event in reactor.events("download_resumed")]
    assert crashes == [0, 0]


@pytest.mark.fault(18)
async def test_an_aria2c_that_dies_is_started_again_and_the_download_goes_on(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=700_000, etag='"1"'))
        await server.until(lambda: any(request.sent == 700_000 for request in server.log))
        server.put("/a.bin", DATA, etag='"1"')
        os.kill(reactor.children()[0], signal.SIGKILL)
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["attempt"]) == ("downloaded", 1)
    assert reactor.files() == {"a.bin": DATA}
    assert reactor.events("aria2_lost")
    assert reactor.events("aria2_connected")[-1]["restarted"] is True


HASTY = """
from reactor.aria2 import connection
connection.PING_INTERVAL_S, connection.PING_TIMEOUT_S, connection.OPEN_DEADLINE_S = 0.2, 1.0, 1.0
connection.Aria2Connection.__init__.__kwdefaults__.update(silence_max_s=2.0, deadline_s=1.0)
"""


@pytest.mark.fault(25)
async def test_an_aria2c_that_hangs_is_started_again_and_the_download_goes_on(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HASTY)
    reactor = Reactor(tmp_path, PYTHONPATH=str(tmp_path))
    async with FileServer() as server, serving(reactor):
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=700_000, etag='"1"'))
        await server.until(lambda: any(request.sent == 700_000 for request in server.log))
        server.put("/a.bin", DATA, etag='"1"')
        (hung,) = reactor.children()
        os.kill(hung, signal.SIGSTOP)
        await reactor.until_final()
        row = reactor.row(one)
        assert not alive(hung)
    assert (row["status"], row["attempt"], row["retry_count"]) == ("downloaded", 1, 0)
    assert reactor.files() == {"a.bin": DATA}


@pytest.mark.fault(20)
async def test_a_second_reactor_on_the_same_database_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as reactor:
        other = Reactor(tmp_path)
        with pytest.raises(AssertionError, match=r"ended with 2: reactor: Another reactor \(pid \d+\) serves"):
            await other.start()
        assert reactor.process is not None
        assert reactor.process.returncode is None


async def test_a_row_cancelled_while_nobody_served_is_cancelled_at_the_next_start(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=700_000))
        await server.until(lambda: any(request.sent == 700_000 for request in server.log))
        await reactor.stop(signal.SIGKILL)
        reactor.execute("UPDATE downloads SET cancelled = 1")
        (two,) = reactor.add(server.put("/b.bin", DATA))
        await reactor.start()
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
        assert [reactor.row(n)["status"] for n in (one, two)] == ["cancelled", "downloaded"]
    assert reactor.files() == {"b.bin": DATA}


async def test_a_row_deleted_while_nobody_served_leaves_nothing(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        reactor.add(server.put("/a.bin", DATA, stall_after=700_000))
        await server.until(lambda: any(request.sent == 700_000 for request in server.log))
        await reactor.stop(signal.SIGKILL)
        reactor.execute("DELETE FROM downloads")
        (same_id,) = reactor.add(server.put("/b.bin", DATA))
        await reactor.start()
        await reactor.until_final()
        await reactor.until(lambda: not reactor.staged())
        assert reactor.row(same_id)["status"] == "downloaded"
    assert reactor.files() == {"b.bin": DATA}


@pytest.mark.parametrize("how", ["cancelled = 1", "status = 'cancelled'"])
async def test_a_cancel_closes_the_connection_and_leaves_nothing(tmp_path: Path, how: str) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=700_000))
        await server.until(lambda: any(request.sent == 700_000 for request in server.log))
        reactor.execute(f"UPDATE downloads SET {how} WHERE id = ?", one)
        await server.until(lambda: server.log[-1].ended == "closed by client")
        await reactor.until(lambda: reactor.row(one)["finished_at"])
        assert reactor.row(one)["status"] == "cancelled"
        await reactor.until(lambda: not reactor.files())


async def test_a_deleted_row_closes_the_connection_and_leaves_nothing(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        reactor.add(server.put("/a.bin", DATA, stall_after=700_000))
        await server.until(lambda: any(request.sent == 700_000 for request in server.log))
        reactor.execute("DELETE FROM downloads")
        await server.until(lambda: server.log[-1].ended == "closed by client")
        await reactor.until(lambda: not reactor.files())
        await reactor.until(lambda: [event["how"] for event in reactor.events("download_cancelled")] == ["deleted"])


AWAY = """#!/bin/sh
[ -e {flag} ] && exec sleep 60
exec {aria2c} "$@"
"""
"""An aria2c that does not come back while the flag is there."""


class Gated(FileServer):
    """Answers nothing while its gate is shut."""

    gate = asyncio.Event()

    async def _answer(self, *exchange: Any) -> bool:
        await self.gate.wait()
        return await super()._answer(*exchange)


async def test_what_is_left_of_another_version_is_not_continued_after_a_crash(tmp_path: Path) -> None:
    """The second attempt finds another file of the same length, while aria2c is away; there it is killed."""
    new, flag, program = bytes(reversed(DATA)), tmp_path / "away", tmp_path / "aria2c"
    program.write_text(AWAY.format(flag=flag, aria2c=find_aria2c().path))
    program.chmod(0o755)
    async with Gated() as server, running(tmp_path, STALL_TIMEOUT_S="2", ARIA2C_PATH=str(program)) as reactor:
        server.gate.set()
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=700_000, etag='"1"'))
        await server.until(lambda: any(request.sent == 700_000 for request in server.log))
        server.gate.clear()
        server.put("/a.bin", new, etag='"2"')
        await reactor.until(lambda: reactor.row(one)["attempt"] == 2)
        flag.touch()
        os.kill(reactor.children()[0], signal.SIGKILL)
        await reactor.until(lambda: reactor.events("aria2_lost"))
        server.gate.set()
        await reactor.until(lambda: reactor.row(one)["stage"] == "fetching")
        sleeping = reactor.children()
        await reactor.stop(signal.SIGKILL)
        for pid in sleeping:
            os.kill(pid, signal.SIGKILL)
        flag.unlink()
        await reactor.start()
        await reactor.until_final()
        row = reactor.row(one)
    assert (row["status"], row["attempt"]) == ("downloaded", 2)
    assert reactor.files() == {"a.bin": new}
