"""The Telegram bot, end to end: people, a Bot API server, the bot's processes, the reactor, aria2c and files."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests.bots.copied import telegram
from tests.bots.telegram import ANN

BODY = random.Random(6).randbytes(300_000)


async def test_a_link_becomes_a_message_that_moves_and_then_a_file(tmp_path: Path) -> None:
    async with telegram(tmp_path) as place:
        api, server = place.api, place.server
        await place.uploader.start()
        request = api.say("please " + server.put("/film.bin", BODY, rate=150_000))
        await api.until(lambda: api.says("film.bin", "Here it is"))
        message = api.about(request)
        moved = [text for text in message.history if "▓" in text and "⬆️" not in text]
        assert moved, message.history
        assert "film.bin" in moved[-1]
        assert "/s" in moved[-1]
        assert message.buttons == {}
        assert [(m.content, m.file_name, m.kind) for m in api.files_sent()] == [(BODY, "film.bin", "document")]
        row = place.reactor.row(1)
        assert (row["status"], row["chat_id"], row["user_id"]) == ("uploaded", ANN, ANN)

        hidden = server.put("/hidden.mp4", BODY)
        first, second = server.put("/first.bin", BODY), server.put("/second.mp3", BODY)
        link = {"type": "text_link", "offset": 0, "length": 4, "url": hidden}
        forward = {"type": "hidden_user", "sender_user_name": "Carl", "date": 1}
        api.say("this", links=(link,), forward_origin=forward, document=document("cat.jpg"))
        api.say(f"{first}\n{second} {first}")
        await api.until(lambda: len(api.files_sent()) == 4)
        assert {(m.file_name, m.kind) for m in api.files_sent()[1:]} == {
            ("hidden.mp4", "video"),
            ("first.bin", "document"),
            ("second.mp3", "audio"),
        }
        assert len(place.reactor.rows()) == 4, "the link that stood there twice is wanted once"


@pytest.mark.nightly
async def test_every_button_and_command_stops_what_it_means(tmp_path: Path) -> None:
    async with telegram(tmp_path, MAX_CONCURRENT_DOWNLOADS="3", RETRY_BASE_DELAY="600") as place:
        api, server = place.api, place.server
        hangs, stalls = server.put("/detecting", b"x", hang=True), server.put("/fetching", BODY, stall_after=50_000)
        fails, waits = server.put("/waiting", b"x", status=503), server.put("/queued", b"x")
        requests = [api.say(url) for url in (hangs, stalls, stalls + "?2", stalls + "?3", waits)]
        detecting, fetching, third, _, queued = requests
        await api.until(lambda: api.says("detecting", "Looking at") and len(server.requests("/fetching", "GET")) >= 2)
        await api.until(lambda: "▓" in api.told(fetching))
        await api.until(lambda: api.answers(queued))
        assert api.about(queued).buttons == {"Cancel": "cancel:5"}

        listed = api.say("/queue")
        await api.until(lambda: api.answers(listed))
        (queue,) = api.answers(listed)
        assert re.fullmatch(r"#5 queued \((next|one before it|\d+ before it)(, about .+)?\)", queue.splitlines()[-1])
        assert len(queue.splitlines()) == 5

        api.press(api.about(queued).id, "Cancel")
        api.say("/cancel 1")
        api.say("/cancel", reply_to_message=api.as_json(api.about(fetching)))
        await api.until(lambda: [r["status"] for r in place.reactor.rows(1, 2, 5)] == ["cancelled"] * 3)
        await api.until(lambda: all("Cancelled" in api.about(r).text for r in (detecting, fetching, queued)))
        assert api.about(queued).buttons == {"Try again": "retry:5"}

        waiting = api.say(fails)
        await api.until(lambda: "retried soon" in api.told(waiting))
        wrong = [api.say(text) for text in ("/cancel 5", "/cancel 99", "/cancel", "/cancel x")]
        await api.until(lambda: all(api.answers(request) for request in wrong))
        assert [api.answers(request)[0][:12] for request in wrong] == ["#5 is not ru", *["Which one? S"] * 3]
        everything = api.say("/cancel all")
        await api.until(lambda: api.answers(everything) == ["Stopped: 3."])
        await api.until(lambda: {row["status"] for row in place.reactor.rows()} == {"cancelled"})

        server.put("/queued", BODY)
        api.press(api.about(queued).id, "Try again")
        await api.until(lambda: "Downloaded" in api.about(queued).text)
        assert "Downloaded" not in api.about(third).text
        nods = [call["text"] for call in api.called("answerCallbackQuery")]
        assert nods == ["Stopping: queued", "Trying again: queued"]
        await place.reactor.until(lambda: not place.reactor.staged())
        assert place.reactor.files() == {"queued": BODY}


async def test_what_fails_says_why_and_hostile_titles_are_only_text(tmp_path: Path) -> None:
    async with telegram(tmp_path, UPLOAD_LIMIT_MB="1") as place:
        api, server = place.api, place.server
        await place.uploader.start()
        missing = api.say(server.url("/no-such-file.zip"))
        await api.until(lambda: "❌" in api.told(missing))
        assert "404" in api.about(missing).text
        server.put("/no-such-file.zip", BODY)
        api.say("/retry 1")
        await api.until(lambda: "Here it is" in api.about(missing).text)

        hostile = api.say(server.put("/hostile", BODY, disposition='attachment; filename="<b>&amp;</i>.bin"'))
        await api.until(lambda: "Here it is" in api.told(hostile))
        await place.reactor.until(lambda: "uploaded" in (place.reactor.row(2)["shown"] or ""))
        title = '<b>&lt;i>a</code>" <a href="tg:x">\u202egpj.exe' + "x" * 10_000
        place.reactor.execute("UPDATE downloads SET title = ?, shown = NULL WHERE id = 2", title)
        await api.until(lambda: "&lt;i>a</code>" in api.about(hostile).text)
        shown = api.about(hostile).text.splitlines()[0]
        assert shown == ('<b>&lt;i>a</code>" <a href="tg:x"> gpj.exe' + "x" * 120)[:119] + "…"

        large = api.say(server.put("/large.bin", BODY * 4))
        await api.until(lambda: "Too large for Telegram" in api.told(large))
        assert "1.0 MB" in api.about(large).text
        assert api.about(large).buttons == {"Try again": "retry:3"}
        empty = api.say(server.put("/empty.bin", b""))
        await api.until(lambda: "no empty files" in api.told(empty))
        assert [row["status"] for row in place.reactor.rows()] == ["uploaded", "uploaded", "downloaded", "downloaded"]
        assert len(api.files_sent()) == 2

        api.say("hello", by=ANN)
        await api.until(lambda: api.says("I found no link in this"))


def document(name: str) -> dict[str, str | int]:
    """Something that is sent, but no torrent."""
    return {"file_id": "f", "file_unique_id": "f", "file_name": name, "file_size": 5}
