"""What runs, as the system tells it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import anyio

WAIT_S = 60.0
"""How long to wait for what must come: an error in the test, not a measure."""


def in_group(pgid: int) -> list[int]:
    """The processes of a group that have not ended."""
    return [pid for pid in _all() if (told := _stat(pid)) and told[2] == str(pgid) and told[0] not in "ZX"]


def runs(pid: int) -> bool:
    """True until a process has ended."""
    told = _stat(pid)
    return told is not None and told[0] not in "ZX"


def children(parent: int | None = None) -> list[int]:
    """The processes that this process, or another, has started and that have not ended."""
    asked = str(parent or os.getpid())
    return [pid for pid in _all() if (told := _stat(pid)) and told[1] == asked and told[0] not in "ZX"]


def switches(pid: int) -> int:
    """How often a process has been given the processor and has given it back."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens outside of this process."""
    with anyio.fail_after(WAIT_S):
        while not condition():
            await anyio.sleep(0.01)


def run_out_of_time() -> None:
    """End as a process does that has used up its time of the processor."""
    os.kill(os.getpid(), signal.SIGXCPU)


def _all() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(pid: int) -> list[str] | None:
    """State, parent, group."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return None
