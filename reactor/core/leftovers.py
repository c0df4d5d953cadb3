"""Leftovers: what an attempt that is over may have left behind, in aria2 or on the disk. Its row is not claimed before
they are paid."""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.endings import Endings
from reactor.core.job import Attempt, derive_gid

INTERVAL_S = 30.0
"""Between two tries to pay what could not be paid."""


class Leftovers:
    """What is owed, by the row's id, and when it is tried again to pay it."""

    def __init__(self, flow: Endings) -> None:
        self._flow = flow
        self.owed: dict[int, events.Leftover] = {}
        self.due_at: float | None = None

    def owe(self, leftover: events.Leftover) -> None:
        """Take a leftover on, and pay it if aria2 can be asked."""
        self.owed[leftover.attempt.download_id] = leftover
        if self._flow.connected:
            self._pay(leftover)

    def pay_all(self) -> None:
        """Pay what is owed, now that aria2 can be asked, or it is time to try again."""
        self.due_at = None
        for leftover in self.owed.values():
            self._pay(leftover)

    def paid(self, attempt: Attempt) -> bool:
        """Nothing is left of it: its plan can go, and its row may be claimed. False for a leftover that is none."""
        leftover = self.owed.get(attempt.download_id)
        if leftover is None or leftover.attempt != attempt:
            return False
        del self.owed[attempt.download_id]
        self._flow.out.append(commands.ForgetPlan(attempt))
        return True

    def _pay(self, leftover: events.Leftover) -> None:
        gids = tuple(derive_gid(self._flow.instance, leftover.attempt, n) for n in range(leftover.parts))
        self._flow.out.append(commands.CleanUp(leftover.attempt, gids, leftover.keep_result))
        self.due_at = self._flow.now + INTERVAL_S
