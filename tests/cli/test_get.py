"""`reactor get`: the files, the paths, the exit codes, and what is left behind: nothing."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.command import ROOT, WAIT_S, environment, reactor, refused, start
from tests.servers import FileServer, ThreadedFileServer


@pytest.fixture
def server() -> Iterator[FileServer]:
    with ThreadedFileServer() as server:
        yield server


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The folder for temporary files, so that what is left in it can be seen."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The person's folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def content(seed: int, size: int = 300_000) -> bytes:
    return bytes((seed * 31 + i * 7) % 256 for i in range(1000)) * (size // 1000)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def processes_of(temporary: Path) -> list[str]:
    """Programs still running whose command line or folder points into the temporary folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(temporary) in line:
                found.append(line)
    return found


@pytest.mark.execs
def test_files_arrive_and_their_paths_are_all_of_stdout(server: FileServer, folder: Path, temporary: Path) -> None:
    files = {f"file-{n}.bin": content(n) for n in range(5)}
    urls = [server.put(f"/{name}", data) for name, data in files.items()]
    done = reactor("get", *urls, cwd=folder, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.splitlines()] == list(files)
    assert {name: (folder / name).read_bytes() for name in names(folder)} == files
    assert names(temporary) == []
    assert processes_of(temporary) == []
    assert all(f"{name}  ✓" in done.stderr for name in files)


def test_files_go_where_dir_or_the_setting_says(server: FileServer, folder: Path) -> None:
    url = server.put("/a.bin", content(1))
    assert reactor("get", "--dir", "flag", url, cwd=folder, DOWNLOAD_DIR="set").returncode == 0
    assert reactor("get", url, cwd=folder, DOWNLOAD_DIR="set").returncode == 0
    assert names(folder) == ["flag", "flag/a.bin", "set", "set/a.bin"]


def test_one_that_fails_makes_the_exit_code_one(server: FileServer, folder: Path) -> None:
    good, gone = server.put("/good.bin", content(2)), server.url("/gone.bin")
    done = reactor("get", gone, good, cwd=folder)
    assert done.returncode == 1
    assert [Path(line).name for line in done.stdout.splitlines()] == ["good.bin"]
    assert names(folder) == ["good.bin"]
    (line,) = [line for line in done.stderr.splitlines() if "✗" in line]
    assert "gone.bin" in line
    assert "404" in line


def test_retries_are_few_and_can_be_none(server: FileServer, folder: Path) -> None:
    url = server.put("/a.bin", content(3), failures=1000)
    done = reactor("get", "--retries", 0, url, cwd=folder)
    assert done.returncode == 1
    assert "retry" not in done.stderr
    done = reactor("get", url, cwd=folder)
    assert done.returncode == 1
    assert "retry 1 of 2" in done.stderr
    assert "retry 2 of 2" in done.stderr


def test_bad_urls_are_a_sentence_each(folder: Path) -> None:
    urls = [
        "no url at all",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://",
        "http://127.0.0.1:1/a.bin",
        "magnet:?dn=nothing",
        "http://127.0.0.1/\n\x01",
        "x" * 50_000,
    ]
    done = reactor("get", "--retries", 0, "--", *urls, cwd=folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert sum("✗ failed: " in line for line in done.stderr.splitlines()) == len(urls), done.stderr
    assert "Traceback" not in done.stderr
    assert names(folder) == []


def test_without_an_aria2c_it_says_so_and_leaves_nothing(folder: Path, temporary: Path) -> None:
    done = reactor("get", "http://127.0.0.1/", cwd=folder, ARIA2C_PATH="no-such-aria2c", TMPDIR=str(temporary))
    assert "ARIA2C_PATH" in refused(done)
    assert names(folder) == []
    assert names(temporary) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_and_leaves_nothing(
    server: FileServer, folder: Path, temporary: Path, number: signal.Signals
) -> None:
    url = server.put("/slow.bin", content(4, 4_000_000), stall_after=100_000)
    process = start("get", url, cwd=folder, TMPDIR=str(temporary))
    try:
        assert process.stderr is not None
        assert "slow.bin" in process.stderr.readline(), "it has begun"
        process.send_signal(number)
        out, err = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 128 + number
    assert out == ""
    assert "Traceback" not in err
    assert "cancelled" in err
    assert names(folder) == []
    assert names(temporary) == []
    assert processes_of(temporary) == []


def test_on_a_terminal_there_is_a_bar_and_the_cursor_comes_back(server: FileServer, folder: Path) -> None:
    url = server.put("/film.bin", content(5, 6_000_000), rate=2_000_000)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "reactor", "get", url],
        cwd=folder,
        env=environment(COLUMNS="110"),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the other end closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    out, _ = process.communicate(timeout=WAIT_S)
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    assert process.returncode == 0, text
    assert out == "film.bin\n" or Path(out.strip()) == folder / "film.bin"
    assert re.search(r"film\.bin +━+[╸╺]?━* +[\d.]+/[\d.]+ MiB +[\d.]+ [KM]iB/s", text), text
    assert "film.bin  ✓ 5.7 MiB in" in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l") >= 0


def test_the_demo_shows_the_real_thing(tmp_path: Path) -> None:
    picture = tmp_path / "picture.svg"
    done = subprocess.run(
        [sys.executable, ROOT / "contrib" / "demo.py", "--size", "6", "--rate", "3", "--picture", picture],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sunrise-over-the-harbour.mp4: 6291456 bytes, the same as the server's" in done.stdout
    assert done.stdout.count("the same as the server's") == 3
    text = picture.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "━" in text
    assert "@font-face" not in text
