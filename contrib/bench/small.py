"""Many small files, one at a time and several, beside bare aria2c and a poller; with what bounds them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from contrib.bench import bounds, proc
from contrib.bench.bench import Bench
from contrib.bench.report import Row
from contrib.bench.subjects import Poller, Reactor, Subject, bare_aria2c
from contrib.bench.validity import Samples, check_folder

SMALL = 20_000
CPU_MAX_MS = 2.2
"""Of the reactor's own process, for one small file."""
SHARES = {1: 0.4, 8: 0.5}
"""Of bare aria2c's rate that is to be reached, by how many come at once."""


@dataclass(frozen=True)
class _Turns:
    """The reactor and bare aria2c, in turns."""

    ours: Samples
    bare: Samples
    cpu: Samples
    """Of the reactor's own process, in ms for one file."""


def many_small(bench: Bench) -> list[Row]:
    """Files per second, one at a time; the rows come in one transaction."""
    files, url = bench.nginx
    names = make_small(files, bench.scale.small_files)
    some = names[: bench.scale.poller_files]
    turns = _turns(bench, names, 1)
    with Poller(bench.place("poller")).running() as poller:
        polled = _rate(poller, url, files, some)
    ours, cpu = turns.ours.median, turns.cpu.median
    faster = ours / polled
    note = (
        f"Many small: {len(names)} files of {SMALL:,} bytes in each of {bench.scale.small_rounds} rounds; the poller"
        f" had {len(some)}, at a rate that does not depend on how many there are. Through the guard, which the rivals"
        " have not. The bounds are the same steps with nothing around them: see contrib/bench/bounds.py. The CPU is"
        " that of the process that takes these steps."
    )
    rungs = _rungs(bench, names, 1)
    return [
        _beside(f"many small ({len(names)}), one at a time", turns, 1),
        Row("  beside the poller", "files/s", ours, polled, faster, "≥ 100 ×", faster >= 100, note),
        *_bound_rows(rungs, turns),
        Row("  CPU a file", "ms", cpu, None, None, f"≤ {CPU_MAX_MS} ms", cpu <= CPU_MAX_MS),
        *(Row(f"  bound: {name}, CPU a file", "ms", rung.cpu_ms) for name, rung in rungs.items()),
    ]


def several_small(bench: Bench) -> list[Row]:
    """The same with several at a time."""
    files, _ = bench.nginx
    at_once = max(SHARES)
    names = make_small(files, bench.scale.small_files)
    turns = _turns(bench, names, at_once)
    return [
        _beside(f"many small ({len(names)}), {at_once} at a time", turns, at_once),
        Row("  CPU a file", "ms", turns.cpu.median),
        *_bound_rows(_rungs(bench, names, at_once), turns),
    ]


def _turns(bench: Bench, names: list[str], at_once: int) -> _Turns:
    files, url = bench.nginx
    rounds = bench.scale.small_rounds
    kinds = ("reactor", "bare aria2c", "CPU of reactor")
    ours, bare, cpu = (Samples(f"many small, {at_once} at a time, {who}", rounds) for who in kinds)
    settings = {"MAX_CONCURRENT_DOWNLOADS": str(at_once)} if at_once > 1 else {}
    with Reactor(bench.place("reactor"), settings).running() as reactor:
        for _ in range(rounds):
            before = proc.cpu_s(reactor.process.pid)
            ours.add(_rate(reactor, url, files, names))
            cpu.add((proc.cpu_s(reactor.process.pid) - before) * 1000 / len(names))
            took, downloads = bare_aria2c(bench.place("bare"), [f"{url}/{name}" for name in names], f"-j{at_once}")
            check_folder(downloads, files, names)
            bare.add(len(names) / took)
    return _Turns(ours, bare, cpu)


def _beside(name: str, turns: _Turns, at_once: int) -> Row:
    ours, bare, wanted = turns.ours.median, turns.bare.median, SHARES[at_once]
    share = ours / bare
    name = f"{name}, beside bare aria2c -j{at_once}"
    return Row(name, "files/s", ours, bare, share, f"≥ {wanted:g} ×", share >= wanted)


def _rungs(bench: Bench, names: list[str], at_once: int) -> dict[str, bounds.Rung]:
    files, url = bench.nginx
    return {which: bounds.rung(bench, which, url, files, names, at_once) for which in bounds.RUNGS}


def _bound_rows(rungs: dict[str, bounds.Rung], turns: _Turns) -> list[Row]:
    bare = turns.bare.median
    return [Row(f"  bound: {name}", "files/s", rung.rate, bare, rung.rate / bare) for name, rung in rungs.items()]


def download_small(bench: Bench, subject: Subject, wanted: int) -> None:
    """Have so many small files downloaded."""
    files, url = bench.nginx
    _rate(subject, url, files, make_small(files, wanted))


def _rate(subject: Subject, url: str, files: Path, names: list[str]) -> float:
    """Files per second, from the commit of the rows to the last `downloaded`; nothing of them is left."""
    rows, committed = subject.bot.add([f"{url}/{name}" for name in names])
    took = (subject.bot.until_downloaded(rows) - committed) / 1e9
    check_folder(subject.downloads, files, names)
    for name in names:
        (subject.downloads / name).unlink()
    return len(names) / took


def make_small(files: Path, wanted: int) -> list[str]:
    """Put so many into a folder; their names."""
    dice = random.Random(5)
    names = [f"small-{n:04}.bin" for n in range(wanted)]
    for name in names:
        (files / name).write_bytes(dice.randbytes(SMALL))
    return names
