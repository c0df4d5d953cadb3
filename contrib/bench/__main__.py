"""Measure this reactor, a polling downloader and bare aria2c side by side, in turns, on the same files.

Everything is served from this machine, to this machine. One table is printed; the JSON and the picture go where they
are told to go. A run in which anything is missing or wrong ends with an error and without figures.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib import util
from pathlib import Path

from rich.console import Console

from contrib.bench import documents, footprint, latencies, machines, parts, proc, queues, report, small, throughput
from contrib.bench.bench import FULL, QUICK, Bench, opened
from contrib.bench.servers import find_nginx
from contrib.bench.slow_disk import find_compiler
from contrib.bench.validity import Invalid

FIGURES: dict[str, Callable[[Bench], list[report.Row]]] = {
    "pick-up": latencies.arrivals,
    "cancel": latencies.cancels,
    "completion": latencies.arrivals,
    "many-small": small.many_small,
    "several-small": small.several_small,
    "one-large": throughput.one_large,
    "guard": throughput.guarded,
    "paced": throughput.paced,
    "million": latencies.million,
    "idle": footprint.idle_and_under_way,
    "under-way": footprint.idle_and_under_way,
    "memory": footprint.memory,
    "parts": parts.parts,
    "large-parts": parts.large_parts,
    "slow-disk": parts.slow,
    "start": latencies.starts,
    "documents": documents.documents,
    "watches": queues.watchers,
    "claims": queues.claims,
    "postgres": machines.postgres,
}
GROUPS = {
    "react": ("pick-up", "cancel", "completion", "start"),
    "throughput": ("many-small", "several-small", "one-large", "guard", "paced"),
    "parts": ("parts", "large-parts", "slow-disk"),
    "scale": ("million", "memory", "documents", "watches", "claims"),
    "idle": ("idle", "under-way"),
    "machines": ("postgres",),
}
"""What belongs together, each for three minutes at most; several machines take longer."""
NOT_QUICK = ("several-small", "paced", "large-parts", "slow-disk")
"""What a look goes without, unless it is asked for."""
EXTRA = ("aria2p", "matplotlib")
PACES = ("full", "quick")
CONSOLE_WIDTH = 120


def main() -> int:
    """0: measured, whether or not the targets were met; 1: the run is invalid; 2: it cannot begin."""
    wanted = arguments()
    console, errors = Console(width=CONSOLE_WIDTH), Console(stderr=True)
    missing = [name for name in EXTRA if util.find_spec(name) is None]
    if missing:
        errors.print(f"bench: missing: {', '.join(missing)}. Run: pip install -e '.[bench]'", markup=False)
        return 2
    began = time.monotonic()
    try:
        find_nginx()
        if "slow-disk" in wanted.only:
            find_compiler()
        rows = _measure(wanted, lambda text: errors.print(f"{time.monotonic() - began:5.0f} s  {text}", style="dim"))
    except Invalid as error:
        errors.print(f"bench: the run is invalid: {error}", style="bold red", markup=False, soft_wrap=True)
        return 1
    title = f"{proc.machine()}; {'quick: too few samples to quote' if wanted.quick else 'full run'}"
    report.show(rows, title, console)
    report.save_json(rows, wanted.json)
    report.save_markdown(rows, title, wanted.json.with_suffix(".md"))
    console.print(f"{time.monotonic() - began:.0f} s. JSON: {wanted.json}; picture: {wanted.picture}", markup=False)
    return 0


def _measure(wanted: argparse.Namespace, say: Callable[[str], None]) -> list[report.Row]:
    with opened(QUICK if wanted.quick else FULL, wanted.folder, say) as bench:
        rows: list[report.Row] = []
        for figure in dict.fromkeys(FIGURES[name] for name in wanted.only):
            say(figure.__name__.replace("_", " "))
            rows += figure(bench)
        if bench.latencies:
            from contrib.bench.picture import draw

            draw(bench.latencies, wanted.picture)
        return rows


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """`quick` and `only`, the names of the figures, of the command line."""
    parser = argparse.ArgumentParser(prog="python -m contrib.bench", description=__doc__)
    parser.add_argument(
        "what", nargs="*", help=f"quick: a look, with few samples; and of {', '.join(GROUPS)} those that are measured"
    )
    parser.add_argument("--only", action="append", choices=FIGURES, help="this figure; may be given again")
    parser.add_argument(
        "--json", type=Path, default=Path("build/bench.json"), metavar="FILE", help="and as Markdown beside it"
    )
    parser.add_argument("--picture", type=Path, default=Path("build/bench.svg"), metavar="FILE", help=".svg or .png")
    parser.add_argument(
        "--folder", type=Path, help="where the files go meanwhile (default: the system's temporary folder)"
    )
    wanted = parser.parse_args(given)
    if unknown := [name for name in wanted.what if name not in (*GROUPS, *PACES)]:
        parser.error(f"{unknown[0]!r} is none of {', '.join((*PACES, *GROUPS))}")
    wanted.quick = "quick" in wanted.what
    groups = [figure for name in wanted.what for figure in GROUPS.get(name, ())]
    all_ = [name for name in FIGURES if not wanted.quick or name not in NOT_QUICK]
    wanted.only = [*groups, *(wanted.only or ())] or all_
    return wanted


if __name__ == "__main__":
    sys.exit(main())
