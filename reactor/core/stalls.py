"""Whether a job has come to a standstill, or to what is nearly one: it would keep its place for ever."""

from __future__ import annotations

from reactor.core.job import Job
from reactor.errors import Failure

KIB = 1024


def stalled(job: Job, limit_s: float, min_speed: float, now: float) -> Failure | None:
    """What is to be said of a job that has not moved for `limit_s`, or slower than `min_speed` (bytes/s) on the
    average of so long a time; None while it moves, or is not allowed to. 0 is no limit, for both."""
    progress = job.progress
    if not limit_s or all(transfer.waiting for transfer in progress.given.values()):
        progress.moves(now)
        return None
    if now - progress.moved_at >= limit_s:
        return _still(job, limit_s)
    if progress.pace_started_at is None:
        progress.pace_started_at, progress.pace_start_bytes = now, progress.fetched
    took = now - progress.pace_started_at
    if took < limit_s:
        return None
    speed = (progress.fetched - progress.pace_start_bytes) / took
    progress.pace_started_at, progress.pace_start_bytes = now, progress.fetched
    return _slow(job, min_speed, took) if speed < min_speed else None


def _slow(job: Job, min_speed: float, took: float) -> Failure:
    message = f"It came at less than {min_speed / KIB:g} KiB/s (MIN_SPEED_KIB) for {took:.0f} s."
    return Failure("no_peers" if job.torrent else "timeout", message, None, True)


def _still(job: Job, limit_s: float) -> Failure:
    if not job.torrent:
        return Failure("timeout", f"No byte came for {limit_s:g} s.", None, True)
    known = any(transfer.total for transfer in job.progress.transfers if transfer.followers or not transfer.fetch.urls)
    what = "of the torrent" if known else "who has this torrent"
    message = f"No byte {what} came for {limit_s:g} s." if known else f"Nobody {what} was found within {limit_s:g} s."
    return Failure("no_peers", message, "Nobody seems to share it at the moment.", True)
