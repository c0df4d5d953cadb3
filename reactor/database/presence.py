"""What a reactor says of itself in the database, so that anybody can ask how it is."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from reactor.records import dataclass


@dataclass(frozen=True, slots=True)
class Presence:
    """The reactor that served the database last, or still does."""

    pid: int
    host: str
    begun: str | None
    """When the system says that the process began; with the pid it tells it from a later one. None: not told here."""
    since: float
    """When it began to serve, or ended; seconds since the epoch."""
    version: str
    aria2: str | None = None
    """The version of its aria2c, once that answered."""
    stopped: bool = False
    page: str | None = None
    """URL of its page, without the token; None: it has none."""
    metrics: str | None = None
    """URL of its metrics; None: it has none."""
    slots: int = 1
    """Its MAX_CONCURRENT_DOWNLOADS."""
    owner_max: int = 0
    """Its OWNER_MAX."""
    host_max: int = 0
    """Its HOST_MAX."""
    draining: bool = False
    """It was asked to end: what is under way may end before (DRAIN_S), and nothing is begun."""

    @property
    def alive(self) -> bool:
        """True while it serves. Of a process on another machine only its own record is known."""
        if self.stopped or self.host != socket.gethostname():
            return not self.stopped
        return is_running(self.pid) and begun(self.pid) == self.begun


@dataclass(frozen=True, slots=True)
class Machine:
    """One of those that serve a queue on a server, or did within the last week."""

    name: str
    seen_s: float
    """How long ago it has renewed its lease, in seconds."""
    lost: bool
    """Its lease has run out: what it had is taken over by the others."""
    draining: bool
    """It claims nothing more, as an operator wants it, or because it was asked to end."""
    downloading: int
    """Rows that it has under way."""
    presence: Presence | None = None
    """What it says of itself, once it did."""


def begun(pid: int) -> str | None:
    """A mark of the moment at which a process began; None where the system tells none (proc_pid_stat(5), starttime)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def is_running(pid: int) -> bool:
    """True when there is a process with this pid."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it belongs to another user
    return True
