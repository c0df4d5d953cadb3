"""Slices: who has had a slot for long enough gives it up to another owner that waits, and goes on later where it was.

A row yields when it has had its slot for `slice_s` in this attempt, an owner waits that has had less and has fewer
slots, what came in this attempt stays, and it comes at a pace at which it may go on: what stands still is a matter of
its retries. A slot that nobody else wants is not taken away, and what cannot go on where it was is never cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from reactor.core import commands
from reactor.core.admission import free_slots, in_slots
from reactor.core.context import Commands, Context, Limits
from reactor.core.job import IN_TRANSFER, Attempt, End, Job, State, Transfer
from reactor.core.stalls import flows
from reactor.core.steps import window
from reactor.core.turns import Account

STAKE = 4
"""A cut may lose this part of what the attempt has brought, at most: so each slice brings it further."""
ALMOST = 10
"""What will be over within this part of a slice, as fast as it comes now, may have that much longer."""


class Slices:
    """What rows have had of their slots, and which of them gives way."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._over: frozenset[Attempt] = frozenset()
        """Those whose slice is over, as it was found when that moment came."""
        self._contended = False
        """True when such a one had a slot, and somebody waited, when the rows were polled last."""

    @property
    def due_at(self) -> float | None:
        """When the next slice is over."""
        ends = [self._ends_at(job) for job in self._in_slots() if job.attempt not in self._over]
        return min((end for end in ends if end is not None), default=None)

    def time_passed(self) -> bool:
        """Whether a slice is over: it is time to see who waits."""
        now = self._context.now
        over = {job.attempt for job in self._in_slots() if (end := self._ends_at(job)) is not None and now >= end}
        before, self._over = self._over, frozenset(over)
        return not over <= before

    def moved(self) -> bool:
        """Whether it is time to see once more who waits: those that have had their slices came further."""
        return self._contended

    def spent(self) -> tuple[str | None, ...]:
        """The owners of rows that could give way."""
        return tuple(dict.fromkeys(job.owner for job in self._in_slots() if self._could(job)))

    def polled(self, accounts: Collection[Account]) -> None:
        """Say to the one that gives way next that it does, if one does. A slot is on its way while another one does."""
        jobs, tags = self._context.jobs.values(), {account.owner: account.tag for account in accounts}
        waiting = [account for account in accounts if account.waits]
        owners = {job.owner for job in self._in_slots() if self._could(job)}
        self._contended = any(owners - {account.owner} for account in waiting)
        # Rows of nobody are charged, too, as soon as somebody waits.
        self._context.shared |= any(account.owner is not None for account in waiting)
        gives_way = None if any(_yields(job) for job in jobs) else self._next(waiting, tags)
        for job in jobs:
            job.outdone = job is gives_way

    def charges(self, decided: Commands) -> Commands:
        """The time that rows have had a slot, with what is written anyway."""
        if not self._context.shared:
            return []
        last = {commands.attempt_of(each) for each in decided if commands.Timing.LAST in each.timing}
        progress = any(isinstance(each, commands.SaveProgress) for each in decided)
        if not last and not progress:
            return []
        out, jobs = Commands(), self._context.jobs.values()
        taken = {job.id for job in in_slots(self._context.limits.slow_max, jobs)}
        for job in jobs:
            if job.attempt in last or (progress and job.state is not State.SEEDING):
                seconds, job.charged_at = self._context.now - job.charged_at, self._context.now
                seconds = max(0.0, seconds) if job.id in taken else 0.0
                job.charged_s += seconds
                size = max(0, job.progress.gained - job.charged_bytes) if self._context.limits.caps.daily else 0
                job.charged_bytes += size
                if seconds or size:
                    out.append(commands.ChargeOwner(job.attempt, job.owner, seconds, size))
        return out

    def _in_slots(self) -> list[Job]:
        limits = self._context.limits
        return in_slots(limits.slow_max, self._context.jobs.values()) if limits.slice_s else []

    def _ends_at(self, job: Job) -> float | None:
        """When the slice of one that has a slot is over."""
        slice_s = self._context.limits.slice_s
        if job.state not in IN_TRANSFER or job.recording:
            return None
        return job.charged_at + slice_s - job.charged_s

    def _could(self, job: Job) -> bool:
        """True when its slice is over, and another row could have its slot."""
        limits, ends = self._context.limits, self._ends_at(job)
        if ends is None or self._context.now < ends or job.plan.begun_anew or window.single_of(job):
            return False
        others = [other for other in self._context.jobs.values() if other is not job]
        return free_slots(limits.concurrent, limits.slow_max, others) > 0

    def _next(self, waiting: Collection[Account], tags: dict[str | None, float]) -> Job | None:
        """Of those that can give way, that of the owner who has had most."""
        limits, now, jobs = self._context.limits, self._context.now, self._in_slots()
        slots = Counter(job.owner for job in jobs)
        found = [
            job
            for job in jobs
            if job.owner in tags
            and any(each.tag < tags[job.owner] and slots[each.owner] < slots[job.owner] for each in waiting)
            and self._could(job)
            and may_yield(job, limits, now)
        ]
        return max(found, key=lambda job: (tags[job.owner], used(job, now), -job.id), default=None)


def used(job: Job, now: float) -> float:
    """For how many seconds it has had its slot in this attempt."""
    return job.charged_s + max(0.0, now - job.charged_at)


def may_yield(job: Job, limits: Limits, now: float) -> bool:
    """True when it can be cut now: what it brought stays, and it is not to be blamed for its pace."""
    progress = job.progress
    at_stake = sum(each.completed for each in progress.given.values() if not _stays(job, each))
    if not progress.gained or at_stake * STAKE > progress.gained or not flows(job, limits.min_speed, now):
        return False
    left, speed = (progress.wanted or 0) - progress.fetched, sum(each.speed for each in progress.given.values())
    grace = limits.slice_s / ALMOST
    almost = progress.wanted is not None and left <= speed * grace
    return not almost or used(job, now) >= limits.slice_s + grace


def _stays(job: Job, transfer: Transfer) -> bool:
    """True when a transfer goes on where it was: its bytes are known to be the same, and its server sends parts."""
    fetch = transfer.fetch
    if fetch.torrent is not None:
        return not transfer.describes
    same = bool(fetch.validator or fetch.checksum) or len(job.progress.transfers) > 1
    return same and (fetch.ranges or transfer.ranged)


def _yields(job: Job) -> bool:
    return job.teardown.ending is not None and job.teardown.ending.end is End.YIELDED
