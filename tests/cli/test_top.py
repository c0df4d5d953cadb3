"""`reactor top` in a terminal, as a person sees it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console

from reactor.cli.dashboard import STEPS_MAX, Speeds, frame, sparkline, speed_of
from reactor.database.presence import Presence
from reactor.database.table import Counts, Overview
from reactor.models import Download
from tests.cli.command import reactor, refused
from tests.cli.terminal import ALTERNATE_OFF, ALTERNATE_ON, terminal
from tests.real.harness import running
from tests.servers import FileServer
from tests.tools import sqlite3_program

DATA = random.Random(4).randbytes(2_000_000)
HOSTILE = "evil [red]\x1b[2J\u202egpj"


@pytest.fixture
def bot_db(tmp_path: Path) -> Path:
    """A bot's database that nobody serves, with a row of each kind."""
    path = tmp_path / "bot.db"
    assert reactor("add", "--db", path, "http://127.0.0.1/queued", cwd=tmp_path).returncode == 0
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO downloads (url, status, title, progress, download_speed, eta_seconds, file_size) "
            "VALUES ('http://127.0.0.1/2', 'downloading', ?, 37.5, 2.5, 90, 4194304)",
            (HOSTILE,),
        )
        database.execute(
            "INSERT INTO downloads (url, status, error) VALUES ('http://u:secret@127.0.0.1/3', 'failed', 'It is gone.')"
        )
    return path


async def test_it_shows_what_goes_on_while_it_goes_on(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path, PROGRESS_INTERVAL="0.2") as bot:
        bot.add(server.put("/film.bin", DATA, stall_after=1_000_000), server.put("/next.bin", DATA))
        await bot.until(lambda: (bot.row(1)["progress"] or 0) > 40)
        with terminal("top", "--db", bot.db, cwd=tmp_path) as seen:
            lines = await asyncio.to_thread(seen.until, lambda lines: "Under way: 1" in lines)
            assert lines[0].startswith("reactor ")
            assert ", aria2 " in lines[0]
            (going,) = (line for line in lines if "film.bin" in line)
            assert going.split()[:1] == ["1"]
            assert "━" in going
            assert " 50 %" in going or " 4" in going
            assert any(line.startswith("2  pending") and "next.bin" in line for line in lines)
            assert "Queued: 1" in lines
            assert "Nothing is over yet" in lines
            server.release()
            lines = await asyncio.to_thread(seen.until, lambda lines: sum("→" in line for line in lines) == 2)
            assert [line.split()[:2] for line in lines if "→" in line] == [["2", "downloaded"], ["1", "downloaded"]]
            assert "Under way: 0" in lines
            seen.press(b"xyzq")
            assert seen.ended() == 0
    assert b"xyz" not in seen.written, "keys are not shown"


def test_the_terminal_is_given_back_as_it_was(tmp_path: Path, bot_db: Path) -> None:
    with terminal("top", "--db", bot_db, cwd=tmp_path) as seen:
        before = seen.mode
        seen.until(lambda lines: "Under way: 1" in lines)
        assert seen.mode != before
        assert seen.written.count(ALTERNATE_ON) == 1
        os.kill(seen.process.pid, signal.SIGTERM)
        assert seen.ended() == 128 + signal.SIGTERM
        assert seen.mode == before
        assert seen.written.rstrip().endswith(ALTERNATE_OFF) or ALTERNATE_OFF in seen.written[-40:]
        assert b"Traceback" not in seen.written


def test_ctrl_c_ends_it(tmp_path: Path, bot_db: Path) -> None:
    with terminal("top", "--db", bot_db, cwd=tmp_path) as seen:
        seen.until(lambda lines: "Under way: 1" in lines)
        seen.press(b"\x03")
        assert seen.ended() == 130
        assert b"Traceback" not in seen.written


def test_ctrl_z_gives_the_terminal_to_the_shell_and_takes_it_again(tmp_path: Path, bot_db: Path) -> None:
    with terminal("top", "--db", bot_db, cwd=tmp_path) as seen:
        seen.until(lambda lines: "Under way: 1" in lines)
        before, shown = seen.mode, len(seen.written)
        os.kill(seen.process.pid, signal.SIGTSTP)
        pid, status = os.waitpid(seen.process.pid, os.WUNTRACED)
        assert (pid, os.WIFSTOPPED(status)) == (seen.process.pid, True)
        assert seen.mode != before
        os.kill(seen.process.pid, signal.SIGCONT)
        seen.until(lambda lines: ALTERNATE_ON in seen.written[shown:])
        assert ALTERNATE_OFF in seen.written[shown:]
        assert seen.mode == before
        seen.press(b"q")
        assert seen.ended() == 0


def test_it_fits_a_terminal_that_is_made_smaller(tmp_path: Path, bot_db: Path) -> None:
    with terminal("top", "--db", bot_db, cwd=tmp_path) as seen:
        seen.until(lambda lines: "Over" in lines)
        seen.resize(40, 12)
        lines = seen.until(lambda lines: any(line.endswith("…") for line in lines))
        assert len(lines) == 12
        assert lines[0].startswith("No reactor has served this database")
        sqlite3_program(bot_db, "UPDATE downloads SET status = 'failed', error = 'No.' WHERE id = 2")
        seen.until(lambda lines: "Under way: 0" in lines)


def test_what_is_no_terminal_gets_one_picture(tmp_path: Path, bot_db: Path) -> None:
    done = reactor("top", "--db", bot_db, cwd=tmp_path, COLUMNS="120")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == "No reactor has served this database yet."
    assert {"Under way: 1", "Queued: 1", "Over"} <= set(lines)
    (going,) = (line for line in lines if line.startswith("2 "))
    assert "38 %" in going or "37 %" in going
    assert "2.5 MiB/s" in going
    assert "\x1b" not in done.stdout
    assert "secret" not in done.stdout
    assert "[red]" in going
    assert "It is gone." in done.stdout


@pytest.mark.parametrize("name", ["no.db", "text"])
def test_what_is_no_database_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("This is a shopping list, not a database.\n" * 100)
    assert name in refused(reactor("top", "--db", name, cwd=tmp_path))
    with terminal("top", "--db", name, cwd=tmp_path) as seen:
        assert seen.ended() == 2
        assert ALTERNATE_ON not in seen.written


# The picture


def row(id: int, status: str, **more: object) -> Download:
    return Download.model_validate({"id": id, "url": f"http://127.0.0.1/{id}", "status": status} | more)


def overview(*kinds: int, served: Presence | None = None) -> Overview:
    """So many rows under way, queued and over."""
    under_way, queued, over = (
        tuple(row(1000 * kind + number, status, title=f"{status}-{number}", download_speed=1.0)
              for number in range(kinds[kind]))
        for kind, status in enumerate(("downloading", "pending", "failed"))
    )  # fmt: skip
    return Overview(Counts(len(queued), 0, len(under_way), 0.0), under_way, queued, (), over, (), served)


def drawn(seen: Overview, width: int = 100, height: int = 30, trouble: str = "") -> list[str]:
    console = Console(width=width, height=height, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(frame(seen, Speeds(), 0.0, time.time(), width, height, trouble))
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("height", [12, 24, 60])
@pytest.mark.parametrize("kinds", [(0, 0, 0), (200, 200, 200), (1, 200, 0), (0, 3, 200)])
def test_no_picture_is_higher_than_the_terminal(height: int, kinds: tuple[int, int, int]) -> None:
    lines = drawn(overview(*kinds), height=height)
    assert len(lines) < height
    if sum(kinds) > height:
        assert len(lines) >= height - 4, "and what there is room for is used"


def test_what_is_under_way_is_shown_before_what_is_over() -> None:
    lines = drawn(overview(5, 5, 200), height=30)
    assert sum("downloading-" in line for line in lines) == 5
    assert sum("pending-" in line for line in lines) == 5
    assert sum("failed-" in line for line in lines) > 5


def test_a_picture_says_who_serves_and_since_when() -> None:
    dead = Presence(2**22 - 1, "here", None, time.time() - 3600, "9.9", stopped=True)
    assert drawn(overview(0, 0, 0, served=dead))[0].startswith("No reactor serves this database: the last one left 1")
    assert drawn(overview(0, 0, 0), trouble="It is locked.")[0] == "It is locked."


def test_what_a_dead_reactor_left_behind_does_not_move() -> None:
    dead = Presence(2**22 - 1, "here", None, 0.0, "9.9", stopped=True)
    assert speed_of(overview(3, 0, 0, served=dead)) == 0
    assert speed_of(overview(3, 0, 0)) == 3 * 1024 * 1024


def test_the_history_of_the_speed_holds_what_was_told_until_the_next() -> None:
    speeds = Speeds()
    assert speeds.steps(5.0, 3) == [0, 0, 0]
    speeds.tell(1.0, 10.0)
    speeds.tell(3.0, 10.0)
    speeds.tell(4.0, 20.0)
    assert speeds.steps(5.0, 6) == [0, 10, 10, 10, 20, 20]
    speeds.tell(4.0 + 10 * STEPS_MAX, 0.0)
    assert speeds.steps(5.0 + 10 * STEPS_MAX, 2) == [0, 0]
    assert speeds.steps(4.0 + 10 * STEPS_MAX - 0.5, 1) == [20]


def test_a_sparkline_has_a_sign_for_each() -> None:
    assert sparkline([]) == ""
    assert sparkline([0, 1, 4, 8]) == " ▂▅█"
