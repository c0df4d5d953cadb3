"""Who may start now."""

from __future__ import annotations

from collections.abc import Iterable

from reactor.core.crashes import HELD_FROM, ROW_TRIAL_S
from reactor.core.job import WORKING, Job, State


def free_slots(limit: int, slow_max: int, jobs: Iterable[Job]) -> int:
    """How many more rows may be claimed when `limit` may be under way at once. A torrent that is only being
    served to others takes up no slot; neither do up to `slow_max` that are slow."""
    taken = [job for job in jobs if job.state is not State.SEEDING]
    slow = sum(1 for job in taken if job.slow)
    return max(0, limit - len(taken) + min(slow, slow_max))


def tried_until(job: Job) -> float | None:
    """When the trial of a row that the process may die of is over (machine's `now`), see `crashes`; None when it is no
    longer tried."""
    tried = job.state in WORKING and job.budget.crashes >= HELD_FROM
    return job.begun_at + ROW_TRIAL_S if tried else None
