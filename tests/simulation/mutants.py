"""Ways to break the core on purpose. Each is something that somebody could do in good faith, in a line or two; the
simulation has to find every one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

from reactor.core import commands, events, flow, machine, reconcile, stalls
from reactor.core import crashes as core_crashes
from reactor.core.crashes import HELD_FROM
from reactor.core.disk import Disk
from reactor.core.endings import Endings
from reactor.core.flow import Flow
from reactor.core.handing import Handing
from reactor.core.job import Attempt, State, Transfer, TransferState, derive_gid
from reactor.core.leftovers import Leftovers
from reactor.core.machine import Machine
from reactor.core.quotas import Quotas
from reactor.core.reconcile import Finding, Found
from reactor.core.retry import RetryPolicy
from reactor.core.seeding import Seeding
from reactor.database.sqlite import crashes, downloads
from reactor.errors import Failure
from reactor.models import Extraction

Patch = tuple[Any, str, Any]
"""Where, what, and what it is for the time of the mutation."""


def _ask_never(self: Machine) -> None:
    self._ask_at = None


def _no_limit(limit: int, jobs: object) -> int:
    return 5


def _leave_transfers(self: Endings, job: Any) -> None:
    self.taken_down(job)


def _cancels_unseen(self: Machine, job: Any, row: Any) -> None:
    """Only rows that are gone are acted upon."""
    if job.state is not State.CLOSING and row is None:
        self._overtake(job, "deleted")


def _always_again(self: RetryPolicy, failure: Any, attempt: Any, retry_count: int, **more: Any) -> float | None:
    return self.delay_base_s if failure.retryable else None


def _leftovers_forgotten(self: Leftovers, leftover: events.Leftover) -> None:
    self._flow.out.append(commands.ForgetPlan(leftover.attempt))


def _no_reconciliation(self: Machine, event: events.Aria2Connected) -> None:
    self._session, self._flow.connected, self._asking, self._look_wanted = event.session, True, False, True
    self.leftovers.pay_all()


def _unknown_is_fine(transfer: Transfer) -> Finding:
    return Finding(Found.UNDER_WAY)


def _tidied_too_early(self: Flow, job: Any, path: str, size: int) -> None:
    FINISHED(self, job, path, size)
    self.out.insert(0, commands.Tidy((job.id,)))


def _last_part_forgotten(self: Flow, job: Any) -> None:
    if len(job.transfers) > 1 and job.done == len(job.transfers) - 1:
        job.done += 1
    FETCHED(self, job)


def _refusals_ignored(self: Machine, event: Any) -> None:
    if not isinstance(event, events.SaveStale):
        OF_ONE_JOB(self, event)


def _deleted_rows_go_on(self: Machine, job: Any, row: Any) -> None:
    if row is not None:
        JUDGE(self, job, row)


def _added_twice(self: Flow, job: Any, numbers: tuple[int, ...], failure: Any) -> None:
    """A refusal is taken for a no, though aria2 may have it."""
    for n in numbers:
        job.transfers[n].state = TransferState.PLANNED
    self.fail(job, failure)


def _from_zero_each_time(self: Flow, job: Any) -> Any:
    job.progress = None
    return MEASURE(self, job)


def _salted(instance: str, attempt: Attempt, n: int) -> str:
    return f"{next(SALT):x}{derive_gid(instance, attempt, n)}"[:16]


def _costs_nothing(self: RetryPolicy, failure: Failure) -> bool:
    return False


def _refused_is_saved(self: Machine, event: Any) -> None:
    job = self.jobs.get(event.attempt.download_id)
    if isinstance(event, events.SaveStale) and job is not None and job.state is State.CLOSING:
        self._flow.saved(job)
    else:
        OF_ONE_JOB(self, event)


def _requeue_fails(self: Endings, job: Any) -> None:
    self.end(job, Failure("changed", "The row has changed."))


def _seeds_in_place(limit: int, jobs: Iterable[Any]) -> int:
    return max(0, limit - len(list(jobs)))


def _served_for_ever(self: Seeding, job: Any, jobs: Iterable[Any]) -> None:
    """The row waits instead."""


def _no_look_at_it(self: Handing, job: Any) -> bool:
    return False


def _never_over(self: Flow, job: Any) -> None:
    return None


def _any_number_of_parts(self: Quotas, extraction: Any, joined: int = 0) -> Failure | None:
    return self.too_large(max(extraction.size or 0, joined))


def _not_what_is_written(self: Quotas, extraction: Extraction, joined: int = 0) -> Failure | None:
    return REFUSAL(self, extraction)


def _at_once(self: RetryPolicy, *args: Any, **more: Any) -> float | None:
    return None if NEXT_DELAY(self, *args, **more) is None else 0.0


def _newest_first(connection: Any, asked: Any, limit: int) -> list[int]:
    return DUE(connection, asked, 1000)[::-1][:limit]


def _all_are_blamed(known: dict[Attempt, tuple[int, int]]) -> dict[Attempt, tuple[int, int]]:
    """Whoever is there when the process dies."""
    return {attempt: (times + 1, int(times + 1 < HELD_FROM)) for attempt, (times, _) in known.items()}


def _anything(*args: Any) -> None:
    """Nothing is to be said of it."""


SALT = count()
NEXT_DELAY, DUE = RetryPolicy.next_delay_s, downloads._due
FINISHED, FETCHED, MEASURE = Flow.finished, Flow._fetched, Flow.measure
REFUSAL = Quotas.refusal
OF_ONE_JOB, JUDGE = Machine._of_one_job, Machine._judge

MUTANTS: Mapping[str, tuple[Patch, ...]] = {
    "progress is never asked for: all waits for notifications": ((Machine, "_ask_for_progress", _ask_never),),
    "as many rows as there are": ((machine, "room", _no_limit),),
    "what is stopped is left in aria2": ((Endings, "remove", _leave_transfers),),
    "cancels are not looked for": ((Machine, "_judge", _cancels_unseen),),
    "retries without a limit": ((RetryPolicy, "next_delay_s", _always_again),),
    "leftovers are forgiven": ((Leftovers, "owe", _leftovers_forgotten),),
    "no look at aria2 after a reconnect": ((Machine, "_aria2_connected", _no_reconciliation),),
    "a gid that aria2 does not know is under way": ((reconcile, "_missing", _unknown_is_fine),),
    "the record of what is published goes before the row says so": ((Flow, "finished", _tidied_too_early),),
    "joined without the last part": ((Flow, "_fetched", _last_part_forgotten),),
    "a refused save is no news": ((Machine, "_of_one_job", _refusals_ignored),),
    "a deleted row goes on": ((Machine, "_judge", _deleted_rows_go_on),),
    "a refused add is final": ((Flow, "add_failed", _added_twice),),
    "progress begins anew with each question": ((Flow, "measure", _from_zero_each_time),),
    "gids that nobody can derive again": ((flow, "derive_gid", _salted),),
    "retries cost nothing": ((RetryPolicy, "costs", _costs_nothing),),
    "a last write that was refused is taken for saved": ((Machine, "_of_one_job", _refused_is_saved),),
    "an attempt that cannot go on has failed": ((Endings, "requeue", _requeue_fails),),
    "what is only served takes up a place": ((machine, "room", _seeds_in_place),),
    "what is only served keeps others from it": ((Seeding, "make_way", _served_for_ever),),
    "what stands still may": ((stalls, "_still", _anything), (stalls, "_slow", _anything)),
    "what drips is not slow": ((stalls, "_slow", _anything),),
    "a full disk holds nobody": ((Disk, "has_room", property(lambda self: True)),),
    "what does not fit is begun": ((Handing, "weigh", _no_look_at_it),),
    "an attempt has all the time there is": ((Flow, "ends_at", _never_over),),
    "any number of parts": ((Quotas, "refusal", _any_number_of_parts),),
    "a quota of what is fetched, not of what is written": ((Quotas, "refusal", _not_what_is_written),),
    "again at once, each time": ((RetryPolicy, "next_delay_s", _at_once),),
    "the newest first": ((downloads, "_due", _newest_first),),
    "the process may die of a row as often as it likes": ((crashes, "count", _anything),),
    "a row that the process dies of is tried for ever": ((core_crashes, "CRASHES_MAX", 1000),),
    "whoever is there when the process dies is blamed": ((crashes, "_blamed", _all_are_blamed),),
    "a process that was asked to end has died": ((crashes, "leave", _anything),),
    "a validator that is not looked at": ((Extraction, "continues", lambda self, earlier: True),),
}


@contextmanager
def mutated(patches: tuple[Patch, ...]) -> Iterator[None]:
    """The core with these changes."""
    before: list[Patch] = [(where, name, getattr(where, name)) for where, name, _ in patches]
    try:
        for where, name, instead in patches:
            setattr(where, name, instead)
        yield
    finally:
        for where, name, original in before:
            setattr(where, name, original)
