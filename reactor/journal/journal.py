"""Numbers and timestamps every notice and hands it to each sink."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from reactor.notices import Entry, Notice

Sink = Callable[[Entry], None]
"""Takes one entry; must neither block nor raise. `BackgroundWriter.offer` is one."""


class Journal:
    """Hands each notice to every sink, in the order told. Belongs to one thread: the event loop's.

    `now` gives seconds since the epoch."""

    def __init__(self, sinks: Iterable[Sink] = (), *, now: Callable[[], float]) -> None:
        self._sinks = tuple(sinks)
        self._now = now
        self._seq = 0

    def tell(self, notice: Notice) -> None:
        """Record `notice`. Never blocks."""
        self._seq += 1
        entry = Entry(seq=self._seq, at=moment(self._now()), notice=notice)
        for sink in self._sinks:
            sink(entry)


def moment(epoch_s: float) -> str:
    """ISO 8601 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
