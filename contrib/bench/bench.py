"""What every figure is given: how much of everything, the servers, a place for files, and dice."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from contrib.bench.servers import MeasuringServer, measuring, nginx
from contrib.bench.validity import Samples

MIB = 1024 * 1024


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    samples: int
    starts: int
    small_files: int
    small_rounds: int
    poller_files: int
    """How many of the small files the poller gets: it would take half an hour for all."""
    large_bytes: int
    large_rounds: int
    guarded_bytes: int
    finished_rows: int
    window_s: float
    """How long something is watched that happens by itself."""
    downloads: int
    """After which memory is looked at again."""
    parts: int
    """Of the stream that comes in many."""
    segments: int
    """Of the stream that is fetched in turns with others."""
    segment_rounds: int
    document_items: int
    """Of what a document may hold many."""
    document_rounds: int
    watches: int
    claims: int
    """Of each machine."""
    large_segments: int
    """Of 1 MB, of the stream that is fetched in turns with others."""
    slow_segments: int
    """Small ones, that come to a slow disk."""
    stream_rounds: int
    """Of both."""
    paced_bytes: int
    """Of the file whose server gives each connection a speed of its own."""
    paced_rounds: int


FULL = Scale(
    *(30, 30, 500, 3, 10, 2048 * MIB, 5, 256 * MIB, 999_000, 60.0, 1000, 20_000, 1000, 3, 16_000, 5, 1000, 100),
    large_segments=300,
    slow_segments=300,
    stream_rounds=3,
    paced_bytes=200 * MIB,
    paced_rounds=3,
)
QUICK = Scale(
    *(3, 3, 100, 1, 2, 256 * MIB, 2, 64 * MIB, 99_000, 10.0, 100, 1000, 300, 1, 4000, 3, 200, 50),
    large_segments=50,
    slow_segments=50,
    stream_rounds=1,
    paced_bytes=64 * MIB,
    paced_rounds=1,
)


@dataclass
class Bench:
    """One run."""

    scale: Scale
    folder: Path
    server: MeasuringServer
    say: Callable[[str], None]
    stack: ExitStack
    random: random.Random
    latencies: dict[str, tuple[Samples, Samples]]
    """By figure, in ms: the reactor's and the poller's."""

    @cached_property
    def nginx(self) -> tuple[Path, str]:
        """Where files go to be served by nginx, and the URL they stand under."""
        return self.stack.enter_context(nginx(self.folder / "nginx"))

    def spread(self, samples: int, upto: float) -> list[float]:
        """As many moments, each in a part of its own between 0 and `upto`, in no order: chance without luck."""
        return [(n + self.random.random()) * upto / samples for n in self.random.sample(range(samples), samples)]

    def place(self, name: str) -> Path:
        """A folder of its own."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))


@contextmanager
def opened(scale: Scale, parent: Path | None, say: Callable[[str], None]) -> Iterator[Bench]:
    """A bench with its servers, and nothing left of it at the end. Its dice always fall the same."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reactor-bench-", dir=parent))
        server = stack.enter_context(measuring())
        yield Bench(scale, Path(folder), server, say, stack, random.Random(3), {})
