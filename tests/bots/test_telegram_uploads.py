"""What the Telegram bot sends, and how: several at once, in turns, each once, as what it is."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.bots.copied import Place, telegram
from tests.bots.stages import song_of
from tests.bots.telegram import ANN, BOB, Message, Refusal, too_many
from tests.media.samples import SECONDS, Samples
from tests.real.swarm import swarm_in

BODY = random.Random(6).randbytes(400_000)
LARGE = BODY * 40
"""More than what the buffers of a connection hold."""
ETAG = '"one"'
BOTH = f"{ANN},{BOB}"


def sent_to(place: Place, chat: int) -> list[Message]:
    return [message for message in place.api.files_sent() if message.chat_id == chat]


async def test_chats_take_turns_and_an_upload_is_shown_and_stopped(tmp_path: Path) -> None:
    async with telegram(tmp_path, ALLOWED_USERS=BOTH, UPLOADS="3", MAX_CONCURRENT_DOWNLOADS="4") as place:
        api, server, reactor = place.api, place.server, place.reactor
        url = server.put("/large.bin", LARGE)
        mine = [api.say(f"{url}?{number}") for number in range(6)]
        await reactor.until(lambda: [row["status"] for row in reactor.rows()] == ["downloaded"] * 6)
        api.hold = True
        await place.uploader.start()
        await api.until(lambda: len(api.held) == 2)
        theirs = api.say(f"{url}?theirs", by=BOB)
        await api.until(lambda: len(api.held) == 3)
        under_way = [row for row in reactor.rows() if row["status"] == "uploading"]
        assert [row["chat_id"] for row in under_way] == [ANN, ANN, BOB], "a place is left to others"
        await api.until(lambda: "sent" in api.told(mine[0]) and "sent" in api.told(theirs))
        told = api.told(mine[0])
        assert "of 16.0 MB sent" in told
        assert "░" in told, "not all of it"

        api.press(api.about(mine[0]).id, "Cancel")
        await api.until(lambda: "Stopped before it was sent." in api.told(mine[0]))
        await api.until(lambda: len(api.held) == 4)
        assert api.about(mine[0]).buttons == {"Try again": "retry:1"}
        stopped = api.say("/cancel 6")
        await api.until(lambda: api.answers(stopped) == ["Stopping: large.bin"])
        api.release()
        await api.until(lambda: len(api.files_sent()) == 5)
        assert {message.content for message in api.files_sent()} == {LARGE}
        await api.until(lambda: api.aborted == 1)
        api.press(api.about(mine[0]).id, "Try again")
        await api.until(lambda: "Here it is" in api.told(mine[0]))
        assert (len(sent_to(place, ANN)), len(sent_to(place, BOB))) == (5, 1)
        assert reactor.row(6)["status"] == "downloaded"

        api.hold = True
        api.say("/retry 6")
        await api.until(lambda: api.held[4:] and reactor.row(6)["status"] == "uploading")
        everything = api.say("/cancel all")
        await api.until(lambda: api.answers(everything) == ["Stopped: 1."])
        await api.until(lambda: reactor.row(6)["status"] == "downloaded")
        assert json.loads(reactor.row(6)["upload_error"]) == {"code": "stopped"}
        assert [row["cancelled"] for row in reactor.rows()] == [0] * 7
        api.release()


async def test_films_and_sounds_come_with_what_players_show_and_once(tmp_path: Path, samples: Samples) -> None:
    async with telegram(tmp_path, ALLOWED_USERS=BOTH) as place:
        api, server = place.api, place.server
        await place.uploader.start()
        film = server.put("/film.mp4", samples.film().read_bytes(), etag=ETAG)
        request = api.say(film)
        await api.until(lambda: "Here it is" in api.told(request))
        (sent,) = api.files_sent()
        is_a_film(sent)

        again = api.say(film, by=BOB)
        await api.until(lambda: "Here it is" in api.told(again))
        assert [message.by_id for message in api.files_sent()] == [False, True]
        api.trouble("sendVideo", Refusal(400, "Bad Request: wrong file identifier/HTTP URL specified"))
        other = api.say(f"{film} #")
        await api.until(lambda: "Here it is" in api.told(other))
        assert [message.by_id for message in api.files_sent()] == [False, True, False]
        is_a_film(api.files_sent()[-1])

        sound = api.say(server.put("/song.mp3", song_of(samples).read_bytes()))
        await api.until(lambda: "Here it is" in api.told(sound))
        heard = api.files_sent()[-1]
        assert heard.kind == "audio"
        assert (heard.said["title"], heard.said["performer"]) == ("A = song; of ours", "Somebody")
        assert heard.said["duration"] == str(SECONDS)
        assert heard.said["thumbnail"].startswith(b"\xff\xd8")

        clips = api.say(f"{film} 0:00-0:02 0:03-0:05")
        await api.until(lambda: "Here it is" in api.told(clips))
        parts = api.files_sent()[-2:]
        assert parts[0].album == parts[1].album is not None
        for part in parts:
            is_a_film(part, seconds=2)


def is_a_film(message: Message, seconds: int = SECONDS) -> None:
    said = {name: str(value) for name, value in message.said.items()}
    assert message.kind == "video"
    assert (said["width"], said["height"]) == ("96", "64")
    assert abs(int(said["duration"]) - seconds) <= 1, "a cut is at a keyframe"
    assert message.said["thumbnail"].startswith(b"\xff\xd8")


async def enter(place: Place, folder: Path, files: dict[str, bytes]) -> None:
    """Ann has asked for these files, and they have come."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    await place.api.until(lambda: place.api.called("setMyCommands"))  # until then the table is not the bot's
    values = f"'magnet:?xt=urn:btih:0', 'downloaded', '{folder}', {ANN}, {ANN}"
    place.reactor.execute(f"INSERT INTO downloads (url, status, file_path, chat_id, user_id) VALUES ({values})")


async def test_films_of_one_name_have_their_own_pictures_and_no_tag_comes_from_elsewhere(
    tmp_path: Path, samples: Samples
) -> None:
    green = samples.root / "green.mp4"
    samples.run("-f", "lavfi", "-i", "color=green:size=96x64:duration=1", "-c:v", "libx264", green)
    files = {"1/film.mp4": samples.film().read_bytes(), "2/film.mp4": green.read_bytes()}
    async with telegram(tmp_path) as place:
        no_song = {"song.mp3": b";FFMETADATA1\ntitle=No sound at all\n"}
        await enter(place, tmp_path / "holiday", files | no_song)
        await place.uploader.start()
        await place.api.until(lambda: len(place.api.files_sent()) == 3)
        one, two, song = place.api.files_sent()
        assert one.album == two.album is not None
        assert [one.content, two.content] == list(files.values())
        assert one.said["thumbnail"] != two.said["thumbnail"]
        assert (song.kind, song.said["title"]) == ("audio", "song")


async def test_a_file_that_is_gone_or_refused_keeps_back_no_other(tmp_path: Path) -> None:
    async with telegram(tmp_path) as place:
        api, folder = place.api, tmp_path / "holiday"
        await enter(place, folder, {name: name.encode() for name in ("a.mp3", "b.txt", "c.txt", "d.txt")})
        api.hold = True
        await place.uploader.start()
        await api.until(lambda: api.held == ["sendAudio"])
        (folder / "b.txt").unlink()
        api.trouble("sendDocument", Refusal(400, "Bad Request: wrong file"))
        api.release()
        await api.until(lambda: api.says("The file cannot be read: No such file or directory."))
        assert [message.file_name for message in api.files_sent()] == ["a.mp3", "d.txt"]
        (message,) = [message for message in api.messages.values() if message.kind == "text"]
        api.press(message.id, "Try again")
        await api.until(lambda: "Here it is" in message.text)
        assert [message.file_name for message in api.files_sent()] == ["a.mp3", "d.txt", "c.txt"]


@pytest.mark.nightly
async def test_what_is_too_large_comes_in_pieces_that_play(tmp_path: Path, samples: Samples) -> None:
    large = samples.root / "large.mp4"
    noise = "testsrc2=size=640x360:rate=25:duration=6,noise=alls=100:allf=t"
    samples.run("-f", "lavfi", "-i", noise, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-g", "25", large)
    assert 50_000_000 < large.stat().st_size < 90_000_000
    async with telegram(tmp_path) as place:
        api, server = place.api, place.server
        await place.uploader.start()
        request = api.say(server.put("/large.mp4", large.read_bytes()))
        await api.until(lambda: "Here it is" in api.told(request))
        assert json.loads(place.reactor.row(1)["options"]) == {"split_mib": 47}
        pieces = api.files_sent()
        assert len(pieces) > 1
        assert [message.file_name for message in pieces] == [f"large.00{n + 1}.mp4" for n in range(len(pieces))]
        for piece in pieces:
            assert (piece.kind, piece.said["width"], piece.said["height"]) == ("video", "640", "360")
            assert 0 < int(piece.said["duration"]) < 6
            assert piece.said["thumbnail"].startswith(b"\xff\xd8")


@pytest.mark.nightly
async def test_pictures_of_a_folder_are_albums_and_what_is_refused_goes_in_another_form(tmp_path: Path) -> None:
    async with swarm_in(tmp_path / "swarm") as swarm, telegram(tmp_path) as place:
        api = place.api
        files = {f"{n:02}.jpg": BODY[:1000] + bytes([n]) for n in range(11)}
        files |= {"a.txt": b"a", "b.txt": b"b", "c.mp3": BODY[:500], "10.mp4": BODY[:700]}
        made = swarm.make("holiday", files)
        await swarm.serve(made)
        await place.uploader.start()
        request = api.send_file("holiday.torrent", made.metainfo)
        await api.until(lambda: "Here it is" in api.told(request))
        assert {message.file_name: message.content for message in api.files_sent()} == files
        assert [albums(api.files_sent())] == [
            [["photo"] * 10, ["photo", "video"], ["audio"], ["document", "document"]],
        ]

        again = api.send_file("holiday.torrent", made.metainfo)
        await api.until(lambda: "Here it is" in api.told(again))
        second = api.files_sent()[15:]
        assert albums(second) == albums(api.files_sent()[:15])
        assert all(message.by_id for message in second)

        place.reactor.execute("DELETE FROM bot_files")
        refusals = [Refusal(400, "Bad Request: Failed to send message #2: IMAGE_PROCESS_FAILED")]
        api.trouble("sendMediaGroup", *refusals)
        api.trouble("sendPhoto", *refusals)
        third = api.send_file("holiday.torrent", made.metainfo)
        await api.until(lambda: "Here it is" in api.told(third))
        last = api.files_sent()[30:]
        assert {message.file_name: message.content for message in last} == files
        assert albums(last)[:3] == [["document"], ["photo"], ["photo"]]


def albums(messages: list[Message]) -> list[list[str]]:
    """The kinds of the files of each message."""
    found: dict[Any, list[str]] = {}
    for message in messages:
        found.setdefault(message.album or f"alone {message.id}", []).append(message.kind)
    return list(found.values())


async def test_a_server_in_another_container_has_its_own_paths(tmp_path: Path) -> None:
    settings = {"BOT_API_LOCAL": "true", "BOT_API_PATH_MAP": f"/srv/files={tmp_path}"}
    async with telegram(tmp_path, local=True, serving=True, **settings) as place:
        api, server = place.api, place.server
        api.root = "/srv/files", str(tmp_path)
        await place.uploader.start()
        request = api.say(server.put("/a%20film.mp4", BODY))
        await api.until(lambda: "Here it is" in api.told(request))
        assert api.called("sendVideo")[0]["video"] == "file:///srv/files/downloads/a%20film.mp4"
        (sent,) = api.files_sent()
        assert sent.content == BODY


async def test_a_chat_that_is_to_be_left_alone_gets_its_files_when_that_is_over(tmp_path: Path) -> None:
    async with telegram(tmp_path, ALLOWED_USERS=BOTH, UPLOADS="1") as place:
        api, server, reactor = place.api, place.server, place.reactor
        await place.uploader.start()
        api.trouble("sendDocument", too_many(1), chat=BOB)
        short = api.say(server.put("/short.bin", BODY), by=BOB)
        await api.until(lambda: "Here it is" in api.told(short))

        api.trouble("sendDocument", too_many(3600), chat=ANN)
        mine = [api.say(server.put(f"/{name}.bin", BODY)) for name in ("first", "second")]
        await api.until(lambda: reactor.rows(3) and [row["status"] for row in reactor.rows()[1:]] == ["downloaded"] * 2)
        await api.until(lambda: [call for call in api.called("sendDocument") if call["chat_id"] == str(ANN)])
        theirs = api.say(server.put("/theirs.bin", BODY), by=BOB)
        await api.until(lambda: "Here it is" in api.told(theirs))
        await place.uploader.stop(signal.SIGKILL)
        await place.uploader.start()
        later = api.say(server.put("/later.bin", BODY), by=BOB)
        await api.until(lambda: "Here it is" in api.told(later))
        assert len([call for call in api.called("sendDocument") if call["chat_id"] == str(ANN)]) == 1
        reactor.execute("UPDATE bot_chats SET quiet_until = 0")
        await place.bot.stop()
        await place.bot.start()
        await api.until(lambda: all("Here it is" in api.told(one) for one in mine))
        assert len(sent_to(place, ANN)) == 2
