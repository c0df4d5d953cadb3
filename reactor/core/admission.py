"""Who may start now."""

from __future__ import annotations

from collections.abc import Iterable

from reactor.core.job import Job, State


def free_slots(limit: int, jobs: Iterable[Job]) -> int:
    """How many more rows may be claimed when `limit` may be under way at once. A torrent that is only being
    served to others takes up no place."""
    taken = sum(1 for job in jobs if job.state is not State.SEEDING)
    return max(0, limit - taken)
