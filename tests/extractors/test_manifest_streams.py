"""Which of several streams is fetched: the next one where the first is dead; and when one is over."""

from __future__ import annotations

import anyio
import pytest

from reactor.extractors import manifest_streams
from reactor.extractors.base import Context
from reactor.extractors.manifest_streams import OTHER_QUALITY
from tests.extractors.test_manifest import END, HEAD, MASTER, MEDIA, extracted, failure
from tests.servers import FileServer

# Where the first choice is dead


def ladder(*uris: str) -> bytes:
    """Variants, the best first."""
    sizes = [(1280, 720), (640, 360), (320, 180)]
    lines = [
        f"#EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION={w}x{h}\n{uri}\n" for uri, (w, h) in zip(uris, sizes, strict=False)
    ]
    return ("#EXTM3U\n" + "".join(lines)).encode()


@pytest.mark.parametrize("dead", ["playlist", "host", "first segment"])
async def test_the_next_variant(server: FileServer, context: Context, dead: str) -> None:
    first = "http://127.0.0.1:9/a.m3u8" if dead == "host" else "a/a.m3u8"
    if dead == "first segment":
        server.put("/a/a.m3u8", MEDIA)
    server.put("/b/b.m3u8", MEDIA)
    server.put("/b/one.ts", b"G" * 188)
    extraction = await extracted(server.put("/m.m3u8", ladder(first, "b/b.m3u8", "c.m3u8")), context)
    assert extraction.fetches[0].urls == (server.url("/b/one.ts"),)
    assert extraction.finish.notes == (OTHER_QUALITY,)
    assert len(server.requests("/c.m3u8")) == 0


async def test_where_no_variant_is_alive_the_first_that_can_be_read(server: FileServer, context: Context) -> None:
    """Its first segment may be a hole."""
    server.put("/b.m3u8", MEDIA)
    extraction = await extracted(server.put("/m.m3u8", ladder("a.m3u8", "b.m3u8")), context)
    assert extraction.fetches[0].urls == (server.url("/one.ts"),)
    assert (await failure(server.put("/n.m3u8", ladder("a.m3u8", "c.m3u8")), context)).code == "not_found"
    assert len(server.requests("/a.m3u8")) == 2, "each is asked once"


async def test_the_next_sound(server: FileServer, context: Context) -> None:
    sounds = "".join(f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="{n}",URI="{n}.m3u8"\n' for n in "ab")
    master = f'#EXTM3U\n{sounds}#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="g"\nv.m3u8\n'
    server.put("/v.m3u8", MEDIA)
    server.put("/b.m3u8", MEDIA.replace(b"one.ts", b"sound.aac"))
    extraction = await extracted(server.put("/m.m3u8", master.encode()), context)
    assert [fetch.urls[0].rpartition("/")[2] for fetch in extraction.fetches][2] == "sound.aac"


DASH = """<MPD mediaPresentationDuration="PT4S">{}<Period><AdaptationSet mimeType="video/mp4">
  <SegmentTemplate media="$RepresentationID$-$Number$" duration="2"/>
  <Representation id="high" height="720"/><Representation id="low" height="360"/></AdaptationSet></Period></MPD>"""


async def test_the_next_base_url(server: FileServer, context: Context) -> None:
    server.put("/two/high-1", b"x")
    urls = "<BaseURL>http://127.0.0.1:9/</BaseURL><BaseURL>one/</BaseURL><BaseURL>two/</BaseURL>"
    extraction = await extracted(server.put("/m.mpd", DASH.format(urls).encode()), context)
    assert extraction.fetches[0].urls == (server.url("/two/high-1"),)
    assert extraction.finish.notes == ()


async def test_the_next_representation(server: FileServer, context: Context) -> None:
    server.put("/low-1", b"x")
    extraction = await extracted(server.put("/m.mpd", DASH.format("").encode()), context)
    assert extraction.fetches[0].urls == (server.url("/low-1"),)
    assert extraction.finish.notes == (OTHER_QUALITY,)
    server.put("/n/m.mpd", DASH.format("").encode())
    nothing = await extracted(server.url("/n/m.mpd"), context)
    assert nothing.fetches[0].urls == (server.url("/n/high-1"),), "where none is alive, the first"


# Without an end


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_streams, "TARGET_MIN_S", 0.001)


OPEN = MEDIA.replace(END.encode(), b"").replace(b"DURATION:2", b"DURATION:0.001")


@pytest.mark.usefixtures("hurried")
async def test_a_playlist_in_which_nothing_is_new_any_more_is_over(server: FileServer, context: Context) -> None:
    extraction = await extracted(server.put("/a.m3u8", OPEN), context)
    assert len(extraction.fetches) == 2
    assert len(server.requests("/a.m3u8")) == 1 + manifest_streams.REREADS
    assert (extraction.title, extraction.finish.name) == ("a", "a.mp4")
    master = server.put("/m.m3u8", MASTER)
    server.put("/v/index.m3u8", OPEN)
    assert len((await extracted(master, context)).fetches) == 2


@pytest.mark.usefixtures("hurried")
async def test_a_playlist_that_grows_is_live_and_one_that_ends_meanwhile_is_not(
    server: FileServer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put("/a.m3u8", OPEN)

    async def grow(seconds: float) -> None:
        server.put("/a.m3u8", server.data("/a.m3u8") + more)

    monkeypatch.setattr(anyio, "sleep", grow)
    more = b"#EXTINF:2.5,\nthree.ts\n"
    assert (await failure(url, context)).code == "live"
    more = b"#EXTINF:2.5,\nfour.ts\n" + END.encode()
    assert len((await extracted(url, context)).fetches) == 4


# Subtitles


async def test_subtitles_are_fetched_with_the_video_or_named(server: FileServer, context: Context) -> None:
    texts = "".join(
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="{n}",LANGUAGE="l{n}",URI="{n}.m3u8"\n' for n in range(6)
    )
    master = f'#EXTM3U\n{texts}#EXT-X-STREAM-INF:BANDWIDTH=1,SUBTITLES="s"\nv.m3u8\n'
    server.put("/v.m3u8", MEDIA)
    for n in (0, 2, 3, 4, 5):
        server.put(f"/{n}.m3u8", f"{HEAD}#EXTINF:5,\n{n}.vtt\n{END}".encode())
    extraction = await extracted(server.put("/m.m3u8", master.encode()), context)
    tracks = extraction.finish.tracks
    assert [(track.form, track.label, track.language) for track in tracks[1:]] == [
        ("webvtt", n, f"l{n}") for n in ("0", "2", "3")
    ]
    assert [fetch.optional for fetch in extraction.fetches] == [False, False, True, True, True]
    assert extraction.finish.notes == ("Subtitles that are not in the file: 1, 4, 5.",)
    assert extraction.finish.name == "m.mp4"
