"""Tags and chapters as ffmpeg takes them, and pictures as Ogg holds them. Pure.

What a site says of a film reaches ffmpeg as values only: never as an option, a file or a further line.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Mapping

from reactor.media.languages import iso_639_2
from reactor.patterns import pattern
from reactor.plan import About, Chapter

_SPECIAL = pattern(r"([=;#\\\n])")
FRONT_COVER = 3
"""What a picture is, in a FLAC picture block (RFC 9639, section 8.8)."""


def tags_of(about: About) -> dict[str, str]:
    """What players show, by ffmpeg's names; nothing of what nobody says."""
    told = {
        "title": about.title,
        "artist": about.uploader,
        "album": about.album,
        "genre": about.genre,
        "date": about.date,
        "comment": about.url,
    }
    return {name: plain(text) for name, text in told.items() if text}


def tag_arguments(tags: Mapping[str, str], where: str = "-metadata") -> list[str]:
    """The tags as options of ffmpeg; `where`: of the file, or of a stream."""
    return [word for name, text in tags.items() for word in (where, f"{name}={text}")]


def language_arguments(language: str, stream: str) -> list[str]:
    """The language of a stream (`a:0`) as an option of ffmpeg; none for one that is not known."""
    code = iso_639_2(language)
    return [f"-metadata:s:{stream}", f"language={code}"] if code else []


def ffmetadata(chapters: Iterable[Chapter] = (), tags: Mapping[str, str] | None = None) -> str:
    """A file of metadata for ffmpeg."""
    lines = [";FFMETADATA1", *(f"{name}={_escaped(text)}" for name, text in (tags or {}).items())]
    for each in chapters:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={round(each.start_s * 1000)}"]
        lines += [f"END={round(each.end_s * 1000)}", f"title={_escaped(plain(each.title))}"]
    return "\n".join([*lines, ""])


def picture_tag(jpg: bytes, width: int, height: int) -> dict[str, str]:
    """A picture as a Vorbis comment (METADATA_BLOCK_PICTURE)."""
    parts = [struct.pack(">I", FRONT_COVER), *map(_counted, (b"image/jpeg", b""))]
    parts += [struct.pack(">IIII", width, height, 24, 0), _counted(jpg)]
    return {"METADATA_BLOCK_PICTURE": base64.b64encode(b"".join(parts)).decode()}


def jpg_size(jpg: bytes) -> tuple[int, int]:
    """Width and height of a JPEG; (0, 0) where they are not told."""
    at = 2
    while at + 9 <= len(jpg) and jpg[at] == 0xFF:
        marker, length = jpg[at + 1], struct.unpack_from(">H", jpg, at + 2)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", jpg, at + 5)
            return width, height
        at += 2 + length
    return 0, 0


def plain(text: str) -> str:
    """One line of printable characters."""
    return "".join(each if each.isprintable() else " " for each in text).strip()


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
