"""Resource limits of a process that parses documents. The process sets them itself before it parses.

On Windows there are no such limits; the deadline of whoever asks holds everywhere.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from reactor.records import dataclass

if sys.platform != "win32":
    import resource

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process, and of one answer."""

    cpu_s: int
    """Seconds of its processor for one answer. The system ends a process that takes more, whatever it computes."""
    wall_s: float
    """Seconds that one answer may take."""
    data_bytes: int
    """Memory, all told."""
    answer_bytes: int


def protect(parent: int, data_bytes: int, *, file_bytes: int = 0, group: bool = False) -> None:
    """Limit memory and the size of files that are written (0: none is), and die with `parent`; `group`: with all that
    this process has started, where it leads its process group."""
    if sys.platform == "win32":
        return
    # Not RLIMIT_AS: address space that is reserved and not used does no harm.
    _lower(resource.RLIMIT_DATA, data_bytes)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, file_bytes)
    if sys.platform == "linux":
        takes_group = group and os.getpgrp() == os.getpid()
        if takes_group:
            signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM if takes_group else signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit()


def allow_cpu(seconds: int) -> None:
    """Limit processor time from now on: the system kills the process above it."""
    if sys.platform == "win32":
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + 1 + seconds)


def resident_bytes() -> int:
    """Resident memory of this process in bytes; 0 when unknown."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


if sys.platform != "win32":

    def _lower(what: int, most: int) -> None:
        """Where the administrator allows less, it stays less."""
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, hard))
