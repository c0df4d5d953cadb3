"""The brain: events in, commands out.

`handle` is a plain function of what came before, the event and `now` (monotonic seconds): no I/O, no clock,
no dice. It says which jobs an event is about and has `lifecycle` move them, keeps the deadlines, and decides when to
poll the rows and when to ask aria2.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from reactor import notices
from reactor.core import commands, events
from reactor.core.admission import free_slots, tried_until
from reactor.core.allowance import Allowance
from reactor.core.context import Commands, Context, Limits
from reactor.core.database_health import DatabaseHealth
from reactor.core.disk import Disk
from reactor.core.events import Event
from reactor.core.job import IN_TRANSFER, WORKING, Attempt, CookieSource, End, Job, State
from reactor.core.lease import Lease
from reactor.core.leftovers import clean_up, clean_up_all, cleaned_up, take_on
from reactor.core.lifecycle import advance
from reactor.core.slices import Slices
from reactor.core.steps import claim, seed, teardown, window
from reactor.core.steps.lease import fence
from reactor.core.suspects import ARIA2_TRIAL_ASK_S, ARIA2_TRIAL_S, DIES, Trial, died, next_suspect
from reactor.core.widths import Widths

RECONCILE_INTERVAL_S = 30.0
"""aria2 is asked at least this often about what is under way, however rarely progress is written."""
UNKNOWN = math.nan
FORGET_AT = 100
"""So many results that nobody needs any more are dropped at once; the others when nothing is under way."""


class Machine:
    """All jobs of one database. Feed it every event, carry out every command, in order."""

    def __init__(self, limits: Limits) -> None:
        self._context = Context(limits)
        self.jobs: dict[int, Job] = self._context.jobs
        self.disk = Disk(self._context)
        self._allowance = Allowance(self._context)
        self._slices = Slices(self._context)
        self._widths = Widths(self._context)
        self._health = DatabaseHealth()
        self._lease = Lease(self._context)
        self._session: str | None = None
        self._recovered, self._recovering = False, False
        self._known_before: frozenset[Attempt] = frozenset()
        """What was under way when it was asked what is: the answer may say so of one that has ended since."""
        self._draining: str | None = None
        """While nothing new begins, and what is under way may end before the process does: why."""
        self._leaving: str | None = None
        self._stopped = False
        # Polling the rows
        self._poll_wanted, self._polling = False, False
        self._claiming = False
        """While a poll is under way that may claim."""
        self._to_take_up: list[Job] = []
        """Held back for long enough, but for such a poll."""
        self._watched: frozenset[int] = frozenset()
        self._poll_at: float | None = None
        self._due_at: float | None = None
        self._closed = False
        """While it is not the time in which rows are begun."""
        self._tried_until: float | None = None
        """While a row is tried that the process may die of: nothing is claimed before."""
        self._deadline: float | None = UNKNOWN
        """As it was found last, unless something may have changed since."""
        # Asking aria2
        self._asking = False
        self._ask_at: float | None = None
        self._trial = Trial()

    @property
    def connected(self) -> bool:
        """True while aria2 can be asked."""
        return self._context.connected

    @property
    def leftovers(self) -> dict[int, events.Leftover]:
        """What has to be cleaned up yet, by the row's id."""
        return self._context.leftovers

    @property
    def steps(self) -> tuple[str, ...]:
        """The names of the steps that the last event led to."""
        return tuple(self._context.taken)

    def start(self, now: float = 0.0) -> Commands:
        """The first command of all, at that moment: where there are leases, nothing is read before this machine has
        one."""
        self._context.now = now
        return self._lease.renew() or self._recover_now()

    def _recover_now(self) -> Commands:
        self._recovering = True
        self._known_before = frozenset(job.attempt for job in self.jobs.values())
        return [commands.Recover()]

    def abandon(self) -> tuple[list[commands.CleanUp], commands.ForgetTransfers]:
        """What has to go from aria2 and from the staging folders when nobody serves this database any more. What was
        published for a row that is done stays."""
        context = self._context
        jobs = [teardown.clean_up(job, context) for job in self.jobs.values()]
        left = [clean_up(leftover, context) for leftover in self.leftovers.values()]
        return [*jobs, *left], commands.ForgetTransfers(tuple(context.unneeded_results))

    def handle(self, event: Event, now: float) -> Commands:
        """What `event` makes necessary."""
        if self._stopped:
            return []
        context, out = self._context, Commands()
        context.now = now
        context.taken.clear()
        if self._leaving is None:
            out += self._lease.expire()
            out += self._route(event)
            if isinstance(event, events.TransferNotified) and not out:
                return out  # it is noted: of many parts that is all that most of them come to
            self._deadline = UNKNOWN
            out += self._allowance.follow(event)
            out += self._widths.follow(event)
        elif isinstance(event, events.Saved | events.SaveStale | events.SaveRejected):
            out += self._of_one_job(event)
        for job in [job for job in self.jobs.values() if job.state is State.ENDED]:
            out += self._bury(job)
        if self._draining is not None and self._leaving is None and not self._under_way():
            out += self._end(self._draining)
        if self._leaving is not None:
            out += self._leave(self._leaving)
        else:
            if len(context.unneeded_results) >= FORGET_AT:
                out += self._tidy_up()
            out += self._try_suspects()
            out += self._ask_for_progress()
            self._watch_trials()
            out += self._poll()
            out += self._lease.renew()
        return _one_forget([*out, *self._slices.charges(out)])

    def next_deadline(self) -> float | None:
        """When TimePassed is wanted at the latest, or None when only an event can bring anything new."""
        if self._leaving is not None:
            return None
        if self._deadline is not UNKNOWN:
            return self._deadline
        deadlines = [self._due_at, self._poll_at, self._tried_until, self.disk.due_at, self._slices.due_at]
        deadlines.append(self._lease.due_at)
        for job in self.jobs.values():
            deadlines += [job.teardown.stop_by, self._ends_at(job), job.budget.hold_until]
        if self.connected:
            deadlines += [self._ask_at, self._context.clean_up_at, self._trial.ask_at]
            deadlines += [self._allowance.due_at, self._widths.due_at]
        self._deadline = min((deadline for deadline in deadlines if deadline is not None), default=None)
        return self._deadline

    # Routing

    def _route(self, event: Event) -> Commands:
        match event:
            case events.DatabaseChanged():
                self._poll_wanted = True
            case events.RowsPolled():
                return self._rows_polled(event)
            case events.Recovered():
                return self._recover(event)
            case events.DatabaseFailed():
                return self._database_failed(event)
            case events.LeaseRenewed():
                return self._lease_renewed(event)
            case events.RenewalFailed():
                self._lease.not_renewed()
            case events.TakenOver():
                self._poll_wanted |= event.any
                self._lease.taken_over(event)
            case events.Aria2Connected():
                return self._aria2_connected(event)
            case events.Aria2Lost():
                return self._aria2_lost(event)
            case events.TransferNotified():
                return self._notified(event)
            case events.TransfersReported():
                return self._reported(event)
            case events.AllowanceUsed():
                pass
            case events.AskFailed():
                self._asking = self._asking and not event.periodic
            case events.TimePassed():
                return self._time_passed()
            case events.HoursChanged():
                self._closed = not event.open
                self._poll_wanted |= event.open
            case events.ShutdownRequested():
                return self._shutdown(event)
            case events.CleanedUp():
                done = cleaned_up(event, self._context)
                self._poll_wanted |= bool(done)
                return done
            case events.DiskMeasured():
                had_space = self.disk.has_space
                out = self.disk.measured(event)
                self._poll_wanted |= self.disk.has_space and not had_space
                return out
            case _:
                return self._of_one_job(event)
        return []

    def _of_one_job(self, event: events.JobEvent) -> Commands:
        job = self.jobs.get(event.attempt.download_id)
        if job is None or job.attempt != event.attempt:
            return []  # from an attempt that is over
        out = self._advance(job, event)
        self._poll_wanted |= job.state is State.SEEDING  # which takes up no slot
        self._poll_wanted |= job.teardown.verdict_from == self._context.polls + 1  # only the row can tell why
        return out

    def _advance(self, job: Job, event: events.JobEvent | events.DerivedEvent) -> Commands:
        return advance(job, event, self._context)

    # Rows

    def _watch_trials(self) -> None:
        on_trial, now = self._context.on_trial, self._context.now
        if on_trial:
            ends = {job.attempt: until for job in on_trial if (until := tried_until(job)) is not None and until > now}
            on_trial[:] = [job for job in on_trial if job.attempt in ends]
            self._tried_until = max(ends.values(), default=None)
            self._poll_wanted |= not on_trial

    def _take_up(self) -> Commands:
        """No poll is under way any more that could claim beside a row that is tried."""
        self._claiming, jobs = False, self._to_take_up
        self._to_take_up = []
        return [each for job in jobs for each in self._advance(job, events.HoldElapsed(job.attempt))]

    def _poll(self) -> Commands:
        if not self._poll_wanted or self._polling or not self._recovered or self._poll_at is not None:
            return []
        self._poll_wanted, self._polling = False, True
        self._context.polls += 1
        self._watched = frozenset(self.jobs)
        may_claim = self.connected and self._context.leased and self._tried_until is None
        may_claim = may_claim and not self._closed and self._draining is None
        limits = self._context.limits
        slots = free_slots(limits.concurrent, limits.slow_max, self.jobs.values()) if may_claim else 0
        out = self.disk.refresh() if slots else []
        slots = slots if self.disk.has_space else 0
        spent = self._slices.spent() if may_claim and self.disk.has_space else ()
        self._claiming = slots > 0
        held = tuple(sorted({*self.jobs, *self.leftovers}))
        return [*out, commands.PollRows(tuple(sorted(self._watched)), slots, held, spent, limits.caps)]

    def _rows_polled(self, polled: events.RowsPolled) -> Commands:
        self._polling = False
        out = self._health.answers()
        for download_id in polled.swept:
            out.append(commands.Tell(notices.DownloadCancelled(download_id=download_id, how="pending")))
        out += [commands.Tell(_never_begun(each)) for each in polled.rejected]
        out += [commands.Tell(_list_ended(each)) for each in polled.lists]
        # Their slots are still free; and a list may be the last entry of another one.
        self._poll_wanted |= bool(polled.rejected or polled.lists)
        rows = {row.id: row for row in polled.watched}
        for download_id in sorted(self._watched):
            job = self.jobs.get(download_id)
            if job is not None:
                out += self._judge(job, rows.get(download_id))
        for row in polled.claimed:
            out += claim.begin(row, self._context)
        self._slices.polled(polled.accounts)
        if polled.next_url is not None and polled.claimed:
            source = CookieSource(polled.next_owner, polled.next_options.cookies, polled.next_url)
            out.append(commands.Prefetch(polled.next_url, polled.next_options, source))
        if all(job.state is State.SEEDING for job in self.jobs.values()):
            out += self._tidy_up()
        self._due_at = None if polled.due_in_s is None else self._context.now + polled.due_in_s
        for leftover in polled.leftovers:
            if leftover.attempt.download_id not in self.jobs:
                out += take_on(leftover, self._context)
        return [*out, *self._take_up()]

    def _judge(self, job: Job, row: events.WatchedRow | None) -> Commands:
        """Compare a job with its row. While its last write is on the way only a refused one makes us act on it: the row
        may have moved on because of that very write."""
        attempt, verdict_from = job.attempt, job.teardown.verdict_from
        if job.state is State.SEEDING and row is not None and row.status == "pending":
            return self._advance(job, events.Superseded(attempt))  # its row is wanted again, or is another one
        refused = verdict_from is not None and self._context.polls >= verdict_from
        if job.state in (State.ENDED, State.SEEDING, State.SAVING) or (job.state is State.DOUBTED and not refused):
            return []
        if row is None or row.attempt != attempt.number:
            return self._advance(job, events.Overtaken(attempt, "deleted"))
        if row.status == "downloaded" and job.teardown.final_path is not None and job.ending.end is End.DOWNLOADED:
            return self._advance(job, events.Saved(attempt))  # it was another write of it that was refused
        if row.status not in ("downloading", "cancelled"):
            return self._advance(job, events.Overtaken(attempt, "deleted"))
        if row.status == "cancelled":
            return self._advance(job, events.Overtaken(attempt, "status"))
        if row.cancelled:
            return self._advance(job, events.Overtaken(attempt, "asked"))
        return self._advance(job, events.RowConfirmed(attempt)) if refused else []

    def _bury(self, job: Job) -> Commands:
        """The row says how it ended: its slot is free, and what it leaves is noted."""
        del self.jobs[job.id]
        self._context.disown(job)
        self._poll_wanted = True
        ending = job.ending
        if ending.end is End.WAITING:
            due = self._context.now + ending.delay_s
            self._due_at = due if self._due_at is None else min(self._due_at, due)
        elif ending.end is End.DOWNLOADED and job.unstopped:
            return seed.clear_up(job, self._context)
        elif ending.end is not End.DOWNLOADED and not job.teardown.removed:
            parts = job.teardown.unknown_transfers or len(job.progress.transfers)
            return take_on(events.Leftover(job.attempt, parts), self._context)
        return []

    def _lease_renewed(self, event: events.LeaseRenewed) -> Commands:
        held = self._context.leased
        out = self._lease.renewed(event)
        if self._context.leased and not held:
            self._poll_wanted = True
            if not self._recovered and not self._recovering:
                out += self._recover_now()
        return out

    def _recover(self, event: events.Recovered) -> Commands:
        self._recovering = False
        if not self._context.leased:
            return []  # it is read again with the next lease
        self._recovered = self._poll_wanted = True
        self._context.instance = event.instance
        out = self._health.answers()
        new = [each for each in event.leftovers if each.attempt.download_id not in {*self.jobs, *self.leftovers}]
        self.leftovers.update((leftover.attempt.download_id, leftover) for leftover in new)
        for row in event.rows:
            if row.attempt.download_id not in self.jobs and row.attempt not in self._known_before:
                out += claim.resume(row, self._context)
        return [*out, *(clean_up_all(self._context) if self.connected else [])]

    def _database_failed(self, event: events.DatabaseFailed) -> Commands:
        self._poll_wanted = True  # the poll behind that save tells when the database works again
        out = self._health.failed(event.failure.text)
        if not event.saving:
            # What it claimed may have been committed, and only the answer lost.
            self._recovered = self._recovered and not self._claiming
            self._polling = self._recovering = False
            self._poll_at = self._context.now + self._health.poll_failed()
            out += self._take_up()
        return out

    # aria2

    def _aria2_connected(self, event: events.Aria2Connected) -> Commands:
        restarted = self._session is not None and self._session != event.session
        self._session, self._context.connected, self._asking = event.session, True, False
        told = notices.Aria2Connected(version=event.version, url=event.url, restarted=restarted)
        out = [commands.Tell(told), *clean_up_all(self._context)]
        culprit = died(self._context) if restarted else None
        self._trial.job = None
        for job in list(self.jobs.values()):
            one = events.Condemned(job.attempt, DIES) if job is culprit else events.Aria2Back(job.attempt)
            out += self._advance(job, one)
        self._poll_wanted = True
        return [*out, *self.disk.refresh()]

    def _aria2_lost(self, event: events.Aria2Lost) -> Commands:
        self._context.connected = self._asking = False
        self._ask_at = self._context.clean_up_at = None
        out: Commands = [commands.Tell(notices.Aria2Lost(reason=event.reason))]
        for job in self.jobs.values():
            out += self._advance(job, events.Aria2Gone(job.attempt))
        return out

    def _notified(self, event: events.TransferNotified) -> Commands:
        found = self._context.gids.get(event.gid)
        if found is None:
            return []
        job, transfer = found
        report = window.presumed(job, transfer, self._context) if event.what == "complete" else None
        if report is not None:
            transfer.presumed = True
            return self._reported(events.TransfersReported((report,)))
        return self._advance(job, events.TransferHeard(job.attempt, transfer.n, event.what))

    def _reported(self, event: events.TransfersReported) -> Commands:
        moved, out = dict[Attempt, Job](), Commands()
        for report in event.reports:
            found = self._context.gids.get(report.gid)
            if found is None:
                continue
            job, transfer = found
            if job.state in IN_TRANSFER:
                moved[job.attempt] = job
            out += self._advance(job, events.TransferReported(job.attempt, transfer.n, report, event.periodic))
            out += self._make_way(job)
        for job in moved.values():
            if job.state in IN_TRANSFER:
                out += window.check_space(job)[0]
            out += self._advance(job, events.WindowOpened(job.attempt))
        if event.periodic:
            self._asking = False
            out += self._progress_of(moved.values())
        return out

    def _make_way(self, job: Job) -> Commands:
        """aria2 has refused `job` because it takes a torrent once only: no longer serve it to others."""
        ending = job.teardown.ending
        if ending is None or ending.failure is None or ending.failure.code != "duplicate":
            return []
        served = [each for each in self.jobs.values() if each.state is State.SEEDING]
        those = [each for each in served if each.info_hashes & job.info_hashes]
        return [command for each in those for command in self._advance(each, events.Superseded(each.attempt))]

    def _progress_of(self, jobs: Collection[Job]) -> Commands:
        """All rows that moved, in one write."""
        crawled = [job.progress.crawls for job in jobs]
        decided = [command for job in jobs for command in self._advance(job, events.ProgressDue(job.attempt))]
        self._poll_wanted |= crawled != [job.progress.crawls for job in jobs]  # it takes up a slot, or none any more
        self._poll_wanted |= self._slices.moved()
        rows = tuple(row for each in decided if isinstance(each, commands.SaveProgress) for row in each.rows)
        others: Commands = [each for each in decided if not isinstance(each, commands.SaveProgress)]
        return [commands.SaveProgress(rows), *others] if rows else others

    def _ask_for_progress(self) -> Commands:
        """One question about all that is under way, when it is time; none while nothing is."""
        under_way = [job for job in self.jobs.values() if job.in_aria2]
        if not under_way or not self.connected:
            self._ask_at = None
            return []
        busy = any(job.state in IN_TRANSFER for job in under_way)  # else they are only being served
        interval = self._context.limits.progress_interval_s if busy else math.inf
        next_at = self._context.now + min(interval, RECONCILE_INTERVAL_S)
        if self._ask_at is not None and self._context.now < self._ask_at:
            self._ask_at = min(self._ask_at, next_at)
            return []
        due = self._ask_at is not None and not self._asking
        self._ask_at = next_at
        live = [transfer for job in under_way for transfer in job.progress.askable] if due else []
        if not live:
            return []
        self._asking = True
        question = commands.AskStatus(tuple(transfer.live_gid for transfer in live), periodic=True)
        return [*self.disk.measure(), question]

    def _try_suspects(self) -> Commands:
        """Begin what aria2 may have died of one after the other: as soon as a byte of one has come, or it has lived for
        long enough, the next one."""
        trial, now = self._trial, self._context.now
        if not self.connected:
            return []
        if trial.job is not None and now >= trial.began_at + ARIA2_TRIAL_S:
            trial.job.budget.cleared = True
        suspect = next_suspect(self._context)
        if suspect is not trial.job:
            trial.job, trial.began_at = suspect, now
            trial.ask_at = now + ARIA2_TRIAL_ASK_S if suspect is not None else None
            fetching = [job for job in self.jobs.values() if job.state is State.FETCHING]
            return [each for job in fetching for each in self._advance(job, events.WindowOpened(job.attempt))]
        if suspect is None or trial.ask_at is None or now < trial.ask_at:
            return []
        trial.ask_at = now + ARIA2_TRIAL_ASK_S
        return window.ask(suspect.progress.askable)

    def _tidy_up(self) -> Commands:
        """Clear up behind jobs that ended well: behind many at once, it is in no hurry."""
        context, out = self._context, Commands()
        if context.unneeded_results:
            out.append(commands.ForgetTransfers(tuple(context.unneeded_results)))
            context.unneeded_results.clear()
        if context.tidy_pending:
            out.append(commands.Tidy(tuple(context.tidy_pending)))
            context.tidy_pending.clear()
        return out

    # Time and the end

    def _time_passed(self) -> Commands:
        now, out = self._context.now, Commands()
        if self._due_at is not None and now >= self._due_at:
            self._due_at, self._poll_wanted = None, True
        if self._poll_at is not None and now >= self._poll_at:
            self._poll_at = None
            if not self._recovered and not self._recovering and self._context.leased:
                out += self._recover_now()
        clean_up_at = self._context.clean_up_at
        if self.connected and clean_up_at is not None and now >= clean_up_at:
            out += clean_up_all(self._context)
        out += self.disk.time_passed()
        self._poll_wanted |= self._slices.time_passed()
        for job in list(self.jobs.values()):
            attempt, ends_at = job.attempt, self._ends_at(job)
            if job.teardown.stop_by is not None and now >= job.teardown.stop_by:
                out += self._advance(job, events.PatienceElapsed(attempt))
            if job.budget.hold_until is not None and now >= job.budget.hold_until:
                job.budget.hold_until = None
                if job.state is State.HELD_BACK and self._claiming:
                    self._to_take_up.append(job)
                else:
                    out += self._advance(job, events.HoldElapsed(attempt))
            if ends_at is not None and now >= ends_at:
                out += self._advance(job, events.TimeUp(attempt))
        return out

    def _ends_at(self, job: Job) -> float | None:
        """When its attempt has to be over; None when it may take as long as it likes."""
        return self._context.limits.quotas.ends_at(job.begun_at) if job.state in WORKING else None

    def _shutdown(self, event: events.ShutdownRequested) -> Commands:
        """Begin nothing more; what is under way may go on until it is requested once more."""
        under_way = self._under_way()
        if event.until is None or self._draining is not None or not under_way:
            return self._end(event.reason)
        self._draining = event.reason
        told = notices.ReactorDraining(reason=event.reason, under_way=under_way, until=event.until)
        return [commands.Tell(told)]

    def _end(self, reason: str) -> Commands:
        """Rows stay as they are: the next run finds them and goes on, or another machine does, before which aria2 has
        to let go of them."""
        self._leaving = reason
        if self._context.limits.leased:
            return [fence(job, self._context) for job in self.jobs.values() if job.state is not State.SEEDING]
        return [commands.StopWork(job.attempt) for job in self.jobs.values()]

    def _leave(self, reason: str) -> Commands:
        """Shut down after pending final writes: whoever hears of rows hears of those too."""
        if any(job.state is State.SAVING for job in self.jobs.values()):
            return []
        self._stopped = True
        left = self._under_way()
        self._context.tidy_pending += [id for id, leftover in self.leftovers.items() if leftover.keep_result]
        told = commands.Tell(notices.ReactorStopped(reason=reason, left=left))
        out: Commands = [*self._tidy_up(), told, commands.Exit()]
        return out

    def _under_way(self) -> int:
        """How many rows are. A torrent that is only being served to others is over."""
        return sum(1 for job in self.jobs.values() if job.state is not State.SEEDING)


def _never_begun(rejected: events.SaveRejected) -> notices.Notice:
    """A row has failed in place of being claimed."""
    attempt, failure = rejected.attempt, rejected.failure
    return notices.DownloadFailed(
        download_id=attempt.download_id, attempt=attempt.number, code=failure.code, error=failure.text
    )


def _list_ended(ended: events.ListEnded) -> notices.Notice:
    """All entries of a list are over."""
    attempt, failure = ended.attempt, ended.failure
    return notices.ListEnded(
        download_id=attempt.download_id,
        attempt=attempt.number,
        status=ended.status,
        done=ended.done,
        failed=ended.failed,
        error=failure.text if failure else None,
    )


def _one_forget(decided: Commands) -> Commands:
    """With one ForgetTransfers in place of several, where the first of them is: of thousands of parts many may fail at
    once."""
    forgets = [each for each in decided if isinstance(each, commands.ForgetTransfers)]
    if len(forgets) < 2:
        return decided
    one = commands.ForgetTransfers(tuple(dict.fromkeys(gid for each in forgets for gid in each.gids)))
    others = {id(each) for each in forgets[1:]}
    return [one if each is forgets[0] else each for each in decided if id(each) not in others]
