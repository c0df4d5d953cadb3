"""A script for the machine: feed it events, look at what it decides. No clock, no I/O."""

from __future__ import annotations

from typing import Any, TypeVar

from reactor.aria2.failures import transfer_failure
from reactor.core import commands, events
from reactor.core.commands import Command
from reactor.core.context import Limits
from reactor.core.events import Event, TransferReport, TransferStatus, WatchedRow
from reactor.core.job import Attempt, State, derive_gid, gids_of
from reactor.core.machine import Machine
from reactor.core.retry import RetryPolicy
from reactor.core.rows import ClaimedRow
from reactor.errors import Failure
from reactor.models import Kind
from reactor.notices import Notice
from reactor.plan import Detection, Extraction, Fetch, Finish, Torrent

C = TypeVar("C")

ONE = Attempt(1, 1)
INSTANCE = "0123456789abcdef"
LIMITS = Limits(concurrent=1, retry=RetryPolicy(2, 30.0, 3600.0))
PASSING = Failure("timeout", "The server stopped answering.", None, True)
LASTING = Failure("not_found", "The server does not have this file.", "Check the link.")


def one_file(name: str = "a.bin", *, size: int | None = 100, validator: str | None = '"1"') -> Extraction:
    """An extraction of one direct file."""
    fetch = Fetch(urls=(f"http://host.example/{name}",), name=name, size=size, validator=validator)
    return Extraction(kind=Kind.DIRECT, title=name, fetches=(fetch,), finish=Finish(how="file", name=name))


def magnet() -> Extraction:
    """An extraction of a magnet link."""
    fetch = Fetch(urls=("magnet:?xt=urn:btih:" + "a" * 40,), name="magnet", torrent=Torrent(info_hash="a" * 40))
    return Extraction(kind=Kind.TORRENT, fetches=(fetch,), finish=Finish(how="torrent", name="magnet"))


class World:
    """A machine, the time, and all commands so far."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.machine = Machine(limits)
        self.now = 0.0
        self.last: list[Command] = self.machine.start()
        self.log: list[Command] = list(self.last)

    def feed(self, *fed: Event, after: float = 0.0) -> World:
        """Let `after` seconds pass, then these events happen; `last` is what they led to."""
        self.now += after
        self.last = []
        for event in fed:
            self.last += self.machine.handle(event, self.now)
        self.log += self.last
        return self

    def of(self, kind: type[C]) -> list[C]:
        """The last commands of one kind."""
        return [command for command in self.last if isinstance(command, kind)]

    def the(self, kind: type[C]) -> C:
        """The only last command of this kind."""
        (command,) = self.of(kind)
        return command

    def told(self) -> list[Notice]:
        """The last notices."""
        return [command.notice for command in self.of(commands.Tell)]

    # Shorthands for what usually happens

    def up(self, *rows: ClaimedRow, leftovers: tuple[events.Leftover, ...] = ()) -> World:
        """Started, connected, the first look answered with nothing."""
        self.feed(events.Recovered(rows, leftovers, INSTANCE), connected())
        if self.of(commands.MeasureDisk):
            self.feed(events.DiskMeasured(10**12))
        if not rows and not leftovers:
            self.feed(events.RowsPolled()).feed(events.RowsPolled())
        return self

    def claim(self, *attempts: Attempt, **more: Any) -> World:
        """Somebody inserts; the look claims."""
        self.feed(events.DatabaseChanged("file"))
        if self.of(commands.MeasureDisk):  # before anything is begun
            self.feed(events.DiskMeasured(10**12), events.RowsPolled(watched=self._watched()))
        rows = tuple(ClaimedRow(attempt, f"http://host.example/{attempt.download_id}", **more) for attempt in attempts)
        return self.feed(events.RowsPolled(watched=self._watched(), claimed=rows))

    def _watched(self) -> tuple[WatchedRow, ...]:
        jobs = self.machine.jobs.values()
        return tuple(WatchedRow(job.id, job.attempt.number, "downloading", False) for job in jobs)

    def fetching(self, attempt: Attempt, extraction: Extraction | None = None, **more: Any) -> World:
        """Claimed, detected, extracted, added."""
        self.claim(attempt, **more)
        self.feed(events.Detected(attempt, detection()))
        self.feed(events.Extracted(attempt, extraction or one_file()))
        return self.feed(events.TransfersAdded(attempt, (0,)))

    def seen(self, attempt: Attempt, status: str = "downloading", *, cancelled: bool = False) -> World:
        """A doorbell, and what the look finds of one row."""
        self.feed(events.DatabaseChanged("file"))
        return self.feed(
            events.RowsPolled(watched=(WatchedRow(attempt.download_id, attempt.number, status, cancelled),))
        )


def connected(session: str = "s1") -> events.Aria2Connected:
    """aria2 is there."""
    return events.Aria2Connected(session, "1.37.0", "ws://127.0.0.1:6800/jsonrpc")


def detection(kind: Kind = Kind.DIRECT) -> Detection:
    """Stage 1's outcome."""
    return Detection(kind=kind, url="http://host.example/a.bin", why="suffix")


def gid(attempt: Attempt, n: int = 0) -> str:
    """The gid the machine derives."""
    return derive_gid(INSTANCE, attempt, n)


def left(attempt: Attempt, parts: int = 1) -> tuple[str, ...]:
    """The gids that an attempt of so many transfers may have left."""
    return gids_of(INSTANCE, attempt, parts)


def report(attempt: Attempt, status: str, completed: int = 0, total: int = 100, **more: Any) -> TransferReport:
    """What aria2 says of the attempt's first transfer."""
    more.setdefault("gid", gid(attempt))
    more.setdefault("files", ("/staging/a.bin",))
    if more.get("seeder"):
        more.setdefault("info_name", "album")
    failed = transfer_failure(TransferStatus(status), more.get("error_code"), more.get("error_message", ""))
    more.setdefault("failure", failed)
    return TransferReport(status=TransferStatus(status), completed=completed, total=total, **more)


def reported(*reports: TransferReport, periodic: bool = False) -> events.TransfersReported:
    """The outcome of a question."""
    return events.TransfersReported(reports, periodic)


def until(state: State) -> World:
    """A job brought into `state`."""
    world = World().up()
    if state is State.DETECTING:
        return world.claim(ONE)
    if state is State.EXTRACTING:
        world.claim(ONE)
        return world.feed(events.Detected(ONE, detection()))
    world.fetching(ONE)
    if state is State.FINISHING:
        world.feed(reported(report(ONE, "complete", 100)))
    assert world.machine.jobs[1].state is state
    return world


def take_down(world: World) -> World:
    """Answer what a stop asked for, to the last save."""
    if world.of(commands.RemoveTransfers):
        world.feed(events.TransfersRemoved(ONE))
    if world.of(commands.Discard):
        world.feed(events.Discarded(ONE))
    return world
