"""What a file is to Discord: which files go into one message, and what is shown of one that Discord only lists."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from words import plain

from reactor.errors import ReactorError
from reactor.files.mime_types import mime_type
from reactor.media.inputs import file_input
from reactor.media.process import run_ffmpeg
from reactor.media.uploads import upload_of
from reactor.models import Download, Upload
from reactor.programs import find_ffmpeg

SHOWN = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".mp4", ".webm", ".mov")
"""What Discord shows or plays in the channel, with a picture of its own."""
ALBUM_MAX = 10
REQUEST_BYTES_MAX = 25_000_000
"""Of the files of one message together: Discord takes 25 MiB. A larger file goes alone; its limit is that of a file."""
TAGS_DEADLINE_S = 30.0
TAG_MAX = 100
TAG = re.compile(r"^(title|artist)=((?:\\.|[^\\\n])*)$", re.MULTILINE | re.IGNORECASE | re.DOTALL)


class NotSent(Exception):
    """A file stays here. `code` says why, in words.py; the message is for the column `upload_error`."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(json.dumps({"code": code} | values, ensure_ascii=False))


@dataclass(frozen=True)
class Part:
    """One file of a download."""

    path: Path
    name: str
    """Its path below the folder of the download, which tells it from the others; empty for a file without one."""
    bytes: int

    @property
    def called(self) -> str:
        """Its name in the channel."""
        return plain(self.path.stem, 100) + plain(self.path.suffix, 20)

    @property
    def is_shown(self) -> bool:
        return self.path.suffix.lower() in SHOWN

    @property
    def kind(self) -> str:
        """`video`, `audio`, or what else it is."""
        return (mime_type(self.path.name) or "").partition("/")[0]


@dataclass(frozen=True)
class Card:
    """What stands below a file that Discord does not show: a sound, or a film that it does not play."""

    title: str
    performer: str | None
    duration_s: float | None
    sides: tuple[int, int] | None
    picture: Path | None


def parts_of(row: Download) -> list[Part]:
    """The files of a download. Raises NotSent."""
    place = Path(row.file_path or "-").absolute()
    inside = sorted(place.rglob("*")) if place.is_dir() else [place]
    try:
        found = [(path, path.stat().st_size) for path in inside if path.is_file() and not path.is_symlink()]
    except OSError as error:
        raise unreadable(error) from error
    if not found:
        raise NotSent("gone")
    return [Part(path, "" if path == place else path.relative_to(place).as_posix(), count) for path, count in found]


def unreadable(error: OSError) -> NotSent:
    """Why a file stays here that cannot be read; its path is nobody's business."""
    return NotSent("unreadable", why=error.strerror or "?")


def albums_of(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """What goes into one message each: up to ten, pictures and films before all others."""
    for shown in (True, False):
        album: list[Part] = []
        for part in (part for part in parts if part.is_shown is shown):
            full = sum(each.bytes for each in album) + part.bytes > REQUEST_BYTES_MAX
            if album and (full or len(album) == ALBUM_MAX):
                yield album
                album = []
            album.append(part)
        if album:
            yield album


async def card_of(row: Download, part: Part, ffmpeg: Path | None, picture: Path) -> Card | None:
    """What there is to show of a file beside its name; None where that is nothing, or Discord shows it. `ffmpeg` is a
    setting; `picture` is where one can be made."""
    if part.is_shown or part.kind not in ("video", "audio"):
        return None

    def program() -> Path:
        return find_ffmpeg(ffmpeg).path

    told = not row.files and row.duration_s is not None
    known: Download | Upload = row if told else await upload_of(part.path, program, picture)
    tags = await _tags(program, part.path) if part.kind == "audio" else {}
    seen, titled = (
        _there(known.thumbnail_path),
        tags.get("title") or plain((not row.files and row.title) or "", TAG_MAX),
    )
    if seen is None and not tags:
        return None
    sides = (known.width, known.height) if known.width and known.height else None
    return Card(titled or plain(part.path.stem, TAG_MAX), tags.get("artist"), known.duration_s, sides, seen)


def _there(picture: str | None) -> Path | None:
    """Reactor deletes them after a week."""
    return Path(picture) if picture and Path(picture).is_file() else None


async def _tags(program: Callable[[], Path], file: Path) -> dict[str, str]:
    """Title and artist, as the file has them; nothing where they cannot be read."""
    reading = (*file_input(file.name).arguments, "-f", "ffmetadata", "-")
    try:
        run = await run_ffmpeg(program(), reading, folder=file.parent, deadline_s=TAGS_DEADLINE_S)
    except (ReactorError, OSError):
        return {}
    found = {name.lower(): re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) for name, text in TAG.findall(run.output)}
    return {name: line for name, text in found.items() if (line := plain(text, TAG_MAX))}
