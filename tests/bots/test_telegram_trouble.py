"""The Telegram bot when something is wrong: Telegram, the person, the bot's own life."""

from __future__ import annotations

import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from reactor import Queue
from tests.bots.copied import Program, telegram
from tests.bots.modules import loaded
from tests.bots.stages import REFUSES_UPLOADED, hanging, in_the_midst
from tests.bots.telegram import ANN, BOB, GROUP, TOKEN, BotApi, Refusal, person, too_many
from tests.media.samples import Samples
from tests.pages.site import Site

BODY = random.Random(6).randbytes(400_000)


async def test_a_telegram_in_trouble_stops_no_download_and_loses_no_message(tmp_path: Path) -> None:
    async with telegram(tmp_path, EDIT_INTERVAL="1") as place:
        api, server = place.api, place.server
        api.edit_gap = 1.0
        gone, later, page = Refusal(drop=True), too_many(1), Refusal(502, page=True)
        api.trouble("getUpdates", gone, later, page)
        api.trouble("sendMessage", later, gone, page)
        api.trouble("editMessageText", gone, later, page)
        api.trouble("sendDocument", gone, later, Refusal(500, "Internal Server Error"))
        request = api.say(server.put("/film.bin", BODY, rate=150_000))
        api.again()
        await place.uploader.start()
        await api.until(lambda: api.says("film.bin", "Here it is"))
        assert len(api.answers(request)) == 2, "a message and the file, although the link came twice"
        assert [message.content for message in api.files_sent()] == [BODY]
        assert api.floods == []
        assert len(place.reactor.rows()) == 1

        deleted = api.say(server.put("/deleted.bin", BODY, stall_after=100_000))
        await api.until(lambda: "▓" in api.told(deleted))
        api.delete(api.about(deleted).id)
        server.release()
        await api.until(lambda: len(api.files_sent()) == 2 and api.says("deleted.bin", "Here it is"))

        api.trouble("editMessageText", Refusal(403, "Forbidden: bot was blocked by the user"))
        api.trouble("sendMessage", *[Refusal(403, "Forbidden: bot was blocked by the user")] * 20)
        api.trouble("sendDocument", Refusal(403, "Forbidden: bot was blocked by the user"))
        api.say(server.put("/blocked.bin", BODY))
        await api.until(lambda: [row for row in place.reactor.rows(3) if row["upload_error"]])
        assert (place.reactor.downloads / "blocked.bin").read_bytes() == BODY
        assert place.bot.runs


async def test_a_stranger_learns_the_id_to_name_and_a_group_is_served_when_it_asks(tmp_path: Path) -> None:
    async with telegram(tmp_path) as place:
        api, server = place.api, place.server
        url = server.put("/film.bin", BODY)
        stranger = api.say(url, by=BOB)
        await api.until(lambda: api.answers(stranger))
        assert f"Your user id is {BOB}:" in api.answers(stranger)[0]
        api.say(url, by=BOB, chat=GROUP)
        api.say(f"/get {url}", by=BOB, chat=GROUP)
        api.say(url, chat=GROUP)
        named = api.say(f"@Fetcher_Bot {url}?named", chat=GROUP)
        await api.until(lambda: [m for m in api.messages.values() if m.reply_to == named])
        asked = api.say(f"/get@fetcher_bot {url}?command", chat=GROUP)
        others = {"message_id": 1, "date": 1, "chat": {"id": GROUP, "type": "supergroup"}, "from": person(BOB)}
        link = {"type": "url", "offset": 0, "length": len(url) + 6}
        other = api.say("/get", chat=GROUP, reply_to_message=others | {"text": f"{url}?other", "entities": [link]})
        requests = (named, asked, other)
        await api.until(lambda: all(map(api.answers, requests)))
        await api.until(lambda: all("Downloaded" in api.about(request, GROUP).text for request in requests))
        assert [row["url"] for row in place.reactor.rows()] == [f"{url}?{why}" for why in ("named", "command", "other")]

        await place.reactor.until(lambda: [row["status"] for row in place.reactor.rows()] == ["downloaded"] * 3)
        place.reactor.execute("UPDATE downloads SET status = 'failed', error = 'no' WHERE id = 1")
        await api.until(lambda: api.about(named, GROUP).buttons)
        api.press(api.about(named, GROUP).id, "Try again", by=BOB)
        await api.until(lambda: api.called("answerCallbackQuery"))
        assert "only people that its owner has named" in api.called("answerCallbackQuery")[0]["text"]
        assert place.reactor.row(1)["status"] == "failed"
        elsewhere = api.say("/retry 1")
        await api.until(lambda: api.answers(elsewhere))
        assert place.reactor.row(1)["status"] == "failed", "a chat's downloads are its own"


async def test_an_answer_to_a_message_starts_nothing_that_stands_in_that(tmp_path: Path) -> None:
    async with telegram(tmp_path) as place:
        api, server = place.api, place.server
        request = api.say(server.put("/film.zip", BODY))
        await api.until(lambda: "Downloaded" in api.told(request))
        ours = api.as_json(api.about(request))
        assert [entity["type"] for entity in ours["entities"]] == ["url"], "Telegram takes film.zip for a host"
        theirs = {"message_id": 1, "date": 1, "chat": {"id": GROUP, "type": "supergroup"}, "from": person(BOB)}
        url = server.put("/other.bin", BODY)
        link = {"type": "url", "offset": 0, "length": len(url)}
        said = [
            api.say("thanks", reply_to_message=ours),
            api.say("/get", reply_to_message=ours),
            api.say("@fetcher_bot thanks", chat=GROUP, reply_to_message=theirs | {"text": url, "entities": [link]}),
        ]
        await api.until(lambda: all(map(api.answers, said)))
        assert {api.answers(one)[0][:20] for one in said} == {"I found no link in t"}
        assert len(place.reactor.rows()) == 1


@pytest.mark.nightly
async def test_a_file_that_does_not_come_gives_no_token_away(tmp_path: Path) -> None:
    async with telegram(tmp_path) as place:
        api = place.api
        gone, stuck = {"file_id": "gone", "file_unique_id": "g"}, {"file_id": "stuck", "file_unique_id": "s"}
        api.stuck = {"stuck"}
        said = [api.say("", document=file | {"file_name": "a.torrent"}) for file in (gone, stuck)]
        await api.until(lambda: all(map(api.answers, said)))
        assert {api.answers(one)[0][:38] for one in said} == {"I could not get that file from Telegram"[:38]}
        assert place.bot.printed.count("did not come from Telegram") == 2
        assert TOKEN not in place.bot.printed
        assert "Traceback" not in place.bot.printed


async def test_an_address_that_cannot_be_used_gives_no_token_away(tmp_path: Path) -> None:
    async with telegram(tmp_path, BOT_API_URL="127.0.0.1:9") as place:
        await place.api.until(lambda: "again in" in place.bot.printed)
        assert TOKEN not in place.bot.printed
        assert await place.bot.stop(signal.SIGINT) == 0
        assert "Traceback" not in place.bot.printed


async def test_a_database_that_fails_after_the_file_was_sent_strands_nothing(tmp_path: Path) -> None:
    async with telegram(tmp_path) as place:
        api, server = place.api, place.server
        await place.uploader.start()
        request = api.say(server.put("/film.bin", BODY, stall_after=1000))
        await api.until(lambda: place.reactor.rows(1))
        place.reactor.execute(REFUSES_UPLOADED)
        server.release()
        await api.until(lambda: api.files_sent() and "not just now" in place.uploader.printed)
        assert place.reactor.row(1)["status"] == "uploading"
        second = Program(place.uploader.folder, "upload.py", place.uploader.environment)
        second.log = tmp_path / "second.log"
        await second.start()
        assert await second.ended() == 1
        assert second.printed.splitlines()[-1].startswith("upload: Another uploader (pid ")
        place.reactor.execute("DROP TRIGGER refuses")
        await api.until(lambda: "Here it is" in api.about(request).text)
        assert len(api.files_sent()) == 1


@pytest.mark.nightly
async def test_what_cannot_be_done_just_now_is_said_in_the_language_of_whoever_wants_it(tmp_path: Path) -> None:
    async with telegram(tmp_path) as place:
        api, server = place.api, place.server
        api.speaks = {ANN: "de"}
        request = api.say(server.put("/film.bin", BODY, stall_after=100_000))
        await api.until(lambda: "▓" in api.told(request))
        said = api.say("/settings Español")
        await api.until(lambda: api.answers(said) and "Cancelar" in api.about(request).buttons)
        with closing(sqlite3.connect(place.reactor.db, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            api.press(api.about(request).id, "Cancelar")
            await api.until(lambda: api.called("answerCallbackQuery"))
            asked = api.say("/cancel 1")
            await api.until(lambda: api.answers(asked))
            other.execute("ROLLBACK")
        (nod,) = api.called("answerCallbackQuery")
        assert nod["text"].startswith("Ahora mismo no funciona. Inténtalo más tarde. ")
        assert api.answers(asked) == [nod["text"]]
        server.release()
        await api.until(lambda: "Descargado" in api.told(request))


@pytest.mark.timeout(300)  # it may be the first that imports aiogram
async def test_an_answer_does_not_wait_for_the_database(tmp_path: Path) -> None:
    from aiogram import Bot
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.types import Message

    database, (replies, store) = tmp_path / "bot.db", loaded("telegram", "replies", "store")
    async with BotApi() as api, Queue(database), store.Store.open(database) as ours:
        session = AiohttpSession(api=TelegramAPIServer.from_base(api.url))
        said = {"message_id": 1, "date": 1, "chat": {"id": ANN, "type": "private"}}
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with Bot(TOKEN, session) as bot, anyio.create_task_group() as tasks:
                tasks.start_soon(ours.hush, ANN, 1.0)  # waits for its turn, and lets nothing pass
                replies.Replies(tasks, ours).send(Message.model_validate(said).as_(bot), "It is in trouble.")
                await api.until(lambda: api.says("It is in trouble."))
                other.execute("ROLLBACK")


@pytest.mark.nightly
@pytest.mark.parametrize("stage", ["extracting", pytest.param("finishing", marks=pytest.mark.nightly)])
async def test_a_cancel_in_the_midst_of_other_stages(tmp_path: Path, samples: Samples, stage: str) -> None:
    async with Site() as site, telegram(tmp_path, local=False, serving=True, **hanging(tmp_path, samples)) as place:
        api = place.api
        request = api.say(in_the_midst(stage, site, samples))
        await api.until(lambda: [row for row in place.reactor.rows() if row["stage"] == stage])
        await api.until(lambda: api.told(request) and api.about(request).buttons)
        api.press(api.about(request).id, "Cancel")
        await api.until(lambda: "Cancelled" in api.about(request).text)
        await place.reactor.until(lambda: not place.reactor.files())


@pytest.mark.nightly
async def test_a_bot_that_was_killed_goes_on_with_the_messages_that_are_there(tmp_path: Path) -> None:
    async with telegram(tmp_path) as place:
        api, server = place.api, place.server
        slow = server.put("/slow.bin", BODY, stall_after=100_000)
        request = api.say(slow)
        await api.until(lambda: "▓" in api.told(request))
        await place.bot.stop(signal.SIGKILL)
        before = len(api.about(request).history)
        missed = api.say(server.put("/missed.bin", BODY))
        await place.bot.start()
        await api.until(lambda: api.answers(missed))
        server.release()
        await api.until(lambda: "Downloaded" in api.about(request).text and "Downloaded" in api.about(missed).text)
        assert len(api.about(request).history) > before
        assert [len(api.answers(one)) for one in (request, missed)] == [1, 1]

        again = api.say(server.put("/again.bin", BODY, rate=200_000))
        await api.until(lambda: api.answers(again))
        assert await place.bot.stop() == 0
        await place.until_row(3, "downloaded")
        await place.bot.start()
        await api.until(lambda: "Downloaded" in api.about(again).text)

        api.hold = True
        await place.uploader.start()
        await api.until(lambda: "sendDocument" in api.held)
        await place.uploader.stop(signal.SIGKILL)
        assert place.reactor.row(1)["status"] == "uploading"
        api.release()
        await place.uploader.start()
        await api.until(lambda: len(api.files_sent()) == 3)
        await api.until(lambda: [row["status"] for row in place.reactor.rows()] == ["uploaded"] * 3)
        assert {message.chat_id for message in api.files_sent()} == {ANN}


async def test_a_flood_is_bounded_and_can_be_called_off(tmp_path: Path) -> None:
    async with telegram(tmp_path, MAX_WAITING="150") as place:
        api, server = place.api, place.server
        url = server.put("/f", BODY, stall_after=1000)
        floods = [api.say(" ".join(f"{url}?{part}-{link}" for link in range(90))) for part in range(3)]
        await api.until(lambda: len(place.reactor.rows()) == 150)
        await api.until(lambda: api.says("150 waiting at once", "90 of these"))
        stop = api.say("/cancel all")
        await api.until(lambda: "Stopped: 150." in api.answers(stop))
        await api.until(lambda: {row["status"] for row in place.reactor.rows()} == {"cancelled"})
        assert len(floods) == 3
        last = api.say(server.put("/last", BODY))
        await api.until(lambda: place.reactor.rows(151) and place.reactor.row(151)["status"] == "downloaded")
        assert last
