"""What comes in parts: how fast, beside yt-dlp and bare aria2c in turns, and what it takes of CPU and memory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contrib.bench import proc
from contrib.bench.bench import Bench
from contrib.bench.footprint import SETTLE_S
from contrib.bench.part_bounds import open_steps, plan_mib
from contrib.bench.report import Row
from contrib.bench.slow_disk import SYNC_S, SlowDisk, slow_disk
from contrib.bench.streams import AT_ONCE, FEW_BITS, MANY_BITS, QUICKLY, Stream, by_ytdlp, check_film, film, sound
from contrib.bench.subjects import Reactor, bare_aria2c
from contrib.bench.validity import Samples, check_folder

PATIENCE_S = 600.0
CPU_MAX_MS = 0.75
SLOW_MAX_S = 2.6
MEMORY_MAX_MIB, ARIA2_MEMORY_MAX_MIB = 80, 150
SHORT = 10
"""Parts of a stream that is read before, so that what is read the first time does not count."""


@dataclass(frozen=True)
class _Turns:
    """Seconds of each side, in turns."""

    ours: Samples
    ytdlp: Samples
    bare: Samples
    cpu: Samples
    """Seconds of the reactor's own process."""
    bounds: Mapping[str, Samples]
    """Of its steps, each by itself."""


def parts(bench: Bench) -> list[Row]:
    """A stream of many small parts, and the memory that one of very many takes."""
    stream = sound(bench, "segments", bench.scale.segments, MANY_BITS)
    turns = _turns(bench, stream, bench.scale.segment_rounds)
    per_part = 1000 * turns.cpu.median / len(stream.names)
    note = (
        f"Segments: median of {bench.scale.segment_rounds} rounds in turns, HLS from nginx on this machine, whose round"
        " trips cost nothing. Ours through the guard and joined; bare aria2c with auto-save-interval 0 only fetches"
        " them, and checks nothing. The bounds are the same steps, each by itself, with nothing around them (see"
        " contrib/bench/part_bounds.py). The CPU is that of the reactor's own process."
    )
    return [
        *_beside(f"{len(stream.names):,} segments of 8 kB", turns, ytdlp_share=0.3, bare_share=1.4),
        Row("  of it, CPU a segment", "ms", per_part, None, None, f"≤ {CPU_MAX_MS} ms", per_part <= CPU_MAX_MS, note),
        *_bounds(turns),
        *_memory(bench),
    ]


def large_parts(bench: Bench) -> list[Row]:
    """The same with parts of 1 MB."""
    stream = film(bench, "film", bench.scale.large_segments)
    turns = _turns(bench, stream, bench.scale.stream_rounds)
    rows = [
        *_beside(f"{len(stream.names):,} segments of 1 MB", turns, ytdlp_share=0.4, bare_share=1.5),
        *_bounds(turns),
    ]
    shutil.rmtree(stream.folder)
    return rows


def slow(bench: Bench) -> list[Row]:
    """Small parts that come to a disk whose fsync takes its time, beside bare aria2c with the same disk."""
    disk = slow_disk(bench.place("slow-disk"))
    few, many, rounds = bench.scale.slow_segments, bench.scale.segments, bench.scale.stream_rounds
    some, all_ = _on(disk, bench, few, rounds), _on(disk, bench, many, 1)
    note = (
        f"Slow disk: each fsync and fdatasync takes {SYNC_S * 1000:g} ms, for both, by a library that is loaded before"
        " the system's. aria2c, with auto-save-interval 0, syncs each file once, in its one thread:"
        f" {few * SYNC_S:.1f} and {many * SYNC_S:.1f} s."
    )
    beside, target = f"beside bare aria2c -j{AT_ONCE}", f"≤ {SLOW_MAX_S:g} s"
    return [
        Row(f"{few} segments of 8 kB, fsync takes {SYNC_S * 1000:g} ms, {beside}", "s", some[0], some[1],
            some[1] / some[0], target, some[0] <= SLOW_MAX_S, note),
        Row(f"  {many:,} of them", "s", all_[0], all_[1], all_[1] / all_[0]),
    ]  # fmt: skip


def _on(disk: SlowDisk, bench: Bench, count: int, rounds: int) -> tuple[float, float]:
    """Seconds of the reactor and of bare aria2c on such a disk, in turns."""
    stream = sound(bench, f"slow-{count}", count, MANY_BITS)
    ours, bare = (Samples(f"slow disk, {who}", rounds) for who in ("reactor", "bare aria2c"))
    with Reactor(bench.place("slow"), {"ARIA2C_PATH": str(disk.aria2c), **disk.environment}).running() as reactor:
        for _ in range(rounds):
            disk.forget()
            ours.add(_joined(reactor, stream))
            disk.check("reactor", count)
            disk.forget()
            bare.add(_fetched(bench, stream, disk.aria2c))
            disk.check("bare aria2c", count)
    return ours.median, bare.median


def _turns(bench: Bench, stream: Stream, rounds: int) -> _Turns:
    """The reactor, bare aria2c, which only fetches the parts, the reactor's steps by themselves, and yt-dlp."""
    sides = ("reactor", "yt-dlp", "bare aria2c", "CPU")
    ours, ytdlp, bare, cpu = (Samples(f"parts, {who}", rounds) for who in sides)
    with Reactor(bench.place("parts")).running() as reactor, open_steps(bench, stream, rounds) as steps:
        turns = _Turns(ours, ytdlp, bare, cpu, steps.took)
        for _ in range(rounds):
            before = proc.cpu_s(reactor.process.pid)
            turns.ours.add(_joined(reactor, stream))
            turns.cpu.add(proc.cpu_s(reactor.process.pid) - before)
            turns.bare.add(_fetched(bench, stream))
            steps.measure()
            folder = bench.place("yt-dlp")
            os.sync()
            turns.ytdlp.add(by_ytdlp(folder, stream))
            shutil.rmtree(folder)
    return turns


def _joined(reactor: Reactor, stream: Stream) -> float:
    """Seconds from the commit of the row to the film, of which nothing is left."""
    os.sync()  # what was written before is written now, and not in somebody's time
    (row,), committed = reactor.bot.add([stream.playlist])
    took = (reactor.bot.until(row, "downloaded", PATIENCE_S) - committed) / 1e9
    path = reactor.bot.path(row)
    check_film(path, stream)
    path.unlink()
    return took


def _fetched(bench: Bench, stream: Stream, program: Path | None = None) -> float:
    """Seconds of bare aria2c, from its start to its end."""
    folder = bench.place("bare")
    os.sync()
    took, downloads = bare_aria2c(folder, stream.parts, *QUICKLY, program=program)
    check_folder(downloads, stream.folder, stream.names)
    shutil.rmtree(folder)
    return took


def _beside(name: str, turns: _Turns, *, ytdlp_share: float, bare_share: float) -> list[Row]:
    ours, ytdlp, bare = turns.ours.median, turns.ytdlp.median, turns.bare.median
    return [
        Row(f"{name}, beside yt-dlp -N {AT_ONCE}", "s", ours, ytdlp, ytdlp / ours, f"≤ {ytdlp_share} × its time",
            ours / ytdlp <= ytdlp_share),
        Row("  the same beside bare aria2c", "s", ours, bare, bare / ours, f"≤ {bare_share} × its time",
            ours / bare <= bare_share),
    ]  # fmt: skip


def _bounds(turns: _Turns) -> list[Row]:
    """What each step takes by itself, and what bare aria2c would take if it had them all."""
    took = {name: samples.median for name, samples in turns.bounds.items()}
    bare, whole = turns.bare.median, took["read"] + took["driven"] + took["joined"]
    return [
        Row("  bound: its playlist is read, in a process that can be killed", "s", took["read"]),
        Row("  bound: the parts are handed over in batches, their ends heard", "s", took["driven"], bare,
            bare / took["driven"]),
        Row("  of it, the start of the second aria2c", "s", took["started"]),
        Row("  bound: each part is checked, its clock read", "s", took["checked"]),
        Row("  bound: the same, and joined by ffmpeg", "s", took["joined"]),
        Row("  bound: all of it", "s", whole, bare, bare / whole),
    ]  # fmt: skip


def _memory(bench: Bench) -> list[Row]:
    """The peaks of the reactor's own process and of its aria2c with one stream of many parts: read, fetched, joined."""
    stream = sound(bench, "many", bench.scale.parts, FEW_BITS)
    plan = plan_mib(sound(bench, "short", SHORT, FEW_BITS), stream)
    with Reactor(bench.place("reactor")).running() as reactor:
        time.sleep(SETTLE_S)
        pid = reactor.process.pid
        before = proc.peak_mib(pid)
        took = _joined(reactor, stream)
        peak, aria2 = proc.peak_mib(pid), max(map(proc.peak_mib, reactor.aria2_pids))
    note = (
        f"Parts: an HLS playlist of {len(stream.names):,} segments of about 1 kB each, from nginx; {took:.0f} s to the"
        f" joined film. The process had {before:.1f} MiB before."
    )
    return [
        Row(f"memory, one stream of {len(stream.names):,} parts, peak", "MiB", peak, None, None,
            f"≤ {MEMORY_MAX_MIB} MiB", peak <= MEMORY_MAX_MIB, note),
        Row("  bound: the process before it, and its plan", "MiB", before + plan),
        Row("  of its aria2c", "MiB", aria2, None, None, f"≤ {ARIA2_MEMORY_MAX_MIB} MiB",
            aria2 <= ARIA2_MEMORY_MAX_MIB),
    ]  # fmt: skip
