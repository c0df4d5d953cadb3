"""How soon: pick-up, cancel, completion; the same with a million rows; and from the start of the process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import count

from contrib.bench.bench import MIB, Bench
from contrib.bench.bot import Bot
from contrib.bench.imports import TELLING, Imports, imported
from contrib.bench.report import Row
from contrib.bench.server import content
from contrib.bench.subjects import Poller, Reactor, Subject
from contrib.bench.validity import Samples, check_bytes

SMALL = 20_000
LONG, LONG_RATE = 4 * MIB, 256 * 1024
"""16 s, and small enough for one connection: there is one moment at which it is closed."""
POLL_S, MONITOR_S = 1.0, 2.0
"""The poller's intervals: where in them something happens is left to chance."""
START_MAX_MS = 250
SOME_S = 0.5
"""The same for what the reactor, which has no monitor, goes on with."""
_numbers = count(1)


def arrivals(bench: Bench) -> list[Row]:
    """Pick-up and completion, from the same downloads."""
    pickups, completions = _pair(bench, "pick-up"), _pair(bench, "completion")
    with Reactor(bench.place("reactor")).running() as reactor, Poller(bench.place("poller")).running() as poller:
        for pause, *holds in _chances(bench):
            for side, subject in enumerate((reactor, poller)):
                time.sleep(pause)
                pickup, completion = download(bench, subject, holds[side])
                pickups[side].add(pickup)
                completions[side].add(completion)
        note = _commits(reactor, poller)
    return [
        *_rows("pick-up", pickups, median_ms=10, p99_ms=30, sooner=40, note=note),
        *_rows("completion", completions, median_ms=15, p99_ms=None, sooner=60),
    ]


def cancels(bench: Bench) -> list[Row]:
    """From the commit of `cancelled = 1` to the closed connection."""
    pair = _pair(bench, "cancel")
    with Reactor(bench.place("reactor")).running() as reactor, Poller(bench.place("poller")).running() as poller:
        for pause, *runs in _chances(bench):
            for side, subject in enumerate((reactor, poller)):
                time.sleep(pause)
                name = _name(subject)
                (row,), _ = subject.bot.add([bench.server.url(name, LONG, rate=LONG_RATE)])
                bench.server.when("get", name)
                time.sleep(runs[side])
                committed = subject.bot.cancel(row)
                pair[side].add((bench.server.when("closed", name) - committed) / 1e6)
                subject.bot.until(row, "cancelled")
        note = _commits(reactor, poller)
    return _rows("cancel", pair, median_ms=10, p99_ms=None, sooner=80, note=note)


def million(bench: Bench) -> list[Row]:
    """Pick-up beside rows that are finished, and in an empty table."""
    rows, wanted = bench.scale.finished_rows, bench.scale.samples
    full, empty = Samples("pick-up, full table", wanted), Samples("pick-up, empty table", wanted)
    with Reactor(bench.place("full")).running() as reactor:
        reactor.bot.fill(rows)
    with reactor.running() as filled, Reactor(bench.place("empty")).running() as fresh:
        for _ in range(wanted):
            for subject, samples in ((filled, full), (fresh, empty)):
                time.sleep(bench.random.uniform(0, POLL_S / 4))
                samples.add(download(bench, subject, 0)[0])
    times = full.median / empty.median
    note = "A million rows: the rival is the reactor itself with an empty table, in the same turns."
    target = "≤ 1.5 × the empty table's"
    return [
        Row(
            f"pick-up, {rows:,} finished rows, median", "ms", full.median, empty.median, 1 / times, target, times <= 1.5
        ),
        Row(f"pick-up, {rows:,} finished rows, p99", "ms", full.p99, empty.p99, empty.p99 / full.p99, note=note),
    ]


def starts(bench: Bench) -> list[Row]:
    """From the start of the process to the request for the row that waits."""
    pair = _pair(bench, "start", bench.scale.starts)
    subjects: tuple[Subject, ...] = Reactor(bench.place("reactor")), Poller(bench.place("poller"))
    for subject in subjects:
        with subject.running():
            pass  # which makes the tables and warms the cache
    bounds = _imports(bench)
    for _ in range(bench.scale.starts):
        for subject, samples in zip(subjects, pair, strict=True):
            samples.add(_start(bench, subject))
        bounds.take(subjects[0].environment())
    note = (
        "Start: the poller's aria2c is there before it; the reactor starts its own. The bounds are processes that only"
        " import what the reactor has imported by then."
    )
    return [*_rows("start", pair, median_ms=START_MAX_MS, p99_ms=None, sooner=None, note=note), *bounds.rows()]


def _imports(bench: Bench) -> Imports:
    """What a reactor has imported when it picks up a row."""
    reactor = Reactor(bench.place("imports"), TELLING)
    name = _name(reactor)
    with reactor.running():
        reactor.bot.add([bench.server.url(name, SMALL)])
        bench.server.when("get", name)
        modules = imported(reactor.log)
    return Imports(reactor.folder, modules, bench.scale.starts)


def _start(bench: Bench, subject: Subject) -> float:
    """One start with a row that waits: ms until it is picked up."""
    name = _name(subject)
    with closing(Bot(subject.db)) as bot:
        (row,), _ = bot.add([bench.server.url(name, SMALL)])
    with subject.running():
        subject.bot.until(row, "downloaded")
        check_bytes(subject.bot.path(row), content(0, SMALL))
        return (bench.server.when("get", name) - subject.began) / 1e6


def download(bench: Bench, subject: Subject, hold_s: float) -> tuple[float, float]:
    """One small file whose last byte comes `hold_s` later: ms to its pick-up, ms from that byte to the row."""
    name = _name(subject)
    (row,), committed = subject.bot.add([bench.server.url(name, SMALL, hold_s=hold_s)])
    downloaded = subject.bot.until(row, "downloaded")
    picked_up, sent = bench.server.when("get", name), bench.server.when("sent", name)
    check_bytes(subject.bot.path(row), content(0, SMALL))
    return (picked_up - committed) / 1e6, (downloaded - sent) / 1e6


def _chances(bench: Bench) -> Iterable[tuple[float, float, float]]:
    """For each sample: when it begins, within the interval in which rows are looked for, and how long it goes on before
    the moment that is measured: for the reactor, and for the poller within the interval of its monitor."""
    wanted = bench.scale.samples
    spreads = (bench.spread(wanted, interval_s) for interval_s in (POLL_S, SOME_S, MONITOR_S))
    return zip(*spreads, strict=True)


def _name(subject: Subject) -> str:
    return f"{subject.name}-{next(_numbers):05}.bin"


def _pair(bench: Bench, figure: str, wanted: int | None = None) -> tuple[Samples, Samples]:
    """Samples of the reactor and of the poller, for the picture too."""
    wanted = wanted or bench.scale.samples
    pair = Samples(f"{figure}, reactor", wanted), Samples(f"{figure}, poller", wanted)
    bench.latencies[figure] = pair
    return pair


def _rows(
    figure: str,
    pair: tuple[Samples, Samples],
    *,
    median_ms: float,
    p99_ms: float | None,
    sooner: float | None,
    note: str = "",
) -> list[Row]:
    ours, theirs = pair
    ratio = theirs.median / ours.median
    median = Row(
        f"{figure}, median",
        "ms",
        ours.median,
        theirs.median,
        ratio,
        f"≤ {median_ms:g} ms, ≥ {sooner:g} × sooner" if sooner else f"≤ {median_ms:g} ms",
        ours.median <= median_ms and ratio >= (sooner or 0),
    )
    target, met = (None, None) if p99_ms is None else (f"≤ {p99_ms:g} ms", ours.p99 <= p99_ms)
    return [median, Row(f"{figure}, p99", "ms", ours.p99, theirs.p99, theirs.p99 / ours.p99, target, met, note)]


def _commits(*subjects: Subject) -> str:
    commits: Sequence[float] = [1000 * s for subject in subjects for s in subject.bot.commits_s]
    return (
        f"The clock starts when the bot's commit (synchronous=FULL) has returned; the commit itself took"
        f" {statistics.median(commits):.2f} ms (median of {len(commits)}, at most {max(commits):.2f} ms)."
    )
