"""What the Discord bot sends, and to whom it says what: several at once, in turns, in a guild's size, in a language."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.bots.copied import DiscordPlace, discord
from tests.bots.discord_api import ANN, BOB, CHANNEL, OTHER_CHANNEL, Message
from tests.bots.stages import song_of
from tests.media.samples import SECONDS, Samples

BODY = random.Random(6).randbytes(400_000)
LARGE = BODY * 20
GUILD_CHANNEL = 700
BOTH = f"{ANN},{BOB}"


def left_alone(database: Path) -> list[int]:
    """The channels that are."""
    with closing(sqlite3.connect(database)) as db:
        return [id for (id,) in db.execute("SELECT channel_id FROM bot_channels WHERE quiet_until > 1e9")]


async def enter(place: DiscordPlace, file: Path, *, channel: int = CHANNEL, key: str | None = None) -> dict[str, Any]:
    """Ann has asked for this, and it has come. The row, once it is sent or given up."""
    guild, reactor = place.discord.guilds.get(channel), place.reactor
    await place.discord.until(lambda: place.discord.ready)
    sql = """INSERT INTO downloads (url, status, file_path, channel_id, guild_id, user_id, media_key)
        VALUES ('magnet:?xt=urn:btih:0', 'downloaded', ?, ?, ?, ?, ?)"""
    reactor.execute(sql, str(file), channel, guild, ANN, key)
    id = len(reactor.rows())
    await reactor.until(lambda: reactor.row(id)["status"] == "uploaded" or reactor.row(id)["upload_error"])
    return reactor.row(id)


def names(messages: list[Message]) -> list[list[str]]:
    return [[name for name, _ in message.attached] for message in messages]


async def test_channels_take_turns_and_an_upload_can_be_stopped(tmp_path: Path) -> None:
    async with discord(tmp_path, UPLOADS="3", MAX_CONCURRENT_DOWNLOADS="4") as place:
        api, server, reactor = place.discord, place.server, place.reactor
        await api.until(lambda: api.ready)
        api.command("get", links=server.put("/first.bin", BODY))
        await api.until(lambda: api.about("first.bin", "Here it is"))
        api.hold = True
        url = server.put("/large.bin", LARGE)
        api.command("get", links=" ".join(f"{url}?{number}" for number in range(4)))
        await api.until(lambda: api.held == [CHANNEL] * 2)
        api.command("get", links=server.put("/theirs.bin", BODY), channel=OTHER_CHANNEL)
        await api.until(lambda: sorted(api.held) == [CHANNEL, CHANNEL, OTHER_CHANNEL])
        await api.until(lambda: api.about("theirs.bin", "⬆️"))
        sending = [row["id"] for row in reactor.rows() if row["status"] == "uploading" and row["channel_id"] == CHANNEL]
        assert len(sending) == 2, "a place is left to others"
        await api.until(lambda: api.about("large.bin", "▓", "of 8.0 MB sent"))
        api.command("cancel", number=str(sending[0]))
        await api.until(lambda: api.replies[-1].startswith("Stopping: large.bin"))
        await api.until(lambda: api.about("Stopped before it was sent."))
        await api.until(lambda: len(api.held) == 4)
        second = [row["id"] for row in reactor.rows() if row["status"] == "uploading" and row["id"] not in sending]
        stopped = place.about("Stopped before it was sent.")
        assert stopped.buttons.keys() == {"Try again"}
        assert {"Cancel"} == place.about("theirs.bin", "⬆️").buttons.keys()
        api.release()
        await api.until(lambda: len(api.files()) == 5)
        await api.until(lambda: api.aborted == 1)
        assert second
        api.press(stopped, "Try again")
        await api.until(lambda: len(api.files()) == 6 and "Here it is" in stopped.content)
        assert [row["status"] for row in reactor.rows()] == ["uploaded"] * 6


async def test_a_channel_that_is_to_be_left_alone_is_and_others_do_not_notice(tmp_path: Path) -> None:
    async with discord(tmp_path, UPLOADS="1", MAX_CONCURRENT_DOWNLOADS="3") as place:
        api, server, reactor = place.discord, place.server, place.reactor
        await api.until(lambda: api.ready)
        api.command("get", links=server.put("/mine.bin", BODY, stall_after=100_000))
        await api.until(lambda: api.about("mine.bin", "▓"))
        api.floods = {CHANNEL: [3600.0]}
        api.command("get", links=server.put("/more.bin", BODY, stall_after=100_000))
        await api.until(lambda: not api.floods[CHANNEL])

        def here() -> int:
            return len([channel for _, channel in api.asked if channel == CHANNEL])

        await reactor.until(lambda: left_alone(reactor.db))
        before = here()
        server.release()
        api.command("get", links=server.put("/theirs.bin", BODY), channel=OTHER_CHANNEL)
        await api.until(lambda: api.about("theirs.bin", "Here it is"))
        await reactor.until(lambda: [row["status"] for row in reactor.rows(1, 2)] == ["downloaded"] * 2)
        await place.bot.stop()
        await place.bot.start()
        await api.until(lambda: api.ready)
        api.command("get", links=server.put("/again.bin", BODY), channel=OTHER_CHANNEL)
        await api.until(lambda: api.about("again.bin", "Here it is"))
        assert here() == before, "not a word"
        await place.bot.stop()
        reactor.execute("UPDATE bot_channels SET quiet_until = 0")
        await place.bot.start()
        await api.until(lambda: api.about("mine.bin", "Here it is") and api.about("more.bin", "Here it is"))
        assert {name for name, _ in api.files()} == {"mine.bin", "more.bin", "theirs.bin", "again.bin"}
        assert len(api.files()) == 4


@pytest.mark.nightly
async def test_a_guild_with_boosts_takes_larger_files_and_larger_ones_in_pieces(tmp_path: Path) -> None:
    async with discord(tmp_path, guilds={GUILD_CHANNEL: 77}) as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        url = server.put("/large.bin", BODY * 40)
        api.command("get", links=url)
        await api.until(lambda: api.about("Too large for Discord, which accepts 10.5 MB"))
        api.command("get", links=url, channel=GUILD_CHANNEL)
        await api.until(lambda: api.about("large.bin", "Here it is"))
        assert [content for _, content in api.files()] == [BODY * 40]
        server.put("/huge.bin", BODY * 135)
        api.command("get", links=server.url("/huge.bin"), channel=GUILD_CHANNEL)
        await api.until(lambda: api.about("huge.bin", "Here it is"))
        assert b"".join(content for _, content in api.files()[1:]) == BODY * 135
        assert len(api.files()) == 3
        asked = [json.loads(row["options"] or "{}") for row in place.reactor.rows()]
        assert asked == [{}, {"split_mib": 50}, {"split_mib": 50}]


async def test_several_files_are_one_message_and_what_was_sent_before_is_forwarded(tmp_path: Path) -> None:
    folder = tmp_path / "holiday"
    folder.mkdir()
    for name in (*(f"{number:02}.jpg" for number in range(1, 12)), "a.txt", "b.mp3", "film.mp4"):
        (folder / name).write_bytes(BODY[:1000])
    pictures, others = [f"{number:02}.jpg" for number in range(1, 11)], ["a.txt", "b.mp3"]
    async with discord(tmp_path, serving=False, guilds={GUILD_CHANNEL: 77}) as place:
        api = place.discord
        await enter(place, folder, key="torrent:0")
        first = api.with_files()
        assert names(first) == [pictures, ["11.jpg", "film.mp4"], others]
        await enter(place, folder, key="torrent:0", channel=GUILD_CHANNEL)
        again = api.with_files()[3:]
        assert [message.forwarded for message in again] == first
        assert {message.channel_id for message in again} == {GUILD_CHANNEL}

        del api.messages[first[1].id]
        (folder / "a.txt").write_bytes(b"another")
        await enter(place, folder, key="torrent:0", channel=GUILD_CHANNEL)
        there = api.with_files()[5:]
        assert [message.forwarded for message in there] == [first[0], None, None]
        assert names(there)[1:] == [["11.jpg", "film.mp4"], others]
        api.no_history = {GUILD_CHANNEL}
        await enter(place, folder, key="torrent:0")
        assert names(api.with_files()[8:]) == [[], ["11.jpg", "film.mp4"], others], "the first is in another channel"


async def test_a_sound_has_its_cover_and_a_film_that_discord_does_not_play_a_picture(
    tmp_path: Path, samples: Samples
) -> None:
    song, film = song_of(samples), samples.film("film.mkv")
    async with discord(tmp_path, serving=False) as place:
        api = place.discord
        await enter(place, song)
        await enter(place, film)
        await enter(place, samples.film())
        heard, seen, played = api.with_files()
        (card,), (picture,) = heard.embeds, seen.embeds
        assert (card["title"], card["description"]) == ("A = song; of ours", f"Somebody · 0:0{SECONDS}")
        assert card["thumbnail"] == {"url": "attachment://picture.jpg"}
        assert (picture["title"], picture["description"]) == ("film", f"0:0{SECONDS} · 96×64")
        assert picture["image"] == {"url": "attachment://picture.jpg"}
        assert [name for name, _ in heard.files] == ["song.mp3", "picture.jpg"]
        assert all(message.files[1][1].startswith(b"\xff\xd8") for message in (heard, seen))
        assert (names([played]), played.embeds) == ([["film.mp4"]], [])
        api.no_embeds = {CHANNEL}
        await enter(place, song)
        assert (names(api.with_files()[3:]), api.with_files()[3].embeds) == ([["song.mp3"]], [])


async def test_a_file_that_is_gone_or_refused_keeps_back_no_other(tmp_path: Path) -> None:
    folder, files = tmp_path / "holiday", {"1.bin": BODY, "2.bin": BODY, "3.bin": BODY * 30, "4.bin": BODY}
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    async with discord(tmp_path, UPLOAD_LIMIT_MB="20") as place:
        api, reactor = place.discord, place.reactor
        await api.until(lambda: api.ready)
        api.hold = True
        values = f"'magnet:?xt=urn:btih:0', 'downloaded', '{folder}', {CHANNEL}, {ANN}"
        reactor.execute(f"INSERT INTO downloads (url, status, file_path, channel_id, user_id) VALUES ({values})")
        await api.until(lambda: api.held)
        (folder / "2.bin").unlink()
        api.release()
        await api.until(lambda: api.about("The file cannot be read: No such file or directory."))
        assert [name for name, _ in api.files()] == ["1.bin", "4.bin"]
        message = place.about("The file cannot be read")
        assert "holiday" not in message.content
        api.press(message, "Try again")
        await api.until(lambda: "It could not be sent: 3.bin" in message.content)
        assert json.loads(reactor.row(1)["upload_error"])["code"] == "failed"
        assert [name for name, _ in api.files()] == ["1.bin", "4.bin"]


async def test_each_is_spoken_to_in_their_language_and_told_their_place(tmp_path: Path) -> None:
    async with discord(tmp_path, ALLOWED_USERS=BOTH) as place:
        api, server = place.discord, place.server
        api.speaks = {ANN: "de", BOB: "fr"}
        await api.until(lambda: api.ready)
        (get,) = [command for command in api.commands if command["name"] == "get"]
        assert get["description_localizations"]["de"].startswith("Diese Links laden")
        assert get["options"][0]["description_localizations"]["es-ES"] == "Enlaces y enlaces magnet"
        (settings,) = [command for command in api.commands if command["name"] == "settings"]
        (language,) = [option for option in settings["options"] if option["name"] == "language"]
        assert [each["value"] for each in language["choices"]] == ["auto", "Deutsch", "English", "Español"]
        api.command("get", links=server.put("/first.bin", BODY, stall_after=100_000))
        await api.until(lambda: api.replies == ["Angenommen: 1 von 1."] and api.about("first.bin", "▓"))
        api.command("get", links=server.put("/second.bin", BODY, stall_after=100_000))
        await api.until(lambda: api.about("second.bin", "In der Warteschlange"))
        assert place.about("second.bin").buttons.keys() == {"Abbrechen"}
        api.command("get", by=BOB, channel=OTHER_CHANNEL, links=server.put("/theirs.bin", BODY))
        await api.until(lambda: api.about("theirs.bin", "In the queue"))
        api.command("queue")
        await api.until(lambda: "second.bin" in api.replies[-1])
        place_of = r"#2 second\.bin \((als nächster|einer davor|\d davor)(, etwa .*)?\)"
        assert re.fullmatch(place_of, api.replies[-1].splitlines()[-1])
        api.command("settings", language="Español")
        await api.until(lambda: "Mi idioma: **Español**" in api.replies[-1])
        await api.until(lambda: api.about("second.bin", "En la cola"))
        api.command("settings", language="auto")
        await api.until(lambda: "Meine Sprache: **Deutsch (Discord)**" in api.replies[-1])
        api.command("stats", by=BOB, channel=OTHER_CHANNEL)
        await api.until(lambda: api.replies[-1] == "Nothing was downloaded here yet.")
        server.release()
        await api.until(lambda: len(api.files()) == 3)
        api.command("stats")
        await api.until(lambda: "Letzte 24 Stunden: 2 Downloads, 0.8 MB" in api.replies[-1])
