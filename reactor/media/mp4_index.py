"""Has ffmpeg write a film once. Players want the index of an mp4 (`moov`) at its beginning, and how large it is ffmpeg
knows at the end: with `+faststart` it moves, and so writes, all of the film a second time.

    write(ffmpeg, arguments, target, …) -> Run

So room is left for the index of a large film, as much for each second as that of its beginning takes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from reactor.media.muxing import INDEXED, MUXERS, muxer_arguments
from reactor.media.process import Run, run_ffmpeg
from reactor.patterns import pattern
from reactor.records import dataclass

SECOND_PASS_MAX = 64 * 1024 * 1024
"""Bytes of a film that may be moved: it is in memory yet."""
SAMPLE_S = 10.0
SPARE, SPARE_BYTES = 1.1, 64 * 1024
"""So much more than the beginning promises is left: what is left over stays empty."""
FAR_BYTES, FAR = 0xF000_0000, 1.4
"""In a film of so many bytes, each place takes twice as many of the index."""
_LACKS = pattern(r"reserved_moov_size is too small, needed (\d{1,10}) additional")
_LEAST = 8
"""Bytes of the smallest box."""


@dataclass(frozen=True, slots=True)
class Target:
    """A file that ffmpeg is to write."""

    path: Path
    video: str | None
    """The codec of its picture."""
    size: int
    """Bytes that it is expected to have at most; 0: nobody knows."""
    length_s: float
    """The same, in seconds."""
    most: int | None = None
    """It is not written any further than so many bytes."""
    limits: tuple[str, ...] = ()
    """ffmpeg's other options for where it ends."""
    final: bool = True
    """False for what only we read."""

    def arguments(self, reserved: int | None) -> list[str]:
        """What ffmpeg writes; see `muxer_arguments`."""
        most = [] if self.most is None else ["-fs", str(self.most)]
        suffix = self.path.suffix
        muxer = muxer_arguments(suffix, self.video, reserved) if self.final else ["-f", MUXERS[suffix]]
        return [*self.limits, *most, *muxer, "-y", f"file:{self.path.name}"]


async def write(
    ffmpeg: Path,
    arguments: Sequence[str],
    target: Target,
    *,
    deadline_s: float,
    on_progress: Callable[[float], None] | None = None,
) -> Run:
    """Run ffmpeg in the folder of `target`; `arguments` are its inputs, and what becomes of them. Raises as
    `run_ffmpeg` does."""
    run = partial(run_ffmpeg, ffmpeg, folder=target.path.parent, deadline_s=deadline_s, on_progress=on_progress)
    reserved, again = await reserve(ffmpeg, arguments, target, deadline_s), False
    while True:
        done = await run(["-v", "warning", *arguments, *target.arguments(reserved)])
        lacks = lacking(done)
        if reserved is None or not lacks:
            return done
        reserved, again = None if again else reserved + lacks + SPARE_BYTES, True


async def reserve(ffmpeg: Path, arguments: Sequence[str], target: Target, deadline_s: float) -> int | None:
    """Bytes to leave for the index; None where it is to be moved to the beginning."""
    large = target.size > SECOND_PASS_MAX and target.length_s > 0
    if not large or not target.final or target.path.suffix not in INDEXED:
        return None
    most_s = min(SAMPLE_S, target.length_s)
    index_bytes = partial(_index_bytes, ffmpeg, arguments, target, deadline_s)
    least, most = await index_bytes(most_s / 10), await index_bytes(most_s)
    if not least or not most:
        return None
    each = (most - least) / (most_s - most_s / 10) * (SPARE if target.size < FAR_BYTES else FAR)
    reserved = most + math.ceil(each * (target.length_s - most_s)) + SPARE_BYTES
    return reserved if target.most is None or target.size + reserved < target.most else None


async def _index_bytes(
    ffmpeg: Path, arguments: Sequence[str], target: Target, deadline_s: float, length_s: float
) -> int:
    """How large the index of its beginning is: what ffmpeg says when it has no room for it. Nothing is written."""
    muxer = ["-t", f"{length_s:.6f}", *muxer_arguments(target.path.suffix, target.video, _LEAST)]
    run = await run_ffmpeg(
        ffmpeg,
        ["-v", "error", *arguments, *muxer, "-y", f"file:{os.devnull}"],
        folder=target.path.parent,
        deadline_s=deadline_s,
    )
    return lacking(run)


def lacking(run: Run) -> int:
    """Bytes by which what was left was too small. An old ffmpeg ends well all the same."""
    found = _LACKS.search(run.words)
    return int(found[1]) if found else 0
