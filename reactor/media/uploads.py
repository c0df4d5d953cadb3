"""What whoever uploads a finished file has to say of it: its type, how long it lasts, its sides, a small picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from anyio import to_thread

from reactor.errors import ReactorError
from reactor.files.mime_types import mime_type
from reactor.files.suffixes import TIMED_SUFFIXES
from reactor.media.inputs import file_input
from reactor.media.probing import Probed, probe
from reactor.media.process import run_ffmpeg
from reactor.models import ResultFile, Upload

FILES_MAX = 1000
"""Files of a folder that are told; of one with more, the first ones by their names."""
SIDE_MAX = 320
BYTES_MAX = 200_000
"""Of the picture: what messengers take."""
THUMBNAIL_DEADLINE_S = 30.0
LOOK_AT = 0.1
"""Where in a film the picture is taken: its beginning is often black."""
LOOK_AT_MAX_S = 60.0


async def upload_of(
    result: Path, find_ffmpeg: Callable[[], Path], thumbnail: Path | None, *, split: bool = False
) -> Upload:
    """What there is to say of a file or a folder; of a folder with one film or sound, of that. `thumbnail` is where a
    picture of it goes, None: nowhere. `split`: of what was one film the sides and the picture are those of its first
    piece, and how long each of them lasts is not told. Without an ffmpeg, and of what it cannot read, less is said;
    nothing of it is a reason to fail."""
    folder = _is_folder(result)
    files = await to_thread.run_sync(_files, result) if folder else ()
    timed = [file.path for file in files if _is_timed(file.path)]
    several = len(timed) > 1
    main = result / timed[0] if timed and (split or not several) else result
    media = None if folder else mime_type(result.name)
    if (folder and main == result) or not _is_timed(main.name):
        return Upload(mime_type=media, files=files)
    try:
        ffmpeg = find_ffmpeg()
        seen = await probe(ffmpeg, main)
    except (ReactorError, OSError):
        return Upload(mime_type=media, files=files)
    if media is not None and seen.video is None and media.startswith("video/"):
        media = f"audio/{media.partition('/')[2]}"
    picture = thumbnail is not None and await _picture(ffmpeg, main, seen, thumbnail)
    return Upload(
        mime_type=media,
        duration_s=None if several else seen.duration_s,
        width=seen.width,
        height=seen.height,
        thumbnail_path=str(thumbnail) if picture else None,
        files=files,
    )


def _is_folder(path: Path) -> bool:
    return path.is_dir()


def _is_timed(name: str) -> bool:
    return Path(name).suffix.lower()[1:] in TIMED_SUFFIXES


def _files(folder: Path) -> tuple[ResultFile, ...]:
    return tuple(islice(_each(folder), FILES_MAX))


def _each(folder: Path) -> Iterator[ResultFile]:
    for above, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(above, name)
            inside = path.relative_to(folder).as_posix()
            yield ResultFile(path=inside, bytes=path.lstat().st_size, mime_type=mime_type(name))


async def _picture(ffmpeg: Path, source: Path, seen: Probed, target: Path) -> bool:
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
        run = await run_ffmpeg(ffmpeg, arguments, folder=source.parent, deadline_s=THUMBNAIL_DEADLINE_S)
        return _fits(target, good=run.code == 0)
    return False


def _fits(picture: Path, *, good: bool) -> bool:
    """False for what is no picture, or too large a one, and deleted."""
    if good and 0 < picture.stat().st_size <= BYTES_MAX:
        return True
    picture.unlink(missing_ok=True)
    return False
