"""Readers that stall, close or vanish: real pipes, real descriptors."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from reactor.errors import SettingsError
from reactor.journal.background_writer import BackgroundWriter
from reactor.journal.journal import Journal
from reactor.journal.ndjson import NdjsonLines
from reactor.journal.stream import Stream, open_stream
from tests.journal.samples import EVERY, failed, progressed


class Pipe:
    """A pipe whose reader we play."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def read_lines(self) -> list[dict[str, Any]]:
        """Read until the writing end is closed."""
        with open(self.reader, "rb") as file:  # noqa: PTH123 - a descriptor
            return [json.loads(line) for line in file]


def lost_of(lines: list[dict[str, Any]], told: int) -> int:
    """How many lines the stream says are missing. Asserts that each of those `told` is there, in order, or is said to
    be missing in the place where it would have been."""
    seq = lost = 0
    for line in lines:
        count = line["count"] if line["event"] == "entries_lost" else 0
        assert line["seq"] == seq + (count or 1)
        seq, lost = line["seq"], lost + count
    assert seq == told
    return lost


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    for fd in (pipe.reader, pipe.writer):
        with suppress(OSError):
            os.close(fd)


def writer_on(pipe: Pipe, **limits: int) -> BackgroundWriter:
    return BackgroundWriter(NdjsonLines(Stream(pipe.writer, own=True)), "the pipe", **limits)


def test_everything_reaches_a_reader_in_order(pipe: Pipe) -> None:
    with writer_on(pipe) as writer:
        journal = Journal([writer.offer], now=lambda: 0.0)
        for notice in EVERY:
            journal.tell(notice)
    lines = pipe.read_lines()
    assert [line["event"] for line in lines] == [notice.event for notice in EVERY]
    assert [line["seq"] for line in lines] == list(range(1, len(EVERY) + 1))


def test_a_stalled_reader_costs_the_oldest_progress_first_and_blocks_nobody(
    pipe: Pipe, capfd: pytest.CaptureFixture[str]
) -> None:
    with writer_on(pipe, waiting_max=20) as writer:
        journal = Journal([writer.offer], now=lambda: 0.0)
        told = threading.Event()

        def tell() -> None:  # in a thread of its own, so that a journal that blocks fails this test
            journal.tell(failed(0, "x" * 200_000))  # more than a pipe holds: the writer is stuck in here
            for number in range(1000):
                journal.tell(progressed(number))
            for number in range(1, 11):
                journal.tell(failed(number))
            told.set()

        teller = threading.Thread(target=tell, daemon=True)
        teller.start()
        assert told.wait(30), "the journal waited for its reader"
        teller.join()
        received: list[dict[str, Any]] = []
        reader = threading.Thread(target=lambda: received.extend(pipe.read_lines()))
        reader.start()
        writer.close(wait_s=30)
        reader.join(30)
    rows = [line["download_id"] for line in received if line["event"] == "download_failed"]
    progress = [line["completed"] for line in received if line["event"] == "download_progressed"]
    assert rows == list(range(11)), "only progress may be dropped while there is some"
    assert progress[-9:] == list(range(991, 1000)), "the newest progress stays"
    assert lost_of(received, 1011) == writer.dropped
    assert f"{writer.dropped} entries were lost on the way to the pipe" in capfd.readouterr().err


def test_without_progress_the_oldest_of_the_rest_goes(pipe: Pipe) -> None:
    with writer_on(pipe, waiting_max=5) as writer:
        journal = Journal([writer.offer], now=lambda: 0.0)
        journal.tell(failed(0, "x" * 200_000))
        for number in range(1, 101):
            journal.tell(failed(number))
        received: list[dict[str, Any]] = []
        reader = threading.Thread(target=lambda: received.extend(pipe.read_lines()))
        reader.start()
        writer.close(wait_s=30)
        reader.join(30)
    assert [line["download_id"] for line in received[-5:]] == [96, 97, 98, 99, 100]
    assert lost_of(received, 101) == writer.dropped


@pytest.mark.fault(51)
def test_a_closed_pipe_is_said_once_and_then_there_is_quiet(pipe: Pipe, capfd: pytest.CaptureFixture[str]) -> None:
    os.close(pipe.reader)
    with writer_on(pipe) as writer:
        journal = Journal([writer.offer], now=lambda: 0.0)
        for number in range(50):
            journal.tell(failed(number))
    assert writer.dropped == 50
    said = capfd.readouterr().err
    assert said.count("cannot write to the pipe: Broken pipe") == 1
    assert said.count("\n") == 2
    assert "Traceback" not in said


@pytest.mark.fault(51)
@pytest.mark.parametrize("stderr_too", [False, True])
def test_a_process_ends_although_its_reader_never_reads(stderr_too: bool) -> None:
    code = (
        "from reactor.journal.journal import Journal\n"
        "from reactor.journal.ndjson import NdjsonLines\n"
        "from reactor.journal.background_writer import BackgroundWriter\n"
        "from reactor.journal.stream import Stream\n"
        "from tests.journal.samples import failed\n"
        "with BackgroundWriter(NdjsonLines(Stream(1)), 'stdout') as writer:\n"
        "    journal = Journal([writer.offer], now=lambda: 0.0)\n"
        "    for number in range(100): journal.tell(failed(number, 'x' * 100_000))\n"
        "    writer.close(wait_s=0.1)\n"
    )
    stderr = subprocess.STDOUT if stderr_too else subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        assert process.wait(60) == 0
        assert process.stderr is None or "entries were lost on the way to stdout" in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


def test_a_pipe_that_somebody_has_set_not_to_block_loses_nothing(pipe: Pipe, capfd: pytest.CaptureFixture[str]) -> None:
    """That is a property of the pipe, not of ours: whoever shares it decides."""
    os.set_blocking(pipe.writer, False)
    received: list[dict[str, Any]] = []
    with writer_on(pipe) as writer:
        journal = Journal([writer.offer], now=lambda: 0.0)
        for number in range(20):
            journal.tell(failed(number, "x" * 100_000))
        reader = threading.Thread(target=lambda: received.extend(pipe.read_lines()))
        reader.start()
        writer.close(wait_s=30)
        reader.join(30)
    assert lost_of(received, 20) == writer.dropped == 0
    assert capfd.readouterr().err == ""


def test_what_a_full_disk_has_cost_is_said_when_it_has_passed(tmp_path: Path) -> None:
    path = tmp_path / "events"
    code = (
        "import os, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from reactor.journal.journal import Journal\n"
        "from reactor.journal.ndjson import NdjsonLines\n"
        "from reactor.journal.background_writer import BackgroundWriter\n"
        "from reactor.journal.stream import open_stream\n"
        "from tests.journal.samples import failed\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400, hard))\n"
        "with BackgroundWriter(NdjsonLines(open_stream(Path(sys.argv[1]))), 'the file') as writer:\n"
        "    journal = Journal([writer.offer], now=lambda: 0.0)\n"
        "    for number in range(10): journal.tell(failed(number, 'x' * 50))\n"
        "    while writer.dropped < 7: os.sched_yield()\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "    journal.tell(failed(10))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot write to the file: File too large") == 1
    whole = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    assert [line["event"] for line in whole] == ["download_failed"] * 2 + ["entries_lost", "download_failed"]
    assert lost_of(whole, 11) == 8


def test_a_full_disk_passes_and_the_next_line_is_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file that may not grow stands for a full disk: writes get cut in the middle, then fail."""
    path = tmp_path / "events"
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from reactor.journal.stream import open_stream\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "stream = open_stream(Path(sys.argv[1]))\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30, hard))\n"
        "stream.write('first line\\n')\n"
        "for _ in range(2):\n"
        "    try: stream.write('second line that is too long\\n')\n"
        "    except OSError: assert stream.lasting\n"
        "    else: raise AssertionError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "stream.write('third line\\n')\n"
        "stream.write('fourth line\\n')\n"
    )
    assert hasattr(resource, "RLIMIT_FSIZE")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = path.read_text().splitlines()
    assert lines[0] == "first line"
    assert lines[-2:] == ["third line", "fourth line"]
    assert all(len(line) < 30 for line in lines[1:-2])


def test_a_named_pipe_needs_no_reader_to_begin(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    with BackgroundWriter(NdjsonLines(open_stream(path)), "the fifo") as writer:
        Journal([writer.offer], now=lambda: 0.0).tell(failed(7))
        with path.open("rb") as reader:
            assert json.loads(reader.readline())["download_id"] == 7


def test_lines_are_appended_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    for number in (1, 2):
        with BackgroundWriter(NdjsonLines(open_stream(path)), "the file") as writer:
            Journal([writer.offer], now=lambda: 0.0).tell(failed(number))
    assert [json.loads(line)["download_id"] for line in path.read_text().splitlines()] == [1, 2]


def test_a_file_may_be_cut_to_nothing_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    stream = open_stream(path)
    stream.write("before\n")
    os.truncate(path, 0)
    stream.write("after\n")
    stream.close()
    assert path.read_text() == "after\n"


@pytest.mark.parametrize("name", ["no/such/folder", ".", "nul\0"])
def test_a_place_that_cannot_be_written_is_refused_with_a_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"^The events cannot be written to .*: .*\. Name a file"):
        open_stream(tmp_path / name)
