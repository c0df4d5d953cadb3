"""What is to be done, in the imperative: the only output of the machine.

`daemon/perform.py` carries each one out. The saves of one event commit, in one transaction, before any
other of its commands starts; the outcome of a command comes back as the event named in its docstring.
"""

from __future__ import annotations

from enum import Flag, auto
from typing import ClassVar, TypeGuard

from reactor.choices import Choices
from reactor.core.job import Attempt, CookieSource
from reactor.core.turns import NO_CAPS, Caps
from reactor.errors import Failure
from reactor.lists import Entry
from reactor.models import NO_UPLOAD, Kind, Placed, Stage, Upload
from reactor.notices import Notice
from reactor.options import NO_OPTIONS, Options
from reactor.plan import Cookie, Detection, Extraction, Fetch, Header, Torrent
from reactor.records import dataclass


class Timing(Flag):
    """When a command is carried out, beside the others of its event."""

    AFTER_SAVES = 0
    """When the saves of its event are committed."""
    SAVE = auto()
    """It is written into the database, in one transaction with the other saves of its event, before anything else."""
    LAST = auto()
    """It is the last write of its attempt. → Saved"""
    SAYS_STAGE = auto()
    """It says the stage of the row itself: one that still waits to be written goes without."""
    MAY_WAIT = auto()
    """It decides nothing, and may be written a moment later."""
    ENTRIES = auto()
    """What it writes has a next page. → EntriesSaved"""
    BEGINS = auto()
    """It begins something for its attempt: not where a save beside it was refused."""
    BARRIER = auto()
    """All that came before it is carried out first."""
    AT_ONCE = auto()
    """It waits for nothing: neither for the saves of its event nor for what is queued for its attempt."""


SAVE, LAST = Timing.SAVE, Timing.SAVE | Timing.LAST | Timing.SAYS_STAGE

# Reading and claiming rows


@dataclass(frozen=True, slots=True)
class PollRows:
    """Read the state of the rows `watch`, mark pending rows that were cancelled, end lists whose entries are over and
    questions that nobody has answered in time, claim up to `claim` of the oldest that are due, none of `held` among
    them. Where there are owners whose slices are `spent`, see who waits for a slot. → RowsPolled or DatabaseFailed"""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    watch: tuple[int, ...]
    claim: int
    held: tuple[int, ...] = ()
    spent: tuple[str | None, ...] = ()
    caps: Caps = NO_CAPS


@dataclass(frozen=True, slots=True)
class Recover:
    """Read what an earlier run left under way, and what it left behind. → Recovered or DatabaseFailed"""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """Read a row that was held back, with its plan. → PlanRead; nothing when there is no such row"""

    timing: ClassVar[Timing] = Timing.BEGINS

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class RenewLease:
    """Have the database renew the lease of this machine. → LeaseRenewed or RenewalFailed"""

    timing: ClassVar[Timing] = Timing.AT_ONCE


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Have a batch of rows of machines whose leases have run out wait again, for any machine. → TakenOver"""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES


# Saves: each is one statement guarded by (id, attempt, status 'downloading', not cancelled, not left to the entries of
# a list). → SaveStale when the row is in another state, SaveRejected when the table does not take it; Saved when it was
# the last one of its attempt (downloaded, choosing, waiting, failed, cancelled, listed)


@dataclass(frozen=True, slots=True)
class SaveStage:
    """The row is in another stage of its way. Decides nothing: it may be written a moment later than the rest."""

    timing: ClassVar[Timing] = SAVE | Timing.MAY_WAIT

    attempt: Attempt
    stage: Stage
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class SavePlan:
    """What will be fetched is known: the stage is `fetching`, title, size and kind go into the row, the plan
    beside it, with the numbers of the parts that are whole already. The progress begins at 0 unless it `continues`
    what the attempt before has fetched."""

    timing: ClassVar[Timing] = SAVE | Timing.SAYS_STAGE

    attempt: Attempt
    extraction: Extraction
    done: frozenset[int] = frozenset()
    continues: bool = False


@dataclass(frozen=True, slots=True)
class SaveEntries:
    """Some entries of a list become rows of their own, children of this row; those that have one keep it. The stage is
    `listing`. → EntriesSaved"""

    timing: ClassVar[Timing] = SAVE | Timing.SAYS_STAGE | Timing.ENTRIES

    attempt: Attempt
    entries: tuple[Entry, ...]
    most: int
    """So many rows one list may become, with those of lists that are in it."""
    listed_only: bool = False
    """True when they are to be named, and not to be downloaded."""


@dataclass(frozen=True, slots=True)
class ProgressOf:
    """One row's part of a SaveProgress; `speed` in bytes/s, `progress` 0 to 100."""

    timing: ClassVar[Timing] = SAVE

    attempt: Attempt
    progress: float | None
    speed: int
    eta_s: int | None
    size: int | None
    title: str | None = None
    done: frozenset[int] | None = None
    """The parts that are whole; None when the plan says so already."""


@dataclass(frozen=True, slots=True)
class SaveProgress:
    """How far all rows are that moved. A row in another state is passed over without a word."""

    timing: ClassVar[Timing] = SAVE

    rows: tuple[ProgressOf, ...]


@dataclass(frozen=True, slots=True)
class SaveDownloaded:
    """The row ends well. The plan goes unless `keep_plan` (the torrent is still being served)."""

    timing: ClassVar[Timing] = LAST

    attempt: Attempt
    path: str
    size: int
    title: str | None
    keep_plan: bool = False
    notes: str | None = None
    upload: Upload = NO_UPLOAD
    placed: Placed | None = None
    """Noted, so that retention may delete it one day; None: it never is."""


@dataclass(frozen=True, slots=True)
class SaveListed:
    """All entries of a list have their rows. The row is claimed by nobody any more, its stage is `items`, and it ends
    when they are over (`RowsPolled.lists`); where the list is all that was wanted, it has ended well."""

    timing: ClassVar[Timing] = LAST

    attempt: Attempt
    kind: Kind
    title: str | None
    count: int
    """How many entries there are."""
    notes: tuple[str, ...] = ()
    listed_only: bool = False


@dataclass(frozen=True, slots=True)
class SaveChoices:
    """The row asks what is to be fetched: `choosing`, until somebody answers or `wait_s` is over. The plan goes."""

    timing: ClassVar[Timing] = LAST

    attempt: Attempt
    choices: Choices
    wait_s: float
    title: str | None = None
    kind: Kind | None = None
    keep_plan: bool = False


@dataclass(frozen=True, slots=True)
class SaveWaiting:
    """The row waits for its next attempt: `pending` again, not before `delay_s` from now. The plan stays. Where it has
    `yielded`, it is due at once, and says so."""

    timing: ClassVar[Timing] = LAST

    attempt: Attempt
    failure: Failure | None
    """None when nothing failed: a cancel was taken back while it was being carried out, or its turn is over."""
    retry_count: int
    delay_s: float
    yielded: bool = False


@dataclass(frozen=True, slots=True)
class SaveFailed:
    """The row ends badly. The plan goes unless `keep_plan` (aria2 could not be asked)."""

    timing: ClassVar[Timing] = LAST

    attempt: Attempt
    failure: Failure
    kind: Kind | None = None
    keep_plan: bool = False
    choices: Choices | None = None
    """What would help."""


@dataclass(frozen=True, slots=True)
class SaveCancelled:
    """The row was cancelled and nothing of it runs any more. Guarded by (id, attempt) and by the row being
    cancelled; a row that is gone is no refusal. The plan goes unless `keep_plan` (aria2 could not be asked)."""

    timing: ClassVar[Timing] = LAST

    attempt: Attempt
    keep_plan: bool = False


@dataclass(frozen=True, slots=True)
class ForgetPlan:
    """Nothing of this attempt is left anywhere: its plan can go."""

    timing: ClassVar[Timing] = SAVE

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class SaveTakenUp:
    """The row was held back, and is worked on from now on: should the process die, it may be the cause."""

    timing: ClassVar[Timing] = SAVE

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class ForgetCrashes:
    """The row is not what the process has died of."""

    timing: ClassVar[Timing] = SAVE

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class ChargeOwner:
    """The row had a slot for `seconds` more, and brought `bytes`: see `turns`."""

    timing: ClassVar[Timing] = SAVE

    attempt: Attempt
    owner: str | None
    seconds: float
    bytes: int = 0
    """That came, where what owners have in a day is counted."""


Save = (
    SaveStage
    | SavePlan
    | SaveEntries
    | SaveListed
    | SaveProgress
    | SaveDownloaded
    | SaveChoices
    | SaveWaiting
    | SaveFailed
    | SaveCancelled
    | SaveTakenUp
    | ForgetPlan
    | ForgetCrashes
    | ChargeOwner
)

# Work, one cancel scope for each attempt


@dataclass(frozen=True, slots=True)
class Detect:
    """Stage 1. → Detected or WorkFailed"""

    timing: ClassVar[Timing] = Timing.BEGINS

    attempt: Attempt
    url: str
    clear: bool = False
    """True when the row's staging folder may hold the record of another row that had its id: it is emptied first, and
    what was published stays."""
    options: Options = NO_OPTIONS
    cookies_of: CookieSource | None = None


@dataclass(frozen=True, slots=True)
class Prefetch:
    """Find out what there is to fetch for a URL whose row is the next to be claimed, if that is a matter of one
    look at its server. The row is not touched. No outcome: its Extract is answered sooner."""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    url: str
    options: Options = NO_OPTIONS
    cookies_of: CookieSource | None = None


@dataclass(frozen=True, slots=True)
class Extract:
    """Stage 2. → Extracted, Reclassified or WorkFailed"""

    timing: ClassVar[Timing] = Timing.BEGINS

    attempt: Attempt
    detection: Detection
    clear: bool = False
    """As of a Detect, where none came before it."""
    options: Options = NO_OPTIONS
    cookies_of: CookieSource | None = None
    so_far: Extraction | None = None
    """Of a broadcast that is recorded: what was taken of it, which is to be gone on with."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Check the bytes, put them together, publish them under a clean unique name. `files` are the paths aria2
    reported for each fetch; `keep` leaves the staged files where they are (they are being seeded).
    → Finished or WorkFailed; before it any number of Joined"""

    timing: ClassVar[Timing] = Timing.BEGINS

    attempt: Attempt
    extraction: Extraction
    files: tuple[tuple[str, ...], ...]
    total: int
    """Bytes aria2 says it has; 0 while it did not say."""
    keep: bool = False
    resumed: bool = False
    """True after a restart, when nobody said yet that the bytes are there: only what is certainly whole counts."""
    said_whole: bool = False
    """True after a restart when all bytes were said to be there before it."""
    presumed: bool = False
    """True when aria2 was not asked: it has told that the file is complete, and `total` is what was promised."""
    instance: str = ""
    """The database's own id, from which the gids of its transfers derive."""
    continued: bool = False
    """True when some of the bytes had come before: more than one answer was put together."""
    single: bool = False
    """True when it was fetched by one connection at a time."""
    inside: str = ""
    """The folder in DOWNLOAD_DIR that the result is put into; empty: none."""
    cookies_of: CookieSource | None = None


@dataclass(frozen=True, slots=True)
class StopWork:
    """Cancel whatever runs for this attempt, at once. No outcome comes from it any more."""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Discard:
    """Delete the row's staging folder, and, unless `keep_result`, what was published from it: a cancel may have
    overtaken that. → Discarded; where it `must` be empty for what comes, WorkFailed when it cannot be"""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    attempt: Attempt
    keep_result: bool = False
    must: bool = False


@dataclass(frozen=True, slots=True)
class Tidy:
    """Delete what is left in the staging folders of rows that are downloaded: the record of where their files went.
    No outcome."""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fence:
    """Stop whatever runs for this attempt and these transfers of it, and those that follow them: at once, for the row
    may be another machine's soon. What was yet to begin for it does not; files stay. → TransfersRemoved or RemoveFailed
    where there are `gids`"""

    timing: ClassVar[Timing] = Timing.AT_ONCE

    attempt: Attempt
    gids: tuple[str, ...]


# aria2


@dataclass(frozen=True, slots=True)
class Addition:
    """One transfer to add: its number in the attempt, its gid, what to fetch."""

    n: int
    gid: str
    fetch: Fetch
    must_redownload: bool = False
    """True when what is there of it is deleted first."""
    first: bool = False
    """True when it goes before all that wait in aria2."""
    single: bool = False
    """True when it is to come by one connection, in one answer if that holds."""


@dataclass(frozen=True, slots=True)
class AddTransfers:
    """Hand these to aria2, under our gids, into the row's staging folder. `wipe_staging` deletes
    what the folder holds first. → TransfersAdded and/or AddFailed, or WorkFailed when the folder cannot be written"""

    timing: ClassVar[Timing] = Timing.BEGINS

    attempt: Attempt
    additions: tuple[Addition, ...]
    wipe_staging: bool = False
    headers: tuple[tuple[Header, ...], ...] = ()
    cookies: tuple[Cookie, ...] = ()
    """Those that sites have set, of the extraction."""
    alone: bool = False
    """True when there is no other part."""
    of_many: bool = False
    """True for parts of a stream of many: of small ones each is lost with the process that was at work on it."""
    speed: int = 0
    """Bytes/s that each of them may have at most, where its row asks for that; 0: no more is said."""
    cookies_of: CookieSource | None = None
    """Whose cookies go along with those."""
    seed_ratio: float | None = None
    """Up to which a torrent is served to others, where its row says so."""


@dataclass(frozen=True, slots=True)
class RemoveTransfers:
    """Stop these at once, and those that follow them, and forget their results. → TransfersRemoved or RemoveFailed"""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    attempt: Attempt
    gids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForgetTransfers:
    """Let aria2 drop the results of transfers that are over. No outcome."""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    gids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Ask aria2 about these, in one batch. → TransfersReported or AskFailed, with the same `periodic`"""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    gids: tuple[str, ...]
    periodic: bool = False


@dataclass(frozen=True, slots=True)
class Inquire:
    """Find out why a torrent stands still: which of its files are whole, and what its trackers say. → Inquired"""

    timing: ClassVar[Timing] = Timing.BEGINS

    attempt: Attempt
    gid: str
    torrent: Torrent


@dataclass(frozen=True, slots=True)
class Allow:
    """Let bytes pass the guard until there are so many, counted from its beginning; None: all there are. →
    AllowanceUsed when they have come"""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    until: int | None


@dataclass(frozen=True, slots=True)
class Widen:
    """Fetch a file by so many connections from now on. Nobody waits for it: where aria2 does not do so, it stays as it
    is."""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    attempt: Attempt
    gid: str
    connections: int


@dataclass(frozen=True, slots=True)
class MeasureDisk:
    """See how much room there is in the download folder, and, where that matters, what the staging folders of some
    rows take of it. → DiskMeasured"""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    folders: tuple[int, ...] | None = None
    """Whose; None: nobody's."""


@dataclass(frozen=True, slots=True)
class CleanUp:
    """Remove what an attempt that is over left in aria2 and on the disk, what was published by it too unless
    `keep_result`. → CleanedUp or RemoveFailed"""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    attempt: Attempt
    gids: tuple[str, ...]
    keep_result: bool = False


# The world


@dataclass(frozen=True, slots=True)
class Tell:
    """Write a notice into the journal."""

    timing: ClassVar[Timing] = Timing.AFTER_SAVES

    notice: Notice


@dataclass(frozen=True, slots=True)
class Exit:
    """The last command: the loop ends after it."""

    timing: ClassVar[Timing] = Timing.BARRIER


Command = (
    PollRows
    | Recover
    | ReadPlan
    | RenewLease
    | TakeOver
    | Save
    | Detect
    | Prefetch
    | Extract
    | Finish
    | StopWork
    | Fence
    | Discard
    | Tidy
    | AddTransfers
    | RemoveTransfers
    | ForgetTransfers
    | AskStatus
    | Inquire
    | Allow
    | Widen
    | MeasureDisk
    | CleanUp
    | Tell
    | Exit
)
"""Every command."""


def is_save(command: Command) -> TypeGuard[Save]:
    """True for what is written into the database."""
    return Timing.SAVE in command.timing


def attempt_of(command: Command) -> Attempt | None:
    """The attempt of a command; None if it is about several or none."""
    attempt: Attempt | None = getattr(command, "attempt", None)
    return attempt
