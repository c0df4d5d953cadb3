"""What we believe of a transfer against what aria2 says of it."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from reactor.core.events import TransferReport, TransferStatus
from reactor.core.job import Transfer, TransferState
from reactor.errors import Failure
from reactor.records import dataclass


class Change(StrEnum):
    """What comes of comparing."""

    UNDER_WAY = "under way"
    MOVED = "moved"
    """More bytes than last time."""
    FOLLOWED = "followed"
    """The metadata is there; aria2 goes on under another gid."""
    DONE = "done"
    MISSING = "missing"
    """aria2 does not have it (any more)."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TransferChange:
    """The outcome; `failure` with FAILED only."""

    change: Change
    failure: Failure | None = None


def reconcile(transfer: Transfer, report: TransferReport) -> TransferChange:
    """Take what `report` says into `transfer`, and tell what that means.

    A torrent is done when it has all its bytes: it may go on as a seeder, and its `complete` comes later."""
    status = report.status
    if status is TransferStatus.UNKNOWN:
        return _missing(transfer)
    if status in (TransferStatus.ERROR, TransferStatus.REMOVED):
        return TransferChange(Change.FAILED, report.failure)
    if report.followed_by and report.followed_by[0] == transfer.gone:
        transfer.gone, transfer.state = None, TransferState.PLANNED
        return TransferChange(Change.MISSING)
    if report.followed_by and report.gid == transfer.live_gid:
        transfer.followers += (report.followed_by[0],)
        transfer.completed = transfer.total = transfer.speed = 0
        transfer.size_reported = False
        return TransferChange(Change.FOLLOWED)
    if report.gid != transfer.live_gid:
        return TransferChange(Change.UNDER_WAY)
    report = _of_what_is_wanted(transfer, report)
    moved = report.completed > transfer.completed
    transfer.state, transfer.size_reported = TransferState.LIVE, True
    transfer.waiting = status in (TransferStatus.WAITING, TransferStatus.PAUSED)
    transfer.completed, transfer.speed = report.completed, report.speed
    # Of 20 000 parts that are whole it is one number that is held, not two.
    transfer.total = report.completed if report.total == report.completed else report.total
    transfer.files = report.files or transfer.files
    transfer.info_name = report.info_name or transfer.info_name
    # Of metadata that is whole aria2 says the same, before it is written.
    served = report.seeder and status is TransferStatus.ACTIVE and not transfer.describes
    transfer.seeding = served and transfer.fetch.torrent is not None
    if status is TransferStatus.COMPLETE or transfer.seeding:
        transfer.state = TransferState.DONE
        return TransferChange(Change.DONE)
    return TransferChange(Change.MOVED if moved else Change.UNDER_WAY)


def _of_what_is_wanted(transfer: Transfer, report: TransferReport) -> TransferReport:
    """The report in bytes of the files that are wanted of a torrent: aria2 counts their pieces, which others share."""
    torrent, size = transfer.fetch.torrent, transfer.fetch.size
    if torrent is None or torrent.metainfo is None or not size or not report.total or report.total == size:
        return report
    return replace(report, completed=report.completed * size // report.total, total=size)


def _missing(transfer: Transfer) -> TransferChange:
    # The metadata's gid may still be known, and then tells whom it was followed by.
    if transfer.followers:
        transfer.gone = transfer.live_gid
        transfer.followers = ()
        return TransferChange(Change.FOLLOWED)
    if (
        transfer.completed_notified
    ):  # aria2 keeps so many results (max-download-result); finishing looks whether all is there
        transfer.state = TransferState.DONE
        return TransferChange(Change.DONE)
    if transfer.unanswered:  # on its way to an aria2 that was started anew meanwhile: it may arrive yet
        transfer.state = TransferState.UNSURE
        return TransferChange(Change.UNDER_WAY)
    transfer.state = TransferState.PLANNED
    return TransferChange(Change.MISSING)
