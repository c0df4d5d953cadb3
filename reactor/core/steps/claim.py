"""How a job begins: with a row that was claimed, or one that an earlier run left under way."""

from __future__ import annotations

from dataclasses import fields

from reactor import notices
from reactor.core import commands, crashes, events
from reactor.core.context import Commands, Context, of
from reactor.core.job import Budget, Job, Plan, Progress, State
from reactor.core.rows import ClaimedRow
from reactor.core.steps import fetch, finish, record, teardown, window
from reactor.models import Stage


def begin(row: ClaimedRow, context: Context) -> Commands:
    """A row that was just claimed. Its stage says already whether its URL's text tells the kind. Where the lease was
    lost meanwhile nothing begins."""
    job = _job(row, context)
    context.jobs[job.id] = job
    if job.id in context.tidy_pending:
        context.tidy_pending.remove(job.id)
        job.plan.foreign_record = True
    told = commands.Tell(notices.DownloadClaimed(**of(job), url=row.url, waited_s=row.waited_s))
    if not context.leased:
        job.state = State.FENCED
        return [told]
    if row.refusal is not None:
        return [told, *teardown.fail(job, row.refusal, context)]
    if row.plan is not None and row.plan.finish.recording is not None:
        return [told, *record.go_on(job, row.plan)]
    if row.detection is not None:
        return [told, *fetch.extract(job, row.detection, clear=job.plan.foreign_record)]
    return [told, commands.Detect(job.attempt, row.url, job.plan.foreign_record, job.options, job.cookies_of)]


def resume(row: ClaimedRow, context: Context) -> Commands:
    """A row found under way after a restart."""
    job = _job(row, context)
    context.jobs[job.id] = job
    if row.held:
        return _hold_back(job, row, context)
    if row.crashes >= crashes.HELD_FROM:
        context.on_trial.append(job)
    return _go_on(job, row, context)


def _go_on(job: Job, row: ClaimedRow, context: Context) -> Commands:
    """It goes on in the same attempt, where it was. What was planned may be there already, or even published: that is
    looked at first."""
    plan, progress = job.plan, job.progress
    if row.plan is None or row.plan_attempt != row.attempt.number:
        plan.foreign_record = row.plan is None
        out: Commands = [commands.Detect(job.attempt, row.url, plan.foreign_record, job.options, job.cookies_of)]
    elif row.plan.running:
        job.teardown.unknown_transfers, job.teardown.removed = len(row.plan.fetches), False
        out = record.go_on(job, row.plan)
    else:
        job.state, plan.continued, job.teardown.removed = State.FINISHING, True, False
        progress.resumed, progress.said_whole = True, row.stage == Stage.FINISHING
        job.budget.further_than = progress.percent or 0.0
        fetch.begin_transfers(job, row.plan, context)
        window.doubt(job, context)
        out = finish.finish(job, context)
    if row.refusal is not None:  # it was another one when it was claimed
        out = teardown.fail(job, row.refusal, context)
    stage = row.stage or job.state
    return [*out, commands.Tell(notices.DownloadResumed(**of(job), url=row.url, stage=stage, crashes=row.crashes))]


def _hold_back(job: Job, row: ClaimedRow, context: Context) -> Commands:
    """A row that the process has died with again and again: too often, or once more and it will be."""
    job.state, job.plan.foreign_record = State.HELD_BACK, not row.plan_attempt
    job.teardown.unknown_transfers, job.teardown.removed = row.parts, not row.parts
    if row.crashes >= crashes.CRASHES_MAX:
        return teardown.fail(job, crashes.CRASHED, context)
    others = sum(other.state is State.HELD_BACK for other in context.jobs.values() if other is not job)
    delay = crashes.HOLD_S + others * crashes.ROW_TRIAL_S
    job.budget.hold_until = context.now + delay
    return [commands.Tell(notices.DownloadHeldBack(**of(job), crashes=row.crashes, delay_s=delay))]


def take_up(job: Job, event: events.HoldElapsed, context: Context) -> Commands:
    """The process lives without it: it is tried. Should it die now, it was this one."""
    job.state = State.READING_PLAN
    context.on_trial.append(job)
    return [commands.SaveTakenUp(job.attempt), commands.ReadPlan(job.attempt)]


def plan_read(job: Job, event: events.PlanRead, context: Context) -> Commands:
    """It goes on as if it had been found under way just now: it was held back, or fenced."""
    found = _job(event.row, context)
    for each in fields(Job):
        setattr(job, each.name, getattr(found, each.name))
    if event.row.held:
        return _hold_back(job, event.row, context)
    if event.row.crashes >= crashes.HELD_FROM and job not in context.on_trial:
        context.on_trial.append(job)
    return _go_on(job, event.row, context)


def _job(row: ClaimedRow, context: Context) -> Job:
    plan = Plan(previous_plan=row.plan, has_leftovers=row.plan_attempt > 0, complete_parts=row.done)
    # Without retries somebody has sent it back to begin anew.
    budget = Budget(row.retry_count, previous_error=row.error_code if row.retry_count else None, crashes=row.crashes)
    budget.was_finishing = row.stage == Stage.FINISHING
    progress = Progress(percent=row.progress)
    job = Job(row.attempt, row.url, State.DETECTING, context.now, plan, progress, budget)
    job.options, job.owner, job.generation = row.options, row.owner, row.generation
    job.charged_at = context.now
    context.shared = context.shared or row.owner is not None
    return job
