"""How a job ends: it is taken down, and its row is told.

Nothing is written before it is true: transfers are removed first, then files go, then the row is told, and the
world hears of it when the row says so.
"""

from __future__ import annotations

from reactor import notices
from reactor.choices import Choices, smaller
from reactor.core import commands, events
from reactor.core.context import Commands, Context, of
from reactor.core.job import (
    CLOSING,
    IN_TRANSFER,
    STOPPING,
    End,
    Ending,
    How,
    Job,
    State,
    Transfer,
    TransferState,
    gids_of,
)
from reactor.core.retry import CHANGED, FROM_ZERO
from reactor.errors import Failure
from reactor.models import Kind

NOT_THE_PARTS = frozenset({"no_space", "killed"})
"""Why joining failed though every part is as it should be."""
STOP_PATIENCE_S = 5.0
"""How long a cancel waits for an aria2 that does not answer before the row ends without it."""
SPACE_MATTERS = IN_TRANSFER | {State.FINISHING, State.AWAITING_SPACE}

# What fails


def work_failed(job: Job, event: events.WorkFailed, context: Context) -> Commands:
    """Detecting, extracting or writing the staging folder failed."""
    job.teardown.help = event.help
    return fail(job, event.failure, context)


def condemned(job: Job, event: events.Condemned, context: Context) -> Commands:
    """The disk, or the deaths of aria2, have shown that it cannot go on."""
    return end(job, event.failure, context, own=event.own, discard=event.discard)


def time_up(job: Job, event: events.TimeUp, context: Context) -> Commands:
    """It has taken longer than an attempt may."""
    return fail(job, context.limits.quotas.took_too_long, context)


def rejected(job: Job, event: events.SaveRejected, context: Context) -> Commands:
    """The bot's table does not take what was to be written: the row fails. Where it does not even take that, the
    row stays as it is until the next start, and holds up nobody."""
    final = job.teardown.ending is not None and job.teardown.ending.end in (End.FAILED, End.CANCELLED)
    if job.state in (State.SAVING, State.DOUBTED) and final:
        return _saved(job, context)
    return fail(job, event.failure, context)


def fail(job: Job, failure: Failure, context: Context) -> Commands:
    """The attempt has failed: wait for the next one, or give up. Where there was no space the disk decides."""
    if failure.code != "no_space":
        return end(job, failure, context)
    context.space_doubted = True
    measure = commands.MeasureDisk()
    if job.state not in SPACE_MATTERS:
        return [measure, *end(job, failure, context)]
    job.state, job.teardown.no_space = State.OUT_OF_SPACE, failure
    return [measure]


def end(job: Job, failure: Failure, context: Context, *, own: bool = False, discard: bool = False) -> Commands:
    """End the attempt. It costs a retry when it is the download's `own` fault, or that of its server; `discard`:
    what was fetched goes."""
    policy, plan, out = context.limits.retry, job.plan, Commands()
    unjoined = job.state in (State.FINISHING, State.AWAITING_SPACE) and failure.code not in NOT_THE_PARTS
    unjoined = unjoined and not _recorded(job)  # of which nothing could be had again
    # Of many parts the others are as they should be.
    discard = discard or (failure.code in FROM_ZERO and len(job.progress.transfers) < 2)
    if plan.complete_parts and (unjoined or discard):
        none = commands.ProgressOf(job.attempt, None, 0, None, None, done=frozenset())
        out.append(commands.SaveProgress((none,)))
    costs, retries = own or policy.costs(failure), retries_of(job, failure)
    delay = policy.next_delay_s(failure, job.attempt, retries, costs=costs)
    twice = failure.code == "checksum" or failure == CHANGED
    if (job.in_vain(failure) and failure.code in FROM_ZERO) or (twice and job.budget.previous_error == failure.code):
        delay = None  # it began from zero, and that did not help
    elif failure == CHANGED and delay is not None:
        delay = 0.0  # there is nothing to wait for
    if delay is None:
        ending = Ending(End.FAILED, policy.final(failure, retries), retries)
    else:
        ending = Ending(End.WAITING, failure, retries + costs, delay, discard)
        out += [] if discard else _how_far(job)
    return [*out, *stop(job, ending, context)]


def _how_far(job: Job) -> Commands:
    """Write how much of it is there, where the row does not say so: the next attempt is measured by it."""
    progress, percent = job.progress, job.percent
    if percent is None or job.describing or percent <= (progress.percent or 0.0):
        return []
    progress.percent = percent
    return [commands.SaveProgress((commands.ProgressOf(job.attempt, progress.percent, 0, None, None),))]


def _recorded(job: Job) -> bool:
    """True for a broadcast."""
    return job.plan.extraction is not None and job.plan.extraction.finish.recording is not None


def retries_of(job: Job, failure: Failure) -> int:
    """How many retries it has used up, where it fails now."""
    return 0 if failure.code not in FROM_ZERO and _came_further(job) else job.budget.retry_count


def _came_further(job: Job) -> bool:
    """True when this attempt went on with what was there, and there is more of it than there ever was: then its
    retries count from 0 again. What begins from zero each time would come as far each time."""
    start, percent = job.budget.further_than, job.percent
    return start is not None and percent is not None and percent > start


def give_way(job: Job, context: Context) -> Commands:
    """Its turn is over: what is there of it stays, and no retry is used."""
    retries = 0 if _came_further(job) else job.budget.retry_count
    return stop(job, Ending(End.YIELDED, retry_count=retries, discard=False), context)


# What comes from the row


def overtaken(job: Job, event: events.Overtaken, context: Context) -> Commands:
    """The row was cancelled, deleted, or taken by somebody."""
    ending, how = job.teardown.ending, event.how
    settled = (End.GONE,) if how == "deleted" else (End.CANCELLED, End.GONE)  # no row, no word to write into it
    if job.state in STOPPING and ending is not None and ending.end in settled:
        return []
    return stop(job, _end_of(job, how), context)


def _end_of(job: Job, how: How) -> Ending:
    return Ending(End.GONE if how == "deleted" else End.CANCELLED, retry_count=job.budget.retry_count, how=how)


def stale(job: Job, event: events.SaveStale, context: Context) -> Commands:
    """A write found the row in another state. Only the row can tell why, and only a poll that begins after this."""
    job.teardown.verdict_from = context.polls + 1
    return []


def last_stale(job: Job, event: events.SaveStale, context: Context) -> Commands:
    """The same of its last write. What is said of an earlier one is old news by now."""
    if not event.last:
        return []
    job.state = State.DOUBTED
    return stale(job, event, context)


def confirmed(job: Job, event: events.RowConfirmed, context: Context) -> Commands:
    """Nothing failed, but this attempt cannot go on: a cancel was taken back while it was carried out."""
    return stop(job, Ending(End.WAITING, retry_count=job.budget.retry_count), context)


def save_again(job: Job, event: events.RowConfirmed, context: Context) -> Commands:
    """The last write was refused, but the row is as it should be again."""
    if job.ending.end is End.CANCELLED:
        return confirmed(job, event, context)
    return save_ending(job, context)


# Taking down


def stop(job: Job, ending: Ending, context: Context) -> Commands:
    """Take down all that runs for the job; `ending` says what becomes of the row then."""
    again = job.state in STOPPING  # a cancel overtakes a failure that is being cleaned up
    job.teardown.ending, job.teardown.verdict_from = ending, None
    if again:
        return []
    stop_work = commands.StopWork(job.attempt)
    if job.teardown.removed:
        return [stop_work, *_taken_down(job, context)]
    job.state = State.REMOVING
    return [stop_work, *remove(job, context)]


def remove(job: Job, context: Context) -> Commands:
    """Take the job's transfers out of aria2. While it does not answer, a row that ends waits only so long."""
    job.teardown.stop_by = context.now + STOP_PATIENCE_S
    return [commands.RemoveTransfers(job.attempt, gids(job, context))] if context.connected else []


def gids(job: Job, context: Context) -> tuple[str, ...]:
    """Those that aria2 may know. Of thousands of parts most were never handed over."""
    given = job.progress.given
    handed = (each for each in job.progress.transfers if each.adds or each.n in given or _known_done(job, each))
    unknown = job.teardown.unknown_transfers
    left = gids_of(context.instance, job.attempt, unknown) if unknown else ()
    return (*(gid for each in handed for gid in each.gids), *left)


def _known_done(job: Job, transfer: Transfer) -> bool:
    """True for one that an earlier run had handed over, and that aria2 still knows as complete: without its files
    that must not be found again."""
    return transfer.state is TransferState.DONE and transfer.n not in job.plan.complete_parts


def connected(job: Job, event: events.Aria2Back, context: Context) -> Commands:
    """aria2 can be asked to remove them."""
    return remove(job, context)


def out_of_patience(job: Job, event: events.PatienceElapsed, context: Context) -> Commands:
    """aria2 has not answered: a final row ends without it, and leaves the rest; a waiting one goes on waiting."""
    if job.ending.end in (End.WAITING, End.YIELDED):
        return remove(job, context)
    job.teardown.stop_by = None
    return save_ending(job, context)


def removed(job: Job, event: events.TransfersRemoved, context: Context) -> Commands:
    """aria2 has nothing of it any more."""
    return _taken_down(job, context)


def _taken_down(job: Job, context: Context) -> Commands:
    """Now the files can go."""
    job.teardown.removed, job.teardown.stop_by = True, None
    if not job.ending.discard:
        return save_ending(job, context)
    job.state = State.DISCARDING
    return [commands.Discard(job.attempt, keep_result=_foreign(job))]


def _foreign(job: Job) -> bool:
    """True when what may have been published from its folder is somebody else's: before there is a plan nothing of it
    is."""
    return job.plan.foreign_record and job.plan.extraction is None


def clean_up(job: Job, context: Context) -> commands.CleanUp:
    """What takes down all of it at once, where its row is nobody's any more. The result of one that is done stays."""
    done = job.state in CLOSING or job.state in (State.SEEDING, State.ENDED)
    return commands.CleanUp(job.attempt, gids(job, context), keep_result=done or _foreign(job))


def discarded(job: Job, event: events.Discarded, context: Context) -> Commands:
    """Its files are gone: tell the row."""
    return save_ending(job, context)


# The last write


def save_ending(job: Job, context: Context) -> Commands:
    """Tell the row how it ended."""
    ending, attempt, teardown = job.ending, job.attempt, job.teardown
    keep = not teardown.removed
    job.state, teardown.verdict_from = State.SAVING, None  # which was about a write before this one
    match ending.end:
        case End.DOWNLOADED:
            kept = job.serving or job.unstopped
            path, notes = teardown.final_path or "", "\n".join(teardown.notes) or None
            found = teardown.upload, teardown.placed
            return [commands.SaveDownloaded(attempt, path, teardown.size, job.title, kept, notes, *found)]
        case End.CANCELLED:
            return [commands.SaveCancelled(attempt, keep_plan=keep)]
        case End.LISTED:
            return [_save_listed(job)]
        case End.CHOOSING:
            asked = teardown.asked
            assert asked is not None  # nothing else ends so
            wait_s = context.limits.choosing_max_s
            return [commands.SaveChoices(attempt, asked.choices, wait_s, asked.title, asked.kind, keep)]
        case End.WAITING:
            return [commands.SaveWaiting(attempt, ending.failure, ending.retry_count, ending.delay_s)]
        case End.YIELDED:
            return [commands.SaveWaiting(attempt, None, ending.retry_count, 0.0, yielded=True)]
        case End.FAILED:
            assert ending.failure is not None
            return [commands.SaveFailed(attempt, ending.failure, job.kind, keep, _help(job, ending.failure))]
        case End.GONE:  # no row, no write, nothing to wait for
            return [*([] if keep else [commands.ForgetPlan(attempt)]), *_saved(job, context)]


def _save_listed(job: Job) -> commands.SaveListed:
    listing = job.listing
    assert listing is not None  # nothing else ends so
    title, count = listing.title, len(listing.entries)
    return commands.SaveListed(job.attempt, listing.kind, title, count, listing.notes, listing.listed_only)


def _help(job: Job, failure: Failure) -> Choices | None:
    """What of it might be had all the same, or with what."""
    if failure.code != "too_large":
        return job.teardown.help
    return smaller(job.options, film=job.kind in (Kind.YTDLP, Kind.PLAYWRIGHT), torrent=job.kind is Kind.TORRENT)


def saved(job: Job, event: events.Saved, context: Context) -> Commands:
    """The row says how it ended."""
    return _saved(job, context)


def _saved(job: Job, context: Context) -> Commands:
    """Now the world may know."""
    done = job.ending.end is End.DOWNLOADED
    job.state = State.SEEDING if done and job.serving else State.ENDED
    if done and not job.serving and not job.unstopped:
        context.tidy_pending.append(job.id)
        context.unneeded_results += [gid for transfer in job.progress.transfers for gid in transfer.gids]
    return [commands.Tell(_last_notice(job, job.ending, context))]


def _last_notice(job: Job, ending: Ending, context: Context) -> notices.Notice:
    failure = ending.failure or Failure("requeued", "The cancel was taken back.")
    if ending.end is End.DOWNLOADED:
        took_s, path = round(context.now - job.begun_at, 3), job.teardown.final_path or ""
        size, notes = job.teardown.size, job.teardown.notes
        return notices.DownloadCompleted(**of(job), path=path, size=size, took_s=took_s, notes=notes)
    if ending.end is End.LISTED:
        assert job.listing is not None
        return notices.ListExpanded(**of(job), entries=len(job.listing.entries), notes=job.listing.notes)
    if ending.end is End.CHOOSING:
        assert job.teardown.asked is not None
        found = job.teardown.asked.choices
        return notices.DownloadAsked(
            **of(job),
            formats=len(found.formats),
            subtitles=len(found.subtitles),
            items=len(found.items),
            files=len(found.files),
            wait_s=context.limits.choosing_max_s,
        )
    if ending.end is End.YIELDED:
        return notices.DownloadYielded(**of(job), used_s=round(job.charged_s, 1), progress=job.progress.percent)
    if ending.end is End.FAILED:
        return notices.DownloadFailed(**of(job), code=failure.code, error=failure.text)
    if ending.end is End.WAITING:
        return notices.DownloadRetryScheduled(
            **of(job),
            code=failure.code,
            error=failure.text,
            retry=ending.retry_count,
            retries_max=context.limits.retry.retries_max,
            delay_s=round(ending.delay_s, 3),
        )
    return notices.DownloadCancelled(**of(job), how=ending.how)
