"""The public schema of the journal.

A notice is an event for people or logs. The contract: within one `v` fields and kinds of notice may be
added, none is renamed, removed or given another meaning; readers ignore unknown ones. Notices contain no
secrets: user info, query values and fragments are removed from URLs.

Times are ISO 8601 in UTC, durations are seconds, sizes are bytes, speeds are bytes per second.
"""

# No models of pydantic: at each start these fifty would take as long to make as all others together. Lines are
# validated where they are read (`journal/ndjson.py`).
# Without `from __future__ import annotations`: each annotation would be compiled again there.

from collections.abc import Collection
from typing import Literal, get_args

from reactor.models import Kind, Status
from reactor.records import dataclass

SCHEMA_VERSION: Literal[1] = 1


@dataclass(frozen=True, kw_only=True)
class _OfDownload:
    """A notice about one row."""

    download_id: int
    """The row's `id`."""
    attempt: int = 0
    """How often the row was claimed; 0: never."""


@dataclass(frozen=True, kw_only=True)
class ReactorStarted:
    """reactor has started to serve the database."""

    event: Literal["reactor_started"] = "reactor_started"
    version: str
    """Of reactor."""
    pid: int
    """Of its process."""
    database: str
    """Absolute path."""
    download_dir: str
    """Folder for finished files, as a path on the machine of aria2c."""
    database_made: bool = False
    """True when this run has created it."""


@dataclass(frozen=True, kw_only=True)
class ReactorDraining:
    """A signal has asked reactor to stop. Running downloads may finish first (DRAIN_S); none starts."""

    event: Literal["reactor_draining"] = "reactor_draining"
    reason: str
    """The signal's name."""
    under_way: int
    """Rows that may finish."""
    until: float
    """When the rest is left to the next run, or to another machine; Unix time in seconds."""


@dataclass(frozen=True, kw_only=True)
class ReactorStopped:
    """The last notice of a run."""

    event: Literal["reactor_stopped"] = "reactor_stopped"
    reason: str
    """The signal's name, or a sentence."""
    left: int = 0
    """Rows left under way, to be resumed by the next run."""


@dataclass(frozen=True, kw_only=True)
class EntriesLost:
    """Lines were dropped here: their reader was too slow, or the disk was full. Has the `seq` of the last of them."""

    event: Literal["entries_lost"] = "entries_lost"
    count: int
    """How many."""


@dataclass(frozen=True, kw_only=True)
class Aria2Connected:
    """The connection to aria2c is established."""

    event: Literal["aria2_connected"] = "aria2_connected"
    version: str
    """Of aria2."""
    url: str
    """Of its RPC."""
    restarted: bool = False
    """True when it is another aria2c process than before."""


@dataclass(frozen=True, kw_only=True)
class Aria2Lost:
    """The connection to aria2c broke. reactor reconnects, and transfers continue."""

    event: Literal["aria2_lost"] = "aria2_lost"
    reason: str
    """A sentence."""


@dataclass(frozen=True, kw_only=True)
class DatabaseTroubled:
    """The database could not be read or written. reactor keeps trying."""

    event: Literal["database_troubled"] = "database_troubled"
    reason: str
    """A sentence."""


@dataclass(frozen=True, kw_only=True)
class DatabaseRecovered:
    """The database works again after `database_troubled`, or was replaced by another file and opened anew."""

    event: Literal["database_recovered"] = "database_recovered"
    replaced: bool = False
    """True when another file has taken its place."""


@dataclass(frozen=True, kw_only=True)
class LeaseLost:
    """This machine could not renew its lease in time, and has stopped its downloads: others may take them over. When it
    has a lease again, it resumes those that are still its own."""

    event: Literal["lease_lost"] = "lease_lost"
    held_s: float
    """How long a lease is valid without a renewal."""


@dataclass(frozen=True, kw_only=True)
class LeaseRegained:
    """This machine has a lease again after `lease_lost`."""

    event: Literal["lease_regained"] = "lease_regained"


@dataclass(frozen=True, kw_only=True)
class TokenRefused:
    """Wrong tokens were sent to the page. Reported at most once per minute."""

    event: Literal["token_refused"] = "token_refused"
    address: str
    """Where the last one came from."""
    count: int
    """Since the last report."""


@dataclass(frozen=True, kw_only=True)
class StatusUnserved:
    """Rows have a status that reactor does not serve, such as another word for `pending`. Reported once per run."""

    event: Literal["status_unserved"] = "status_unserved"
    status: str | None
    """The status; null for NULL in a column that has a default."""
    count: int
    """Number of such rows, up to 10 000."""
    first_download_id: int
    """The `id` of the first."""


@dataclass(frozen=True, kw_only=True)
class TableUnserved:
    """`downloads` is empty, and another table that looks like the bot's queue has rows. Reported once per run."""

    event: Literal["table_unserved"] = "table_unserved"
    table: str
    """Its name."""


@dataclass(frozen=True, kw_only=True)
class MirrorMended:
    """An attached table had lost its triggers, such as in a migration, and reactor has restored them."""

    event: Literal["mirror_mended"] = "mirror_mended"
    table: str
    """Its name."""
    taken: int
    """Rows that were waiting in it."""


@dataclass(frozen=True, kw_only=True)
class MirrorBroken:
    """Rows of an attached table are not served. Each reason is reported once per run."""

    event: Literal["mirror_broken"] = "mirror_broken"
    table: str
    """Its name."""
    reason: str
    """Half a sentence."""


@dataclass(frozen=True, kw_only=True)
class DownloadStuck(_OfDownload):
    """The bot's table rejects every write to this row, even that it failed, so it is skipped. Each reason is reported
    once per run."""

    event: Literal["download_stuck"] = "download_stuck"
    error: str
    """A sentence."""


@dataclass(frozen=True, kw_only=True)
class WebhookTroubled:
    """The receiver of WEBHOOK_URL does not accept messages. They are sent again, for an hour at most. Reported once
    until it has accepted all of them."""

    event: Literal["webhook_troubled"] = "webhook_troubled"
    reason: str
    """Half a sentence."""
    for_good: bool = False
    """True if it answered 410: nothing more is sent until reactor is restarted."""


@dataclass(frozen=True, kw_only=True)
class WebhookRecovered:
    """The receiver of WEBHOOK_URL accepts messages again after `webhook_troubled`."""

    event: Literal["webhook_recovered"] = "webhook_recovered"
    lost: int
    """Messages that were dropped: they were an hour old, or too many were queued."""


@dataclass(frozen=True, kw_only=True)
class FilesUnwatched:
    """The files of the database cannot be watched: changes are found by polling, a little later."""

    event: Literal["files_unwatched"] = "files_unwatched"
    reason: str
    """A sentence."""


@dataclass(frozen=True, kw_only=True)
class PresetsUnusable:
    """The changed file of presets is invalid: the previous presets stay in use."""

    event: Literal["presets_unusable"] = "presets_unusable"
    reason: str
    """A sentence."""


@dataclass(frozen=True, kw_only=True)
class YtdlpOutdated:
    """yt-dlp is outdated. `reactor update` upgrades it."""

    event: Literal["ytdlp_outdated"] = "ytdlp_outdated"
    version: str
    """Of yt-dlp."""
    days: int
    """Since it was released."""


@dataclass(frozen=True, kw_only=True)
class ExtractorUnusable:
    """An installed extractor cannot be used, and is ignored. `reactor doctor` lists all."""

    event: Literal["extractor_unusable"] = "extractor_unusable"
    name: str
    """Of the extractor."""
    reason: str
    """A sentence."""


@dataclass(frozen=True, kw_only=True)
class HoursChanged:
    """Downloads may start from now on, or none starts while running ones continue (`HOURS`). Reported at startup if
    none may start."""

    event: Literal["hours_changed"] = "hours_changed"
    open: bool
    """True when downloads may start."""


@dataclass(frozen=True, kw_only=True)
class SpeedLimitChanged:
    """Another speed limit applies from now on (`SPEED_WINDOWS`). Reported at startup if it is not `SPEED_LIMIT`."""

    event: Literal["speed_limit_changed"] = "speed_limit_changed"
    limit: int
    """Bytes/s of all downloads together; 0: no limit."""


@dataclass(frozen=True, kw_only=True)
class DiskFull:
    """Less than the required disk space is free: no download starts, running ones wait."""

    event: Literal["disk_full"] = "disk_full"
    free: int
    """Bytes."""
    needed: int
    """Bytes that have to be free before a download starts."""


@dataclass(frozen=True, kw_only=True)
class DiskFreed:
    """Enough disk space is free again."""

    event: Literal["disk_freed"] = "disk_freed"
    free: int
    """Bytes."""


@dataclass(frozen=True, kw_only=True)
class DownloadClaimed(_OfDownload):
    """A pending row was claimed: an attempt begins."""

    event: Literal["download_claimed"] = "download_claimed"
    url: str
    """Without its secrets."""
    waited_s: float | None = None
    """Since `added_date`; null if that is not a date."""


@dataclass(frozen=True, kw_only=True)
class DownloadResumed(_OfDownload):
    """A row that was under way before a restart continues in the same attempt."""

    event: Literal["download_resumed"] = "download_resumed"
    url: str
    """Without its secrets."""
    stage: str
    """The stage from which it continues."""
    crashes: int = 0
    """Consecutive crashes of reactor while it worked on the row."""


@dataclass(frozen=True, kw_only=True)
class DownloadHeldBack(_OfDownload):
    """reactor has crashed several times in succession while it worked on this row, which is held back for a while, then
    tried again; after one more crash it fails (`crashed`)."""

    event: Literal["download_held_back"] = "download_held_back"
    crashes: int
    """How often."""
    delay_s: float
    """For how long."""


@dataclass(frozen=True, kw_only=True)
class DownloadDetected(_OfDownload):
    """The kind of the URL is known (stage 1)."""

    event: Literal["download_detected"] = "download_detected"
    kind: Kind
    """The kind that is tried first."""
    why: str
    """The reason, for people."""


@dataclass(frozen=True, kw_only=True)
class DownloadReclassified(_OfDownload):
    """An extractor found nothing, and the next one is tried."""

    event: Literal["download_reclassified"] = "download_reclassified"
    from_kind: Kind
    """The kind that found nothing."""
    to_kind: Kind
    """The kind that is tried next."""
    why: str
    """A sentence."""


@dataclass(frozen=True, kw_only=True)
class DownloadExtracted(_OfDownload):
    """The files to fetch are known (stage 2)."""

    event: Literal["download_extracted"] = "download_extracted"
    kind: Kind
    """What worked."""
    title: str | None = None
    """From the server, the page or the torrent: untrusted text."""
    size: int | None = None
    """Bytes; null while unknown."""
    parts: int = 1
    """Number of files or segments to fetch."""
    continues: bool = False
    """True when partial files of an earlier attempt are resumed."""
    reuses: int | None = None
    """The row whose file is reused instead of a download (option `again`)."""


@dataclass(frozen=True, kw_only=True)
class DownloadProgressed(_OfDownload):
    """Progress within a stage; joining starts at 0 again."""

    event: Literal["download_progressed"] = "download_progressed"
    stage: Literal["metadata", "fetching", "finishing"] = "fetching"
    """`metadata`: the torrent of a magnet link is requested from peers. `finishing`: parts are joined."""
    progress: float | None = None
    """0 to 100; null while the size is unknown."""
    completed: int
    """Bytes."""
    size: int | None = None
    """Bytes; null while unknown."""
    speed: int
    """Bytes per second."""
    eta_s: int | None = None
    """Seconds left; null when no data arrives."""
    peers: int | None = None
    """Of a torrent: connected peers."""


@dataclass(frozen=True, kw_only=True)
class DownloadLane(_OfDownload):
    """It was slower than SLOW_KIB for a minute and occupies no slot any more, or it is faster again and occupies one.
    SLOW_MAX limits how many occupy none."""

    event: Literal["download_lane"] = "download_lane"
    slow: bool
    """True while it occupies no slot."""
    speed: int
    """Average of that minute, bytes per second."""


@dataclass(frozen=True, kw_only=True)
class DownloadFinishing(_OfDownload):
    """All bytes were fetched; they are checked, joined and published."""

    event: Literal["download_finishing"] = "download_finishing"


@dataclass(frozen=True, kw_only=True)
class DownloadCompleted(_OfDownload):
    """The row is `downloaded`: the file has its final name."""

    event: Literal["download_completed"] = "download_completed"
    path: str
    """Path of the file, or of the folder."""
    size: int
    """Bytes."""
    took_s: float
    """Since this attempt started."""
    notes: tuple[str, ...] = ()
    """As in the column `notes`, one for each line."""


@dataclass(frozen=True, kw_only=True)
class DownloadAsked(_OfDownload):
    """The row is `choosing`: it asks what to download."""

    event: Literal["download_asked"] = "download_asked"
    formats: int
    """Number of qualities."""
    subtitles: int
    """Number of subtitle languages."""
    items: int
    """Number of entries of a list."""
    files: int
    """Number of files of a torrent."""
    wait_s: float
    """How long it waits for the answer."""


@dataclass(frozen=True, kw_only=True)
class DownloadYielded(_OfDownload):
    """It has had its slot for SLICE, and another owner waits that has had less slot time: it is `pending` again, keeps
    its partial files, and resumes when its owner is next. No retry is used."""

    event: Literal["download_yielded"] = "download_yielded"
    used_s: float
    """How long it had the slot."""
    progress: float | None = None
    """Its progress, 0 to 100."""


@dataclass(frozen=True, kw_only=True)
class DownloadRetryScheduled(_OfDownload):
    """An attempt failed with an error that is retried; the next one starts in `delay_s`."""

    event: Literal["download_retry_scheduled"] = "download_retry_scheduled"
    code: str
    """As in the column `error_code`."""
    error: str
    """As in the column `error`: a sentence for a person."""
    retry: int
    """Which retry it will be, from 1."""
    retries_max: int
    """Limit of retries (`MAX_DOWNLOAD_RETRIES`)."""
    delay_s: float
    """Seconds until the next attempt."""


@dataclass(frozen=True, kw_only=True)
class DownloadFailed(_OfDownload):
    """The row is `failed`."""

    event: Literal["download_failed"] = "download_failed"
    code: str
    """As in the column `error_code`."""
    error: str
    """As in the column `error`: a sentence for a person."""


@dataclass(frozen=True, kw_only=True)
class DownloadCancelled(_OfDownload):
    """The row was cancelled or deleted, and all its work has stopped."""

    event: Literal["download_cancelled"] = "download_cancelled"
    how: Literal["asked", "status", "deleted", "pending"]
    """`asked`: cancelled = 1. `status`: the bot wrote status = 'cancelled'. `deleted`: the row is gone.
    `pending`: it had not started."""


@dataclass(frozen=True, kw_only=True)
class ListFound(_OfDownload):
    """The URL is a list: each entry will become a row."""

    event: Literal["list_found"] = "list_found"
    kind: Kind
    """What worked."""
    title: str | None = None
    """From the site: untrusted text."""
    entries: int
    """Number of entries that the row asks for."""


@dataclass(frozen=True, kw_only=True)
class ListExpanded(_OfDownload):
    """All entries of a list have their rows; the list ends when they have ended."""

    event: Literal["list_expanded"] = "list_expanded"
    entries: int
    """Number of entries."""
    notes: tuple[str, ...] = ()
    """What was left out of the list."""


@dataclass(frozen=True, kw_only=True)
class ListEnded(_OfDownload):
    """All entries of a list have ended, and so has its row."""

    event: Literal["list_ended"] = "list_ended"
    status: Status
    """Status of its row."""
    done: int
    """Entries that were downloaded."""
    failed: int
    """Entries that were not."""
    error: str | None = None
    """As in the column `error`; null when all were downloaded."""


@dataclass(frozen=True, kw_only=True)
class FileDeleted(_OfDownload):
    """The file of a row was deleted by KEEP_DAYS, KEEP_GIB or DELETE_STATUSES."""

    event: Literal["file_deleted"] = "file_deleted"
    path: str
    """Former path of the file, or of the folder."""
    size: int
    """Bytes that were freed; 0 if another row has the same file."""
    reason: Literal["age", "size", "status"]
    """`age`: older than KEEP_DAYS. `size`: all files were larger than KEEP_GIB. `status`: one of DELETE_STATUSES."""


@dataclass(frozen=True, kw_only=True)
class FileLeft(_OfDownload):
    """The file of a row was to be deleted, but was kept."""

    event: Literal["file_left"] = "file_left"
    path: str
    """Path of the file."""
    reason: str
    """Half a sentence."""
    for_good: bool
    """True if the path now has something that reactor did not publish: it is not tried again."""


@dataclass(frozen=True, kw_only=True)
class SeedingEnded(_OfDownload):
    """A finished torrent is no longer seeded."""

    event: Literal["seeding_ended"] = "seeding_ended"


Notice = (
    ReactorStarted
    | ReactorDraining
    | ReactorStopped
    | EntriesLost
    | Aria2Connected
    | Aria2Lost
    | DatabaseTroubled
    | DatabaseRecovered
    | LeaseLost
    | LeaseRegained
    | TokenRefused
    | StatusUnserved
    | TableUnserved
    | MirrorMended
    | MirrorBroken
    | DownloadStuck
    | WebhookTroubled
    | WebhookRecovered
    | FilesUnwatched
    | PresetsUnusable
    | YtdlpOutdated
    | ExtractorUnusable
    | HoursChanged
    | SpeedLimitChanged
    | DiskFull
    | DiskFreed
    | DownloadClaimed
    | DownloadResumed
    | DownloadHeldBack
    | DownloadDetected
    | DownloadReclassified
    | DownloadExtracted
    | DownloadProgressed
    | DownloadLane
    | DownloadFinishing
    | DownloadCompleted
    | DownloadAsked
    | DownloadYielded
    | DownloadRetryScheduled
    | DownloadFailed
    | DownloadCancelled
    | ListFound
    | ListExpanded
    | ListEnded
    | FileDeleted
    | FileLeft
    | SeedingEnded
)
"""Every kind of notice."""


EVENTS: frozenset[str] = frozenset(kind.event for kind in get_args(Notice))
"""The names of all of them."""


def chosen(named: Collection[str], usual: frozenset[str]) -> frozenset[str]:
    """The events that a setting names: `*`: all but progress; none: the `usual` ones."""
    if not named:
        return usual
    return (EVENTS - {"download_progressed"} if "*" in named else frozenset()) | (frozenset(named) - {"*"})


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the journal: a notice, with its place in the stream."""

    v: Literal[1] = SCHEMA_VERSION
    """The version of the schema; each line has it, the first one too."""
    seq: int
    """Counts from 1 in each run. A gap means that lines were lost on the way; `entries_lost` says how many."""
    at: str
    """ISO 8601, UTC, with milliseconds."""
    notice: Notice
