"""What the journal tells, as numbers: what a scraper reads after a story."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reactor import notices as n
from reactor.journal.journal import Journal
from reactor.journal.metrics import WORDS_MAX, Metrics
from reactor.models import Kind
from tests.journal.samples import EVERY, failed

FORBIDDEN = re.compile(r"127\.0\.0\.1|a\.bin|downloads/|bot\.db|stalled|no such file")
"""What the samples hold of URLs, paths and sentences."""


class Story:
    """Tells notices, each at its own second, and reads the numbers."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.now = 1_000_000.0
        self._journal = Journal([self.metrics.offer], now=lambda: self.now)

    def tell(self, *told: n.Notice, after_s: float = 1.0) -> None:
        for notice in told:
            self.now += after_s
            self._journal.tell(notice)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def story() -> Story:
    return Story()


def begun(number: int = 1, attempt: int = 1, kind: Kind = Kind.DIRECT, continues: bool = False) -> list[n.Notice]:
    return [
        n.DownloadClaimed(download_id=number, attempt=attempt, url="u", waited_s=0.02),
        n.DownloadDetected(download_id=number, attempt=attempt, kind=kind, why="w"),
        n.DownloadExtracted(download_id=number, attempt=attempt, kind=kind, size=1000, continues=continues),
    ]


def progressed(
    completed: int, number: int = 1, stage: Literal["metadata", "fetching", "finishing"] = "fetching"
) -> n.DownloadProgressed:
    return n.DownloadProgressed(download_id=number, attempt=1, completed=completed, size=1000, speed=1, stage=stage)


def completed(number: int = 1) -> list[n.Notice]:
    return [
        n.DownloadFinishing(download_id=number, attempt=1),
        n.DownloadCompleted(download_id=number, attempt=1, path="p", size=1000, took_s=7.5),
    ]


def test_a_download_from_the_claim_to_the_file(story: Story) -> None:
    story.tell(*begun(), progressed(200), progressed(700), *completed())
    assert story.value("reactor_downloads_total", kind="direct", outcome="completed") == 1
    assert story.value("reactor_received_bytes_total", kind="direct") == 1000
    assert story.value("reactor_pickup_seconds_sum") == pytest.approx(0.02)
    assert story.value("reactor_extraction_seconds_sum", kind="direct") == pytest.approx(2)
    assert story.value("reactor_completion_seconds_sum") == pytest.approx(1)
    assert story.value("reactor_download_seconds_sum", kind="direct") == pytest.approx(7.5)


def test_bytes_are_counted_once(story: Story) -> None:
    story.tell(*begun(), progressed(600), progressed(600), progressed(500))
    story.tell(progressed(400, stage="finishing"))  # joined, not fetched
    assert story.value("reactor_received_bytes_total", kind="direct") == 600
    story.tell(
        n.DownloadRetryScheduled(
            download_id=1, attempt=1, code="timeout", error="e", retry=1, retries_max=5, delay_s=1.0
        ),
        *begun(attempt=2, continues=True),
        progressed(650),  # so much was there already, or came unseen
        progressed(900),
        *completed(),
    )
    assert story.value("reactor_received_bytes_total", kind="direct") == 600 + 250 + 100
    assert story.value("reactor_retries_total", code="timeout") == 1
    assert story.value("reactor_pickup_seconds_count") == 1, "a retry is no pick-up"


def test_what_an_earlier_run_began_is_counted_from_here(story: Story) -> None:
    story.tell(n.DownloadResumed(download_id=1, attempt=1, url="u", stage="fetching"), progressed(600), progressed(800))
    assert story.value("reactor_received_bytes_total", kind="unknown") == 200
    story.tell(*completed())
    assert story.value("reactor_extraction_seconds_count", kind="unknown") is None
    assert story.value("reactor_completion_seconds_count") == 1


def test_how_rows_end(story: Story) -> None:
    story.tell(*begun(1, kind=Kind.YTDLP), n.DownloadFailed(download_id=1, attempt=1, code="drm", error="e"))
    handed = n.DownloadReclassified(download_id=2, attempt=1, from_kind=Kind.YTDLP, to_kind=Kind.PLAYWRIGHT, why="w")
    story.tell(*begun(2, kind=Kind.YTDLP)[:2], handed, n.DownloadCancelled(download_id=2, attempt=1, how="asked"))
    story.tell(n.DownloadCancelled(download_id=3, attempt=0, how="pending"))
    assert story.value("reactor_downloads_total", kind="ytdlp", outcome="failed") == 1
    assert story.value("reactor_failures_total", code="drm") == 1
    assert story.value("reactor_downloads_total", kind="playwright", outcome="cancelled") == 1
    assert story.value("reactor_downloads_total", kind="unknown", outcome="cancelled") == 1
    assert story.value("reactor_downloads_total", kind="torrent", outcome="failed") == 0, "known before the first"


def test_aria2_and_the_database(story: Story) -> None:
    connected = n.Aria2Connected(version="1.37.0", url="ws://127.0.0.1/")
    story.tell(n.ReactorStarted(version="1.2.3", pid=7, database="d", download_dir="d"), connected)
    assert story.value("reactor_info", version="1.2.3", aria2="1.37.0") == 1
    assert (story.value("reactor_aria2_connected"), story.value("reactor_database_usable")) == (1, 1)
    story.tell(n.Aria2Lost(reason="r"), n.DatabaseTroubled(reason="r"))
    assert (story.value("reactor_aria2_connected"), story.value("reactor_database_usable")) == (0, 0)
    story.tell(connected, n.DatabaseRecovered())
    assert (story.value("reactor_aria2_connected"), story.value("reactor_database_usable")) == (1, 1)
    assert story.value("reactor_aria2_losses_total") == story.value("reactor_database_troubles_total") == 1


def test_what_is_measured_beside_the_journal(story: Story) -> None:
    metrics = story.metrics
    metrics.answered(0.002)
    metrics.on_change("file")
    metrics.lagged(-0.001)
    metrics.queued({"pending": 3, "waiting": 1, "downloading": 2}, 12.5)
    assert story.value("reactor_aria2_rpc_seconds_bucket", le="0.0025") == 1
    assert story.value("reactor_change_wakes_total", layer="file") == 1
    assert story.value("reactor_change_wakes_total", layer="poll") == 0
    assert story.value("reactor_event_loop_lag_seconds_sum") == 0
    assert story.value("reactor_queue_rows", status="waiting") == 1
    assert story.value("reactor_queue_oldest_seconds") == 12.5
    metrics.queue_unknown()
    assert story.value("reactor_queue_rows", status="waiting") is None


def test_no_label_holds_what_a_stranger_wrote_and_none_grows_for_ever(story: Story) -> None:
    story.tell(*EVERY)
    for number in range(2 * WORDS_MAX):
        story.tell(n.DownloadFailed(download_id=number, attempt=1, code=f"code_{number}", error="e"))
    story.tell(failed(1, "x"), n.DownloadFailed(download_id=1, attempt=1, code='a"}\n evil 1', error="e"))
    text, content_type = story.metrics.render()
    families = list(text_string_to_metric_families(text.decode()))
    codes = [sample.labels["code"] for family in families for sample in family.samples if "code" in sample.labels]
    assert content_type.startswith("text/plain")
    assert len(codes) <= WORDS_MAX + 1
    assert "other" in codes
    assert FORBIDDEN.search(text.decode()) is None


def test_names_follow_the_conventions(story: Story) -> None:
    story.tell(*EVERY)
    for family in story.metrics.registry.collect():
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        assert re.fullmatch(r"(reactor|process)(_[a-z0-9]+)+", name), name
        assert family.documentation.endswith("."), name
        if family.type == "histogram":
            assert name.endswith("_seconds"), name
        for sample in family.samples:
            assert len(sample.labels) <= 2, name


def test_rows_that_are_over_are_forgotten(story: Story) -> None:
    for number in range(100):
        story.tell(*begun(number), *completed(number))
    story.tell(*begun(1), n.DatabaseRecovered(replaced=True))
    assert story.metrics._rows == {}


def test_openmetrics_for_those_who_ask_for_it(story: Story) -> None:
    body, content_type = story.metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_of_a_queue_with_several_machines_each_is_told_as_long_as_it_is_there() -> None:
    story = Story()
    story.metrics.served_by({"a": (2, 1.5), "b": (0, 40.0)})
    assert story.value("reactor_machine_rows", machine="a") == 2
    assert story.value("reactor_machine_silent_seconds", machine="b") == 40
    story.metrics.served_by({"b": (1, 0.5)})
    assert story.value("reactor_machine_rows", machine="a") is None
    assert story.value("reactor_machine_rows", machine="b") == 1
