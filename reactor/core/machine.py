"""The brain: events in, commands out.

`handle` is a plain function of what came before, the event and `now` (monotonic seconds): no I/O, no clock,
no dice. It routes each event to the job it is about, keeps the deadlines, and decides when to look at the
rows and when to ask aria2.
"""

from __future__ import annotations

import math

from reactor import notices
from reactor.core import commands, events
from reactor.core.admission import room
from reactor.core.allowance import Allowance
from reactor.core.commands import Command
from reactor.core.disk import Disk
from reactor.core.endings import Limits
from reactor.core.events import Event
from reactor.core.flow import FILES_MISSING, FORGET_AT, NO_SPACE, TELLING, WORKING, Flow
from reactor.core.job import Attempt, End, How, Job, State
from reactor.core.leftovers import Leftovers
from reactor.core.seeding import Seeding
from reactor.core.trouble import Trouble

RECONCILE_INTERVAL_S = 30.0
"""aria2 is asked at least this often about what is under way, however rarely progress is written."""


class Machine:
    """All jobs of one database. Feed it every event, carry out every command, in order."""

    def __init__(self, limits: Limits) -> None:
        self._flow = Flow(limits)
        self._limits = limits
        self.jobs: dict[int, Job] = self._flow.jobs
        self.leftovers = Leftovers(self._flow)
        self._seeding = Seeding(self._flow, self.leftovers)
        self.disk = Disk(self._flow)
        self._allowance = Allowance(self._flow)
        self._session: str | None = None
        self._recovered = False
        self._replacing = False
        self._database = 1
        self._leaving: str | None = None
        self._stopped = False
        # Looking at the rows
        self._look_wanted, self._looking, self._looks = False, False, 0
        self._watched: frozenset[int] = frozenset()
        self._look_at: float | None = None
        self._trouble = Trouble(self._flow)
        self._due_at: float | None = None
        # Asking aria2
        self._asking = False
        self._ask_at: float | None = None

    @property
    def connected(self) -> bool:
        """True while aria2 can be asked."""
        return self._flow.connected

    def start(self) -> list[Command]:
        """The first command of all."""
        return [commands.Recover()]

    def handle(self, event: Event, now: float) -> list[Command]:
        """What `event` makes necessary."""
        if self._stopped:
            return []
        self._flow.now, self._flow.out = now, []
        if self._leaving is None:
            self._route(event)
            self._allowance.follow(event)
        elif isinstance(event, events.Saved | events.SaveStale | events.SaveRejected):
            self._of_one_job(event)
        self._flow.drop()
        for job in [job for job in self.jobs.values() if job.state is State.ENDED]:
            self._bury(job)
        if self._leaving is not None:
            self._stopped = self._flow.leave(self._leaving, self.jobs.values())
        else:
            if len(self._flow.over) >= FORGET_AT:
                self._flow.forget()
            self._recover_replaced()
            self._flow.try_suspects()
            self._ask_for_progress()
            self._look()
        return self._flow.out

    def next_deadline(self) -> float | None:
        """When TimePassed is wanted at the latest, or None when only an event can bring anything new."""
        if self._leaving is not None:
            return None
        deadlines = [self._due_at, self._look_at, self.disk.due_at, *(job.stop_by for job in self.jobs.values())]
        for job in self.jobs.values():
            deadlines += [self._flow.ends_at(job), job.held_until]
        if self.connected:
            deadlines += [self._ask_at, self.leftovers.due_at, self._allowance.due_at, self._flow.trial_due]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    # Routing

    def _route(self, event: Event) -> None:
        match event:
            case events.DatabaseChanged():
                self._look_wanted = True
            case events.DatabaseReplaced():
                self._replaced()
            case events.RowsPolled():
                self._rows_polled(event)
            case events.Recovered():
                self._recover(event)
            case events.DatabaseFailed():
                self._database_failed(event)
            case events.Aria2Connected():
                self._aria2_connected(event)
            case events.Aria2Lost():
                self._aria2_lost(event)
            case events.TransferNotified():
                self._notified(event)
            case events.TransfersReported():
                self._reported(event)
            case events.AllowanceUsed():
                pass
            case events.AskFailed():
                self._asking = self._asking and not event.periodic
            case events.TimePassed():
                self._time_passed()
            case events.ShutdownRequested():
                self._shutdown(event)
            case events.CleanedUp():
                self._look_wanted |= self.leftovers.paid(event.attempt)
            case events.DiskMeasured():
                self._look_wanted |= self.disk.seen(event, self.jobs.values())
            case _:
                self._of_one_job(event)

    def _of_one_job(self, event: events.JobEvent) -> None:
        job = self.jobs.get(event.attempt.download_id)
        if job is None or job.attempt != event.attempt:
            return  # from an attempt that is over
        flow = self._flow
        match event, job.state:
            case events.PlanRead(), State.DETECTING:
                self.jobs[job.id] = flow.resume(event.row)
            case events.Detected(), State.DETECTING:
                flow.detected(job, event.detection)
            case events.Reclassified(), State.EXTRACTING | State.FINISHING:
                flow.reclassified(job, event.detection)
            case events.Extracted(), State.EXTRACTING:
                flow.extracted(job, event.extraction, event.joined)
            case events.TransfersAdded(), State.FETCHING:
                flow.added(job, event.numbers)
            case events.AddFailed(), State.FETCHING:
                flow.add_failed(job, event.numbers, event.failure)
            case events.Joined(), State.FINISHING:
                flow.joined(job, event.share)
            case events.Finished(), State.FINISHING:
                flow.finished(job, event.path, event.size)
            case events.Discarded(), State.EXTRACTING:
                flow.emptied(job)
            case events.WorkFailed(), State.FINISHING if event.parts:
                flow.spoilt(job, event.parts, event.failure)
            case events.WorkFailed(), State.FINISHING if event.failure.code == NO_SPACE:
                flow.wait_for_room(job, event.failure)
            case events.WorkFailed(), State.FINISHING if event.failure.code == FILES_MISSING and not job.refetched:
                flow.refetch(job)
            case events.WorkFailed(), state if state in WORKING:
                flow.fail(job, event.failure)
            case events.TransfersRemoved(), State.STOPPING:
                flow.taken_down(job)
            case events.Discarded(), State.STOPPING:
                flow.close(job)
            case events.Saved(), State.CLOSING:
                flow.saved(job)
                self._look_wanted |= job.serving  # which takes up no place
            case events.SaveStale(), State.STOPPING | State.SEEDING:
                pass
            case events.SaveStale(), state if event.last or state is not State.CLOSING:
                # Only the row can tell why, and only a look that begins after this.
                job.verdict_from = self._looks + 1
                self._look_wanted = True
            case events.SaveRejected(), state if state not in (State.STOPPING, State.SEEDING):
                flow.forbidden(job, event.failure)
            case _:
                pass  # work that was stopped said its last word, or aria2 answered twice

    # Rows

    def _look(self) -> None:
        if not self._look_wanted or self._looking or not self._recovered or self._look_at is not None:
            return
        self._look_wanted, self._looking, self._looks = False, True, self._looks + 1
        self._watched = frozenset(self.jobs)
        claim = room(self._limits.concurrent, self.jobs.values()) if self.connected else 0
        if claim:
            self.disk.refresh()
            claim = claim if self.disk.has_room else 0
        held = tuple(sorted({*self.jobs, *self.leftovers.owed}))
        self._flow.out.append(commands.PollRows(tuple(sorted(self._watched)), claim, held, self._database))

    def _rows_polled(self, seen: events.RowsPolled) -> None:
        self._looking = False
        self._trouble.over()
        for download_id in seen.swept:
            self._flow.tell(notices.DownloadCancelled(download_id=download_id, how="pending"))
        self._look_wanted |= self._flow.never_begun(seen.forbidden)
        rows = {row.id: row for row in seen.watched}
        for download_id in sorted(self._watched):
            job = self.jobs.get(download_id)
            if job is not None:
                self._judge(job, rows.get(download_id))
        for row in seen.claimed:
            self.jobs[row.attempt.download_id] = self._flow.begin(row)
        if seen.next_url is not None and seen.claimed:
            self._flow.out.append(commands.Prefetch(seen.next_url))
        if all(job.state is State.SEEDING for job in self.jobs.values()):
            self._flow.forget()
        self._due_at = None if seen.due_in_s is None else self._flow.now + seen.due_in_s
        for leftover in seen.leftovers:
            if leftover.attempt.download_id not in self.jobs:
                self.leftovers.owe(leftover)

    def _judge(self, job: Job, row: events.WatchedRow | None) -> None:
        """Compare a job with its row. In CLOSING only a refused write makes us act on it: the row may have
        moved on because of that very write."""
        if job.state is State.SEEDING and row is not None and row.status == "pending":
            self._seeding.stop(job)  # its row is wanted again, or is another one
        if job.state in (State.ENDED, State.SEEDING):
            return
        refused = job.verdict_from is not None and self._looks >= job.verdict_from
        if job.state is State.CLOSING and not refused:
            return
        if row is None or row.attempt != job.attempt.number:
            self._overtake(job, "deleted")
        elif row.status == "downloaded" and job.ending is not None and job.ending.end is End.DOWNLOADED:
            self._flow.saved(job)  # it was another write of it that was refused
        elif row.status not in ("downloading", "cancelled"):
            self._overtake(job, "deleted")
        elif row.status == "cancelled":
            self._overtake(job, "status")
        elif row.cancelled:
            self._overtake(job, "asked")
        elif refused and job.state is State.CLOSING and job.ending is not None and job.ending.end is not End.CANCELLED:
            self._flow.save_again(job)
        elif refused:
            self._flow.requeue(job)

    def _overtake(self, job: Job, how: How) -> None:
        settled = (End.GONE,) if how == "deleted" else (End.CANCELLED, End.GONE)  # no row, no word to write into it
        if job.state is not State.STOPPING or job.ending is None or job.ending.end not in settled:
            self._flow.cancel(job, how)

    def _bury(self, job: Job) -> None:
        """The row says how it ended: its place is free, and what it leaves is noted."""
        del self.jobs[job.id]
        self._flow.disown(job)
        self._look_wanted = True
        if job.ending is not None and job.ending.end is End.WAITING:
            due = self._flow.now + job.ending.delay_s
            self._due_at = due if self._due_at is None else min(self._due_at, due)
        elif job.ending is not None and job.ending.end is End.DOWNLOADED and job.unasked:
            self._seeding.clear_up(job)
        elif job.ending is not None and job.ending.end is not End.DOWNLOADED and not job.removed:
            self.leftovers.owe(events.Leftover(job.attempt, job.left or len(job.transfers)))

    def _recover(self, event: events.Recovered) -> None:
        self._recovered = self._look_wanted = True
        self._flow.instance = event.instance
        self._trouble.over()
        self.leftovers.owed.update((leftover.attempt.download_id, leftover) for leftover in event.leftovers)
        for row in event.rows:
            self.jobs[row.attempt.download_id] = self._flow.resume(row)
        if self.connected:
            self.leftovers.pay_all()

    def _database_failed(self, event: events.DatabaseFailed) -> None:
        self._trouble.tell(event.failure.text)
        if event.saving:
            self._look_wanted = True  # the look behind that save tells when the database works again
            return
        self._looking, self._look_wanted = False, True
        self._look_at = self._trouble.look_failed()

    def _replaced(self) -> None:
        """Another database: none of its rows is ours yet, whatever their ids are. What it has under way is
        taken up when nothing of the old one is left, in aria2 neither: gids and folders have its name in them."""
        for job in list(self.jobs.values()):
            if job.state is State.CLOSING:
                self._flow.saved(job)  # as far as anybody can know
            elif job.state is not State.SEEDING:
                self._overtake(job, "deleted")
            if job.state is State.SEEDING:
                self._seeding.stop(job)
        self._flow.tell(notices.DatabaseRecovered(replaced=True))
        self._looking = self._recovered = False
        self._replacing = True
        self._database += 1  # what was asked of the one before has no answer any more
        self._look_at = None

    def _recover_replaced(self) -> None:
        if self._replacing and not self.jobs and not self.leftovers.owed:
            self._replacing = False
            self._flow.published.clear()  # what is left in the old one's folders goes with them
            self._flow.forget()
            self._flow.out.append(commands.Recover(self._database))

    # aria2

    def _aria2_connected(self, event: events.Aria2Connected) -> None:
        restarted = self._session is not None and self._session != event.session
        self._session, self._flow.connected, self._asking = event.session, True, False
        self._flow.tell(notices.Aria2Connected(version=event.version, url=event.url, restarted=restarted))
        self.leftovers.pay_all()
        self._flow.reconnected(restarted=restarted)
        self._look_wanted = True
        self.disk.refresh()

    def _aria2_lost(self, event: events.Aria2Lost) -> None:
        self._flow.connected = self._asking = False
        self._ask_at = self.leftovers.due_at = None
        self._flow.tell(notices.Aria2Lost(reason=event.reason))
        self._flow.disconnected()

    def _notified(self, event: events.TransferNotified) -> None:
        found = self._flow.gids.get(event.gid)
        if found is None or event.what not in TELLING:
            return
        job, transfer = found
        if job.state is State.FETCHING:
            self._flow.heard(job, transfer, event.what)
        elif job.state is State.SEEDING:
            self._flow.ask([transfer])

    def _reported(self, event: events.TransfersReported) -> None:
        moved: dict[Attempt, Job] = {}
        for report in event.reports:
            found = self._flow.gids.get(report.gid)
            if found is None:
                continue
            job, transfer = found
            if job.state is State.FETCHING:
                self._flow.reported(job, transfer, report, brief=event.periodic)
                moved[job.attempt] = job
                self._seeding.make_way(job, self.jobs.values())
            elif job.state is State.SEEDING and report.gid == transfer.live_gid:
                self._flow.seeding_reported(job, report)
        for job in moved.values():
            if job.state is State.FETCHING:
                self._flow.weigh(job)
                self._flow.add(job)
        if event.periodic:
            self._asking = False
            self._flow.save_progress([job for job in moved.values() if job.state is State.FETCHING])

    def _ask_for_progress(self) -> None:
        """One question about all that is under way, when it is time; none while nothing is."""
        under_way = [job for job in self.jobs.values() if job.in_aria2]
        if not under_way or not self.connected:
            self._ask_at = None
            return
        busy = any(job.state is State.FETCHING for job in under_way)  # else they are only being served
        next_at = self._flow.now + min(self._limits.progress_interval_s if busy else math.inf, RECONCILE_INTERVAL_S)
        if self._ask_at is not None and self._flow.now < self._ask_at:
            self._ask_at = min(self._ask_at, next_at)
            return
        due = self._ask_at is not None and not self._asking
        self._ask_at = next_at
        live = [transfer for job in under_way for transfer in job.askable] if due else []
        if live:
            self._asking = True
            self.disk.look()
            self._flow.out.append(commands.AskStatus(tuple(transfer.live_gid for transfer in live), periodic=True))

    # Time and the end

    def _time_passed(self) -> None:
        now = self._flow.now
        if self._due_at is not None and now >= self._due_at:
            self._due_at, self._look_wanted = None, True
        if self._look_at is not None and now >= self._look_at:
            self._look_at = None
            if not self._recovered and not self._replacing:
                self._flow.out.append(commands.Recover(self._database))
        if self.connected and self.leftovers.due_at is not None and now >= self.leftovers.due_at:
            self.leftovers.pay_all()
        self.disk.time_passed()
        for job in list(self.jobs.values()):
            if job.stop_by is not None and now >= job.stop_by:
                self._flow.out_of_patience(job)
            if job.held_until is not None and now >= job.held_until:
                self._flow.go_on(job)
            self._flow.end_in_time(job)

    def _shutdown(self, event: events.ShutdownRequested) -> None:
        """Rows stay as they are: the next run finds them and goes on."""
        self._leaving = event.reason
        for job in self.jobs.values():
            self._flow.out.append(commands.StopWork(job.attempt))
