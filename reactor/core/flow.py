"""The way of one job to its bytes: what each thing that happens to it makes of it.

The steps from the claim to the bytes stand here, those between us and aria2 in `handing`, those that end a job in
`endings`. Every step takes a job, moves it by the law of `lifecycle`, and appends the commands that follow to `out`.
What is around the jobs (rows, the connection to aria2, time) is the machine's.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from reactor import notices
from reactor.core import commands, crashes
from reactor.core.endings import of
from reactor.core.events import TransferReport, TransferStatus
from reactor.core.handing import Handing, single_of
from reactor.core.job import End, Ending, Job, State, Transfer, TransferState, derive_gid
from reactor.core.lifecycle import Trigger, move
from reactor.core.reconcile import Finding, Found, reconcile
from reactor.core.rows import ClaimedRow
from reactor.core.stalls import stalled
from reactor.errors import Failure
from reactor.models import Detection, Extraction, Kind, Stage

RECLASSIFIED_MAX = 4
WORKING = frozenset({State.DETECTING, State.EXTRACTING, State.FETCHING, State.FINISHING})
ROOM_WAITS_MAX = 8
"""How often in a row a job waits for room to be put together in, about 4 minutes in all."""
NOT_THERE = "not_found"
TELLING = frozenset({"complete", "bt_complete", "error", "stop"})
"""Notifications after which there is something to ask."""
FILES_MISSING, NO_SPACE = "files_missing", "no_space"
FORGET_AT = 100
"""So many results that nobody needs any more are dropped at once; the others when nothing is under way."""


class Flow(Handing):
    """The steps from a claimed row to its bytes."""

    # Stage 1 and 2

    def begin(self, row: ClaimedRow) -> Job:
        """A row that was just claimed."""
        job = self._job(row, State.DETECTING)
        self.tell(notices.DownloadClaimed(**of(job), url=row.url, waited_s=row.waited_s))
        if job.id in self.published:
            self.published.remove(job.id)
            job.stale = True
        self.out.append(commands.Detect(job.attempt, row.url, job.stale))
        return job

    def resume(self, row: ClaimedRow) -> Job:
        """A row found under way after a restart: it goes on in the same attempt, where it was. What was planned
        may be there already, or even published: that is looked at first."""
        if row.held:
            return self._hold_back(row)
        if row.plan is None or row.plan_attempt != row.attempt.number:
            job = self._job(row, State.DETECTING)
            job.stale = row.plan is None
            self.out.append(commands.Detect(job.attempt, row.url, job.stale))
        else:
            job = self._job(row, State.FINISHING)
            job.removed, job.resumed, job.told_whole = False, True, row.stage == Stage.FINISHING
            job.continued = True
            self._plan(job, row.plan)
            self._doubt(job)
            self._finish(job)
        stage = row.stage or job.state
        self.tell(notices.DownloadResumed(**of(job), url=row.url, stage=stage, crashes=row.crashes))
        return job

    def _hold_back(self, row: ClaimedRow) -> Job:
        """A row that the process has died with again and again: too often, or once more and it will be."""
        job = self._job(row, State.DETECTING)
        job.held, job.left, job.removed, job.stale = True, row.parts, not row.parts, not row.plan_attempt
        if row.crashes >= crashes.CRASHES_MAX:
            self.fail(job, crashes.CRASHED)
            return job
        others = sum(other.held and other.held_until is not None for other in self.jobs.values())
        delay = crashes.HOLD_S + others * crashes.TRIAL_S
        job.held_until = self.now + delay
        self.tell(notices.DownloadHeldBack(**of(job), crashes=row.crashes, delay_s=delay))
        return job

    def _job(self, row: ClaimedRow, state: State) -> Job:
        return Job(
            *(row.attempt, row.url, state, row.retry_count, self.now),
            earlier=row.plan,
            remains=row.plan_attempt > 0,
            kept=row.done,
            progress=row.progress,
            crashes=row.crashes,
            joining=row.stage == Stage.FINISHING,
            before=row.error_code if row.retry_count else None,  # else somebody has sent it back to begin anew
        )

    def detected(self, job: Job, detection: Detection) -> None:
        """Stage 1 is over."""
        if detection.kind is Kind.UNKNOWN:
            return self.fail(job, Failure("unsupported", "Nothing that could be downloaded was found at this link."))
        move(job, Trigger.DETECTED)
        self.tell(notices.DownloadDetected(**of(job), kind=detection.kind, why=detection.why))
        return self._extract(job, detection)

    def reclassified(self, job: Job, detection: Detection) -> None:
        """An extractor passes the URL on to another kind, never to one that had it already; or what has arrived is no
        file but something that another extractor can go on with: then it goes before anything else is fetched."""
        arrived = job.state is State.FINISHING
        if arrived and job.kind is Kind.DIRECT and job.detection is not None:
            # As it was sent: where the redirects ended may have run out by now.
            detection = detection.model_copy(update={"url": job.detection.url})
        if (detection.kind, detection.url) in job.tried or len(job.tried) >= RECLASSIFIED_MAX:
            return self.fail(job, Failure("unsupported", "Nothing that could be downloaded was found at this link."))
        before = job.kind or detection.kind
        move(job, Trigger.RECLASSIFIED)
        self.tell(notices.DownloadReclassified(**of(job), from_kind=before, to_kind=detection.kind, why=detection.why))
        if arrived:
            self.give_up(job)
            job.extraction, job.earlier, job.remains, job.resumed = None, None, True, False
            job.kept, job.progress, job.written = frozenset(), None, None
        return self._extract(job, detection)

    def _extract(self, job: Job, detection: Detection) -> None:
        job.detection = detection
        job.tried.append((detection.kind, detection.url))
        self.out += [
            commands.SaveStage(job.attempt, Stage.EXTRACTING, detection.kind),
            commands.Extract(job.attempt, detection),
        ]

    def extracted(self, job: Job, extraction: Extraction, joined: int = 0) -> None:
        """Stage 2 is over: hand all there is to fetch to aria2, when it is there. Putting it together writes `joined`
        bytes, as far as that is known."""
        refusal = self.limits.quotas.refusal(extraction, joined)
        if refusal is not None:
            return self.fail(job, refusal)
        continues = job.earlier is not None and extraction.continues(job.earlier)
        if job.remains and not continues:
            # Before the new plan is saved: what a plan says of its files has to be true after a crash, too.
            job.found = extraction
            self.out.append(commands.Discard(job.attempt, must=True))
        else:
            self._begin_fetching(job, extraction, continues=continues)
        return None

    def emptied(self, job: Job) -> None:
        """Nothing is left of what an earlier attempt was fetching."""
        extraction, job.found, job.remains = job.found, None, False
        if extraction is not None:
            self._begin_fetching(job, extraction, continues=False)

    def _begin_fetching(self, job: Job, extraction: Extraction, *, continues: bool) -> None:
        move(job, Trigger.EXTRACTED)
        self._plan(job, extraction)
        job.fresh, job.continued = not continues, continues
        if not continues:
            job.kept, job.progress = frozenset(), None
        self.out.append(commands.SavePlan(job.attempt, extraction, job.kept, continues=continues))
        self.tell(
            notices.DownloadExtracted(
                **of(job),
                kind=extraction.kind,
                title=extraction.title,
                size=extraction.size,
                parts=len(extraction.fetches),
                continues=continues,
            )
        )
        self._keep(job)
        self.add(job)
        self._fetched(job)

    def _plan(self, job: Job, extraction: Extraction) -> None:
        job.extraction, job.request_bytes = extraction, extraction.request_bytes
        gid_of = partial(derive_gid, self.instance, job.attempt)
        job.plan([Transfer(n, gid_of, fetch) for n, fetch in enumerate(extraction.fetches)])
        if len(job.transfers) == 1:
            self.gids[job.transfers[0].gid] = job, job.transfers[0]

    def _doubt(self, job: Job) -> None:
        """aria2 may have any of them."""
        for transfer in job.transfers:
            transfer.state = TransferState.UNSURE
            self.sort(job, transfer)

    def _keep(self, job: Job) -> None:
        """What is whole already is not fetched again."""
        job.done = len(job.kept)
        for transfer in (job.transfers[n] for n in job.kept):
            transfer.state = TransferState.DONE
            self.sort(job, transfer)

    # Stage 3

    def reported(self, job: Job, transfer: Transfer, report: TransferReport, *, brief: bool) -> None:
        """What aria2 says of one transfer of a job that is fetching. What it turns out not to have is planned
        again: `add` follows. A `brief` report has no files: a single transfer that is done is asked
        for them once more."""
        if transfer.state in (TransferState.PLANNED, TransferState.ADDING, TransferState.DONE):
            return  # this was asked before it was added, or is known
        if brief and len(job.transfers) == 1 and (report.status is TransferStatus.COMPLETE or report.seeder):
            job.moves(self.now)  # it is there, however slowly it came
            return self.ask([transfer])
        before = transfer.weight, transfer.size
        job.arrived |= transfer.told and report.gid == transfer.live_gid and report.completed > transfer.completed
        finding = reconcile(transfer, report)
        if len(job.transfers) > 1:
            transfer.files = ()  # parts lie in the folder under the names we gave them
        if transfer.fetch.optional and finding.failure is not None and finding.failure.code == NOT_THERE:
            transfer.state, finding = TransferState.DONE, Finding(Found.DONE)
        job.reckon(transfer, *before)
        refusal = self.limits.quotas.too_large(job.weight)
        if refusal is not None:
            return self.fail(job, refusal)
        transfer.seeding = transfer.seeding and self.limits.seeding
        self.sort(job, transfer)
        if finding.found in (Found.MOVED, Found.FOLLOWED, Found.DONE):
            job.moved_at = self.now
        if finding.found in (Found.MOVED, Found.DONE):
            job.deaths, job.lives = 0, True
        if finding.found is Found.FAILED and finding.failure is not None:
            self.part_failed(job, transfer, finding.failure)
        elif finding.found is Found.FOLLOWED:
            job.moves(self.now)
            self.gids[transfer.live_gid] = (job, transfer)
            self.ask([transfer])
        elif finding.found is Found.DONE:
            job.arrived = True
            job.done += 1
            job.setbacks = 0
            self._fetched(job)
        elif finding.found is Found.MISSING and report.status is not TransferStatus.UNKNOWN:
            self.out.append(commands.ForgetTransfers((report.gid,)))  # its gid is needed again

    def _fetched(self, job: Job) -> None:
        """When all parts are there, they are put together."""
        if job.state is State.FETCHING and job.done == len(job.transfers):
            move(job, Trigger.FETCHED)
            self.out.append(commands.SaveStage(job.attempt, Stage.FINISHING))
            if (done := self._newly_done(job)) is not None:
                self.out.append(
                    commands.SaveProgress((commands.ProgressOf(job.attempt, job.progress, 0, None, None, done=done),))
                )
            self._finish(job)

    def spoilt(self, job: Job, numbers: tuple[int, ...], failure: Failure) -> None:
        """Finishing found parts that are missing or worth nothing: they are fetched again, and no others."""
        move(job, Trigger.FILES_MISSING)
        job.resumed, job.moved_at = False, self.now
        job.kept -= frozenset(numbers)
        again = commands.ProgressOf(job.attempt, job.progress, 0, None, None, done=job.kept)
        self.out += [commands.SaveStage(job.attempt, Stage.FETCHING), commands.SaveProgress((again,))]
        for transfer in (job.transfers[n] for n in numbers):
            if job.state is State.FETCHING and transfer.state is TransferState.DONE:
                job.done -= 1
                self.part_failed(job, transfer, failure)

    def go_on(self, job: Job) -> None:
        """A job has waited long enough."""
        job.held_until = None
        if job.state is State.FETCHING:
            self.add(job)
        elif job.state is State.FINISHING:
            self._finish(job, again=True)
        elif job.state is State.DETECTING and job.held:  # it is tried: should the process die now, it was this one
            job.held = False
            self.out += [commands.SaveTakenUp(job.attempt), commands.ReadPlan(job.attempt)]

    def wait_for_room(self, job: Job, failure: Failure) -> None:
        """There was no room to put it together: all that was fetched stays, and it is tried again after a while. When
        that lasts, the row is to say what it waits for. Where the disk as a whole is too small, it ends."""
        if not failure.retryable:
            return self.end(job, failure)
        job.setbacks += 1
        if job.setbacks > ROOM_WAITS_MAX:
            return self.fail(job, failure)
        self.hold(job, job.setbacks, slow=True)
        self.out.append(commands.MeasureDisk())
        return None

    def ends_at(self, job: Job) -> float | None:
        """When its attempt has to be over; None when it may take as long as it likes."""
        return self.limits.quotas.ends_at(job.begun_at) if job.state in WORKING else None

    def end_in_time(self, job: Job) -> None:
        """Stop it when it has taken too long."""
        ends_at = self.ends_at(job)
        if ends_at is not None and self.now >= ends_at:
            self.fail(job, self.limits.quotas.took_too_long)

    def save_progress(self, jobs: Iterable[Job]) -> None:
        """Write how far these are, as far as their rows do not say so already."""
        measured = [self.measure(job) for job in jobs]
        rows = tuple(row for row in measured if row is not None)
        if rows:
            self.out.append(commands.SaveProgress(rows))

    def measure(self, job: Job) -> commands.ProgressOf | None:
        """What the row is to say of the progress now, or None when it says so already. A job that has stood
        still for too long, or nearly, is stopped here."""
        limit = self.limits.torrent_stall_timeout_s if job.torrent else self.limits.stall_timeout_s
        failure = stalled(job, limit, self.limits.min_speed, self.now)
        if failure is not None:
            self.fail(job, failure)
            return None
        completed, size = job.fetched, job.wanted
        speed = sum(transfer.speed for transfer in job.transfers if transfer.state is TransferState.LIVE)
        share = completed / size if size else _share(job)
        if job.crashes and not job.joining and share is not None and share * 100 > (job.progress or 0.0):
            job.crashes = 0
            self.out.append(commands.ForgetCrashes(job.attempt))
        if share is not None:
            job.progress = max(job.progress or 0.0, min(100.0, share * 100))
        measured, done = (job.progress, speed, size), self._newly_done(job)
        if measured == job.written and done is None:
            return None
        job.written = measured
        eta = round((size - completed) / speed) if size and speed and size >= completed else None
        self.tell(
            notices.DownloadProgressed(
                **of(job), progress=job.progress, completed=completed, size=size, speed=speed, eta_s=eta
            )
        )
        return commands.ProgressOf(job.attempt, job.progress, speed, eta, size, job.title, done)

    def _newly_done(self, job: Job) -> frozenset[int] | None:
        """The parts that are whole, when there are more of them than the plan says."""
        if len(job.transfers) == 1 or job.done == len(job.kept):
            return None
        job.kept = frozenset(transfer.n for transfer in job.transfers if transfer.state is TransferState.DONE)
        return job.kept

    def _finish(self, job: Job, *, again: bool = False) -> None:
        assert job.extraction is not None  # nothing is finished that was not planned
        job.joined_at = self.now
        if not job.resumed and not again:
            self.tell(notices.DownloadFinishing(**of(job)))
        self.out.append(
            commands.Finish(
                job.attempt,
                job.extraction,
                tuple(transfer.files for transfer in job.transfers),
                0 if job.kept else sum(transfer.total for transfer in job.transfers),
                keep=job.serving,
                resumed=job.resumed,
                told=job.told_whole,
                gids=tuple(transfer.gid for transfer in job.transfers),
                continued=job.continued,
                single=single_of(job),
            )
        )

    def joined(self, job: Job, share: float) -> None:
        """The result grows: written as seldom as all progress, and counted from 0 again."""
        if self.now - job.joined_at < self.limits.progress_interval_s:
            return
        job.joined_at, job.written = self.now, None
        size = sum(transfer.total for transfer in job.transfers)
        progress, completed = 100 * share, round(size * share)
        self.tell(
            notices.DownloadProgressed(
                **of(job), stage="finishing", progress=progress, completed=completed, size=size, speed=0
            )
        )
        self.out.append(commands.SaveProgress((commands.ProgressOf(job.attempt, progress, 0, None, None, job.title),)))

    def finished(self, job: Job, path: str, size: int) -> None:
        """The result stands where it belongs; the row is told."""
        move(job, Trigger.FINISHED)
        job.published, job.size = path, size
        job.ending = Ending(End.DOWNLOADED)
        self._save_ending(job)

    def refetch(self, job: Job) -> None:
        """Finishing found bytes missing: have aria2 look again, once."""
        job.refetched = not job.resumed
        if job.refetched:
            job.kept = frozenset()
        job.resumed = job.removed = job.told_whole = False
        job.moves(self.now)
        move(job, Trigger.FILES_MISSING)
        self.out.append(commands.SaveStage(job.attempt, Stage.FETCHING))
        self._doubt(job)
        self._keep(job)
        if self.connected:
            self.ask(job.askable)
        self._fetched(job)


def _share(job: Job) -> float | None:
    """How much of a job is there whose size nobody knows: by its parts, when there are several."""
    if len(job.transfers) == 1:
        return None
    return sum(
        1.0 if transfer.state is TransferState.DONE else transfer.completed / transfer.total if transfer.total else 0.0
        for transfer in job.transfers
    ) / len(job.transfers)
