"""The lease is lost: what a job has under way is stopped at once. It goes on when the lease is held again, if its row
is its own then.

What is in aria2 leaves it before that; files, plan and record stay. Then the row is read as after a restart. Where
another machine has taken it over there is nothing to read, and the next poll has the job taken down.
"""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.context import Commands, Context
from reactor.core.job import Job, State
from reactor.core.steps import teardown


def lost(job: Job, event: events.LeaseLost, context: Context) -> Commands:
    """Its row may be another machine's soon."""
    job.state, job.budget.hold_until = State.FENCED, None
    return _fence(job, context)


def still_stopping(job: Job, event: events.LeaseLost, context: Context) -> Commands:
    """It is over, and aria2 may not have been told yet."""
    return _fence(job, context)


def fence(job: Job, context: Context) -> commands.Fence:
    """What stops all of it at once."""
    return commands.Fence(job.attempt, () if job.teardown.removed else teardown.gids(job, context))


def _fence(job: Job, context: Context) -> Commands:
    job.teardown.stop_by = None if job.teardown.removed else context.now + teardown.STOP_PATIENCE_S
    return [fence(job, context)]


def ask_again(job: Job, event: events.Aria2Back | events.PatienceElapsed, context: Context) -> Commands:
    """aria2 has not said that nothing of it is left."""
    return _fence(job, context)


def removed(job: Job, event: events.TransfersRemoved, context: Context) -> Commands:
    """aria2 has nothing of it any more."""
    job.teardown.removed, job.teardown.stop_by, job.teardown.unknown_transfers = True, None, 0
    context.disown(job)
    return _go_on(job) if context.leased else []


def regained(job: Job, event: events.LeaseRegained, context: Context) -> Commands:
    """What is still its own may go on."""
    return _go_on(job) if job.teardown.removed else []


def _go_on(job: Job) -> Commands:
    job.state = State.READING_PLAN
    return [commands.ReadPlan(job.attempt)]
