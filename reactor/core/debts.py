"""Debts: what an attempt that is over may have left behind, in aria2 or on the disk. Its row is not claimed before
they are paid."""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.endings import Endings
from reactor.core.job import Attempt, derive_gid

INTERVAL_S = 30.0
"""Between two tries to pay what could not be paid."""


class Debts:
    """What is owed, by the row's id, and when it is tried again to pay it."""

    def __init__(self, flow: Endings) -> None:
        self._flow = flow
        self.owed: dict[int, events.Debt] = {}
        self.due_at: float | None = None

    def owe(self, debt: events.Debt) -> None:
        """Take a debt on, and pay it if aria2 can be asked."""
        self.owed[debt.attempt.download_id] = debt
        if self._flow.connected:
            self._pay(debt)

    def pay_all(self) -> None:
        """Pay what is owed, now that aria2 can be asked, or it is time to try again."""
        self.due_at = None
        for debt in self.owed.values():
            self._pay(debt)

    def paid(self, attempt: Attempt) -> bool:
        """Nothing is left of it: its plan can go, and its row may be claimed. False for a debt that is none."""
        debt = self.owed.get(attempt.download_id)
        if debt is None or debt.attempt != attempt:
            return False
        del self.owed[attempt.download_id]
        self._flow.out.append(commands.ForgetPlan(attempt))
        return True

    def _pay(self, debt: events.Debt) -> None:
        gids = tuple(derive_gid(self._flow.instance, debt.attempt, n) for n in range(debt.parts))
        self._flow.out.append(commands.PayDebt(debt.attempt, gids, debt.keep_result))
        self.due_at = self._flow.now + INTERVAL_S
