"""An aria2 as bad as they come: it loses, repeats and delays what it tells, forgets, and is started anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reactor.core import events
from reactor.core.commands import Addition
from reactor.core.events import TransferReport, TransferStatus
from reactor.core.job import Attempt
from reactor.errors import Failure

if TYPE_CHECKING:
    from tests.simulation.world import World

RUNNING = (TransferStatus.ACTIVE, TransferStatus.WAITING)
ERRORS = (1, 2, 3, 6, 8, 9, 10, 17, 22, 29)
LOST = Failure("aria2_lost", "The connection broke.", None, True)
TAKEN = Failure("aria2_refused", "The gid is taken.", None, False)
SIZE = 100


@dataclass(slots=True)
class Transfer:
    """One download of aria2's."""

    gid: str
    attempt: Attempt
    n: int
    folder: Place
    metadata: bool = False
    status: TransferStatus = TransferStatus.ACTIVE
    completed: int = 0
    error: int | None = None
    followed_by: tuple[str, ...] = ()


Place = tuple[str, int]
"""A staging folder: the instance of a database, and the id of a row."""


@dataclass(slots=True)
class Folder:
    """What stands in a row's staging folder: part → whole or not; the record of where the result was put."""

    parts: dict[int, bool] = field(default_factory=dict)
    record: str | None = None


class Aria2:
    """Its transfers outlive the reactor when it is a remote one, and its files outlive everything."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.session = 1
        self.transfers: dict[str, Transfer] = {}
        self.changes = 0

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
        torrent = addition.fetch.torrent is not None and addition.fetch.torrent.metainfo is None
        self._begin(Transfer(addition.gid, attempt, addition.n, folder, metadata=torrent))
        return True

    def _begin(self, transfer: Transfer) -> None:
        self.transfers[transfer.gid] = transfer
        self.changes += 1
        if not transfer.metadata:
            self._world.folder(transfer.folder).parts[transfer.n] = False
        self._world.at(self._world.soon(), lambda: self._advance(transfer, self.session))

    def _advance(self, transfer: Transfer, session: int) -> None:
        world = self._world
        if session != self.session or self.transfers.get(transfer.gid) is not transfer or transfer.error is not None:
            return
        if world.chance(0.06):
            transfer.status, transfer.error = TransferStatus.ERROR, world.dice.choice(ERRORS)
            world.hurt(transfer.attempt.download_id)
            return self._tell(transfer.gid, "error")
        transfer.completed = min(SIZE, transfer.completed + world.dice.randint(10, 80))
        if transfer.completed < SIZE:
            world.at(world.soon(), lambda: self._advance(transfer, session))
            return None
        transfer.status = TransferStatus.COMPLETE
        if transfer.metadata:
            follower = Transfer(f"f{transfer.gid[1:]}", transfer.attempt, transfer.n, transfer.folder)
            transfer.followed_by = (follower.gid,)
            self._begin(follower)
        else:
            world.folder(transfer.folder).parts[transfer.n] = True
        self._tell(transfer.gid, "complete")
        if not transfer.metadata and world.chance(0.03):
            world.hurt(transfer.attempt.download_id)
            del self.transfers[transfer.gid]  # a result that was forgotten before anybody asked
        return None

    def _tell(self, gid: str, what: str) -> None:
        world = self._world
        for _ in range(world.dice.choice((0, 1, 1, 2)) if not world.mute else 0):
            world.deliver(events.TransferNotified(gid, what))

    def remove(self, gids: Iterable[str]) -> None:
        """With those that follow them."""
        for gid in gids:
            transfer = self.transfers.pop(gid, None)
            if transfer is not None:
                self.remove(transfer.followed_by)

    def report(self, gid: str) -> TransferReport:
        """tellStatus."""
        transfer = self.transfers.get(gid)
        if transfer is None:
            return TransferReport(gid, TransferStatus.UNKNOWN)
        return TransferReport(
            gid,
            transfer.status,
            completed=transfer.completed,
            total=SIZE,
            speed=10,
            error_code=transfer.error,
            error_message="It went wrong." if transfer.error else "",
            followed_by=transfer.followed_by,
            files=(f"/staging/{transfer.n}",),
        )
