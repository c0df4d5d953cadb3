"""An aria2 as bad as they come: it loses, repeats and delays what it tells, forgets, and is started anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from reactor.aria2.failures import transfer_failure
from reactor.core import events
from reactor.core.commands import Addition
from reactor.core.events import TransferReport, TransferStatus
from reactor.core.job import Attempt
from reactor.errors import Failure
from reactor.plan import Fetch

if TYPE_CHECKING:
    from tests.simulation.world import World

RUNNING = (TransferStatus.ACTIVE, TransferStatus.WAITING)
ERRORS = (1, 2, 3, 6, 8, 9, 10, 17, 22, 29)
DUPLICATE = 12
LOST = Failure("aria2_lost", "The connection broke.", None, True)
TAKEN = Failure("aria2_refused", "The gid is taken.", None, False)
SIZE = 100
REFUSED = "refused.example"
"""Whose links are refused, however new they are."""
NOT_FOUND = 3


@dataclass(slots=True)
class Transfer:
    """One download of aria2's."""

    gid: str
    attempt: Attempt
    n: int
    folder: Place
    url: str
    info_hash: str | None = None
    metadata: bool = False
    only: bool = False
    """True when nothing follows the metadata: somebody else looks into it."""
    pace: Pace = "steady"
    seeder: bool = False
    status: TransferStatus = TransferStatus.ACTIVE
    completed: int = 0
    error: int | None = None
    followed_by: tuple[str, ...] = ()


Place = tuple[str, int]
"""A staging folder: the instance of a database, and the id of a row."""
Pace = Literal["steady", "even", "slow", "drips", "stands still"]
STEP_S = 10.0
"""How long what is not steady takes for a step."""
STEPS = {"even": 20, "slow": 5, "drips": 1, "stands still": 0}
"""Bytes of a step. What drips is never done, however much comes."""


@dataclass(slots=True)
class Folder:
    """What stands in a row's staging folder: part → whole or not, and all the URLs that its bytes came from; the record
    of where the result was put."""

    parts: dict[int, bool] = field(default_factory=dict)
    sources: dict[int, set[str]] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)
    """Bytes of parts that were stopped."""
    record: str | None = None
    metadata: bool = False
    """True when it holds what a magnet link stands for."""


def source(fetch: Fetch) -> str:
    """Where its bytes come from."""
    return fetch.urls[0] if fetch.urls else f"torrent:{fetch.name}"


class Aria2:
    """Its transfers outlive the reactor when it is a remote one, and its files outlive everything."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.session = 1
        self.transfers: dict[str, Transfer] = {}
        self.changes = 0
        self.moved: set[Attempt] = set()
        """The attempts of which bytes came."""

    def restart(self) -> None:
        """All is forgotten but the files."""
        self.session += 1
        self.transfers.clear()

    def running(self) -> list[Transfer]:
        """What may still write files."""
        return [transfer for transfer in self.transfers.values() if transfer.status in RUNNING]

    def add(self, attempt: Attempt, addition: Addition, folder: Place) -> bool:
        """False when the gid is taken."""
        if addition.gid in self.transfers:
            return False
        torrent = addition.fetch.torrent
        info_hash = torrent.info_hash if torrent is not None else None
        metadata = torrent is not None and torrent.metainfo is None
        transfer = Transfer(addition.gid, attempt, addition.n, folder, source(addition.fetch), info_hash, metadata)
        transfer.only = torrent is not None and torrent.metadata_only
        self._begin(transfer)
        return True

    def _begin(self, transfer: Transfer) -> None:
        self.transfers[transfer.gid] = transfer
        self.changes += 1
        world = self._world
        if not transfer.metadata:
            folder = world.folder(transfer.folder)
            folder.parts[transfer.n] = False
            folder.sources.setdefault(transfer.n, set()).add(transfer.url)
            transfer.completed = folder.kept.pop(transfer.n, 0)
        if world.chance(0.08):
            transfer.pace = world.dice.choice(("slow", "drips", "stands still"))
            if transfer.pace != "slow":
                world.hurt(transfer.attempt.download_id)
        elif world.limits.slice_s and not world.calm and (transfer.attempt.download_id + transfer.n) % 3:
            transfer.pace = "even"
        world.at(world.soon(), lambda: self._advance(transfer, self.session))

    def _advance(self, transfer: Transfer, session: int) -> None:
        world = self._world
        if session != self.session or self.transfers.get(transfer.gid) is not transfer or transfer.error is not None:
            return
        if self._taken(transfer):
            return self._fail(transfer, DUPLICATE)
        if f"//{REFUSED}/" in transfer.url:
            return self._fail(transfer, NOT_FOUND)
        if world.chance(0.06):
            world.hurt(transfer.attempt.download_id)
            return self._fail(transfer, world.dice.choice(ERRORS))
        if transfer.pace != "steady":
            transfer.completed += round(STEPS[transfer.pace] * self._step_s(transfer) / STEP_S)
            self.moved.add(transfer.attempt)
            if transfer.completed < SIZE or transfer.pace == "drips":
                return world.at(self._step_s(transfer), lambda: self._advance(transfer, session))
        transfer.completed = min(SIZE, transfer.completed + world.dice.randint(10, 80))
        self.moved.add(transfer.attempt)
        if transfer.completed < SIZE:
            world.at(world.soon(), lambda: self._advance(transfer, session))
            return None
        if not transfer.metadata:
            world.folder(transfer.folder).parts[transfer.n] = True
        if transfer.info_hash is not None and not transfer.metadata and world.limits.seeding:
            return self._seed(transfer)
        transfer.status = TransferStatus.COMPLETE
        if transfer.only:
            world.folder(transfer.folder).metadata = True
        elif transfer.metadata:
            of, url = transfer.attempt, transfer.url
            follower = Transfer(f"f{transfer.gid[1:]}", of, transfer.n, transfer.folder, url, transfer.info_hash)
            transfer.followed_by = (follower.gid,)
            self._begin(follower)
        self._tell(transfer.gid, "complete")
        if not transfer.metadata and world.chance(0.03):
            world.hurt(transfer.attempt.download_id)
            del self.transfers[transfer.gid]  # a result that was forgotten before anybody asked
        return None

    def _step_s(self, transfer: Transfer) -> float:
        return STEP_S / 5 if transfer.pace == "even" else STEP_S

    def _taken(self, transfer: Transfer) -> bool:
        """True when another download has the same torrent already."""
        others = (other for other in self.running() if other.info_hash == transfer.info_hash and other is not transfer)
        return transfer.info_hash is not None and any(transfer.gid not in other.followed_by for other in others)

    def _fail(self, transfer: Transfer, error: int) -> None:
        transfer.status, transfer.error = TransferStatus.ERROR, error
        self.changes += 1
        self._tell(transfer.gid, "error")

    def _seed(self, transfer: Transfer) -> None:
        """Serve it to others: for a while, or for ever, because nobody wants it."""
        world, session = self._world, self.session
        transfer.seeder = True
        self._tell(transfer.gid, "bt_complete")

        def end() -> None:
            if session == self.session and self.transfers.get(transfer.gid) is transfer:
                transfer.status, transfer.seeder = TransferStatus.COMPLETE, False
                self._tell(transfer.gid, "complete")

        if world.dice.random() < 0.5:
            world.at(world.dice.random() * 60, end)

    def _tell(self, gid: str, what: str) -> None:
        world = self._world
        for _ in range(world.dice.choice((0, 1, 1, 2)) if not world.mute else 0):
            world.deliver(events.TransferNotified(gid, what))

    def remove(self, gids: Iterable[str]) -> None:
        """With those that follow them."""
        for gid in gids:
            transfer = self.transfers.pop(gid, None)
            if transfer is not None:
                self._keep(transfer)
                self.remove(transfer.followed_by)

    def _keep(self, transfer: Transfer) -> None:
        """What was stopped goes on where it was; in the other runs it begins anew, which is worse."""
        world = self._world
        stopped = transfer.status in RUNNING and not transfer.metadata and not transfer.seeder
        if world.limits.slice_s and stopped and transfer.folder in world.folders:
            world.folders[transfer.folder].kept[transfer.n] = min(transfer.completed, SIZE - 1)

    def report(self, gid: str) -> TransferReport:
        """tellStatus."""
        transfer = self.transfers.get(gid)
        if transfer is None:
            return TransferReport(gid, TransferStatus.UNKNOWN)
        return TransferReport(
            gid,
            transfer.status,
            completed=transfer.completed,
            total=max(SIZE, transfer.completed),
            speed=10,
            seeder=transfer.seeder,
            connections=4 if transfer.pace == "even" else 0,
            error_code=transfer.error,
            error_message="It went wrong." if transfer.error else "",
            failure=transfer_failure(transfer.status, transfer.error, "It went wrong."),
            followed_by=transfer.followed_by,
            files=(f"/staging/{transfer.n}",),
            info_name=transfer.info_hash if not transfer.metadata else None,
        )
