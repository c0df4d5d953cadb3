"""`reactor run`: serving, the event stream, and readers who stall or leave."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from reactor.journal.ndjson import from_line
from tests.cli.command import WAIT_S, reactor, refused, start
from tests.servers import FileServer, ThreadedFileServer

DATA = bytes(range(256)) * 1000
START = '"event":"reactor_started"'
"""What may have been told before aria2 turned out to be none."""


UNNEEDED = {"dotenv", "filelock", "rich", "tldextract", "yt_dlp", "playwright", "psutil", "psycopg", "starlette"} | {
    "http.cookiejar",
    "multiprocessing",
    "reactor.extractors.ytdlp.worker",
    "reactor.media.ffmpeg",
    "reactor.preset_options",
    "reactor.web.server",
    "reactor.ytdlp_options",
    "sqlite3.dump",
    "xml",
}
"""What a start that fetches a plain file has no use for."""


@pytest.fixture
def server() -> Iterator[FileServer]:
    with ThreadedFileServer() as server:
        yield server


@contextmanager
def daemon(
    folder: Path,
    *arguments: object,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    profiled: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """A daemon that serves the folder's database. What is left of it at the end is killed."""
    settings = {"PROGRESS_INTERVAL": "0.1", "ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}
    settings |= {"PYTHONPROFILEIMPORTTIME": "1"} if profiled else {}
    process = start("run", *arguments, cwd=folder, stdout=stdout, stderr=stderr, **settings)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
    """End the daemon as a person or a service manager would: (stdout, stderr)."""
    process.send_signal(number)
    out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, err
    assert "Traceback" not in (err or "")
    return out or "", err or ""


def add(folder: Path, url: str) -> str:
    return reactor("add", url, cwd=folder).stdout.strip()


def arrives(folder: Path, number: str) -> bool:
    """Wait for the end of a download; whether the file is there."""
    return reactor("watch", number, cwd=folder).returncode == 0


def row(folder: Path, number: str) -> tuple[str, str]:
    with closing(sqlite3.connect(folder / "downloads.db")) as database:
        found: tuple[str, str] = database.execute(
            "SELECT status, file_path FROM downloads WHERE id = ?", (number,)
        ).fetchone()
        return found


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.execs), signal.SIGINT])
def test_it_serves_and_tells_a_pipe_in_ndjson(server: FileServer, tmp_path: Path, number: signal.Signals) -> None:
    row_id, imports = add(tmp_path, server.put("/a.bin", DATA)), tmp_path / "imports"
    profiled = number is signal.SIGTERM
    with imports.open("w") as file, daemon(tmp_path, stderr=file.fileno(), profiled=profiled) as process:
        assert arrives(tmp_path, row_id)
        out, _ = stop(process, number)
    imported = {line.rpartition("|")[2].strip() for line in imports.read_text().splitlines()}
    assert ("reactor.daemon.life" in imported) == profiled
    assert not {name for name in imported if any(f"{name}.".startswith(f"{each}.") for each in UNNEEDED)}
    status, path = row(tmp_path, row_id)
    assert status == "downloaded"
    assert (tmp_path / path).read_bytes() == DATA
    lines = [json.loads(line) for line in out.splitlines()]
    events = [line["event"] for line in lines]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert events[0] == "reactor_started"
    assert events[-1] == "reactor_stopped"
    told = [event for event in events if event.startswith("download_") and event != "download_progressed"]
    assert told == [
        "download_claimed",
        "download_detected",
        "download_extracted",
        "download_finishing",
        "download_completed",
    ]
    assert all(from_line(line) is not None for line in out.splitlines())


def test_events_go_to_a_file_and_lines_for_people_to_stdout(server: FileServer, tmp_path: Path) -> None:
    row_id = add(tmp_path, server.put("/a.bin", DATA))
    with daemon(tmp_path, "--events", "events.ndjson", "--dir", "files") as process:
        assert arrives(tmp_path, row_id)
        out, _ = stop(process)
    assert (tmp_path / "files" / "a.bin").read_bytes() == DATA
    recorded = (tmp_path / "events.ndjson").read_text().splitlines()
    assert len(recorded) == len(out.splitlines())
    assert any(line.endswith("a.bin") and "#1" in line and "downloaded" in line for line in out.splitlines())
    printed = reactor("events", "events.ndjson", cwd=tmp_path).stdout
    assert [line[11:] for line in printed.splitlines()] == out.splitlines()


@pytest.mark.fault(51)
def test_a_reader_who_leaves_does_not_end_the_service(server: FileServer, tmp_path: Path) -> None:
    with daemon(tmp_path) as process:
        assert process.stdout is not None
        assert "reactor_started" in process.stdout.readline()
        process.stdout.close()
        first = add(tmp_path, server.put("/a.bin", DATA))
        assert arrives(tmp_path, first)
        process.stdout = None
        _, err = stop(process)
    assert err.count("cannot write to stdout") == 1


@pytest.mark.fault(51)
@pytest.mark.parametrize("stderr_too", [False, True])
def test_a_reader_who_stalls_does_not_hold_up_the_service(server: FileServer, tmp_path: Path, stderr_too: bool) -> None:
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"\n" * 512)
        os.set_blocking(writer, True)
        stderr = writer if stderr_too else subprocess.PIPE
        with daemon(tmp_path, "--events", "-", stdout=writer, stderr=stderr) as process:
            for number in range(3):
                assert arrives(tmp_path, add(tmp_path, server.put(f"/{number}.bin", DATA)))
            _, err = stop(process)
        assert stderr_too or "entries were lost on the way to stdout" in err
    finally:
        os.close(reader)
        os.close(writer)


def test_cancel_stops_what_is_under_way(server: FileServer, tmp_path: Path) -> None:
    row_id = add(tmp_path, server.put("/slow.bin", DATA, stall_after=1000))
    with daemon(tmp_path) as process:
        assert process.stdout is not None
        assert any("download_extracted" in line for line in process.stdout)
        assert reactor("cancel", row_id, cwd=tmp_path).returncode == 0
        assert not arrives(tmp_path, row_id)
        stop(process)
    assert row(tmp_path, row_id)[0] == "cancelled"
    assert [path for path in (tmp_path / "downloads").rglob("*") if path.is_file()] == []


def test_a_second_daemon_on_the_same_database_is_refused(tmp_path: Path) -> None:
    with daemon(tmp_path) as process:
        assert process.stdout is not None
        assert "reactor_started" in process.stdout.readline()
        assert "downloads.db" in refused(reactor("run", cwd=tmp_path))
        stop(process)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--db", "folder"), "folder"),
        (("--db", "text"), "text"),
        (("--dir", "text"), "text"),
        (("--dir", "text/below"), "text"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_served_is_refused_in_one_line(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("This is a shopping list, not a database.\n" * 100)
    assert word in refused(reactor("run", *arguments, cwd=tmp_path))


@pytest.mark.parametrize("verb", [("run",), ("get", "http://127.0.0.1/a.bin")], ids=lambda verb: verb[0])
class TestAnAria2cElsewhere:
    def test_that_is_some_other_server_is_refused(self, server: FileServer, tmp_path: Path, verb: tuple[str]) -> None:
        done = reactor(*verb, "--aria2", server.url("/jsonrpc"), cwd=tmp_path)
        assert "not aria2" in refused(done, after=START)

    @pytest.mark.variants(1)
    def test_that_is_not_there_is_refused(self, tmp_path: Path, verb: tuple[str]) -> None:
        with ThreadedFileServer() as server:
            url = server.url("/jsonrpc")
        done = reactor(*verb, "--aria2", url, cwd=tmp_path)
        assert "cannot be reached" in refused(done, after=START, code=75)
