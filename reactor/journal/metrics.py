"""The journal as numbers: a Prometheus registry, filled from the notices and from what is measured beside them.

No label holds anything a stranger wrote: kinds and outcomes are of a fixed set, codes of a bounded one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from reactor import notices as n
from reactor.models import Kind
from reactor.patterns import pattern
from reactor.records import dataclass

WORDS_MAX = 64
"""Different codes that a label may have; those that come later are counted as `other`."""
_WORD = pattern(r"[a-z][a-z0-9_]{0,39}")

QUICK_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
WAIT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)
WORK_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 45.0, 120.0)
LONG_S = (0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0)
RPC_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 15.0)


@dataclass(slots=True)
class _Row:
    """What has to be remembered of a row that is under way."""

    kind: str = "unknown"
    began_at: float | None = None
    """Seconds since the epoch; None when an earlier run began it."""
    whole_at: float | None = None
    """When all its bytes were there."""
    received: int | None = None
    """Bytes counted so far; None until it is known what was there already."""


class Metrics:
    """`offer` is a sink of the journal; the other methods take what no notice tells. `render` shows it all.

    Belongs to the thread of the event loop."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._rows: dict[int, _Row] = {}
        self._words: set[str] = set()
        self._versions: dict[str, str] = {}
        self._info = Info("reactor", "Versions of what works here.", registry=registry)
        self._of_downloads(registry)
        self._of_the_outside(registry)

    def _of_downloads(self, registry: CollectorRegistry) -> None:
        self._queue = Gauge("reactor_queue_rows", "Rows that are not over.", ["status"], registry=registry)
        self._oldest = Gauge(
            "reactor_queue_oldest_seconds", "Age of the oldest row that was never begun; 0: none.", registry=registry
        )
        self._machines = Gauge(
            "reactor_machine_rows", "Rows under way on each machine of the queue.", ["machine"], registry=registry
        )
        self._silent = Gauge(
            "reactor_machine_silent_seconds",
            "How long ago a machine of the queue has renewed its lease.",
            ["machine"],
            registry=registry,
        )
        self._ended = Counter(
            "reactor_downloads_total",
            "Rows that ended, by kind and how.",
            ["kind", "outcome"],
            registry=registry,
        )
        for kind in Kind:
            for outcome in ("completed", "failed", "cancelled"):
                self._ended.labels(kind.value, outcome)
        self._failures = Counter(
            "reactor_failures_total", "Rows that failed, by error_code.", ["code"], registry=registry
        )
        self._retries = Counter(
            "reactor_retries_total", "Retries scheduled, by error_code.", ["code"], registry=registry
        )
        self._received = Counter("reactor_received_bytes_total", "Bytes fetched.", ["kind"], registry=registry)
        self._pickup = Histogram(
            "reactor_pickup_seconds", "From added_date to the claim.", buckets=WAIT_S, registry=registry
        )
        self._extraction = Histogram(
            "reactor_extraction_seconds",
            "From the claim until it is known what to fetch.",
            ["kind"],
            buckets=WORK_S,
            registry=registry,
        )
        self._completion = Histogram(
            "reactor_completion_seconds",
            "From the last byte until the row says downloaded.",
            buckets=WAIT_S,
            registry=registry,
        )
        self._took = Histogram(
            "reactor_download_seconds",
            "From the claim until the row says downloaded.",
            ["kind"],
            buckets=LONG_S,
            registry=registry,
        )

    def _of_the_outside(self, registry: CollectorRegistry) -> None:
        self._aria2 = Gauge("reactor_aria2_connected", "1 while the socket to aria2 stands.", registry=registry)
        self._aria2_lost = Counter("reactor_aria2_losses_total", "Times that socket broke.", registry=registry)
        self._rpc = Histogram(
            "reactor_aria2_rpc_seconds", "How long aria2 took to answer a request.", buckets=RPC_S, registry=registry
        )
        self._usable = Gauge(
            "reactor_database_usable", "1 while the database can be read and written.", registry=registry
        )
        self._troubles = Counter(
            "reactor_database_troubles_total", "Times the database could not be used.", registry=registry
        )
        self._wakes = Counter(
            "reactor_change_wakes_total", "Times the database rang, by who noticed.", ["layer"], registry=registry
        )
        for layer in ("hook", "file", "poll", "replaced"):
            self._wakes.labels(layer)
        self._lag = Histogram(
            "reactor_event_loop_lag_seconds",
            "How late the event loop was, looked at once a second.",
            buckets=QUICK_S,
            registry=registry,
        )

    # What is measured beside the journal

    def answered(self, seconds: float) -> None:
        """aria2 has answered a request."""
        self._rpc.observe(seconds)

    def on_change(self, layer: str) -> None:
        """The change feed has rung."""
        self._wakes.labels(layer).inc()

    def lagged(self, seconds: float) -> None:
        """The event loop came to a timer so late."""
        self._lag.observe(max(0.0, seconds))

    def queued(self, rows: Mapping[str, int], oldest_s: float) -> None:
        """The rows that are not over, by status (`pending`, `waiting` for a retry, `downloading`, `choosing`), as they
        are now."""
        for status, count in rows.items():
            self._queue.labels(status).set(count)
        self._oldest.set(oldest_s)

    def served_by(self, machines: Mapping[str, tuple[int, float]]) -> None:
        """Who serves the queue: by name what each has under way, and how long ago it was seen, in seconds."""
        self._machines.clear()
        self._silent.clear()
        for name, (rows, silent_s) in machines.items():
            self._machines.labels(name).set(rows)
            self._silent.labels(name).set(silent_s)

    def queue_unknown(self) -> None:
        """The database cannot be asked: no number is better than an old one."""
        self._queue.clear()
        self._oldest.set(float("nan"))

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """All of it as a scraper that sent this Accept header reads it, and the content type. One that nobody can
        understand gets it as one that sent none."""
        choose = prometheus_client.exposition.choose_encoder
        try:
            encode, content_type = choose(accept)
            return encode(self.registry), content_type
        except (ValueError, TypeError):
            encode, content_type = choose("")
            return encode(self.registry), content_type

    # What the journal tells

    def offer(self, entry: n.Entry) -> None:
        """Take a notice: a sink of the journal."""
        notice = entry.notice
        match notice:
            case n.ReactorStarted(version=version):
                self._usable.set(1)
                self._know("version", version)
            case n.Aria2Connected(version=version):
                self._aria2.set(1)
                self._know("aria2", version)
            case n.Aria2Lost():
                self._aria2.set(0)
                self._aria2_lost.inc()
            case n.DatabaseTroubled():
                self._usable.set(0)
                self._troubles.inc()
            case n.DatabaseRecovered(replaced=replaced):
                self._usable.set(1)
                if replaced:
                    self._rows.clear()
            case n.DownloadProgressed():
                self._progressed(notice)
            case n.DownloadCompleted() | n.DownloadRetryScheduled() | n.DownloadFailed() | n.DownloadCancelled():
                self._over(notice, _seconds(entry.at))
            case n.DownloadAsked(download_id=number) | n.DownloadYielded(download_id=number):
                self._rows.pop(number, None)
            case _:
                self._on_the_way(notice, _seconds(entry.at))

    def _know(self, what: str, version: str) -> None:
        self._versions[what] = version
        self._info.info(self._versions)

    def _on_the_way(self, notice: n.Notice, at: float) -> None:
        match notice:
            case n.DownloadClaimed(download_id=number, attempt=attempt, waited_s=waited):
                self._rows[number] = _Row(began_at=at, received=0)
                if waited is not None and attempt <= 1:
                    self._pickup.observe(max(0.0, waited))
            case n.DownloadResumed(download_id=number):
                self._rows[number] = _Row()
            case (
                n.DownloadDetected(download_id=number, kind=kind)
                | n.DownloadReclassified(download_id=number, to_kind=kind)
            ):
                self._row(number).kind = kind.value
            case n.DownloadExtracted(download_id=number, kind=kind, continues=continues):
                row = self._row(number)
                row.kind = kind.value
                row.received = None if continues else row.received
                if row.began_at is not None:
                    self._extraction.labels(row.kind).observe(max(0.0, at - row.began_at))
            case n.DownloadFinishing(download_id=number):
                self._row(number).whole_at = at
            case n.ListExpanded(download_id=number):
                self._rows.pop(number, None)  # its entries are counted, each by itself
            case _:
                pass

    def _row(self, number: int) -> _Row:
        return self._rows.setdefault(number, _Row())

    def _progressed(self, notice: n.DownloadProgressed) -> None:
        if notice.stage == "fetching":
            row = self._row(notice.download_id)
            self._count(row, notice.completed)
            row.received = max(row.received or 0, notice.completed)

    def _count(self, row: _Row, completed: int) -> None:
        if row.received is not None and completed > row.received:
            self._received.labels(row.kind).inc(completed - row.received)

    def _over(
        self,
        notice: n.DownloadCompleted | n.DownloadRetryScheduled | n.DownloadFailed | n.DownloadCancelled,
        at: float,
    ) -> None:
        row = self._rows.pop(notice.download_id, None) or _Row()
        match notice:
            case n.DownloadRetryScheduled(code=code):
                self._retries.labels(self._word(code)).inc()
                return
            case n.DownloadCompleted(size=size, took_s=took):
                self._count(row, size)
                self._took.labels(row.kind).observe(max(0.0, took))
                if row.whole_at is not None:
                    self._completion.observe(max(0.0, at - row.whole_at))
            case n.DownloadFailed(code=code):
                self._failures.labels(self._word(code)).inc()
            case _:
                pass
        self._ended.labels(row.kind, notice.event.removeprefix("download_")).inc()

    def _word(self, code: str) -> str:
        if code not in self._words and (len(self._words) >= WORDS_MAX or _WORD.fullmatch(code) is None):
            return "other"
        self._words.add(code)
        return code


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
