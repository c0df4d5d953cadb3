"""What whoever uploads a finished file has to say of it: its type, how long it lasts, its sides, a small picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from anyio import to_thread

from reactor.errors import ReactorError
from reactor.files.mime_types import mime_type
from reactor.files.suffixes import TIMED_SUFFIXES
from reactor.models import ResultFile, Upload

FILES_MAX = 1000
"""Files of a folder that are told; of one with more, the first ones by their names."""


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
    from reactor.media.probing import probe
    from reactor.media.thumbnails import make_thumbnail

    try:
        ffmpeg = find_ffmpeg()
        seen = await probe(ffmpeg, main)
    except (ReactorError, OSError):
        return Upload(mime_type=media, files=files)
    if media is not None and seen.video is None and media.startswith("video/"):
        media = f"audio/{media.partition('/')[2]}"
    picture = thumbnail is not None and await make_thumbnail(ffmpeg, main, seen, thumbnail)
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
