"""Which parts in a row's folder are whole: noted beside them as aria2 reports each, for a process that dies before the
row's next write of its progress.

A note says what aria2 has said of a file, and is believed for as long as that is there with those bytes, and aria2 is
not at work on it: what a crash leaves half of has another size, or a control file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from reactor.files.private import open_private

NOTES = ".whole"
"""No part has such a name: they do not begin with a dot."""
NOTES_BYTES_MAX = 16 * 1024 * 1024


def note_whole(folder: Path, sizes: Mapping[str, int]) -> None:
    """Note that these files have arrived, each with so many bytes. Raises OSError."""
    lines = "".join(f"{json.dumps([name, size])}\n" for name, size in sizes.items())
    with open(folder / NOTES, "a", encoding="utf-8", opener=open_private) as notes:
        notes.write(lines)


def forget_whole(folder: Path, names: Iterable[str]) -> None:
    """Note that these files are to be fetched anew: what a process leaves of them may have as many bytes as before.
    Raises OSError."""
    if (folder / NOTES).exists():
        note_whole(folder, dict.fromkeys(names, 0))


def whole_parts(folder: Path, wanted: Iterable[str], unfinished: Iterable[str]) -> set[str]:
    """Those of the wanted names that are noted and still so; of the others the notes are forgotten, for they are to be
    fetched anew. `unfinished`: what follows the name of a file beside one that is being written. Raises OSError."""
    sizes = _noted(folder)
    beside = tuple(unfinished)
    noted = [name for name in wanted if name in sizes]
    whole = {
        name
        for name in noted
        if _size(folder / name) == sizes[name] and not any((folder / f"{name}{suffix}").exists() for suffix in beside)
    }
    if len(whole) < len(noted):
        forget_whole(folder, (name for name in noted if name not in whole))
    return whole


def _noted(folder: Path) -> dict[str, int]:
    """The last note of each name. A line that a crash has cut off is passed over."""
    try:
        with (folder / NOTES).open("rb") as notes:
            lines = notes.read(NOTES_BYTES_MAX).splitlines()
    except FileNotFoundError:
        return {}
    found: dict[str, int] = {}
    for line in lines:
        try:
            name, size = json.loads(line)
        except (ValueError, TypeError):
            continue
        if isinstance(name, str) and type(size) is int:
            found[name] = size
    return {name: size for name, size in found.items() if size > 0}


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
