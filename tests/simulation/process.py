"""One life of the reactor: the real core, and hands as `daemon/perform.py` has them, in simulated time.

What a command does to the world (a row, aria2, a file) happens at once when its moment comes; that the core hears of
it takes longer, and a crash between the two is what the simulation is for. Whatever was on its way to a life that is
over is lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from reactor.core import commands, events
from reactor.core.commands import Command, Timing, attempt_of, is_save
from reactor.core.events import Event
from reactor.core.job import Attempt
from reactor.core.machine import Machine
from reactor.daemon.perform import begins, is_waited_for, last_words
from reactor.database.store import Unsaved
from reactor.errors import Failure
from tests.simulation.aria2 import LOST, SIZE, TAKEN, Place
from tests.simulation.rows import described

if TYPE_CHECKING:
    from tests.simulation.machines import Session
    from tests.simulation.world import World

BUSY = Failure("database", "The database is locked.", None, True)
MISSING = Failure("files_missing", "It is not there.")
PASSING = ("timeout", "unreachable", "no_space", "server_error")
LASTING = ("not_found", "drm")
SAVE_AGAIN_S = 0.3
WORK_DEADLINE_S = 20.0
TICK_S = 0.001
"""A timer is never early: less than this is lost in rounding."""


Begins = commands.ReadPlan | commands.Detect | commands.Extract | commands.Finish | commands.AddTransfers


@dataclass(slots=True)
class Work:
    """Something that was begun for an attempt, and that StopWork ends."""

    over: bool = False


class Process:
    """From a start to a crash, to its Exit, or until another database takes the place of the one that it serves."""

    def __init__(self, world: World, before: Process | None = None) -> None:
        """`before` has served the database that was there before, in the same process."""
        self.world = world
        self.machine = Machine(world.limits)
        self.alive = True
        self.draining = False
        """True once it was asked to end, and has time for what is under way."""
        self.connection = 0
        """Which connection to aria2 it is; 0: none."""
        self.instance: str = before.instance if before else ""
        """Of the database that was recovered last: whose staging folders are ours."""
        self.unheard: Event | None = None
        """What was recovered, until the core hears of it."""
        self._joined = before is not None
        """True once it is noted what the process before this one may have died of."""
        self._inbox: deque[Event] = deque()
        self._working = False
        self._armed_for: float | None = None
        self._batches: deque[Sequence[Command]] = deque()
        self._held: set[Attempt] = set()
        self._stages: dict[Attempt | None, commands.SaveStage] = {}
        self._saving = False
        self._works: dict[Attempt, list[Work]] = {}
        self._lines: dict[str, float] = {}
        self._taken: list[Command] = []
        self._submit(self.machine.start(world.monotonic))

    # As daemon/loop.py has it

    def post(self, event: Event) -> None:
        """An event, and all that comes of it at once."""
        if not self.alive:
            return
        self._inbox.append(event)
        if self._working:
            return
        self._working = True
        while self._inbox:
            event = self._inbox.popleft()
            decided = self.machine.handle(event, self.world.monotonic)
            self.world.log(event, decided)
            self._submit(decided)
        self._working = False
        self._arm()

    def _arm(self) -> None:
        deadline = self.machine.next_deadline()
        if deadline is None or (self._armed_for is not None and self._armed_for <= deadline):
            return
        self._armed_for = deadline
        self._later(deadline - self.world.monotonic + TICK_S, lambda: self._ring(deadline))

    def _ring(self, deadline: float) -> None:
        if self._armed_for == deadline:
            self._armed_for = None
            self.post(events.TimePassed())

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        self.world.at(delay, lambda: action() if self.alive else None)

    def _soon(self, action: Callable[[], None]) -> None:
        self._later(self.world.soon(), action)

    def _in_line(self, action: Callable[[], None], line: str = "to aria2") -> None:
        """What goes over one socket, or comes from one thread, arrives in the order in which it was sent."""
        self._lines[line] = max(self._lines.get(line, 0.0), self.world.now + self.world.soon())
        self._later(self._lines[line] - self.world.now, action)

    def _answer_in_line(self, event: Event, work: Work | None = None) -> None:
        self._in_line(lambda: None if work and work.over else self.post(event), "from aria2")

    def _answer(self, event: Event) -> None:
        self._soon(lambda: self.post(event))

    def _disk_seen(self, seen: events.DiskMeasured) -> None:
        self.world.checks.full = (seen.free or 0) < self.world.limits.quotas.min_free_disk
        self.post(seen)

    # As daemon/perform.py has it

    def _submit(self, batch: Sequence[Command]) -> None:
        for command in batch:
            if isinstance(command, commands.PollRows):
                self.world.checks.looked(command)
        for command in batch:
            if Timing.AT_ONCE in command.timing:
                self._start(command)
        batch = [command for command in batch if Timing.AT_ONCE not in command.timing]
        attempts = {attempt for command in batch if (attempt := attempt_of(command)) is not None}
        if any(is_waited_for(command) for command in batch) or attempts & self._held:
            self._batches.append(batch)
            self._held |= attempts
            return self._wake()
        for command in batch:
            if isinstance(command, commands.SaveStage):
                self._stages[command.attempt] = command
                self._wake()
            else:
                self._start(command)
        return None

    def _wake(self) -> None:
        if not self._saving:
            self._saving = True
            self._soon(self._save)

    def _save(self) -> None:
        self._taken = [command for batch in self._batches for command in batch]
        self._batches.clear()
        urgent: list[commands.Save] = []
        for command in self._taken:
            if isinstance(command, commands.SaveStage):
                self._stages[command.attempt] = command
            elif is_save(command):
                if Timing.SAYS_STAGE in command.timing:
                    self._stages.pop(attempt_of(command), None)
                urgent.append(command)
        saves = [*last_words(urgent), *self._stages.values()]
        self._stages.clear()
        self._commit(saves)

    def _commit(self, saves: list[commands.Save]) -> None:
        if self.world.database.locked():
            self.post(events.DatabaseFailed(BUSY, saving=True))
            return self._later(SAVE_AGAIN_S, lambda: self._commit(saves))
        for save in saves:
            if not isinstance(save, commands.SaveProgress) and self.world.chance(0.05):
                self.world.change_of_mind(save.attempt.download_id)
        unsaved = self.world.database.apply(saves)
        if self.world.reply_lost():
            self.post(events.DatabaseFailed(BUSY, saving=True))
            return self._later(SAVE_AGAIN_S, lambda: self._commit(saves))
        return self._soon(lambda: self._saved(saves, unsaved))

    def _saved(self, saves: list[commands.Save], unsaved: Sequence[Unsaved]) -> None:
        refused = {event.attempt for event in unsaved}
        for event in sorted(unsaved, key=lambda event: (event.attempt.download_id, event.attempt.number)):
            self._drop(event.attempt)
            self.post(event)
        for save in saves:
            attempt = attempt_of(save)
            if attempt is None or attempt in refused:
                continue
            if Timing.ENTRIES in save.timing:
                self.post(events.EntriesSaved(attempt))
            if Timing.LAST in save.timing:
                self.post(events.Saved(attempt))
        if self.world.limits.leased:
            self.post(events.TimePassed())
        for command in self._taken:
            if isinstance(command, commands.Exit):
                self.world.database.leave()
                self.alive = False
                return self.world.exited()
            if not is_save(command):
                self._start(command)
        self._saving = False
        if not self._batches:
            self._held.clear()
        if self._batches or self._stages:
            self._wake()
        return None

    def _start(self, command: Command) -> None:
        match command:
            case commands.Tell():
                self.world.told(command.notice)
            case commands.StopWork():
                for work in self._works.pop(command.attempt, []):
                    work.over = True
            case commands.Fence():
                self._fence(command)
            case commands.RenewLease():
                self._in_line(self._renew, "the lease")
            case commands.TakeOver():
                self._in_line(self._take_over, "to the database")
            case commands.PollRows():
                self._in_line(lambda: self._look(command), "to the database")
            case commands.Recover():
                self._in_line(self._recover, "to the database")
            case commands.Inquire():
                asked, whole = Work(), ((1, SIZE // 2),) if command.torrent.metainfo else ()
                self._works.setdefault(command.attempt, []).append(asked)
                found = events.Inquired(command.attempt, whole=whole, lacking=("another",) if whole else ())
                self._soon(lambda: None if asked.over else self.post(found))
            case (
                commands.ReadPlan()
                | commands.Detect()
                | commands.Extract()
                | commands.Finish()
                | commands.AddTransfers()
            ):
                work = Work()
                self._works.setdefault(command.attempt, []).append(work)
                begin = self._in_line if isinstance(command, commands.AddTransfers) else self._soon
                connection = self.connection
                begin(lambda: None if work.over else self._do(command, work, connection))
            case commands.Prefetch():
                pass
            case commands.Discard() | commands.Tidy() | commands.MeasureDisk():
                self._soon(lambda: self._do_always(command, 0))
            case _:
                connection = self.connection
                self._in_line(lambda: self._do_always(command, connection))

    # What commands do

    def _look(self, command: commands.PollRows) -> None:
        found = None if self.world.database.locked() else self.world.database.look(command)
        lost = found is None or self.world.reply_lost()
        self._answer_of_database(events.DatabaseFailed(BUSY) if found is None or lost else found)

    def _fence(self, command: commands.Fence) -> None:
        for work in self._works.pop(command.attempt, []):
            work.over = True
        self._drop(command.attempt)
        if command.gids:
            connection = self.connection
            self._in_line(lambda: self._do_always(command, connection))

    def _drop(self, attempt: Attempt) -> None:
        self._taken = [each for each in self._taken if not begins(each, attempt)]
        self._batches = deque([each for each in batch if not begins(each, attempt)] for batch in self._batches)

    def _renew(self) -> None:
        session = cast("Session", self.world.database)
        renewed = None if session.locked() else session.renew()
        if renewed is None or self.world.reply_lost():
            return self._answer(events.RenewalFailed(BUSY))
        delay = self.world.soon() + self.world.slow_reply()
        return self._later(delay, lambda: self.post(renewed))

    def _take_over(self) -> None:
        session = cast("Session", self.world.database)
        self._answer_of_database(events.TakenOver(failed=True) if session.locked() else session.take_over())

    def _recover(self) -> None:
        world = self.world
        if world.database.locked():
            return self._answer_of_database(events.DatabaseFailed(BUSY))
        if self.instance not in ("", world.database.instance):
            world.clear(self.instance)
        self.instance = world.database.instance
        if not self._joined:
            world.database.count_crashes()
        self._joined = True
        folders = frozenset(id for instance, id in world.folders if instance == self.instance)
        found = world.database.recover(folders)
        world.checks.begun(row.attempt for row in found.rows)
        self.unheard = found
        return self._in_line(self._hear, "from the database")

    def _hear(self) -> None:
        event, self.unheard = self.unheard, None
        if event is not None:
            self.post(event)

    def take_in(self) -> None:
        """As `Loop.take_in`: of what is on its way only this tells of transfers that the core does not know."""
        if self.unheard is not None:
            self.machine.handle(self.unheard, self.world.now)

    def _answer_of_database(self, event: Event) -> None:
        self._in_line(lambda: self.post(event), "from the database")

    def _place(self, download_id: int) -> Place:
        """The staging folder of a row."""
        return self.instance, download_id

    def _do(self, command: Begins, work: Work, connection: int) -> None:
        def answer(event: Event, delay: float | None = None) -> None:
            later = self.world.soon() if delay is None else delay
            self._later(later, lambda: None if work.over else self.post(event))

        attempt = command.attempt
        job = self.machine.jobs.get(attempt.download_id)
        if job is not None and job.attempt == attempt and self.world.sites.kills(command, job.url):
            return self.world.die_of(attempt.download_id)
        if isinstance(command, commands.ReadPlan):
            return self._read_plan(command, work)
        if isinstance(command, commands.AddTransfers):
            return self._add(command, lambda event: self._answer_in_line(event, work), connection)
        if isinstance(command, commands.Detect | commands.Extract) and command.clear:
            self.world.discard(self._place(attempt.download_id), keep_result=True)
        if self.world.chance(0.05):  # it hangs until somebody loses patience
            self.world.hurt(attempt.download_id)
            return answer(events.WorkFailed(attempt, Failure("timeout", "It hung.", None, True)), WORK_DEADLINE_S)
        if self.world.chance(0.06):
            code = self.world.dice.choice(PASSING + LASTING)
            self.world.hurt(attempt.download_id)
            return answer(events.WorkFailed(attempt, Failure(code, "It failed.", None, code in PASSING)))
        if isinstance(command, commands.Detect):
            return answer(self.world.sites.detect(command))
        if isinstance(command, commands.Extract):
            return answer(self.world.sites.extract(command))
        if command.extraction.finish.how == "metadata":
            there = self.world.folder(self._place(attempt.download_id)).metadata
            found = described(command.extraction)
            return answer(events.Extracted(attempt, found) if there else events.WorkFailed(attempt, MISSING))
        if self.world.chance(0.3):
            answer(events.Joined(attempt, 0.5), 0.0)
        path = self.world.publish(command, self._place(attempt.download_id))
        if path is None:
            return answer(events.WorkFailed(attempt, MISSING))
        return answer(events.Finished(attempt, path, 100))

    def _read_plan(self, command: commands.ReadPlan, work: Work) -> None:
        if self.world.database.locked():
            return self._later(SAVE_AGAIN_S, lambda: None if work.over else self._read_plan(command, work))
        found = self.world.database.read_plan(command)
        return None if found is None else self._soon(lambda: None if work.over else self.post(found))

    def _add(self, command: commands.AddTransfers, answer: Callable[[Event], None], connection: int) -> None:
        attempt, world = command.attempt, self.world
        world.prepare(self._place(attempt.download_id), fresh=command.wipe_staging)
        if not self._holds(connection):
            return answer(events.AddFailed(attempt, tuple(each.n for each in command.additions), LOST))
        added = []
        for addition in command.additions:
            world.checks.added(addition.fetch)
            if not world.aria2.add(attempt, addition, self._place(attempt.download_id)):
                answer(events.AddFailed(attempt, (addition.n,), TAKEN))
            elif world.chance(0.05):
                answer(events.AddFailed(attempt, (addition.n,), LOST))  # it was taken, and the answer got lost
            else:
                added.append(addition.n)
        return answer(events.TransfersAdded(attempt, tuple(added))) if added else None

    def _holds(self, connection: int) -> bool:
        """True when what was sent over this connection arrives."""
        return connection != 0 and connection == self.connection

    def _do_always(self, command: Command, connection: int) -> None:
        world = self.world
        lost = not self._holds(connection) or world.chance(0.03)
        match command:
            case commands.AskStatus() if lost:
                self._answer_in_line(events.AskFailed(command.gids, LOST, command.periodic))
            case commands.AskStatus():
                reports = tuple(world.aria2.report(gid) for gid in command.gids)
                self._answer_in_line(events.TransfersReported(reports, command.periodic))
            case commands.RemoveTransfers() | commands.Fence() | commands.CleanUp() if lost:
                self._answer_in_line(events.RemoveFailed(command.attempt, LOST))
            case commands.RemoveTransfers() | commands.Fence():
                world.aria2.remove(command.gids)
                self._answer_in_line(events.TransfersRemoved(command.attempt))
            case commands.CleanUp():
                world.aria2.remove(command.gids)
                world.discard(self._place(command.attempt.download_id), keep_result=command.keep_result)
                self._answer(events.CleanedUp(command.attempt))
            case commands.Allow():
                pass  # nothing passes a guard here
            case commands.Widen():
                world.checks.widened(command)
            case commands.ForgetTransfers():
                if not lost:
                    world.aria2.remove(command.gids)
            case commands.Discard():
                world.discard(self._place(command.attempt.download_id), keep_result=command.keep_result)
                self._answer(events.Discarded(command.attempt))
            case commands.Tidy():
                world.tidy(self._place(id) for id in command.ids)
            case commands.MeasureDisk():
                held = tuple((id, world.held(self._place(id))) for id in command.folders or ())
                seen = events.DiskMeasured(world.free(), None if command.folders is None else held)
                self._soon(lambda: self._disk_seen(seen))
            case _:
                raise AssertionError(f"no arm for {command!r}")
