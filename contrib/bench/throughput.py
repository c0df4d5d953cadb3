"""How fast one large file comes, beside bare aria2c: as fast as it can, through the guard, and from a server that gives
each connection a speed of its own."""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

from contrib.bench.bench import MIB, Bench
from contrib.bench.report import Row
from contrib.bench.servers import LARGE, LIMITED, PACED, transfer_s
from contrib.bench.subjects import Reactor, Subject, bare_aria2c
from contrib.bench.validity import Samples, check_copy

PACE = 5_000_000
"""Bytes a second that a server gives each connection."""
PACED_MAX = 1.05
MANY_CONNECTIONS = ("-x16", "-s16", "-k20M")
"""What a person asks for who wants many, with aria2c's own smallest piece."""


def one_large(bench: Bench) -> list[Row]:
    """Seconds for one file that is limited by nothing but this machine."""
    files, url = bench.nginx
    size, rounds = bench.scale.large_bytes, bench.scale.large_rounds
    _make_large(files / LARGE, size)
    ours, bare = Samples("one large, reactor", rounds), Samples("one large, bare aria2c", rounds)
    around = [Samples("around the transfer, reactor", rounds), Samples("around it, bare aria2c", rounds)]
    with Reactor(bench.place("reactor")).running() as reactor:
        turns = [
            (ours, around[0], partial(_fetched_by, reactor, f"{url}/{LARGE}")),
            (bare, around[1], partial(_fetched_bare, bench, f"{url}/{LARGE}")),
        ]
        _check_and_delete(
            _fetched_bare(bench, f"{url}/{LARGE}")[1], files
        )  # not counted: the file is in the cache from now on
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
        (partial(_fetched_by, reactor, f"{url}/{LARGE}"), Samples("guard, through", rounds)),
        (partial(_fetched_bare, bench, f"{url}/{LARGE}"), Samples("guard, bare aria2c", rounds)),
    ]
    for _ in range(rounds):
        for fetch, samples in turns:
            os.sync()
            took, copy = fetch()
            samples.add(bench.scale.guarded_bytes / MIB / took)
            _check_and_delete(copy, files)
    return turns[0][1].median, turns[1][1].median


def paced(bench: Bench) -> list[Row]:
    """Seconds for one file from a server that gives each connection the same, beside aria2c with many of them."""
    files, url = bench.nginx
    size, rounds = bench.scale.paced_bytes, bench.scale.paced_rounds
    _make_large(files / LARGE, size)
    address = f"{url}/{PACED}/{LARGE}?rate={PACE}"
    ours, many, pieces = (Samples(f"paced, {who}", rounds) for who in ("reactor", "aria2c", "aria2c in small pieces"))
    with Reactor(bench.place("paced")).running() as reactor:
        turns = [
            (ours, partial(_fetched_by, reactor, address)),
            (many, partial(_fetched_bare, bench, address, MANY_CONNECTIONS)),
            (pieces, partial(_fetched_bare, bench, address, ("-x16", "-s16"))),
        ]
        for _ in range(rounds):
            for samples, fetch in turns:
                os.sync()
                took, copy = fetch()
                samples.add(took)
                _check_and_delete(copy, files)
    (files / LARGE).unlink()
    share, least = ours.median / many.median, size / PACE / 16
    note = (
        f"Paced: median of {rounds} rounds in turns. The reactor begins with 4 connections and asks for 16 once it has"
        f" seen that more is to be had; 16 from the first byte on would take {least:.1f} s."
    )
    name = f"{size // MIB} MiB at {PACE // 1_000_000} MB/s per connection"
    return [
        Row(f"{name}, beside aria2c -x16 -s16", "s", ours.median, many.median, 1 / share,
            f"≤ {PACED_MAX:g} × its time", share <= PACED_MAX),
        Row("  the same beside aria2c -x16 -s16 -k4M", "s", ours.median, pieces.median, pieces.median / ours.median,
            note=note),
    ]  # fmt: skip


def _fetched_by(subject: Subject, address: str) -> tuple[float, Path]:
    """Seconds from the commit of the row to `downloaded`, and the file."""
    (row,), committed = subject.bot.add([address])
    return (subject.bot.until(row, "downloaded") - committed) / 1e9, subject.bot.path(row)


def _fetched_bare(bench: Bench, address: str, options: tuple[str, ...] = ()) -> tuple[float, Path]:
    """Seconds from the start of bare aria2c to its end, and the file."""
    took, downloads = bare_aria2c(bench.place("bare"), [address], *options)
    return took, downloads / LARGE


def _make_large(file: Path, size: int) -> None:
    """No two pieces are the same, so that none can stand in another's place."""
    piece = random.Random(6).randbytes(MIB)
    with file.open("wb") as large:
        for n in range(size // MIB):
            large.write(n.to_bytes(8, "big") + piece[8:])


def _check_and_delete(copy: Path, files: Path) -> None:
    check_copy(copy, files / LARGE)
    copy.unlink()
