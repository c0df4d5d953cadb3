"""Notices arrive, in order, signed; and where they do not, nobody waits for that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint

from reactor import notices as n
from reactor.errors import SettingsError
from reactor.journal.journal import Journal
from reactor.settings import Settings
from reactor.webhooks import target
from reactor.webhooks.sender import ENDINGS, Pauses, Sender, events_of, sender_of
from reactor.webhooks.signing import key_of, signature
from reactor.webhooks.target import Target
from tests.journal.samples import failed, progressed
from tests.webhooks.receiver import Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
QUICK = Pauses(first_s=0.001, longest_s=0.01)
EVERYTHING = n.EVENTS - {"webhook_troubled"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Place:
    """A sender at work, and the journal that it follows."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.told: list[n.Notice] = []
        self.journal = Journal([sender.offer, lambda entry: self.told.append(entry.notice)], now=lambda: 0.0)
        sender.tell = self.journal.tell

    def troubles(self) -> list[n.Notice]:
        """What the journal says of the webhook."""
        return [each for each in self.told if isinstance(each, n.WebhookTroubled | n.WebhookRecovered)]


@asynccontextmanager
async def sending(url: str, key: bytes | None = None, pauses: Pauses = QUICK) -> AsyncIterator[Place]:
    place = Place(Sender(Target(url, key), EVERYTHING, pauses))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(place.sender.run)
        yield place
        tasks.cancel_scope.cancel()


async def test_a_notice_arrives_signed_and_as_the_journal_has_it() -> None:
    async with Receiver() as receiver, sending(receiver.url, key_of(SECRET)) as place:
        place.journal.tell(failed(3))
        place.journal.tell(n.DiskFreed(free=7))
        await receiver.until(2)
    first, second = receiver.deliveries
    assert (first.method, first.path, first.headers["content-type"]) == (
        "POST",
        "/hook?token=swordfish",
        "application/json",
    )
    id, at = first.headers["webhook-id"], first.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] == signature(key_of(SECRET), id, int(at), first.body)
    assert first.said == {
        "type": "download_failed",
        "timestamp": "1970-01-01T00:00:00.000Z",
        "data": {
            **{"v": 1, "seq": 1, "at": "1970-01-01T00:00:00.000Z", "event": "download_failed", "download_id": 3},
            **{"attempt": 1, "code": "failed", "error": "It failed."},
        },
    }
    assert second.headers["webhook-id"] != id
    assert (len(place.troubles()), place.sender.lost) == (0, 0)


async def test_without_a_secret_it_is_not_signed_and_a_login_goes_as_basic() -> None:
    async with Receiver() as receiver:
        url = receiver.url.replace("http://", "http://ann:s%20t@")
        async with sending(url) as place:
            place.journal.tell(failed(3))
            await receiver.until(1)
        assert place.sender._target.shown == f"http://127.0.0.1:{receiver.port}"
    (delivery,) = receiver.deliveries
    assert "webhook-signature" not in delivery.headers
    assert delivery.headers["authorization"] == "Basic YW5uOnMgdA=="


@pytest.mark.parametrize("bad", [500, 503, 429, 404, 302, 0])
async def test_what_is_not_taken_is_sent_again_with_the_same_id(bad: int) -> None:
    answers, elsewhere = [bad, bad], "Location: /elsewhere\r\n"
    async with Receiver(answers, lines=elsewhere) as receiver, sending(receiver.url) as place:
        place.journal.tell(failed(3))
        await receiver.until_taken(2)
    assert {each.path for each in receiver.deliveries} == {"/hook?token=swordfish"}
    assert len({each.headers["webhook-id"] for each in receiver.deliveries[:3]}) == 1
    assert [each["type"] for each in receiver.taken] == ["download_failed", "webhook_recovered"]
    troubled, recovered = place.troubles()
    assert isinstance(troubled, n.WebhookTroubled)
    assert ("HTTP" in troubled.reason) == bool(bad)
    assert recovered == n.WebhookRecovered(lost=0)


async def test_a_row_waits_for_what_is_not_taken_of_it_and_others_do_not() -> None:
    async with Receiver(refuses=frozenset({1})) as receiver, sending(receiver.url) as place:
        for row in (1, 2, 1, 3):
            place.journal.tell(failed(row, f"{place.journal._seq}"))
        await receiver.until_taken(2)
        assert [each["data"]["download_id"] for each in receiver.taken][:2] == [2, 3]
        receiver.refuses = frozenset()
        await receiver.until_taken(5)  # and that it is well again
    rows = [(each["data"].get("download_id"), each["data"].get("error")) for each in receiver.taken]
    assert [row for row in rows if row[0] == 1] == [(1, "0"), (1, "2")]


async def test_a_receiver_that_comes_back_gets_everything_in_order() -> None:
    async with Receiver() as receiver:
        port = receiver.port
    async with sending(receiver.url) as place:
        for row in range(20):
            place.journal.tell(failed(row))
        while not place.troubles():
            await anyio.sleep(0.001)
        async with Receiver(port=port) as receiver:
            await receiver.until_taken(21)
    assert [each["data"].get("download_id") for each in receiver.taken] == [*range(20), None]
    assert [type(each) for each in place.troubles()] == [n.WebhookTroubled, n.WebhookRecovered], "said once"


async def test_what_is_too_old_or_too_much_is_counted_and_said_once() -> None:
    pauses = Pauses(first_s=0.001, longest_s=0.001, given_up_s=0.0)
    async with Receiver(answers=[500] * 3) as receiver, sending(receiver.url, pauses=pauses) as place:
        for row in range(4):
            place.journal.tell(failed(row))
        await receiver.until_taken(1)
        while len(place.troubles()) < 2:
            await checkpoint()
    assert [each["data"]["download_id"] for each in receiver.taken[:1]] == [3]
    assert place.troubles()[1] == n.WebhookRecovered(lost=3)


async def test_a_dead_receiver_costs_bounded_memory_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "ANSWER_S", 0.01)
    async with Receiver(otherwise=-1) as receiver, sending(receiver.url) as place:
        for row in range(3000):
            place.journal.tell(progressed(row))
            place.journal.tell(failed(row))
        await receiver.until(2)
        assert len(place.sender._outbox) <= 1000
        assert place.sender.lost >= 1000
        assert "did not answer" in str(place.troubles()[0])


async def test_a_receiver_that_is_gone_is_left_alone() -> None:
    async with Receiver(answers=[410]) as receiver, sending(receiver.url) as place:
        place.journal.tell(failed(1))
        await receiver.until(1)
        while not place.troubles():
            await checkpoint()
        place.journal.tell(failed(2))
        await place.sender.finish()
    assert len(receiver.deliveries) == 1
    assert place.troubles() == [n.WebhookTroubled(reason="it answers with HTTP 410", for_good=True)]


async def test_the_end_delivers_what_is_left(capfd: pytest.CaptureFixture[str]) -> None:
    async with Receiver() as receiver:
        place = Place(Sender(Target(receiver.url, None), EVERYTHING, QUICK))
        for row in range(5):
            place.journal.tell(failed(row))
        await place.sender.finish()
        assert len(receiver.taken) == 5
        assert capfd.readouterr().err == ""
    place.journal.tell(failed(6))
    place.journal.tell(failed(7))
    await place.sender.finish()
    assert capfd.readouterr().err == "reactor: 2 notices were not taken by the webhook.\n"


async def test_the_end_does_not_wait_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver(otherwise=-1) as receiver:
        place = Place(Sender(Target(receiver.url, None), EVERYTHING, Pauses(at_the_end_s=0.01)))
        place.journal.tell(failed(1))
        with anyio.fail_after(5):
            await place.sender.finish()


def settings(**said: str) -> Settings:
    return Settings.load(_env_file=None, **said)


def test_which_notices_are_sent() -> None:
    assert events_of(settings()) == ENDINGS
    assert ENDINGS < n.EVENTS
    everything = events_of(settings(webhook_events="*"))
    assert n.EVENTS - everything == {"download_progressed", "webhook_troubled"}
    assert events_of(settings(webhook_events="*, download_progressed")) - everything == {"download_progressed"}
    assert events_of(settings(webhook_events=" disk_full ,")) == {"disk_full"}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"webhook_url": "ftp://a.example/"}, "WEBHOOK_URL: takes an http or https URL, in ASCII"),
        ({"webhook_url": "http:///x"}, "WEBHOOK_URL: takes an http or https URL"),
        ({"webhook_url": "http://a.example:99999/"}, "WEBHOOK_URL: takes an http or https URL"),
        ({"webhook_url": "http://ä.example/"}, "WEBHOOK_URL: takes an http or https URL, in ASCII"),
        ({"webhook_url": "http://a.example/a b"}, "WEBHOOK_URL: takes an http or https URL"),
        ({"webhook_secret": "short"}, "WEBHOOK_SECRET: takes 24 characters or more"),
        ({"webhook_secret": "whsec_abc"}, "WEBHOOK_SECRET: takes 24 characters or more"),
        ({"webhook_secret": "whsec_" + "!" * 30}, "WEBHOOK_SECRET: takes base64"),
        ({"webhook_secret": "whsec_" + "a" * 25}, "WEBHOOK_SECRET: takes base64"),
        ({"webhook_events": "download_done"}, "WEBHOOK_EVENTS: takes names.*download_done is none"),
    ],
)
def test_what_is_wrong_with_a_setting_is_one_sentence(said: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        settings(**said)


def test_the_settings_make_a_sender_and_show_no_secret() -> None:
    said = settings(webhook_url="https://u:p@a.example/secret?b#c", webhook_secret=SECRET)
    assert isinstance(sender_of(said), Sender)
    assert "secret?b" not in repr(said)
    assert "MfKQ" not in repr(said)
