"""A disk that is full under the database itself: a small one of its own, in a mount namespace of its own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.real.harness import Reactor
from tests.servers import FileServer
from tests.tools import needed

DATA = random.Random(6).randbytes(300_000)
MOUNT = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'


BOT = """
import contextlib, json, sqlite3, sys
path, statement, *values = json.loads(sys.argv[1])
with contextlib.closing(sqlite3.connect(path, timeout=30)) as bot, bot:
    bot.row_factory = sqlite3.Row
    print(json.dumps([dict(row) for row in bot.execute(statement, values).fetchall()]))
"""


class Elsewhere(Reactor):
    """Its database, and whoever asks it, are on that disk."""

    @property
    def disk(self) -> Path:
        """As it can be reached from here; but not by SQLite, which resolves it."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{self.db.parent}")

    def ask(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """A bot's statement."""
        assert self.process is not None
        inside = ("nsenter", f"--target={self.process.pid}", "--user", "--mount", "--")
        asked = json.dumps([str(self.db), statement, *values])
        done = subprocess.run([*inside, sys.executable, "-c", BOT, asked], check=True, capture_output=True, timeout=60)
        return list(json.loads(done.stdout))

    def add(self, *urls: str, **options: Any) -> list[int]:
        assert not options
        return [self.ask("INSERT INTO downloads (url) VALUES (?) RETURNING id", url)[0]["id"] for url in urls]

    def rows(self, *ids: int) -> list[dict[str, Any]]:
        return [row for row in self.ask("SELECT * FROM downloads ORDER BY id") if not ids or row["id"] in ids]


@asynccontextmanager
async def on_a_small_disk(folder: Path) -> AsyncIterator[Elsewhere]:
    """A reactor whose database is on a small disk."""
    reactor = Elsewhere(folder)
    reactor.db = folder / "disk" / "bot.db"
    reactor.db.parent.mkdir()
    reactor.before = (needed("unshare"), "--map-root-user", "--mount", "sh", "-c", MOUNT, str(reactor.db.parent))
    await reactor.start()
    try:
        yield reactor
    finally:
        await reactor.stop()


def fill(disk: Path) -> Path:
    """Take all the room that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


@pytest.mark.fault(11)
async def test_what_ends_while_the_databases_disk_is_full_is_written_when_there_is_room(tmp_path: Path) -> None:
    async with FileServer() as server, on_a_small_disk(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=1000))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        ballast = fill(reactor.disk)
        server.release()
        await reactor.until(lambda: reactor.events("database_troubled"))
        await reactor.until(lambda: (reactor.downloads / "a.bin").exists())
        (trouble,) = reactor.events("database_troubled")
        assert "full" in trouble["reason"]
        assert reactor.row(one)["status"] == "downloading"
        ballast.unlink()
        await reactor.until_final()
        await reactor.until(lambda: reactor.events("database_recovered"))
        (two,) = reactor.add(server.put("/b.bin", b"small"))
        await reactor.until_final()
        assert [reactor.row(id)["status"] for id in (one, two)] == ["downloaded"] * 2
        assert len(server.requests("/a.bin", "GET")) == 1, "nothing was fetched twice"
    assert reactor.files() == {"a.bin": DATA, "b.bin": b"small"}
