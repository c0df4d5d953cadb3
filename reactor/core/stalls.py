"""Whether a job has come to a standstill, or to what is nearly one: it would keep its place for ever. And whether it
crawls: then it keeps nobody else from a place."""

from __future__ import annotations

import math
from collections.abc import Iterator

from reactor.core.job import Job
from reactor.errors import Failure

KIB = 1024
NAMES_MAX = 5
"""Files that are named where they are not whole."""
NOBODY = "Nobody who has this torrent was found"
REFUSED = "Get the link anew from where it is shared."
LATER = "Nobody seems to share the rest at the moment."


def stalled(job: Job, limit_s: float, min_speed: float, now: float) -> Failure | None:
    """What is to be said of a job that has not moved for `limit_s`, or slower than `min_speed` (bytes/s) on the
    average of so long a time; None while it moves, or is not allowed to. 0 is no limit, for both."""
    progress = job.progress
    if not limit_s or all(transfer.waiting for transfer in progress.given.values()):
        progress.moves(now)
        return None
    if now - progress.moved_at >= limit_s:
        return _still(job, limit_s)
    pace = progress.pace.measured(progress.arrived, now, limit_s)
    return _slow(job, min_speed, pace[1]) if pace is not None and pace[0] < min_speed else None


def least_speed(job: Job, min_speed: float) -> float:
    """Bytes/s under which a job is blamed: `min_speed`, and no more than half of what its row allows it."""
    return min(min_speed, (job.options.speed_kib or math.inf) * KIB / 2)


def flows(job: Job, min_speed: float, now: float) -> bool:
    """True when it moves, and not more slowly than it may since that is measured: what does not is on its way to being
    stalled, and keeps its place until then."""
    progress = job.progress
    if progress.pace.since is None or progress.pace.since >= now:  # that was just measured, or nobody asks for it
        return True
    took = now - progress.pace.since
    return progress.arrived - progress.pace.bytes >= max(1.0, least_speed(job, min_speed) * took)


def crawling(job: Job, slow_speed: float, slow_after_s: float, now: float) -> float | None:
    """The average speed (bytes/s) of the last `slow_after_s`, once they are over. `progress.crawls` says then whether
    that is less than `slow_speed`."""
    progress = job.progress
    if all(transfer.waiting for transfer in progress.given.values()):
        progress.lane.since = None
        return None
    pace = progress.lane.measured(progress.arrived, now, slow_after_s)
    if pace is None:
        return None
    progress.crawls = pace[0] < slow_speed
    return pace[0]


def _slow(job: Job, min_speed: float, took: float) -> Failure:
    message = f"It came at less than {min_speed / KIB:g} KiB/s (MIN_SPEED_KIB) for {took:.0f} s."
    return Failure("no_peers" if job.torrent else "timeout", message, None, True)


def _still(job: Job, limit_s: float) -> Failure:
    if not job.torrent:
        return Failure("timeout", f"No byte came for {limit_s:g} s.", None, True)
    known = any(transfer.total or transfer.fetch.size for transfer in job.progress.transfers if not transfer.describes)
    found = job.progress.why_still
    if found is not None and found.refused:
        return Failure("no_peers", f"The tracker of this torrent refuses it: {found.refused}", REFUSED, True)
    message = f"No byte of the torrent came for {limit_s:g} s" if known else f"{NOBODY} within {limit_s:g} s"
    facts = [f"{each}." for each in _facts(job, known=known)]
    hint = " ".join([*facts, "Nobody seems to share it at the moment." if not job.progress.bytes_arrived else LATER])
    return Failure("no_peers", f"{message}.", hint, True)


def _facts(job: Job, *, known: bool) -> Iterator[str]:
    """What is known of a torrent that stands still, in sentences without their full stops."""
    progress = job.progress
    found, share = progress.why_still, progress.share
    most = progress.swarm.most if progress.swarm is not None else 0
    if known and share:
        # Rounded down: 100 % that are not there would be a riddle.
        yield f"{math.floor(share * 1000) / 10:g} % are there"
    if known and share and found is not None and found.whole and 0 < len(found.lacking) <= NAMES_MAX:
        yield f"What is not whole: {', '.join(found.lacking)}"
    if most:
        peers = "1 peer was" if most == 1 else f"{most} peers were"
        yield f"{peers} seen, who did not have {'the rest' if known else 'it'}"
    elif found is not None and found.seeds is not None:
        yield f"Its tracker knows {found.seeds or 'nobody'} who {'has' if found.seeds < 2 else 'have'} all of it"
