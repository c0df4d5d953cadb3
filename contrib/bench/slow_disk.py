"""A disk that takes 5 ms to sync: what it is to hold for is started with a library of ours (`slow_disk.c`)."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from contrib.bench.validity import Invalid
from reactor.programs import find_aria2c

SYNC_S = 0.005
SOURCE = Path(__file__).with_name("slow_disk.c")
COMPILERS = ("gcc", "cc", "clang")
PRELOAD, SYNCS = "LD_PRELOAD", "BENCH_SYNCS"


@dataclass(frozen=True)
class SlowDisk:
    """Made by `slow_disk`."""

    library: Path
    aria2c: Path
    """A program that is aria2c on this disk; reactor gives its children nothing of its environment."""
    counted: Path

    @property
    def environment(self) -> dict[str, str]:
        """Of what is to have this disk."""
        return {PRELOAD: str(self.library), SYNCS: str(self.counted)}

    @property
    def syncs(self) -> int:
        """How many there were since the last `forget`."""
        return self.counted.stat().st_size if self.counted.exists() else 0

    def forget(self) -> None:
        """Count anew."""
        self.counted.unlink(missing_ok=True)

    def check(self, who: str, least: int) -> None:
        """Raises Invalid unless there were so many: then somebody has a disk of his own."""
        if self.syncs < least:
            raise Invalid(f"{who} synced {self.syncs} times instead of {least} at least: the disk was not slow for it")


def find_compiler() -> str:
    """Where one is. Raises Invalid, with what to do, when there is none."""
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise Invalid("a compiler is missing, which makes a disk slow (Debian: apt install gcc)")
    return compiler


def slow_disk(folder: Path) -> SlowDisk:
    """Make one. Raises Invalid where there is no compiler."""
    compiler = find_compiler()
    disk = SlowDisk(folder / "slow_disk.so", folder / "aria2c", folder / "syncs")
    command = [compiler, "-shared", "-fPIC", "-nostdlib", "-O1", "-o", str(disk.library), str(SOURCE)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Invalid(f"{compiler} does not make {SOURCE.name}: {done.stderr[-300:]}")
    lines = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in disk.environment.items())
    disk.aria2c.write_text(f'#!/bin/sh\n{lines}exec {shlex.quote(str(find_aria2c().path))} "$@"\n')
    disk.aria2c.chmod(0o700)
    return disk
