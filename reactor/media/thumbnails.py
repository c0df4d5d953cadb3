"""A small picture of a film, or the cover of a sound."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from reactor.errors import ReactorError
from reactor.media.inputs import file_input
from reactor.media.probing import Probed
from reactor.media.process import run_ffmpeg

SIDE_MAX = 320
BYTES_MAX = 200_000
"""What messengers take."""
DEADLINE_S = 30.0
LOOK_AT = 0.1
"""Where in a film the picture is taken: its beginning is often black."""
LOOK_AT_MAX_S = 60.0


async def make_thumbnail(ffmpeg: Path, source: Path, seen: Probed, target: Path) -> bool:
    """Write a picture of it: of a film one of its frames, of a sound its cover. True if there is one."""
    if seen.video is None and not seen.cover:
        return False
    at = min(LOOK_AT * (seen.duration_s or 0.0), LOOK_AT_MAX_S) if seen.video is not None else 0.0
    size = f"scale=w='min({SIDE_MAX},iw)':h='min({SIDE_MAX},ih)':force_original_aspect_ratio=decrease"
    arguments = [
        *(("-ss", f"{at:.3f}") if at else ()),
        *file_input(source.name).arguments,
        *("-map", "0:v:0", "-frames:v", "1", "-vf", f"{size},format=yuvj420p", "-q:v", "5"),
        *("-map_metadata", "-1", "-f", "mjpeg", "-y", f"file:{target}"),
    ]
    with suppress(ReactorError, OSError):
        target.parent.mkdir(mode=0o755, exist_ok=True)
        run = await run_ffmpeg(ffmpeg, arguments, folder=source.parent, deadline_s=DEADLINE_S)
        return _fits(target, good=run.code == 0)
    return False


def _fits(picture: Path, *, good: bool) -> bool:
    """False for what is no picture, or too large a one, and deleted."""
    if good and 0 < picture.stat().st_size <= BYTES_MAX:
        return True
    picture.unlink(missing_ok=True)
    return False
