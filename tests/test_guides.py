"""What the README tells the author of a bot, followed word for word."""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.harness import PATIENCE_S, Reactor, running
from tests.servers import FileServer
from tests.tools import sqlite3_program

README = Path(__file__).parents[1] / "README.md"
EXAMPLE = "https://example.com/film.mkv"
DATA = random.Random(8).randbytes(300_000)


def guide(heading: str, language: str) -> str:
    """The first block of code under a heading."""
    found = re.search(rf"^## {heading}\n.*?^```{language}\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)
    assert found is not None, f"the README has no {language} under {heading!r}"
    assert EXAMPLE in found[1]
    return found[1]


async def test_a_bot_in_python(tmp_path: Path) -> None:
    async with FileServer() as server:
        program = guide("Put it into your bot", "python").replace(EXAMPLE, server.put("/film.bin", DATA))
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            cwd=tmp_path,
            env=Reactor(tmp_path).environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            printed, complaint = await bot.communicate()
    lines = printed.decode().splitlines()
    assert (bot.returncode, complaint) == (0, b"")
    assert lines[0].split()[0] in ("pending", "downloading")
    assert lines[-2].startswith("downloaded 100.0 ")
    assert Path(lines[-1]).read_bytes() == DATA


async def test_a_bot_in_another_language(tmp_path: Path) -> None:
    statements = guide("Your bot is not in Python", "sql").replace("--", "\n--")
    add, ask, cancel, once_more = (f"{part};" for part in statements.split(";")[:4])
    async with FileServer() as server, running(tmp_path) as reactor:
        url = server.put("/film.bin", DATA, stall_after=1000)
        sqlite3_program(reactor.db, add.replace(EXAMPLE, url))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        assert sqlite3_program(reactor.db, ask).startswith("downloading|")
        sqlite3_program(reactor.db, cancel)
        await reactor.until_final()
        assert sqlite3_program(reactor.db, ask).startswith("cancelled|")
        server.release()
        sqlite3_program(reactor.db, once_more)
        await reactor.until(lambda: reactor.row(1)["status"] == "downloaded")
        assert sqlite3_program(reactor.db, ask) == "downloaded|100.0|0.0||\n"
    assert reactor.files() == {"film.bin": DATA}


@pytest.mark.parametrize(
    "word", ["add", "cancel", "retry", "get", "list", "watch_all", "counts", "overview", "changes"]
)
def test_what_is_named_is_there(word: str) -> None:
    from reactor import Queue, SyncQueue

    assert f"`{word}" in README.read_text("utf-8")
    assert callable(getattr(Queue, word))
    assert callable(getattr(SyncQueue, word))
