"""Torrents that are served to others once their rows are done: a courtesy, which gives way to what a row wants."""

from __future__ import annotations

from collections.abc import Iterable

from reactor.core.endings import Endings
from reactor.core.events import Leftover
from reactor.core.job import Job, State
from reactor.core.leftovers import Leftovers


class Seeding:
    """Ends it. What it leaves in aria2 and on the disk is a leftover."""

    def __init__(self, flow: Endings, leftovers: Leftovers) -> None:
        self._flow = flow
        self._debts = leftovers

    def stop(self, job: Job) -> None:
        """Serve this one to nobody any more."""
        self._flow.seeding_over(job)
        self.clear_up(job)

    def clear_up(self, job: Job) -> None:
        """What its attempt may have left goes; its files stay."""
        self._debts.owe(Leftover(job.attempt, len(job.transfers), keep_result=True))

    def make_way(self, job: Job, jobs: Iterable[Job]) -> None:
        """aria2 has refused `job` because it takes a torrent once only: no longer serve it to others."""
        if job.ending is None or job.ending.failure is None or job.ending.failure.code != "duplicate":
            return
        for other in [other for other in jobs if other.state is State.SEEDING and other.info_hashes & job.info_hashes]:
            self.stop(other)
