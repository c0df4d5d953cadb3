"""A look at what was fetched before ffmpeg sees it: missing parts, error pages in place of media, wrong keys.

A part that is not what it must be is deleted, so that it is fetched again.
"""

from __future__ import annotations

from pathlib import Path

from reactor.errors import DownloadError
from reactor.media.local import read_playlist
from reactor.models import Extraction, Fetch, Track

LOOK_BYTES = 512
KEY_BYTES = 16
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f"))


class BadParts(DownloadError):
    """Parts are missing, or were deleted since they are worth nothing; all others are as they should be."""

    retryable_by_default = True

    def __init__(self, message: str, *names: str, code: str) -> None:
        super().__init__(message, code=code)
        self.names = names


def check_parts(folder: Path, extraction: Extraction) -> dict[str, int]:
    """Look at every part of every track; their sizes, by their names. Blocks on the disk.

    Raises BadParts: `files_missing`, `bad_part`, `bad_key`."""
    sizes: dict[str, int] = {}
    bad: list[BadParts] = []
    for track in extraction.finish.tracks:
        fetches = extraction.fetches[track.first : track.first + track.count]
        keys = _key_names(track)
        for fetch in fetches:
            try:
                sizes[fetch.name] = _checked(folder, fetch, fetch.name in keys)
            except BadParts as error:
                bad.append(error)
    if bad:
        bad[0].names = tuple(name for each in bad for name in each.names)
        raise bad[0]
    return sizes


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
        if fetch.optional:
            return 0
        sentence = f"A part of this video ({fetch.name}) was not there when all were to be joined."
        raise BadParts(sentence, fetch.name, code="files_missing") from None
    if is_key and size != KEY_BYTES:
        path.unlink()
        what = "an error page" if is_text(start) and size > 2 * KEY_BYTES else f"{size} bytes long, not {KEY_BYTES}"
        raise BadParts(f"The key of this video ({fetch.name}) is {what}.", fetch.name, code="bad_key")
    if not is_key and is_text(start):
        path.unlink()
        what = "an error page in place of media" if start else "empty"
        raise BadParts(f"A part of this video ({fetch.name}) is {what}.", fetch.name, code="bad_part")
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
