"""Writes journal entries in a thread, so that a slow, stalled or absent reader never blocks the event loop.

Entries wait in a bounded queue. When it is full, the oldest progress entry is dropped, else the oldest entry; a line in
their place has the number of lost entries. The thread is a daemon thread, so a reader that never reads cannot keep the
process from ending.
"""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType
from typing import Protocol, Self

from reactor.journal.stderr_log import write_stderr
from reactor.notices import DownloadProgressed, EntriesLost, Entry

WAITING_MAX = 10_000
"""Most entries in the queue."""
LINGER_S = 0.01
"""After a wake-up the thread waits this long, so that a burst costs one turn."""
CLOSE_S = 2.0
"""How long the end of a run waits for the reader to take the rest."""


class Renderer(Protocol):
    """Renders entries to some output. Runs in the writer's thread only, so it may block."""

    def show(self, entry: Entry) -> None:
        """Write one entry. An OSError means it was not written."""

    @property
    def lasting(self) -> bool:
        """True when the next entry may succeed after an OSError (a full disk), False when the reader is gone."""

    def close(self) -> None:
        """Write the rest and release the output."""


class BackgroundWriter:
    """Feeds `renderer` from a thread. `name` names the output in error messages."""

    def __init__(self, renderer: Renderer, name: str, *, waiting_max: int = WAITING_MAX) -> None:
        self.dropped = 0
        """Entries that were never written."""
        self._renderer = renderer
        self._name = name
        self._waiting_max = waiting_max
        self._progress: deque[Entry] = deque()
        self._others: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._idle = False
        """True while the thread sleeps and has to be woken."""
        self._thread = threading.Thread(target=self._serve, name=f"journal: {name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def offer(self, entry: Entry) -> None:
        """Queue `entry` and return at once. The sink to give to a Journal."""
        lane = self._progress if isinstance(entry.notice, DownloadProgressed) else self._others
        with self._changed:  # held for a few instructions only, never during a write
            if len(self._progress) + len(self._others) >= self._waiting_max:
                (self._progress or self._others).popleft()
                self.dropped += 1
            lane.append(entry)
            if self._idle:
                self._idle = False
                self._changed.notify()

    def close(self, wait_s: float = CLOSE_S) -> None:
        """Wait up to `wait_s` for the reader to take the rest, and report lost entries. Idempotent."""
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify()
        self._thread.join(wait_s)
        lost = self.dropped + len(self._progress) + len(self._others)
        if lost:
            write_stderr(f"{lost} entries were lost on the way to {self._name}.")

    def _serve(self) -> None:
        quiet, expected = False, 1
        while (entry := self._take()) is not None:
            if quiet and not self._renderer.lasting:
                self.dropped += 1
                continue
            try:
                if entry.seq > expected:
                    lost = EntriesLost(count=entry.seq - expected)
                    self._renderer.show(Entry(seq=entry.seq - 1, at=entry.at, notice=lost))
                    expected = entry.seq
                self._renderer.show(entry)
                quiet, expected = False, entry.seq + 1
            except OSError as error:
                self.dropped += 1
                if not quiet:
                    write_stderr(f"cannot write to {self._name}: {error.strerror or error}.")
                quiet = True
        if not quiet:
            self._close_renderer()

    def _take(self) -> Entry | None:
        """The next entry in the order told; None when closing and nothing is left."""
        with self._changed:
            while not (self._progress or self._others):
                if self._closing:
                    return None
                self._idle = True
                self._changed.wait()
                self._idle = False
                if not self._closing:
                    self._changed.wait(LINGER_S)
            lanes = [lane for lane in (self._progress, self._others) if lane]
            return min(lanes, key=lambda lane: lane[0].seq).popleft()

    def _close_renderer(self) -> None:
        try:
            self._renderer.close()
        except OSError as error:
            write_stderr(f"cannot write to {self._name}: {error.strerror or error}.")
