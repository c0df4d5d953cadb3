"""Whether there is room on the disk: for what begins, for what turns out to be larger, and for everybody else.

While there is none nothing is begun, and what is under way waits. Who has taken the room decides what becomes of it:

    it is larger than all the room there is, and what it holds itself     it fails, and its partial file goes
    there is room, but others under way have been promised it             it waits
    it grew, nobody knew how far, and fills the disk by itself            it gives up its partial file, and a retry
    somebody else has filled the disk                                     all wait, what was fetched is kept

A look tells how much is free; only when that is too little for somebody a second one measures what each row holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reactor import notices
from reactor.core import commands, events
from reactor.core.flow import Flow
from reactor.core.job import Job, State
from reactor.core.quotas import MIB, ROOM_MIN
from reactor.errors import Failure

INTERVAL_S = 5.0
"""How often it is looked at while it is full."""
FRESH_S = 1.0
"""What was seen of it is believed for so long when something is to begin."""
NO_ROOM = Failure("no_space", "There is not enough room on the disk.", "It goes on when some was freed.", True)
CROWDED = Failure(
    "no_space", "The disk has no room for this while others are being downloaded.", "It begins after them.", True
)
OUTGROWN = Failure("no_space", "It has filled the disk, and what was there of it had to go.", None, True)
FREE_SOME = "Free some space, then ask for it again."
HOLDING = (State.FETCHING, State.FINISHING, State.STOPPING)


class Disk:
    """What is known of it."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._kept = flow.limits.quotas.min_free_disk
        self._needed = max(self._kept, ROOM_MIN)
        self.full = False
        self.due_at: float | None = None
        self._seen_at: float | None = None
        self._looking = False

    @property
    def has_room(self) -> bool:
        """True when something may begin, as far as is known."""
        return not self.full and not self._flow.room_doubted and self._fresh

    @property
    def _fresh(self) -> bool:
        """True when what is known of it is news, or nothing has to be known."""
        return not self._kept or (self._seen_at is not None and self._flow.now - self._seen_at < FRESH_S)

    def refresh(self) -> None:
        """Something may be to begin: see whether there is room, unless that is known."""
        if not self._fresh and not self._looking:
            self.look()

    def look(self) -> None:
        """Have somebody look at it, where some of it has to stay free."""
        if self.full or self._kept:
            self._looking = True
            self._flow.out.append(commands.MeasureDisk())

    def time_passed(self) -> None:
        """Look again while it is full."""
        if self.due_at is not None and self._flow.now >= self.due_at:
            self.due_at = None
            self.look()

    def seen(self, seen: events.DiskMeasured, jobs: Collection[Job]) -> bool:
        """Take in what was seen, and stop what has no room. True when there is room again."""
        had_room = self.has_room
        self._looking, self._seen_at = False, self._flow.now
        holding = [job for job in jobs if job.state in HOLDING]
        if seen.free is None:
            self._unseen(holding)
        elif seen.held is None and self._doubtful(seen.free, holding):
            self._flow.room_doubted = True
            self._flow.out.append(commands.MeasureDisk(tuple(job.id for job in holding)))
            return False
        else:
            self._judge(seen.free, dict(seen.held or ()), holding)
        self._flow.room_doubted = False
        for job in holding:
            job.weighing = False
            if job.state is State.FETCHING:
                self._flow.add(job)
        self.due_at = self._flow.now + INTERVAL_S if self.full else None
        return self.has_room and not had_room

    def _unseen(self, holding: Collection[Job]) -> None:
        """Only aria2 can tell, by failing."""
        for job in holding:
            job.weighed = job.wanted
            if job.roomless is not None and job.state is not State.STOPPING:
                self._flow.end(job, job.roomless)

    def _doubtful(self, free: int, holding: Collection[Job]) -> bool:
        """True when it matters who holds what."""
        left = sum(max(0, (_size(job) or 0) - job.fetched) for job in holding)
        short = free < self._needed or left > free - self._kept
        return bool(holding) and (short or any(job.roomless is not None for job in holding))

    def _judge(self, free: int, held: Mapping[int, int], holding: Collection[Job]) -> None:
        going = sum(held.get(job.id, 0) for job in holding if job.ending is not None and job.ending.discard)
        working = [job for job in holding if job.state is not State.STOPPING]
        short = self._needed - free - going
        growing = sorted(
            (job for job in working if job.state is State.FETCHING and job.wanted in (None, 0) and held.get(job.id)),
            key=lambda job: held[job.id],
            reverse=True,
        )
        given = 0
        if 0 < short <= sum(held[job.id] for job in growing):
            for job in growing:
                if given < short:
                    given += held[job.id]
                    self._flow.end(job, OUTGROWN, own=True, discard=True)
        self._fullness(free)
        for job in working:
            if job.state is State.STOPPING:
                continue
            if given < short and (job.state is State.FETCHING or job.roomless is not None):
                self._flow.end(job, NO_ROOM)
            elif job.roomless is not None:
                self._flow.end(job, NO_ROOM if short > 0 else job.roomless, own=short <= 0)
        self._promise(free + going + given - self._kept, held, working)

    def _promise(self, room: int, held: Mapping[int, int], working: Collection[Job]) -> None:
        """Give what there is to those that had it first, and stop those that there is not enough for."""
        promised = 0
        for job in sorted(working, key=lambda job: (job.weighed is None, job.begun_at, job.id)):
            size, left = job.wanted, max(0, (_size(job) or 0) - held.get(job.id, job.fetched))
            if size is None or job.state is State.STOPPING:
                continue
            if job.state is State.FINISHING or size <= (job.weighed or 0):
                promised += left
            elif left > room:
                self._flow.end(job, _too_large(left, room))
            elif left > room - promised:
                self._flow.end(job, CROWDED)
            else:
                job.weighed = size
                promised += left

    def _fullness(self, free: int) -> None:
        was_full, self.full = self.full, free < self._needed
        if self.full and not was_full:
            self._flow.tell(notices.DiskFull(free=free, needed=self._needed))
        if was_full and not self.full:
            self._flow.tell(notices.DiskFreed(free=free))


def _size(job: Job) -> int | None:
    """What it takes until it is done: of media the parts, and what is made of them; of a track that is made of parts
    first, that too."""
    size = job.wanted
    if size is None or job.extraction is None or job.extraction.finish.how != "media":
        return size
    made = any(track.form == "concat" and track.count > 1 for track in job.extraction.finish.tracks)
    return size * (3 if made else 2)


def _too_large(left: int, room: int) -> Failure:
    needs, has = left / MIB, max(0, room) / MIB
    return Failure("no_space", f"It needs {needs:.1f} MiB of the disk, which has room for {has:.1f} MiB.", FREE_SOME)
