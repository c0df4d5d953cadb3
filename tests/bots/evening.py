"""An evening of two people, one of them greedy: a playlist, a sound and one file of a torrent come in between."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.bots.telegram import ANN, BOB, BotApi
from tests.media.samples import Samples
from tests.real.swarm import Swarm
from tests.real.test_lists import contents, feed_of
from tests.servers import FileServer

BODY = random.Random(6).randbytes(200_000)
ENTRIES = 10
STALLED = 50_000
FILES = 7 + ENTRIES + 2


async def evening(
    api: BotApi, server: FileServer, swarm: Swarm, samples: Samples, rows: Callable[[], Sequence[Mapping[str, Any]]]
) -> None:
    """Bot, uploader and a reactor with one slot run; both people may use the bot, and `rows` has what is in the table.
    Returns when everything has come."""
    album = swarm.make("album", {"one.txt": BODY, "two.txt": BODY[:1000]})
    await swarm.serve(album)
    first = server.put("/first.bin", BODY, stall_after=STALLED)
    more = [server.put(f"/more{n}.bin", BODY) for n in range(6)]
    api.say(" ".join([first, *more]))
    await api.until(lambda: any(request.sent == STALLED for request in server.log))
    listed = api.say(f"{feed_of(server, contents()[:ENTRIES])} all", by=BOB)
    film = server.put("/film.mp4", samples.film().read_bytes(), content_type="video/mp4")
    sound = api.say(f"{film} mp3", by=BOB)
    asked = api.say("/settings ask", by=BOB)
    await api.until(lambda: api.answers(asked))
    await api.until(lambda: len(rows()) == 9)
    server.release()
    torrent = api.send_file("album.torrent", album.metainfo, by=BOB)
    await api.until(lambda: "Which of the 2 files?" in api.told(torrent))
    question = api.about(torrent, BOB)
    api.press(question.id, next(label for label in question.buttons if "two.txt" in label), by=BOB)
    await api.until(lambda: "Download the marked ones (1)" in question.buttons)
    api.press(question.id, "Download the marked ones (1)", by=BOB)
    await api.until(lambda: f"✅ {ENTRIES} of {ENTRIES} downloaded" in api.told(listed))
    await api.until(lambda: "Here it is" in api.told(sound) and "Here it is" in question.text)
    await api.until(lambda: len(api.files_sent()) == FILES)
    await api.until(lambda: {row["status"] for row in rows() if row["items_total"] is None} == {"uploaded"})
    begun = sorted(rows(), key=lambda row: (row["started_at"], row["id"]))
    whose = [row["user_id"] for row in begun]
    assert whose[0] == ANN
    assert BOB in whose[1:3], "the next turn is the other one's"
    names = [sent.file_name for sent in api.files_sent()]
    assert len(set(names)) == len(names) == FILES
    assert {"film.mp3", "two.txt"} <= set(names)
