"""aria2 dies again and again: of which download?

What it may have died of is begun one after the other, and the one that it dies with alone ends."""

from __future__ import annotations

from reactor.core.context import Context
from reactor.core.job import IN_TRANSFER, Job
from reactor.errors import Failure
from reactor.records import dataclass

DEATHS_MAX = 4
"""How often in a row aria2 may die with a job of which no byte comes."""
TRIAL_FROM = 2
"""When aria2 has died so often in a row with a job, all are begun one after the other."""
ARIA2_TRIAL_S, ARIA2_TRIAL_ASK_S = 10.0, 0.2
"""How long one of them is watched before the next one is begun, and how often it is asked about: what aria2 dies of is
the head of an answer, as a rule."""
DIES = Failure("aria2_lost", "aria2 ended again and again when it was to fetch this.", None, True)


@dataclass(slots=True)
class Trial:
    """The one of several suspects that is begun again, and since when."""

    job: Job | None = None
    began_at: float = 0.0
    ask_at: float | None = None
    """When it is asked about next."""


def died(context: Context) -> Job | None:
    """aria2 was started anew. That uses up no try of what it had. Suspected is what it had of which no byte has
    come since the start before; or all it had. When it dies again and again with the same one and no other
    suspect, and no byte of that comes in between, it is that one's fault."""
    fetching = [job for job in context.jobs.values() if job.state in IN_TRANSFER]
    had = [job for job in fetching if any(not transfer.waiting for transfer in job.progress.given.values())]
    blamed = [job for job in had if not job.budget.lives] or had
    for job in blamed:
        job.budget.deaths += 1
    for job in fetching:
        job.budget.lives = job.budget.cleared = False
        job.plan.continued = True
        for transfer in job.progress.given.values():
            transfer.adds = 0
    return blamed[0] if len(blamed) == 1 and blamed[0].budget.deaths >= DEATHS_MAX else None


def next_suspect(context: Context) -> Job | None:
    """The one that may be begun: with it aria2 has died least often. None while there are not several."""
    jobs = context.jobs.values()
    if not any(job.budget.deaths >= TRIAL_FROM for job in jobs if job.state in IN_TRANSFER):
        return None
    suspects = [job for job in jobs if unproven(job)]
    return min(suspects, key=lambda job: (job.budget.deaths, job.begun_at, job.id)) if len(suspects) > 1 else None


def unproven(job: Job) -> bool:
    """True while aria2 may yet die of it."""
    return job.state in IN_TRANSFER and not job.budget.lives and not job.budget.cleared
