"""What comes in parts: how fast, beside yt-dlp and bare aria2c in turns, and what it takes of CPU and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from contrib.bench import proc
from contrib.bench.bench import Bench
from contrib.bench.footprint import SETTLE_S
from contrib.bench.report import Row
from contrib.bench.subjects import Reactor, bare_aria2c
from contrib.bench.validity import Invalid, Samples, check_folder
from reactor.programs import find_ffmpeg

PLAYLIST = "parts.m3u8"
PART_S = 0.36
"""How long each is, in seconds: a whole number of frames."""
AT_ONCE = 16
"""Parts that come at once, of each side."""
PATIENCE_S = 600.0
FEW_BITS, MANY_BITS = ("16000", "8k"), ("48000", "160k")
"""Samples and bits a second: parts of 1 kB, and of 8 kB."""
QUICKLY = ("--auto-save-interval=0", f"-j{AT_ONCE}")


def parts(bench: Bench) -> list[Row]:
    """All of it."""
    return [*_segments(bench), *_memory(bench)]


def _segments(bench: Bench) -> list[Row]:
    """Seconds for a stream of small parts, joined; bare aria2c only fetches them."""
    files, url = bench.nginx
    folder = files / "segments"
    names = _make(folder, bench.scale.segments, MANY_BITS)
    playlist, rounds = f"{url}/segments/{PLAYLIST}", bench.scale.segment_rounds
    ours, ytdlp, bare, cpu = (
        Samples(f"segments, {who}", rounds) for who in ("reactor", "yt-dlp", "bare aria2c", "CPU of reactor")
    )
    with Reactor(bench.place("segments")).running() as reactor:
        for _ in range(rounds):
            os.sync()  # what was written before is written now, and not in somebody's time
            before = proc.cpu_s(reactor.process.pid)
            (row,), committed = reactor.bot.add([playlist])
            ours.add((reactor.bot.until(row, "downloaded", PATIENCE_S) - committed) / 1e9)
            cpu.add(proc.cpu_s(reactor.process.pid) - before)
            os.sync()
            took, downloads = bare_aria2c(bench.place("bare"), [f"{url}/segments/{name}" for name in names], *QUICKLY)
            check_folder(downloads, folder, names)
            bare.add(took)
            os.sync()
            ytdlp.add(_by_ytdlp(bench.place("yt-dlp"), playlist))
    share, times = ours.median / ytdlp.median, ours.median / bare.median
    per_part = 1000 * cpu.median / len(names)
    name = f"{len(names):,} segments of 8 kB"
    note = (
        f"Segments: median of {rounds} rounds in turns, HLS from nginx on this machine, whose round trips cost nothing."
        " Ours through the guard and joined; bare aria2c with auto-save-interval 0 only fetches them, and checks"
        " nothing. The CPU is that of the reactor's own process."
    )
    return [
        Row(f"{name}, beside yt-dlp -N {AT_ONCE}", "s", ours.median, ytdlp.median, 1 / share, "≤ 0.3 × its time",
            share <= 0.3),
        Row(f"{name}, beside bare aria2c -j{AT_ONCE}", "s", ours.median, bare.median, 1 / times, "≤ 1.4 × its time",
            times <= 1.4),
        Row("  of it, CPU a segment", "ms", per_part, None, None, "≤ 0.75 ms", per_part <= 0.75, note),
    ]  # fmt: skip


def _by_ytdlp(folder: Path, playlist: str) -> float:
    """Seconds of `yt-dlp -N`, from its start to its end."""
    command = [sys.executable, "-m", "yt_dlp", "--ignore-config", "--no-cache-dir", "-q", "--no-warnings"]
    command += [
        "-N",
        str(AT_ONCE),
        "--ffmpeg-location",
        str(find_ffmpeg(None).path),
        "-o",
        str(folder / "film.%(ext)s"),
    ]
    began = time.monotonic()
    done = subprocess.run([*command, playlist], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    took = time.monotonic() - began
    if done.returncode or not [*folder.glob("film.*")]:
        raise Invalid(f"yt-dlp ended with {done.returncode}: {done.stderr.decode()[-300:]}")
    return took


def _memory(bench: Bench) -> list[Row]:
    """The peaks of the reactor's own process and of its aria2c with one stream of many parts: read, fetched, joined."""
    files, url = bench.nginx
    count = bench.scale.parts
    _make(files / "many", count, FEW_BITS)
    with Reactor(bench.place("reactor")).running() as reactor:
        time.sleep(SETTLE_S)
        pid = reactor.process.pid
        before = proc.peak_mib(pid)
        (row,), committed = reactor.bot.add([f"{url}/many/{PLAYLIST}"])
        took = (reactor.bot.until(row, "downloaded", PATIENCE_S) - committed) / 1e9
        peak, aria2 = proc.peak_mib(pid), max(map(proc.peak_mib, reactor.aria2_pids))
    note = (
        f"Parts: an HLS playlist of {count:,} segments of about 1 kB each, from nginx; {took:.0f} s to the joined film."
        f" The process had {before:.1f} MiB before."
    )
    name = f"memory, one stream of {count:,} parts, peak"
    return [
        Row(name, "MiB", peak, None, None, "≤ 80 MiB", peak <= 80, note),
        Row("  of its aria2c", "MiB", aria2, None, None, "≤ 150 MiB", aria2 <= 150),
    ]


def _make(folder: Path, count: int, quality: tuple[str, str]) -> list[str]:
    """A noise that lasts as long as it takes, cut into so many parts; their names."""
    folder.mkdir()
    rate, bits = quality
    source = f"anoisesrc=sample_rate={rate}:seed=7:duration={count * PART_S}"
    command = [str(find_ffmpeg(None).path), "-v", "error", "-f", "lavfi", "-i", source]
    command += ["-c:a", "mp2", "-b:a", bits, "-f", "hls", "-hls_time", str(PART_S), "-hls_playlist_type", "vod"]
    command += ["-hls_segment_filename", str(folder / "part-%06d.ts"), str(folder / PLAYLIST)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    names = [line for line in (folder / PLAYLIST).read_text().splitlines() if line and not line.startswith("#")]
    if len(names) != count:
        raise Invalid(f"ffmpeg made {len(names)} parts instead of {count}")
    return names
