"""What an owner may start and receive in a day: what is more waits for the next one, and others do not."""

from __future__ import annotations

import random
import sqlite3
import sys
import time
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from contextlib import closing
from pathlib import Path

from tests.real.harness import Reactor, running
from tests.servers import FileServer

MIB = 1024 * 1024
DAY_S = 86_400
DATA = random.Random(5).randbytes(3 * MIB // 2)
INSERT = "INSERT INTO downloads (url, owner) VALUES (?, ?)"


def states(reactor: Reactor) -> list[tuple[str, str | None, int]]:
    """Of each row its status and stage, and how often it was begun."""
    return [(row["status"], row["stage"], row["attempt"]) for row in reactor.rows()]


COME, PUT_OFF = ("downloaded", None, 1), ("pending", "quota", 0)


def had(reactor: Reactor) -> dict[str, int]:
    """Owner → bytes of this day."""
    with closing(sqlite3.connect(reactor.db, timeout=30)) as db:
        return dict(db.execute("SELECT owner, day_bytes FROM reactor_owners"))


async def again(reactor: Reactor, **settings: str) -> None:
    """It ends, and is started with other settings."""
    await reactor.stop()
    reactor.settings |= settings
    await reactor.start()


async def test_rows_of_a_day(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, OWNER_ROWS_DAY="2") as reactor:
        urls = [server.put(f"/{n}.bin", DATA[:1000]) for n in range(1, 6)]
        for url in urls[:4]:
            reactor.execute(INSERT, url, "ann")
        reactor.execute(INSERT, urls[4], "bob")
        expected = [COME, COME, PUT_OFF, PUT_OFF, COME]
        await reactor.until(lambda: states(reactor) == expected)
        tomorrow = (time.time() // DAY_S + 1) * DAY_S
        assert [row["not_before"] for row in reactor.rows(3, 4)] == [tomorrow] * 2
        why = await create_subprocess_exec(
            *(sys.executable, "-m", "reactor", "why", "3"), env=reactor.environment, stdout=PIPE
        )
        told, _ = await why.communicate()
        assert b"Its owner has had enough for the day" in told

        await again(reactor, OWNER_ROWS_DAY="3")
        expected[2] = COME
        await reactor.until(lambda: states(reactor) == expected)
        await again(reactor)
        reactor.execute(INSERT, server.put("/6.bin", DATA[:1000]), "bob")
        await reactor.until(lambda: states(reactor) == [*expected, COME])  # nothing is forgotten meanwhile

        # A day later, in that all that has a date is a day older.
        reactor.execute("UPDATE reactor_owners SET day = day - 1")
        reactor.execute("UPDATE downloads SET not_before = not_before - ?", DAY_S)
        await reactor.until(lambda: states(reactor) == [COME] * 6)
        claimed = [event["download_id"] for event in reactor.events("download_claimed")]
        assert sorted(claimed) == [1, 2, 3, 4, 5, 6], "each was begun once"
        assert [id for id in claimed if id in (1, 2, 3, 4)] == [1, 2, 3, 4]
        assert all(len(server.requests(f"/{n}.bin", "GET")) == 1 for n in range(1, 7))


async def test_bytes_of_a_day(tmp_path: Path) -> None:
    settings = {"OWNER_MIB_DAY": "1", "MAX_CONCURRENT_DOWNLOADS": "2", "STALL_TIMEOUT_S": "0"}
    async with FileServer() as server, running(tmp_path, **settings) as reactor:
        for url in (server.put(f"/{n}.bin", DATA, stall_after=MIB // 2) for n in range(2)):
            reactor.execute(INSERT, url, "ann")
        await server.until(lambda: len([request for request in server.log if request.sent == MIB // 2]) == 2)
        reactor.execute(INSERT, server.put("/third.bin", DATA), "ann")
        reactor.execute(INSERT, server.put("/other.bin", DATA), "bob")
        server.release()
        expected = [COME, COME, PUT_OFF, COME]
        await reactor.until(lambda: states(reactor) == expected)

        assert had(reactor) == {"ann": 2 * len(DATA), "bob": len(DATA)}
        assert not server.requests("/third.bin", "GET")

        await again(reactor, OWNER_MIB_DAY="3")
        reactor.execute(INSERT, server.put("/more.bin", DATA[:1000]), "bob")
        await reactor.until(lambda: states(reactor) == [*expected, COME])
        await again(reactor, OWNER_MIB_DAY="4")
        await reactor.until(lambda: states(reactor) == [COME] * 5)
        assert had(reactor) == {"ann": 3 * len(DATA), "bob": len(DATA) + 1000}
        assert [Path(row["file_path"]).stat().st_size for row in reactor.rows()] == [len(DATA)] * 4 + [1000]
