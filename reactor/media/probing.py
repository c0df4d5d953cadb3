"""What ffmpeg sees in a media file, and what its failures mean.

probe(ffmpeg, file) -> Probed
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

from reactor.errors import DownloadError
from reactor.media.clocks import StreamKind
from reactor.media.inputs import Input, file_input
from reactor.media.process import Run, run_ffmpeg
from reactor.media.room import no_space
from reactor.patterns import pattern
from reactor.records import dataclass

PROBE_DEADLINE_S = 60.0

_KINDS: dict[str, StreamKind] = {"Video": "video", "Audio": "audio"}
_STREAM = pattern(r"^ +Stream #\d+:\d+(?:\[[^]]*\])?(?:\([^)]*\))?: (Video|Audio): (\w+)(.*)$", re.MULTILINE)
_DURATION = pattern(r"^ +Duration: (\d{1,9}):(\d\d):(\d\d\.\d{1,9})", re.MULTILINE)
_START = pattern(r"^ +Duration: [^,\n]*, start: (-?\d{1,12}\.\d{1,9})", re.MULTILINE)
_SUBTITLES = pattern(r"^ +Stream #\d[^\n]*: Subtitle: ", re.MULTILINE)
_COVER = "(attached pic)"
_SIDES = pattern(r", (\d{1,5})x(\d{1,5})\b")
_TURNED = pattern(r"rotation of (-?\d{1,3}\.\d{1,6}) degrees")
_SPEAKER = pattern(r"\[[^]]* @ 0x[0-9a-f]+\] ")


@dataclass(frozen=True, slots=True)
class Probed:
    """What ffmpeg sees in a file."""

    duration_s: float | None
    streams: tuple[tuple[StreamKind, str], ...] = ()
    """Kind and codec, as ffmpeg calls it (`h264`, `vp9`, …), of all pictures that move and all sounds."""
    start_s: float | None = None
    """The moment of the first picture or sound, as the file has it."""
    cover: bool = False
    """It holds a picture that does not move."""
    subtitles: bool = False
    width: int | None = None
    """Of the first picture that moves, as it is shown."""
    height: int | None = None

    @property
    def video(self) -> str | None:
        """The codec of the first picture that moves."""
        return next((codec for kind, codec in self.streams if kind == "video"), None)

    @property
    def audio(self) -> str | None:
        """The codec of the first sound."""
        return next((codec for kind, codec in self.streams if kind == "audio"), None)


async def probe(ffmpeg: Path, file: Path) -> Probed:
    """Read the streams of a media file. Raises DownloadError (`join_failed`) when it is none."""
    return await probe_input(ffmpeg, file.parent, file_input(file.name))


async def probe_input(ffmpeg: Path, folder: Path, source: Input) -> Probed:
    """The same of an input in `folder`."""
    run = await run_ffmpeg(ffmpeg, source.arguments, folder=folder, deadline_s=PROBE_DEADLINE_S)
    told = _STREAM.findall(run.words)
    found = [(kind, codec) for kind, codec, more in told if _COVER not in more]
    if not found:
        raise failed(run, folder)
    duration = _DURATION.search(run.words)
    seconds = int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3]) if duration else None
    start = _START.search(run.words)
    return Probed(
        seconds,
        tuple((_KINDS[kind], codec) for kind, codec in found),
        float(start[1]) if start else None,
        cover=len(found) < len(told),
        subtitles=_SUBTITLES.search(run.words) is not None,
        **_sides(run.words, next((more for kind, _, more in told if kind == "Video" and _COVER not in more), "")),
    )


def _sides(words: str, of_picture: str) -> dict[str, int]:
    """Width and height of a picture, of one that was taken upright the other way round."""
    sides = _SIDES.search(of_picture)
    if sides is None:
        return {}
    turned = _TURNED.search(words)
    upright = turned is not None and round(abs(float(turned[1]))) in (90, 270)
    width, height = (sides[2], sides[1]) if upright else (sides[1], sides[2])
    return {"width": int(width), "height": int(height)}


def failed(run: Run, folder: Path, what: str = "join the parts of this video") -> DownloadError:
    """The error for a run that went wrong, with the end of what ffmpeg said."""
    lines = [_SPEAKER.sub("", line).strip() for line in run.words.replace(f"{folder}/", "").splitlines()]
    said = [line for line in lines if line and not line.startswith(("Conversion failed", "At least one output"))]
    tail = said[-1][:300].rstrip(".") if said else f"it ended with {run.code}"
    if "No space left on device" in run.words:
        return no_space()
    if run.code < 0:  # by whoever is short of memory, as a rule
        return DownloadError("ffmpeg was killed while it worked on this video.", code="killed", retryable=True)
    return DownloadError(f"ffmpeg could not {what}: {tail}.", code="join_failed")


def disk_trouble(error: OSError) -> DownloadError:
    """The error for what the disk refuses."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_space()
    return DownloadError(f"The parts could not be joined: {error.strerror or error}.", code="disk_error")
