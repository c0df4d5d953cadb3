"""A look at what was fetched before ffmpeg sees it: missing parts, error pages in place of media, wrong keys.

A part that is not what it must be is deleted, so that the next attempt fetches it again.
"""

from __future__ import annotations

from pathlib import Path

from reactor.errors import DownloadError
from reactor.media.local import read_playlist
from reactor.models import Extraction, Fetch, Track

LOOK_BYTES = 512
KEY_BYTES = 16
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f"))


def check_parts(folder: Path, extraction: Extraction) -> int:
    """Look at every part of every track; the bytes of all of them. Blocks on the disk.

    Raises DownloadError: `files_missing`, `bad_part`, `bad_key`."""
    total = 0
    for track in extraction.finish.tracks:
        fetches = extraction.fetches[track.first : track.first + track.count]
        keys = _key_names(track)
        for fetch in fetches:
            total += _checked(folder, fetch, fetch.name in keys)
    return total


def _key_names(track: Track) -> set[str]:
    segments = read_playlist(track.playlist or "")
    keys = (key for segment in segments for key in (segment.key, segment.init and segment.init.key))
    return {key.uri for key in keys if key}


def _checked(folder: Path, fetch: Fetch, is_key: bool) -> int:
    path = folder / fetch.name
    try:
        with path.open("rb") as file:
            start = file.read(LOOK_BYTES)
        size = path.stat().st_size
    except FileNotFoundError:
        sentence = f"A part of this video ({fetch.name}) was not there when all were to be joined."
        raise DownloadError(sentence, code="files_missing", retryable=True) from None
    if is_key and size != KEY_BYTES:
        path.unlink()
        what = "an error page" if is_text(start) and size > 2 * KEY_BYTES else f"{size} bytes long, not {KEY_BYTES}"
        raise DownloadError(f"The key of this video ({fetch.name}) is {what}.", code="bad_key", retryable=True)
    if not is_key and is_text(start):
        path.unlink()
        what = "an error page in place of media" if start else "empty"
        raise DownloadError(f"A part of this video ({fetch.name}) is {what}.", code="bad_part", retryable=True)
    return size


def is_text(start: bytes) -> bool:
    """True for what begins like a page or a message, and for nothing: media and ciphertext never do."""
    if start.translate(None, _CONTROL) != start:
        return False
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.end == len(start) and error.start > len(start) - 4 and len(start) == LOOK_BYTES
    return True
