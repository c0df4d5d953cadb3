"""The lease of this machine, where several serve one queue: while it is held, what is under way here is its own.

It is renewed by the database, which tells time by its own clock; whether it is held is decided here, by the monotonic
clock, from the moment at which it was asked for. Others wait for longer before they take anything over, so a machine
that was stopped, or is cut off, has fenced itself before. Where nobody else serves the queue it is always held.

Each renewal says whether there is something to take over, and when there may be next: as soon as another machine would
be lost, it is renewed again, to ask. One batch is taken over at a time.
"""

from __future__ import annotations

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Commands, Context
from reactor.core.job import gids_of
from reactor.core.lifecycle import advance

BEAT_S = 5.0
"""How often it is renewed."""
AGAIN_S = 1.0
"""After a renewal, or a takeover, that failed."""
HELD_S = 20.0
"""For so long after a renewal was asked for it is held; others wait for longer."""


class Lease:
    """What is known of it; `Context.leased` says whether it is held."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._needed = context.limits.leased
        context.leased = not self._needed
        self._asked_at: float | None = None
        """While a renewal is under way: since when."""
        self._renew_at = 0.0
        self._held_until = 0.0
        self._was_held = False
        self._taking_over = False

    @property
    def due_at(self) -> float | None:
        """When time has to pass for it."""
        if not self._needed:
            return None
        moments = [self._held_until] if self._context.leased else []
        moments += [self._renew_at] if self._asked_at is None else []
        return min(moments, default=None)

    def renew(self) -> Commands:
        """Ask for the next renewal, if it is time."""
        now = self._context.now
        if not self._needed or self._asked_at is not None or now < self._renew_at:
            return []
        self._asked_at = now
        return [commands.RenewLease()]

    def expire(self) -> Commands:
        """Stop all that is under way, if it may not be this machine's own any more."""
        context = self._context
        if not self._needed or not context.leased or context.now < self._held_until:
            return []
        context.leased = False
        jobs = [*context.jobs.values()]
        out = [each for job in jobs for each in advance(job, events.LeaseLost(job.attempt), context)]
        # To clean them up may wait behind a save of the same attempt.
        left = [(each.attempt, each.parts) for each in context.leftovers.values() if each.parts]
        out += [commands.Fence(attempt, gids_of(context.instance, attempt, parts)) for attempt, parts in left]
        return [*out, commands.Tell(notices.LeaseLost(held_s=HELD_S))]

    def renewed(self, event: events.LeaseRenewed) -> Commands:
        """The database has renewed it: what waited for that goes on. What others have lost is taken over."""
        now, asked_at = self._context.now, self._asked_at
        if asked_at is None:
            return []
        pause = BEAT_S if event.lost_in_s is None else min(BEAT_S, event.lost_in_s)
        self._asked_at, self._renew_at = None, max(now, asked_at + pause)
        self._held_until = asked_at + HELD_S
        out: Commands = []
        if event.overdue and not self._taking_over:
            self._taking_over = True
            out.append(commands.TakeOver())
        if self._context.leased or now >= self._held_until:
            return out
        self._context.leased = True
        jobs = [*self._context.jobs.values()]
        out += [each for job in jobs for each in advance(job, events.LeaseRegained(job.attempt), self._context)]
        if self._was_held:
            out.append(commands.Tell(notices.LeaseRegained()))
        self._was_held = True
        return out

    def taken_over(self, event: events.TakenOver) -> None:
        """A batch is done. Whether this machine may take the next one is asked at once; one that failed, soon."""
        self._taking_over = False
        if event.more:
            self._renew_at = self._context.now
        elif event.failed:
            self._renew_at = min(self._renew_at, self._context.now + AGAIN_S)

    def not_renewed(self) -> None:
        """It could not be renewed: try again soon."""
        self._asked_at, self._renew_at = None, self._context.now + AGAIN_S
