"""FILE_URL: where other machines can fetch what is in DOWNLOAD_DIR."""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import quote

PLACE = "{path}"


def served_at(template: str, root: str, path: str, *, folder: bool) -> str | None:
    """The URL of `path`, which is below `root`: its names byte by byte, percent-encoded, in the place of `{path}` in
    `template`, or behind it. That of a folder ends with `/`, so that its files are found below. None for what is not
    below `root`."""
    try:
        inside = PurePath(path).relative_to(root).as_posix()
    except ValueError:
        return None
    # A name from a disk may hold bytes that are no UTF-8: a server knows it by these.
    named = quote(inside.encode("utf-8", "surrogateescape")) + ("/" if folder else "")
    return template.replace(PLACE, named) if PLACE in template else f"{template.rstrip('/')}/{named}"
