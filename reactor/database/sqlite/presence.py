"""What a reactor leaves in the database of itself, so that anybody can ask how it is."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

from reactor.database.sqlite.statements import has_table

KEY = "process"


@dataclass(frozen=True, slots=True)
class Presence:
    """The reactor that served the database last, or still does."""

    pid: int
    host: str
    begun: str | None
    """When the system says that the process began; with the pid it tells it from a later one. None: not told here."""
    since: float
    """Seconds since the epoch; when it began to serve, or ended."""
    version: str
    aria2: str | None = None
    """The version of its aria2c, once that answered."""
    stopped: bool = False
    page: str | None = None
    """Where its page is, without the token; None: it has none."""
    metrics: str | None = None
    """Where its metrics are; None: nowhere."""

    @property
    def alive(self) -> bool:
        """True while it serves, as far as that can be told from here: of another machine we believe what it wrote."""
        if self.stopped or self.host != socket.gethostname():
            return not self.stopped
        return is_running(self.pid) and begun(self.pid) == self.begun


def begun(pid: int) -> str | None:
    """A mark of the moment at which a process began; None where the system tells none (proc_pid_stat(5), starttime)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def is_running(pid: int) -> bool:
    """True when there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def store(connection: sqlite3.Connection, presence: Presence) -> None:
    """In place of that of the reactor before."""
    connection.execute(
        "INSERT OR REPLACE INTO reactor_meta (key, value) VALUES (?, ?)", (KEY, json.dumps(asdict(presence)))
    )


def read(connection: sqlite3.Connection) -> Presence | None:
    """None where no reactor has served yet, or one that wrote it otherwise."""
    if not has_table(connection, "reactor_meta"):
        return None
    found = connection.execute("SELECT value FROM reactor_meta WHERE key = ?", (KEY,)).fetchone()
    try:
        return Presence(**json.loads(found[0])) if found else None
    except (TypeError, ValueError):
        return None
