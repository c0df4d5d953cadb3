"""Verbs that only look change nothing, and say what is true of a database, whoever serves it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import WAIT_S, environment, reactor, refused
from tests.cli.doctor.test_doctor import doctor
from tests.cli.terminal import terminal
from tests.database.sqlite.bot import query
from tests.real.harness import Reactor
from tests.servers import FileServer
from tests.tools import needed
from tests.web.visitor import TOKEN, Served

LOOKS = [("list",), ("watch", "1"), ("top",), ("why", "1")]
EACH = """
import json, os, sys
from reactor.cli import main
for words in json.loads(sys.argv[1]):
    if not (pid := os.fork()):
        main(words)
        raise SystemExit
    _, status = os.waitpid(pid, 0)
    assert status == 0, words
    print("\\f", end="", flush=True)
"""
"""Each of these commands in a process of its own, of one that has imported what they need."""
OWN = "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT NOT NULL, chat INTEGER)"


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look[0])
@pytest.mark.parametrize(
    ("made", "sentence"),
    [("CREATE TABLE songs (id)", "There is no table `downloads`."), (OWN, "has no column `status` yet")],
    ids=["foreign", "the bot's own"],
)
def test_a_database_that_was_never_served_stays_as_it_is(
    tmp_path: Path, look: tuple[str, ...], made: str, sentence: str
) -> None:
    query(tmp_path / "bot.db", made)
    before = (tmp_path / "bot.db").read_bytes()
    assert sentence in refused(reactor(*look, "--db", "bot.db", cwd=tmp_path))
    assert (tmp_path / "bot.db").read_bytes() == before
    assert os.listdir(tmp_path) == ["bot.db"]  # noqa: PTH208 - names


@pytest.mark.variants(1)
@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("folder_too", [False, True], ids=["file", "file and folder"])
def test_one_that_may_only_be_read_is_read(tmp_path: Path, mode: str, folder_too: bool) -> None:
    place = tmp_path / "place"
    place.mkdir()
    assert reactor("add", "--db", "place/bot.db", "http://127.0.0.1/a", cwd=tmp_path).returncode == 0
    query(place / "bot.db", f"PRAGMA journal_mode = {mode}")
    query(place / "bot.db", "UPDATE downloads SET status = 'downloaded'")
    (place / "bot.db").chmod(0o444)
    place.chmod(0o555 if folder_too else 0o755)
    # Root may write anything, unless it has laid down that right.
    less = [needed("setpriv"), "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    commands = [[*look, "--db", "place/bot.db"] for look in LOOKS]
    done = subprocess.run(
        [*less, sys.executable, "-W", "error", "-c", EACH, json.dumps(commands)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.split("\f")
    assert len(said) == len(LOOKS) + 1
    assert all("127.0.0.1/a" in each for each in said[:-1]), said


@pytest.mark.parametrize("look", [*LOOKS, ("doctor",)], ids=lambda look: look[0])
def test_nothing_is_left_beside_it(tmp_path: Path, look: tuple[str, ...]) -> None:
    reactor("add", "http://127.0.0.1/1", cwd=tmp_path)
    query(tmp_path / "downloads.db", "UPDATE downloads SET status = 'downloaded'")
    before = (tmp_path / "downloads.db").read_bytes()
    reactor(*look, cwd=tmp_path, BROWSER_PATH="none")
    assert os.listdir(tmp_path) == ["downloads.db"]  # noqa: PTH208 - names
    assert (tmp_path / "downloads.db").read_bytes() == before


def test_what_is_waited_for(tmp_path: Path) -> None:
    reactor("add", "http://127.0.0.1/1", "http://127.0.0.1/2", cwd=tmp_path)
    assert "It waits for a reactor. No reactor has served this database yet" in reactor("why", 2, cwd=tmp_path).stdout
    query(tmp_path / "downloads.db", "UPDATE downloads SET status = 'downloading', stage = 'fetching', progress = 42")
    said = reactor("why", 2, cwd=tmp_path).stdout
    assert "It was running (fetching, 42 %) when reactor stopped." in said
    assert "Now:" not in said


async def test_who_serves_and_where(tmp_path: Path) -> None:
    served = Served(tmp_path, METRICS_ADDRESS="127.0.0.1:0")
    async with FileServer() as server:
        await served.start()
        one, two, three = served.add(*(server.put(f"/{n}.bin", b"x" * 90_000, stall_after=10) for n in range(3)))
        await served.until(lambda: served.row(one)["stage"] == "fetching")
        said = reactor("why", "--db", served.db, three, cwd=tmp_path).stdout
        assert "It waits for its turn: 1 running, 1 ahead of it." in said
        query(served.db, f"UPDATE downloads SET owner = 'ann' WHERE id = {two}")
        said = reactor("why", "--db", served.db, three, cwd=tmp_path).stdout
        assert "1 running, 0 ahead of it of the same owner; 1 other owner takes turns with it." in said
        assert "Now: fetching" in reactor("why", "--db", served.db, one, cwd=tmp_path).stdout
        finding = doctor(tmp_path, "--db", served.db)[1]["reactor"]
        assert finding["state"] == "ok"
        assert f"process {served.process.pid} on " in finding["what"]  # type: ignore[union-attr]
        assert f"page at {served.address}" in finding["what"]
        assert "metrics at http://127.0.0.1:" in finding["what"]
        assert TOKEN not in finding["what"]
        await served.stop(signal.SIGKILL)
    assert doctor(tmp_path, "--db", served.db)[1]["reactor"]["what"] == "none serves this database now"
    assert "It was running (fetching" in reactor("why", "--db", served.db, one, cwd=tmp_path).stdout
    assert "No reactor serves this database now" in reactor("why", "--db", served.db, two, cwd=tmp_path).stdout


async def test_a_try_that_is_still_to_come_was_not_yet_made(tmp_path: Path) -> None:
    served = Reactor(tmp_path, RETRY_BASE_DELAY="600", MAX_DOWNLOAD_RETRIES="3")
    async with FileServer() as server:
        await served.start()
        (one,) = served.add(server.put("/a.bin", b"x", status=503))
        await served.until(lambda: served.row(one)["stage"] == "waiting")
        said = reactor("why", "--db", served.db, one, cwd=tmp_path).stdout
        await served.stop()
    assert "Attempt 1, " in said
    assert "Retried" not in said
    assert "It waits for its next retry, " in said


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"ALLOWED_PRIVATE_HOSTS": "///"}, "ALLOWED_PRIVATE_HOSTS: "),
        ({"PAGE_ADDRESS": "0.0.0.0:80"}, "needs a token of your own"),
        ({"OPERATOR_COOKIES_FOR": "https://site.example/"}, "is no host, no owner:KEY and no *"),
    ],
    ids=["hosts", "token", "cookies"],
)
def test_doctor_finds_what_run_refuses(tmp_path: Path, settings: dict[str, Any], word: str) -> None:
    code, findings = doctor(tmp_path, **settings)
    assert code == 1
    assert word in findings["settings"]["what"]
    assert word in refused(reactor("run", cwd=tmp_path, **settings), after="reactor_started")


NOBODY = {"YTDLP_COOKIES": "cookies.txt"}
GONE = {"OPERATOR_COOKIES": "nowhere.txt", "OPERATOR_COOKIES_FOR": "site.example"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (NOBODY, "OPERATOR_COOKIES: no download gets those of cookies.txt, for OPERATOR_COOKIES_FOR is empty."),
        (GONE, "OPERATOR_COOKIES: nowhere.txt cannot be read, so the downloads that it is for will fail."),
    ],
    ids=["nobody's", "gone"],
)
async def test_cookies_of_no_use_are_said_by_both(tmp_path: Path, settings: dict[str, str], sentence: str) -> None:
    (tmp_path / "cookies.txt").touch()
    code, findings = doctor(tmp_path, **settings)
    assert code == 0, "other downloads need none"
    assert findings["settings"]["what"] == sentence
    served = Reactor(tmp_path, **settings)
    await served.start()
    assert sentence in await served.stop()


def test_watch_shows_the_latest_of_what_is_over_and_no_row_that_is_gone(tmp_path: Path) -> None:
    reactor("add", "http://127.0.0.1/first", "http://127.0.0.1/second", cwd=tmp_path)
    with terminal("watch", cwd=tmp_path, width=80, height=40) as screen:
        screen.until(lambda lines: sum("pending" in line for line in lines) == 2)
        for n in range(40):
            query(tmp_path / "downloads.db", "INSERT INTO downloads(url, status) VALUES(?, 'uploaded')", f"u{n}")
        lines = screen.until(lambda lines: sum("uploaded" in line for line in lines) == 10)
        assert sum("pending" in line for line in lines) == 2
        query(tmp_path / "downloads.db", "DELETE FROM downloads WHERE id = 1")
        screen.until(lambda lines: not any("first" in line for line in lines))


def test_eighty_columns_are_enough(tmp_path: Path) -> None:
    reactor("add", "http://127.0.0.1/a", cwd=tmp_path)
    long = "The server at files.example.org says that there is nothing at this address, and offers no other one. " * 4
    for statement in (
        "UPDATE downloads SET status = 'downloading', stage = 'extracting', title = 'A film', error = 'Old.',"
        " progress = 99, file_size = 1e9, download_speed = 999, eta_seconds = 86000",
        "INSERT INTO downloads(url, status) VALUES('http://127.0.0.1/b', 'being uploaded to the other channel')",
    ):
        query(tmp_path / "downloads.db", statement)
    query(tmp_path / "downloads.db", "INSERT INTO downloads(url, status, error) VALUES('u', 'failed', ?)", long)
    lines = reactor("list", cwd=tmp_path, COLUMNS="80").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 9
    assert "Old." not in "".join(lines), "what an earlier try met"
    with terminal("why", 3, cwd=tmp_path, width=80, height=24) as screen:
        screen.ended()
        words = " ".join(screen.lines).split()
        assert set(long.split()) <= set(words), "no word is broken"
    with terminal("doctor", cwd=tmp_path, width=80, height=60, BROWSER_PATH="none") as screen:
        screen.ended()
        assert "Pages that only a browser can read need one." in " ".join(" ".join(screen.lines).split())


def test_get_has_one_line_for_a_download_at_eighty_columns(tmp_path: Path) -> None:
    from rich.console import Console

    from reactor.journal.progress import _columns

    console = Console(width=80, force_terminal=True, color_system=None)
    progress = _columns(console)
    progress.add_task("a film with a name of forty characters x", completed=312 << 20, total=700 << 20,
                      state="1023.9 MiB/s", eta="20:34 left")  # fmt: skip
    with console.capture() as captured:
        console.print(progress.get_renderable())
    (line,) = captured.get().splitlines()
    assert "312.0/700.0 MiB" in line
    assert line.rstrip().endswith("1023.9 MiB/s 20:34 left")
