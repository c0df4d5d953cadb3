"""One job: a row under way in memory, and the transfers it is made of. Data only; the law is in `lifecycle`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Literal

from reactor.choices import Choices
from reactor.errors import Failure
from reactor.lists import Listing
from reactor.models import NO_UPLOAD, Kind, Placed, Upload
from reactor.options import NO_OPTIONS, Options
from reactor.plan import Detection, Extraction, Fetch
from reactor.records import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one row. `number` counts the claims of the row from 1 and is the fencing token of every
    write and every outcome."""

    download_id: int
    number: int


@dataclass(frozen=True, slots=True)
class CookieSource:
    """By what it is found out whose cookies go with the requests of a row. They themselves never come here."""

    owner: str | None
    name: str | None
    """Of the jar that the row asks for."""
    url: str
    """As the row has it."""


METADATA = -1
"""The number of the transfer that brings a magnet link's metadata: the torrent itself is number 0 of the attempt."""


def derive_gid(instance: str, attempt: Attempt, n: int) -> str:
    """The gid of transfer `n` of an attempt: 16 hex digits, the same on every run.

    Because it can be derived again, adding is idempotent: after a lost reply or a crash we ask aria2
    for this gid and adopt what we find (aria2c(1), option --gid)."""
    identity = f"{instance}/{attempt.download_id}/{attempt.number}/{n}".encode()
    return hashlib.sha256(identity).hexdigest()[:16]


def gids_of(instance: str, attempt: Attempt, parts: int) -> tuple[str, ...]:
    """Every gid under which an attempt of so many transfers may have left something in aria2."""
    return tuple(derive_gid(instance, attempt, n) for n in range(METADATA, parts))


class State(StrEnum):
    """Where a job is. What leads from one to the next stands in `lifecycle.TABLE`."""

    HELD_BACK = "held back"
    """Nothing is done for it, to see whether the process lives without it; see `crashes`."""
    READING_PLAN = "reading plan"
    """It was held back; its plan is being read."""
    DETECTING = "detecting"
    EXTRACTING = "extracting"
    EMPTYING = "emptying"
    """What an earlier attempt was fetching is being deleted, before the next plan is saved."""
    FETCHING = "fetching"
    BACKING_OFF = "backing off"
    """Fetching; a part has failed, and nothing more is begun until a moment has passed."""
    RENEWING = "renewing"
    """Its URLs have expired: its transfers are being taken out of aria2, and new URLs are extracted then."""
    SALVAGING = "salvaging"
    """Nobody shares the rest of a torrent: it is being taken out of aria2, and then only what is whole is wanted."""
    LISTING = "listing"
    """Its URL stands for several things, which become rows of their own."""
    OUT_OF_SPACE = "out of space"
    """It found no space: whose fault that is, the disk has to show. It ends in any case."""
    FINISHING = "finishing"
    AWAITING_SPACE = "awaiting space"
    """All is fetched; there was no space to put it together, and that is tried again after a while."""
    REMOVING = "removing"
    """It is over; its transfers are being taken out of aria2."""
    DISCARDING = "discarding"
    """It is over; its files are being deleted."""
    SAVING = "saving"
    """Its last write is on the way to the row."""
    DOUBTED = "doubted"
    """Its last write was refused: the next poll that begins after that tells why."""
    FENCED = "fenced"
    """Its lease may have run out: all that runs for it is stopped, and it waits for the next one."""
    SEEDING = "seeding"
    """The row is final; the torrent is still served to others. Takes up no slot."""
    ENDED = "ended"


IN_TRANSFER = frozenset({State.FETCHING, State.BACKING_OFF})
"""What aria2 says of its transfers counts."""
WORKING = frozenset(
    {
        State.HELD_BACK,
        State.READING_PLAN,
        State.DETECTING,
        State.EXTRACTING,
        State.EMPTYING,
        State.RENEWING,
        State.SALVAGING,
        State.LISTING,
        State.OUT_OF_SPACE,
        State.FINISHING,
        State.AWAITING_SPACE,
    }
    | IN_TRANSFER
)
"""Its attempt is not over."""
STOPPING = frozenset({State.REMOVING, State.DISCARDING})
"""What it started is being taken down."""
CLOSING = frozenset({State.SAVING, State.DOUBTED})
"""Its row is being told how it ended."""


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


@dataclass(frozen=True, slots=True)
class Swarm:
    """Those who share a torrent."""

    peers: int
    """Connections to them, as aria2 said last."""
    most: int
    """Most of them that it ever said."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """Why a torrent stands still: see `events.Inquired`."""

    refused: str | None
    seeds: int | None
    whole: tuple[tuple[int, int], ...]
    lacking: tuple[str, ...]


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
    must_redownload: bool = False
    """True when what is there of it is of no use: it is deleted before it is handed over again."""
    waiting: bool = False
    """True when aria2 has not begun with it, as far as is known: others have all its slots."""
    ranged: bool = False
    """True once its server has sent several parts of it at once."""
    completed_notified: bool = False
    """True once aria2 has told by itself that it is complete. What it forgets after that is done."""
    presumed: bool = False
    """True where that and the size that was promised stand for aria2's word; finishing looks whether it is so."""
    unanswered: bool = False
    """True while handing it over may still have to wait for the database: it is not handed over twice meanwhile."""
    refusal: Failure | None = None
    """What aria2 said when it refused it last."""
    kept_gid: str = ""
    """Its gid, while aria2 has something to say of it."""
    size_reported: bool = False
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
        return self.kept_gid or self.gid_of(self.n)

    @property
    def describes(self) -> bool:
        """True while what comes is the metadata of a magnet link: its bytes are none of the torrent's."""
        torrent = self.fetch.torrent
        return torrent is not None and torrent.metainfo is None and not self.followers and self.info_name is None

    @property
    def weight(self) -> int:
        """Bytes, as far as aria2 knows."""
        return 0 if self.describes else max(self.total, self.completed)

    @property
    def size(self) -> int:
        """Bytes that it will have; 0 while nobody knows."""
        return 0 if self.describes else self.total or self.fetch.size or 0

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
    LISTED = "listed"
    """Its entries have rows of their own, and what becomes of those decides."""
    CHOOSING = "choosing"
    """It asks what is to be fetched."""
    WAITING = "waiting"
    """Pending again, for its next attempt."""
    YIELDED = "yielded"
    """Pending again, for its owner's next turn."""
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


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to whoever wants the row."""

    choices: Choices
    title: str | None
    kind: Kind


@dataclass(slots=True)
class Plan:
    """What is to be fetched, and what is known of the files that are there."""

    detection: Detection | None = None
    tried: list[tuple[Kind, str]] = field(default_factory=list)
    """The kinds that were tried, each with its URL."""
    extraction: Extraction | None = None
    previous_plan: Extraction | None = None
    """What was being fetched before this extraction, as far as its partial files are there."""
    next_plan: Extraction | None = None
    """What is to be fetched when those are gone."""
    complete_parts: frozenset[int] = frozenset()
    """The parts that are whole on the disk, as the row's plan has it."""
    carried: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Bytes that are there, and bytes in all, of the parts of the plan whose URLs have expired."""
    sought: frozenset[int] = frozenset()
    """Missing parts for which new URLs were asked."""
    lost: frozenset[int] = frozenset()
    """Of a broadcast: the parts that could not be had, and are not asked for again."""
    recorded_bytes: int = 0
    """Of a broadcast: what had come when it was asked for more."""
    has_leftovers: bool = False
    """True when there may be partial files of an earlier plan."""
    foreign_record: bool = False
    """True when the staging folder may hold the record of what another row with this id has published."""
    wipe_staging: bool = False
    """True when what the staging folder holds is of no use for this extraction."""
    continued: bool = False
    """True when what it fetches began in an earlier attempt, or before a restart of ours or of aria2."""
    begun_anew: bool = False
    """True when an earlier attempt had fetched some of it, and that was of no use."""
    request_bytes: int = 0
    """Bytes of headers and cookies that go with each of its transfers, at most."""


@dataclass(slots=True)
class Pace:
    """An average speed, measured over some time and then anew."""

    since: float | None = None
    """When that began; None: it begins with the next look."""
    bytes: int = 0
    """How many had arrived then."""

    def measured(self, arrived: int, now: float, over_s: float) -> tuple[float, float] | None:
        """Bytes/s and the seconds of which they are the average, once these are `over_s`; None before."""
        if self.since is None:
            self.since, self.bytes = now, arrived
        took = now - self.since
        if took < over_s or not took:
            return None
        speed = (arrived - self.bytes) / took
        self.since, self.bytes = now, arrived
        return speed, took


@dataclass(slots=True)
class Width:
    """What is known of how many connections a file is worth: see `widths`."""

    look_at: float | None
    """When it is measured next; None: it is decided."""
    pace: Pace = field(default_factory=Pace)
    few: float | None = None
    """Bytes/s by a few connections, once it has all of them."""
    asked: bool = False
    """True while aria2 has been asked, and has not answered."""


@dataclass(slots=True)
class Progress:
    """How far it is. Sizes in bytes, moments in the machine's `now`."""

    transfers: list[Transfer] = field(default_factory=list)
    done: int = 0
    """How many of the transfers are done."""
    planned: dict[int, Transfer] = field(default_factory=dict)
    """Those that are still to be handed to aria2, in that order, by their numbers."""
    given: dict[int, Transfer] = field(default_factory=dict)
    """Those that aria2 has, or may have."""
    missing: set[int] = field(default_factory=set)
    """The numbers of those that are done without their bytes: the server does not have them."""
    swarm: Swarm | None = None
    """What is known of those who share it, where it is a torrent."""
    unstopped: bool = False
    """True for a torrent that is whole, and that aria2 has yet to stop."""
    notified: set[int] = field(default_factory=set)
    """The numbers of those that aria2 said something of, and that were not asked about since."""
    window: int = 0
    """How many of them aria2 may have at once."""
    filled_at: float | None = None
    """When aria2 was last given some."""
    weight: int = 0
    """Bytes of all its transfers, as far as aria2 knows them."""
    sized: int = 0
    """Bytes that those of known size will have."""
    unsized: int = 0
    """How many are of unknown size."""
    passed: int | None = None
    """Bytes that had passed the guard when aria2 was asked last for all of it."""
    settled: int | None = None
    """Its weight as aria2 had it at that question."""
    moved_at: float = 0.0
    """When a byte was last seen to arrive."""
    inquired_at: float | None = None
    """What that was when it was asked why no byte comes."""
    standstill: Standstill | None = None
    """What was found out then."""
    pace: Pace = field(default_factory=Pace)
    """Whether it drips, since it was last not to be blamed: see `stalls`."""
    lane: Pace = field(default_factory=Pace)
    """Whether it crawls, whosever fault that is."""
    width: Width | None = None
    """None before it is measured."""
    crawls: bool = False
    """True when it came so slowly of late that it takes up no slot: see `admission`."""
    percent: float | None = None
    """As the row has it, 0 to 100."""
    bytes_arrived: bool = False
    """True once bytes were seen to arrive in this attempt."""
    gained: int = 0
    """How many were."""
    last_written: tuple[float | None, int, int | None] | None = None
    """Percentage, speed and size as the row has them."""
    joined_at: float = 0.0
    """When it was last written how much is joined; before that, when all bytes were there."""
    resumed: bool = False
    """True after a restart, until it is known whether its bytes are there already."""
    said_whole: bool = False
    """True when its row said before a restart that all bytes are there."""
    refetched: bool = False
    """True once finishing found bytes missing."""
    space_checked: int | None = None
    """The size for which there was space on the disk."""
    space_asked: bool = False
    """True while the disk is measured for it."""

    def sort(self, transfer: Transfer) -> None:
        """Put a transfer where its state belongs. See `Context.sort`."""
        if transfer.state is TransferState.PLANNED:
            self.planned[transfer.n] = transfer
        else:
            self.planned.pop(transfer.n, None)
        if transfer.state in GIVEN or transfer.seeding:
            self.given[transfer.n] = transfer
        else:
            self.given.pop(transfer.n, None)
            self.notified.discard(transfer.n)

    def begin(self, transfers: list[Transfer]) -> None:
        """Take up what there is to transfer."""
        self.transfers = transfers
        self.planned = {transfer.n: transfer for transfer in transfers}
        self.given, self.notified, self.missing, self.swarm = {}, set(), set(), None
        self.done = self.window = 0
        self.inquired_at = self.standstill = None
        self.lane, self.crawls = Pace(), False
        self.filled_at = self.space_checked = None
        self.weight = sum(transfer.weight for transfer in transfers)
        self.sized = sum(transfer.size for transfer in transfers)
        self.unsized = sum(not transfer.size for transfer in transfers)

    def reckon(self, transfer: Transfer, weight: int, size: int) -> None:
        """Take in what has become of a transfer that had this `weight` and `size`: to add up 20 000 each time one of
        them moves would take seconds."""
        self.weight += transfer.weight - weight
        self.sized += transfer.size - size
        self.unsized += (not transfer.size) - (not size)

    def moves(self, now: float) -> None:
        """It is not to be blamed for the time until now."""
        self.moved_at, self.pace.since = now, None

    @property
    def askable(self) -> list[Transfer]:
        """The transfers that there is something to ask about."""
        return [transfer for transfer in self.given.values() if transfer.askable]

    @property
    def wanted(self) -> int | None:
        """Bytes of all its transfers together; None while those of one are unknown."""
        return self.sized if self.transfers and not self.unsized else None

    @property
    def fetched(self) -> int:
        """Bytes that aria2 says are there."""
        return sum(transfer.completed for transfer in self.transfers if not transfer.describes)

    @property
    def why_still(self) -> Standstill | None:
        """What was found out of why no byte comes, unless one has come since."""
        return self.standstill if self.inquired_at == self.moved_at else None

    @property
    def peers(self) -> int | None:
        """Connections to those who share a torrent; None where there is none."""
        return self.swarm.peers if self.swarm is not None and self.given else None

    @property
    def arrived(self) -> int:
        """The same, with the bytes of metadata."""
        return sum(transfer.completed for transfer in self.transfers)

    @property
    def share(self) -> float | None:
        """How much of it is there, 0 to 1: by its size, or where nobody knows that by its parts, when there are
        several."""
        size = self.wanted
        if size:
            return self.fetched / size
        if len(self.transfers) < 2:
            return None
        return sum(map(_share, self.transfers)) / len(self.transfers)


PERCENT_DIGITS = 2
"""Behind the point, in a row's `progress`."""


@dataclass(slots=True)
class Budget:
    """What it may still cost: retries, setbacks, renewals, deaths of others."""

    retry_count: int = 0
    previous_error: str | None = None
    """The code of the error with which the attempt before this one ended."""
    further_than: float | None = None
    """The percentage from which this attempt went on: beyond it the retries count from 0 again. None where it began
    from zero."""
    renewals: int = 0
    """How often in a row its URLs were renewed, and no byte came in between."""
    expired: Failure | None = None
    """Why its URLs are renewed, once the transfers under way are over."""
    setbacks: int = 0
    """How often in a row something of it failed and all had to wait, with nothing done in between."""
    hold_until: float | None = None
    """When it goes on: held back, backing off or awaiting space."""
    deaths: int = 0
    """How often in a row aria2 has died with it, and no byte came in between."""
    lives: bool = False
    """True once a byte of it has come since aria2 was started."""
    cleared: bool = False
    """True once it has been in aria2 for long enough, and that lives."""
    crashes: int = 0
    """How often in a row the process has died while it worked on it."""
    was_finishing: bool = False
    """True when its bytes were all there when the process died with it."""


@dataclass(slots=True)
class Teardown:
    """How it ends, and what stands in the way of that."""

    ending: Ending | None = None
    no_space: Failure | None = None
    """What it was told where it found no space."""
    removed: bool = True
    """False while something of this job is, or may be, in aria2."""
    unknown_transfers: int = 0
    """How many transfers an earlier process may have left in aria2, where the plan was not read."""
    stop_by: float | None = None
    """While aria2 is away: when to end without it, or to try again."""
    verdict_from: int | None = None
    """After a refused write: the number of the first poll that can tell why."""
    asked: Asked | None = None
    """What its row asks."""
    help: Choices | None = None
    """What would help, where it fails now."""
    final_path: str | None = None
    size: int = 0
    notes: tuple[str, ...] = ()
    upload: Upload = NO_UPLOAD
    placed: Placed | None = None


@dataclass(slots=True)
class Job:
    """A row under way. Moments are the machine's `now` (monotonic seconds)."""

    attempt: Attempt
    url: str
    state: State
    begun_at: float
    plan: Plan = field(default_factory=Plan)
    progress: Progress = field(default_factory=Progress)
    budget: Budget = field(default_factory=Budget)
    teardown: Teardown = field(default_factory=Teardown)
    options: Options = NO_OPTIONS
    """What its row asks for beyond the URL."""
    generation: int = 0
    """How many lists its row is in, one inside the other."""
    listing: Listing | None = None
    """The list that its URL stands for."""
    listed: int = 0
    """How many of its entries have their rows."""
    owner: str | None = None
    """Whose row it is."""
    charged_at: float = 0.0
    """Until when its time was charged to that owner."""
    charged_s: float = 0.0
    """How much was, in this attempt."""
    charged_bytes: int = 0
    """And what it brought."""
    outdone: bool = False
    """True while another owner waits for this slot who has had less. See `slices`."""

    @property
    def cookies_of(self) -> CookieSource:
        """By what its cookies are found."""
        return CookieSource(self.owner, self.options.cookies, self.url)

    @property
    def id(self) -> int:
        """The row's id."""
        return self.attempt.download_id

    @property
    def kind(self) -> Kind | None:
        """The kind that is being tried, or has worked."""
        if self.plan.extraction is not None:
            return self.plan.extraction.kind
        return self.plan.detection.kind if self.plan.detection is not None else None

    @property
    def describing(self) -> bool:
        """True while it is found out what a magnet link stands for."""
        return self.plan.extraction is not None and self.plan.extraction.finish.how == "metadata"

    @property
    def recording(self) -> bool:
        """True while it records a broadcast, and more may come of that."""
        return self.plan.extraction is not None and self.plan.extraction.running

    @property
    def slow(self) -> bool:
        """True when what it waits for comes slowly, so that it need not keep others from a slot: it crawls, or it
        records what goes on as it goes on."""
        if self.state is State.EXTRACTING:
            previous = self.plan.previous_plan
            return self.plan.extraction is None and previous is not None and previous.running
        return self.state in IN_TRANSFER and (self.progress.crawls or self.recording)

    @property
    def share(self) -> float | None:
        """How much of it is there; None where nobody knows how much it will be."""
        return None if self.recording else self.progress.share

    @property
    def percent(self) -> float | None:
        """The same of 100, as exactly as a row tells it: what is compared with what a row has told is rounded alike."""
        share = self.share
        return None if share is None else round(min(100.0, share * 100), PERCENT_DIGITS)

    @property
    def ending(self) -> Ending:
        """What becomes of the row. There is one as soon as the job is being taken down or saved."""
        assert self.teardown.ending is not None
        return self.teardown.ending

    @property
    def in_aria2(self) -> bool:
        """True while aria2 works for it."""
        return self.state is State.SEEDING or (self.state in IN_TRANSFER and not self.teardown.removed)

    def in_vain(self, failure: Failure) -> bool:
        """True when the attempt before this one ended in the same way, and no byte has come since."""
        return failure.code == self.budget.previous_error and not self.progress.bytes_arrived

    @property
    def info_hashes(self) -> frozenset[str]:
        """What aria2 takes once only."""
        torrents = (transfer.fetch.torrent for transfer in self.progress.transfers)
        return frozenset(torrent.info_hash for torrent in torrents if torrent is not None and torrent.info_hash)

    @property
    def serving(self) -> bool:
        """True when aria2 goes on serving it to others."""
        return any(transfer.seeding for transfer in self.progress.transfers)

    @property
    def unstopped(self) -> bool:
        """True for a torrent that is not served, and that aria2 was not seen to stop: it writes a control file when it
        does. After a restart it may be serving the torrent for all that is known."""
        found_again = self.progress.resumed and self.torrent
        return found_again or (self.progress.unstopped and not self.serving)

    @property
    def torrent(self) -> bool:
        """True when bytes come from peers."""
        return any(transfer.fetch.torrent is not None for transfer in self.progress.transfers)

    @property
    def title(self) -> str | None:
        """The title, also one that only the torrent's metadata told."""
        if self.plan.extraction is not None and self.plan.extraction.title:
            return self.plan.extraction.title
        return next((transfer.info_name for transfer in self.progress.transfers if transfer.info_name), None)


def _share(transfer: Transfer) -> float:
    if transfer.state is TransferState.DONE:
        return 1.0
    return transfer.completed / transfer.total if transfer.total else 0.0
