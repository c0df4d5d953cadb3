"""In which language the Telegram bot speaks to whom, in which place they wait, and what it leaves unsaid meanwhile."""

from __future__ import annotations

import random
import re
import signal
from pathlib import Path

from tests.bots.copied import telegram
from tests.bots.telegram import ANN, BOB, too_many

BODY = random.Random(6).randbytes(400_000)
BOTH = f"{ANN},{BOB}"


async def test_each_is_spoken_to_in_their_language_and_told_their_place(tmp_path: Path) -> None:
    async with telegram(tmp_path, ALLOWED_USERS=BOTH) as place:
        api, server = place.api, place.server
        api.speaks = {ANN: "de-AT", BOB: "fr"}
        first = api.say(server.put("/first.bin", BODY, stall_after=100_000))
        await api.until(lambda: "von 400.0 kB" in api.told(first))
        assert api.about(first).buttons == {"Abbrechen": "cancel:1"}
        second = api.say(server.put("/second.bin", BODY, stall_after=100_000))
        theirs = api.say(server.put("/theirs.bin", BODY), by=BOB)
        await api.until(lambda: "In der Warteschlange" in api.told(second) and "In the queue" in api.told(theirs))
        queues = api.say("/queue"), api.say("/queue", by=BOB)
        await api.until(lambda: all(map(api.answers, queues)))
        (mine,), (others,) = map(api.answers, queues)
        assert mine.splitlines()[0].startswith("#1 first.bin (fetching, ")
        assert re.fullmatch(r"#2 second\.bin \((als nächster|einer davor|\d davor)(, etwa .*)?\)", mine.splitlines()[1])
        assert re.fullmatch(r"#3 theirs\.bin \((next|one before it|\d before it)(, about .*)?\)", others)

        said = api.say("/settings")
        await api.until(lambda: api.answers(said))
        settings = api.about(said)
        assert "Meine Sprache: Deutsch (Telegram)" in settings.text
        api.press(settings.id, "Español", by=BOB)
        api.press(settings.id, "Español")
        await api.until(lambda: "Mi idioma: Español" in settings.text)
        await api.until(lambda: "de 400.0 kB" in api.told(first) and "En la cola" in api.told(second))
        assert "In the queue" in api.told(theirs)
        wrong = api.say("/cancel x")
        await api.until(lambda: api.answers(wrong))
        assert api.answers(wrong)[0].startswith("¿Cuál?")
        api.press(settings.id, "Mi idioma: como en Telegram")
        await api.until(lambda: "Meine Sprache: Deutsch (Telegram)" in settings.text)
        named = api.say("/settings english")
        await api.until(lambda: api.answers(named))
        assert "My language: English\n" in api.answers(named)[0]

        none = api.say("/stats", by=BOB)
        await api.until(lambda: api.answers(none) == ["Nothing was downloaded here yet."])
        server.release()
        await place.reactor.until(lambda: {row["status"] for row in place.reactor.rows()} == {"downloaded"})
        stats = api.say("/stats"), api.say("/stats", by=BOB)
        await api.until(lambda: all(map(api.answers, stats)))
        assert "Last 24 hours: 2 downloads, 800.0 kB" in api.answers(stats[0])[0]
        assert "Last 24 hours: one download, 400.0 kB" in api.answers(stats[1])[0]
        commands = {call.get("language_code"): call["commands"] for call in api.called("setMyCommands")}
        assert commands.keys() == {None, "de", "es"}
        assert "einen gescheiterten" in commands["de"]


async def test_a_chat_that_is_to_be_left_alone_is_told_the_end_and_nothing_else(tmp_path: Path) -> None:
    async with telegram(tmp_path, ALLOWED_USERS=BOTH, MAX_CONCURRENT_DOWNLOADS="3") as place:
        api, server, reactor = place.api, place.server, place.reactor

        def to_ann() -> int:
            calls = [call for name in ("editMessageText", "sendMessage") for call in api.called(name)]
            return len([call for call in calls if call["chat_id"] == str(ANN)])

        mine = api.say(server.put("/mine.bin", BODY, stall_after=100_000))
        await api.until(lambda: "▓" in api.told(mine))
        api.trouble("editMessageText", too_many(3600), chat=ANN)
        server.put("/more.bin", BODY, stall_after=100_000)
        reactor.execute("UPDATE downloads SET progress = 60, download_speed = 1 WHERE id = 1")
        await api.until(lambda: not api.troubles("editMessageText", ANN))
        before = to_ann()
        more = api.say(server.url("/more.bin"))
        unanswered = api.say("/queue")
        theirs = api.say(server.put("/theirs.bin", BODY, rate=400_000), by=BOB)
        await api.until(lambda: "Downloaded" in api.told(theirs))
        await place.bot.stop(signal.SIGKILL)
        await place.bot.start()
        again = api.say(server.put("/again.bin", BODY, rate=400_000), by=BOB)
        server.release()
        await api.until(lambda: "Downloaded" in api.told(again))
        await reactor.until(lambda: {row["status"] for row in reactor.rows()} == {"downloaded"})
        assert to_ann() == before, "not a word"
        await place.bot.stop()
        reactor.execute("UPDATE bot_chats SET quiet_until = 0")
        await place.bot.start()
        await api.until(lambda: "Downloaded" in api.told(mine) and "Downloaded" in api.told(more))
        assert to_ann() == before + 2, "the last state of each, once"
        assert api.answers(unanswered) == []

        api.trouble("editMessageText", too_many(1), chat=ANN)
        short = api.say(server.put("/short.bin", BODY, rate=400_000))
        await api.until(lambda: "Downloaded" in api.told(short))
