"""The way of one job: what each thing that happens to it makes of it.

Every step takes a job, moves it by the law of `lifecycle`, and appends the commands that follow to `out`.
What is around the jobs (rows, the connection to aria2, time) is the machine's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reactor import notices
from reactor.core import commands
from reactor.core.commands import Command
from reactor.core.events import ClaimedRow, TransferReport, TransferStatus
from reactor.core.job import End, Ending, How, Job, State, Transfer, TransferState, derive_gid
from reactor.core.lifecycle import Trigger, move
from reactor.core.reconcile import Found, reconcile
from reactor.core.retry import FROM_ZERO, RetryPolicy
from reactor.errors import Failure
from reactor.models import Detection, Extraction, Kind, Stage

ADDS_MAX = 4
"""How often one transfer is handed to aria2 in one attempt before it counts as refused."""
HAND_OVERS_MAX = 4
STOP_PATIENCE_S = 5.0
"""How long a cancel waits for an aria2 that does not answer before the row ends without it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine is allowed: the part of the settings that the core needs."""

    concurrent: int = 1
    progress_interval_s: float = 5.0
    seeding: bool = False
    """True when finished torrents are served to others for a while."""
    stall_timeout_s: float = 120.0
    torrent_stall_timeout_s: float = 600.0
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(5, 30.0, 3600.0))


class Flow:
    """The steps. `now`, `connected` and `out` are set by the machine before each."""

    def __init__(self, limits: Limits) -> None:
        self.instance = ""
        self.limits = limits
        self.gids: dict[str, tuple[Job, Transfer]] = {}
        self.over: list[str] = []
        """gids whose results aria2 may drop."""
        self.now = 0.0
        self.connected = False
        self.out: list[Command] = []

    def tell(self, notice: notices.Notice) -> None:
        """Have a notice written into the journal."""
        self.out.append(commands.Tell(notice))

    # Stage 1 and 2

    def begin(self, row: ClaimedRow) -> Job:
        """A row that was just claimed."""
        job = Job(row.attempt, row.url, State.DETECTING, row.retry_count, self.now, earlier=row.plan)
        self.tell(notices.DownloadClaimed(**_of(job), url=row.url, waited_s=row.waited_s))
        self.out.append(commands.Detect(job.attempt, row.url))
        return job

    def resume(self, row: ClaimedRow) -> Job:
        """A row found under way after a restart: it goes on in the same attempt, where it was. What was planned
        may be there already, or even published: that is looked at first."""
        if row.plan is None or row.plan_attempt != row.attempt.number:
            job = Job(row.attempt, row.url, State.DETECTING, row.retry_count, self.now, earlier=row.plan)
            self.out.append(commands.Detect(job.attempt, row.url))
        else:
            job = Job(row.attempt, row.url, State.FINISHING, row.retry_count, self.now, removed=False, resumed=True)
            self._plan(job, row.plan)
            self._finish(job)
        self.tell(notices.DownloadResumed(**_of(job), url=row.url, stage=row.stage or job.state))
        return job

    def detected(self, job: Job, detection: Detection) -> None:
        """Stage 1 is over."""
        if detection.kind is Kind.UNKNOWN:
            return self.fail(job, Failure("unsupported", "Nothing that could be downloaded was found at this link."))
        move(job, Trigger.DETECTED)
        self.tell(notices.DownloadDetected(**_of(job), kind=detection.kind, why=detection.why))
        return self._extract(job, detection)

    def handed_over(self, job: Job, detection: Detection) -> None:
        """An extractor passes the URL on to another kind; never to one that had it already."""
        if detection.kind in job.tried or len(job.tried) >= HAND_OVERS_MAX:
            return self.fail(job, Failure("unsupported", "Nothing that could be downloaded was found at this link."))
        move(job, Trigger.HANDED_OVER)
        before = job.tried[-1]
        self.tell(notices.DownloadHandedOver(**_of(job), from_kind=before, to_kind=detection.kind, why=detection.why))
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
        move(job, Trigger.EXTRACTED)
        self._plan(job, extraction)
        continues = job.earlier is not None and extraction.continues(job.earlier)
        job.fresh = not continues
        self.out.append(commands.SavePlan(job.attempt, extraction))
        self.tell(
            notices.DownloadExtracted(
                **_of(job),
                kind=extraction.kind,
                title=extraction.title,
                size=extraction.size,
                parts=len(extraction.fetches),
                continues=continues,
            )
        )
        self.add(job)

    def _plan(self, job: Job, extraction: Extraction) -> None:
        job.extraction = extraction
        job.transfers = [
            Transfer(n, derive_gid(self.instance, job.attempt, n), fetch) for n, fetch in enumerate(extraction.fetches)
        ]
        self.gids.update((transfer.gid, (job, transfer)) for transfer in job.transfers)

    # Stage 3

    def add(self, job: Job) -> None:
        """Hand every planned transfer to aria2, if it can be reached; else the next connect does."""
        planned = [transfer for transfer in job.transfers if transfer.state is TransferState.PLANNED]
        if not planned or not self.connected:
            return
        for transfer in planned:
            if transfer.adds >= ADDS_MAX:
                refusal = transfer.refusal or Failure("aria2_lost", "aria2 lost this download again and again.")
                return self.fail(job, refusal)
            transfer.state = TransferState.ADDING
            transfer.adds += 1
        additions = tuple(commands.Addition(transfer.n, transfer.gid, transfer.fetch) for transfer in planned)
        self.out.append(commands.AddTransfers(job.attempt, additions, fresh=job.fresh))
        job.fresh = False
        job.removed = False
        job.moved_at = self.now

    def added(self, job: Job, numbers: tuple[int, ...]) -> None:
        """aria2 took them."""
        for n in numbers:
            if job.transfers[n].state in (TransferState.ADDING, TransferState.UNSURE):
                job.transfers[n].state = TransferState.LIVE

    def add_failed(self, job: Job, numbers: tuple[int, ...], failure: Failure) -> None:
        """A refusal may mean that aria2 has it already (the gid is taken): only asking tells."""
        unsure = [job.transfers[n] for n in numbers if job.transfers[n].state is TransferState.ADDING]
        for transfer in unsure:
            transfer.state = TransferState.UNSURE
            transfer.refusal = failure
        if self.connected:
            self.ask(unsure)

    def ask(self, transfers: list[Transfer]) -> None:
        """Ask aria2 about these now."""
        if transfers:
            self.out.append(commands.AskStatus(tuple(transfer.live_gid for transfer in transfers)))

    def reported(self, job: Job, transfer: Transfer, report: TransferReport, *, brief: bool) -> None:
        """What aria2 says of one transfer of a job that is fetching. What it turns out not to have is planned
        again: `add` follows. A `brief` report has no files: what is done is asked for them once more."""
        if transfer.state in (TransferState.PLANNED, TransferState.DONE):
            return
        if brief and (report.status is TransferStatus.COMPLETE or report.seeder):
            return self.ask([transfer])
        finding = reconcile(transfer, report)
        transfer.seeding = transfer.seeding and self.limits.seeding
        if finding.found is Found.FAILED and finding.failure is not None:
            self.fail(job, finding.failure)
        elif finding.found is Found.FOLLOWED:
            job.moved_at = self.now
            self.gids[transfer.live_gid] = (job, transfer)
            self.ask([transfer])
        elif finding.found is Found.DONE:
            job.moved_at = self.now
            if all(each.state is TransferState.DONE for each in job.transfers):
                move(job, Trigger.FETCHED)
                self.out.append(commands.SaveStage(job.attempt, Stage.FINISHING))
                self._finish(job)
        elif finding.found is Found.MOVED:
            job.moved_at = self.now

    def measure(self, job: Job) -> commands.ProgressOf | None:
        """What the row is to say of the progress now, or None when it says so already. A job that has stood
        still for too long is stopped here."""
        limit = self.limits.torrent_stall_timeout_s if job.torrent else self.limits.stall_timeout_s
        if limit and self.now - job.moved_at >= limit:
            self.fail(job, _stalled(job, limit))
            return None
        completed = sum(transfer.completed for transfer in job.transfers)
        totals = [transfer.total or transfer.fetch.size or 0 for transfer in job.transfers]
        size = sum(totals) if all(totals) else None
        speed = sum(transfer.speed for transfer in job.transfers)
        if size:
            job.progress = max(job.progress or 0.0, min(100.0, completed / size * 100))
        measured = (job.progress, speed, size)
        if measured == job.written:
            return None
        job.written = measured
        eta = round((size - completed) / speed) if size and speed and size >= completed else None
        self.tell(
            notices.DownloadProgressed(
                **_of(job), progress=job.progress, completed=completed, size=size, speed=speed, eta_s=eta
            )
        )
        return commands.ProgressOf(job.attempt, job.progress, speed, eta, size, job.title)

    def _finish(self, job: Job) -> None:
        assert job.extraction is not None  # nothing is finished that was not planned
        if not job.resumed:
            self.tell(notices.DownloadFinishing(**_of(job)))
        self.out.append(
            commands.Finish(
                job.attempt,
                job.extraction,
                tuple(transfer.files for transfer in job.transfers),
                sum(transfer.total for transfer in job.transfers),
                keep=any(transfer.seeding for transfer in job.transfers),
                resumed=job.resumed,
            )
        )

    def finished(self, job: Job, path: str, size: int) -> None:
        """The result stands where it belongs; the row is told."""
        move(job, Trigger.FINISHED)
        job.published, job.size = path, size
        job.ending = Ending(End.DOWNLOADED)
        self._save_ending(job)

    def refetch(self, job: Job) -> None:
        """Finishing found bytes missing: have aria2 look again, once."""
        job.refetched = not job.resumed
        job.resumed = False
        job.moved_at = self.now
        move(job, Trigger.FILES_MISSING)
        for transfer in job.transfers:
            transfer.state = TransferState.UNSURE
        if self.connected:
            self.ask(job.transfers)

    # The ends

    def fail(self, job: Job, failure: Failure) -> None:
        """The attempt has failed: wait for the next one, or give up."""
        policy = self.limits.retry
        delay = policy.next_delay_s(failure, job.attempt, job.retry_count)
        if delay is None:
            ending = Ending(End.FAILED, policy.final(failure, job.retry_count), job.retry_count)
        else:
            count = job.retry_count + policy.costs(failure)
            ending = Ending(End.WAITING, failure, count, delay, discard=failure.code in FROM_ZERO)
        self.stop(job, ending)

    def cancel(self, job: Job, how: How) -> None:
        """The row was cancelled, deleted, or taken by somebody."""
        end = End.GONE if how == "deleted" else End.CANCELLED
        self.stop(job, Ending(end, retry_count=job.retry_count, how=how))

    def requeue(self, job: Job) -> None:
        """Nothing failed, but this attempt cannot go on: a cancel was taken back while it was carried out."""
        self.stop(job, Ending(End.WAITING, retry_count=job.retry_count))

    def stop(self, job: Job, ending: Ending) -> None:
        """Take down all that runs for the job; `ending` says what becomes of the row then."""
        again = job.state is State.STOPPING
        move(job, Trigger.STOP)
        job.ending = ending
        job.verdict_from = None
        if again:
            return
        self.out.append(commands.StopWork(job.attempt))
        if job.removed:
            self.taken_down(job)
        else:
            self.remove(job)

    def remove(self, job: Job) -> None:
        """Take the job's transfers out of aria2. While it does not answer, a row that ends waits only so long."""
        job.stop_by = self.now + STOP_PATIENCE_S
        if self.connected:
            gids = tuple(gid for transfer in job.transfers for gid in transfer.gids)
            self.out.append(commands.RemoveTransfers(job.attempt, gids))

    def out_of_patience(self, job: Job) -> None:
        """aria2 has not answered: a final row ends without it, and owes the rest; a waiting one goes on waiting."""
        assert job.ending is not None
        if job.ending.end is End.WAITING:
            self.remove(job)
        else:
            job.stop_by = None
            self.close(job)

    def taken_down(self, job: Job) -> None:
        """aria2 has nothing of it any more: now the files can go."""
        assert job.ending is not None
        job.removed, job.stop_by = True, None
        if job.ending.discard:
            self.out.append(commands.Discard(job.attempt, job.published))
        else:
            self.close(job)

    def close(self, job: Job) -> None:
        """All is taken down: tell the row."""
        move(job, Trigger.STOPPED)
        self._save_ending(job)

    def _save_ending(self, job: Job) -> None:
        ending, attempt = job.ending, job.attempt
        assert ending is not None
        keep = not job.removed
        if ending.end is End.DOWNLOADED:
            seeding = any(transfer.seeding for transfer in job.transfers)
            path = job.published or ""
            self.out.append(commands.SaveDownloaded(attempt, path, job.size, job.title, keep_plan=seeding))
        elif ending.end is End.CANCELLED:
            self.out.append(commands.SaveCancelled(attempt, keep_plan=keep))
        elif ending.end is End.WAITING:
            self.out.append(commands.SaveWaiting(attempt, ending.failure, ending.retry_count, ending.delay_s))
        elif ending.end is End.FAILED and ending.failure is not None:
            self.out.append(commands.SaveFailed(attempt, ending.failure, job.kind, keep_plan=keep))
        else:  # no row, no write, nothing to wait for
            if not keep:
                self.out.append(commands.ForgetPlan(attempt))
            self.saved(job)

    def save_again(self, job: Job) -> None:
        """The last write was refused, but the row is as it should be again."""
        job.verdict_from = None
        self._save_ending(job)

    def saved(self, job: Job) -> None:
        """The row says how it ended; now the world may know."""
        assert job.ending is not None
        seeding = job.ending.end is End.DOWNLOADED and any(transfer.seeding for transfer in job.transfers)
        move(job, Trigger.SAVED_SEEDING if seeding else Trigger.SAVED)
        self.tell(self._last_notice(job, job.ending))
        if job.ending.end is End.DOWNLOADED and not seeding:
            self._forget(job)

    def _last_notice(self, job: Job, ending: Ending) -> notices.Notice:
        failure = ending.failure or Failure("requeued", "The cancel was taken back.")
        if ending.end is End.DOWNLOADED:
            return notices.DownloadCompleted(
                **_of(job), path=job.published or "", size=job.size, took_s=round(self.now - job.begun_at, 3)
            )
        if ending.end is End.FAILED:
            return notices.DownloadFailed(**_of(job), code=failure.code, error=failure.sentence)
        if ending.end is End.WAITING:
            return notices.DownloadRetryScheduled(
                **_of(job),
                code=failure.code,
                error=failure.sentence,
                retry=ending.retry_count,
                retries_max=self.limits.retry.retries_max,
                delay_s=round(ending.delay_s, 3),
            )
        return notices.DownloadCancelled(**_of(job), how=ending.how)

    def _forget(self, job: Job) -> None:
        self.over += [gid for transfer in job.transfers for gid in transfer.gids]

    def forget(self) -> None:
        """Let aria2 drop the results of jobs that ended well: of many at once, it is in no hurry."""
        if self.over:
            self.out.append(commands.ForgetTransfers(tuple(self.over)))
            self.over = []

    def seeded(self, job: Job) -> None:
        """The torrent is no longer served: what was kept for it goes."""
        move(job, Trigger.SEEDED)
        self._forget(job)
        self.out += [commands.Discard(job.attempt), commands.ForgetPlan(job.attempt)]
        self.tell(notices.SeedingEnded(**_of(job)))


def _of(job: Job) -> dict[str, int]:
    return {"download_id": job.id, "attempt": job.attempt.number}


def _stalled(job: Job, limit_s: float) -> Failure:
    if not job.torrent:
        return Failure("timeout", f"No byte came for {limit_s:g} s.", None, True)
    known = any(transfer.total for transfer in job.transfers if transfer.followers or not transfer.fetch.urls)
    what = "of the torrent" if known else "who has this torrent"
    message = f"No byte {what} came for {limit_s:g} s." if known else f"Nobody {what} was found within {limit_s:g} s."
    return Failure("no_peers", message, "Nobody seems to share it at the moment.", True)
