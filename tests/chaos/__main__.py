"""`just chaos`: storms over every scene, in turns, until there were so many kills; then the same with aria2's socket
cut every second, and with a database that another process locks for 30 s at a time.

With `--postgres`: four reactors on one queue, until there were so many faults.

Ends with 1 when anything was wrong; the seeds are told, but the moments of the kernel are not in them."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos.machines import machine_storm
from tests.chaos.scenes import SCENES, storm

KILLS_EACH = 10
FAULTS_EACH = 100
LOCK_S = 30.0
OF_WIRE, OF_LOCKS = 0.1, 0.05
"""The shares of all kills that happen beside these troubles."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="of the first storm; the next count on"
    )
    parser.add_argument("--scene", choices=SCENES, action="append")
    parser.add_argument("--postgres", action="store_true", help="several reactors serve one queue on PostgreSQL")
    parser.add_argument("--faults", type=int, default=200, help="with --postgres: so many of all kinds")
    wanted = parser.parse_args()
    if wanted.postgres:
        return _machine_storms(wanted.seed, wanted.faults)
    scenes = wanted.scene or list(SCENES)
    wire, locks = round(wanted.kills * OF_WIRE), round(wanted.kills * OF_LOCKS)
    bad, seed = 0, wanted.seed
    for trouble, left in (("", wanted.kills - wire - locks), ("wire", wire), ("locks", locks)):
        while left > 0:
            # An aria2c elsewhere has a configuration that knows nothing of our swarm: there are only files then.
            scene = "files" if trouble == "wire" else scenes[seed % len(scenes)]
            bad += _storm(scene, seed, min(KILLS_EACH, left), trouble)
            seed, left = seed + 1, left - KILLS_EACH
    return 1 if bad else 0


def _machine_storms(seed: int, left: int) -> int:
    bad = 0
    while left > 0:
        with tempfile.TemporaryDirectory(prefix="reactor-chaos-") as folder:
            faults = min(FAULTS_EACH, left)
            report = asyncio.run(
                machine_storm(Path(folder), seed=seed, faults=faults, long=True, shared=bool(seed % 2))
            )
        sys.stdout.write(f"{report}\n")
        sys.stdout.flush()
        bad, seed, left = bad + bool(report.trouble), seed + 1, left - faults
    return 1 if bad else 0


def _storm(scene: str, seed: int, kills: int, trouble: str) -> bool:
    wire, lock_s = trouble == "wire", LOCK_S if trouble == "locks" else 0
    with tempfile.TemporaryDirectory(prefix="reactor-chaos-") as folder:
        report = asyncio.run(storm(scene, Path(folder), seed=seed, kills=kills, wire=wire, lock_s=lock_s))
    sys.stdout.write(f"{scene}{f' with {trouble}' if trouble else ''}: {report}\n")
    sys.stdout.flush()
    return bool(report.trouble)


if __name__ == "__main__":
    sys.exit(main())
