"""A real reactor tells a receiver what becomes of rows, and works as well without one."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tests.guides import only
from tests.real.harness import Reactor, running, serving
from tests.servers import FileServer
from tests.webhooks.receiver import Receiver

DATA = b"x" * 50_000
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def test_a_receiver_is_told_of_each_row_in_order_and_can_tell_who_says_so(tmp_path: Path) -> None:
    told = {"WEBHOOK_EVENTS": "*", "WEBHOOK_SECRET": SECRET}
    async with (
        FileServer() as server,
        Receiver(answers=[500, 0]) as receiver,
        running(tmp_path, WEBHOOK_URL=receiver.url, **told) as reactor,
    ):
        ids = reactor.add(server.put("/a.bin", DATA), server.url("/missing.bin"))
        await reactor.until_final()
        await receiver.until_taken(1)
        ended = await reactor.stop()
        lines = {id: [event for event in reactor.events() if event.get("download_id") == id] for id in ids}
    assert "not taken by the webhook" not in ended
    assert "swordfish" not in reactor.log.read_text() + reactor.events_file.read_text()
    for id in ids:
        arrived = [each["data"] for each in receiver.taken if each["data"].get("download_id") == id]
        assert arrived == [event for event in lines[id] if event["event"] != "download_progressed"]
    assert receiver.taken[-1]["type"] == "reactor_stopped", "the end delivers what is left"
    # The page's own snippet says that it is genuine.
    scope: dict[str, object] = {}
    exec(only("operations.md", "Webhooks", "python"), scope)
    verified = scope["verified"]
    assert callable(verified)
    good = receiver.deliveries[-1]
    at = int(good.headers["webhook-timestamp"])
    assert verified(SECRET, good.headers, good.body, now=at + 10) == good.said
    for headers, body, now in (
        (good.headers, good.body + b" ", at),
        (good.headers | {"webhook-id": "other"}, good.body, at),
        (good.headers | {"webhook-timestamp": str(at - 1)}, good.body, at),
        (good.headers, good.body, at + 301),
        (good.headers | {"webhook-signature": re.sub("...$", "AA=", good.headers["webhook-signature"])}, good.body, at),
    ):
        assert verified(SECRET, headers, body, now=now) is None


async def test_a_dead_receiver_is_in_nobodys_way(tmp_path: Path) -> None:
    async with Receiver() as gone:
        pass
    reactor = Reactor(tmp_path, WEBHOOK_URL=gone.url, WEBHOOK_EVENTS="*", MAX_CONCURRENT_DOWNLOADS="8")
    async with FileServer() as server, serving(reactor):
        reactor.add(*(server.put(f"/{n}.bin", DATA) for n in range(30)))
        await reactor.until_final()
        assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 30
        await reactor.until(lambda: reactor.events("webhook_troubled"))
        printed = await reactor.stop(signal.SIGTERM)
    assert reactor.process is not None
    assert reactor.process.returncode == 0
    assert re.search(r"reactor: \d+ notices were not taken by the webhook\.", printed)
    assert len(reactor.events("webhook_troubled")) == 1
