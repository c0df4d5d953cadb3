"""How the transfers of a job are handed to aria2: some at a time, not too often, not too soon.

What comes in parts is handed over by the window, so that others need not wait behind thousands of parts, and aria2
never has more results than it keeps. A window is as large as MAX_CONCURRENT_PARTS, larger where parts are quick, and
filled up when the half of it is done: a video of 2000 parts costs a dozen requests. When a part fails the whole job
waits for a moment, longer each time, and when the server has had enough it begins again with one.
"""

from __future__ import annotations

from itertools import islice

from reactor.core import commands
from reactor.core.endings import Endings, Limits
from reactor.core.job import Job, State, Transfer, TransferState
from reactor.core.quotas import ROOM_MIN
from reactor.core.retry import FROM_ZERO, chance
from reactor.errors import Failure

ADDS_MAX = 4
"""How often one transfer is handed to aria2 in one attempt before it counts as refused."""
SETBACKS_MAX = 4
"""How often in a row a job may be held up by its parts, with nothing done in between."""
DEATHS_MAX = 4
"""How often in a row aria2 may die with a job of which no byte comes."""
TRIAL_FROM = 2
"""When aria2 has died so often in a row with a job, all are begun one after the other."""
TRIAL_S, TRIAL_ASK_S = 10.0, 0.2
"""How long one of them is watched before the next one is begun, and how often it is asked about: what aria2 dies of is
the head of an answer, as a rule."""
PARTS_MANY = 8
"""From so many parts on, a job is asked about as a whole: a question for each of 2000 notifications would be 2000."""
WINDOW_MAX = 512
"""Half of the results that aria2 keeps unless told otherwise (max-download-result)."""
WINDOW_BYTES_MAX = 8 * 1024 * 1024
"""Of the headers and cookies that aria2 has at once for one job: it keeps them with each of its results."""
REFILL_S = 10.0
"""A window of which the half is done sooner is too small."""
HOLD_S, HOLD_SLOW_S, HOLD_MAX_S = 1.0, 5.0, 60.0
"""How long a job waits after a part has failed: at first, at first when the server had enough, and at most."""
TOO_MUCH = frozenset({"rate_limited", "server_error"})
"""What a server says that had enough."""
LOST = Failure("aria2_lost", "aria2 lost this download again and again.", None, True)
DIES = Failure("aria2_lost", "aria2 ended again and again when it was to fetch this.", None, True)


def single_of(job: Job) -> bool:
    """True when a job begins from zero because its server had several versions: it may have them all at once, and only
    what comes in one answer is certain to be one."""
    return job.before in FROM_ZERO


class Handing(Endings):
    """The steps between us and aria2."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.jobs: dict[int, Job] = {}
        """All of them, by the row's id."""
        self._dropped: list[str] = []
        self._trial: tuple[Job, float] | None = None
        """The one of several suspects that is begun again, and since when."""
        self.trial_due: float | None = None

    def add(self, job: Job) -> None:
        """Hand over what is planned and has its turn, if aria2 can be reached; else the next connect does. Not while a
        write was refused: the row may be somebody else's by now, and nobody would find the transfer again."""
        if not job.planned or not self.connected or job.verdict_from is not None or job.held_until is not None:
            return
        if job.roomless is not None or (self.weigh(job) and job.weighed is None):
            return  # until there is known to be room
        if self._next_suspect() not in (job, None) and _unproven(job):
            return  # until it is known whether it is the one before that kills aria2
        ready = (each for each in job.planned.values() if not each.unanswered)
        taken = list(islice(ready, self._room(job)))
        if not taken:
            return
        for transfer in taken:
            if transfer.adds >= ADDS_MAX:
                return self.fail(job, transfer.refusal or LOST)
            transfer.state = TransferState.ADDING
            transfer.adds += 1
            transfer.unanswered, transfer.waiting, transfer.over = True, False, False
            self.sort(job, transfer)
        assert job.extraction is not None  # what is planned comes of it
        sent = job.extraction.headers, job.extraction.cookies
        alone = len(job.transfers) == 1
        self.out.append(commands.AddTransfers(job.attempt, self._additions(job, taken), job.fresh, *sent, alone))
        job.fresh, job.removed = False, False
        job.moves(self.now)
        job.filled_at = self.now

    def weigh(self, job: Job) -> bool:
        """True when the disk is looked at for a job, because of its size."""
        size = job.wanted
        if size is None or size <= max(job.weighed or 0, ROOM_MIN):
            return False
        if not job.weighing:
            job.weighing = True
            self.out.append(commands.MeasureDisk())
        return True

    def _room(self, job: Job) -> int:
        """How many more of its transfers aria2 may have now."""
        if len(job.transfers) == 1:
            return 1
        fitting = max(1, WINDOW_BYTES_MAX // max(1, job.request_bytes))
        least = min(max(1, self.limits.parts), fitting)
        job.window = job.window or least
        if len(job.planned) + len(job.given) <= job.window:
            return len(job.planned)
        if len(job.given) > job.window // 2:
            return 0
        if job.filled_at is not None:
            quick = self.now - job.filled_at < REFILL_S
            most = min(WINDOW_MAX, fitting) if quick else max(least, job.window // 2)
            job.window = min(most, job.window * 2)
        return job.window - len(job.given)

    def _additions(self, job: Job, taken: list[Transfer]) -> tuple[commands.Addition, ...]:
        # One file does not wait for the parts of another row; in an aria2 of several users it has no other privilege.
        first = len(job.transfers) == 1 and any(len(each.transfers) > 1 for each in self.jobs.values())
        additions = tuple(
            commands.Addition(each.n, each.gid, each.fetch, each.spoilt, first, single_of(job) or each.spoilt)
            for each in taken
        )
        for transfer in taken:
            transfer.spoilt = False
        return additions

    def added(self, job: Job, numbers: tuple[int, ...]) -> None:
        """aria2 took them."""
        for transfer in (job.transfers[n] for n in numbers):
            transfer.unanswered = False
            if transfer.state is not TransferState.DONE:
                transfer.state = TransferState.LIVE
                self.sort(job, transfer)

    def add_failed(self, job: Job, numbers: tuple[int, ...], failure: Failure) -> None:
        """A refusal may mean that aria2 has it already (the gid is taken): only asking tells."""
        refused = [job.transfers[n] for n in numbers]
        for transfer in refused:
            transfer.unanswered = False
        unsure = [transfer for transfer in refused if transfer.state in (TransferState.ADDING, TransferState.UNSURE)]
        for transfer in unsure:
            transfer.state = TransferState.UNSURE
            transfer.refusal = failure
        if self.connected:
            self.ask(unsure)
        self.add(job)

    # Asking

    def ask(self, transfers: list[Transfer]) -> None:
        """Ask aria2 about these now."""
        if transfers:
            self.out.append(commands.AskStatus(tuple(transfer.live_gid for transfer in transfers)))

    def heard(self, job: Job, transfer: Transfer, what: str) -> None:
        """aria2 told something of a transfer: ask. Of many parts they are asked about together, when there is room for
        others then, or none are left; the periodic question finds the rest."""
        if transfer.n not in job.given:
            return
        # Of a magnet link it is the metadata that is complete first.
        transfer.over = transfer.over or (what == "complete" and transfer.fetch.torrent is None)
        if len(job.transfers) < PARTS_MANY or (what == "error" and job.held_until is None):
            return self.ask([transfer])
        job.heard.add(transfer.n)
        if len(job.given) - len(job.heard) <= (job.window // 2 if job.planned else 0):
            heard = [job.given[n] for n in sorted(job.heard)]
            job.heard.clear()
            self.ask([each for each in heard if each.askable])
        return None

    # Failing parts

    def part_failed(self, job: Job, transfer: Transfer, failure: Failure) -> None:
        """One part of many is tried again by itself, a few times and after all the others; otherwise the attempt has
        failed. Until then nothing more is begun for the job."""
        if len(job.transfers) == 1 or not failure.retryable or transfer.adds >= ADDS_MAX:
            return self.fail(job, failure)
        if job.held_until is None:
            job.setbacks += 1
            if job.setbacks >= SETBACKS_MAX:
                return self.fail(job, failure)
        self._dropped += transfer.gids
        transfer.state, transfer.refusal = TransferState.PLANNED, failure
        transfer.spoilt = failure.code in FROM_ZERO
        self.sort(job, transfer)
        slow = failure.code in TOO_MUCH
        if slow:
            job.window, job.filled_at = 1, None
        if slow or job.held_until is None:
            self.hold(job, max(job.setbacks, transfer.adds), slow=slow)
        return None

    def give_up(self, job: Job) -> None:
        """Nothing of what was fetched is wanted any more; all of it is over in aria2."""
        self.disown(job)
        for transfer in job.transfers:
            self._dropped += transfer.gids
        job.plan([])
        job.given, job.heard = {}, set()
        job.done = job.weight = job.window = 0
        job.weighed, job.filled_at, job.removed = None, None, True
        job.told_whole = job.continued = False

    def drop(self) -> None:
        """Have aria2 forget the parts that failed: their gids are needed again."""
        if self._dropped:
            self.out.append(commands.ForgetTransfers(tuple(self._dropped)))
            self._dropped = []

    def hold(self, job: Job, times: int, *, slow: bool = False) -> None:
        """Let a job wait, for the `times`th time: twice as long each time."""
        base = HOLD_SLOW_S if slow else HOLD_S
        delay = min(HOLD_MAX_S, base * float(1 << max(0, min(times - 1, 16))))
        until = self.now + delay * (1 + chance("hold", job.attempt.download_id, job.attempt.number, times)) / 2
        job.held_until = max(job.held_until or 0.0, until)

    # aria2 itself

    def reconnected(self, *, restarted: bool) -> None:
        """aria2 can be asked again; `restarted` means that it has nothing of what it had."""
        culprit = self._died() if restarted else None
        self._trial = None
        for job in list(self.jobs.values()):
            if job is culprit:
                self.fail(job, DIES)
            elif job.state is State.FETCHING:
                job.moves(self.now)
                self.add(job)
                self.ask(job.askable)
            elif job.state is State.SEEDING:
                self.ask(job.transfers)
            elif job.state is State.STOPPING and not job.removed:
                self.remove(job)

    def _died(self) -> Job | None:
        """aria2 was started anew. That uses up no try of what it had. Suspected is what it had of which no byte has
        come since the start before; or all it had. When it dies again and again with the same one and no other
        suspect, and no byte of that comes in between, it is that one's fault."""
        fetching = [job for job in self.jobs.values() if job.state is State.FETCHING]
        had = [job for job in fetching if any(not transfer.waiting for transfer in job.given.values())]
        blamed = [job for job in had if not job.lives] or had
        for job in blamed:
            job.deaths += 1
        for job in fetching:
            job.lives = job.cleared = False
            job.continued = True
            for transfer in job.given.values():
                transfer.adds = 0
        return blamed[0] if len(blamed) == 1 and blamed[0].deaths >= DEATHS_MAX else None

    def _next_suspect(self) -> Job | None:
        """The one that may be begun: with it aria2 has died least often. None while there are not several."""
        if not any(job.deaths >= TRIAL_FROM for job in self.jobs.values() if job.state is State.FETCHING):
            return None
        suspects = [job for job in self.jobs.values() if _unproven(job)]
        return min(suspects, key=lambda job: (job.deaths, job.begun_at, job.id)) if len(suspects) > 1 else None

    def try_suspects(self) -> None:
        """Begin what aria2 may have died of one after the other: as soon as a byte of one has come, or it has lived for
        long enough, the next one."""
        if not self.connected:
            return
        before, began = self._trial or (None, self.now)
        if before is not None and self.now >= began + TRIAL_S:
            before.cleared = True
        suspect = self._next_suspect()
        if suspect is not before:
            self._trial = (suspect, self.now) if suspect is not None else None
            self.trial_due = self.now + TRIAL_ASK_S if suspect is not None else None
            for job in [job for job in self.jobs.values() if job.state is State.FETCHING]:
                self.add(job)
        elif suspect is not None and self.trial_due is not None and self.now >= self.trial_due:
            self.trial_due = self.now + TRIAL_ASK_S
            self.ask(suspect.askable)

    def disconnected(self) -> None:
        """aria2 cannot be asked: nobody knows what it took of what is on its way."""
        for job in self.jobs.values():
            for transfer in job.given.values():
                if transfer.state is TransferState.ADDING:
                    transfer.state = TransferState.UNSURE


def _unproven(job: Job) -> bool:
    """True while aria2 may yet die of it."""
    return job.state is State.FETCHING and not job.lives and not job.cleared
