"""MAX_FILE_SIZE_MIB and MIN_FREE_DISK_MIB for transfers of unknown size: how many bytes may arrive before aria2 is
asked again and the disk is measured.

aria2 is asked every PROGRESS_INTERVAL, and a fast line brings gigabytes in between. So the guard, which all of them
pass, lets only so many through that no download gets more than SLACK too large, and waits; then aria2 is asked what
they were for, and as many more may come. Its own count decides nothing: what is fetched twice, heads and the layers of
TLS pass it too. Where aria2 does not use the guard it is asked the oftener the nearer the limit is.
"""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.flow import Flow
from reactor.core.job import Job, State, Transfer
from reactor.core.quotas import MIB

SLACK = 4 * MIB
"""What a download may get too large before that is seen; what is on its way inside this machine comes on top."""
RATE_MAX = 1200 * MIB
"""Bytes/s of the fastest line that is reckoned with: 10 Gbit."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.05, 5.0


class Allowance:
    """What may come for all downloads together: for that one to get too large that has least left."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._limit = flow.limits.quotas.max_file_size
        self._kept = flow.limits.quotas.min_free_disk
        self._fits: int | None = None
        """Bytes that may have passed when no more has to be free on the disk than has to stay free."""
        self._passed = 0
        """Bytes that had passed the guard when it was heard of last."""
        self._told: int | None = None
        """What the guard was told last."""
        self._used = False
        self.due_at: float | None = None

    def follow(self, event: events.Event) -> None:
        """Something has happened: look what may come now."""
        if not self._limit and not self._kept:
            return
        match event:
            case events.AllowanceUsed():
                self._passed, self._used = event.passed, True
                self._ask()
                self._flow.out += [commands.MeasureDisk()] if self._kept else []
            case events.DiskMeasured() if self._kept and event.free is not None:
                self._fits = self._passed + max(SLACK, event.free - self._kept)
            case events.TransfersAdded() if self._used:
                self._ask()
            case events.TransfersReported():
                self._reported(event)
            case events.TimePassed() if self.due_at is not None and self._flow.now >= self.due_at:
                self._ask()
        self._renew()

    def _fetching(self) -> list[Job]:
        return [job for job in self._flow.jobs.values() if job.state is State.FETCHING]

    def _ask(self) -> None:
        self.due_at = None
        if self._flow.connected:
            self._flow.ask([transfer for job in self._fetching() if _open(job) for transfer in job.askable])

    def _reported(self, event: events.TransfersReported) -> None:
        """All that had passed when aria2 was asked is in what it says of a job, if it was asked for the whole of it."""
        self._passed = max(self._passed, event.passed)
        gids = {report.gid for report in event.reports}
        for job in self._fetching():
            if all(transfer.live_gid in gids for transfer in job.given.values()):
                job.passed = event.passed

    def _renew(self) -> None:
        open_jobs = [job for job in self._flow.jobs.values() if _open(job)]
        for job in open_jobs:
            if job.passed is None or not job.given:
                job.passed = self._passed
        left = [(job.passed or 0) + self._limit + SLACK - job.weight for job in open_jobs] if self._limit else []
        left += [self._fits] if open_jobs and self._fits is not None else []
        until = min(left, default=None)
        if until != self._told:
            self._told = until
            self._used = self._used and until is not None and until <= self._passed
            self._flow.out.append(commands.Allow(until))
        self._pace(open_jobs)

    def _pace(self, jobs: list[Job]) -> None:
        """When to ask what does not pass the guard."""
        if self._flow.limits.guarded or not self._limit or not jobs or not self._flow.connected:
            self.due_at = None
            return
        left = min(self._limit + SLACK - job.weight for job in jobs)
        due_at = self._flow.now + min(PAUSE_MAX_S, max(PAUSE_MIN_S, left / RATE_MAX))
        self.due_at = due_at if self.due_at is None else min(self.due_at, due_at)


def _open(job: Job) -> bool:
    """True when it may still turn out to be larger than anybody knows: until nothing of it comes any more."""
    if job.state is State.STOPPING:
        return not job.removed
    return job.state is State.FETCHING and any(_unsure(transfer) for transfer in job.given.values())


def _unsure(transfer: Transfer) -> bool:
    return not (transfer.told and transfer.total)
