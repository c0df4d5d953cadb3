"""`reactor doctor` looks whether those are there who are told what happens, and sends nothing unless it is asked to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from anyio import to_thread

from reactor.cli.doctor import media
from reactor.webhooks.signing import key_of, signature
from tests.cli.command import reactor
from tests.webhooks.receiver import Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def finding(name: str, tmp_path: Path, *flags: str, **settings: str) -> dict[str, Any]:
    """What it says of one thing, without the programs for media and pages; nothing secret is printed."""
    with patch.object(media, "examine", lambda _: []):
        done = await to_thread.run_sync(
            lambda: reactor("doctor", "--json", *flags, cwd=tmp_path, stdin=b"", **settings)
        )
    assert "swordfish" not in done.stdout + done.stderr
    (found,) = [each for each in json.loads(done.stdout) if each["name"] == name]
    return dict(found)


async def test_a_receiver_is_looked_for_and_sent_nothing(tmp_path: Path) -> None:
    async with Receiver(otherwise=405) as receiver:
        found = await finding("webhook", tmp_path, WEBHOOK_URL=receiver.url, WEBHOOK_SECRET=SECRET)
        assert [each.method for each in receiver.deliveries] == ["HEAD"]
    assert (found["state"], found["where"]) == ("ok", f"http://127.0.0.1:{receiver.port}")
    assert found["what"] == "4 events, signed; something answers"
    assert "--ping" in found["advice"]
    away = await finding("webhook", tmp_path, WEBHOOK_URL=receiver.url)
    assert (away["state"], away["needed"]) == ("missing", False)
    assert "it cannot be reached" in away["what"]


async def test_a_test_message_is_sent_when_it_is_asked_for(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        told = {"WEBHOOK_URL": receiver.url, "WEBHOOK_SECRET": SECRET}
        found = await finding("webhook", tmp_path, "--ping", **told)
        assert (found["state"], found["what"]) == ("ok", "4 events, signed; the test message was taken")
        (delivery,) = receiver.deliveries
        receiver.otherwise = 401
        refused = await finding("webhook", tmp_path, "--ping", **told)
    assert delivery.said["type"] == "ping"
    id, at = delivery.headers["webhook-id"], int(delivery.headers["webhook-timestamp"])
    assert delivery.headers["webhook-signature"] == signature(key_of(SECRET), id, at, delivery.body)
    assert (refused["state"], refused["what"]) == (
        "missing",
        "the test message was not taken: it answers with HTTP 401",
    )


async def test_a_receiver_without_a_secret_is_a_note(tmp_path: Path) -> None:
    async with Receiver() as receiver:
        found = await finding("webhook", tmp_path, WEBHOOK_URL=receiver.url)
    assert (found["state"], found["what"]) == ("note", "4 events, not signed")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a few of Apprise's services
async def test_services_for_people_are_named_and_tried_when_it_is_asked_for(tmp_path: Path) -> None:
    async with Receiver(otherwise=200, needs_data=False) as receiver:
        url = f"json://swordfish@127.0.0.1:{receiver.port}/told"
        found = await finding("notify", tmp_path, NOTIFY=url)
        assert (found["state"], found["what"]) == ("ok", "6 events, told by JSON")
        assert receiver.deliveries == []
        found = await finding("notify", tmp_path, "--ping", NOTIFY=url)
        assert (found["state"], found["what"]) == ("ok", "6 events, told by JSON; the test message was taken")
        assert receiver.deliveries[-1].said["message"] == "This is a test message."
        receiver.otherwise = 500
        found = await finding("notify", tmp_path, "--ping", NOTIFY=url)
        assert (found["state"], "not every service" in found["what"]) == ("missing", True)
    found = await finding("notify", tmp_path, NOTIFY="swordfish")
    assert (found["state"], found["what"]) == ("missing", "NOTIFY: Its URL is none that Apprise understands.")


def test_without_the_settings_nothing_is_said(tmp_path: Path) -> None:
    done = reactor("doctor", "--json", cwd=tmp_path, BROWSER_PATH="none")
    assert {"webhook", "notify"} & {each["name"] for each in json.loads(done.stdout)} == set()
