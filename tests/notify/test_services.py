"""People are told by Apprise, here by its json:// to a server of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from anyio import to_thread

from reactor.errors import SettingsError
from reactor.journal.journal import Journal
from reactor.notices import EVENTS, DiskFreed, DiskFull, DownloadCompleted, DownloadProgressed
from reactor.notify.services import USUAL, Notifier, Services, events_of, line, services_of
from reactor.settings import Settings
from tests.journal.samples import EVERY, failed
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a few of Apprise's services


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver(otherwise=200, needs_data=False) as made:
        yield made


def url(receiver: Receiver) -> str:
    return f"json://swordfish@127.0.0.1:{receiver.port}/told"


def settings(**said: str) -> Settings:
    return Settings.load(_env_file=None, **said)


async def test_a_notice_is_one_line_for_people(receiver: Receiver) -> None:
    with Notifier(Services(url(receiver)), USUAL) as notifier:
        journal = Journal([notifier.offer], now=lambda: 0.0)
        journal.tell(DownloadCompleted(download_id=3, attempt=1, path="d/a.bin", size=2048, took_s=12.5))
        journal.tell(DiskFreed(free=7))
        journal.tell(failed(4))
        journal.tell(DiskFull(free=2**20, needed=2**21))
        await receiver.until(3)
    said = [(each.said["title"], each.said["message"], each.said["type"]) for each in receiver.deliveries]
    assert said == [
        ("reactor", "#3 downloaded 2.0 KiB in 12 s → d/a.bin", "info"),
        ("reactor", "#4 failed: It failed.", "failure"),
        ("reactor", "The disk is full: 1.0 MiB free, 2.0 MiB needed; no download starts", "failure"),
    ]


async def test_several_services_are_all_told(receiver: Receiver) -> None:
    services = Services(f"{url(receiver)}  {url(receiver)}/second")
    assert len(services.names) == 2
    await to_thread.run_sync(services.say, "Hello.")
    assert sorted(each.path for each in receiver.deliveries) == ["/told", "/told/second"]


async def test_a_service_that_does_not_answer_costs_its_lines_and_is_said_once(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.otherwise = 500
    with Notifier(Services(url(receiver)), USUAL) as notifier:
        journal = Journal([notifier.offer], now=lambda: 0.0)
        for row in range(3):
            journal.tell(failed(row))
        await receiver.until(3)
        receiver.otherwise = 200
        journal.tell(failed(9))
        await receiver.until(4)
    assert receiver.deliveries[-1].said["message"].startswith("#9")
    said = capfd.readouterr().err.splitlines()
    assert said[0] == "reactor: cannot write to NOTIFY: not every service has taken it."
    assert said[1:] == ["reactor: 3 entries were lost on the way to NOTIFY."]


@pytest.mark.parametrize("urls", ["nonsense", "json://", "no-such-scheme://a/b"])
def test_a_bad_url_is_one_sentence_without_it(urls: str) -> None:
    with pytest.raises(SettingsError, match=r"^NOTIFY: Its URL is none that Apprise understands\."):
        Services(urls)
    with pytest.raises(SettingsError, match=r"^NOTIFY: URL 2 of 2 is none") as caught:
        services_of(settings(notify=f"json://secret@localhost {urls}"))
    assert "secret" not in str(caught.value)
    assert urls not in str(caught.value)


def test_which_notices_are_told() -> None:
    assert events_of(settings()) == USUAL
    assert USUAL < EVENTS
    assert EVENTS - events_of(settings(notify_events="*")) == {"download_progressed"}
    assert events_of(settings(notify_events="disk_full, download_asked")) == {"disk_full", "download_asked"}
    with pytest.raises(SettingsError, match=r"NOTIFY_EVENTS: takes names.*nonsense is none"):
        settings(notify_events="disk_full, nonsense")


def test_every_notice_has_a_line() -> None:
    for notice in EVERY:
        told = line(notice)
        assert told
        assert "\n" not in told
        assert told[0] == "#" or told[0] == told[0].upper()
    assert DownloadProgressed.event == "download_progressed"
