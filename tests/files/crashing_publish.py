"""Kills `publish` before each of its system calls in turn, then calls it again: run as a program.

    python -m tests.files.crashing_publish FOLDER SHAPE KEEP DISK

prints one JSON object for each place of death: what the folder holds after the second call.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

from reactor.files.publish import publish, published

WATCHED = ("os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "open", "reactor.rename_new")
BYTES = b"0123456789" * 1000


def make(root: Path, shape: str) -> tuple[Path, Path]:
    """A staged source, and a download folder in which its name and the next are taken."""
    staging, directory = root / "staging", root / "downloads"
    source = staging / "a.bin"
    (directory / "a (1).bin").mkdir(parents=True)
    (directory / "a.bin").write_bytes(b"another's")
    if shape == "twin":  # of another's file
        staging.mkdir()
        os.link(directory / "a.bin", source)
    elif shape == "file":
        staging.mkdir()
        source.write_bytes(BYTES)
    else:
        (source / "deep").mkdir(parents=True)
        (source / "one").write_bytes(BYTES)
        (source / "deep" / "two").write_bytes(b"two")
    return source, directory


def tree(path: Path) -> Any:
    """A file's length and beginning, or a folder's content."""
    if path.is_dir():
        return {child.name: tree(child) for child in sorted(path.iterdir())}
    content = path.read_bytes()
    return [len(content), content[:9].decode()]


def disturb(disk: str, die_at: int | None) -> None:
    """From now on die before the watched call number `die_at`, on a disk with these faults."""
    calls = itertools.count()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in WATCHED:
            return
        if die_at is not None and next(calls) == die_at:
            os._exit(9)
        if event == "os.link" and disk in ("nolinks", "neither"):
            raise OSError(errno.EPERM, "no links here")
        if event == "reactor.rename_new" and disk == "neither":
            raise OSError(errno.EINVAL, "no such rename here")
        if event in ("os.link", "os.rename", "reactor.rename_new") and disk == "other":
            ends = [("staging" in str(path)) for path in arguments[:2]]
            if ends[0] != ends[1]:
                raise OSError(errno.EXDEV, "another disk")

    sys.addaudithook(hook)


def in_child(disk: str, die_at: int | None, source: Path, directory: Path, keep: bool, shared: bool) -> int:
    """Publish in a process of its own; its exit status."""
    pid = os.fork()
    if pid == 0:
        disturb(disk, die_at)
        try:
            publish(source, directory, "a.bin", keep=keep, shared=shared)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(folder: str, shape: str, keep: str, disk: str) -> None:
    for die_at in itertools.count():
        source, directory = make(Path(folder) / str(die_at), shape)
        first = in_child(disk, die_at, source, directory, keep == "keep", shape == "twin")
        second = in_child(disk, None, source, directory, keep == "keep", shape == "twin")
        final = published(source, directory)
        found = {
            "statuses": [first, second],
            "final": final.name if final else None,
            "kept": source.exists(),
            "downloads": tree(directory),
        }
        sys.stdout.write(json.dumps(found) + "\n")
        if first == 0:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
