"""Runs the command as a person does: a process of its own, in a folder of its own. What only its words matter of runs
here."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from typing import IO
from unittest.mock import patch

import pytest

from reactor.cli import main
from reactor.settings import SETTING_NAMES

ROOT = Path(__file__).parents[2]
WAIT_S = 90.0
"""Longest any command may take here: an error in the program, not a measure."""
REACTOR = [sys.executable, "-W", "error", "-m", "reactor"]
"""Warnings are errors in the command too."""


def environment(**more: str) -> dict[str, str]:
    """Ours without any setting of reactor's, and with `more`."""
    foreign = {name.upper() for name in SETTING_NAMES} | {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return kept | {"PYTHONPATH": str(ROOT), "TZ": "UTC", "TERM": "xterm-256color"} | more


def reactor(*arguments: object, cwd: Path, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        [*REACTOR, *(str(argument) for argument in arguments)],
        cwd=cwd,
        env=environment(**more),
        input=stdin,
        capture_output=True,
        timeout=WAIT_S,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def reactor_here(*arguments: object, cwd: Path, **more: str) -> int:
    """Run a command to its end in the tests' own process, which takes a tenth of the time; its exit code. What it
    prints is for the caller to catch."""
    try:
        with (
            chdir(cwd),
            patch.dict(os.environ, environment(**more), clear=True),
            pytest.raises(SystemExit) as ended,
        ):
            main([str(argument) for argument in arguments])
    finally:  # a command leaves these as they are when its process ends
        gc.enable()
        gc.unfreeze()
    code = ended.value.code or 0
    assert isinstance(code, int)
    return code


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
