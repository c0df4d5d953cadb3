"""What a page's player puts together by itself: both halves of a film, or none; never a piece."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.browser.media_source import Buffer, kinds_of, of_pieces, put_together
from reactor.extractors.manifest import extract_manifest
from reactor.media.probing import probe
from reactor.models import Kind
from reactor.plan import Cookie, Extraction, Fetch, Finish, Header
from reactor.programs import find_ffmpeg
from tests.media.joining import join
from tests.media.samples import SECONDS, Samples, playlist_of
from tests.servers import FileServer

Serve = Callable[..., Extraction]
PICTURE = Buffer(type='video/mp4; codecs="avc1.42c01e"', bytes=1000, source="0", duration=float(SECONDS))
SOUND = Buffer(type='audio/mp4; codecs="mp4a.40.2"', bytes=1000, source="0", duration=float(SECONDS))
BOTH = Buffer(type='video/mp4; codecs="avc1.42c01e, mp4a.40.2"', bytes=1000, source="0", duration=float(SECONDS))
FRAGMENTS = ("-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    made = Samples(find_ffmpeg().path, tmp_path_factory.mktemp("samples"))
    for name, which in (("both", "0"), ("picture", "0:v"), ("sound", "0:a")):
        made.run("-i", made.film(), "-map", which, *FRAGMENTS, made.root / f"{name}.mp4")
    made.run("-i", made.film(), "-map", "0:a", "-c:a", "libopus", made.root / "sound.webm")
    return made


@pytest.fixture
def served(server: FileServer, samples: Samples) -> Serve:
    def serve(name: str, data: bytes | None = None) -> Extraction:
        data = (samples.root / name).read_bytes() if data is None else data
        url = server.put(f"/{name}", data, content_type="video/mp4")
        fetch = Fetch(urls=(url,), name=f"Film-{name}", headers=0, size=len(data))
        cookie = Cookie(name="from", value=name.partition(".")[0], domain="127.0.0.1")
        headers = (Header(name="X-For", value=name),)
        finish = Finish(how="file", name="Film.mp4")
        return Extraction(
            kind=Kind.PLAYWRIGHT, title="Film", headers=(headers,), cookies=(cookie,), fetches=(fetch,), finish=finish
        )

    return serve


def later(*films: Extraction) -> list[Any]:
    async def make(film: Extraction) -> Extraction:
        return film

    return [partial(make, film) for film in films]


async def refusal(*arguments: Any) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await put_together(*arguments)
    return caught.value


@pytest.mark.parametrize("order", [("picture.mp4", "sound.mp4"), ("sound.mp4", "picture.mp4")])
@pytest.mark.fault(70)
async def test_two_tracks_at_two_addresses(
    served: Serve, context: Context, samples: Samples, tmp_path: Path, order: tuple[str, str]
) -> None:
    first, second = map(served, order)
    found = await put_together(first, later(served("both.mp4", b"nothing"), second), [PICTURE, SOUND], context)
    assert [track.holds for track in found.finish.tracks] == [("video",), ("audio",)]
    sent = [found.headers_of(fetch)[0].value for fetch in found.fetches]
    assert sent == ["picture.mp4", "sound.mp4"], "each with what was sent for it"
    async with httpx.AsyncClient(trust_env=False) as client:
        for fetch in found.fetches:
            (tmp_path / fetch.name).write_bytes((await client.get(fetch.urls[0])).content)
    seen = await probe(samples.ffmpeg, await join(samples.ffmpeg, tmp_path, found))
    assert (seen.video, seen.audio) == ("h264", "aac")
    assert seen.duration_s == pytest.approx(SECONDS, abs=0.3)


async def test_a_picture_whose_sound_is_not_to_be_found(served: Serve, context: Context) -> None:
    error = await refusal(served("picture.mp4"), later(served("picture.mp4")), [PICTURE, SOUND], context)
    assert (error.code, "sound could not be found" in error.message) == ("unsupported", True)
    error = await refusal(served("sound.mp4"), [], [PICTURE, SOUND], context)
    assert "picture could not be found" in error.message


async def test_a_film_that_holds_all_its_player_takes(served: Serve, context: Context) -> None:
    found = await put_together(served("both.mp4"), [], [BOTH], context)
    assert (found.finish.how, found.finish.least_s) == ("media", SECONDS / 2)
    silent = await put_together(served("picture.mp4"), [], [PICTURE], context)
    assert len(silent.fetches) == 1
    endless = BOTH.model_copy(update={"duration": None})
    assert (await put_together(served("both.mp4"), [], [endless], context)).finish.how == "file"


async def test_an_advertisement_of_another_player_asks_for_nothing(served: Serve, context: Context) -> None:
    advertisement = SOUND.model_copy(update={"source": 1, "bytes": 10})
    assert len((await put_together(served("picture.mp4"), [], [PICTURE, advertisement], context)).fetches) == 1


@pytest.mark.fault(70)
async def test_a_piece_of_many(served: Serve, context: Context, samples: Samples) -> None:
    """By how it begins, by how much its player was fed with, by how long that says it will be."""
    part = samples.fmp4()["part0.m4s"]
    assert (await refusal(served("1.mp4", part), [], [BOTH], context)).code == "unsupported"
    film = served("both.mp4")
    fed = BOTH.model_copy(update={"bytes": 3 * (film.size or 0) + 1_000_000})
    assert "from pieces" in (await refusal(film, [], [fed], context)).message


@pytest.mark.fault(70)
async def test_the_first_of_many_is_too_short(
    served: Serve, context: Context, samples: Samples, tmp_path: Path
) -> None:
    long = BOTH.model_copy(update={"duration": 60.0})
    found = await put_together(served("both.mp4"), [], [long], context)
    (tmp_path / found.fetches[0].name).write_bytes((samples.root / "both.mp4").read_bytes())
    with pytest.raises(DownloadError, match="only a piece of the video") as caught:
        await join(samples.ffmpeg, tmp_path, found)
    assert caught.value.code == "incomplete"


async def test_a_quality_without_its_sound(server: FileServer, context: Context, samples: Samples) -> None:
    """Playlists of picture and sound, named by a script and not by a list of qualities."""
    films = []
    for name, how in (("v", "-an"), ("a", "-vn")):
        for file, data in samples.hls(f"apart-{name}", how).items():
            server.put(f"/{name}/{file}", data)
        url = server.url(f"/{name}/index.m3u8")
        films.append(await extract_manifest(url, context, kind=Kind.PLAYWRIGHT))
    picture, sound = films
    found = await put_together(picture, later(sound), [PICTURE, SOUND], context)
    names = [fetch.name for fetch in found.fetches]
    assert len(names) == len(set(names))
    first, second = found.finish.tracks
    assert (first.first, second.first) == (0, first.count)
    assert first.count + second.count == len(names)
    assert (await refusal(picture, [], [PICTURE, SOUND], context)).code == "unsupported"


async def test_what_a_beginning_tells(served: Serve, server: FileServer, context: Context, samples: Samples) -> None:
    assert await kinds_of(served("both.mp4"), context) == {"video", "audio"}
    assert await kinds_of(served("sound.webm"), context) == {"audio"}
    assert await kinds_of(served("x.mp4", b"what is that"), context) is None
    closed = '#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF:2,\npart0.ts\n'
    server.put("/e/index.m3u8", playlist_of(closed))
    encrypted = await extract_manifest(server.url("/e/index.m3u8"), context, kind=Kind.PLAYWRIGHT)
    assert await kinds_of(encrypted, context) is None
    gone = served("both.mp4")
    server.put("/both.mp4", b"", status=404)
    assert await kinds_of(gone, context) is None


def fed(buffer: Buffer, *names: str, end: float = float(SECONDS)) -> Buffer:
    return buffer.model_copy(update={"urls": [f"http://h/{name}" for name in names], "end": end})


def piece(name: str = "v1") -> Extraction:
    finish = Finish(how="file", name="Film.mp4")
    return Extraction(kind=Kind.PLAYWRIGHT, fetches=(Fetch(urls=(f"http://h/{name}",), name="x.mp4"),), finish=finish)


def test_a_list_of_pieces_is_the_film_and_not_its_first() -> None:
    film = of_pieces(piece(), [fed(SOUND, "a0", "a1"), fed(PICTURE, "v0", "v1", "v2")])
    assert film
    assert [fetch.urls[0][-2:] for fetch in film.fetches] == ["v0", "v1", "v2", "a0", "a1"]
    assert [(track.form, track.first, track.count, track.holds) for track in film.finish.tracks] == [
        *(("pieces", 0, 3, ("video",)), ("pieces", 3, 2, ("audio",)))
    ]
    assert (film.finish.how, film.finish.name, film.finish.duration_s) == ("media", "Film.mp4", SECONDS)
    assert len({fetch.name for fetch in film.fetches}) == 5


async def test_pieces_that_were_cut_anywhere(samples: Samples, tmp_path: Path) -> None:
    found = of_pieces(piece("a"), [fed(BOTH, "a", "b", "c")])
    assert found
    data = (samples.root / "both.mp4").read_bytes()
    for n, fetch in enumerate(found.fetches):
        (tmp_path / fetch.name).write_bytes(data[n * len(data) // 3 : (n + 1) * len(data) // 3])
    seen = await probe(samples.ffmpeg, await join(samples.ffmpeg, tmp_path, found))
    assert (seen.video, seen.audio) == ("h264", "aac")
    assert seen.duration_s == pytest.approx(SECONDS, abs=0.3)


async def test_a_list_of_pieces_that_ends_early(samples: Samples, tmp_path: Path) -> None:
    found = of_pieces(piece("a"), [fed(BOTH, "a", "b", end=60.0).model_copy(update={"duration": 60.0})])
    assert found
    data = (samples.root / "both.mp4").read_bytes()
    for n, fetch in enumerate(found.fetches):
        (tmp_path / fetch.name).write_bytes(data[n * len(data) // 2 : (n + 1) * len(data) // 2])
    with pytest.raises(DownloadError, match="only a piece of the video"):
        await join(samples.ffmpeg, tmp_path, found)


def test_what_was_made_of_several_answers_promises_no_streams() -> None:
    film = of_pieces(piece(), [fed(PICTURE, "v0", "v1").model_copy(update={"type": "video/mp4"})])
    assert film
    assert [track.holds for track in film.finish.tracks] == [()]


# name: what the player was fed with
SHORT = {
    "not to its end": [fed(BOTH, "v0", "v1", end=SECONDS / 2)],
    "without its sound's end": [fed(PICTURE, "v0", "v1"), fed(SOUND, "a0", end=1.0)],
    "from where nothing is known of": [fed(PICTURE, "v0", "v1"), fed(SOUND)],
    "two pictures": [fed(PICTURE, "v0", "v1"), fed(PICTURE, "w0", "w1")],
    "without an end": [fed(BOTH, "v0", "v1").model_copy(update={"duration": None})],
}


@pytest.mark.parametrize("name", SHORT)
def test_pieces_of_which_some_are_missing(name: str) -> None:
    with pytest.raises(DownloadError, match="not all of them could be found") as caught:
        of_pieces(piece(), SHORT[name])
    assert caught.value.code == "unsupported"


def test_what_is_no_piece() -> None:
    assert of_pieces(piece("other"), [fed(BOTH, "v0", "v1")]) is None
    assert of_pieces(piece(), [fed(BOTH, "v1")]) is None
    assert of_pieces(piece(), []) is None


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        ("video/mp4", {"video"}),
        ('video/webm;codecs="vp9,opus"', {"video", "audio"}),
        ("audio/mpeg", {"audio"}),
        ("video/mp4; codecs=avc1.42c01e", {"video"}),
    ],
)
def test_what_a_buffer_holds(told: str, kinds: set[str]) -> None:
    assert Buffer(type=told, bytes=0, source="0").kinds == kinds
