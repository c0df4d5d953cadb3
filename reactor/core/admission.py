"""Who may start now."""

from __future__ import annotations

from collections.abc import Iterable

from reactor.core.crashes import HELD_FROM, ROW_TRIAL_S
from reactor.core.job import WORKING, Job, State


def free_slots(limit: int, slow_max: int, jobs: Iterable[Job]) -> int:
    """How many more rows may be claimed when `limit` may be under way at once. A torrent that is only being
    served to others takes up no slot; neither do up to `slow_max` that are slow."""
    return max(0, limit - len(in_slots(slow_max, jobs)))


def in_slots(slow_max: int, jobs: Iterable[Job]) -> list[Job]:
    """Those that take up a slot: of those that are slow, the ones that were begun last."""
    taken = [job for job in jobs if job.state is not State.SEEDING]
    slow = [job for job in taken if job.slow]
    if not slow:
        return taken
    slow.sort(key=lambda job: (job.begun_at, job.id))
    beside = {job.id for job in slow[:slow_max]}
    return [job for job in taken if job.id not in beside]


def tried_until(job: Job) -> float | None:
    """When the trial of a row that the process may die of is over (machine's `now`), see `crashes`; None when it is no
    longer tried."""
    tried = job.state in WORKING and job.budget.crashes >= HELD_FROM
    return job.begun_at + ROW_TRIAL_S if tried else None
