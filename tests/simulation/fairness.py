"""Turns, slices and the slow lane over hours: the core and the database as they are, and an aria2 of constant rates.

`python -m tests.simulation.fairness` prints the table of the documentation: one slot, six hours, a greedy owner, one
whose server gives little, and eight others. Time is simulated, so the counts are the same on each machine."""

from __future__ import annotations

import heapq
import random
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from statistics import median

from reactor import notices
from reactor.core import commands, events
from reactor.core.commands import Addition, Command, Timing, attempt_of, is_save
from reactor.core.context import Limits
from reactor.core.events import Event, TransferReport, TransferStatus
from reactor.core.job import Attempt
from reactor.core.machine import Machine
from reactor.core.retry import RetryPolicy
from reactor.database.sql import downloads, saving
from reactor.database.sqlite.migration import migrate
from reactor.models import Kind
from reactor.plan import Detection, Extraction, Fetch, Finish

MB = 10**6
HOUR = 3600.0
LINK = 10 * MB
"""Bytes/s of all together."""
EPOCH = 1_800_000_000.0
SAVE_S, ANSWER_S, LOOK_S, EXTRACT_S, FINISH_S = 0.005, 0.002, 0.005, 0.1, 0.1


@dataclass(frozen=True)
class Wish:
    """A row that will be added."""

    at: float
    owner: str
    size: int
    rate: float = LINK
    """Bytes/s that its server gives."""
    ranges: bool = True
    """True when its server sends parts."""


@dataclass
class Transfer:
    """What aria2 has."""

    gid: str
    row: int
    rate: float
    completed: float
    size: int
    speed: float = 0.0


@dataclass
class Told:
    """What became of one row."""

    wish: Wish
    begun_at: float | None = None
    done_at: float | None = None
    running: bool = False
    fetched: float = 0.0
    slices: list[float] = field(default_factory=list)
    """Seconds of slot after each of which it yielded."""


class Queue:
    """Rows, the core, and time."""

    def __init__(self, limits: Limits, wishes: Sequence[Wish], *, shared: bool = True) -> None:
        self.now = 0.0
        self.rows: dict[int, Told] = {}
        self.waits: dict[str, float] = {}
        """The longest time in seconds for which each owner had a row that was ready, and no slot."""
        self._waits_since: dict[str, float] = {}
        self._shared = shared
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._transfers: dict[str, Transfer] = {}
        self._kept: dict[int, float] = {}
        self._moved_at, self._version, self._armed = 0.0, 0, float("inf")
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._database.deserialize(_template())
        self._machine = Machine(limits)
        for wish in sorted(wishes, key=lambda wish: wish.at):
            self._at(wish.at, lambda wish=wish: self._add(wish))  # type: ignore[misc]
        self._do(self._machine.start())
        self._post(events.Aria2Connected("1", "1.37.0", "ws://127.0.0.1/jsonrpc"))

    def run(self, seconds: float) -> None:
        """As far as that."""
        while self._heap and self._heap[0][0] <= seconds:
            self.now, _, action = heapq.heappop(self._heap)
            action()
        self.now = seconds
        self._flow()
        for owner in self._waits_since:
            self._note_wait(owner)

    def close(self) -> None:
        """Give its memory back."""
        self._database.close()

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (moment, next(self._order), action))

    def _soon(self, delay: float, event: Event) -> None:
        self._at(self.now + delay, lambda: self._post(event))

    def _add(self, wish: Wish) -> None:
        found = self._database.execute(
            "INSERT INTO downloads (url, owner, added_date) VALUES (?, ?, datetime(?, 'unixepoch'))",
            ("http://host.example/a", wish.owner if self._shared else None, EPOCH + self.now),
        )
        assert found.lastrowid is not None
        self.rows[found.lastrowid] = Told(wish)
        self._look_who_waits()
        self._post(events.DatabaseChanged("hook"))

    # The core

    def _post(self, event: Event) -> None:
        self._flow()
        self._do(self._machine.handle(event, self.now))
        deadline = self._machine.next_deadline()
        if deadline is not None and (deadline < self._armed or self._armed <= self.now):
            self._armed = max(deadline, self.now + 0.001)
            self._at(self._armed, lambda: self._post(events.TimePassed()))

    def _do(self, decided: Sequence[Command]) -> None:
        saves = [command for command in decided if is_save(command)]
        if saves:
            unsaved = saving.apply(self._database, saves, EPOCH + self.now)
            assert not unsaved, unsaved
        for command in decided:
            attempt = attempt_of(command)
            if Timing.LAST in command.timing and attempt is not None:
                self._soon(SAVE_S, events.Saved(attempt))
            if not is_save(command):
                self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        match command:
            case commands.Recover():
                self._soon(LOOK_S, events.Recovered((), (), "0123456789abcdef"))
            case commands.PollRows():
                found = downloads.poll(self._database, command, "here", EPOCH + self.now).rows
                for row in found.claimed:
                    self._begun(row.attempt.download_id)
                self._soon(LOOK_S, found)
            case commands.Detect(attempt=attempt):
                self._soon(EXTRACT_S, events.Detected(attempt, DETECTED))
            case commands.Extract(attempt=attempt):
                self._soon(EXTRACT_S, events.Extracted(attempt, self._extraction(attempt)))
            case commands.AddTransfers(attempt=attempt, additions=additions):
                for addition in additions:
                    self._begin(attempt, addition, fresh=command.wipe_staging)
                self._soon(ANSWER_S, events.TransfersAdded(attempt, tuple(each.n for each in additions)))
            case commands.AskStatus(gids=gids, periodic=periodic):
                reports = tuple(self._report(gid) for gid in gids)
                self._soon(ANSWER_S, events.TransfersReported(reports, periodic))
            case commands.RemoveTransfers(attempt=attempt, gids=gids):
                for gid in gids:
                    if (transfer := self._transfers.pop(gid, None)) is not None:
                        self._kept[transfer.row] = transfer.completed
                self._share()
                self._soon(ANSWER_S, events.TransfersRemoved(attempt))
            case commands.Finish(attempt=attempt):
                self._soon(FINISH_S, events.Finished(attempt, f"/downloads/{attempt.download_id}", 1))
            case commands.Discard(attempt=attempt):
                self._kept.pop(attempt.download_id, None)
                self._soon(ANSWER_S, events.Discarded(attempt))
            case commands.MeasureDisk():
                self._soon(ANSWER_S, events.DiskMeasured(10**15))
            case commands.ForgetTransfers(gids=gids):
                for gid in gids:
                    self._transfers.pop(gid, None)
            case commands.Tell(notice=notices.DownloadYielded(download_id=id, used_s=used)):
                self.rows[id].slices.append(used)
                self.rows[id].running = False
                self._look_who_waits()
            case commands.Tell(notice=notices.DownloadCompleted(download_id=id)):
                self.rows[id].done_at, self.rows[id].running = self.now, False
                self._look_who_waits()
            case commands.Tell(notice=notices.DownloadRetryScheduled() | notices.DownloadFailed()):
                raise AssertionError(f"nothing had gone wrong: {command.notice}")
            case _:
                pass

    def _begun(self, id: int) -> None:
        told = self.rows[id]
        told.begun_at, told.running = self.now if told.begun_at is None else told.begun_at, True
        self._look_who_waits()

    def _look_who_waits(self) -> None:
        serves = {told.wish.owner for told in self.rows.values() if told.running}
        waits = {told.wish.owner for told in self.rows.values() if not told.running and told.done_at is None} - serves
        for owner in [*self._waits_since]:
            if owner not in waits:
                self._note_wait(owner)
                del self._waits_since[owner]
        self._waits_since |= dict.fromkeys(waits - self._waits_since.keys(), self.now)

    def _note_wait(self, owner: str) -> None:
        self.waits[owner] = max(self.waits.get(owner, 0.0), self.now - self._waits_since[owner])

    def _extraction(self, attempt: Attempt) -> Extraction:
        wish = self.rows[attempt.download_id].wish
        fetch = Fetch(
            urls=(f"http://host.example/{attempt.download_id}",),
            name="a.bin",
            size=wish.size,
            validator='"1"',
            ranges=wish.ranges,
        )
        return Extraction(kind=Kind.DIRECT, title="a", fetches=(fetch,), finish=Finish(how="file", name="a.bin"))

    # aria2

    def _begin(self, attempt: Attempt, addition: Addition, *, fresh: bool) -> None:
        id = attempt.download_id
        wish = self.rows[id].wish
        there = 0.0 if fresh or not wish.ranges else self._kept.get(id, 0.0)
        self._transfers[addition.gid] = Transfer(addition.gid, id, wish.rate, there, wish.size)
        self._share()

    def _report(self, gid: str) -> TransferReport:
        transfer = self._transfers.get(gid)
        if transfer is None:
            return TransferReport(gid, TransferStatus.UNKNOWN)
        done = round(transfer.completed) >= transfer.size
        return TransferReport(
            gid,
            TransferStatus.COMPLETE if done else TransferStatus.ACTIVE,
            completed=min(transfer.size, int(transfer.completed)),
            total=transfer.size,
            speed=int(transfer.speed),
            files=("/staging/a.bin",),
            connections=1,
        )

    def _flow(self) -> None:
        """What has come since."""
        for transfer in self._transfers.values():
            before = transfer.completed
            transfer.completed = min(transfer.size, before + transfer.speed * (self.now - self._moved_at))
            self.rows[transfer.row].fetched += transfer.completed - before
        self._moved_at = self.now

    def _share(self) -> None:
        """The link is shared by all that come, none of which has more than its server gives."""
        left = float(LINK)
        coming = [each for each in self._transfers.values() if round(each.completed) < each.size]
        for place, transfer in enumerate(sorted(coming, key=lambda each: each.rate)):
            transfer.speed = min(transfer.rate, left / (len(coming) - place))
            left -= transfer.speed
        self._version += 1
        next_end = min(((each.size - each.completed) / each.speed for each in coming), default=None)
        if next_end is not None:
            version = self._version
            self._at(self.now + next_end, lambda: self._ended(version))

    def _ended(self, version: int) -> None:
        if version != self._version:
            return
        self._flow()
        over = [each for each in self._transfers.values() if round(each.completed) >= each.size and each.speed]
        for transfer in over:
            transfer.speed = 0.0
            self._post(events.TransferNotified(transfer.gid, "complete"))
        self._share()


DETECTED = Detection(kind=Kind.DIRECT, url="http://host.example/a", why="its name")


@cache
def _template() -> bytes:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        return connection.serialize()


# The table


def six_hours(seed: int = 3, greedy: tuple[int, int] = (200, 2000)) -> list[Wish]:
    """A greedy owner with so many files of so many MB; a file of a server that gives 20 KB/s; eight with four each."""
    dice = random.Random(seed)
    files, size = greedy
    wishes = [Wish(0.0, "greedy", size * MB)] * files
    wishes += [Wish(60.0, "slow", 400 * MB, rate=20_000.0)]
    for person in range(8):
        wishes += [Wish(dice.uniform(120.0, 5.5 * HOUR), f"person {person}", 60 * MB) for _ in range(4)]
    return wishes


@dataclass(frozen=True)
class Outcome:
    """A line of the table. Waits in seconds, until a row of the eight had a slot first."""

    done: int
    waits: list[float] = field(default_factory=list)
    greedy: int = 0
    yields: int = 0

    @property
    def median_min(self) -> float:
        return median(self.waits) / 60

    @property
    def longest_min(self) -> float:
        return max(self.waits) / 60


def outcome(limits: Limits, wishes: Sequence[Wish], hours: float = 6.0, *, shared: bool = True) -> Outcome:
    """What became of them."""
    queue = Queue(limits, wishes, shared=shared)
    queue.run(hours * HOUR)
    rows = [*queue.rows.values()]
    queue.close()
    persons = [told for told in rows if told.wish.owner.startswith("person")]
    waits = [(hours * HOUR if told.begun_at is None else told.begun_at) - told.wish.at for told in persons]
    greedy = [told for told in rows if told.wish.owner == "greedy"]
    return Outcome(
        sum(told.done_at is not None for told in persons),
        waits,
        sum(told.done_at is not None for told in greedy),
        sum(len(told.slices) for told in rows),
    )


def limits(*, slice_s: float = 300.0, slow_max: int = 2) -> Limits:
    """One slot, and all else as the settings have it."""
    return Limits(
        concurrent=1,
        slice_s=slice_s,
        slow_max=slow_max,
        stall_timeout_s=120.0,
        min_speed=1024.0,
        retry=RetryPolicy(5, 30.0, 3600.0),
    )


RULES = {
    "first come": (limits(slice_s=0.0, slow_max=0), False),
    "turns": (limits(slice_s=0.0, slow_max=0), True),
    "turns, slices": (limits(slow_max=0), True),
    "turns, slow lane": (limits(slice_s=0.0), True),
    "turns, slices, slow lane": (limits(), True),
}
GREEDY = {"200 files of 2 GB": (200, 2000), "20 files of 40 GB": (20, 40_000)}


# The property

SLICE_S, PROGRESS_S = 60.0, 5.0
MARGIN = 2.0
"""Slices that are longer than they should be: what is over in a moment may have it, and aria2 is asked now and then."""


LASTING = Wish(0.0, "0", 9000 * MB, ranges=False)


def some_people(seed: int) -> tuple[Limits, list[Wish]]:
    """Owners with files of all sizes, some from servers that give little; in every third run one has a large one that
    cannot be gone on with."""
    dice = random.Random(seed)
    wishes = [LASTING] if seed % 3 == 0 else []
    for person in range(dice.randint(2, 6)):
        for _ in range(dice.choice((1, 2, 8))):
            size, rate = dice.choice((1, 20, 500, 3000)) * MB, dice.choice((LINK, LINK, 2 * MB, 50_000))
            size = min(size, int(rate * HOUR / 4))
            wishes.append(Wish(dice.uniform(0, HOUR / 2), f"{person}", size, rate))
    allowed = limits(slice_s=SLICE_S, slow_max=dice.choice((0, 1, 2)))
    return replace(allowed, concurrent=dice.choice((1, 1, 2, 3))), wishes


def check(seed: int) -> int:
    """Raises AssertionError where somebody waits for longer than it takes all others to have their slices, where
    somebody gives way sooner than that, and where that costs anything. How many slices were cut."""
    allowed, wishes = some_people(seed)
    queue = Queue(allowed, wishes)
    queue.run(2 * HOUR)
    queue.close()
    owners = len({wish.owner for wish in wishes})
    longest = MARGIN * owners * SLICE_S + (allowed.concurrent * LASTING.size / LINK if LASTING in wishes else 0.0)
    for owner, waited in queue.waits.items():
        assert waited <= longest, f"owner {owner} of {owners} had no slot for {waited:.0f} s, more than {longest:.0f}"
    for told in queue.rows.values():
        assert all(used >= SLICE_S for used in told.slices), f"cut too soon: {told}"
        assert told.wish.ranges or not told.slices, f"it cannot be gone on with, and was cut: {told}"
        assert told.done_at is None or round(told.fetched) == told.wish.size, f"bytes came twice: {told}"
    if owners == 1:
        assert not any(told.slices for told in queue.rows.values()), "nobody else waited"
    return sum(len(told.slices) for told in queue.rows.values())


def main() -> int:
    for named, greedy in GREEDY.items():
        sys.stdout.write(f"One slot, 6 h, 10 MB/s; a greedy owner with {named}, a slow server, eight with 32 files\n\n")
        sys.stdout.write(
            "| rule | of the 32 done | wait, median / longest, min | greedy | yields |\n|---|---|---|---|---|\n"
        )
        for rule, (allowed, shared) in RULES.items():
            found = outcome(allowed, six_hours(greedy=greedy), shared=shared)
            waits = f"{found.median_min:.1f} / {found.longest_min:.1f}"
            sys.stdout.write(f"| {rule} | {found.done} | {waits} | {found.greedy} | {found.yields} |\n")
        sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
