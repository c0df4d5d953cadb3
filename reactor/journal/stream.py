"""A file descriptor to write lines to, without a buffer that could hold anything back or be lost."""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path

from reactor.errors import SettingsError
from reactor.files.private import open_private

STDOUT = 1
STDERR = 2


class Stream:
    """As much of a text file as rich needs. `write` raises OSError when the reader is gone."""

    encoding = "utf-8"

    def __init__(self, fd: int, *, own: bool = False, torn: bool = False) -> None:
        """Write to `fd`, and close it at the end when it is our own. `torn`: what is there ends within a line."""
        self._fd = fd
        self._own = own
        self._torn = torn
        self.lasting = _is_file(fd)
        """True for a regular file: a full disk passes. A pipe or terminal that is gone does not come back."""

    def write(self, text: str) -> int:
        """Write all of `text`, however many calls it takes."""
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        if self._torn:  # an earlier line ended in the middle: this one must not be glued to it
            rest = memoryview(b"\n" + rest.tobytes())
        size = len(rest)
        try:
            while rest:
                rest = rest[_write(self._fd, rest) :]
        finally:
            self._torn = 0 < len(rest) < size or (self._torn and bool(rest))
        return len(text)

    def flush(self) -> None:
        """Nothing is ever held back."""

    def isatty(self) -> bool:
        """True on a terminal."""
        return is_terminal(self._fd)

    def fileno(self) -> int:
        """The descriptor, for asking the size of the terminal."""
        return self._fd

    def close(self) -> None:
        """Close the descriptor if it is our own."""
        if self._own:
            os.close(self._fd)


def _write(fd: int, data: memoryview) -> int:
    """Write some of it. A descriptor that does not block (whoever else holds it may have set that) is waited for."""
    while True:
        try:
            return os.write(fd, data)
        except BlockingIOError:
            writable(fd, None)


def writable(fd: int, wait_s: float | None) -> bool:
    """True when `fd` takes something, or says what is wrong with it, within `wait_s` (None: whenever)."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(None if wait_s is None else wait_s * 1000))


def open_stream(path: Path, what: str = "The events") -> Stream:
    """Open `path` for appending, made if missing. Raises SettingsError, which calls what is written `what`.

    A named pipe is opened for both directions, so that its reader may come and go."""
    try:
        piped = stat.S_ISFIFO(path.stat().st_mode) if path.exists() else False
        flags = os.O_RDWR if piped else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return Stream(open_private(path, flags | os.O_NOCTTY), own=True, torn=_is_torn(path))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"{what} cannot be written to {path}: {why}.", hint="Name a file in a folder that exists."
        ) from error


def _is_torn(path: Path) -> bool:
    """True for a file whose last line has no end: whoever wrote it was killed, or its disk was full."""
    if not path.is_file() or not path.stat().st_size:
        return False
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except PermissionError:  # it may be written and not read: an empty line does no harm
        return True


def is_terminal(fd: int) -> bool:
    """True when `fd` is an open terminal."""
    try:
        return os.isatty(fd)
    except OSError:
        return False


def _is_file(fd: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        return False
