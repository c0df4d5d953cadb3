"""Whether there is room on the disk: for what begins, for what turns out to be larger, and for everybody else.

While there is none nothing is begun, and what is under way waits. Who has taken the room decides what becomes of it:

    it is larger than all the room there is, and what it holds itself     it fails, and its partial file goes
    there is room, but others under way have been promised it             it waits
    it grew, nobody knew how far, and fills the disk by itself            it gives up its partial file, and a retry
    somebody else has filled the disk                                     all wait, what was fetched is kept

A look tells how much is free; only when that is too little for somebody a second one measures what each row holds.
"""

from __future__ import annotations

from collections.abc import Mapping

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Commands, Context
from reactor.core.job import IN_TRANSFER, STOPPING, Job, State
from reactor.core.lifecycle import advance
from reactor.core.quotas import FREE_SPACE_MIN, MIB
from reactor.errors import Failure

INTERVAL_S = 5.0
"""How often it is looked at while it is full."""
FRESH_S = 1.0
"""What was seen of it is believed for so long when something is to begin."""
NO_SPACE = Failure("no_space", "There is not enough room on the disk.", "It goes on when some was freed.", True)
CROWDED = Failure(
    "no_space", "The disk has no room for this while others are being downloaded.", "It begins after them.", True
)
OUTGROWN = Failure("no_space", "It has filled the disk, and what was there of it had to go.", None, True)
FREE_SOME = "Free some space, then ask for it again."
READY = frozenset({State.FINISHING, State.AWAITING_SPACE})
HOLDING = IN_TRANSFER | STOPPING | READY | {State.RENEWING, State.OUT_OF_SPACE}


class Disk:
    """What is known of it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kept = context.limits.quotas.min_free_disk
        self._needed = max(self._kept, FREE_SPACE_MIN)
        self.full = False
        self.due_at: float | None = None
        self._seen_at: float | None = None
        self._measuring = False

    @property
    def has_space(self) -> bool:
        """True when something may begin, as far as is known."""
        return not self.full and not self._context.space_doubted and self._fresh

    @property
    def _fresh(self) -> bool:
        """True when what is known of it is news, or nothing has to be known."""
        return not self._kept or (self._seen_at is not None and self._context.now - self._seen_at < FRESH_S)

    def refresh(self) -> Commands:
        """Something may be to begin: see whether there is space, unless that is known."""
        return self.measure() if not self._fresh and not self._measuring else []

    def measure(self) -> Commands:
        """Have it measured, where some of it has to stay free."""
        if not self.full and not self._kept:
            return []
        self._measuring = True
        return [commands.MeasureDisk()]

    def time_passed(self) -> Commands:
        """Measure it again while it is full."""
        if self.due_at is None or self._context.now < self.due_at:
            return []
        self.due_at = None
        return self.measure()

    def measured(self, seen: events.DiskMeasured) -> Commands:
        """Take in what was seen, and end what has no space."""
        self._measuring, self._seen_at = False, self._context.now
        holding = [job for job in self._context.jobs.values() if job.state in HOLDING]
        if seen.free is None:
            out = self._unseen(holding)
        elif seen.held is None and self._doubtful(seen.free, holding):
            self._context.space_doubted = True
            return [commands.MeasureDisk(tuple(job.id for job in holding))]
        else:
            out = self._judge(seen.free, dict(seen.held or ()), holding)
        self._context.space_doubted = False
        for job in holding:
            job.progress.space_asked = False
            out += advance(job, events.WindowOpened(job.attempt), self._context)
        self.due_at = self._context.now + INTERVAL_S if self.full else None
        return out

    def _end(self, job: Job, failure: Failure, *, own: bool = False, discard: bool = False) -> Commands:
        return advance(job, events.Condemned(job.attempt, failure, own, discard), self._context)

    def _unseen(self, holding: list[Job]) -> Commands:
        """Only aria2 can tell, by failing."""
        out = Commands()
        for job in holding:
            job.progress.space_checked = job.progress.wanted
            if job.state is State.OUT_OF_SPACE:
                out += self._end(job, _no_space(job))
        return out

    def _doubtful(self, free: int, holding: list[Job]) -> bool:
        """True when it matters who holds what."""
        left = sum(max(0, (_size(job) or 0) - job.progress.fetched) for job in holding)
        short = free < self._needed or left > free - self._kept
        return bool(holding) and (short or any(job.state is State.OUT_OF_SPACE for job in holding))

    def _judge(self, free: int, held: Mapping[int, int], holding: list[Job]) -> Commands:
        out = Commands()
        over = [job for job in holding if job.state in STOPPING]
        working = [job for job in holding if job.state not in STOPPING]
        going = sum(held.get(job.id, 0) for job in over if job.ending.discard)
        short = self._needed - free - going
        growing = sorted(
            (job for job in working if _grows(job) and held.get(job.id)), key=lambda job: held[job.id], reverse=True
        )
        given = 0
        if 0 < short <= sum(held[job.id] for job in growing):
            for job in growing:
                if given < short:
                    given += held[job.id]
                    out += self._end(job, OUTGROWN, own=True, discard=True)
        out += self._fullness(free)
        for job in working:
            if given < short and (job.state in IN_TRANSFER or job.state is State.OUT_OF_SPACE):
                out += self._end(job, NO_SPACE)
            elif job.state is State.OUT_OF_SPACE:
                out += self._end(job, NO_SPACE if short > 0 else _no_space(job), own=short <= 0)
        return [*out, *self._promise(free + going + given - self._kept, held, working)]

    def _promise(self, space: int, held: Mapping[int, int], working: list[Job]) -> Commands:
        """Give what there is to those that had it first, and end those that there is not enough for."""
        promised, out = 0, Commands()
        for job in sorted(working, key=lambda job: (job.progress.space_checked is None, job.begun_at, job.id)):
            size, left = job.progress.wanted, max(0, (_size(job) or 0) - held.get(job.id, job.progress.fetched))
            if size is None or job.state not in HOLDING - STOPPING:
                continue
            if job.state in READY or size <= (job.progress.space_checked or 0):
                promised += left
            elif left > space:
                out += self._end(job, _too_large(left, space))
            elif left > space - promised:
                out += self._end(job, CROWDED)
            else:
                job.progress.space_checked = size
                promised += left
        return out

    def _fullness(self, free: int) -> Commands:
        was_full, self.full = self.full, free < self._needed
        if self.full and not was_full:
            return [commands.Tell(notices.DiskFull(free=free, needed=self._needed))]
        return [commands.Tell(notices.DiskFreed(free=free))] if was_full and not self.full else []


def _grows(job: Job) -> bool:
    """True while nobody knows how large it will be."""
    return job.state in IN_TRANSFER | {State.OUT_OF_SPACE} and job.progress.wanted in (None, 0)


def _no_space(job: Job) -> Failure:
    """What it was told."""
    return job.teardown.no_space or NO_SPACE


def _size(job: Job) -> int | None:
    """What it takes until it is done: of media the parts, and what is made of them."""
    size, extraction = job.progress.wanted, job.plan.extraction
    made = extraction is not None and extraction.finish.how == "media"
    return size * 2 if made and size is not None else size


def _too_large(left: int, room: int) -> Failure:
    needs, has = left / MIB, max(0, room) / MIB
    return Failure("no_space", f"It needs {needs:.1f} MiB of the disk, which has room for {has:.1f} MiB.", FREE_SOME)
