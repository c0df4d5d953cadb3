"""Streams that come in parts: how they are made, fetched by others than the reactor, and looked at."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import anyio

from contrib.bench.bench import Bench
from contrib.bench.validity import Invalid
from reactor.media.probing import probe
from reactor.programs import find_ffmpeg

PLAYLIST = "parts.m3u8"
AT_ONCE = 16
"""Parts that come at once, of each side."""
QUICKLY = ("--auto-save-interval=0", f"-j{AT_ONCE}")
"""How bare aria2c is quickest."""
PART_S = 0.36
"""How long each small part is, in seconds: a whole number of frames."""
FEW_BITS, MANY_BITS = ("16000", "8k"), ("48000", "160k")
"""Samples and bits a second: parts of 1 kB, and of 8 kB."""
FRAMES, FRAMES_PER_S, SIDES = 80, 25, "108x60"
"""Of a part of 1 MB: a picture of noise has 13 kB, as one of a film at 2.6 Mbit/s."""
LENGTH_TOLERANCE = 0.02


@dataclass(frozen=True)
class Stream:
    """One that nginx has."""

    folder: Path
    url: str
    """Of its folder."""
    names: list[str]
    """Of its parts."""
    length_s: float

    @property
    def playlist(self) -> str:
        """Its URL."""
        return f"{self.url}/{PLAYLIST}"

    @property
    def parts(self) -> list[str]:
        """The URLs of its parts."""
        return [f"{self.url}/{name}" for name in self.names]


def sound(bench: Bench, name: str, count: int, quality: tuple[str, str]) -> Stream:
    """A noise that lasts as long as it takes, cut into so many small parts."""
    rate, bits = quality
    source = f"anoisesrc=sample_rate={rate}:seed=7:duration={count * PART_S}"
    return _cut(bench, name, count, PART_S, ["-f", "lavfi", "-i", source, "-c:a", "mp2", "-b:a", bits])


def film(bench: Bench, name: str, count: int) -> Stream:
    """Pictures of noise, cut into so many parts of 1 MB. The first is made, the others are its copies with other
    times."""
    one, part_s = bench.place("one") / "one.ts", FRAMES / FRAMES_PER_S
    noise = f"nullsrc=s={SIDES}:r={FRAMES_PER_S}:d={part_s},noise=alls=100:allf=t,format=yuv420p"
    options = ["-c:v", "mpeg4", "-q:v", "1", "-g", str(FRAMES), "-bf", "0"]
    _ffmpeg("-f", "lavfi", "-i", noise, *options, "-fflags", "+bitexact", str(one))
    return _cut(bench, name, count, part_s, ["-stream_loop", str(count - 1), "-i", str(one), "-c", "copy"])


def by_ytdlp(folder: Path, stream: Stream) -> float:
    """Seconds of `yt-dlp -N`, from its start to its end."""
    command = [sys.executable, "-m", "yt_dlp", "--ignore-config", "--no-cache-dir", "-q", "--no-warnings"]
    command += ["-N", str(AT_ONCE), "--ffmpeg-location", str(find_ffmpeg(None).path)]
    command += ["-o", str(folder / "film.%(ext)s"), stream.playlist]
    began = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    took = time.monotonic() - began
    films = [*folder.glob("film.*")]
    if done.returncode or len(films) != 1:
        raise Invalid(f"yt-dlp ended with {done.returncode}: {done.stderr.decode()[-300:]}")
    check_film(films[0], stream)
    return took


def check_film(path: Path, stream: Stream) -> None:
    """Raises Invalid unless it is as long as its parts, with a quarter of their bytes at least: of small ones much is
    wrapping, which is not kept."""
    whole = sum((stream.folder / name).stat().st_size for name in stream.names)
    size = path.stat().st_size if path.is_file() else 0
    if not 0.25 * whole < size < 1.1 * whole:
        raise Invalid(f"{path.name} has {size} bytes of {whole}")
    seconds = anyio.run(probe, find_ffmpeg(None).path, path).duration_s or 0.0
    if not math.isclose(seconds, stream.length_s, rel_tol=LENGTH_TOLERANCE):
        raise Invalid(f"{path.name} lasts {seconds} s instead of {stream.length_s:.2f} s")


def _cut(bench: Bench, name: str, count: int, part_s: float, source: list[str]) -> Stream:
    files, url = bench.nginx
    folder = files / name
    folder.mkdir()
    hls = ["-f", "hls", "-hls_time", str(part_s), "-hls_playlist_type", "vod"]
    _ffmpeg(*source, *hls, "-hls_segment_filename", str(folder / "part-%06d.ts"), str(folder / PLAYLIST))
    names = [line for line in (folder / PLAYLIST).read_text().splitlines() if line and not line.startswith("#")]
    if len(names) != count:
        raise Invalid(f"ffmpeg made {len(names)} parts instead of {count}")
    return Stream(folder, f"{url}/{name}", names, count * part_s)


def _ffmpeg(*arguments: str) -> None:
    command = [str(find_ffmpeg(None).path), "-v", "error", *arguments]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
