"""How the transfers of a job are handed to aria2: some at a time, not too often, not too soon.

What comes in parts is handed over by the window, so that others need not wait behind thousands of parts, and aria2
never has more results than it keeps. A window is as large as MAX_CONCURRENT_PARTS, larger where parts are quick, and
filled up when the half of it is done: a video of 2000 parts costs a dozen requests. When a part fails the whole job
backs off for a moment, longer each time, and when the server has had enough it begins again with one.
"""

from __future__ import annotations

from itertools import islice

from reactor.core import commands, events
from reactor.core.context import Commands, Context
from reactor.core.events import TransferStatus
from reactor.core.job import IN_TRANSFER, Job, State, Transfer, TransferState
from reactor.core.quotas import FREE_SPACE_MIN
from reactor.core.retry import FROM_ZERO, chance
from reactor.core.stalls import KIB
from reactor.core.steps import renew
from reactor.core.suspects import next_suspect, unproven
from reactor.errors import Failure

ADDS_MAX = 4
"""How often one transfer is handed to aria2 in one attempt before it counts as refused."""
SETBACKS_MAX = 4
"""How often in a row a job may be held up by its parts, with nothing done in between."""
PARTS_MANY = 8
"""From so many parts on, a job is asked about as a whole: a question for each of 2000 notifications would be 2000."""
SHARING_MAX = 4
"""Parts that share the speed which a row allows, at most."""
WINDOW_MAX = 512
"""Half of the results that aria2 keeps unless told otherwise (max-download-result)."""
WINDOW_BYTES_MAX = 8 * 1024 * 1024
"""Of the headers and cookies that aria2 has at once for one job: it keeps them with each of its results."""
REFILL_S = 10.0
"""A window of which the half is done sooner is too small."""
HOLD_S, HOLD_SLOW_S, HOLD_MAX_S = 1.0, 5.0, 60.0
"""How long a job waits after a part has failed: at first, at first when the server had enough, and at most."""
ARRIVAL_S = 5.0
"""How long transfers under way may take before expired URLs are renewed."""
TOO_MUCH = frozenset({"rate_limited", "server_error"})
"""What a server says that had enough."""
LOST = Failure("aria2_lost", "aria2 lost this download again and again.", None, True)


def single_of(job: Job) -> bool:
    """True when a job begins from zero because its server had several versions: it may have them all at once, and only
    what comes in one answer is certain to be one."""
    return job.budget.previous_error in FROM_ZERO


# Handing over


def opened(job: Job, event: events.WindowOpened, context: Context) -> Commands:
    """There may be space for it on the disk and in its window, and it may be its turn."""
    return add(job, context)


def resumed(job: Job, event: events.HoldElapsed, context: Context) -> Commands:
    """It has waited long enough after a part had failed."""
    if job.budget.expired is not None:
        return renew.renew_or_fail(job, job.budget.expired, context)
    job.state = State.FETCHING
    return add(job, context)


def add(job: Job, context: Context) -> Commands:
    """Hand over what is planned and has its turn, if aria2 can be reached; else the next connect does. Not while a
    write was refused: the row may be somebody else's by now, and nobody would find the transfer again."""
    progress = job.progress
    if job.state is not State.FETCHING or not progress.planned or not context.connected:
        return []
    if job.teardown.verdict_from is not None:
        return []
    out, unchecked = check_space(job)
    if unchecked and progress.space_checked is None:
        return out  # until there is known to be space
    if next_suspect(context) not in (job, None) and unproven(job):
        return out  # until it is known whether it is the one before that kills aria2
    ready = (each for each in progress.planned.values() if not each.unanswered)
    taken = list(islice(ready, _window_left(job, context)))
    if not taken:
        return out
    for transfer in taken:
        if transfer.adds >= ADDS_MAX:
            return [*out, *renew.renew_or_fail(job, transfer.refusal or LOST, context)]
        transfer.state = TransferState.ADDING
        transfer.adds += 1
        transfer.unanswered, transfer.waiting, transfer.completed_notified = True, False, False
        context.sort(job, transfer)
    plan = job.plan
    assert plan.extraction is not None  # what is planned comes of it
    sent = plan.extraction.headers, plan.extraction.cookies
    alone, additions = len(progress.transfers) == 1, _additions(job, taken, context)
    speed = _speed_of_each(job, context)
    ratio = job.options.shares_up_to()
    of_many = len(progress.transfers) >= PARTS_MANY and plan.extraction.finish.how == "media"
    adding = commands.AddTransfers(
        job.attempt, additions, plan.wipe_staging, *sent, alone, of_many, speed, job.cookies_of, ratio
    )
    out.append(adding)
    plan.wipe_staging, job.teardown.removed = False, False
    progress.moves(context.now)
    progress.filled_at, progress.width = context.now, None
    return out


def check_space(job: Job) -> tuple[Commands, bool]:
    """Have the disk measured for a job, because of its size; and whether it is."""
    progress, size = job.progress, job.progress.wanted
    if size is None or size <= max(progress.space_checked or 0, FREE_SPACE_MIN):
        return [], False
    if progress.space_asked:
        return [], True
    progress.space_asked = True
    return [commands.MeasureDisk()], True


def _window_left(job: Job, context: Context) -> int:
    """How many more of its transfers aria2 may have now."""
    progress = job.progress
    if len(progress.transfers) == 1:
        return 1
    fitting = max(1, WINDOW_BYTES_MAX // max(1, job.plan.request_bytes))
    least = min(max(1, context.limits.parts), fitting)
    if job.options.speed_kib is not None:  # which all of them share: no more of them than have a part of it
        return max(0, min(least, SHARING_MAX) - len(progress.given))
    progress.window = progress.window or least
    if len(progress.planned) + len(progress.given) <= progress.window:
        return len(progress.planned)
    if len(progress.given) > progress.window // 2:
        return 0
    if progress.filled_at is not None:
        quick = context.now - progress.filled_at < REFILL_S
        most = min(WINDOW_MAX, fitting) if quick else max(least, progress.window // 2)
        progress.window = min(most, progress.window * 2)
    return progress.window - len(progress.given)


def _speed_of_each(job: Job, context: Context) -> int:
    """Bytes/s for each of its transfers, so that together they have no more than its row allows; 0: any speed."""
    if job.options.speed_kib is None:
        return 0
    at_once = min(len(job.progress.transfers), max(1, context.limits.parts), SHARING_MAX)
    return max(1, job.options.speed_kib * KIB // at_once)


def _additions(job: Job, taken: list[Transfer], context: Context) -> tuple[commands.Addition, ...]:
    # One file does not wait for the parts of another row; in an aria2 of several users it has no other privilege.
    many = any(len(each.progress.transfers) > 1 for each in context.jobs.values())
    first, single = len(job.progress.transfers) == 1 and many, single_of(job)
    additions = tuple(
        commands.Addition(
            each.n, each.gid, each.fetch, each.must_redownload, first, single=single or each.must_redownload
        )
        for each in taken
    )
    for transfer in taken:
        transfer.must_redownload = False
    return additions


def added(job: Job, event: events.TransfersAdded, context: Context) -> Commands:
    """aria2 took them."""
    for transfer in _numbered(job, event.numbers):
        transfer.unanswered = False
        if transfer.state is not TransferState.DONE:
            transfer.state = TransferState.LIVE
            context.sort(job, transfer)
    return []


def add_failed(job: Job, event: events.AddFailed, context: Context) -> Commands:
    """A refusal may mean that aria2 has it already (the gid is taken): only asking tells."""
    refused = _numbered(job, event.numbers)
    for transfer in refused:
        transfer.unanswered = False
    unsure = [transfer for transfer in refused if transfer.state in (TransferState.ADDING, TransferState.UNSURE)]
    for transfer in unsure:
        transfer.state = TransferState.UNSURE
        transfer.refusal = event.failure
    return [*(ask(unsure) if context.connected else []), *add(job, context)]


def _numbered(job: Job, numbers: tuple[int, ...]) -> list[Transfer]:
    return [job.progress.transfers[n] for n in numbers]


# Asking


def ask(transfers: list[Transfer]) -> Commands:
    """Ask aria2 about these now."""
    return [commands.AskStatus(tuple(transfer.live_gid for transfer in transfers))] if transfers else []


def notified(job: Job, event: events.TransferHeard, context: Context) -> Commands:
    """aria2 told something of a transfer: ask. Of many parts they are asked about together, when there is room for
    others then, or none are left; the periodic question finds the rest."""
    progress, transfer = job.progress, job.progress.transfers[event.n]
    if transfer.n not in progress.given:
        return []
    # Of a magnet link it is the metadata that is complete first.
    whole = event.what == "complete" and transfer.fetch.torrent is None
    transfer.completed_notified = transfer.completed_notified or whole
    if len(progress.transfers) < PARTS_MANY or (event.what == "error" and job.state is State.FETCHING):
        return ask([transfer])
    progress.notified.add(transfer.n)
    refills = progress.planned and job.budget.expired is None
    if len(progress.given) - len(progress.notified) > (progress.window // 2 if refills else 0):
        return []
    those = [progress.given[n] for n in sorted(progress.notified)]
    progress.notified.clear()
    return ask([each for each in those if each.askable])


def presumed(job: Job, transfer: Transfer, context: Context) -> events.TransferReport | None:
    """What aria2 would say of a row's one file that is complete and whose size was promised: it need not be asked."""
    size, extraction = transfer.fetch.size, job.plan.extraction
    if not context.limits.embedded or transfer.state is not TransferState.LIVE or transfer.fetch.torrent is not None:
        return None
    if not size or job.state not in IN_TRANSFER:
        return None
    if len(job.progress.transfers) > 1 or extraction is None or extraction.finish.how != "file":
        return None
    return events.TransferReport(transfer.live_gid, TransferStatus.COMPLETE, size, size)


def connected(job: Job, event: events.Aria2Back, context: Context) -> Commands:
    """aria2 can be asked again."""
    job.progress.moves(context.now)
    job.progress.lane.since = None
    out = add(job, context)
    return [*out, *ask(job.progress.askable)] if job.state in IN_TRANSFER else out


def disconnected(job: Job, event: events.Aria2Gone, context: Context) -> Commands:
    """aria2 cannot be asked: nobody knows what it took of what is on its way."""
    for transfer in job.progress.given.values():
        if transfer.state is TransferState.ADDING:
            transfer.state = TransferState.UNSURE
    return []


def doubt(job: Job, context: Context) -> None:
    """aria2 may have any of them."""
    for transfer in job.progress.transfers:
        transfer.state, transfer.presumed = TransferState.UNSURE, False
        context.sort(job, transfer)


def keep_complete(job: Job, context: Context) -> None:
    """What is whole already is not fetched again, nor what of a broadcast could not be had."""
    plan, progress = job.plan, job.progress
    progress.missing |= plan.lost - plan.complete_parts
    settled = plan.complete_parts | plan.lost
    progress.done = len(settled)
    for transfer in (progress.transfers[n] for n in settled):
        transfer.state = TransferState.DONE
        context.sort(job, transfer)


# Failing parts


def part_failed(job: Job, transfer: Transfer, failure: Failure, context: Context) -> Commands:
    """One part of many is tried again by itself, a few times and after all the others; otherwise the attempt has
    failed. Until then nothing more is begun for the job."""
    progress = job.progress
    others = len(progress.given) - (transfer.n in progress.given)
    if others and renew.renewable(job, failure):
        return _let_arrive(job, transfer, failure, context)
    if len(progress.transfers) == 1 or not failure.retryable or transfer.adds >= ADDS_MAX:
        return renew.renew_or_fail(job, failure, context)
    if job.state is State.FETCHING:
        job.budget.setbacks += 1
        if job.budget.setbacks >= SETBACKS_MAX:
            return renew.renew_or_fail(job, failure, context)
    transfer.state, transfer.refusal = TransferState.PLANNED, failure
    transfer.must_redownload = failure.code in FROM_ZERO
    context.sort(job, transfer)
    slow = failure.code in TOO_MUCH
    if slow:
        progress.window, progress.filled_at = 1, None
    if slow or job.state is State.FETCHING:
        job.state = State.BACKING_OFF
        hold(job, max(job.budget.setbacks, transfer.adds), context, slow=slow)
    return [commands.ForgetTransfers(transfer.gids)]  # its gid is needed again


def _let_arrive(job: Job, transfer: Transfer, failure: Failure, context: Context) -> Commands:
    """The URLs have expired. What is under way may still arrive: it is waited for a moment, and not fetched twice."""
    transfer.state, transfer.refusal = TransferState.PLANNED, failure
    context.sort(job, transfer)
    job.budget.expired = failure
    if job.state is State.FETCHING:
        job.state, job.budget.hold_until = State.BACKING_OFF, context.now + ARRIVAL_S
    return [commands.ForgetTransfers(transfer.gids)]


def hold(job: Job, times: int, context: Context, *, slow: bool = False) -> None:
    """Let a job wait, for the `times`th time: twice as long each time."""
    base = HOLD_SLOW_S if slow else HOLD_S
    delay = min(HOLD_MAX_S, base * float(1 << max(0, min(times - 1, 16))))
    until = context.now + delay * (1 + chance("hold", job.attempt.download_id, job.attempt.number, times)) / 2
    job.budget.hold_until = max(job.budget.hold_until or 0.0, until)
