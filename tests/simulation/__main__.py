"""`just sim`: storms over the core, on every core of this machine, for as long as it is told.

`--seed N` replays one and prints all that the core was told and what it decided."""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import random
import sys
import time

from tests.simulation.runs import Broken, broken, first_broken
from tests.simulation.world import World


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="only this one, with its whole history")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, help="so many of them, however long it takes")
    parser.add_argument("--from", dest="first", type=int, default=random.randrange(10**9), help="the first seed")
    wanted = parser.parse_args()
    if wanted.seed is not None:
        return _replay(wanted.seed)
    return _storm(wanted.first, math.inf if wanted.seeds else wanted.seconds, wanted.seeds or math.inf)


def _replay(seed: int) -> int:
    world = World(seed, keep_log=True)
    reason = broken(world)
    sys.stdout.write("\n".join([*(world.history or ()), f"seed {seed}: {reason or 'all is well'}", ""]))
    return 1 if reason else 0


def _storm(first: int, seconds: float, most: float) -> int:
    began, workers = time.monotonic(), os.cpu_count() or 1
    with multiprocessing.Pool(workers) as pool:
        shares = pool.map(_share, [(first + n, workers, seconds, most / workers) for n in range(workers)])
    found = [failed for _, failures in shares for failed in failures]
    seeds, took = sum(count for count, _ in shares), time.monotonic() - began
    sys.stdout.writelines(f"{failed}\n" for failed in found)
    rate = f"{seeds} seeds from {first} on in {took:.0f} s, {seeds / took:.0f} a second"
    sys.stdout.write(f"{rate}; {len(found)} failed\n")
    return 1 if found else 0


def _share(wanted: tuple[int, int, float, float]) -> tuple[int, list[Broken]]:
    """Every so-manieth seed, as long as there is time, and `most` of them; how many, and which failed."""
    first, step, seconds, most = wanted
    count, found, end = 0, list[Broken](), time.monotonic() + seconds
    while count < most and time.monotonic() < end:
        failed = first_broken([first + count * step])
        found += [failed] if failed else []
        count += 1
    return count, found


if __name__ == "__main__":
    sys.exit(main())
