"""Draw what `reactor machines` says: three reactors on one queue, of which one was asked to end.

    python contrib/pictures/machines.py DATABASE [--picture FILE.svg]

DATABASE is the address of an empty database on a PostgreSQL server (`postgresql://…`). Needs the extra `postgres`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # for the demo's server

from demo import MIB, reactor, save_picture, serving

from reactor import SyncQueue

MACHINES = ("helsinki", "frankfurt", "ashburn")
DRAINS = "frankfurt"
ROWS, SLOTS = 5, 2
SIZE, RATE = 24 * MIB, 2 * MIB
"""Of each file; of the server."""
DEADLINE_S = 60.0


@contextmanager
def serves(folder: Path, database: str, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A machine, as far as one can have several at home."""
    (folder / name).mkdir()
    settings = {
        "DOWNLOAD_DB": database,
        "MACHINE_NAME": name,
        "MAX_CONCURRENT_DOWNLOADS": str(SLOTS),
        "DRAIN_S": "600",
        "EGRESS_GUARD": "false",
        "ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
    }
    how = {"cwd": folder / name, "env": os.environ | settings}
    process = subprocess.Popen([*reactor(), "run"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
    try:
        yield process
    finally:
        for _ in range(2):  # the second one waits for nothing
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        process.wait()


def said(database: str) -> str:
    """What the command says."""
    command = [*reactor(), "machines", "--db", database]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def until(database: str, condition: Callable[[list[str]], bool]) -> str:
    """What it says once that is so."""
    end = time.monotonic() + DEADLINE_S
    while not condition((shown := said(database)).splitlines()):
        if time.monotonic() > end:
            raise SystemExit(f"It took too long:\n{shown}")
        time.sleep(0.1)
    return shown


def under_way(lines: list[str]) -> int:
    """So many rows, on all machines."""
    return sum(int(line.split()[2]) for line in lines)


def main() -> None:
    """Serve, fetch, drain, draw."""
    parser = argparse.ArgumentParser(description="Draw what `reactor machines` says.")
    parser.add_argument("database", help="address of an empty database on a PostgreSQL server")
    parser.add_argument("--picture", type=Path, default=Path(__file__).with_name("machines.svg"), metavar="FILE.svg")
    wanted = parser.parse_args()
    files = {f"film-{number}.mp4": random.Random(number).randbytes(SIZE) for number in range(ROWS)}
    with (
        tempfile.TemporaryDirectory(prefix="reactor-machines-") as temporary,
        serving(files, RATE) as urls,
        SyncQueue(wanted.database) as queue,
        ExitStack() as stack,
    ):
        folder = Path(temporary)
        running = {name: stack.enter_context(serves(folder, wanted.database, name)) for name in MACHINES}
        until(wanted.database, lambda lines: sum("reactor " in line for line in lines) == len(MACHINES))
        for url in urls:
            queue.add(url)
        until(wanted.database, lambda lines: under_way(lines) == ROWS)
        running[DRAINS].send_signal(signal.SIGTERM)
        shown = until(wanted.database, lambda lines: any(f"{DRAINS}  draining" in line for line in lines))
        save_picture(shown, "reactor machines", "reactor machines", wanted.picture)


if __name__ == "__main__":
    main()
