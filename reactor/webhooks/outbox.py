"""What waits to be delivered: bounded, and in order for each row. Pure.

Each row has a lane. While the first message of a lane waits for its next try the others of that lane wait behind it;
those of other rows go on. Of a row's progress only the latest waits.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import field

from reactor.records import dataclass

MESSAGES_MAX = 1000
BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """One notice."""

    seq: int
    """As in the journal."""
    row: int | None
    """Which row it is about; None: reactor itself."""
    body: bytes
    at: float
    """When it was told, monotonic seconds."""
    progress: bool = False
    """A later one of the same row stands for it."""


@dataclass(slots=True)
class _Lane:
    messages: deque[Message] = field(default_factory=deque)
    not_before: float = -math.inf
    tries: int = 0


class Outbox:
    """Belongs to one sender, which has one message on its way at a time."""

    def __init__(self, messages_max: int = MESSAGES_MAX, bytes_max: int = BYTES_MAX) -> None:
        self.lost = 0
        """Messages that there was no room for, or that were given up."""
        self._messages_max, self._bytes_max = messages_max, bytes_max
        self._lanes: dict[int | None, _Lane] = {}
        self._sending: Message | None = None
        self._count = self._bytes = 0

    def __len__(self) -> int:
        return self._count

    def put(self, message: Message) -> None:
        """Take one more. Without room the oldest progress goes, else the oldest message."""
        lane = self._lanes.setdefault(message.row, _Lane())
        if message.progress:
            for each in [each for each in lane.messages if each.progress and each is not self._sending]:
                self._remove(each)
        self._lanes.setdefault(message.row, lane).messages.append(message)
        self._count += 1
        self._bytes += len(message.body)
        while self._count > self._messages_max or self._bytes > self._bytes_max:
            waiting = [each for each in self._all() if each is not self._sending]
            if not waiting:
                break
            self._remove(min(waiting, key=lambda each: (not each.progress, each.seq)))
            self.lost += 1

    def next(self, now: float) -> Message | None:
        """The oldest one that may be sent at `now`, which is on its way from then on; None: there is none."""
        ready = [lane.messages[0] for lane in self._lanes.values() if lane.not_before <= now]
        self._sending = min(ready, key=lambda each: each.seq, default=None)
        return self._sending

    def next_at(self) -> float:
        """When the next one may be sent; infinity where there is none."""
        return min((lane.not_before for lane in self._lanes.values()), default=math.inf)

    def delivered(self) -> None:
        """What was on its way has arrived."""
        self._leave()

    def gave_up(self) -> None:
        """What was on its way will not arrive."""
        self._leave()
        self.lost += 1

    def failed(self, not_before: float) -> None:
        """What was on its way has not arrived; it is tried again, not before that moment."""
        assert self._sending is not None
        lane = self._lanes[self._sending.row]
        lane.not_before = not_before
        lane.tries += 1
        self._sending = None

    def tries(self) -> int:
        """How often what is on its way was tried before."""
        return self._lanes[self._sending.row].tries if self._sending is not None else 0

    @property
    def failing(self) -> bool:
        """True while something waits for its next try."""
        return any(lane.tries for lane in self._lanes.values())

    def clear(self) -> None:
        """Give all of them up."""
        self.lost += self._count
        self._lanes.clear()
        self._sending, self._count, self._bytes = None, 0, 0

    def _leave(self) -> None:
        assert self._sending is not None
        message, self._sending = self._sending, None
        self._remove(message)
        lane = self._lanes.get(message.row)
        if lane is not None:
            lane.not_before, lane.tries = -math.inf, 0

    def _remove(self, message: Message) -> None:
        lane = self._lanes[message.row]
        lane.messages.remove(message)
        if not lane.messages:
            del self._lanes[message.row]
        self._count -= 1
        self._bytes -= len(message.body)

    def _all(self) -> Iterator[Message]:
        for lane in self._lanes.values():
            yield from lane.messages
