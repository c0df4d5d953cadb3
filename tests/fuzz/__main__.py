"""Feed all readers with what strangers may say, in turns, for ten minutes: `just fuzz --seconds 600 --only hls`."""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback

from rich.console import Console

from tests.fuzz.readers import READERS
from tests.fuzz.run import feed

TURN_S = 10.0


def main() -> int:
    """0: all of it understood or refused with a sentence. 1: something else happened, which is printed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="in all (default: 600)")
    parser.add_argument("--only", action="append", choices=READERS, help="this reader; may be given again")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9), help="begin with this one")
    wanted = parser.parse_args()
    console = Console(highlight=False, markup=False)
    console.print(f"seed {wanted.seed}")
    names, until, number = wanted.only or list(READERS), time.monotonic() + wanted.seconds, wanted.seed
    broken = list[str]()
    taken = dict.fromkeys(names, 0)
    turn = min(TURN_S, wanted.seconds / len(names))
    while time.monotonic() < until and len(broken) < len(names):
        for name in [name for name in names if name not in broken]:
            if time.monotonic() >= until:
                break
            try:
                taken[name] += feed(READERS[name], turn, number, say=console.print)
            except Exception:  # noqa: BLE001 - whatever it is, it is what we look for
                broken.append(name)
                console.print(traceback.format_exc())
        number += 100_000
    for name, count in taken.items():
        console.print(f"{name:20} {count:9,} documents{'   BROKEN' if name in broken else ''}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
