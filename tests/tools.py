"""Programs that tests talk to. What is missing is a failure where CI is set; elsewhere a stand-in of the tests' own
takes its place, so that a machine with nothing but Python runs every test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

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
    scripts = sysconfig.get_path("scripts")
    path = os.pathsep.join(folder for folder in os.get_exec_path() if folder != scripts)
    found = shutil.which(name, path=path)
    if found is None and os.environ.get("CI"):
        raise AssertionError(f"{name} is not installed; .ci/run names the packages")
    return found


def sqlite3_program(path: Path, statements: str) -> str:
    """Run statements with the `sqlite3` program, or with one that knows as little of reactor; what it printed."""
    program = tool("sqlite3")
    command = [program, "-cmd", ".timeout 30000"] if program else [sys.executable, "-c", _SQLITE3]
    done = subprocess.run([*command, str(path), statements], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
