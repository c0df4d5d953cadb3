"""What stands in a recording: what the core decides by, and nothing that is nobody's business."""

from __future__ import annotations

from pathlib import Path

from reactor.core import events
from reactor.core.context import Limits
from reactor.core.job import Attempt
from reactor.journal.recording import Begun, Recorder, Step, read
from reactor.journal.stream import Stream
from reactor.models import Kind
from reactor.plan import About, Cookie, Extraction, Fetch, Finish, Header, Recording, Source, Torrent

SECRET = "hush"
PAGE = f"http://u:{SECRET}@h.example/film?sig={SECRET}#{SECRET}"
FILM = Extraction(
    kind=Kind.YTDLP,
    title="A film",
    headers=((Header(name="Authorization", value=SECRET),),),
    cookies=(Cookie(name="sid", value=SECRET, domain="h.example"),),
    fetches=(Fetch(urls=(PAGE,), name="film.mp4", headers=0, size=100),),
    finish=Finish(
        how="file",
        name="film.mp4",
        media_key=f"ytdlp:h.example:film?sig={SECRET}",
        about=About(id=f"film?sig={SECRET}", title="A film", url=PAGE, thumbnail=PAGE),
        recording=Recording(url=PAGE, sources=(Source(url=PAGE, last=PAGE, init_url=PAGE),), most_s=5),
    ),
)
MAGNET = Torrent(
    info_hash="b2" * 20, metadata_only=True, trackers=(f"http://h.example/{SECRET}/announce", PAGE), metainfo=b"de"
)


def test_secrets_are_left_out_and_it_is_read_as_it_was(tmp_path: Path) -> None:
    torrent = Extraction(
        kind=Kind.TORRENT,
        fetches=(Fetch(name="m", torrent=MAGNET),),
        finish=Finish(how="metadata", name="m"),
    )
    told = [events.Extracted(Attempt(1, 1), FILM), events.Extracted(Attempt(2, 1), torrent)]
    path = tmp_path / "rec.ndjson"
    with path.open("wb") as opened:
        recorder = Recorder(Stream(opened.fileno()))
        recorder.begin(Begun("0.1.0", 1.0, 2.0, Limits()))
        for each in told:
            recorder.note(each, 3.0, [])
    assert SECRET not in path.read_text()
    _, *steps = read(path.read_bytes().splitlines())
    again = [step.event for step in steps if isinstance(step, Step)]
    assert [event.attempt for event in again if isinstance(event, events.Extracted)] == [Attempt(1, 1), Attempt(2, 1)]
    film, magnet = (event.extraction for event in again if isinstance(event, events.Extracted))
    assert film.fetches[0].urls == ("http://h.example/film?sig=…#…",)
    assert (film.fetches[0].size, film.finish.recording and film.finish.recording.most_s) == (100, 5)
    assert magnet.fetches[0].torrent is not None
    assert magnet.fetches[0].torrent.info_hash == "b2" * 20
