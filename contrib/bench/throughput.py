"""How fast: many small files one at a time, and one large file, beside bare aria2c."""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

from contrib.bench import bounds, proc
from contrib.bench.bench import MIB, Bench
from contrib.bench.report import Row
from contrib.bench.servers import LARGE, LIMITED, transfer_s
from contrib.bench.subjects import Poller, Reactor, Subject, bare_aria2c
from contrib.bench.validity import Samples, check_copy, check_folder

SMALL = 20_000
CPU_MAX_MS = 2.2
"""Of the reactor's own process, for one small file."""


def many_small(bench: Bench) -> list[Row]:
    """Files per second; the rows come in one transaction."""
    files, url = bench.nginx
    names = make_small(files, bench.scale.small_files)
    some, rounds = names[: bench.scale.poller_files], bench.scale.small_rounds
    ours, bare, cpu = (Samples(f"many small, {who}", rounds) for who in ("reactor", "bare aria2c", "CPU of reactor"))
    with Reactor(bench.place("reactor")).running() as reactor:
        for _ in range(rounds):
            before = proc.cpu_s(reactor.process.pid)
            ours.add(_rate(reactor, url, files, names))
            cpu.add((proc.cpu_s(reactor.process.pid) - before) * 1000 / len(names))
            took, downloads = bare_aria2c(bench.place("bare"), [f"{url}/{name}" for name in names])
            check_folder(downloads, files, names)
            bare.add(len(names) / took)
    rungs = {name: bounds.rung(bench, name, url, files, names) for name in bounds.RUNGS}
    with Poller(bench.place("poller")).running() as poller:
        polled = _rate(poller, url, files, some)
    share, faster = ours.median / bare.median, ours.median / polled
    note = (
        f"Many small: {len(names)} files of {SMALL:,} bytes in each of {rounds} rounds; the poller had {len(some)},"
        " at a rate that does not depend on how many there are. Through the guard, which the rivals have not. Its"
        " bounds: see contrib/bench/bounds.py. The CPU is that of the reactor's own process."
    )
    small = f"many small ({len(names)})"
    return [
        Row(f"{small}, beside bare aria2c", "files/s", ours.median, bare.median, share, "≥ 0.6 ×", share >= 0.6),
        Row(f"{small}, beside the poller", "files/s", ours.median, polled, faster, "≥ 100 ×", faster >= 100, note),
        Row("  of it, CPU a file", "ms", cpu.median, None, None, f"≤ {CPU_MAX_MS} ms", cpu.median <= CPU_MAX_MS),
        *(
            Row(f"  bound: {name}, beside bare aria2c", "files/s", rate, bare.median, rate / bare.median)
            for name, rate in rungs.items()
        ),
    ]


def one_large(bench: Bench) -> list[Row]:
    """Seconds for one file that is limited by nothing but this machine."""
    files, url = bench.nginx
    size, rounds = bench.scale.large_bytes, bench.scale.large_rounds
    _make_large(files / LARGE, size)
    ours, bare = Samples("one large, reactor", rounds), Samples("one large, bare aria2c", rounds)
    around = [Samples("around the transfer, reactor", rounds), Samples("around it, bare aria2c", rounds)]
    with Reactor(bench.place("reactor")).running() as reactor:
        turns = [
            (ours, around[0], partial(_large_by, reactor, url)),
            (bare, around[1], partial(_large_bare, bench, url)),
        ]
        _check_and_delete(_large_bare(bench, url)[1], files)  # not counted: the file is in the cache from now on
        transfer_s(files, size)
        for _ in range(rounds):
            for samples, rest, fetch in turns:
                os.sync()  # what was written before is written now, and not in somebody's time
                took, copy = fetch()
                samples.add(took)
                rest.add((took - transfer_s(files, size)) * 1000)
                _check_and_delete(copy, files)
            turns.reverse()  # nobody always goes first
    (files / LARGE).unlink()
    share = ours.median / bare.median
    note = (
        f"One large: median of {rounds} rounds, in turns; bare aria2c with the same configuration and connections."
        " Ours passes the guard, bare aria2c has none. Around the transfer: all of it but the time from the server's"
        " first to its last byte, between which both are the same aria2c; that one"
        f" took {min(ours.values):.2f} to {max(ours.values):.2f} s here, and {min(bare.values):.2f} to"
        f" {max(bare.values):.2f} s."
    )
    name = f"one large ({size // MIB} MiB), beside bare aria2c"
    mine, its = (samples.median for samples in around)
    return [
        Row(name, "s", ours.median, bare.median, 1 / share, "≤ 1.02 × its time", share <= 1.02, note),
        Row("  of it, around the transfer", "ms", mine, its, its / mine),
    ]


def guarded(bench: Bench) -> list[Row]:
    """What the guard costs: one file through it, beside bare aria2c, from a fast line and from this machine's nginx."""
    files, url = bench.nginx
    _make_large(files / LARGE, bench.scale.guarded_bytes)
    with Reactor(bench.place("guarded")).running() as reactor:
        line = _rates(bench, reactor, f"{url}/{LIMITED}", files)
        free = _rates(bench, reactor, url, files)
    (files / LARGE).unlink()
    share = line[0] / line[1]
    note = "Guard: MiB/s of one file through the egress guard, beside bare aria2c, which has none."
    name = "guard: large file at 100 MiB/s"
    return [
        Row(name, "MiB/s", *line, share, "≥ 0.9 ×", share >= 0.9, note),
        Row("  as fast as it comes", "MiB/s", *free, free[0] / free[1]),
    ]


def _rates(bench: Bench, reactor: Subject, url: str, files: Path) -> tuple[float, float]:
    """MiB/s of it and of bare aria2c, in turns."""
    rounds = bench.scale.large_rounds
    turns = [
        (partial(_large_by, reactor, url), Samples("guard, through", rounds)),
        (partial(_large_bare, bench, url), Samples("guard, bare aria2c", rounds)),
    ]
    for _ in range(rounds):
        for fetch, samples in turns:
            os.sync()
            took, copy = fetch()
            samples.add(bench.scale.guarded_bytes / MIB / took)
            _check_and_delete(copy, files)
    return turns[0][1].median, turns[1][1].median


def _large_by(subject: Subject, url: str) -> tuple[float, Path]:
    """Seconds from the commit of the row to `downloaded`, and the file."""
    (row,), committed = subject.bot.add([f"{url}/{LARGE}"])
    return (subject.bot.until(row, "downloaded") - committed) / 1e9, subject.bot.path(row)


def _large_bare(bench: Bench, url: str) -> tuple[float, Path]:
    """Seconds from the start of bare aria2c to its end, and the file."""
    took, downloads = bare_aria2c(bench.place("bare"), [f"{url}/{LARGE}"])
    return took, downloads / LARGE


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


def _make_large(file: Path, size: int) -> None:
    """No two pieces are the same, so that none can stand in another's place."""
    piece = random.Random(6).randbytes(MIB)
    with file.open("wb") as large:
        for n in range(size // MIB):
            large.write(n.to_bytes(8, "big") + piece[8:])


def _check_and_delete(copy: Path, files: Path) -> None:
    check_copy(copy, files / LARGE)
    copy.unlink()
