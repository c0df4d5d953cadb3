"""The usual media type of a name, by its suffix: what whoever uploads a file says of it."""

from __future__ import annotations

from functools import cache
from pathlib import PurePath

from reactor.files.media_types import SUFFIX_BY_TYPE

_USUAL = """
    audio/flac flac
    audio/mp4 m4a
    audio/mpeg mp3
    audio/ogg ogg
    audio/ogg opus
    audio/wav wav
    audio/x-matroska mka
    application/gzip gz
    application/vnd.rar rar
    application/x-iso9660-image iso
    application/zip zip
    image/jpeg jpeg
    image/jpeg jpg
    image/png png
    image/x-icon ico
    text/plain log
    text/plain txt
    video/3gpp 3gp
    video/mp2t ts
    video/mp4 mp4
    video/mpeg mpg
    video/x-matroska mkv
    video/x-msvideo avi
"""
"""Where several types have one suffix, and the other ones are hardly ever said."""


def mime_type(name: str) -> str | None:
    """Its media type; None if its suffix says none."""
    return _types().get(PurePath(name).suffix.lower())


@cache
def _types() -> dict[str, str]:
    known: dict[str, str] = {}
    for media, suffix in SUFFIX_BY_TYPE.items():
        known.setdefault(suffix, media)
    usual = (line.split() for line in _USUAL.strip().splitlines())
    return known | {f".{suffix}": media for media, suffix in usual}
