"""What all steps share: the settings that the core needs, the jobs, and what is known of aria2.

A step gets it beside the job and the event. It may change it; what is to be done it returns.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

from reactor.core.commands import Command
from reactor.core.events import Leftover
from reactor.core.job import Job, Transfer
from reactor.core.quotas import Quotas
from reactor.core.retry import RetryPolicy
from reactor.core.turns import NO_CAPS, Caps
from reactor.records import dataclass

Commands = list[Command]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine is allowed: the part of the settings that the core needs."""

    concurrent: int = 1
    slow_max: int = 2
    """So many that crawl, or record a broadcast, take up no slot."""
    slow_speed: float = 500 * 1024.0
    """Bytes/s, on the average of `slow_after_s`: what is slower crawls."""
    slow_after_s: float = 60.0
    slice_s: float = 0.0
    """Seconds of slot after which a row yields to another owner that waits; 0: it keeps its slot."""
    parts: int = 16
    """How many parts of one row are fetched at once."""
    progress_interval_s: float = 5.0
    seeding: bool = False
    """True when finished torrents are served to others for a while."""
    stall_timeout_s: float = 120.0
    torrent_stall_timeout_s: float = 600.0
    partial_torrents: bool = False
    """True when of a torrent that nobody shares any more the files that are whole are published."""
    min_speed: float = 0.0
    """Bytes/s, on the average of a stall timeout; 0: as slow as it likes."""
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(5, 30.0, 3600.0))
    quotas: Quotas = field(default_factory=Quotas)
    caps: Caps = NO_CAPS
    playlist_max: int = 50
    """So many rows one row may become that stands for a list."""
    list_page: int = 50
    """So many of them are added in one transaction."""
    choosing_max_s: float = 86_400.0
    """So long a question waits for its answer."""
    jars: bool = False
    """True when a row that names no jar may be given cookies, too."""
    connections: int = 0
    """Connections per file, at most. Up to `widths.FEW` each begins with as many, and nothing is measured."""
    wide_bytes: int = 32 * 1024 * 1024
    """What is smaller is fetched by a few."""
    leased: bool = False
    """True when several machines may serve the queue: what is under way is its own only while it holds its lease."""
    embedded: bool = True
    """True when aria2 is a child of ours: what it has written is there when it says so, and all that it fetches from
    servers passes the guard."""


@dataclass(slots=True)
class Context:
    """The state beside the jobs. `now` (monotonic seconds) is set by the machine before each event."""

    limits: Limits
    now: float = 0.0
    instance: str = ""
    """The database's own id: gids derive from it."""
    leased: bool = True
    """True while the lease of this machine is held: see `lease`."""
    connected: bool = False
    """True while aria2 can be asked."""
    jobs: dict[int, Job] = field(default_factory=dict)
    """All that are under way, by the row's id."""
    gids: dict[str, tuple[Job, Transfer]] = field(default_factory=dict)
    """Of the transfers that aria2 has something to say of. Of thousands of parts that are few at a time."""
    leftovers: dict[int, Leftover] = field(default_factory=dict)
    """What attempts that are over may have left behind, by the row's id. See `leftovers`."""
    clean_up_at: float | None = None
    """When it is tried again to clean up what could not be cleaned up."""
    unneeded_results: list[str] = field(default_factory=list)
    """gids whose results aria2 may drop."""
    tidy_pending: list[int] = field(default_factory=list)
    """Rows whose files stand where they belong, and that say so: the record of it may go."""
    on_trial: list[Job] = field(default_factory=list)
    """Those that the process may die of, while they are tried: see `crashes`."""
    space_doubted: bool = False
    """Something found no space: nothing is begun before the disk was measured."""
    shared: bool = False
    """True once a row had an owner: from then on the time of all is charged."""
    polls: int = 0
    """How often the rows were polled."""
    taken: dict[str, None] = field(default_factory=dict)
    """The names of the steps that the last event led to, in that order, for `reactor replay`."""

    def sort(self, job: Job, transfer: Transfer) -> None:
        """Put a transfer where its state belongs: whoever changes a state calls this."""
        job.progress.sort(transfer)
        if transfer.n in job.progress.given:
            transfer.kept_gid = transfer.gid
            self.gids.update((gid, (job, transfer)) for gid in transfer.gids)
        elif len(job.progress.transfers) > 1:  # what is still said of it changes nothing
            for gid in transfer.gids:
                self.gids.pop(gid, None)
            transfer.kept_gid = ""

    def disown(self, job: Job) -> None:
        """Nothing that aria2 says is about this job any more."""
        self.gids = {gid: found for gid, found in self.gids.items() if found[0] is not job}


def of(job: Job) -> dict[str, Any]:
    """The fields that every notice about a job has."""
    return {"download_id": job.id, "attempt": job.attempt.number}
