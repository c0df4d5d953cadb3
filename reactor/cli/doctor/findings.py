"""The result of a check, and what several checks use."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from reactor.cli.options import words_shown
from reactor.database.presence import Presence
from reactor.database.sql.unserved import OVER
from reactor.programs import Program, child_environment
from reactor.records import dataclass

PROGRAM_S = 10.0
"""Time limit for `--version`."""
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"})

State = Literal["ok", "note", "missing"]


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """The result of one check. `needed`: direct downloads need it."""

    name: str
    state: State
    what: str = ""
    version: str = ""
    where: str = ""
    advice: str = ""
    needed: bool = False


def program_version(command: Iterable[str | Path], pattern: str) -> tuple[str, str]:
    """Run a program for its version: what `pattern` finds in it ("" if nothing), and all it printed."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=child_environment(),
            timeout=PROGRAM_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", ""
    text = (done.stdout + done.stderr).decode(errors="replace")
    found = re.search(pattern, text)
    return (found[1] if found and done.returncode == 0 else ""), text


def where(program: Program) -> str:
    """Where a program is, and how it was found."""
    origins = {"setting": "as set", "path": "on the PATH", "wheel": "from the wheel"}
    return f"{program.path} ({origins[program.origin]})"


def nearest(path: Path) -> Path:
    """`path` itself if there is something under that name, else the nearest parent there is."""
    path = path.absolute()
    return next(place for place in (path, *path.parents) if place.exists())


def file_system(path: Path) -> str:
    """The type of file system `path` is on, "" where it cannot be told."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        here = path.resolve()
    except OSError:
        return ""
    best: tuple[int, str] = (-1, "")
    for line in mounts.splitlines():
        _, place, kind = [*line.split(" "), "", "", ""][:3]
        point = Path(place.replace("\\040", " "))
        if here.is_relative_to(point):
            best = max(best, (len(point.parts), kind))
    return best[1]


def served_by(served: Presence | None) -> DoctorFinding:
    """Who serves the database, and where it can be seen."""
    if served is None or not served.alive:
        ever = "none has served this database yet" if served is None else "none serves this database now"
        return DoctorFinding("reactor", "note", ever, advice="`reactor run` does.")
    places = [("page at ", served.page), ("metrics at ", served.metrics)]
    shown = [f"process {served.pid} on {served.host}", *(f"{what}{place}" for what, place in places if place)]
    return DoctorFinding("reactor", "ok", ", ".join(shown), served.version)


def mirror(name: str, links: Sequence[str], trouble: str | None, odd: Sequence[tuple[str, int]]) -> DoctorFinding:
    """Of a table of the bot's that is attached: whether its rows are served, and which words no map names."""
    title = f"mirror {name}"
    if trouble is not None:
        advice = "`reactor run` mends it while the columns are there; else `reactor detach`, and attach it anew."
        return DoctorFinding(title, "missing", f"not attached: {trouble}", advice=advice)
    what, words = f"attached, by {', '.join(links)}", [each for each in odd if each[0].casefold() not in OVER]
    if not words:
        return DoctorFinding(title, "ok", what)
    return DoctorFinding(title, "note", what, advice=f"No map names {words_shown(words)}: such rows are left alone.")


def other_table(name: str) -> str:
    """What is said of a table that looks like the bot's queue."""
    told = f"There are rows in the table “{name}”, and none in “downloads”"
    return f"{told}: serve it by `reactor attach`, or add the rows there."
