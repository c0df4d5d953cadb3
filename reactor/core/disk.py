"""Whether there is room on the disk. While there is none nothing is begun, and what is under way waits."""

from __future__ import annotations

from collections.abc import Iterable

from reactor import notices
from reactor.core import commands
from reactor.core.flow import Flow
from reactor.core.job import Job, State
from reactor.errors import Failure

INTERVAL_S = 5.0
"""How often it is looked at while it is full."""
ROOM_MIN = 16 * 1024 * 1024
"""With less room than this a disk is full, whatever the settings say."""
NO_ROOM = Failure("no_space", "There is not enough room on the disk.", "It goes on when some was freed.", True)


class Disk:
    """What is known of it."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._needed = max(flow.limits.quotas.min_free_disk, ROOM_MIN)
        self.full = False
        self.due_at: float | None = None

    @property
    def has_room(self) -> bool:
        """True when something may begin, as far as is known."""
        return not self.full and not self._flow.room_doubted

    def look(self) -> None:
        """Have somebody look at it, where some of it has to stay free."""
        if self.full or self._flow.limits.quotas.min_free_disk:
            self._flow.out.append(commands.LookAtDisk())

    def time_passed(self) -> None:
        """Look again while it is full."""
        if self.due_at is not None and self._flow.now >= self.due_at:
            self.due_at = None
            self.look()

    def seen(self, free: int | None, jobs: Iterable[Job]) -> bool:
        """Take in what was seen, and stop what has no room. True when there is room again."""
        had_room, was_full = self.has_room, self.full
        self._flow.room_doubted = False
        if free is not None:
            self.full = free < self._needed
            if self.full and not was_full:
                self._flow.tell(notices.DiskFull(free=free, needed=self._needed))
            if was_full and not self.full:
                self._flow.tell(notices.DiskFreed(free=free))
        self.due_at = self._flow.now + INTERVAL_S if self.full else None
        for job in jobs:
            if self.full and job.state is State.FETCHING:
                self._flow.fail(job, NO_ROOM)
        return self.has_room and not had_room
