"""Runs the command as a person does, in a folder of its own: in this process, or in one of its own."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import IO
from unittest.mock import patch

from reactor.cli import main
from reactor.settings import SETTING_NAMES
from tests.warm import ready

ROOT = Path(__file__).parents[2]
WAIT_S = 90.0
"""Longest any command may take here: an error in the program, not a measure."""
REACTOR = [sys.executable, "-W", "error", "-m", "reactor"]
"""Warnings are errors in the command too."""
_STAYING = {"run", "get", "watch", "update"}
"""Verbs that end by a signal, or change what is installed."""


def environment(**more: str) -> dict[str, str]:
    """Ours without any setting of reactor's, and with `more`."""
    foreign = {name.upper() for name in SETTING_NAMES} | {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return kept | {"PYTHONPATH": str(ROOT), "TZ": "UTC", "TERM": "xterm-256color"} | more


def reactor(*arguments: object, cwd: Path, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end: in the tests' own process, which takes a tenth of the time, unless it is one that
    stays, or is about the process itself."""
    words = [str(argument) for argument in arguments]
    if stdin or _STAYING & set(words[:1]) or any(name.startswith("PYTHON") for name in more):
        done = subprocess.run(
            [*REACTOR, *words],
            cwd=cwd,
            env=environment(**more),
            input=stdin,
            capture_output=True,
            timeout=WAIT_S,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    if words[:1] == ["doctor"]:
        ready("reactor")  # it tries out a process of each kind, and no thread may start what forks them
    with ExitStack() as stack:
        printed = stack.enter_context(_own_streams())
        stack.enter_context(patch.object(gc, "freeze"))  # what the tests hold is frozen, and stays so
        stack.callback(time.tzset)  # by then the environment is as it was
        stack.enter_context(chdir(cwd))
        stack.enter_context(patch.dict(os.environ, environment(**more), clear=True))
        time.tzset()
        thread = stack.enter_context(ThreadPoolExecutor(1))  # where a test waits for it, the loop here is the test's
        code = thread.submit(_exit_code, words).result(WAIT_S)
    return subprocess.CompletedProcess(words, code, *printed)


def _exit_code(words: list[str]) -> int:
    try:
        main(words)
    except SystemExit as ended:
        code = ended.code or 0
        assert isinstance(code, int)
        return code
    finally:
        gc.enable()  # a command leaves that as it is when its process ends


@contextmanager
def _own_streams() -> Iterator[list[str]]:
    """Standard output and errors are files, and what is in them at the end is in the list."""
    printed: list[str] = []
    with ExitStack() as stack:
        files = {}
        for fd in (1, 2):
            files[fd] = stack.enter_context(tempfile.TemporaryFile())
            saved = os.dup(fd)
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, fd)
            os.dup2(files[fd].fileno(), fd)
        out, err = (stack.enter_context(open(fd, "w", encoding="utf-8", closefd=False)) for fd in (1, 2))
        with patch.object(sys, "stdout", out), patch.object(sys, "stderr", err):
            yield printed
        for stream in (out, err):
            stream.flush()
        for file in files.values():
            file.seek(0)
            printed.append(file.read().decode())


def start(
    *arguments: object,
    cwd: Path,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    **more: str,
) -> subprocess.Popen[str]:
    """Start a command; the test ends it."""
    return subprocess.Popen(
        [*REACTOR, *(str(argument) for argument in arguments)],
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
    )


def refused(done: subprocess.CompletedProcess[str], *, after: str | None = None, code: int = 2) -> str:
    """Assert that the command could not start and said so in one line; the line. It printed nothing else, but for
    lines with `after`. `code` is 75 for what may pass by itself."""
    assert done.returncode == code, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("reactor: ")
    assert [line for line in done.stdout.splitlines() if after is None or after not in line] == []
    return lines[0]
