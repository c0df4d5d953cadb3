"""All bytes are there: they are checked, put together and published, or found wanting and fetched again."""

from __future__ import annotations

from reactor import notices
from reactor.core import commands, events, holes
from reactor.core.context import Commands, Context, of
from reactor.core.job import IN_TRANSFER, End, Ending, Job, State, TransferState
from reactor.core.steps import record, renew, teardown, window
from reactor.errors import Failure
from reactor.models import Stage
from reactor.plan import Extraction

SPACE_WAITS_MAX = 8
"""How often in a row a job waits for space to be put together in, about 4 minutes in all."""
FILES_MISSING, NO_SPACE = "files_missing", "no_space"


def when_all_fetched(job: Job, context: Context) -> Commands:
    """When all parts are there, they are put together."""
    if job.state not in IN_TRANSFER or job.progress.done != len(job.progress.transfers):
        return []
    kept: Commands = []
    if job.recording:
        kept = record.ask_for_more(job, newly_done(job), context)
        if job.state is State.EXTRACTING:
            return kept
    unsought, lacks = holes.unsought(job), holes.failure(job)
    if unsought and renew.renewable(job, lacks):
        job.plan.sought |= unsought
        return renew.renew_or_fail(job, lacks, context)
    if not holes.is_bearable(job):
        return [*kept, *teardown.fail(job, lacks, context)]
    job.state, job.budget.hold_until = State.FINISHING, None
    out: Commands = kept if job.describing else [*kept, commands.SaveStage(job.attempt, Stage.FINISHING)]
    if (done := newly_done(job)) is not None:
        whole = commands.ProgressOf(job.attempt, job.progress.percent, 0, None, None, done=done)
        out.append(commands.SaveProgress((whole,)))
    return [*out, *finish(job, context)]


def newly_done(job: Job) -> frozenset[int] | None:
    """The parts that are whole, when there are more of them than the plan says."""
    transfers = job.progress.transfers
    if len(transfers) == 1 or job.progress.done == len(job.plan.complete_parts):
        return None
    # By way of a dict, whose size a set takes over: made of them one by one, that of 20 000 is twice as large.
    done = dict.fromkeys(each.n for each in transfers if each.state is TransferState.DONE)
    job.plan.complete_parts = frozenset(done)
    return job.plan.complete_parts


def finish(job: Job, context: Context, *, again: bool = False) -> Commands:
    """Have them put together."""
    plan, progress = job.plan, job.progress
    assert plan.extraction is not None  # nothing is finished that was not planned
    progress.joined_at = context.now
    told: Commands = [commands.Tell(notices.DownloadFinishing(**of(job)))]
    if progress.resumed or again or job.describing:
        told = []
    wanted = commands.Finish(
        job.attempt,
        plan.extraction,
        tuple(transfer.files for transfer in progress.transfers),
        0 if plan.complete_parts else sum(transfer.total for transfer in progress.transfers),
        keep=job.serving,
        resumed=progress.resumed,
        said_whole=progress.said_whole,
        presumed=any(transfer.presumed for transfer in progress.transfers),
        instance=context.instance,
        continued=plan.continued,
        single=window.single_of(job),
        inside=job.options.put_into(),
        cookies_of=job.cookies_of,
    )
    return [*told, wanted]


def reuse(job: Job, context: Context) -> Commands:
    """Nothing is fetched: what another row has brought is given to this one, too."""
    job.state = State.FINISHING
    return [commands.SaveStage(job.attempt, Stage.FINISHING), *finish(job, context)]


def _fetch_after_all(job: Job, extraction: Extraction, context: Context) -> Commands:
    """What was to be reused is there no more. After a restart nobody knows whether aria2 has anything of it."""
    progress = job.progress
    job.state, progress.resumed, job.plan.extraction = State.FETCHING, False, extraction
    progress.moves(context.now)
    planned = commands.SavePlan(job.attempt, extraction, job.plan.complete_parts, continues=True)
    asked = window.ask(progress.askable) if context.connected else []
    stage = commands.SaveStage(job.attempt, Stage.FETCHING)
    return [planned, stage, *asked, *window.add(job, context), *when_all_fetched(job, context)]


def joined(job: Job, event: events.Joined, context: Context) -> Commands:
    """The result grows: written as seldom as all progress, and counted from 0 again."""
    progress = job.progress
    if context.now - progress.joined_at < context.limits.progress_interval_s:
        return []
    progress.joined_at, progress.last_written = context.now, None
    size = sum(transfer.total for transfer in progress.transfers)
    percent, completed = 100 * event.share, round(size * event.share)
    notice = notices.DownloadProgressed(
        **of(job), stage="finishing", progress=percent, completed=completed, size=size, speed=0
    )
    row = commands.ProgressOf(job.attempt, percent, 0, None, None, job.title)
    return [commands.Tell(notice), commands.SaveProgress((row,))]


def finished(job: Job, event: events.Finished, context: Context) -> Commands:
    """The result stands where it belongs; the row is told."""
    teardown_ = job.teardown
    teardown_.final_path, teardown_.size, teardown_.notes = event.path, event.size, event.notes
    teardown_.upload, teardown_.placed = event.upload, event.placed
    teardown_.ending = Ending(End.DOWNLOADED)
    return teardown.save_ending(job, context)


def work_failed(job: Job, event: events.WorkFailed, context: Context) -> Commands:
    """It could not be put together: parts are bad, bytes are missing, or there is no space."""
    if event.parts:
        return _fetch_parts_again(job, event.parts, event.failure, context)
    if event.failure.code == NO_SPACE:
        return _await_space(job, event.failure, context)
    extraction = job.plan.extraction
    if event.failure.code == FILES_MISSING and extraction is not None and extraction.finish.reused is not None:
        return _fetch_after_all(job, extraction.fetched(), context)
    if event.failure.code == FILES_MISSING and not job.progress.refetched:
        return _look_for_bytes(job, context)
    if event.failure.code == FILES_MISSING and job.describing and job.budget.renewals < renew.RENEWALS_MAX:
        # The folder was emptied for the torrent whose metadata this was, and the process died before it was planned.
        return renew.begin(job, context)
    return teardown.fail(job, event.failure, context)


def _fetch_parts_again(job: Job, numbers: tuple[int, ...], failure: Failure, context: Context) -> Commands:
    """These are missing or worth nothing; the others are as they should be."""
    progress = job.progress
    job.state, progress.resumed, progress.moved_at = State.FETCHING, False, context.now
    job.plan.complete_parts -= frozenset(numbers)
    out = _fetching_again(job)
    for transfer in (progress.transfers[n] for n in numbers):
        if job.state not in IN_TRANSFER or transfer.state is not TransferState.DONE:
            continue
        if holes.can_do_without(job, transfer, failure):
            progress.missing.add(transfer.n)
            continue
        progress.missing.discard(transfer.n)
        progress.done -= 1
        out += window.part_failed(job, transfer, failure, context)
    return [*out, *when_all_fetched(job, context)]


def _look_for_bytes(job: Job, context: Context) -> Commands:
    """Bytes are missing: have aria2 look again, once. What was taken for granted is only asked for."""
    progress = job.progress
    progress.refetched = not progress.resumed and not any(transfer.presumed for transfer in progress.transfers)
    if progress.refetched:
        job.plan.complete_parts = frozenset()
    progress.resumed = job.teardown.removed = progress.said_whole = False
    progress.moves(context.now)
    job.state = State.FETCHING
    window.doubt(job, context)
    window.keep_complete(job, context)
    asked = window.ask(progress.askable) if context.connected else []
    return [*_fetching_again(job), *asked, *when_all_fetched(job, context)]


def _fetching_again(job: Job) -> Commands:
    """The row tells how much of it is fetched, no more how much of it was put together."""
    percent = job.progress.percent or 0.0
    again = commands.ProgressOf(job.attempt, percent, 0, None, None, done=job.plan.complete_parts)
    return [commands.SaveStage(job.attempt, Stage.FETCHING), commands.SaveProgress((again,))]


def _await_space(job: Job, failure: Failure, context: Context) -> Commands:
    """There was no space to put it together: all that was fetched stays, and it is tried again after a while. When
    that lasts, the row is to say what it waits for. Where the disk as a whole is too small, it ends."""
    if not failure.retryable:
        return teardown.end(job, failure, context)
    job.budget.setbacks += 1
    if job.budget.setbacks > SPACE_WAITS_MAX:
        return teardown.fail(job, failure, context)
    job.state = State.AWAITING_SPACE
    window.hold(job, job.budget.setbacks, context, slow=True)
    return [commands.MeasureDisk()]


def space_awaited(job: Job, event: events.HoldElapsed, context: Context) -> Commands:
    """It is tried again."""
    job.state = State.FINISHING
    return finish(job, context, again=True)
