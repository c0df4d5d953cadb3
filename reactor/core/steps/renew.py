"""Renewal: the URLs that an extractor found have expired, and the page is asked for new ones.

It happens within the attempt: its slot, its files and what is whole of them stay, and it costs no retry. Links that
bring no byte end it after a few times. The transfers leave aria2 first, for the new ones have the same gids; before
that aria2 is asked what has become of each.
"""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.context import Commands, Context
from reactor.core.job import GIVEN, IN_TRANSFER, Job, State, TransferState
from reactor.core.retry import UNTOLD
from reactor.core.steps import teardown
from reactor.errors import Failure
from reactor.models import Kind, Stage

EXPIRED = frozenset({"forbidden", "not_found", "needs_login"})
"""What a server says when the URL that an extractor found has expired, or the headers that it found beside it."""
AS_SENT = frozenset({Kind.DIRECT, Kind.TORRENT, Kind.METALINK, Kind.UNKNOWN})
"""Kinds whose URLs are the row's own: to extract once more finds the same."""
RENEWALS_MAX = 3
"""How often in a row URLs are renewed of which no byte comes."""


def renewable(job: Job, failure: Failure) -> bool:
    """True when new URLs may help."""
    expired = failure.code in EXPIRED or failure == UNTOLD
    within = job.budget.renewals < RENEWALS_MAX and not job.in_vain(failure) and not job.recording
    return expired and within and job.kind not in AS_SENT and job.state in IN_TRANSFER


def renew_or_fail(job: Job, failure: Failure, context: Context) -> Commands:
    """Ask for new URLs, or end the attempt where they would not help."""
    return begin(job, context) if renewable(job, failure) else teardown.fail(job, failure, context)


def begin(job: Job, context: Context) -> Commands:
    """Take its transfers out of aria2, to extract once more."""
    job.state = State.RENEWING
    job.budget.renewals += 1
    job.budget.hold_until = job.budget.expired = None
    out: Commands = [commands.StopWork(job.attempt)]
    if context.connected:
        out.append(commands.AskStatus(tuple(transfer.live_gid for transfer in job.progress.askable)))
    return [*out, *teardown.remove(job, context)]


def reported(job: Job, event: events.TransferReported, context: Context) -> Commands:
    """What aria2 says of a transfer before it removes it: what is whole is not fetched again, and shows that the links
    were good."""
    transfer, report = job.progress.transfers[event.n], event.report
    if transfer.state in GIVEN and report.status is events.TransferStatus.COMPLETE:
        transfer.state = TransferState.DONE
        bytes_arrived(job)
    elif report.completed > transfer.completed:
        if transfer.size_reported:
            bytes_arrived(job)
        transfer.completed, transfer.total = report.completed, report.total
    return []


def bytes_arrived(job: Job) -> None:
    """The links are good."""
    job.progress.bytes_arrived, job.budget.renewals = True, 0


def removed(job: Job, event: events.TransfersRemoved, context: Context) -> Commands:
    """aria2 has nothing of it any more: extract again, and go on with the files that are there."""
    plan, progress, detection = job.plan, job.progress, job.plan.detection
    context.disown(job)
    done = (transfer.n for transfer in progress.transfers if transfer.state is TransferState.DONE)
    plan.complete_parts = frozenset(done) - progress.missing if len(progress.transfers) > 1 else frozenset()
    plan.carried = {each.n: (each.completed, each.total) for each in progress.transfers if each.completed}
    plan.previous_plan, plan.extraction, plan.has_leftovers = plan.extraction, None, True
    progress.begin([])
    job.budget.setbacks = 0
    job.teardown.removed, job.teardown.stop_by = True, None
    if detection is None:  # after a restart the plan was there at once: begin with the URL of the row
        job.state = State.DETECTING
        return [
            commands.SaveStage(job.attempt, Stage.DETECTING),
            commands.Detect(job.attempt, job.url, options=job.options, cookies_of=job.cookies_of),
        ]
    job.state, plan.tried = State.EXTRACTING, [(detection.kind, detection.url)]
    return [
        commands.SaveStage(job.attempt, Stage.EXTRACTING, detection.kind),
        commands.Extract(job.attempt, detection, options=job.options, cookies_of=job.cookies_of),
    ]


def out_of_patience(job: Job, event: events.PatienceElapsed, context: Context) -> Commands:
    """aria2 has not answered: it is asked again."""
    return teardown.remove(job, context)
