"""The ends of one job: how it is taken down, and what its row says in the end.

Nothing is written before it is true: transfers are stopped first, then files go, then the row is told, and the
world hears of it when the row says so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from reactor import notices
from reactor.core import commands
from reactor.core.commands import Command
from reactor.core.events import SaveRejected, TransferReport, TransferStatus
from reactor.core.job import End, Ending, How, Job, State, Transfer, TransferState, derive_gid
from reactor.core.lifecycle import Trigger, move
from reactor.core.quotas import Quotas
from reactor.core.retry import CHANGED, FROM_ZERO, UNTOLD, RetryPolicy
from reactor.errors import Failure
from reactor.models import Kind

EXPIRED = frozenset({"forbidden", "not_found", "needs_login"})
"""What a server says when the URL that an extractor found has run out, or the headers that it found beside it."""
EXTRACTED = frozenset({Kind.YTDLP, Kind.PLAYWRIGHT})
NOT_THE_PARTS = frozenset({"no_space", "killed"})
"""Why joining failed though every part is as it should be."""
STOP_PATIENCE_S = 5.0
"""How long a cancel waits for an aria2 that does not answer before the row ends without it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine is allowed: the part of the settings that the core needs."""

    concurrent: int = 1
    parts: int = 16
    """How many parts of one row are fetched at once."""
    progress_interval_s: float = 5.0
    seeding: bool = False
    """True when finished torrents are served to others for a while."""
    stall_timeout_s: float = 120.0
    torrent_stall_timeout_s: float = 600.0
    min_speed: float = 0.0
    """Bytes/s, on the average of a stall timeout; 0: as slow as it likes."""
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(5, 30.0, 3600.0))
    quotas: Quotas = field(default_factory=Quotas)
    guarded: bool = True
    """True when all that aria2 fetches from servers passes the guard."""


class Endings:
    """The last steps. `now`, `connected` and `out` are set by the machine before each."""

    def __init__(self, limits: Limits) -> None:
        self.instance = ""
        self.limits = limits
        self.gids: dict[str, tuple[Job, Transfer]] = {}
        """Of the transfers that aria2 has something to say of. Of thousands of parts that are few at a time."""
        self.over: list[str] = []
        """gids whose results aria2 may drop."""
        self.published: list[int] = []
        """Rows whose files stand where they belong, and that say so: the record of it may go."""
        self.room_doubted = False
        """Something found no room: nothing is begun before the disk was looked at."""
        self.now = 0.0
        self.connected = False
        self.out: list[Command] = []

    def tell(self, notice: notices.Notice) -> None:
        """Have a notice written into the journal."""
        self.out.append(commands.Tell(notice))

    def sort(self, job: Job, transfer: Transfer) -> None:
        """Put a transfer where its state belongs: whoever changes a state calls this."""
        job.sort(transfer)
        if transfer.n in job.given:
            self.gids.update((gid, (job, transfer)) for gid in transfer.gids)
        elif len(job.transfers) > 1:  # what is still said of it changes nothing
            for gid in transfer.gids:
                self.gids.pop(gid, None)

    def disown(self, job: Job) -> None:
        """Nothing that aria2 says is about this job any more."""
        self.gids = {gid: found for gid, found in self.gids.items() if found[0] is not job}

    def fail(self, job: Job, failure: Failure) -> None:
        """The attempt has failed: wait for the next one, or give up. Where there was no room `disk` decides."""
        if failure.code != "no_space":
            return self.end(job, failure)
        self.room_doubted = True
        self.out.append(commands.MeasureDisk())
        if job.state not in (State.FETCHING, State.FINISHING):
            return self.end(job, failure)
        job.roomless = failure
        return None

    def end(self, job: Job, failure: Failure, *, own: bool = False, discard: bool = False) -> None:
        """End the attempt. It costs a retry when it is the download's `own` fault, or that of its server; `discard`:
        what was fetched goes."""
        policy = self.limits.retry
        unjoined = job.state is State.FINISHING and failure.code not in NOT_THE_PARTS
        # Of many parts the others are as they should be.
        discard = discard or (failure.code in FROM_ZERO and len(job.transfers) < 2)
        if job.kept and (unjoined or discard):
            self.out.append(
                commands.SaveProgress((commands.ProgressOf(job.attempt, None, 0, None, None, done=frozenset()),))
            )
        costs = own or policy.costs(failure)
        delay = policy.next_delay_s(failure, job.attempt, job.retry_count, costs=costs)
        in_vain = job.in_vain(failure)
        twice = failure.code == "checksum" or failure == CHANGED
        if (in_vain and failure.code in FROM_ZERO) or (twice and job.before == failure.code):
            delay = None  # it began from zero, and that did not help
        elif failure == CHANGED and delay is not None:
            delay = 0.0  # there is nothing to wait for
        expired = failure.code in EXPIRED or failure == UNTOLD
        renewable = expired and job.kind in EXTRACTED and job.state is State.FETCHING and not in_vain
        if renewable and job.retry_count < policy.retries_max:
            delay = 0.0  # the page can be asked for a new URL at once
        if delay is None:
            ending = Ending(End.FAILED, policy.final(failure, job.retry_count), job.retry_count)
        else:
            ending = Ending(End.WAITING, failure, job.retry_count + costs, delay, discard)
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
            # Of thousands of parts most were never handed over.
            handed = (each for each in job.transfers if each.adds or each.n in job.given or self._told_done(job, each))
            left = (derive_gid(self.instance, job.attempt, n) for n in range(job.left))
            gids = (*(gid for each in handed for gid in each.gids), *left)
            self.out.append(commands.RemoveTransfers(job.attempt, gids))

    def _told_done(self, job: Job, transfer: Transfer) -> bool:
        """True for one that an earlier run had handed over, and that aria2 still knows as complete: without its files
        that must not be found again."""
        return transfer.state is TransferState.DONE and transfer.n not in job.kept

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
            # Before there is a plan nothing of it is published: what may be there is somebody else's.
            self.out.append(commands.Discard(job.attempt, keep_result=job.stale and job.extraction is None))
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
        job.verdict_from = None  # on a write before this one
        if ending.end is End.DOWNLOADED:
            path, keep = job.published or "", job.serving or job.unasked
            self.out.append(commands.SaveDownloaded(attempt, path, job.size, job.title, keep_plan=keep))
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
        self._save_ending(job)

    def forbidden(self, job: Job, failure: Failure) -> None:
        """The bot's table does not take what was to be written: the row fails. Where it does not even take that, the
        row stays as it is until the next start, and holds up nobody."""
        final = (End.FAILED, End.CANCELLED)
        if job.state is State.CLOSING and job.ending is not None and job.ending.end in final:
            self.saved(job)
        else:
            self.fail(job, failure)

    def never_begun(self, rows: Collection[SaveRejected]) -> bool:
        """Rows failed in place of being claimed. True when there are any: their places are still free."""
        for row in rows:
            told = {"download_id": row.attempt.download_id, "attempt": row.attempt.number}
            self.tell(notices.DownloadFailed(**told, code=row.failure.code, error=row.failure.text))
        return bool(rows)

    def saved(self, job: Job) -> None:
        """The row says how it ended; now the world may know."""
        assert job.ending is not None
        done = job.ending.end is End.DOWNLOADED
        move(job, Trigger.SAVED_SEEDING if done and job.serving else Trigger.SAVED)
        self.tell(self._last_notice(job, job.ending))
        if done and not job.serving and not job.unasked:
            self.published.append(job.id)
            self._forget(job)

    def _last_notice(self, job: Job, ending: Ending) -> notices.Notice:
        failure = ending.failure or Failure("requeued", "The cancel was taken back.")
        if ending.end is End.DOWNLOADED:
            return notices.DownloadCompleted(
                **of(job), path=job.published or "", size=job.size, took_s=round(self.now - job.begun_at, 3)
            )
        if ending.end is End.FAILED:
            return notices.DownloadFailed(**of(job), code=failure.code, error=failure.text)
        if ending.end is End.WAITING:
            return notices.DownloadRetryScheduled(
                **of(job),
                code=failure.code,
                error=failure.text,
                retry=ending.retry_count,
                retries_max=self.limits.retry.retries_max,
                delay_s=round(ending.delay_s, 3),
            )
        return notices.DownloadCancelled(**of(job), how=ending.how)

    def _forget(self, job: Job) -> None:
        self.over += [gid for transfer in job.transfers for gid in transfer.gids]

    def forget(self) -> None:
        """Clear up behind jobs that ended well: behind many at once, it is in no hurry."""
        if self.over:
            self.out.append(commands.ForgetTransfers(tuple(self.over)))
            self.over = []
        if self.published:
            self.out.append(commands.Tidy(tuple(self.published)))
            self.published = []

    def leave(self, reason: str, jobs: Collection[Job]) -> bool:
        """End it all, unless the last word of a row is being written: whoever hears of rows hears of that one too."""
        if any(job.state is State.CLOSING and job.verdict_from is None for job in jobs):
            return False
        self.forget()
        left = sum(1 for job in jobs if job.state is not State.SEEDING)
        self.tell(notices.ReactorStopped(reason=reason, left=left))
        self.out.append(commands.Exit())
        return True

    def seeding_reported(self, job: Job, report: TransferReport) -> None:
        """What aria2 says of a torrent that was served: when it is no longer, what was kept for it goes."""
        if report.status is TransferStatus.ACTIVE:
            return
        self.seeding_over(job)
        self._forget(job)
        self.out += [commands.Discard(job.attempt, keep_result=True), commands.ForgetPlan(job.attempt)]

    def seeding_over(self, job: Job) -> None:
        """Nobody is to be served any more."""
        move(job, Trigger.SEEDED)
        self.tell(notices.SeedingEnded(**of(job)))


def of(job: Job) -> dict[str, int]:
    """The fields that every notice about a job has."""
    return {"download_id": job.id, "attempt": job.attempt.number}
