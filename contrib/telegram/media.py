"""What a file is to Telegram: its kind, which files go together, and what players have to know of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from words import plain

from reactor.errors import ReactorError
from reactor.media.inputs import file_input
from reactor.media.process import run_ffmpeg
from reactor.media.uploads import upload_of
from reactor.models import Download, Upload
from reactor.programs import find_ffmpeg

KINDS = {
    **dict.fromkeys((".mp4", ".m4v", ".mov"), "video"),
    **dict.fromkeys((".mp3", ".m4a"), "audio"),
    **dict.fromkeys((".jpg", ".jpeg", ".png", ".webp"), "photo"),
}
"""What Telegram shows in the chat; everything else is a document."""
ALBUMS = ("seen", "audio", "document")
PHOTO_BYTES_MAX = 10_000_000
ALBUM_MAX = 10
TAGS_DEADLINE_S = 30.0
TAG_MAX = 64
Ids = dict[str, tuple[str, str]]
"""Name of a file → its kind and what Telegram calls it."""
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
    kind: str

    @property
    def shown(self) -> str:
        """What people are told of it."""
        return self.name or self.path.name

    @property
    def album(self) -> str:
        """Pictures and films go together, all other kinds by themselves."""
        return "seen" if self.kind in ("photo", "video") else self.kind


@dataclass(frozen=True)
class Details:
    """What is sent along with a file."""

    duration: int | None = None
    width: int | None = None
    height: int | None = None
    thumbnail: Path | None = None
    title: str | None = None
    performer: str | None = None


def parts_of(row: Download) -> list[Part]:
    """The files of a download, without empty ones. Raises NotSent."""
    place = Path(row.file_path or "").absolute()
    inside = sorted(place.rglob("*")) if place.is_dir() else [place]
    found = [path for path in inside if path.is_file() and not path.is_symlink()]
    if not row.file_path or not found:
        raise NotSent("gone")
    full = [_part(path, place) for path in found if path.stat().st_size]
    if not full:
        raise NotSent("empty")
    return full


def _part(path: Path, place: Path) -> Part:
    kind, count = KINDS.get(path.suffix.lower(), "document"), path.stat().st_size
    if kind == "photo" and count > PHOTO_BYTES_MAX:
        kind = "document"
    return Part(path, "" if path == place else path.relative_to(place).as_posix(), count, kind)


def albums_of(parts: Sequence[Part], limit: int) -> Iterator[list[Part]]:
    """What goes into one message each: up to ten of a kind, of `limit` bytes together."""
    for _, alike in groupby(sorted(parts, key=lambda part: ALBUMS.index(part.album)), lambda part: part.album):
        album: list[Part] = []
        for part in alike:
            if len(album) == ALBUM_MAX or sum(each.bytes for each in album) + part.bytes > limit:
                yield album
                album = []
            album.append(part)
        yield album


async def details_of(row: Download, part: Part, ffmpeg: Path | None, picture: Path) -> Details:
    """What there is to say of a file: what the row says, or, of one of several, what is read from it. `ffmpeg` is a
    setting; `picture` is where one can be made."""
    if part.kind not in ("video", "audio"):
        return Details()

    def program() -> Path:
        return find_ffmpeg(ffmpeg).path

    told = not row.files and row.duration_s is not None
    known: Download | Upload = row if told else await upload_of(part.path, program, picture)
    tags = await _tags(program, part.path) if part.kind == "audio" else {}
    return Details(
        duration=None if known.duration_s is None else round(known.duration_s),
        width=known.width,
        height=known.height,
        thumbnail=_there(known.thumbnail_path),
        title=tags.get("title") or plain((not row.files and row.title) or part.path.stem, TAG_MAX),
        performer=tags.get("artist"),
    )


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
