"""What bounds a start: processes that only import what a reactor has imported when its first row is picked up.

python     nothing is imported
libraries  all modules but the reactor's own
modules    these, too; nothing is done with them
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from contrib.bench.report import Row
from contrib.bench.validity import Invalid, Samples

TELLING = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Has Python say what it imports; see `imported`."""
SCRIPT = """
import gc, os
gc.disable()
for name in {names!r}:
    try:
        __import__(name)
    except ImportError:
        pass
os.write(1, b".")
"""
"""As a reactor, which does not look for garbage meanwhile. What it tried in vain to import is tried in vain."""
LEVELS = {
    "python": "Python alone",
    "libraries": "the libraries are imported",
    "modules": "reactor's own modules, too, and nothing is done with them",
}
_LINE = re.compile(r"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)


def imported(said: str) -> list[str]:
    """The modules that a process with `TELLING` has said to import, in their order. Raises Invalid if they are none of
    a reactor's."""
    found = [name for name in dict.fromkeys(_LINE.findall(said)) if not name.endswith("__main__")]
    if not any(_is_ours(name) for name in found):
        raise Invalid(f"reactor did not say what it imports ({len(found)} modules)")
    return found


class Imports:
    """The processes, and how long each took."""

    def __init__(self, folder: Path, modules: list[str], rounds: int) -> None:
        libraries = [name for name in modules if not _is_ours(name)]
        self._took = {level: Samples(f"start, bound: {level}", rounds) for level in LEVELS}
        self._scripts = {level: folder / f"{level}.py" for level in LEVELS}
        for level, names in zip(LEVELS, ([], libraries, modules), strict=True):
            self._scripts[level].write_text(SCRIPT.format(names=names))

    def take(self, environment: dict[str, str]) -> None:
        """Once each."""
        for level, samples in self._took.items():
            samples.add(_started(self._scripts[level], environment))

    def rows(self) -> list[Row]:
        """One for each."""
        return [Row(f"  bound: {LEVELS[level]}", "ms", samples.median) for level, samples in self._took.items()]


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "reactor"


def _started(script: Path, environment: dict[str, str]) -> float:
    """Milliseconds from the start of the process to its one byte."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, str(script)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        said = process.stdout.read(1)
        took = time.monotonic() - began
    if said != b"." or process.returncode:
        raise Invalid(f"{script.name} ended with {process.returncode}")
    return took * 1000
