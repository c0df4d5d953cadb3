"""A broadcast that is recorded while it runs: when all there was of it has arrived, what has come since is asked for.

It happens within the attempt, and the parts keep their numbers: each extraction has those of the one before, and new
ones behind them. It ends when an extraction says so, or when the next one could be more than is allowed.
"""

from __future__ import annotations

from reactor.core import commands
from reactor.core.context import Commands, Context
from reactor.core.job import Job, State, TransferState
from reactor.errors import Failure
from reactor.plan import Detection, Extraction

GOES_ON = "its recording goes on"


def ask_for_more(job: Job, done: frozenset[int] | None, context: Context) -> Commands:
    """All there was of it has arrived, or cannot be had; `done`: the parts that are over, where they are more than
    before. It stays as it is, and is over, where more could be too much."""
    plan, progress = job.plan, job.progress
    extraction = plan.extraction
    assert extraction is not None  # that is what has arrived
    weight, before = progress.weight, plan.recorded_bytes
    refusal = context.limits.quotas.of(job.options).too_large(weight + 2 * (weight - before))
    plan.lost |= progress.missing
    if refusal is not None:
        plan.extraction = sealed(extraction, refusal)
        return [commands.SavePlan(job.attempt, plan.extraction, plan.complete_parts, continues=True)]
    plan.recorded_bytes = weight
    plan.complete_parts = frozenset(
        each.n for each in progress.transfers if each.state is TransferState.DONE and each.n not in plan.lost
    )
    plan.carried = {each.n: (each.completed, each.total) for each in progress.transfers if each.completed}
    context.disown(job)
    progress.begin([])
    job.budget.setbacks = 0
    job.teardown.removed = True  # aria2 has nothing of it that is not whole
    saved = [commands.SaveProgress((_arrived(job, done),))] if done is not None else []
    return [*saved, *go_on(job, extraction)]


def _arrived(job: Job, done: frozenset[int]) -> commands.ProgressOf:
    return commands.ProgressOf(job.attempt, None, 0, None, None, done=done - job.plan.lost)


def go_on(job: Job, so_far: Extraction) -> Commands:
    """Ask for more of what a plan has of a broadcast: of this attempt, of one before it, or of a process before."""
    plan = job.plan
    plan.detection = plan.detection or Detection(kind=so_far.kind, url=job.url, why=GOES_ON)
    plan.tried = [(plan.detection.kind, plan.detection.url)]
    plan.previous_plan, plan.extraction, plan.has_leftovers = so_far, None, True
    job.state = State.EXTRACTING
    return [
        commands.Extract(job.attempt, plan.detection, options=job.options, cookies_of=job.cookies_of, so_far=so_far)
    ]


def sealed(so_far: Extraction, refusal: Failure) -> Extraction:
    """What was taken of a broadcast, of which more is not allowed."""
    return so_far.sealed(f"The recording was ended here. {refusal.message}")
