"""One of every notice."""

from __future__ import annotations

from reactor import notices as n
from reactor.models import Kind, Status

EVERY: tuple[n.Notice, ...] = (
    n.ReactorStarted(version="1.2.3", pid=7, database="bot.db", download_dir="downloads"),
    n.ReactorDraining(reason="SIGTERM", under_way=2, until=1_800_000_000.0),
    n.ReactorStopped(reason="SIGTERM", left=1),
    n.EntriesLost(count=3),
    n.Aria2Connected(version="1.37.0", url="ws://127.0.0.1:6800/jsonrpc", restarted=True),
    n.Aria2Lost(reason="the connection was closed."),
    n.DatabaseTroubled(reason="disk I/O error."),
    n.DatabaseRecovered(replaced=True),
    n.LeaseLost(held_s=20.0),
    n.LeaseRegained(),
    n.TokenRefused(address="192.168.7.3", count=3),
    n.StatusUnserved(status="queued", count=5, first_download_id=1),
    n.TableUnserved(table="tasks"),
    n.MirrorMended(table="jobs", taken=2),
    n.MirrorBroken(table="jobs", reason="its column `state` is gone"),
    n.DownloadStuck(download_id=3, error="The bot's database does not take it."),
    n.WebhookTroubled(reason="it answers with HTTP 500"),
    n.WebhookRecovered(lost=3),
    n.FilesUnwatched(reason="the limit of watches is reached."),
    n.PresetsUnusable(reason="the preset `a` is no table."),
    n.YtdlpOutdated(version="2026.7.4", days=90),
    n.ExtractorUnusable(name="filehost", reason="It does not say which URLs it is for."),
    n.HoursChanged(open=False),
    n.SpeedLimitChanged(limit=2 * 2**20),
    n.DiskFull(free=50 * 2**20, needed=100 * 2**20),
    n.DiskFreed(free=2**33),
    n.DownloadClaimed(download_id=3, attempt=1, url="http://127.0.0.1/a.bin", waited_s=0.1),
    n.DownloadResumed(download_id=3, attempt=1, url="http://127.0.0.1/a.bin", stage="fetching"),
    n.DownloadHeldBack(download_id=3, attempt=1, crashes=2, delay_s=10.0),
    n.DownloadDetected(download_id=3, attempt=1, kind=Kind.DIRECT, why="the suffix .bin"),
    n.DownloadReclassified(
        download_id=3, attempt=1, from_kind=Kind.YTDLP, to_kind=Kind.PLAYWRIGHT, why="unsupported page"
    ),
    n.DownloadExtracted(download_id=3, attempt=1, kind=Kind.DIRECT, title="a.bin", size=2048, parts=2, continues=True),
    n.DownloadLane(download_id=3, attempt=1, slow=True, speed=1500),
    n.DownloadProgressed(
        download_id=3, attempt=1, progress=50.0, completed=1024, size=2048, speed=1_048_576, eta_s=3725
    ),
    n.DownloadProgressed(download_id=3, attempt=1, stage="finishing", progress=25.0, completed=512, size=2048, speed=0),
    n.DownloadFinishing(download_id=3, attempt=1),
    n.DownloadCompleted(download_id=3, attempt=1, path="downloads/a.bin", size=2048, took_s=12.5),
    n.DownloadAsked(download_id=3, attempt=1, formats=4, subtitles=2, items=0, files=0, wait_s=86400.0),
    n.DownloadYielded(download_id=3, attempt=1, used_s=301.2, progress=50.0),
    n.DownloadRetryScheduled(
        download_id=3, attempt=1, code="timeout", error="The server stalled.", retry=1, retries_max=5, delay_s=30.0
    ),
    n.DownloadFailed(download_id=3, attempt=6, code="not_found", error="The server has no such file (404)."),
    n.DownloadCancelled(download_id=3, attempt=1, how="deleted"),
    n.ListFound(download_id=5, attempt=1, kind=Kind.YTDLP, title="A list", entries=50),
    n.ListExpanded(download_id=5, attempt=1, entries=50, notes=("Of 412 entries the first 50 were taken.",)),
    n.ListEnded(download_id=5, attempt=1, status=Status.DOWNLOADED, done=49, failed=1, error="1 did not come."),
    n.FileDeleted(download_id=3, attempt=1, path="downloads/a.bin", size=2048, reason="age"),
    n.FileLeft(download_id=3, attempt=1, path="downloads/a.bin", reason="it was changed since", for_good=True),
    n.SeedingEnded(download_id=3, attempt=1),
    n.DiskFull(free=50 * 2**20, needed=100 * 2**20),
    n.DiskFreed(free=2**33),
)


def progressed(number: int) -> n.DownloadProgressed:
    """A measure that can be told from others by its byte count."""
    return n.DownloadProgressed(download_id=1, attempt=1, completed=number, speed=1)


def failed(number: int, error: str = "It failed.") -> n.DownloadFailed:
    """A notice that is not progress, told from others by its row."""
    return n.DownloadFailed(download_id=number, attempt=1, code="failed", error=error)
