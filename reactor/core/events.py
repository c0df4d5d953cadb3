"""What has happened outside, in the past tense: the only input of the machine.

Every event is a frozen value. What comes from work carries the `Attempt` it was done for; the machine
drops what comes from an attempt that is over, in one place.
"""

from __future__ import annotations

from enum import StrEnum

from reactor.choices import Choices
from reactor.core.job import Attempt, How
from reactor.core.rows import ClaimedRow
from reactor.core.turns import Account
from reactor.errors import Failure
from reactor.lists import Listing
from reactor.models import NO_UPLOAD, Placed, Status, Upload
from reactor.options import NO_OPTIONS, Options
from reactor.plan import Detection, Extraction
from reactor.records import dataclass

# The database


@dataclass(frozen=True, slots=True)
class DatabaseChanged:
    """A doorbell: somebody may have written. Carries only who rang: `hook`, `file`, `notify`, `poll` or `start`."""

    layer: str


@dataclass(frozen=True, slots=True)
class WatchedRow:
    """The state of a row that is under way, as the database has it now."""

    id: int
    attempt: int
    status: str
    cancelled: bool


@dataclass(frozen=True, slots=True)
class RowsPolled:
    """The outcome of `commands.PollRows`, read and claimed in one go."""

    watched: tuple[WatchedRow, ...] = ()
    """Those of the asked-for rows that still exist."""
    claimed: tuple[ClaimedRow, ...] = ()
    swept: tuple[int, ...] = ()
    """Rows that were cancelled before they began and now say so."""
    rejected: tuple[SaveRejected, ...] = ()
    """Rows that have failed in place of being claimed, and say so: the table did not take the claim, or nobody has
    answered their question."""
    lists: tuple[ListEnded, ...] = ()
    """Lists that are over since all of their entries are."""
    leftovers: tuple[Leftover, ...] = ()
    """What attempts left behind whose rows were cancelled, deleted or replaced while they waited for the next
    one; none of those that are `held`."""
    due_in_s: float | None = None
    """Seconds until the next waiting row is due, or None when none waits."""
    next_url: str | None = None
    """Of the row that would be claimed next, were there room; None when no other row is due, or it will fail at
    once."""
    next_options: Options = NO_OPTIONS
    """What that row asks for."""
    next_owner: str | None = None
    """Whose it is."""
    accounts: tuple[Account, ...] = ()
    """Of those whose slices are `spent`, and of the next owners that wait for a slot; none where there are slots for
    all."""


@dataclass(frozen=True, slots=True)
class ListEnded:
    """The row of a list says how it ended."""

    attempt: Attempt
    status: Status
    done: int
    """Entries that came."""
    failed: int
    """Entries that are over and did not come."""
    failure: Failure | None = None
    """What its row says went wrong."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What an attempt that is over may have left behind: transfers in aria2, a staging folder, a plan."""

    attempt: Attempt
    parts: int
    keep_result: bool = False
    """True when what it has published is somebody's: its row was downloaded."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The outcome of `commands.Recover`: what an earlier run left, or a claim whose answer was lost."""

    rows: tuple[ClaimedRow, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    instance: str = ""
    """The database's own id: gids and staging folders derive from it."""


@dataclass(frozen=True, slots=True)
class PlanRead:
    """The outcome of `commands.ReadPlan`: the row, as if it had been found under way just now."""

    attempt: Attempt
    row: ClaimedRow


@dataclass(frozen=True, slots=True)
class DatabaseFailed:
    """A PollRows or a Recover could not be carried out; or, with `saving`, a save is being tried again and again."""

    failure: Failure
    saving: bool = False


@dataclass(frozen=True, slots=True)
class Saved:
    """The last write of this attempt (downloaded, choosing, waiting, failed, cancelled) has been committed."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class EntriesSaved:
    """The entries of a `commands.SaveEntries` have their rows: committed."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class SaveStale:
    """A guarded write found the row in another state than expected: cancelled, deleted or taken. Nothing
    else of that event was carried out for it."""

    attempt: Attempt
    last: bool = False
    """True when it was the last write of its attempt."""


@dataclass(frozen=True, slots=True)
class SaveRejected:
    """The bot's own table does not take what was to be written into this row, now or ever: a constraint, a trigger.
    Nothing else of that event was carried out for it."""

    attempt: Attempt
    failure: Failure


@dataclass(frozen=True, slots=True)
class LeaseRenewed:
    """The database has renewed the lease of this machine: the outcome of `commands.RenewLease`."""

    overdue: bool = False
    """True when there is something to take over from lost machines, and this one may: it has missed no beat for a
    while."""
    lost_in_s: float | None = None
    """In how many seconds, of the database's clock, the next of the other machines is lost unless it renews its lease,
    or this machine may take over what others have lost by then; None when there is no other one."""


@dataclass(frozen=True, slots=True)
class RenewalFailed:
    """The lease of this machine could not be renewed, for whatever reason."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class TakenOver:
    """The outcome of `commands.TakeOver`, also of one that failed."""

    any: bool = False
    """True when rows of machines that were lost wait again."""
    more: bool = False
    """True when the batch was full, so that there may be another one."""
    failed: bool = False
    """True when the database could not do it."""


# aria2


class TransferStatus(StrEnum):
    """aria2's own words (aria2c(1), tellStatus), and one of ours."""

    ACTIVE = "active"
    WAITING = "waiting"
    PAUSED = "paused"
    ERROR = "error"
    COMPLETE = "complete"
    REMOVED = "removed"
    UNKNOWN = "unknown"
    """aria2 does not know the gid."""


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What aria2 says of one gid (tellStatus)."""

    gid: str
    status: TransferStatus
    completed: int = 0
    total: int = 0
    """0 while unknown."""
    speed: int = 0
    seeder: bool = False
    """True for a torrent that has all of its bytes."""
    followed_by: tuple[str, ...] = ()
    error_code: int | None = None
    """aria2's own number, for people; `failure` is what is decided on."""
    error_message: str = ""
    """aria2's own message, with credentials removed."""
    files: tuple[str, ...] = ()
    """Paths of the selected files, as aria2 sees them; empty while unknown."""
    info_name: str | None = None
    """The name inside the torrent, when it is one."""
    connections: int = 0
    failure: Failure | None = None
    """Why it ended; set with ERROR and REMOVED only."""


@dataclass(frozen=True, slots=True)
class Aria2Connected:
    """The socket stands, the secret is right. `session` is another one after aria2 was restarted."""

    session: str
    version: str
    url: str


@dataclass(frozen=True, slots=True)
class Aria2Lost:
    """The socket is gone; what was asked over it and not answered has failed by itself."""

    reason: str


@dataclass(frozen=True, slots=True)
class TransferNotified:
    """A notification came for a gid, ours or not. A hint: what aria2 says when asked decides."""

    gid: str
    what: str
    """`stop`, `complete`, `error` or `bt_complete`."""


@dataclass(frozen=True, slots=True)
class TransfersReported:
    """The outcome of `commands.AskStatus`, one report for each gid asked."""

    reports: tuple[TransferReport, ...]
    periodic: bool = False
    """As it was asked: True for the throttled question after progress."""
    passed: int = 0
    """Bytes that had passed the guard before it was asked."""


@dataclass(frozen=True, slots=True)
class AllowanceUsed:
    """All the bytes have come that commands.Allow let through: nothing more comes before the next one."""

    passed: int


@dataclass(frozen=True, slots=True)
class AskFailed:
    """aria2 did not answer a `commands.AskStatus`."""

    gids: tuple[str, ...]
    failure: Failure
    periodic: bool = False


@dataclass(frozen=True, slots=True)
class Inquired:
    """Why a torrent stands still, as far as that can be found out."""

    attempt: Attempt
    refused: str | None = None
    """What its trackers give as the reason for telling nobody of others: a stranger's text, made fit to be shown."""
    seeds: int | None = None
    """How many have all of it, as the trackers say; None: they do not."""
    whole: tuple[tuple[int, int], ...] = ()
    """The files that are whole: their numbers from 1, and bytes."""
    lacking: tuple[str, ...] = ()
    """Names of the others."""


@dataclass(frozen=True, slots=True)
class TransfersAdded:
    """aria2 took these transfers (by their number `n`)."""

    attempt: Attempt
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AddFailed:
    """Adding these was refused, or the reply was lost: only asking tells whether they are there."""

    attempt: Attempt
    numbers: tuple[int, ...]
    failure: Failure


@dataclass(frozen=True, slots=True)
class TransfersRemoved:
    """Nothing of this attempt is left in aria2."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class RemoveFailed:
    """aria2 could not be asked to remove; it is tried again when it is back."""

    attempt: Attempt
    failure: Failure


# Work


@dataclass(frozen=True, slots=True)
class Detected:
    """Stage 1 is over."""

    attempt: Attempt
    detection: Detection


@dataclass(frozen=True, slots=True)
class Extracted:
    """Stage 2 is over."""

    attempt: Attempt
    extraction: Extraction
    joined: int = 0
    """Bytes of the largest thing that putting it together writes, as far as that can be told before."""
    choices: Choices | None = None
    """What there is to choose from, where the row wants to be asked."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Stage 2 is over: the URL stands for several things."""

    attempt: Attempt
    listing: Listing
    choices: Choices | None = None
    """Its entries, where the row wants to be asked."""


@dataclass(frozen=True, slots=True)
class Reclassified:
    """An extractor found that the URL is not for it, and which kind it may be instead."""

    attempt: Attempt
    detection: Detection


@dataclass(frozen=True, slots=True)
class Joined:
    """So much of the result has been put together, 0 to 1."""

    attempt: Attempt
    share: float


@dataclass(frozen=True, slots=True)
class Finished:
    """The result stands under its final name (or where a remote aria2c put it)."""

    attempt: Attempt
    path: str
    size: int
    notes: tuple[str, ...] = ()
    """For the person: what is not as it was offered."""
    upload: Upload = NO_UPLOAD
    placed: Placed | None = None
    """None where it is not ours to see."""


@dataclass(frozen=True, slots=True)
class WorkFailed:
    """Detecting, extracting or finishing failed, or ran out of time."""

    attempt: Attempt
    failure: Failure
    parts: tuple[int, ...] = ()
    """The numbers of the parts that are to blame, where it is they: they are missing, or were deleted."""
    help: Choices | None = None
    """What would help, as far as that is known outside: cookies."""


@dataclass(frozen=True, slots=True)
class Discarded:
    """The staging folder of this attempt's row is gone, and what was published for it too, if asked."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """Nothing is left of an attempt that was over at the start."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class DiskMeasured:
    """So many bytes are free in the download folder; None where that is not ours to see."""

    free: int | None
    held: tuple[tuple[int, int], ...] | None = None
    """(row, bytes that its staging folder takes), as it was asked; None when it was not."""


# Ourselves


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The machine's next deadline has come."""


@dataclass(frozen=True, slots=True)
class HoursChanged:
    """It is the time in which rows are begun (HOURS), or it is no longer. Without a word it is."""

    open: bool


@dataclass(frozen=True, slots=True)
class ShutdownRequested:
    """A signal, or the person at the keyboard: leave everything resumable."""

    reason: str
    until: float | None = None
    """What is under way may end before that, in seconds since the epoch: it is requested once more then. None: at
    once."""


# What the machine makes of an event for one job


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Its row was cancelled, deleted, or taken by somebody else."""

    attempt: Attempt
    how: How


@dataclass(frozen=True, slots=True)
class RowConfirmed:
    """A write was refused, and a poll that began after that found the row as it was believed to be."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class TransferReported:
    """What aria2 says of its transfer `n`. A `brief` report has no files."""

    attempt: Attempt
    n: int
    report: TransferReport
    brief: bool


@dataclass(frozen=True, slots=True)
class TransferHeard:
    """A notification came for its transfer `n`."""

    attempt: Attempt
    n: int
    what: str


@dataclass(frozen=True, slots=True)
class WindowOpened:
    """More of it may be begun now, as far as the others and the disk are concerned."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class ProgressDue:
    """aria2 was asked for all of it: it is time to write how far it is."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Condemned:
    """The disk, or the deaths of aria2, have shown that it cannot go on. See `teardown.end`."""

    attempt: Attempt
    failure: Failure
    own: bool = False
    discard: bool = False


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another attempt wants the row, or the torrent that is being served."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """This machine's lease may have run out: its row may be another machine's soon."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class LeaseRegained:
    """This machine has a lease again."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Aria2Back:
    """aria2 can be asked again."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Aria2Gone:
    """aria2 cannot be asked."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class HoldElapsed:
    """It has waited for as long as it was to."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class PatienceElapsed:
    """aria2 has not answered in time that its transfers are removed."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class TimeUp:
    """It has taken longer than DOWNLOAD_TIMEOUT allows."""

    attempt: Attempt


DerivedEvent = (
    Overtaken
    | RowConfirmed
    | TransferReported
    | TransferHeard
    | WindowOpened
    | ProgressDue
    | Condemned
    | Superseded
    | LeaseLost
    | LeaseRegained
    | Aria2Back
    | Aria2Gone
    | HoldElapsed
    | PatienceElapsed
    | TimeUp
)
"""What the machine makes of an event for one job. Never comes from outside."""

JobEvent = (
    Saved
    | SaveStale
    | SaveRejected
    | EntriesSaved
    | PlanRead
    | TransfersAdded
    | AddFailed
    | TransfersRemoved
    | RemoveFailed
    | Inquired
    | Detected
    | Extracted
    | Listed
    | Reclassified
    | Joined
    | Finished
    | WorkFailed
    | Discarded
)
"""What happened to one attempt of one row."""

Event = (
    JobEvent
    | DatabaseChanged
    | RowsPolled
    | Recovered
    | DatabaseFailed
    | LeaseRenewed
    | RenewalFailed
    | TakenOver
    | Aria2Connected
    | Aria2Lost
    | TransferNotified
    | TransfersReported
    | AllowanceUsed
    | AskFailed
    | CleanedUp
    | DiskMeasured
    | TimePassed
    | HoursChanged
    | ShutdownRequested
)
"""Whatever can happen."""
