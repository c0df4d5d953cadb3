"""Lines on stderr: reactor's own, and library logging as one short line per record, rate-limited. None blocks."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from reactor.journal.stream import writable

LINES_MAX, PERIOD_S = 10, 60.0
"""Rate limit: lines per period. The number of suppressed lines is reported afterwards."""
CHARS_MAX = 300


def write_stderr(line: str, wait_s: float = 0) -> None:
    """Write one line to stderr, straight to the descriptor. A closed stderr is ignored; a full pipe is waited for, for
    `wait_s` at most."""
    try:
        fd = sys.__stderr__.fileno() if sys.__stderr__ else 2
        if writable(fd, wait_s):  # a writable pipe takes PIPE_BUF bytes, more than any of our lines
            os.write(fd, f"reactor: {line}\n".encode(errors="backslashreplace"))
    except (OSError, ValueError):
        return


class StderrLog(logging.Handler):
    """A handler for the root logger: asyncio and uvicorn print whole tracebacks, as often as a client provokes them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._began = float("-inf")
        self._told = self._held = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record, or count it as suppressed."""
        now = time.monotonic()
        if now - self._began > PERIOD_S:
            if self._held:
                write_stderr(f"{self._held} more log lines were suppressed.")
            self._began, self._told, self._held = now, 0, 0
        if self._told == LINES_MAX:
            self._held += 1
            return
        self._told += 1
        write_stderr(_sentence(record))


@contextmanager
def logged_to_stderr() -> Iterator[None]:
    """Print log records to stderr within the block."""
    handler, root = StderrLog(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _sentence(record: logging.LogRecord) -> str:
    from reactor.journal.format import clean  # with all notices, of which most commands tell none
    from reactor.net.credentials import redact_text

    what = (record.getMessage().strip().splitlines() or [record.name])[0].rstrip(".")
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        what += f": {type(error).__name__}: {error}{_place(error)}"
    return clean(redact_text(what), CHARS_MAX) + "."


def _place(error: BaseException) -> str:
    """Where it was raised: ` (file:line)`."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
