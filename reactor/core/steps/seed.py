"""Torrents that are served to others once their rows are done: a courtesy, which gives way to what a row wants."""

from __future__ import annotations

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Commands, Context, of
from reactor.core.job import Job, State
from reactor.core.leftovers import take_on
from reactor.core.steps import window


def reported(job: Job, event: events.TransferReported, context: Context) -> Commands:
    """What aria2 says of a torrent that was served: when it is no longer, what was kept for it goes."""
    transfer = job.progress.transfers[event.n]
    if event.report.gid != transfer.live_gid or event.report.status is events.TransferStatus.ACTIVE:
        return []
    context.unneeded_results += [gid for each in job.progress.transfers for gid in each.gids]
    return [*_over(job), commands.Discard(job.attempt, keep_result=True), commands.ForgetPlan(job.attempt)]


def notified(job: Job, event: events.TransferHeard, context: Context) -> Commands:
    """aria2 told something of it."""
    return window.ask([job.progress.transfers[event.n]])


def connected(job: Job, event: events.Aria2Back, context: Context) -> Commands:
    """aria2 can be asked again."""
    return window.ask(job.progress.transfers)


def superseded(job: Job, event: events.Superseded, context: Context) -> Commands:
    """Its row is wanted again, or another row wants the same torrent: serve it to nobody any more. Its files stay."""
    return [*_over(job), *clear_up(job, context)]


def clear_up(job: Job, context: Context) -> Commands:
    """What its attempt may have left in aria2 and of its plan goes; its files stay."""
    return take_on(events.Leftover(job.attempt, len(job.progress.transfers), keep_result=True), context)


def _over(job: Job) -> Commands:
    job.state = State.ENDED
    return [commands.Tell(notices.SeedingEnded(**of(job)))]
