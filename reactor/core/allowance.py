"""MAX_FILE_SIZE_MIB, `max_mib` and MIN_FREE_DISK_MIB for transfers of unknown size: how many bytes may arrive before
aria2 is asked again and the disk is measured.

aria2 is asked every PROGRESS_INTERVAL, and a fast line brings gigabytes in between. So the guard, which all of them
pass, lets only so many through that no download gets more than SLACK too large, and waits; then aria2 is asked what
they were for, again until that stands still, and as many more may come. Its own count decides nothing: what is fetched
twice, heads and the layers of TLS pass it too; but what is on its way from it to aria2 must not be taken for these.
Where aria2 does not use the guard it is asked the oftener the nearer the limit is.
"""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.context import Commands, Context
from reactor.core.job import IN_TRANSFER, STOPPING, Job, State, Transfer
from reactor.core.quotas import MIB
from reactor.core.steps.window import ask

SLACK = 4 * MIB
"""What a download may get too large before that is seen."""
RATE_MAX = 1200 * MIB
"""Bytes/s of the fastest line that is reckoned with: 10 Gbit."""
PAUSE_MIN_S, PAUSE_MAX_S = 0.05, 5.0
OVER = STOPPING | {State.OUT_OF_SPACE, State.RENEWING, State.FENCED}
"""What these have in aria2 may go on until it is removed."""


class Allowance:
    """What may come for all downloads together: for that one to get too large that has least left."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kept = context.limits.quotas.min_free_disk
        self._fits: int | None = None
        """Bytes that may have passed when no more has to be free on the disk than has to stay free."""
        self._passed = 0
        """Bytes that had passed the guard when it was heard of last."""
        self._told: int | None = None
        """What the guard was told last."""
        self._used = False
        self.due_at: float | None = None

    def follow(self, event: events.Event) -> Commands:
        """Something has happened: see what may come now."""
        if not self._kept and self._told is None and not any(map(self._limit, self._context.jobs.values())):
            return []
        return [*self._heard(event), *self._renew()]

    def _heard(self, event: events.Event) -> Commands:
        match event:
            case events.AllowanceUsed():
                self._passed, self._used = event.passed, True
                for job in self._fetching():
                    job.progress.settled = None
                return [*self._ask(), *([commands.MeasureDisk()] if self._kept else [])]
            case events.DiskMeasured() if self._kept and event.free is not None:
                self._fits = self._passed + max(SLACK, event.free - self._kept)
            case events.TransfersAdded() if self._used:
                return self._ask()
            case events.TransfersReported():
                return self._reported(event)
            case events.TimePassed() if self.due_at is not None and self._context.now >= self.due_at:
                return self._ask()
        return []

    def _limit(self, job: Job) -> int:
        """Bytes that it may have; 0: as many as it likes."""
        return self._context.limits.quotas.of(job.options).max_file_size

    def _fetching(self) -> list[Job]:
        return [job for job in self._context.jobs.values() if job.state in IN_TRANSFER]

    def _ask(self) -> Commands:
        self.due_at = None
        if not self._context.connected:
            return []
        return ask([transfer for job in self._fetching() if _open(job) for transfer in job.progress.askable])

    def _reported(self, event: events.TransfersReported) -> Commands:
        """All that had passed when aria2 was asked is in what it says of a job, if it was asked for the whole of it,
        and while the guard waits if it says the same twice. What peers send never stands still."""
        self._passed = max(self._passed, event.passed)
        gids, moving = {report.gid for report in event.reports}, False
        for job in self._fetching():
            progress = job.progress
            if not all(transfer.live_gid in gids for transfer in progress.given.values()):
                continue
            before, progress.settled = progress.settled, progress.weight
            if not self._used or job.torrent or before == progress.weight:
                progress.passed = event.passed
            else:
                moving = moving or _open(job)
        return self._ask() if moving else []

    def _renew(self) -> Commands:
        open_jobs = [job for job in self._context.jobs.values() if _open(job)]
        for job in open_jobs:
            if job.progress.passed is None or not job.progress.given:
                job.progress.passed = self._passed
        limited = [(limit, job.progress) for job in open_jobs if (limit := self._limit(job))]
        left = [limit + SLACK + (each.passed or 0) - each.weight for limit, each in limited]
        left += [self._fits] if open_jobs and self._fits is not None else []
        until = min(left, default=None)
        self._pace(open_jobs)
        if until == self._told:
            return []
        self._told = until
        self._used = self._used and until is not None and until <= self._passed
        return [commands.Allow(until)]

    def _pace(self, jobs: list[Job]) -> None:
        """When to ask what does not pass the guard."""
        lefts = [limit + SLACK - job.progress.weight for job in jobs if (limit := self._limit(job))]
        if self._context.limits.embedded or not lefts or not self._context.connected:
            self.due_at = None
            return
        left = min(lefts)
        due_at = self._context.now + min(PAUSE_MAX_S, max(PAUSE_MIN_S, left / RATE_MAX))
        self.due_at = due_at if self.due_at is None else min(self.due_at, due_at)


def _open(job: Job) -> bool:
    """True when it may still turn out to be larger than anybody knows: until nothing of it comes any more."""
    if job.state in OVER:
        return not job.teardown.removed
    return job.state in IN_TRANSFER and any(_unsure(transfer) for transfer in job.progress.given.values())


def _unsure(transfer: Transfer) -> bool:
    return not (transfer.size_reported and transfer.total)
