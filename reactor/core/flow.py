"""The way of one job to its bytes: what each thing that happens to it makes of it.

The steps from the claim to the bytes stand here, those that end a job in `endings`. Every step takes a job,
moves it by the law of `lifecycle`, and appends the commands that follow to `out`. What is around the jobs (rows,
the connection to aria2, time) is the machine's.
"""

from __future__ import annotations

from reactor import notices
from reactor.core import commands
from reactor.core.endings import Endings, of
from reactor.core.events import ClaimedRow, TransferReport, TransferStatus
from reactor.core.job import End, Ending, Job, State, Transfer, TransferState, derive_gid
from reactor.core.lifecycle import Trigger, move
from reactor.core.quotas import ROOM_MIN
from reactor.core.reconcile import Found, reconcile
from reactor.errors import Failure
from reactor.models import Detection, Extraction, Kind, Stage

ADDS_MAX = 4
"""How often one transfer is handed to aria2 in one attempt before it counts as refused."""
HAND_OVERS_MAX = 4
PARTS_MANY = 8
"""From so many parts on, a job is asked about as a whole: a question for each of 2000 notifications would be 2000."""


class Flow(Endings):
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
        if row.plan is None or row.plan_attempt != row.attempt.number:
            job = self._job(row, State.DETECTING)
            job.stale = row.plan is None
            self.out.append(commands.Detect(job.attempt, row.url, job.stale))
        else:
            job = self._job(row, State.FINISHING)
            job.removed, job.resumed = False, True
            self._plan(job, row.plan)
            self._finish(job)
        self.tell(notices.DownloadResumed(**of(job), url=row.url, stage=row.stage or job.state))
        return job

    def _job(self, row: ClaimedRow, state: State) -> Job:
        return Job(
            *(row.attempt, row.url, state, row.retry_count, self.now),
            earlier=row.plan,
            kept=row.done,
            progress=row.progress,
        )

    def detected(self, job: Job, detection: Detection) -> None:
        """Stage 1 is over."""
        if detection.kind is Kind.UNKNOWN:
            return self.fail(job, Failure("unsupported", "Nothing that could be downloaded was found at this link."))
        move(job, Trigger.DETECTED)
        self.tell(notices.DownloadDetected(**of(job), kind=detection.kind, why=detection.why))
        return self._extract(job, detection)

    def handed_over(self, job: Job, detection: Detection) -> None:
        """An extractor passes the URL on to another kind; never to one that had it already."""
        if detection.kind in job.tried or len(job.tried) >= HAND_OVERS_MAX:
            return self.fail(job, Failure("unsupported", "Nothing that could be downloaded was found at this link."))
        move(job, Trigger.HANDED_OVER)
        before = job.tried[-1]
        self.tell(notices.DownloadHandedOver(**of(job), from_kind=before, to_kind=detection.kind, why=detection.why))
        return self._extract(job, detection)

    def _extract(self, job: Job, detection: Detection) -> None:
        job.detection = detection
        job.tried.append(detection.kind)
        self.out += [
            commands.SaveStage(job.attempt, Stage.EXTRACTING, detection.kind),
            commands.Extract(job.attempt, detection),
        ]

    def extracted(self, job: Job, extraction: Extraction) -> None:
        """Stage 2 is over: hand all there is to fetch to aria2, when it is there."""
        refusal = self.limits.quotas.refusal(extraction)
        if refusal is not None:
            return self.fail(job, refusal)
        move(job, Trigger.EXTRACTED)
        self._plan(job, extraction)
        continues = job.earlier is not None and extraction.continues(job.earlier)
        job.fresh = not continues
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
        job.extraction = extraction
        job.transfers = [
            Transfer(n, derive_gid(self.instance, job.attempt, n), fetch) for n, fetch in enumerate(extraction.fetches)
        ]
        self.gids.update((transfer.gid, (job, transfer)) for transfer in job.transfers)

    def _keep(self, job: Job) -> None:
        """What is whole already is not fetched again."""
        job.done = len(job.kept)
        for n in job.kept:
            job.transfers[n].state = TransferState.DONE

    # Stage 3

    def add(self, job: Job) -> None:
        """Hand every planned transfer to aria2, if it can be reached; else the next connect does. Not while a write
        was refused: the row may be somebody else's by now, and nobody would find the transfer again."""
        planned = [each for each in job.transfers if each.state is TransferState.PLANNED and not each.unanswered]
        if not planned or not self.connected or job.verdict_from is not None or job.roomless is not None:
            return
        if self._weigh(job) and job.weighed is None:
            return  # until there is known to be room
        for transfer in planned:
            if transfer.adds >= ADDS_MAX:
                refusal = transfer.refusal or Failure("aria2_lost", "aria2 lost this download again and again.")
                return self.fail(job, refusal)
            transfer.state = TransferState.ADDING
            transfer.adds += 1
            transfer.unanswered = True
        additions = tuple(commands.Addition(transfer.n, transfer.gid, transfer.fetch) for transfer in planned)
        self.out.append(commands.AddTransfers(job.attempt, additions, fresh=job.fresh))
        job.fresh = False
        job.removed = False
        job.moved_at = self.now

    def _weigh(self, job: Job) -> bool:
        """True when the disk is looked at for a job, because of its size."""
        size = job.wanted
        if size is None or size <= max(job.weighed or 0, ROOM_MIN):
            return False
        if not job.weighing:
            job.weighing = True
            self.out.append(commands.LookAtDisk())
        return True

    def added(self, job: Job, numbers: tuple[int, ...]) -> None:
        """aria2 took them."""
        for transfer in (job.transfers[n] for n in numbers):
            transfer.unanswered = False
            if transfer.state is not TransferState.DONE:
                transfer.state = TransferState.LIVE

    def add_failed(self, job: Job, numbers: tuple[int, ...], failure: Failure) -> None:
        """A refusal may mean that aria2 has it already (the gid is taken): only asking tells."""
        refused = [job.transfers[n] for n in numbers]
        for transfer in refused:
            transfer.unanswered = False
        unsure = [transfer for transfer in refused if transfer.state is TransferState.ADDING]
        for transfer in unsure:
            transfer.state = TransferState.UNSURE
            transfer.refusal = failure
        if self.connected:
            self.ask(unsure)
        self.add(job)

    def ask(self, transfers: list[Transfer]) -> None:
        """Ask aria2 about these now."""
        if transfers:
            self.out.append(commands.AskStatus(tuple(transfer.live_gid for transfer in transfers)))

    def reported(self, job: Job, transfer: Transfer, report: TransferReport, *, brief: bool) -> None:
        """What aria2 says of one transfer of a job that is fetching. What it turns out not to have is planned
        again: `add` follows. A `brief` report has no files: a single transfer that is done is asked
        for them once more."""
        if transfer.state in (TransferState.PLANNED, TransferState.ADDING, TransferState.DONE):
            return  # this was asked before it was added, or is known
        if brief and len(job.transfers) == 1 and (report.status is TransferStatus.COMPLETE or report.seeder):
            return self.ask([transfer])
        finding = reconcile(transfer, report)
        refusal = self.limits.quotas.too_large(sum(max(each.total, each.completed) for each in job.transfers))
        if refusal is not None:
            return self.fail(job, refusal)
        transfer.seeding = transfer.seeding and self.limits.seeding
        if finding.found is Found.FAILED and finding.failure is not None:
            self._part_failed(job, transfer, finding.failure)
        elif finding.found is Found.FOLLOWED:
            job.moved_at = self.now
            self.gids[transfer.live_gid] = (job, transfer)
            self.ask([transfer])
        elif finding.found is Found.DONE:
            job.moved_at = self.now
            job.done += 1
            job.heard.discard(transfer.n)
            self._fetched(job)
        elif finding.found is Found.MOVED:
            job.moved_at = self.now
        elif finding.found is Found.MISSING and report.status is not TransferStatus.UNKNOWN:
            self.out.append(commands.ForgetTransfers((report.gid,)))  # its gid is needed again
        if job.state is State.FETCHING:
            self._weigh(job)

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

    def _part_failed(self, job: Job, transfer: Transfer, failure: Failure) -> None:
        """One part of many is tried again by itself, a few times; otherwise the attempt has failed."""
        if len(job.transfers) == 1 or not failure.retryable or transfer.adds >= ADDS_MAX:
            return self.fail(job, failure)
        self.out.append(commands.ForgetTransfers(transfer.gids))
        transfer.state, transfer.refusal = TransferState.PLANNED, failure
        return None

    def heard(self, job: Job, transfer: Transfer, what: str) -> None:
        """aria2 told something of a transfer: ask. Of many parts only the last one is worth a question, the
        periodic one finds the others."""
        job.heard.add(transfer.n)
        live = len(job.transfers) - job.done
        if len(job.transfers) < PARTS_MANY or what == "error":
            self.ask([transfer])
        elif len(job.heard) >= live:
            self.ask([each for each in job.transfers if each.askable])

    def measure(self, job: Job) -> commands.ProgressOf | None:
        """What the row is to say of the progress now, or None when it says so already. A job that has stood
        still for too long is stopped here."""
        limit = self.limits.torrent_stall_timeout_s if job.torrent else self.limits.stall_timeout_s
        if limit and self.now - job.moved_at >= limit:
            self.fail(job, _stalled(job, limit))
            return None
        completed = sum(transfer.completed for transfer in job.transfers)
        size = job.wanted
        speed = sum(transfer.speed for transfer in job.transfers if transfer.state is TransferState.LIVE)
        share = completed / size if size else _share(job)
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

    def _finish(self, job: Job) -> None:
        assert job.extraction is not None  # nothing is finished that was not planned
        job.joined_at = self.now
        if not job.resumed:
            self.tell(notices.DownloadFinishing(**of(job)))
        self.out.append(
            commands.Finish(
                job.attempt,
                job.extraction,
                tuple(transfer.files for transfer in job.transfers),
                0 if job.kept else sum(transfer.total for transfer in job.transfers),
                keep=any(transfer.seeding for transfer in job.transfers),
                resumed=job.resumed,
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
        job.resumed = False
        job.moved_at = self.now
        move(job, Trigger.FILES_MISSING)
        for transfer in job.transfers:
            transfer.state = TransferState.UNSURE
        self._keep(job)
        if self.connected:
            self.ask([transfer for transfer in job.transfers if transfer.askable])
        self._fetched(job)


def _stalled(job: Job, limit_s: float) -> Failure:
    if not job.torrent:
        return Failure("timeout", f"No byte came for {limit_s:g} s.", None, True)
    known = any(transfer.total for transfer in job.transfers if transfer.followers or not transfer.fetch.urls)
    what = "of the torrent" if known else "who has this torrent"
    message = f"No byte {what} came for {limit_s:g} s." if known else f"Nobody {what} was found within {limit_s:g} s."
    return Failure("no_peers", message, "Nobody seems to share it at the moment.", True)


def _share(job: Job) -> float | None:
    """How much of a job is there whose size nobody knows: by its parts, when there are several."""
    if len(job.transfers) == 1:
        return None
    return sum(
        1.0 if transfer.state is TransferState.DONE else transfer.completed / transfer.total if transfer.total else 0.0
        for transfer in job.transfers
    ) / len(job.transfers)
