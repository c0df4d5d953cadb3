"""An evening of two people, one of them greedy: a playlist, a sound and one file of a torrent come in between."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.bots.copied import telegram
from tests.bots.telegram import ANN, BOB
from tests.media.samples import Samples
from tests.real.swarm import swarm_in
from tests.real.test_lists import contents, feed_of

BODY = random.Random(6).randbytes(200_000)
ENTRIES = 10


@pytest.mark.nightly
@pytest.mark.timeout(300)
async def test_who_asks_for_much_keeps_nobody_waiting(tmp_path: Path, samples: Samples) -> None:
    async with (
        swarm_in(tmp_path / "swarm") as swarm,
        telegram(tmp_path, ALLOWED_USERS=f"{ANN},{BOB}", MAX_CONCURRENT_DOWNLOADS="1") as place,
    ):
        api, server, reactor = place.api, place.server, place.reactor
        album = swarm.make("album", {"one.txt": BODY, "two.txt": BODY[:1000]})
        await swarm.serve(album)
        await place.uploader.start()
        first = server.put("/first.bin", BODY, stall_after=50_000)
        more = [server.put(f"/more{n}.bin", BODY) for n in range(6)]
        api.say(" ".join([first, *more]))
        await api.until(lambda: "/first.bin" in {request.path for request in server.log})
        listed = api.say(f"{feed_of(server, contents()[:ENTRIES])} all", by=BOB)
        film = server.put("/film.mp4", samples.film().read_bytes(), content_type="video/mp4")
        sound = api.say(f"{film} mp3", by=BOB)
        asked = api.say("/settings ask", by=BOB)
        await api.until(lambda: api.answers(asked))
        await reactor.until(lambda: len(reactor.rows()) == 9)
        server.release()
        torrent = api.send_file("album.torrent", album.metainfo, by=BOB)
        await api.until(lambda: "Which of the 2 files?" in api.told(torrent))
        question = api.about(torrent, BOB)
        api.press(question.id, next(label for label in question.buttons if "two.txt" in label), by=BOB)
        await api.until(lambda: "Fetch what is marked (1)" in question.buttons)
        api.press(question.id, "Fetch what is marked (1)", by=BOB)
        await api.until(lambda: f"✅ {ENTRIES} of {ENTRIES} came" in api.told(listed))
        await api.until(lambda: "Here it is" in api.told(sound) and "Here it is" in question.text)
        await api.until(lambda: len(api.files_sent()) == 7 + ENTRIES + 2)
        rows = reactor.rows()
    begun = sorted((row for row in rows if row["file_path"]), key=lambda row: (row["started_at"], row["id"]))
    whose = [row["user_id"] for row in begun]
    assert whose[0] == ANN
    assert BOB in whose[1:3], "the next turn is the other one's"
    assert {row["status"] for row in rows if row["items_total"] is None} == {"uploaded"}
    names = [sent.file_name for sent in api.files_sent()]
    assert len(set(names)) == len(names) == 7 + ENTRIES + 2
    assert {"film.mp3", "two.txt"} <= set(names)
