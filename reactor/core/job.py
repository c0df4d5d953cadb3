"""One job: a row under way in memory, and the transfers it is made of. Data only; the law is in `lifecycle`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from reactor.errors import Failure
from reactor.models import Detection, Extraction, Fetch, Kind


@dataclass(frozen=True, slots=True, order=True)
class Attempt:
    """One try of one row. `number` counts the claims of the row from 1 and is the fencing token of every
    write and every outcome."""

    download_id: int
    number: int


def derive_gid(instance: str, attempt: Attempt, n: int) -> str:
    """The gid of transfer `n` of an attempt: 16 hex digits, the same on every run.

    Because it can be derived again, adding is idempotent: after a lost reply or a crash we ask aria2
    for this gid and adopt what we find (aria2c(1), option --gid)."""
    identity = f"{instance}/{attempt.download_id}/{attempt.number}/{n}".encode()
    return hashlib.sha256(identity).hexdigest()[:16]


class State(StrEnum):
    """Where a job is. What leads from one to the next stands in `lifecycle.TRANSITIONS`."""

    DETECTING = "detecting"
    EXTRACTING = "extracting"
    FETCHING = "fetching"
    FINISHING = "finishing"
    STOPPING = "stopping"
    """What it started is being taken down: work, transfers, files."""
    CLOSING = "closing"
    """Its last write is on the way to the row."""
    SEEDING = "seeding"
    """The row is final; the torrent is still served to others. Takes up no slot."""
    ENDED = "ended"


class TransferState(StrEnum):
    """What we believe of one transfer."""

    PLANNED = "planned"
    ADDING = "adding"
    UNSURE = "unsure"
    """aria2 may have it or not: asked before anything else is done."""
    LIVE = "live"
    DONE = "done"


GIVEN = frozenset({TransferState.ADDING, TransferState.UNSURE, TransferState.LIVE})
"""Where aria2 has a transfer, or may have it."""


@dataclass(slots=True)
class Transfer:
    """One aria2 download, under a gid of ours. Sizes in bytes, speed in bytes/s."""

    n: int
    gid_of: Callable[[int], str]
    """Derives the gid of a number: 20 000 of them are not held."""
    fetch: Fetch
    state: TransferState = TransferState.PLANNED
    followers: tuple[str, ...] = ()
    """gids aria2 went on under (a magnet's metadata is followed by the torrent itself); the last one counts."""
    gone: str | None = None
    """The follower that aria2 does not know any more."""
    adds: int = 0
    """How often it was handed to aria2 in this attempt, or since aria2 was started anew."""
    spoilt: bool = False
    """True when what is there of it is of no use: it is deleted before it is handed over again."""
    waiting: bool = False
    """True when aria2 has not begun with it, as far as is known: others have all its slots."""
    over: bool = False
    """True once aria2 has told by itself that it is complete. What it forgets after that is done."""
    unanswered: bool = False
    """True while handing it over may still have to wait for the database: it is not handed over twice meanwhile."""
    refusal: Failure | None = None
    """What aria2 said when it refused it last."""
    told: bool = False
    """True once aria2 has said how much there is of it."""
    completed: int = 0
    total: int = 0
    speed: int = 0
    seeding: bool = False
    files: tuple[str, ...] = ()
    info_name: str | None = None

    @property
    def gid(self) -> str:
        """Ours, that of its first bytes."""
        return self.gid_of(self.n)

    @property
    def weight(self) -> int:
        """Bytes, as far as aria2 knows."""
        return max(self.total, self.completed)

    @property
    def size(self) -> int:
        """Bytes that it will have; 0 while nobody knows."""
        return self.total or self.fetch.size or 0

    @property
    def askable(self) -> bool:
        """True when aria2 has it, or may have it, and its end is not known; or it is still being served."""
        return self.state in (TransferState.LIVE, TransferState.UNSURE) or self.seeding

    @property
    def live_gid(self) -> str:
        """The gid that stands for the bytes now."""
        return self.followers[-1] if self.followers else self.gid

    @property
    def gids(self) -> tuple[str, ...]:
        """Every gid it has had."""
        return (self.gid, *self.followers)


class End(StrEnum):
    """How a job ends."""

    DOWNLOADED = "downloaded"
    CANCELLED = "cancelled"
    FAILED = "failed"
    WAITING = "waiting"
    """Pending again, for its next attempt."""
    GONE = "gone"
    """The row was deleted or taken by somebody else: nothing is written to it any more."""


How = Literal["asked", "status", "deleted"]


@dataclass(frozen=True, slots=True)
class Ending:
    """What is to become of the row once all is taken down."""

    end: End
    failure: Failure | None = None
    retry_count: int = 0
    delay_s: float = 0.0
    discard: bool = True
    """True when the partial files go."""
    how: How = "asked"


@dataclass(slots=True)
class Job:
    """A row under way. Moments are the machine's `now` (monotonic seconds)."""

    attempt: Attempt
    url: str
    state: State
    retry_count: int
    begun_at: float
    earlier: Extraction | None = None
    """What the attempt before this one was fetching, as far as its partial files are there."""
    kept: frozenset[int] = frozenset()
    """The parts of the plan found with the row that are whole on the disk, as the row's plan has it."""
    remains: bool = False
    """True when there may be partial files of an earlier attempt."""
    found: Extraction | None = None
    """What is to be fetched when they are gone."""
    detection: Detection | None = None
    tried: list[tuple[Kind, str]] = field(default_factory=list)
    """The kinds that were tried, each with its URL."""
    extraction: Extraction | None = None
    stale: bool = False
    """True when the staging folder may hold the record of what another row with this id has published."""
    fresh: bool = False
    """True when what the staging folder holds is of no use for this extraction."""
    transfers: list[Transfer] = field(default_factory=list)
    done: int = 0
    """How many of the transfers are done."""
    planned: dict[int, Transfer] = field(default_factory=dict)
    """Those that are still to be handed to aria2, in that order, by their numbers."""
    given: dict[int, Transfer] = field(default_factory=dict)
    """Those that aria2 has, or may have."""
    heard: set[int] = field(default_factory=set)
    """The numbers of those that aria2 said something of, and that were not asked about since."""
    request_bytes: int = 0
    """Bytes of headers and cookies that go with each of its transfers, at most."""
    window: int = 0
    """How many of them aria2 may have at once."""
    filled_at: float | None = None
    """When aria2 was last given some."""
    held_until: float | None = None
    """Nothing more is begun for it before."""
    setbacks: int = 0
    """How often in a row something of it failed and all had to wait, with nothing done in between."""
    deaths: int = 0
    """How often in a row aria2 has died with it, and no byte came in between."""
    lives: bool = False
    """True once a byte of it has come since aria2 was started."""
    cleared: bool = False
    """True once it has been in aria2 for long enough, and that lives."""
    weight: int = 0
    """Bytes of all its transfers, as far as aria2 knows them."""
    sized: int = 0
    """Bytes that those of known size will have."""
    unsized: int = 0
    """How many are of unknown size."""
    passed: int | None = None
    """Bytes that had passed the guard when aria2 was asked last for all of it."""
    moved_at: float = 0.0
    """When a byte was last seen to arrive."""
    paced_at: float | None = None
    """Since when its speed is measured, with how many bytes then."""
    paced: int = 0
    progress: float | None = None
    crashes: int = 0
    """How often in a row the process has died while it worked on it."""
    joining: bool = False
    """True when its bytes were all there when the process died with it."""
    held: bool = False
    """True while nothing is done for it, to see whether the process lives without it; see `crashes`."""
    left: int = 0
    """How many transfers an earlier process may have left in aria2, where the plan was not read."""
    before: str | None = None
    """The code of the error with which the attempt before this one ended."""
    arrived: bool = False
    """True once bytes were seen to arrive in this attempt."""
    written: tuple[float | None, int, int | None] | None = None
    """Progress, speed and size as the row has them."""
    joined_at: float = 0.0
    """When it was last written how much is joined; before that, when all bytes were there."""
    resumed: bool = False
    """True after a restart, until it is known whether its bytes are there already."""
    told_whole: bool = False
    """True when its row said before a restart that all bytes are there."""
    continued: bool = False
    """True when what it fetches began in an earlier attempt, or before a restart of ours or of aria2."""
    refetched: bool = False
    """True once finishing found bytes missing."""
    verdict_from: int | None = None
    """After a refused write: the number of the first look that can tell why."""
    weighed: int | None = None
    """The size for which there was room on the disk."""
    weighing: bool = False
    """True while the disk is looked at for it."""
    roomless: Failure | None = None
    """What it was told where it found no room; whose fault that is, a look at the disk has to show."""
    ending: Ending | None = None
    stop_by: float | None = None
    """While aria2 is away: when to end without it."""
    removed: bool = True
    """False while something of this job is, or may be, in aria2."""
    published: str | None = None
    size: int = 0

    def sort(self, transfer: Transfer) -> None:
        """Put a transfer where its state belongs. See `Endings.sort`."""
        if transfer.state is TransferState.PLANNED:
            self.planned[transfer.n] = transfer
        else:
            self.planned.pop(transfer.n, None)
        if transfer.state in GIVEN or transfer.seeding:
            self.given[transfer.n] = transfer
        else:
            self.given.pop(transfer.n, None)
            self.heard.discard(transfer.n)

    def plan(self, transfers: list[Transfer]) -> None:
        """Take up what there is to transfer."""
        self.transfers = transfers
        self.planned = {transfer.n: transfer for transfer in transfers}
        self.sized = sum(transfer.size for transfer in transfers)
        self.unsized = sum(not transfer.size for transfer in transfers)

    def reckon(self, transfer: Transfer, weight: int, size: int) -> None:
        """Take in what has become of a transfer that had this `weight` and `size`: to add up 20 000 each time one of
        them moves would take seconds."""
        self.weight += transfer.weight - weight
        self.sized += transfer.size - size
        self.unsized += (not transfer.size) - (not size)

    @property
    def askable(self) -> list[Transfer]:
        """The transfers that there is something to ask about."""
        return [transfer for transfer in self.given.values() if transfer.askable]

    @property
    def id(self) -> int:
        """The row's id."""
        return self.attempt.download_id

    @property
    def kind(self) -> Kind | None:
        """The kind that is being tried, or has worked."""
        if self.extraction is not None:
            return self.extraction.kind
        return self.detection.kind if self.detection is not None else None

    @property
    def wanted(self) -> int | None:
        """Bytes of all its transfers together; None while those of one are unknown."""
        return self.sized if self.transfers and not self.unsized else None

    @property
    def fetched(self) -> int:
        """Bytes that aria2 says are there."""
        return sum(transfer.completed for transfer in self.transfers)

    @property
    def in_aria2(self) -> bool:
        """True while aria2 works for it."""
        return self.state is State.SEEDING or (self.state is State.FETCHING and not self.removed)

    def moves(self, now: float) -> None:
        """It is not to be blamed for the time until now."""
        self.moved_at, self.paced_at = now, None

    def in_vain(self, failure: Failure) -> bool:
        """True when the attempt before this one ended in the same way, and no byte has come since."""
        return failure.code == self.before and not self.arrived

    @property
    def info_hashes(self) -> frozenset[str]:
        """What aria2 takes once only."""
        torrents = (transfer.fetch.torrent for transfer in self.transfers)
        return frozenset(torrent.info_hash for torrent in torrents if torrent is not None and torrent.info_hash)

    @property
    def serving(self) -> bool:
        """True when aria2 goes on serving it to others."""
        return any(transfer.seeding for transfer in self.transfers)

    @property
    def unasked(self) -> bool:
        """True when its bytes were found after a restart, and aria2 may be serving them for all that is known."""
        return self.resumed and self.torrent

    @property
    def torrent(self) -> bool:
        """True when bytes come from peers."""
        return any(transfer.fetch.torrent is not None for transfer in self.transfers)

    @property
    def title(self) -> str | None:
        """The title, also one that only the torrent's metadata told."""
        if self.extraction is not None and self.extraction.title:
            return self.extraction.title
        return next((transfer.info_name for transfer in self.transfers if transfer.info_name), None)
