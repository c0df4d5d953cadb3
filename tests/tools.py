"""Programs that tests talk to; `programs.txt` lists them. A missing one is a failure where CI is set. Elsewhere a
stand-in of the tests' own takes its place, or what needs it is skipped, and the end of the run says how much."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe  # type: ignore[import-untyped]

from reactor.errors import ProgramMissing
from reactor.extractors.browser.browser import find_browser

LIST = Path(__file__).with_name("programs.txt")
SBIN = ("/usr/sbin", "/sbin")
"""Not on the PATH of most users; nginx and pgbouncer are there, and are started by their whole paths."""
NOT_INSTALLED = "which is not installed"
MISSING = "missing program: "
"""How the reason of such a skip begins; the program's name follows."""

_SQLITE3 = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
statement = ""
for piece in sys.argv[2].split(";"):
    statement += piece + ";"
    if sqlite3.complete_statement(statement):
        for row in db.execute(statement):
            print("|".join("" if value is None else str(value) for value in row))
        statement = ""
"""


def tool(name: str) -> str | None:
    """Where the system's program is. None when it is missing and a stand-in may be used."""
    found = _find(name)
    if found is None and os.environ.get("CI"):
        pytest.fail(f"{name} is not installed: {how_to_install(name)}")
    return found


def wheels_ffmpeg_first() -> None:
    """Let that of the wheel be found before the system's: Debian's is linked with two hundred libraries and takes five
    times the processor to start, and the tests start it a thousand times."""
    try:
        program = get_ffmpeg_exe()
    except RuntimeError:  # there is no wheel with a binary for this platform
        return
    folder = Path(sys.prefix) / "share" / "reactor-tests"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"ffmpeg.{os.getpid()}"
    made.symlink_to(program)
    made.replace(folder / "ffmpeg")
    os.environ["PATH"] = os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))


def needed(name: str) -> str:
    """Where the system's program is. Skips the test when it is missing."""
    found = tool(name)
    if found is None:
        pytest.skip(MISSING + name)
    return found


def how_to_install(name: str) -> str:
    """What to run, or to look for, for a program of the list."""
    package = packages()[name]
    return f"apt-get install {package}" if shutil.which("apt-get") else f"install {package} (Debian's name of it)"


@cache
def packages() -> dict[str, str]:
    """Debian's package of each program that tests may need."""
    lines = LIST.read_text("utf-8").splitlines()
    return dict(line.split() for line in lines if not line.startswith("#"))


def _find(name: str) -> str | None:
    if name == "chromium":  # or any other browser that reactor would take
        try:
            return str(find_browser().path)
        except ProgramMissing:
            return None
    scripts = sysconfig.get_path("scripts")
    sbin = SBIN if name in ("nginx", "pgbouncer") else ()
    path = os.pathsep.join([*(folder for folder in os.get_exec_path() if folder != scripts), *sbin])
    found = shutil.which(name, path=path)
    return found if found is None or name != "unshare" or _may_unshare(found) else None


@cache
def _may_unshare(program: str) -> bool:
    """Whether this user may make namespaces: some systems forbid it."""
    trial = [program, "--map-root-user", "--mount", "--net", "--pid", "--fork", "true"]
    return subprocess.run(trial, capture_output=True, timeout=20, check=False).returncode == 0


def sqlite3_program(path: Path, statements: str) -> str:
    """Run statements with the `sqlite3` program, or with one that knows as little of reactor; what it printed."""
    program = tool("sqlite3")
    command = [program, "-cmd", ".timeout 30000"] if program else [sys.executable, "-c", _SQLITE3]
    done = subprocess.run([*command, str(path), statements], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
