"""What people, shells and bots hand over that nobody asked for: one sentence, or an answer; never a traceback."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import REACTOR, WAIT_S, environment, reactor, refused
from tests.database.sqlite.bot import query

HUGE = 2**63


def run_in(folder: Path, shell: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """A command with the redirections of a shell; `reactor` is "$@"."""
    return subprocess.run(
        ["bash", "-c", shell, "bash", *REACTOR],
        cwd=folder,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WAIT_S,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a database of two rows in it."""
    assert reactor("add", "http://127.0.0.1/1", "http://127.0.0.1/2", cwd=tmp_path).returncode == 0
    return tmp_path


@pytest.mark.parametrize("verb", ["why", "watch", "cancel", "retry"])
@pytest.mark.parametrize("number", [HUGE, 10**40])
def test_an_id_that_no_row_can_have(folder: Path, verb: str, number: int) -> None:
    done = reactor(verb, number, cwd=folder)
    assert done.returncode in (1, 2)
    assert done.stderr == f"reactor: There is no download {number}.\n"


def test_columns_of_the_bots_own_that_json_cannot_hold(folder: Path) -> None:
    query(folder / "downloads.db", "ALTER TABLE downloads ADD COLUMN picture BLOB")
    query(folder / "downloads.db", "ALTER TABLE downloads ADD COLUMN much REAL")
    query(folder / "downloads.db", "UPDATE downloads SET picture = ?, much = 9e999 WHERE id = 1", b"\xff\x00\xd8")
    done = reactor("list", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    extra = json.loads(done.stdout)[0]["extra"]
    assert extra == {"picture": base64.b64encode(b"\xff\x00\xd8").decode(), "much": None}


def test_absurd_numbers(folder: Path) -> None:
    query(
        folder / "downloads.db",
        "UPDATE downloads SET status = 'downloading', download_speed = 1.7e308, progress = 1e300, eta_seconds = 1e300,"
        " file_size = 1e300 WHERE id = 1",
    )
    query(folder / "downloads.db", "UPDATE downloads SET next_attempt_at = 1e18 WHERE id = 2")
    for verb in (("list",), ("list", "--json"), ("top",), ("why", 1), ("why", 2)):
        done = reactor(*verb, cwd=folder)
        assert (done.returncode, done.stderr) == (0, ""), verb
    assert "waits for its next retry, 9999-12-31" in reactor("why", 2, cwd=folder).stdout


@pytest.mark.variants(2)
@pytest.mark.parametrize("verb", ["list", "list --json", "top", "why 1", "doctor --json", "events --schema"])
def test_a_full_disk_behind_stdout_is_said(folder: Path, verb: str) -> None:
    done = run_in(folder, f'"$@" {verb} > /dev/full', BROWSER_PATH="none")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"reactor: The output cannot be written: No space left on device.\n"


def test_a_reader_who_has_left_is_no_news(folder: Path) -> None:
    done = run_in(folder, '"$@" events --schema | true; exit "${PIPESTATUS[0]}"')
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.variants(2)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_is_closed_is_not_missed(folder: Path, closed: str) -> None:
    done = run_in(folder, f'"$@" list {closed}')
    assert (done.returncode, done.stderr) == (0, b"")
    done = run_in(folder, f'"$@" events - {closed}')
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


@pytest.mark.variants(1)
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_that_knows_few_characters(folder: Path, encoding: str) -> None:
    query(
        folder / "downloads.db", "UPDATE downloads SET status = 'downloaded', title = 'Фильм ☃', file_path = '/x/ф.mkv'"
    )
    for verb in (("list",), ("top",), ("why", 1), ("watch", 1), ("doctor",)):
        done = reactor(*verb, cwd=folder, PYTHONIOENCODING=encoding, BROWSER_PATH="none")
        assert (done.returncode, done.stderr) == (0, ""), verb


@pytest.mark.variants(2)
@pytest.mark.parametrize("end", ["</dev/null", "<file", "<&-"])
def test_a_stdin_that_nobody_holds_ends_a_run_at_once_and_in_order(folder: Path, end: str) -> None:
    (folder / "file").write_text("not a pipe\n" * 10_000)
    if end == "<&-":
        done = run_in(folder, f'"$@" run --with-stdin {end}')
    else:
        with (folder / end.removeprefix("<")).open() as stdin:
            done = subprocess.run(
                [*REACTOR, "run", "--with-stdin"],
                cwd=folder,
                env=environment(),
                stdin=stdin,
                capture_output=True,
                timeout=WAIT_S,
                check=False,
            )
    assert (done.returncode, done.stderr) == (0, b"")
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert (events[0], events[-1]) == ("reactor_started", "reactor_stopped")


def test_a_row_that_is_over_the_limit_is_said_to_be_there(folder: Path) -> None:
    query(
        folder / "downloads.db",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)"
        " INSERT INTO downloads(url, status) SELECT 'u', 'failed' FROM n",
    )
    for flags, shown, older in (
        ((), 1000, 202),
        (("--limit", 3), 3, 1199),
        (("--limit", 0), 1202, 0),
        (("--status", "failed"), 1000, 200),
        (("--status", "pending"), 2, 0),
        (("--limit", 1202), 1202, 0),
    ):
        done = reactor("list", "--json", *flags, cwd=folder)
        assert len(json.loads(done.stdout)) == shown
        said = f"reactor: and {older} older downloads; --limit 0 lists all.\n" if older else ""
        assert (done.returncode, done.stderr) == (0, said), flags


def test_why_and_watch_of_a_row_that_is_deleted_meanwhile(folder: Path) -> None:
    with subprocess.Popen(
        [*REACTOR, "watch", "1"], cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as watching:
        assert watching.stdout is not None
        assert b"#1  pending" in watching.stdout.readline()
        query(folder / "downloads.db", "DELETE FROM downloads WHERE id = 1")
        _, said = watching.communicate(timeout=WAIT_S)
    assert said == b"reactor: Download 1 was deleted.\n"
    assert watching.returncode == 2
    assert "no download 1" in refused(reactor("why", 1, cwd=folder))
