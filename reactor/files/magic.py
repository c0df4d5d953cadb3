"""The suffix of what says by its first bytes what it is, for a name that does not say so: no player is found for a name
without one. Nothing that is run gets a suffix here. Pure, but for `named_by_content`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from reactor.files.content import HEAD_BYTES, word_of
from reactor.files.names import clean_name
from reactor.files.suffixes import SERVED_SUFFIXES

_BEGINS = {
    b"%PDF-": ".pdf",
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF87a": ".gif",
    b"GIF89a": ".gif",
    b"ID3": ".mp3",
    b"fLaC": ".flac",
    b"FLV\x01": ".flv",
    b"\x00\x00\x01\xba": ".mpg",
    b"7z\xbc\xaf\x27\x1c": ".7z",
    b"Rar!\x1a\x07": ".rar",
    b"\xfd7zXZ\x00": ".xz",
    b"BZh": ".bz2",
    b"\x1f\x8b\x08": ".gz",
    b"\x28\xb5\x2f\xfd": ".zst",
}
_BRANDS = {b"M4A ": ".m4a", b"M4B ": ".m4b", b"qt  ": ".mov", b"avif": ".avif", b"heic": ".heic", b"mif1": ".heic"}
"""Of ISO media; others are films."""
_RIFF = {b"WEBP": ".webp", b"WAVE": ".wav", b"AVI ": ".avi"}
_EPUB = b"mimetypeapplication/epub+zip"
_INSIDE = {b"word/": ".docx", b"xl/": ".xlsx", b"ppt/": ".pptx"}
"""Folders in what is a document, and a zip by its form."""
_PROGRAMS = (b"META-INF/", b"AndroidManifest.xml", b"classes.dex")
TS_BYTES = 188


def suffix_by(head: bytes) -> str:
    """By the first bytes, HEAD_BYTES of them or all there are; empty where they do not say it."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], ".mp4")
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], "")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return ".webm" if b"webm" in head[:64] else ".mkv"
    if head.startswith(b"OggS"):
        return ".opus" if b"OpusHead" in head[:64] else ".ogg"
    if head.startswith(b"PK\x03\x04"):
        return _of_zip(head)
    if len(head) > 2 * TS_BYTES and head[0] == head[TS_BYTES] == head[2 * TS_BYTES] == 0x47:
        return ".ts"
    return next((suffix for begin, suffix in _BEGINS.items() if head.startswith(begin)), "")


def named_by_content(name: str, path: Path) -> str:
    """The name, with the suffix of what stands at `path` where it has none, or a script's. Reads the disk."""
    word = word_of(name)
    if word and word not in SERVED_SUFFIXES:
        return name
    head = b""
    with suppress(OSError), path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    suffix = suffix_by(head)
    return clean_name(f"{name.removesuffix(name[-len(word) - 1 :]) if word else name}{suffix}") if suffix else name


def _of_zip(head: bytes) -> str:
    if head[30:].startswith(_EPUB):
        return ".epub"
    if b"[Content_Types].xml" in head or b"_rels/" in head:
        return next((suffix for folder, suffix in _INSIDE.items() if folder in head), "")
    return "" if any(mark in head for mark in _PROGRAMS) else ".zip"
