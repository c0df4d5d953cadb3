"""A reader of documents that can be made to do what a broken parser does. It runs in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reactor.errors import DownloadError
from reactor.workers.child import serve


def main() -> None:
    """Serve until the input ends."""
    calls = (echo, power, allocate, long, refuse, stumble, die, nonsense, lie, told)
    serve({call.__name__: call for call in calls})


def echo(request: Mapping[str, Any], document: bytes) -> bytes:
    sys.stdout.write("what a library prints")
    return document


def power(request: Mapping[str, Any], document: bytes) -> bytes:
    """One number that takes hours, the interpreter locked all the while."""
    return str(10 ** int(document)).encode()


def allocate(request: Mapping[str, Any], document: bytes) -> bytes:
    return b"x" * int(document)


def long(request: Mapping[str, Any], document: bytes) -> bytes:
    return document * 100


def refuse(request: Mapping[str, Any], document: bytes) -> bytes:
    raise DownloadError("No.", hint="Try another.", code="drm")


def stumble(request: Mapping[str, Any], document: bytes) -> bytes:
    raise IndexError(document)


def die(request: Mapping[str, Any], document: bytes) -> bytes:
    os._exit(7)


def nonsense(request: Mapping[str, Any], document: bytes) -> bytes:
    """Past the stream that answers go by."""
    _outward().write(document + b"\n")
    return b""


def lie(request: Mapping[str, Any], document: bytes) -> bytes:
    _outward().write(json.dumps({"id": request["id"], "body": json.loads(document)}).encode() + b"\n")
    return b""


def told(request: Mapping[str, Any], document: bytes) -> bytes:
    """What it can see of its surroundings."""
    return json.dumps({"environment": dict(os.environ), "path": sys.path, "folder": str(Path.cwd())}).encode()


def _outward() -> Any:
    (pipe,) = (fd for fd in range(3, 20) if _is_pipe(fd) and os.get_inheritable(fd) is False and _writes(fd))
    return os.fdopen(os.dup(pipe), "wb", buffering=0)


def _is_pipe(fd: int) -> bool:
    try:
        return str(Path(f"/proc/self/fd/{fd}").readlink()).startswith(("pipe:", "socket:"))
    except OSError:
        return False


def _writes(fd: int) -> bool:
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    flags = next(line for line in lines if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_WRONLY != 0
