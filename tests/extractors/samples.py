"""Torrent files to test with."""

from __future__ import annotations

from typing import Any

from bencode2 import bencode

PIECE = 16384


def torrent(**info: Any) -> bytes:
    """A `.torrent` of one file of 20 000 bytes, with these keys of its info dictionary changed, None: left out."""
    keys: dict[str, Any] = {"name": "film.mp4", "piece length": PIECE, "pieces": b"h" * 40, "length": 20_000}
    keys |= info
    return bencode({"announce": "http://t/", "info": {key: value for key, value in keys.items() if value is not None}})


def folder(*paths: list[Any], **more: Any) -> bytes:
    """A `.torrent` of several files of 10 bytes."""
    files = [{"length": 10, "path": path} for path in paths]
    return torrent(name="album", length=None, files=files, pieces=b"h" * 20, **more)
