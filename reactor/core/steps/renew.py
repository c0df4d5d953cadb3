"""Renewal: the URLs that an extractor found have expired, and the page is asked for new ones.

It happens within the attempt: its slot, its files and what is whole of them stay, and it costs no retry. Links that
bring no byte end it after a few times. The transfers leave aria2 first, for the new ones have the same gids.
"""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.context import Commands, Context
from reactor.core.job import IN_TRANSFER, Job, State, TransferState
from reactor.core.retry import UNTOLD
from reactor.core.steps import teardown
from reactor.errors import Failure
from reactor.models import Kind, Stage

EXPIRED = frozenset({"forbidden", "not_found", "needs_login"})
"""What a server says when the URL that an extractor found has expired, or the headers that it found beside it."""
EXTRACTED = frozenset({Kind.YTDLP, Kind.PLAYWRIGHT})
RENEWALS_MAX = 3
"""How often in a row URLs are renewed of which no byte comes."""


def renewable(job: Job, failure: Failure) -> bool:
    """True when new URLs may help."""
    expired = failure.code in EXPIRED or failure == UNTOLD
    within = job.budget.renewals < RENEWALS_MAX and not job.in_vain(failure)
    return expired and within and job.kind in EXTRACTED and job.state in IN_TRANSFER


def renew_or_fail(job: Job, failure: Failure, context: Context) -> Commands:
    """Ask for new URLs, or end the attempt where they would not help."""
    if not renewable(job, failure):
        return teardown.fail(job, failure, context)
    job.state = State.RENEWING
    job.budget.renewals += 1
    job.budget.hold_until = None
    return [commands.StopWork(job.attempt), *teardown.remove(job, context)]


def removed(job: Job, event: events.TransfersRemoved, context: Context) -> Commands:
    """aria2 has nothing of it any more: extract again, and go on with the files that are there."""
    plan, progress, detection = job.plan, job.progress, job.plan.detection
    context.disown(job)
    whole = (transfer.n for transfer in progress.transfers if transfer.state is TransferState.DONE)
    plan.complete_parts = frozenset(whole) if len(progress.transfers) > 1 else frozenset()
    plan.carried = {each.n: (each.completed, each.total) for each in progress.transfers if each.completed}
    plan.previous_plan, plan.extraction, plan.has_leftovers = plan.extraction, None, True
    progress.begin([])
    job.budget.setbacks = 0
    job.teardown.removed, job.teardown.stop_by = True, None
    if detection is None:  # after a restart the plan was there at once: begin with the URL of the row
        job.state = State.DETECTING
        return [commands.SaveStage(job.attempt, Stage.DETECTING), commands.Detect(job.attempt, job.url)]
    job.state, plan.tried = State.EXTRACTING, [(detection.kind, detection.url)]
    return [
        commands.SaveStage(job.attempt, Stage.EXTRACTING, detection.kind),
        commands.Extract(job.attempt, detection),
    ]


def out_of_patience(job: Job, event: events.PatienceElapsed, context: Context) -> Commands:
    """aria2 has not answered: it is asked again."""
    return teardown.remove(job, context)
