"""What a library logs, and what breaks where nobody waits for it: one bounded sentence each on stderr, and not more
than a person would read. Nothing here ever waits for whoever reads stderr."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from reactor.journal.background_writer import complain
from reactor.journal.format import clean
from reactor.net.credentials import redact_text

LINES_MAX, PERIOD_S = 10, 60.0
"""So many lines in that time; how many more there were is said afterwards."""
CHARS_MAX = 300


class Complaints(logging.Handler):
    """A handler for the root logger: asyncio and uvicorn would print whole tracebacks, as often as a stranger likes."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._began = float("-inf")
        self._told = self._held = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, or count it."""
        now = time.monotonic()
        if now - self._began > PERIOD_S:
            if self._held:
                complain(f"{self._held} more complaints of that kind were held back.")
            self._began, self._told, self._held = now, 0, 0
        if self._told == LINES_MAX:
            self._held += 1
            return
        self._told += 1
        complain(_sentence(record))


@contextmanager
def complaining() -> Iterator[None]:
    """What is logged within the block is told so."""
    handler, root = Complaints(), logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


def _sentence(record: logging.LogRecord) -> str:
    what = (record.getMessage().strip().splitlines() or [record.name])[0].rstrip(".")
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        what += f": {type(error).__name__}: {error}{_place(error)}"
    return clean(redact_text(what), CHARS_MAX) + "."


def _place(error: BaseException) -> str:
    """Where it was raised, for whoever looks into it."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
