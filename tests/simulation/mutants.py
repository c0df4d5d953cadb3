"""Ways to break the core on purpose. Each is something that somebody could do in good faith, in a line or two; the
simulation has to find every one of them. Most replace an entry of the law (`lifecycle.TABLE`), or leave it out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from typing import Any, cast

from reactor.core import commands, events, machine, slices
from reactor.core import crashes as core_crashes
from reactor.core import lease as core_lease
from reactor.core.admission import free_slots
from reactor.core.context import Commands, Context
from reactor.core.crashes import HELD_FROM
from reactor.core.disk import Disk
from reactor.core.job import Attempt, End, Ending, Job, State, Transfer, TransferState, derive_gid
from reactor.core.lease import Lease
from reactor.core.lifecycle import TABLE, Entry, Step
from reactor.core.quotas import Quotas
from reactor.core.reconcile import Change, TransferChange, reconcile
from reactor.core.retry import RetryPolicy
from reactor.core.slices import Slices
from reactor.core.stalls import stalled
from reactor.core.steps import fetch, finish, listing, renew, seed, teardown, window
from reactor.core.turns import Caps, Waiting
from reactor.database import contract
from reactor.database.postgres import machines
from reactor.database.sql import admission, crashes, downloads, lists, order, saving, statements, table, turns
from reactor.errors import Failure
from reactor.plan import Extraction
from tests.simulation.machines import Node

UNSET = object()
Mutation = Callable[[], Any]
"""Makes a context manager: while it is open, the core is another one."""


@contextmanager
def _table(changed: Mapping[Any, Entry | None]) -> Iterator[None]:
    """Other entries in the table; None: none."""
    table = cast(dict[Any, Entry], TABLE)
    before = {key: table[key] for key in changed}
    try:
        for key, entry in changed.items():
            del table[key]
            if entry is not None:
                table[key] = entry
        yield
    finally:
        table.update(before)


def stepping(name: str, step: Step) -> Mutation:
    """Wherever the table has the step of this name it has another one, which may lead to the same states and more."""
    keys = [key for key, entry in TABLE.items() if entry.name == name]
    assert keys, f"the table has no {name}"
    return lambda: _table({key: Entry(step, frozenset(State), name) for key in keys})


def without(event: type) -> Mutation:
    """The event changes nothing, in no state."""
    keys = [key for key in TABLE if key[1] is event]
    assert keys, f"the table has no {event}"
    return lambda: _table(dict.fromkeys(keys))


def with_(where: Any, name: str, instead: Any) -> Mutation:
    """Something else under this name."""
    return lambda: _set(where, name, instead)


@contextmanager
def _set(where: Any, name: str, instead: Any) -> Iterator[None]:
    before = vars(where).get(name, UNSET)
    setattr(where, name, instead)
    try:
        yield
    finally:
        delattr(where, name) if before is UNSET else setattr(where, name, before)


# Steps


def _only_deleted(job: Job, event: events.Overtaken, context: Context) -> Commands:
    return teardown.overtaken(job, event, context) if event.how == "deleted" else []


def _all_but_deleted(job: Job, event: events.Overtaken, context: Context) -> Commands:
    return teardown.overtaken(job, event, context) if event.how != "deleted" else []


def _tidied_too_early(job: Job, event: events.Finished, context: Context) -> Commands:
    return [commands.Tidy((job.id,)), *finish.finished(job, event, context)]


def _added_twice(job: Job, event: events.AddFailed, context: Context) -> Commands:
    """A refusal is taken for a no, though aria2 may have it."""
    for n in event.numbers:
        job.progress.transfers[n].state = TransferState.PLANNED
    return teardown.fail(job, event.failure, context)


def _from_zero_each_time(job: Job, event: events.ProgressDue, context: Context) -> Commands:
    job.progress.percent = None
    return fetch.progress_due(job, event, context)


def _last_page_left_out(job: Job, event: events.EntriesSaved, context: Context) -> Commands:
    job.listed += context.limits.list_page
    return listing.entries_saved(job, event, context)


def _confirmed_fails(job: Job, event: events.RowConfirmed, context: Context) -> Commands:
    return teardown.end(job, Failure("changed", "The row has changed."), context)


def _poll_as_ever(self: machine.Machine) -> Commands:
    draining, self._draining = self._draining, None
    out = POLL(self)
    self._draining = draining
    return out


POLL = machine.Machine._poll

# What steps are made of


def _leave_transfers(job: Job, context: Context) -> Commands:
    removed = events.TransfersRemoved(job.attempt)
    return teardown.removed(job, removed, context) if job.state is State.REMOVING else REMOVE(job, context)


def _leftovers_forgotten(leftover: events.Leftover, context: Context) -> Commands:
    return [commands.ForgetPlan(leftover.attempt)]


def _unknown_is_fine(transfer: Transfer, report: events.TransferReport) -> TransferChange:
    if report.status is events.TransferStatus.UNKNOWN:
        return TransferChange(Change.UNDER_WAY)
    return reconcile(transfer, report)


def _gone_is_lost(job: Job, extraction: Extraction, context: Context) -> Commands:
    return teardown.fail(job, Failure("files_missing", "What was there is there no more."), context)


def _last_part_forgotten(job: Job, context: Context) -> Commands:
    if len(job.progress.transfers) > 1 and job.progress.done == len(job.progress.transfers) - 1:
        job.progress.done += 1
    return ALL_FETCHED(job, context)


def _renewed_too_early(job: Job, failure: Failure, context: Context) -> Commands:
    """The page is asked before the transfers have left aria2."""
    out = RENEW_OR_FAIL(job, failure, context)
    if job.state is not State.RENEWING:
        return out
    return [each for each in out if not isinstance(each, commands.RemoveTransfers)] + renew.removed(
        job, events.TransfersRemoved(job.attempt), context
    )


def _drips_are_fine(job: Job, limit_s: float, min_speed: float, now: float) -> Failure | None:
    return stalled(job, limit_s, 0.0, now)


def _no_limit(limit: int, slow_max: int, jobs: object) -> int:
    return 5


def _seeds_take_slots(limit: int, slow_max: int, jobs: Iterable[Any]) -> int:
    return max(0, limit - len(list(jobs)))


def _all_may_crawl(limit: int, slow_max: int, jobs: Iterable[Any]) -> int:
    return free_slots(limit, limit, jobs)


def _always_again(self: RetryPolicy, failure: Any, attempt: Any, retry_count: int, **more: Any) -> float | None:
    return self.delay_base_s if failure.retryable else None


def _at_once(self: RetryPolicy, *args: Any, **more: Any) -> float | None:
    return None if NEXT_DELAY(self, *args, **more) is None else 0.0


def _salted(instance: str, attempt: Attempt, n: int) -> str:
    return f"{next(SALT):x}{derive_gid(instance, attempt, n)}"[:16]


def _any_number_of_parts(self: Quotas, extraction: Any, joined: int = 0) -> Failure | None:
    return self.too_large(max(extraction.size or 0, joined))


def _not_what_is_written(self: Quotas, extraction: Extraction, joined: int = 0) -> Failure | None:
    return REFUSAL(self, extraction)


def _oldest_row(waiting: list[Waiting], queue_tag: float) -> int:
    rows = [each.row for each in waiting]
    return rows.index(min(rows))


def _by_date_alone(due: str, nobodys: bool) -> str:
    return STATEMENT(due, nobodys).replace(f"ORDER BY {order.PLACE}", "ORDER BY added_date, id")


def _newest_first(*waiting: list[int]) -> list[int]:
    return IN_TURN(*waiting)[::-1]


def _all_are_blamed(known: dict[Attempt, tuple[int, int]]) -> dict[Attempt, tuple[int, int]]:
    """Whoever is there when the process dies."""
    return {attempt: (times + 1, int(times + 1 < HELD_FROM)) for attempt, (times, _) in known.items()}


def _nothing_abandoned(self: machine.Machine) -> tuple[list[commands.CleanUp], commands.ForgetTransfers]:
    return [], commands.ForgetTransfers(())


def _may(*args: Any) -> bool:
    return True


def _from_zero(job: Job, context: Context) -> Commands:
    ending = Ending(End.YIELDED, retry_count=job.budget.retry_count)
    return teardown.stop(job, ending, context)


def _that_costs(job: Job, context: Context) -> Commands:
    ending = Ending(End.YIELDED, retry_count=job.budget.retry_count + 1, discard=False)
    return teardown.stop(job, ending, context)


def _anything(*args: Any) -> None:
    """Nothing is to be said of it."""


def _deadline(self: machine.Machine) -> float | None:
    """As it was found first."""
    return cast(float | None, vars(self).get("found", machine.UNKNOWN))


def _keep_deadline(self: machine.Machine, found: float | None) -> None:
    if found is not machine.UNKNOWN:
        vars(self).setdefault("found", found)


def _only_noted(self: machine.Machine, event: events.TransferNotified) -> Commands:
    """What aria2 tells is noted, and nobody asks what has become of it; nor does the question that comes by itself."""
    NOTIFIED(self, event)
    return []


SALT = count()
NOTIFIED = machine.Machine._notified
STATEMENT = order._statement
NEXT_DELAY, IN_TURN, REFUSAL = RetryPolicy.next_delay_s, contract.in_turn, Quotas.refusal
REMOVE, ALL_FETCHED, RENEW_OR_FAIL = teardown.remove, finish.when_all_fetched, renew.renew_or_fail

ASKING_TOO = downloads.DUE.replace("status = 'pending'", "status IN ('pending', 'choosing')").replace(
    f"AND {statements.NO_RETRY}", f"AND ({statements.NO_RETRY} OR status = 'choosing')"
)
ALWAYS_DUE = downloads.PROBE.replace(downloads.DUE, downloads.DUE.replace("status = 'pending'", "TRUE"))

MUTANTS: Mapping[str, tuple[Mutation, ...]] = {
    "progress is never asked for: all waits for notifications": (with_(Job, "in_aria2", property(lambda self: False)),),
    "as many rows as there are": (with_(machine, "free_slots", _no_limit),),
    "what is stopped is left in aria2": (with_(teardown, "remove", _leave_transfers),),
    "cancels are not looked for": (stepping("teardown.overtaken", _only_deleted),),
    "retries without a limit": (with_(RetryPolicy, "next_delay_s", _always_again),),
    "leftovers are forgiven": (
        with_(machine, "take_on", _leftovers_forgotten),
        with_(seed, "take_on", _leftovers_forgotten),
    ),
    # Neither for the jobs nor at the disk: that, measured anew, would open the windows, too.
    "no look at aria2 after a reconnect": (without(events.Aria2Back), with_(Disk, "refresh", lambda self: [])),
    "a gid that aria2 does not know is under way": (with_(fetch, "reconcile", _unknown_is_fine),),
    "the record of what is published goes before the row says so": (stepping("finish.finished", _tidied_too_early),),
    "what was wrongly taken for granted is taken for granted again": (
        with_(Transfer, "presumed", property(lambda self: True, lambda self, value: None)),
    ),
    "joined without the last part": (with_(finish, "when_all_fetched", _last_part_forgotten),),
    "a refused save is no news": (without(events.SaveStale),),
    "a deleted row goes on": (stepping("teardown.overtaken", _all_but_deleted),),
    "a refused add is final": (stepping("window.add_failed", _added_twice),),
    "progress begins anew with each question": (stepping("fetch.progress_due", _from_zero_each_time),),
    "gids that nobody can derive again": (with_(fetch, "derive_gid", _salted),),
    "retries cost nothing": (with_(RetryPolicy, "costs", lambda self, failure: False),),
    "a last write that was refused is taken for saved": (stepping("teardown.last_stale", teardown.saved),),
    "an attempt that cannot go on has failed": (stepping("teardown.confirmed", _confirmed_fails),),
    "any number of slow ones beside the others": (with_(machine, "free_slots", _all_may_crawl),),
    "what is only served takes up a slot": (with_(machine, "free_slots", _seeds_take_slots),),
    "what is only served keeps others from it": (without(events.Superseded),),
    "what stands still may": (with_(fetch, "stalled", _anything),),
    "what drips is not slow": (with_(fetch, "stalled", _drips_are_fine),),
    "a full disk holds nobody": (with_(Disk, "has_space", property(lambda self: True)),),
    "what does not fit is begun": (with_(window, "check_space", lambda job: ([], False)),),
    "an attempt has all the time there is": (with_(Quotas, "ends_at", _anything),),
    "any number of parts": (with_(Quotas, "refusal", _any_number_of_parts),),
    "a quota of what is fetched, not of what is written": (with_(Quotas, "refusal", _not_what_is_written),),
    "again at once, each time": (with_(RetryPolicy, "next_delay_s", _at_once),),
    "whoever was first is served first, whatever he has had": (with_(turns, "next_of", _oldest_row),),
    "what rows have had is charged to nobody": (with_(Slices, "charges", lambda self, decided: []),),
    "of one owner as many run as there are slots": (
        with_(Caps, "owner_is_full", lambda self, account, under_way: False),
    ),
    "an owner begins as much in a day as it likes": (with_(Caps, "is_used_up", lambda self, account, spent: False),),
    "an owner gets as many bytes in a day as it likes": (
        with_(turns, "SPEND", turns.SPEND.replace("+ :bytes,", "+ 0 * :bytes,")),
    ),
    "from one site as many run as there are slots": (with_(Caps, "site_is_full", lambda self, under_way: False),),
    "of one owner as many rows wait as it adds": (with_(Caps, "too_many", lambda self, waiting: 0),),
    "whoever waits is refused one that is not too many": (with_(Caps, "too_many", lambda self, waiting: 1),),
    "what the bot's column says of whose a row is is not read": (with_(admission, "own", lambda *asked: False),),
    "what was begun before has no room in the day either": (with_(turns, "NEW", "TRUE"),),
    "a weight changes nothing": (with_(turns, "CHARGE", turns.CHARGE.replace("/ weight", "")),),
    "a priority changes nothing": (with_(order, "_statement", _by_date_alone),),
    "what has given way waits behind what has a higher priority": (with_(turns, "yielded", lambda *asked: {}),),
    "not_before is not waited for": (
        with_(turns, "RIPE", turns.RIPE | {turns.BEGINS: (statements.LATER,)}),
        with_(downloads, "PROBE", downloads.PROBE.replace("not_before <= :now", "not_before > 0")),
    ),
    "what was not to begin before never begins": (
        with_(turns, "RIPE", {key: which for key, which in turns.RIPE.items() if key != turns.BEGINS}),
    ),
    "the newest first": (with_(contract, "in_turn", _newest_first),),
    "the process may die of a row as often as it likes": (with_(crashes, "count", _anything),),
    "a row that the process dies of is tried for ever": (with_(core_crashes, "CRASHES_MAX", 1000),),
    "whoever is there when the process dies is blamed": (with_(crashes, "blamed", _all_are_blamed),),
    "a process that was asked to end has died": (with_(crashes, "leave", _anything),),
    "the metadata of a magnet link has the torrent's gid": (with_(fetch, "METADATA", 0),),
    "a validator that is not looked at": (with_(Extraction, "continues", lambda self, earlier: True),),
    "new links while aria2 still has the old ones": (with_(renew, "renew_or_fail", _renewed_too_early),),
    "what a replaced database had under way is left in aria2": (with_(machine.Machine, "abandon", _nothing_abandoned),),
    "the last page of a list is left out": (stepping("listing.entries_saved", _last_page_left_out),),
    "a list that cannot be read again has failed, whatever its entries do": (with_(lists, "FAILED", "stage = NULL"),),
    "the entries of a cancelled list go on": (with_(lists, "stop", _anything),),
    "a row that asks is claimed": (with_(downloads, "DUE", ASKING_TOO), with_(downloads, "PROBE", ALWAYS_DUE)),
    "an answer is lost": (with_(table, "answered", lambda said, choices, codes: {**said}),),
    "what was to be reused and has gone is lost": (with_(finish, "_fetch_after_all", _gone_is_lost),),
    "what has gone is to be reused all the same": (with_(Extraction, "fetched", lambda self: self),),
    "what gives way loses what there is of it": (with_(teardown, "give_way", _from_zero),),
    "to give way costs a retry": (with_(teardown, "give_way", _that_costs),),
    "a deadline stays as it was found first": (
        with_(machine.Machine, "_deadline", property(_deadline, _keep_deadline)),
    ),
    "what aria2 tells is noted only": (
        with_(machine.Machine, "_notified", _only_noted),
        with_(Job, "in_aria2", property(lambda self: False)),
    ),
    "links are renewed for ever": (with_(renew, "RENEWALS_MAX", 10**9),),
    "who is about to end begins more": (with_(machine.Machine, "_poll", _poll_as_ever),),
    "who is about to end waits though all is over": (with_(machine.Machine, "_under_way", lambda self: 1),),
}


UNFAIR: Mapping[str, tuple[Mutation, ...]] = {
    "nobody's slice is ever over": (with_(Slices, "spent", lambda self: ()),),
    "nobody hears who waits": (with_(turns, "accounts", lambda *asked: ()),),
    "what cannot be gone on with is cut": (with_(fetch, "may_yield", _may), with_(slices, "may_yield", _may)),
    "a slice is over at once": (with_(Slices, "_could", lambda self, job: True),),
    "what gives way begins anew": (with_(teardown, "give_way", _from_zero),),
    "what has a slot is charged to nobody": (with_(Slices, "charges", lambda self, decided: []),),
    "whoever was first is served first, whatever he has had": (with_(turns, "next_of", _oldest_row),),
}
"""Ways to let an owner wait for too long, or to cut what should not be: `fairness.check` finds them."""


def _claim_forgotten(self: machine.Machine, event: events.DatabaseFailed) -> Commands:
    self._claiming = False
    return DATABASE_FAILED(self, event)


def _held_from_the_answer(self: Lease, event: events.LeaseRenewed) -> Commands:
    self._asked_at = self._context.now
    return LEASE_RENEWED(self, event)


def _asked_with_the_beat(self: Lease, event: events.LeaseRenewed) -> Commands:
    return LEASE_RENEWED(self, replace(event, lost_in_s=None))


DATABASE_FAILED, LEASE_RENEWED = machine.Machine._database_failed, Lease.renewed
ANYBODYS = "status = 'downloading' AND coalesce(stage, '') <> 'items'"

UNLEASED: Mapping[str, tuple[Mutation, ...]] = {
    "a machine never finds out that it has lost its lease": (with_(Lease, "expire", lambda self: []),),
    "what is under way goes on without a lease": (without(events.LeaseLost),),
    "a lease is held from when it was answered": (with_(Lease, "renewed", _held_from_the_answer),),
    "a lease is held by the clock on the wall": (with_(Node, "monotonic", property(lambda self: self.wall)),),
    "a lease is held for longer than others wait": (with_(core_lease, "HELD_S", 2 * machines.DEAD_S),),
    "the live rows of another machine are taken over": (
        with_(machines, "ORPHANED", ANYBODYS),
        with_(machines, "RENEW", machines.RENEW.replace(machines.ORPHANED, ANYBODYS)),
    ),
    "what a lost machine had is lost, too": (with_(machines, "ORPHANED", f"{ANYBODYS} AND FALSE"),),
    "what is lost is found with the next beat only": (with_(Lease, "renewed", _asked_with_the_beat),),
    "a takeover is never over": (with_(Lease, "taken_over", lambda self, event: None),),
    "who is back first takes all over": (
        with_(machines, "RENEW", machines.RENEW.replace(f"- {machines.MISSED_S}", "- 1e9")),
    ),
    "a claim whose answer is lost is forgotten": (with_(machine.Machine, "_database_failed", _claim_forgotten),),
    "what another machine has is written all the same": (with_(saving, "GUARD", "id = :id AND :attempt > 0"),),
}
"""Ways to let two machines have one row, or none: `machines.Cluster` finds them."""


@contextmanager
def mutated(mutations: tuple[Mutation, ...]) -> Iterator[None]:
    """The core with these changes."""
    with ExitStack() as stack:
        for mutation in mutations:
            stack.enter_context(mutation())
        yield
