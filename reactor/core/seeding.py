"""Torrents that are served to others once their rows are done: a courtesy, which gives way to what a row wants."""

from __future__ import annotations

from collections.abc import Iterable

from reactor.core.debts import Debts
from reactor.core.endings import Endings
from reactor.core.events import Debt
from reactor.core.job import Job, State


class Seeding:
    """Ends it. What it leaves in aria2 and on the disk is a debt."""

    def __init__(self, flow: Endings, debts: Debts) -> None:
        self._flow = flow
        self._debts = debts

    def stop(self, job: Job) -> None:
        """Serve this one to nobody any more."""
        self._flow.seeding_over(job)
        self.clear_up(job)

    def clear_up(self, job: Job) -> None:
        """What its attempt may have left goes; its files stay."""
        self._debts.owe(Debt(job.attempt, len(job.transfers), keep_result=True))

    def make_way(self, job: Job, jobs: Iterable[Job]) -> None:
        """aria2 has refused `job` because it takes a torrent once only: no longer serve it to others."""
        if job.ending is None or job.ending.failure is None or job.ending.failure.code != "duplicate":
            return
        for other in [other for other in jobs if other.state is State.SEEDING and other.info_hashes & job.info_hashes]:
            self.stop(other)
