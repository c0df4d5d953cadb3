"""The public schema of the journal.

A notice is a fact worth telling a person or a log. The contract: within one `v` fields and kinds of
notice may be added, none is renamed, removed or given another meaning; readers ignore what they do
not know. No notice holds a secret: URLs come with user info, query values and fragments removed.

Moments are ISO 8601 in UTC, spans are seconds, sizes are bytes, speeds are bytes per second.
"""

# Without `from __future__ import annotations`: pydantic would compile each annotation of a model again.

from collections.abc import Collection
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from reactor.models import Kind, Status

SCHEMA_VERSION: Literal[1] = 1


class _Notice(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class _OfDownload(_Notice):
    """A notice about one row."""

    download_id: int
    """The row's `id`."""
    attempt: int = 0
    """How often the row was claimed; 0: never."""


class ReactorStarted(_Notice):
    """reactor serves the database from now on."""

    event: Literal["reactor_started"] = "reactor_started"
    version: str
    """Of reactor."""
    pid: int
    """Of its process."""
    database: str
    """Absolute path."""
    download_dir: str
    """Where finished files go, as aria2c's machine sees it."""
    database_made: bool = False
    """True when there was no such file, and this run has made it."""


class ReactorDraining(_Notice):
    """It was asked to end, and lets what is under way end before (DRAIN_S); nothing new begins."""

    event: Literal["reactor_draining"] = "reactor_draining"
    reason: str
    """The signal's name."""
    under_way: int
    """Rows that may end."""
    until: float
    """What has not ended by then is left to the next run, or to another machine; seconds since 1970."""


class ReactorStopped(_Notice):
    """The last notice of a run."""

    event: Literal["reactor_stopped"] = "reactor_stopped"
    reason: str
    """The signal's name, or a sentence."""
    left: int = 0
    """Rows left under way, to be resumed by the next run."""


class EntriesLost(_Notice):
    """Lines are missing here: their reader was too slow, or the disk was full. It has the `seq` of the last of them."""

    event: Literal["entries_lost"] = "entries_lost"
    count: int
    """How many."""


class Aria2Connected(_Notice):
    """The connection to aria2c is established."""

    event: Literal["aria2_connected"] = "aria2_connected"
    version: str
    """Of aria2."""
    url: str
    """Of its RPC."""
    restarted: bool = False
    """True when it is another aria2c process than before."""


class Aria2Lost(_Notice):
    """The connection to aria2c broke. reactor reconnects, and transfers continue."""

    event: Literal["aria2_lost"] = "aria2_lost"
    reason: str
    """A sentence."""


class DatabaseTroubled(_Notice):
    """The database could not be read or written. reactor keeps trying."""

    event: Literal["database_troubled"] = "database_troubled"
    reason: str
    """A sentence."""


class DatabaseRecovered(_Notice):
    """The database works again after `database_troubled`, or was replaced by another file and opened anew."""

    event: Literal["database_recovered"] = "database_recovered"
    replaced: bool = False
    """True when another file has taken its place."""


class LeaseLost(_Notice):
    """This machine could not renew its lease in time, and has stopped what it had under way: others may take that over.
    It goes on with what is still its own when it has a lease again."""

    event: Literal["lease_lost"] = "lease_lost"
    held_s: float
    """For so long a lease is held without a renewal."""


class LeaseRegained(_Notice):
    """This machine has a lease again after `lease_lost`."""

    event: Literal["lease_regained"] = "lease_regained"


class TokenRefused(_Notice):
    """Wrong tokens were sent to the page. Reported at most once per minute."""

    event: Literal["token_refused"] = "token_refused"
    address: str
    """Where the last one came from."""
    count: int
    """Since it was told last."""


class StatusUnserved(_Notice):
    """Rows have a status that reactor does not serve, so they wait for ever. Reported once per run."""

    event: Literal["status_unserved"] = "status_unserved"
    status: str | None
    """Their word for it; null where it is NULL, in a column that has a default."""
    count: int
    """How many there are now; 10 000: that many or more."""
    first_download_id: int
    """The `id` of the first."""


class TableUnserved(_Notice):
    """`downloads` is empty, and another table that looks like the bot's queue has rows. Reported once per run."""

    event: Literal["table_unserved"] = "table_unserved"
    table: str
    """Its name."""


class MirrorMended(_Notice):
    """A table of the bot's that is attached had lost its triggers, as when a migration makes it anew, and has them
    again."""

    event: Literal["mirror_mended"] = "mirror_mended"
    table: str
    """Its name."""
    taken: int
    """Rows that waited in it meanwhile."""


class MirrorBroken(_Notice):
    """Rows of a table of the bot's that is attached are not served. Each reason is reported once per run."""

    event: Literal["mirror_broken"] = "mirror_broken"
    table: str
    """Its name."""
    reason: str
    """Half a sentence."""


class DownloadStuck(_OfDownload):
    """The bot's table rejects every write to this row, even that it failed, so it is skipped. Each reason is reported
    once per run."""

    event: Literal["download_stuck"] = "download_stuck"
    error: str
    """A sentence."""


class WebhookTroubled(_Notice):
    """The receiver of WEBHOOK_URL does not take what it is sent. It is sent again, for an hour at most. Reported once
    until it has taken all that."""

    event: Literal["webhook_troubled"] = "webhook_troubled"
    reason: str
    """Half a sentence."""
    for_good: bool = False
    """True where it wants nothing more (410): nothing is sent to it until reactor is started again."""


class WebhookRecovered(_Notice):
    """The receiver of WEBHOOK_URL takes what it is sent again, after `webhook_troubled`."""

    event: Literal["webhook_recovered"] = "webhook_recovered"
    lost: int
    """Notices that it will not get: they were an hour old, or too many waited."""


class FilesUnwatched(_Notice):
    """The database's files cannot be watched: changes are found by polling, a little later."""

    event: Literal["files_unwatched"] = "files_unwatched"
    reason: str
    """A sentence."""


class PresetsUnusable(_Notice):
    """The file of presets was changed, and cannot be used as it is: rows get the presets that it had before."""

    event: Literal["presets_unusable"] = "presets_unusable"
    reason: str
    """A sentence."""


class YtdlpOutdated(_Notice):
    """yt-dlp is old: sites have changed since. `reactor update` upgrades it."""

    event: Literal["ytdlp_outdated"] = "ytdlp_outdated"
    version: str
    """Of yt-dlp."""
    days: int
    """Since it was released."""


class ExtractorUnusable(_Notice):
    """An installed extractor cannot be used: its URLs go on as if it were not installed. `reactor doctor` lists all."""

    event: Literal["extractor_unusable"] = "extractor_unusable"
    name: str
    """Of the extractor."""
    reason: str
    """A sentence."""


class HoursChanged(_Notice):
    """By the clock downloads begin from now on (`HOURS`), or none does and those that run go on. At the start it is
    told where none begins."""

    event: Literal["hours_changed"] = "hours_changed"
    open: bool
    """True when downloads begin."""


class SpeedLimitChanged(_Notice):
    """By the clock another speed is allowed (`SPEED_WINDOWS`). At the start it is told where that is not
    `SPEED_LIMIT`."""

    event: Literal["speed_limit_changed"] = "speed_limit_changed"
    limit: int
    """Bytes/s of all downloads together; 0: any."""


class DiskFull(_Notice):
    """Less than the required disk space is free: no download starts, running ones wait."""

    event: Literal["disk_full"] = "disk_full"
    free: int
    """Bytes."""
    needed: int
    """Bytes that have to be free before anything begins."""


class DiskFreed(_Notice):
    """Enough disk space is free again."""

    event: Literal["disk_freed"] = "disk_freed"
    free: int
    """Bytes."""


class DownloadClaimed(_OfDownload):
    """A pending row was claimed: an attempt begins."""

    event: Literal["download_claimed"] = "download_claimed"
    url: str
    """Without its secrets."""
    waited_s: float | None = None
    """Since `added_date`; null when that is no date."""


class DownloadResumed(_OfDownload):
    """A row found under way after a restart goes on in the same attempt."""

    event: Literal["download_resumed"] = "download_resumed"
    url: str
    """Without its secrets."""
    stage: str
    """Where it goes on."""
    crashes: int = 0
    """How often in a row reactor has crashed while it worked on it."""


class DownloadHeldBack(_OfDownload):
    """reactor has crashed several times in a row while it worked on this row. The row is held back for a while after
    the restart, then tried again; after one more crash it fails (`crashed`)."""

    event: Literal["download_held_back"] = "download_held_back"
    crashes: int
    """How often."""
    delay_s: float
    """For how long."""


class DownloadDetected(_OfDownload):
    """Stage 1 is over."""

    event: Literal["download_detected"] = "download_detected"
    kind: Kind
    """What it will be tried as."""
    why: str
    """What told: for a person."""


class DownloadReclassified(_OfDownload):
    """An extractor found nothing, and the next one is tried."""

    event: Literal["download_reclassified"] = "download_reclassified"
    from_kind: Kind
    """What found nothing."""
    to_kind: Kind
    """What is tried next."""
    why: str
    """A sentence."""


class DownloadExtracted(_OfDownload):
    """Stage 2 is over: what there is to fetch is known."""

    event: Literal["download_extracted"] = "download_extracted"
    kind: Kind
    """What worked."""
    title: str | None = None
    """As the server, the page or the torrent has it: a stranger's text."""
    size: int | None = None
    """Bytes; null while unknown."""
    parts: int = 1
    """How many files or segments are fetched."""
    continues: bool = False
    """True when partial files of an earlier attempt are continued."""
    reuses: int | None = None
    """The row that has brought the same, which is linked in place of a fetch (`again`)."""


class DownloadProgressed(_OfDownload):
    """Progress of the stage, 0 to 100: joining starts at 0 again."""

    event: Literal["download_progressed"] = "download_progressed"
    stage: Literal["metadata", "fetching", "finishing"] = "fetching"
    """`metadata`: it is found out what a magnet link stands for. `finishing`: what was fetched in parts is being
    joined."""
    progress: float | None = None
    """0 to 100; null while the size is unknown."""
    completed: int
    """Bytes."""
    size: int | None = None
    """Bytes; null while unknown."""
    speed: int
    """Bytes per second."""
    eta_s: int | None = None
    """Seconds left; null when nothing moves."""
    peers: int | None = None
    """Of a torrent: connections to those who share it."""


class DownloadLane(_OfDownload):
    """It has come so slowly for a minute that it takes up no slot (SLOW_KIB): others are served beside it, SLOW_MAX at
    most. Or it is quick again, and takes one."""

    event: Literal["download_lane"] = "download_lane"
    slow: bool
    """True while it takes up no slot."""
    speed: int
    """Bytes per second, on the average of that minute."""


class DownloadFinishing(_OfDownload):
    """All bytes are there; they are being checked, joined and published."""

    event: Literal["download_finishing"] = "download_finishing"


class DownloadCompleted(_OfDownload):
    """The row says `downloaded`: the file is there under its final name."""

    event: Literal["download_completed"] = "download_completed"
    path: str
    """Where the file, or a torrent's folder, is."""
    size: int
    """Bytes."""
    took_s: float
    """Since this attempt was taken up."""
    notes: tuple[str, ...] = ()
    """As in the column `notes`, one for each line."""


class DownloadAsked(_OfDownload):
    """The row says `choosing`: it asks what is to be fetched."""

    event: Literal["download_asked"] = "download_asked"
    formats: int
    """How many qualities there are to choose from."""
    subtitles: int
    """How many languages of subtitles."""
    items: int
    """How many entries of a list."""
    files: int
    """How many files of a torrent."""
    wait_s: float
    """So long it waits for the answer."""


class DownloadYielded(_OfDownload):
    """It has had its slot for SLICE, and another owner waits who has had less: it is `pending` again, keeps what is
    there of it, and goes on when its owner is next. No retry is used."""

    event: Literal["download_yielded"] = "download_yielded"
    used_s: float
    """So long it had the slot."""
    progress: float | None = None
    """How far it is, 0 to 100."""


class DownloadRetryScheduled(_OfDownload):
    """An attempt failed with a passing error; the next one begins in `delay_s`."""

    event: Literal["download_retry_scheduled"] = "download_retry_scheduled"
    code: str
    """As in the column `error_code`."""
    error: str
    """As in the column `error`: a sentence for a person."""
    retry: int
    """Which retry it will be, from 1."""
    retries_max: int
    """How many there may be (`MAX_DOWNLOAD_RETRIES`)."""
    delay_s: float
    """Until then."""


class DownloadFailed(_OfDownload):
    """The row says `failed`."""

    event: Literal["download_failed"] = "download_failed"
    code: str
    """As in the column `error_code`: a stable word."""
    error: str
    """As in the column `error`: a sentence for a person."""


class DownloadCancelled(_OfDownload):
    """The row was cancelled or deleted, and all its work has stopped."""

    event: Literal["download_cancelled"] = "download_cancelled"
    how: Literal["asked", "status", "deleted", "pending"]
    """`asked`: cancelled = 1. `status`: the bot wrote status = 'cancelled'. `deleted`: the row is gone.
    `pending`: it had not begun."""


class ListFound(_OfDownload):
    """The URL stands for several things: each will become a row of its own."""

    event: Literal["list_found"] = "list_found"
    kind: Kind
    """What worked."""
    title: str | None = None
    """As the site has it: a stranger's text."""
    entries: int
    """How many are wanted of it."""


class ListExpanded(_OfDownload):
    """All entries of a list have their rows: what becomes of them decides what becomes of it."""

    event: Literal["list_expanded"] = "list_expanded"
    entries: int
    """How many there are."""
    notes: tuple[str, ...] = ()
    """What of the list was left out."""


class ListEnded(_OfDownload):
    """All entries of a list are over, and its row says so."""

    event: Literal["list_ended"] = "list_ended"
    status: Status
    """As its row has it."""
    done: int
    """Entries that came."""
    failed: int
    """Entries that did not."""
    error: str | None = None
    """As in the column `error`; null when all came."""


class FileDeleted(_OfDownload):
    """What a row had brought was deleted, as KEEP_DAYS, KEEP_GIB or DELETE_STATUSES ask for."""

    event: Literal["file_deleted"] = "file_deleted"
    path: str
    """Where the file, or a torrent's folder, was."""
    size: int
    """Bytes that this has freed; 0 while another row has the same file."""
    reason: Literal["age", "size", "status"]
    """It was older than KEEP_DAYS; there was more than KEEP_GIB; the bot has given its row one of DELETE_STATUSES."""


class FileLeft(_OfDownload):
    """What a row had brought was to be deleted, and was not."""

    event: Literal["file_left"] = "file_left"
    path: str
    """Where it is."""
    reason: str
    """Half a sentence."""
    for_good: bool
    """True where something else stands there now, which is not reactor's: it is not tried again."""


class SeedingEnded(_OfDownload):
    """A finished torrent is no longer served to others."""

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


EVENTS: frozenset[str] = frozenset(kind.model_fields["event"].default for kind in get_args(Notice))
"""The names of all of them."""


def chosen(named: Collection[str], usual: frozenset[str]) -> frozenset[str]:
    """What a setting names: `*` is all but progress; nothing is what is `usual`."""
    if not named:
        return usual
    return (EVENTS - {"download_progressed"} if "*" in named else frozenset()) | (frozenset(named) - {"*"})


class Entry(BaseModel):
    """One line of the journal: a notice, with its place in the stream."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    v: Literal[1] = SCHEMA_VERSION
    """The version of the schema; each line has it, the first one too."""
    seq: int
    """Counts from 1 in each run. A gap means that lines were lost on the way; `entries_lost` says how many."""
    at: str
    """ISO 8601, UTC, with milliseconds."""
    notice: Annotated[Notice, Field(discriminator="event")]


NOTICE: TypeAdapter[Notice] = TypeAdapter(
    Annotated[Notice, Field(discriminator="event")], config=ConfigDict(defer_build=True)
)
"""Validates one notice from JSON."""
