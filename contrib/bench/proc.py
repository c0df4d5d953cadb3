"""What Linux tells of a process from outside."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path

MIB = 1024 * 1024
_CPUCLOCK_SCHED = 2
"""See clock_getcpuclockid(3): the kernel's number for a process's clock is made of its pid."""


def cpu_s(pid: int) -> float:
    """CPU seconds used so far by all threads, those that ended too, to the nanosecond."""
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED) / 1e9


def wakeups(pid: int) -> int:
    """How often its threads have given up the CPU by themselves: each time they were woken before."""
    tasks = Path(f"/proc/{pid}/task").glob("*/status")
    return sum(int(_field(task.read_text(), "voluntary_ctxt_switches")) for task in tasks)


def peak_mib(pid: int) -> float:
    """The most memory it ever had resident."""
    return int(_field(_status(pid), "VmHWM")) * 1024 / MIB


def resident_mib(pid: int) -> float:
    """The memory it has resident now."""
    return int(_field(_status(pid), "VmRSS")) * 1024 / MIB


def children(pid: int) -> list[int]:
    """The processes it has started that are there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(path.parent.name))
    return found


def name(pid: int) -> str:
    """What it is called, cut to 15 characters; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def machine() -> str:
    """Cores and memory."""
    total = int(_field(Path("/proc/meminfo").read_text(), "MemTotal")) / MIB
    return f"{os.cpu_count()} cores, {total:.0f} GiB of memory"


def _status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


def _field(text: str, name: str) -> str:
    found = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    assert found, name
    return found[1]
