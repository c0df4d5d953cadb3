"""What it costs: CPU, wake-ups and RPC calls with nothing to do and with one long download; memory."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from contrib.bench import proc
from contrib.bench.bench import MIB, Bench
from contrib.bench.report import Row
from contrib.bench.small import download_small
from contrib.bench.subjects import Poller, Reactor, Subject
from contrib.bench.validity import Invalid

SETTLE_S = 3.0
"""After which what a start or a new row sets off is over."""
LONG, LONG_RATE = 4 * MIB, 40 * 1024
"""100 s, on one connection."""
BATCH = 500


@dataclass(frozen=True)
class Cost:
    """What one side has spent so far."""

    cpu_s: float
    aria2_cpu_s: float
    wakeups: int
    calls: int
    writes: int

    @classmethod
    def of(cls, subject: Subject) -> Cost:
        """Read it, from outside."""
        pid = subject.process.pid
        return cls(
            proc.cpu_s(pid), proc.cpu_s(subject.aria2_pid), proc.wakeups(pid), subject.calls(), subject.bot.writes()
        )

    def __sub__(self, earlier: Cost) -> Cost:
        return Cost(
            self.cpu_s - earlier.cpu_s,
            self.aria2_cpu_s - earlier.aria2_cpu_s,
            self.wakeups - earlier.wakeups,
            self.calls - earlier.calls,
            self.writes - earlier.writes,
        )


def idle_and_under_way(bench: Bench) -> list[Row]:
    """Nothing to do, and one download that takes longer than we look: two of each side, in the same minute."""
    window = bench.scale.window_s
    with ExitStack() as stack:
        idle, busy = [
            [stack.enter_context(side(bench.place(side.name), log_calls=True).running()) for side in (Reactor, Poller)]
            for _ in range(2)
        ]
        for subject in (*idle, *busy):
            subject.bot.count_writes()
        for subject in busy:
            name = f"long-{subject.name}.bin"
            subject.bot.add([bench.server.url(name, LONG, rate=LONG_RATE)])
            bench.server.when("get", name)
        costs = _watch(window, *idle, *busy)
    return [*_idle_rows(costs[0], costs[1], window), *_under_way_rows(costs[2], costs[3], window)]


def _idle_rows(ours: Cost, theirs: Cost, window_s: float) -> list[Row]:
    less, share = theirs.cpu_s / ours.cpu_s, 100 * ours.cpu_s / window_s
    met, minute = share <= 0.15 and less >= 2, 60 / window_s
    note = (
        f"Idle and under way: {window_s:g} s. The CPU is that of the process itself; its aria2c used"
        f" {1000 * ours.aria2_cpu_s:.1f} ms, the poller's {1000 * theirs.aria2_cpu_s:.1f} ms."
    )
    return [
        Row("idle, CPU", "% of a core", share, 100 * theirs.cpu_s / window_s, less, "≤ 0.15 %, ≥ 2 × less", met),
        Row("idle, CPU", "ms/min", 1000 * ours.cpu_s * minute, 1000 * theirs.cpu_s * minute, less),
        Row("idle, wake-ups", "/min", ours.wakeups * minute, theirs.wakeups * minute, theirs.wakeups / ours.wakeups),
        Row("idle, RPC calls", "/min", ours.calls * minute, theirs.calls * minute, None, "0", not ours.calls, note),
    ]


def _under_way_rows(ours: Cost, theirs: Cost, window_s: float) -> list[Row]:
    pairs = {"RPC calls": (ours.calls, theirs.calls), "row writes": (ours.writes, theirs.writes)}
    if not all(mine and rival for mine, rival in pairs.values()):
        raise Invalid(f"under way nothing was asked or written: {ours}, {theirs}")
    minute = 60 / window_s
    return [
        Row(f"under way, {what}", "/min", mine * minute, rival * minute, rival / mine, "≤ 13", mine * minute <= 13)
        for what, (mine, rival) in pairs.items()
    ]


def memory(bench: Bench) -> list[Row]:
    """The peak of the reactor's own process: idle, after one download, after many, and after twice as many."""
    downloads = bench.scale.downloads
    with Reactor(bench.place("reactor")).running() as reactor, Poller(bench.place("poller")).running() as poller:
        time.sleep(SETTLE_S)
        pid = reactor.process.pid
        before, theirs = proc.peak_mib(pid), proc.peak_mib(poller.process.pid)
        grown, done = {}, 0
        for wanted in (1, downloads, 2 * downloads):
            while done < wanted:
                more = min(BATCH, wanted - done)
                download_small(bench, reactor, more)
                done += more
            time.sleep(SETTLE_S)
            grown[wanted] = proc.peak_mib(pid) - before
        now = proc.resident_mib(pid)
    met = grown[downloads] <= 2
    note = (
        f"Memory: after {2 * downloads:,} downloads {now:.1f} MiB are resident. What the first one brings is code and"
        " tables that nothing has asked for before. The poller was idle only."
    )
    growth = "growth of the peak"
    return [
        Row("memory, idle, peak", "MiB", before, theirs, theirs / before, "≤ 60 MiB", before <= 60),
        Row(
            f"memory, {growth} after {downloads:,} downloads", "MiB", grown[downloads], None, None, "≤ 2 MiB", met, note
        ),
        Row("  of it, after the first one", "MiB", grown[1]),
        Row(f"  after {2 * downloads:,}", "MiB", grown[2 * downloads]),
    ]


def _watch(window_s: float, *subjects: Subject) -> list[Cost]:
    """What each spends within the window, all at the same time. We sleep meanwhile."""
    time.sleep(SETTLE_S)
    before = [Cost.of(subject) for subject in subjects]
    time.sleep(window_s)
    return [Cost.of(subject) - earlier for subject, earlier in zip(subjects, before, strict=True)]
