"""A list by the Telegram bot: one message, its files each once, whatever is pressed in between."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bots.copied import telegram
from tests.bots.telegram import Refusal
from tests.real.test_lists import COUNT, contents, feed_of


@pytest.mark.nightly
async def test_a_playlist_of_fifty_cancelled_at_twenty_and_tried_again(tmp_path: Path) -> None:
    files = contents()
    async with telegram(tmp_path) as place:
        api, server = place.api, place.server
        await place.uploader.start()
        url = feed_of(server, files)
        server.put("/22.bin", files[22], stall_after=1000)
        api.trouble("sendDocument", Refusal(400, "Bad Request: wrong file"))
        request = api.say(f"{url} all")
        await api.until(lambda: "22 of 50 downloaded" in api.told(request))
        message = api.about(request)
        api.press(message.id, "Cancel")
        await api.until(lambda: "Cancelled" in message.text)
        await place.reactor.until(lambda: not place.reactor.staged())
        assert len(place.reactor.rows()) == COUNT + 1
        server.put("/22.bin", files[22])
        await api.until(lambda: len(api.files_sent()) == 21)
        api.press(message.id, "Try again")
        await api.until(lambda: len(api.files_sent()) == COUNT and "✅ 50 of 50 downloaded" in message.text)
        told = [text.text for text in api.messages.values() if text.kind == "text"]
    assert told == ["Pod\n✅ 50 of 50 downloaded"], "entries have no messages of their own"
    assert sorted(sent.content or b"" for sent in api.files_sent()) == sorted(files), "each once"
    assert sorted(place.reactor.files().values()) == sorted(files)
    counts = [int(found[1]) for text in message.history if (found := re.search(r"(\d+) of 50 downloaded", text))]
    assert len(set(counts)) > 2, "in place, as it goes"
