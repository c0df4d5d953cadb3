"""How sending ends, in the tables of both bots: what was stopped meanwhile stays stopped, and a list tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reactor import Queue
from reactor.models import Download
from tests.bots.modules import loaded

PLACE = {"telegram": "chat_id", "discord": "channel_id"}
LIST = """INSERT INTO downloads (id, url, status, parent_id, item_key, items_total, {place}) VALUES
    (1, 'u', 'downloaded', NULL, NULL, 2, 5),
    (2, 'v', 'downloaded', 1, 'a', NULL, 5), (3, 'w', 'downloaded', 1, 'b', NULL, 5)"""
"""One of two entries, which have come."""
STOPPED, WHY = '{"code": "stopped"}', '{"code": "gone"}'
pytestmark = pytest.mark.timeout(300)  # the first of them imports aiogram


@pytest.mark.parametrize("bot", PLACE)
@pytest.mark.parametrize(
    ("status", "why", "stop", "stays"),
    [
        ("uploaded", None, False, None),
        ("downloaded", WHY, False, WHY),
        ("downloaded", None, False, None),
        ("downloaded", None, True, STOPPED),
        ("downloaded", WHY, True, STOPPED),
        ("uploaded", None, True, None),
    ],
)
async def test_how_sending_has_ended(
    tmp_path: Path, bot: str, status: str, why: str | None, stop: bool, stays: str | None
) -> None:
    (module,) = loaded(bot, "store")
    async with Queue(tmp_path / "bot.db") as queue, module.Store.open(tmp_path / "bot.db") as store:
        await store._connection.execute_fetchall(LIST.format(place=PLACE[bot]))
        assert await store.claim_upload(2)
        if stop:
            assert await store.stop_upload(2)
        await store.upload_ended(2, status, why)
        await store.upload_ended(2, "downloaded", "it is over already")
        of_list, entry, other = [row for id in (1, 2, 3) if (row := await queue.get(id))]
    assert entry.status == status
    assert not entry.cancelled
    assert (entry.extra["upload_error"], of_list.extra["unsent"]) == (stays, stays)
    assert (of_list.status, of_list.extra["upload_error"]) == ("downloaded", None)
    assert (other.status, other.extra["upload_error"], other.extra["unsent"]) == ("downloaded", None, None)


async def test_what_telegram_has_is_remembered_and_forgotten(tmp_path: Path) -> None:
    store, media = loaded("telegram", "store", "media")
    parts = [media.Part(tmp_path / name, name, count, "video") for count, name in enumerate(("a", "b'\"", "ü/c"), 1)]
    ids = {"a": ("video", "id-a"), "ü/c": ("document", "id-c")}
    row = Download(id=7, url="u", status="uploading", media_key="key")
    async with Queue(tmp_path / "bot.db"), store.Store.open(tmp_path / "bot.db") as ours:
        for _ in range(2):
            await ours.part_sent(row, parts, ids)
        assert await ours.sent_parts(7) == {"a", "b'\"", "ü/c"}
        assert await ours.file_ids("key", parts) == ids
        await ours.forget_ids("key", ["a", "b'\""])
        assert await ours.file_ids("key", parts) == {"ü/c": ("document", "id-c")}


async def test_the_messages_that_hold_just_what_is_to_be_sent_are_remembered(tmp_path: Path) -> None:
    store, media = loaded("discord", "store", "media")
    parts = [media.Part(tmp_path / name, name, count) for count, name in enumerate(("a", "b'\"", "ü/c"), 1)]
    row = Download(id=7, url="u", status="uploading", media_key="key", extra={"channel_id": 5, "guild_id": None})
    async with Queue(tmp_path / "bot.db"), store.Store.open(tmp_path / "bot.db") as ours:
        for _ in range(2):
            await ours.parts_sent(row, parts[:2], 70)
        await ours.parts_sent(row, parts[2:], 71)
        assert await ours.sent_parts(7) == {"a", "b'\"", "ü/c"}
        assert await ours.messages_with("key", parts) == {(None, 5, 70): ["a", "b'\""], (None, 5, 71): ["ü/c"]}
        larger = media.Part(tmp_path / "c", "ü/c", 9)
        assert await ours.messages_with("key", [parts[0], larger]) == {}, "with b, or of another size"
        await ours.parts_sent(row, parts[:1], 72)
        await ours.parts_sent(row, parts, None)
        assert await ours.messages_with("key", parts) == {(None, 5, 72): ["a"], (None, 5, 71): ["ü/c"]}
