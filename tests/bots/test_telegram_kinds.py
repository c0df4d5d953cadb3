"""What else people send to the Telegram bot, and what else may stand in its table."""

from __future__ import annotations

import random
from pathlib import Path

import bencode2

from tests.bots.copied import telegram
from tests.bots.telegram import ANN, BOB, GROUP, Refusal
from tests.real.swarm import swarm_in

BODY = random.Random(6).randbytes(400_000)
SUPERGROUP = -100900


async def test_a_torrent_file_is_fetched_and_each_file_of_its_folder_that_is_wanted_is_sent(tmp_path: Path) -> None:
    async with swarm_in(tmp_path / "swarm") as swarm, telegram(tmp_path, ALLOWED_USERS=f"{ANN},{BOB}") as place:
        api = place.api
        made = swarm.make("album", {"one.txt": BODY, "two.txt": BODY[:1000], "none.txt": b""})
        await swarm.serve(made)
        await place.uploader.start()
        wrong = api.send_file("broken.torrent", b"no torrent")
        await api.until(lambda: api.answers(wrong) == ["This file is not a torrent that I can read."])
        request = api.send_file("album.torrent", made.metainfo)
        await api.until(lambda: "Here it is" in api.told(request))
        assert {message.file_name: message.content for message in api.files_sent()} == {
            "one.txt": BODY,
            "two.txt": BODY[:1000],
        }

        said = api.say("/settings ask")
        await api.until(lambda: api.answers(said))
        settings = api.about(said)
        api.press(settings.id, "480p", by=BOB)
        api.press(settings.id, "MP3")
        await api.until(lambda: "Audio only: mp3" in settings.text)
        assert settings.text.splitlines()[1:5] == [
            "Quality: best",
            "Audio only: mp3",
            "Subtitles: none",
            "Ask first: yes",
        ]
        asked = api.send_file("album.torrent", made.metainfo)
        count = len(bencode2.bdecode(made.metainfo)[b"info"][b"files"])  # not everybody puts empty files into it
        await api.until(lambda: f"Which of the {count} files?" in api.told(asked))
        question = api.about(asked)
        one, two = (next(label for label in question.buttons if name in label) for name in ("one.txt", "two.txt"))
        old = dict(question.buttons)
        api.press(question.id, two, by=BOB)
        api.press(question.id, one)
        await api.until(lambda: "Marked: 1, 400.0 kB." in question.text)
        assert one.replace("☐", "☑") in question.buttons
        api.press(question.id, two)
        await api.until(lambda: "Marked: 2" in question.text)
        api.press(question.id, one.replace("☐", "☑"))
        await api.until(lambda: "Download the marked ones (1)" in question.buttons)
        api.press(question.id, "Download the marked ones (1)")
        await api.until(lambda: "Here it is" in question.text)
        assert [message.content for message in api.files_sent()[2:]] == [BODY[:1000]]
        question.buttons = old
        api.press(question.id, two)
        await api.until(lambda: len(api.called("answerCallbackQuery")) == 8)
        nods = {call.get("text", "") for call in api.called("answerCallbackQuery")}  # they go out side by side
        assert nods == {
            "",
            "These are settings of somebody else. For yours: /settings",
            "Only the person who sent the link can answer this.",
            "Marked: 1.",
            "Marked: 2.",
            "two.txt · 1.0 kB",
            "This was answered already, or not in time.",
        }


async def test_a_server_of_ones_own_takes_large_files_by_their_path(tmp_path: Path) -> None:
    async with telegram(tmp_path, local=True, BOT_API_LOCAL="true") as place:
        api, server = place.api, place.server
        await place.uploader.start()
        large = BODY * 130
        request = api.say(server.put("/large%20film.mp4", large))
        await api.until(lambda: "Here it is" in api.told(request))
        (sent,) = api.files_sent()
        assert (sent.kind, sent.file_name) == ("video", "large film.mp4")
        assert sent.content == large
        assert api.called("sendVideo")[0]["video"].startswith("file:///")


async def test_a_group_that_moves_and_rows_of_garbage_stop_nothing(tmp_path: Path) -> None:
    async with telegram(tmp_path) as place:
        api, server = place.api, place.server
        first = api.say(server.put("/first.bin", BODY))
        await api.until(lambda: "Downloaded" in api.told(first))
        for chat, message, status in (("'x'", "'y'", "'failed'"), ("x'ff'", "x'fe'", "x'ff00'"), (ANN, "'z'", "NULL")):
            place.reactor.execute(
                "INSERT INTO downloads(url, chat_id, message_id, request_id, status, cancelled, upload_error) "
                f"VALUES(x'ff', {chat}, {message}, 'r', {status}, 'maybe', 7)"
            )
        api.trouble("sendMessage", *[moved_to(SUPERGROUP)] * 2)
        url = server.put("/group.bin", BODY)
        api.say(f"/get {url}", chat=GROUP)
        await api.until(
            lambda: [m for m in api.messages.values() if m.chat_id == SUPERGROUP and "Downloaded" in m.text]
        )
        assert GROUP not in {message.chat_id for message in api.messages.values()}
        last = api.say(server.put("/last.bin", BODY))
        await api.until(lambda: "Downloaded" in api.told(last))
        assert place.bot.runs


def moved_to(chat: int) -> Refusal:
    """What Telegram says of a group that has become a supergroup."""
    said = "Bad Request: group chat was upgraded to a supergroup chat"
    return Refusal(400, said, {"migrate_to_chat_id": chat})
