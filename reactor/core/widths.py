"""How many connections a large file is fetched by: a few, and all that are allowed where these bring more.

Many servers give each connection a speed of its own, and most do not mind four. So a file begins with as many; what
they bring is measured, and if enough is left to be worth it, it gets all of them. They are taken back where that does
not bring more: where the line is full, or the server refuses them, which slows down the others too (aria2 1.36 and
1.37 go on with those that it has).
"""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.context import Commands, Context
from reactor.core.job import Job, State, TransferState, Width
from reactor.core.steps.window import ask, single_of

FEW = 4
"""Connections that a file begins with."""
BEGIN_S = 0.75
"""Until they come as fast as they will."""
MEASURE_S = 0.75
WORTH_S = 5.0
"""What will be over within this time, as fast as it comes, is left alone."""
GAIN = 1.25
"""So many times faster it has to be with all of them."""


class Widths:
    """Measures the files that are fetched, at moments of its own, and says how many connections each gets."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.due_at: float | None = None
        """When something is to be asked."""

    def follow(self, event: events.Event) -> Commands:
        """Something has happened, or it is time."""
        context, out, due = self._context, Commands(), list[float]()
        if context.limits.connections <= FEW or not context.connected:
            self.due_at = None
            return out
        is_due = self.due_at is not None and context.now >= self.due_at
        if not is_due and not isinstance(event, events.TransfersReported | events.TransfersAdded):
            return out  # nothing else begins or moves a transfer
        told = {report.gid for report in event.reports} if isinstance(event, events.TransfersReported) else set()
        for job in context.jobs.values():
            if not self._may(job):
                continue
            width = job.progress.width = job.progress.width or Width(context.now + BEGIN_S)
            if width.look_at is not None and context.now >= width.look_at:
                out += self._look(job, width, told)
            if width.look_at is not None and not width.asked:
                due.append(width.look_at)
        self.due_at = min(due, default=None)
        return out

    def _may(self, job: Job) -> bool:
        """True for a file of some size that had no trouble so far, and may come as fast as it likes."""
        if job.state is not State.FETCHING or len(job.progress.transfers) != 1 or job.recording:
            return False
        transfer = job.progress.transfers[0]
        return (
            transfer.state is TransferState.LIVE
            and transfer.fetch.torrent is None
            and transfer.adds <= 1
            and job.budget.previous_error is None
            and job.options.speed_kib is None
            and not single_of(job)
            and (transfer.size or self._context.limits.wide_bytes) >= self._context.limits.wide_bytes
        )

    def _look(self, job: Job, width: Width, told: set[str]) -> Commands:
        transfer = job.progress.transfers[0]
        if transfer.live_gid not in told:
            if width.asked:
                return []
            width.asked = True
            return ask([transfer])
        width.asked = False
        measured = width.pace.measured(transfer.completed, self._context.now, MEASURE_S)
        if measured is None:
            width.look_at = self._context.now + MEASURE_S
            return []
        return self._decide(job, width, measured[0])

    def _decide(self, job: Job, width: Width, speed: float) -> Commands:
        """One that has all of them keeps them, or not; one that has a few gets all of them, or not."""
        transfer = job.progress.transfers[0]
        if width.few is not None:
            width.look_at = None
            better = speed >= width.few * GAIN
            return [] if better else [commands.Widen(job.attempt, transfer.live_gid, FEW)]
        if not transfer.ranged or transfer.size - transfer.completed < speed * WORTH_S or not speed:
            width.look_at = None
            return []
        width.few, width.look_at = speed, self._context.now + BEGIN_S
        width.pace.since = None
        return [commands.Widen(job.attempt, transfer.live_gid, self._context.limits.connections)]
