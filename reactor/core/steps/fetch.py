"""From the URL of a row to its bytes: stage 1 and 2, and what aria2 says of stage 3."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from reactor import notices
from reactor.choices import Choices, asks
from reactor.core import commands, events, holes
from reactor.core.context import Commands, Context, of
from reactor.core.events import TransferStatus
from reactor.core.job import (
    IN_TRANSFER,
    METADATA,
    Asked,
    End,
    Ending,
    Job,
    Standstill,
    State,
    Swarm,
    Transfer,
    TransferState,
    derive_gid,
)
from reactor.core.reconcile import Change, TransferChange, reconcile
from reactor.core.slices import may_yield
from reactor.core.stalls import crawling, least_speed, stalled
from reactor.core.steps import finish, record, renew, salvage, teardown, window
from reactor.errors import Failure
from reactor.models import Kind, Stage
from reactor.plan import COOKIE_LINE_MAX, Detection, Extraction

RECLASSIFIED_MAX = 4
NOTHING_THERE = Failure("unsupported", "Nothing that could be downloaded was found at this link.")

# Stage 1 and 2


def detected(job: Job, event: events.Detected, context: Context) -> Commands:
    """Stage 1 is over."""
    detection = event.detection
    if detection.kind is Kind.UNKNOWN:
        return teardown.fail(job, NOTHING_THERE, context)
    return [commands.SaveStage(job.attempt, Stage.EXTRACTING, detection.kind), *extract(job, detection)]


def extract(job: Job, detection: Detection, *, clear: bool = False) -> Commands:
    """The kind is known: begin stage 2."""
    job.state = State.EXTRACTING
    told = notices.DownloadDetected(**of(job), kind=detection.kind, why=detection.why)
    return [commands.Tell(told), _extract(job, detection, clear=clear)]


def reclassified(job: Job, event: events.Reclassified, context: Context) -> Commands:
    """An extractor passes the URL on to another kind, never to one that had it already; or what has arrived is no
    file but something that another extractor can go on with: then it goes before anything else is fetched."""
    plan, detection, arrived = job.plan, event.detection, job.state is State.FINISHING
    if arrived and job.kind is Kind.DIRECT and plan.detection is not None:
        # As it was sent: where the redirects ended may have run out by now.
        detection = detection.model_copy(update={"url": plan.detection.url})
    if (detection.kind, detection.url) in plan.tried or len(plan.tried) >= RECLASSIFIED_MAX:
        return teardown.fail(job, NOTHING_THERE, context)
    before = job.kind or detection.kind
    job.state = State.EXTRACTING
    told = notices.DownloadReclassified(**of(job), from_kind=before, to_kind=detection.kind, why=detection.why)
    forget = _drop_all(job, context) if arrived else []
    stage = commands.SaveStage(job.attempt, Stage.EXTRACTING, detection.kind)
    return [commands.Tell(told), *forget, stage, _extract(job, detection)]


def _drop_all(job: Job, context: Context) -> Commands:
    """Nothing of what was fetched is wanted any more; all of it is over in aria2."""
    plan, progress = job.plan, job.progress
    context.disown(job)
    gids = tuple(gid for transfer in progress.transfers for gid in transfer.gids)
    progress.begin([])
    progress.resumed = progress.said_whole = plan.continued = False
    progress.percent, progress.last_written = None, None
    plan.extraction, plan.previous_plan, plan.has_leftovers = None, None, True
    plan.complete_parts, job.teardown.removed = frozenset(), True
    return [commands.ForgetTransfers(gids)] if gids else []


def _extract(job: Job, detection: Detection, *, clear: bool = False) -> commands.Extract:
    job.plan.detection = detection
    job.plan.tried.append((detection.kind, detection.url))
    return commands.Extract(job.attempt, detection, clear, job.options, job.cookies_of)


def described(job: Job, event: events.Extracted, context: Context) -> Commands:
    """A magnet link's metadata is there, and says what there is to fetch: stage 2 is over once more."""
    forget = _drop_all(job, context)
    job.state = State.EXTRACTING
    return [*forget, *extracted(job, event, context)]


def extracted(job: Job, event: events.Extracted, context: Context) -> Commands:
    """Stage 2 is over: hand all there is to fetch to aria2, when it is there."""
    if event.choices is not None and _is_new(job) and asks(job.options, event.choices):
        return _ask(job, event.extraction, event.choices, context)
    plan, extraction = job.plan, _as_known(event.extraction, job.plan.previous_plan)
    previous = plan.previous_plan
    refusal = context.limits.quotas.of(job.options).refusal(extraction, event.joined)
    if refusal is not None and previous is not None and extraction.extends(previous):
        extraction, refusal = record.sealed(previous, refusal), None
    if refusal is not None:
        return teardown.fail(job, refusal, context)
    continues = previous is not None and (extraction.continues(previous) or extraction.extends(previous))
    if continues or not plan.has_leftovers:
        return _begin_fetching(job, extraction, context, continues=continues)
    # Before the new plan is saved: what a plan says of its files has to be true after a crash, too.
    job.state, plan.next_plan = State.EMPTYING, extraction
    return [commands.Discard(job.attempt, must=True)]


def _is_new(job: Job) -> bool:
    """True while nothing of it is planned: what is under way is not asked about any more."""
    previous = job.plan.previous_plan
    return job.plan.extraction is None and (previous is None or previous.finish.how == "metadata")


def _ask(job: Job, extraction: Extraction, choices: Choices, context: Context) -> Commands:
    """Whoever wants it is asked first: nothing of it is kept, and the slot is free. What is too large may be so in the
    best quality only."""
    job.teardown.asked = Asked(choices, extraction.title, extraction.kind)
    return teardown.stop(job, Ending(End.CHOOSING), context)


def _as_known(extraction: Extraction, previous: Extraction | None) -> Extraction:
    """What an earlier attempt has found out of a magnet link is not asked for again."""
    if extraction.finish.how != "metadata" or previous is None or previous.finish.how != "torrent":
        return extraction
    found, known = extraction.fetches[0].torrent, previous.fetches[0].torrent
    same = found is not None and known is not None and found.info_hash == known.info_hash
    same = same and extraction.finish.options == previous.finish.options
    return previous if same else extraction


def emptied(job: Job, event: events.Discarded, context: Context) -> Commands:
    """Nothing is left of what an earlier attempt was fetching."""
    extraction, job.plan.next_plan, job.plan.has_leftovers = job.plan.next_plan, None, False
    assert extraction is not None  # that is what it was emptied for
    return _begin_fetching(job, extraction, context, continues=False)


def salvaged(job: Job, event: events.TransfersRemoved, context: Context) -> Commands:
    """aria2 has nothing of a torrent any more: it gets it again, and only what is whole is wanted of it."""
    extraction, job.plan.next_plan = job.plan.next_plan, None
    assert extraction is not None  # that is why it was removed
    context.disown(job)
    job.teardown.removed, job.teardown.stop_by = True, None
    return _begin_fetching(job, extraction, context, continues=True)


def _begin_fetching(job: Job, extraction: Extraction, context: Context, *, continues: bool) -> Commands:
    plan, progress = job.plan, job.progress
    plan.begun_anew = plan.begun_anew or (not continues and plan.previous_plan is not None)
    if not continues:
        plan.complete_parts, plan.carried, plan.sought, progress.percent = frozenset(), {}, frozenset(), None
        plan.lost, plan.recorded_bytes = frozenset(), 0
        job.budget.further_than = None
    elif job.budget.further_than is None and not job.budget.renewals:
        job.budget.further_than = progress.percent or 0.0
    goes_on = continues and extraction.finish.recording is not None
    job.state = State.FETCHING
    begin_transfers(job, extraction, context)
    plan.wipe_staging, plan.continued = not continues, continues
    notice = notices.DownloadExtracted(
        **of(job),
        kind=extraction.kind,
        title=extraction.title,
        size=extraction.size,
        parts=len(extraction.fetches),
        continues=continues,
        reuses=None if extraction.finish.reused is None else extraction.finish.reused.download_id,
    )
    window.keep_complete(job, context)
    planned = commands.SavePlan(job.attempt, extraction, plan.complete_parts, continues=continues)
    if extraction.finish.reused is not None:
        return [planned, commands.Tell(notice), *finish.reuse(job, context)]
    return [
        planned,
        *([] if goes_on else [commands.Tell(notice)]),
        *window.add(job, context),
        *finish.when_all_fetched(job, context),
    ]


def begin_transfers(job: Job, extraction: Extraction, context: Context) -> None:
    """Take up what an extraction, or the plan of an earlier run, says."""
    job.plan.extraction, job.plan.request_bytes = extraction, extraction.request_bytes
    if job.options.cookies is not None or context.limits.jars:
        job.plan.request_bytes += COOKIE_LINE_MAX
    gid_of = partial(derive_gid, context.instance, job.attempt)
    if job.describing:
        gid_of = partial(_gid_of_metadata, gid_of(METADATA))
    transfers = [Transfer(n, gid_of, fetch) for n, fetch in enumerate(extraction.fetches)]
    for n, (completed, total) in job.plan.carried.items():
        transfers[n].completed, transfers[n].total, transfers[n].size_reported = completed, total, True
    job.plan.carried = {}
    job.progress.begin(transfers)
    if len(transfers) == 1:
        context.gids[transfers[0].gid] = job, transfers[0]


def _gid_of_metadata(gid: str, n: int) -> str:
    return gid


# Stage 3


def reported(job: Job, event: events.TransferReported, context: Context) -> Commands:
    """What aria2 says of one transfer of a job that is fetching. What it turns out not to have is planned
    again: WindowOpened follows. A brief report has no files: a single transfer that is done is asked
    for them once more."""
    progress, transfer, report = job.progress, job.progress.transfers[event.n], event.report
    if transfer.state in (TransferState.PLANNED, TransferState.ADDING, TransferState.DONE):
        return []  # this was asked before it was added, or is known
    alone = len(progress.transfers) == 1
    if event.brief and alone and not job.describing and (report.status is TransferStatus.COMPLETE or report.seeder):
        progress.moves(context.now)  # it is there, however slowly it came
        return window.ask([transfer])
    before, described = (transfer.weight, transfer.size), transfer.describes
    same = transfer.size_reported and report.gid == transfer.live_gid
    if same and report.completed > transfer.completed:
        renew.bytes_arrived(job)
        progress.gained += report.completed - transfer.completed
    transfer.ranged = transfer.ranged or report.connections > 1
    change = reconcile(transfer, report)
    if change.change is Change.DONE and not same:
        progress.gained += report.completed
    if described and not transfer.describes:
        progress.moves(context.now)  # the metadata is there: from now on other bytes are counted
    if transfer.fetch.torrent is not None and report.gid == transfer.live_gid:
        most = progress.swarm.most if progress.swarm is not None else 0
        progress.swarm = Swarm(report.connections, max(most, report.connections))
    if not alone:
        transfer.files = ()  # parts lie in the folder under the names we gave them
    if change.failure is not None and holes.can_do_without(job, transfer, change.failure):
        transfer.state, change = TransferState.DONE, TransferChange(Change.DONE)
        progress.missing.add(transfer.n)
    elif change.failure is not None and change.failure.code == holes.NOT_THERE and not alone:
        change = replace(change, failure=holes.failure(job, transfer))
    if change.failure is not None and (transfer.fetch.torrent is None or renew.renewable(job, change.failure)):
        transfer.completed = max(transfer.completed, report.completed)  # so that it is known whether more comes
    progress.reckon(transfer, *before)
    refusal = context.limits.quotas.of(job.options).too_large(progress.weight)
    if refusal is not None:
        return teardown.fail(job, refusal, context)
    progress.unstopped = transfer.seeding
    ratio = job.options.shares_up_to()
    transfer.seeding = transfer.seeding and (context.limits.seeding if ratio is None else ratio > 0)
    context.sort(job, transfer)
    out = _changed(job, transfer, change, event, context)
    if job.budget.expired is not None and job.state is State.BACKING_OFF and not progress.given:
        out += window.resumed(job, events.HoldElapsed(job.attempt), context)
    return out


def _changed(
    job: Job, transfer: Transfer, change: TransferChange, event: events.TransferReported, context: Context
) -> Commands:
    progress, kind = job.progress, change.change
    if kind in (Change.MOVED, Change.FOLLOWED, Change.DONE):
        progress.moved_at = context.now
    if kind in (Change.MOVED, Change.DONE):
        job.budget.deaths, job.budget.lives = 0, True
    if kind is Change.FAILED and change.failure is not None:
        return window.part_failed(job, transfer, change.failure, context)
    if kind is Change.FOLLOWED:
        progress.moves(context.now)
        context.gids[transfer.live_gid] = (job, transfer)
        return window.ask([transfer])
    if kind is Change.DONE:
        if transfer.n not in progress.missing:
            renew.bytes_arrived(job)
            job.budget.setbacks = 0
        progress.done += 1
        return finish.when_all_fetched(job, context)
    if kind is Change.MISSING and event.report.status is not TransferStatus.UNKNOWN:
        return [commands.ForgetTransfers((event.report.gid,))]  # its gid is needed again
    return []


def _inquire(job: Job, limit: float, context: Context) -> Commands:
    """Once half of the time is over in which no byte may come, it is asked why none does."""
    progress = job.progress
    torrent = progress.transfers[0].fetch.torrent
    half = progress.moved_at + limit / 2
    if torrent is None or not limit or context.now < half or progress.inquired_at == progress.moved_at:
        return []
    progress.inquired_at, progress.standstill = progress.moved_at, None
    return [commands.Inquire(job.attempt, progress.transfers[0].live_gid, torrent)]


def inquired(job: Job, event: events.Inquired, context: Context) -> Commands:
    """It is said if nothing comes of it."""
    if job.progress.inquired_at == job.progress.moved_at:
        job.progress.standstill = Standstill(event.refused, event.seeds, event.whole, event.lacking)
    return []


def _change_lane(job: Job, context: Context) -> Commands:
    """One that crawls takes up no slot from now on, and one that does not any more takes one again."""
    limits, before = context.limits, job.progress.crawls
    speed = crawling(job, limits.slow_speed, limits.slow_after_s, context.now)
    if speed is None or job.progress.crawls == before or not limits.slow_max:
        return []
    return [commands.Tell(notices.DownloadLane(**of(job), slow=job.progress.crawls, speed=max(0, round(speed))))]


def progress_due(job: Job, event: events.ProgressDue, context: Context) -> Commands:
    """Write how far it is. A job that has stood still for too long, or nearly, is stopped here; one whose turn is over
    gives way, now that it is known what is there of it."""
    out = _write_progress(job, context)
    if job.outdone and job.state in IN_TRANSFER and may_yield(job, context.limits, context.now):
        out += teardown.give_way(job, context)
    return out


def _write_progress(job: Job, context: Context) -> Commands:
    """As far as its row does not say so already."""
    limits, progress, budget = context.limits, job.progress, job.budget
    limit = limits.torrent_stall_timeout_s if job.torrent else limits.stall_timeout_s
    failure = stalled(job, limit, least_speed(job, limits.min_speed), context.now)
    if failure is not None:
        return salvage.or_fail(job, failure, context)
    out = [*_inquire(job, limit, context), *_change_lane(job, context)]
    completed, size, percent = progress.fetched, None if job.recording else progress.wanted, job.percent
    speed = sum(each.speed for each in progress.given.values() if each.state is TransferState.LIVE)
    further = percent is not None and percent > (progress.percent or 0.0)
    if budget.crashes and not budget.was_finishing and further:
        budget.crashes = 0
        out.append(commands.ForgetCrashes(job.attempt))
    if percent is not None:
        progress.percent = max(progress.percent or 0.0, percent)
    measured, done = (progress.percent, speed, size), finish.newly_done(job)
    if measured == progress.last_written and done is None:
        return out
    if job.describing and progress.last_written is None:
        out.append(commands.SaveStage(job.attempt, Stage.METADATA))
    progress.last_written = measured
    eta = round((size - completed) / speed) if size and speed and size >= completed else None
    notice = notices.DownloadProgressed(
        **of(job),
        stage="metadata" if job.describing else "fetching",
        progress=progress.percent,
        completed=completed,
        size=size,
        speed=speed,
        eta_s=eta,
        peers=progress.peers,
    )
    row = commands.ProgressOf(job.attempt, progress.percent, speed, eta, size, job.title, done)
    return [*out, commands.Tell(notice), commands.SaveProgress((row,))]
