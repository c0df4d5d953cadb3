"""The suffix that the first bytes of a file tell, and the names that are given it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from reactor.files.content import HEAD_BYTES
from reactor.files.magic import named_by_content, suffix_by


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" if name == "mimetype" else "x")
    return buffer.getvalue()[:HEAD_BYTES]


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"\x00\x00\x00\x20ftypisom", ".mp4"),
        (b"\x00\x00\x00\x20ftypM4A ", ".m4a"),
        (b"\x00\x00\x00\x14ftypqt  ", ".mov"),
        (b"\x1a\x45\xdf\xa3\x01\x42\x82\x84webm", ".webm"),
        (b"\x1a\x45\xdf\xa3\x01\x42\x82\x88matroska", ".mkv"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", ".webp"),
        (b"RIFF\x00\x00\x00\x00ACON", ""),
        (b"OggS" + bytes(24) + b"OpusHead", ".opus"),
        (b"OggS" + bytes(24) + b"\x01vorbis", ".ogg"),
        ((b"\x47" + bytes(187)) * 3, ".ts"),
        (b"%PDF-1.7", ".pdf"),
        (b"Rar!\x1a\x07\x01\x00", ".rar"),
        (zipped("a.bin"), ".zip"),
        (zipped("mimetype", "a.xml"), ".epub"),
        (zipped("[Content_Types].xml", "word/document.xml"), ".docx"),
        (zipped("META-INF/MANIFEST.MF", "a.class"), ""),
        (zipped("AndroidManifest.xml"), ""),
        (b"MZ\x90\x00", ""),
        (b"\x7fELF", ""),
        (b"#!/bin/sh\n", ""),
        (b"hello", ""),
        (b"", ""),
    ],
)
def test_what_the_first_bytes_tell(head: bytes, suffix: str) -> None:
    assert suffix_by(head) == suffix


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("8f3a", "8f3a.pdf"),
        ("Movie.2020.1080p", "Movie.2020.1080p.pdf"),
        ("download.php", "download.pdf"),
        ("a.txt", "a.txt"),
        ("a.bin", "a.bin"),
        ("a.part", "a.part"),
        ("x" * 250, None),
    ],
)
def test_names_that_do_not_say_it(tmp_path: Path, name: str, told: str | None) -> None:
    (tmp_path / "there").write_bytes(b"%PDF-1.7")
    found = named_by_content(name, tmp_path / "there")
    assert found == told if told else (found.endswith(".pdf") and len(found) < 250)
    assert named_by_content(name, tmp_path / "gone") == name
