"""The Discord bot, end to end: people, a server that speaks its API and gateway, the reactor, aria2c and files."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.bots.copied import Program, discord
from tests.bots.discord_api import ANN, BOB, CHANNEL, OTHER_CHANNEL
from tests.bots.stages import REFUSES_UPLOADED, hanging, in_the_midst
from tests.media.samples import Samples
from tests.pages.site import Site
from tests.real.swarm import swarm_in
from tests.real.test_lists import contents, feed_of

BODY = random.Random(6).randbytes(400_000)


async def test_links_become_messages_that_move_and_then_files(tmp_path: Path) -> None:
    async with discord(tmp_path, UPLOAD_LIMIT_MB="1") as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        assert {command["name"] for command in api.commands} == {
            *("get", "queue", "cancel", "retry", "stats", "status", "settings", "Download the links")
        }
        api.later = 1
        film = server.put("/film.bin", BODY, rate=200_000)
        hostile = server.put("/_x_**y**[z](http:a).bin", BODY)
        api.command("get", links=f"{film} and {server.url('/none')} {film} {hostile}")
        await api.until(lambda: api.replies == ["Added: 3 of 3."])
        await api.until(lambda: api.about("film.bin", "Here it is"))
        assert [text for text in place.about("film.bin").history if "▓" in text]
        await api.until(lambda: api.about("none", "❌", "404"))
        await api.until(lambda: api.about("Here it is", "\\_x\\_"))
        assert api.files()[0] == ("film.bin", BODY)
        assert len(api.files()) == 2

        server.put("/none", BODY * 4)
        failed = place.about("none", "❌")
        api.press(failed, "Try again")
        await api.until(lambda: "Too large for Discord" in failed.content)
        assert [row["status"] for row in place.reactor.rows()] == ["uploaded", "downloaded", "uploaded"]

        api.use("Download the links", f"this one: {server.put('/stalls.bin', BODY, stall_after=50_000)}")
        await api.until(lambda: api.about("stalls.bin", "▓"))
        api.command("queue")
        await api.until(lambda: api.replies[-1] == "#4 stalls.bin (fetching)")
        api.press(place.about("stalls.bin"), "Cancel")
        await api.until(lambda: api.about("stalls.bin", "Cancelled"))
        assert place.about("stalls.bin").buttons.keys() == {"Try again"}
        api.command("cancel", number="4")
        await api.until(lambda: api.replies[-1] == "#4 is not running or waiting.")
        api.command("get", links="nothing")
        await api.until(lambda: api.replies[-1] == "I found no link in this.")


async def test_strangers_and_other_channels_change_nothing(tmp_path: Path) -> None:
    async with discord(tmp_path, MAX_WAITING="1") as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        url = server.put("/film.bin", BODY, stall_after=1000)
        api.command("get", by=BOB, links=url)
        await api.until(lambda: len(api.replies) == 1)
        assert f"`{BOB}`" in api.replies[0]
        assert place.reactor.rows() == []
        api.command("get", links=f"{url} {url}?2", container="mkv", audio_language="de")
        await api.until(lambda: len(api.replies) == 2)
        asked = json.loads(place.reactor.row(1)["options"])
        assert (asked["container"], asked["language"]) == ("mkv", "de")
        assert api.replies[1] == "Added: 1 of 2. You can have 1 waiting at once."
        await api.until(lambda: api.about("film.bin"))
        api.press(place.about("film.bin"), "Cancel", by=BOB)
        await api.until(lambda: len(api.replies) == 3)
        assert f"`{BOB}`" in api.replies[2]
        api.command("cancel", channel=OTHER_CHANNEL, number="#1")
        await api.until(lambda: len(api.replies) == 4)
        assert "no such download in this channel" in api.replies[3]
        assert place.reactor.row(1)["cancelled"] == 0


async def test_a_channel_that_discord_refuses_silences_no_other(tmp_path: Path) -> None:
    async with discord(tmp_path, MAX_CONCURRENT_DOWNLOADS="2") as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        api.closed = {CHANNEL}
        api.command("get", links=server.put("/unheard.bin", BODY, stall_after=100_000))
        api.command("get", channel=OTHER_CHANNEL, links=server.put("/archived.bin", BODY, stall_after=100_000))
        await api.until(lambda: api.about("archived.bin", "▓"))
        api.archived = {OTHER_CHANNEL}
        server.release()
        await api.until(lambda: api.about("archived.bin", "Here it is") and not api.archived)
        api.command("get", channel=OTHER_CHANNEL, links=server.put("/heard.bin", BODY))
        await api.until(lambda: api.about("heard.bin", "Here it is"))
        await api.until(lambda: place.reactor.row(1)["upload_error"])
        why = json.loads(place.reactor.row(1)["upload_error"])
        assert (why["code"], why["name"]) == ("failed", "unheard.bin")
        assert {name for name, _ in api.files()} == {"archived.bin", "heard.bin"}


async def test_an_upload_that_breaks_off_is_sent_again(tmp_path: Path) -> None:
    async with discord(tmp_path) as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        api.drops = 2
        api.command("get", links=server.put("/film.bin", BODY))
        await api.until(lambda: api.about("film.bin", "Here it is"))
        assert api.files() == [("film.bin", BODY)]
        assert api.drops == 0


async def test_a_command_is_answered_while_the_database_is_locked(tmp_path: Path) -> None:
    async with discord(tmp_path) as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        url = server.put("/film.bin", BODY, stall_after=100_000)
        api.command("get", links=url)
        await api.until(lambda: api.about("film.bin", "▓"))
        with closing(sqlite3.connect(place.reactor.db, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            api.command("cancel", number="1")
            await api.until(lambda: "locked by another program" in api.replies[-1])
            other.execute("ROLLBACK")
        server.release()
        await api.until(lambda: api.about("film.bin", "Here it is"))


@pytest.mark.nightly
async def test_a_database_that_fails_after_the_file_was_sent_strands_nothing(tmp_path: Path) -> None:
    async with discord(tmp_path) as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        place.reactor.execute(REFUSES_UPLOADED)
        api.command("get", links=server.put("/film.bin", BODY))
        await api.until(lambda: api.files() and "going on in" in place.bot.printed)
        assert place.reactor.row(1)["status"] == "uploading"
        place.reactor.execute("DROP TRIGGER refuses")
        await api.until(lambda: api.about("film.bin", "Here it is"))
        assert len(api.files()) == 1


async def test_a_torrent_file_is_fetched_and_each_file_of_its_folder_that_is_wanted_is_sent(tmp_path: Path) -> None:
    people = f"{ANN},{BOB}"
    async with swarm_in(tmp_path / "swarm") as swarm, discord(tmp_path, ALLOWED_USERS=people) as place:
        api = place.discord
        await api.until(lambda: api.ready)
        made = swarm.make("album", {"one.txt": BODY, "two.txt": BODY[:1000]})
        await swarm.serve(made)
        api.command("get", torrent=api.attach("album.torrent", place.server.put("/album.torrent", made.metainfo)))
        await api.until(lambda: api.about("Here it is"))
        assert dict(api.files()) == {"one.txt": BODY, "two.txt": BODY[:1000]}
        api.command("get", torrent=api.attach("cat.jpg", place.server.url("/cat.jpg")))
        await api.until(lambda: api.replies[-1] == "I found no link in this.")

        api.command("settings", sound="mp3", subtitles="de,en", ask="all")
        await api.until(lambda: "Audio only: **mp3**\nSubtitles: **de, en**\nAsk first: **yes**" in api.replies[-1])
        api.command("settings", sound="film", subtitles="none")
        await api.until(lambda: "Audio only: **no**\nSubtitles: **none**\nAsk first: **yes**" in api.replies[-1])
        api.command("get", links=made.magnet, clip="2:00-1:00")
        await api.until(lambda: "`clip`" in api.replies[-1].replace("\\", ""))
        api.command("get", links=made.magnet)
        await api.until(lambda: api.about("Which of the 2 files?"))
        question = place.about("Which of the 2 files?")
        api.choose(question, "two.txt", by=BOB)
        await api.until(lambda: api.replies[-1] == "Only the person who sent the link can answer this.")
        api.choose(question, "one.txt", "two.txt")
        await api.until(lambda: "Marked: 2." in question.content)
        api.choose(question, "two.txt")
        await api.until(lambda: "Marked: 1." in question.content)
        below = question.components
        api.press(question, "Download the marked ones")
        await api.until(lambda: "Here it is" in question.content)
        assert api.files()[2:] == [("two.txt", BODY[:1000])]
        question.components = below
        api.press(question, "Take the default")
        await api.until(lambda: "This was answered already" in api.replies[-1])
        assert question.menus == {"mark:2:f0": {"one.txt": "t1", "two.txt": "t2"}}
        assert json.loads(place.reactor.row(2)["options"]) == {"ask": "never", "files": [2]}


async def test_a_list_has_one_message_and_gives_each_of_its_files(tmp_path: Path) -> None:
    async with discord(tmp_path) as place:
        api, server, files = place.discord, place.server, contents()
        await api.until(lambda: api.ready)
        url = feed_of(server, files)
        api.command("get", links=url, entries="41-46")
        server.put("/43.bin", files[43], stall_after=1000)
        await api.until(lambda: api.about("3 of 6 downloaded"))
        message = place.about("3 of 6 downloaded")
        api.press(message, "Cancel")
        await api.until(lambda: "Cancelled" in message.content)
        server.put("/43.bin", files[43])
        await api.until(lambda: len(api.files()) == 3)
        api.press(message, "Try again")
        await api.until(lambda: len(api.files()) == 6 and "6 of 6 downloaded" in message.content)
        assert sorted(content for _, content in api.files()) == sorted(files[40:46]), "each once"
        assert len([each for each in api.messages.values() if each.content]) == 1


@pytest.mark.parametrize("stage", [pytest.param("extracting", marks=pytest.mark.nightly), "finishing"])
async def test_a_cancel_in_the_midst_of_other_stages(tmp_path: Path, samples: Samples, stage: str) -> None:
    async with Site() as site, discord(tmp_path, serving=True, guilds={}, **hanging(tmp_path, samples)) as place:
        api = place.discord
        await api.until(lambda: api.ready)
        api.command("get", links=in_the_midst(stage, site, samples))
        await api.until(lambda: [row for row in place.reactor.rows() if row["stage"] == stage])
        api.command("cancel", number="all")
        await api.until(lambda: api.replies[-1] == "Stopped: 1.")
        await api.until(lambda: api.about("Cancelled"))
        await place.reactor.until(lambda: not place.reactor.files())


async def test_a_second_bot_is_refused(tmp_path: Path) -> None:
    async with discord(tmp_path, serving=False) as place:
        await place.discord.until(lambda: place.discord.ready)
        second = Program(place.bot.folder.rename(tmp_path / "moved"), "bot.py", place.bot.environment)
        second.log = tmp_path / "second.log"
        await second.start()
        assert await second.ended() == 1
        assert second.printed.splitlines()[-1].startswith("bot: Another bot (pid ")
        assert place.bot.runs


async def test_a_bot_and_a_reactor_that_were_killed_go_on(tmp_path: Path) -> None:
    async with discord(tmp_path, serving=False, START_REACTOR="true") as place:
        api, server = place.discord, place.server
        await api.until(lambda: api.ready)
        api.command("get", links=server.put("/film.bin", BODY, stall_after=100_000))
        await api.until(lambda: api.about("film.bin", "▓"))
        api.command("status")
        await api.until(lambda: len(api.replies) == 2)
        assert "**running**" in api.replies[1]
        await place.bot.stop(signal.SIGKILL)
        await api.until(lambda: not api.ready)
        await place.bot.start()
        await api.until(lambda: api.ready)
        server.release()
        await api.until(lambda: api.about("film.bin", "Here it is"))
        assert len([m for m in api.messages.values() if m.content]) == 1
        assert api.files() == [("film.bin", BODY)]
        assert await place.bot.stop() == 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"EDIT_INTERVAL": "soon"}, "bot: EDIT_INTERVAL: "),
        ({"MAX_WAITING": "-5"}, "bot: MAX_WAITING: "),
        ({"ALLOWED_USERS": "@ann"}, "bot: ALLOWED_USERS: takes user ids (numbers)"),
    ],
)
async def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, settings: dict[str, str], sentence: str) -> None:
    async with discord(tmp_path, serving=False, guilds={}, **settings) as place:
        assert await place.bot.ended() == 1
        (printed,) = place.bot.printed.splitlines()
        assert printed.startswith(sentence)


async def test_a_wrong_setting_ends_the_bot_with_one_sentence(tmp_path: Path) -> None:
    async with discord(tmp_path, serving=False, DISCORD_TOKEN="another") as place:
        assert await place.bot.ended() == 1
        assert place.bot.printed.splitlines()[-1].startswith("bot: DISCORD_TOKEN: Discord does not know this token.")
        place.bot.environment |= {"DOWNLOAD_DIR": str(tmp_path / "bot.db"), "START_REACTOR": "true"}
        await place.bot.start()
        assert await place.bot.ended() == 1
        assert place.bot.printed.splitlines()[-1].startswith("bot: ")
        assert "Traceback" not in place.bot.printed
