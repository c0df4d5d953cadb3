"""Whether a database is a mount of its own, as `docker run -v ./bot.db:/data/bot.db` makes it.

The -wal, -shm and -journal beside it are then those of this side alone: what the other side commits is never seen
here, what is committed here is overwritten there, and the file is damaged at last. The folder has to be mounted.
"""

from __future__ import annotations

import os
from pathlib import Path

from reactor.errors import DatabaseError
from reactor.patterns import pattern

MOUNTINFO = Path("/proc/self/mountinfo")
ESCAPED = pattern(rb"\\([0-7]{3})")


def refuse_mounted_file(path: Path) -> None:
    """Raise DatabaseError when the file that `path` leads to is mounted by itself."""
    file = path.resolve()
    if file.is_file() and _is_mount(file):
        raise DatabaseError(
            f"The database {path} is mounted as a single file: the -wal beside it is not the one that other programs"
            " have, and the two would damage it.",
            hint=f"Mount its folder ({path.parent}) in place of the file.",
        )


def _is_mount(file: Path) -> bool:
    try:
        mounts = MOUNTINFO.read_bytes()
    except OSError:  # not Linux: a mount of another disk shows at least
        return file.stat().st_dev != file.parent.stat().st_dev
    return os.fsencode(file) in mount_points(mounts)


def mount_points(mountinfo: bytes) -> set[bytes]:
    """What proc(5) says of `mountinfo`: the fifth field of each line, with spaces and the like in octal."""
    points = (line.split(b" ")[4:5] for line in mountinfo.splitlines())
    return {ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), point[0]) for point in points if point}
