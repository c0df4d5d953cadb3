"""From a manifest's address to all that has to be fetched, and what goes to which host with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.manifest import extract_manifest
from reactor.media.choice import Choice
from reactor.models import Kind
from reactor.net.jar import Jar, cookie_goes_to
from reactor.plan import Cookie, Extraction, Header
from tests.servers import FileServer

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
END = "#EXT-X-ENDLIST\n"
MEDIA = f"{HEAD}#EXTINF:2.5,\none.ts\n#EXTINF:2.5,\ntwo.ts\n{END}".encode()
MASTER = b'#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="avc1,mp4a"\nv/index.m3u8?a=1\n'
MPD = """<MPD mediaPresentationDuration="PT4S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="v">
  <BaseURL>film.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>"""


async def extracted(url: str, context: Context, **how: object) -> Extraction:
    return await extract_manifest(url, context, kind=Kind.YTDLP, **how)  # type: ignore[arg-type]


async def failure(url: str, context: Context, **how: object) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await extracted(url, context, **how)
    assert len(str(caught.value)) < 300
    return caught.value


def sent_to(extraction: Extraction, part: int = 0) -> tuple[set[str], set[str]]:
    fetch = extraction.fetches[part]
    cookies = Jar(extraction.cookies).of(fetch.urls[0])
    return {header.name for header in extraction.headers_of(fetch)}, {cookie.name for cookie in cookies}


async def test_a_media_playlist(server: FileServer, context: Context) -> None:
    extraction = await extracted(server.put("/films/A%20film.m3u8", MEDIA), context)
    assert (extraction.kind, extraction.title) == (Kind.YTDLP, "A film")
    assert [(fetch.name, fetch.urls) for fetch in extraction.fetches] == [
        ("0001.ts", (server.url("/films/one.ts"),)),
        ("0002.ts", (server.url("/films/two.ts"),)),
    ]
    finish = extraction.finish
    assert (finish.how, finish.name, finish.duration_s) == ("media", "A film.mp4", 5.0)
    (track,) = finish.tracks
    assert (track.form, track.first, track.count, track.holds) == ("hls", 0, 2, ())


async def test_a_master_and_its_redirects(server: FileServer, context: Context) -> None:
    """Addresses are relative to where the answer came from."""
    server.put("/moved/master.m3u8", MASTER)
    server.put("/moved/v/index.m3u8", redirect="/far/list.m3u8")
    server.put("/far/list.m3u8", MEDIA)
    url = server.put("/film/master.m3u8", redirect="/moved/master.m3u8")
    extraction = await extracted(url, context, title=" The title/.. ")
    assert extraction.fetches[0].urls == (server.url("/far/one.ts"),)
    assert extraction.finish.tracks[0].holds == ("video", "audio")
    assert (extraction.title, extraction.finish.name) == ("The title/..", "The title_...mp4")
    assert server.requests("/moved/v/index.m3u8")[0].path.endswith("?a=1")


async def test_sound_apart_follows_the_picture(server: FileServer, context: Context) -> None:
    group = '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="n",DEFAULT=YES,URI="a/index.m3u8"\n'
    server.put("/v/index.m3u8", MEDIA)
    server.put("/a/index.m3u8", MEDIA)
    master = (group + '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="g"\nv/index.m3u8\n').encode()
    url = server.put("/m.m3u8", master)
    extraction = await extracted(url, context)
    assert [fetch.name for fetch in extraction.fetches] == ["0001.ts", "0002.ts", "audio-0001.ts", "audio-0002.ts"]
    assert [(t.first, t.count, t.holds) for t in extraction.finish.tracks] == [(0, 2, ("video",)), (2, 2, ("audio",))]
    assert "audio-0001.ts" in (extraction.finish.tracks[1].playlist or "")
    alone = await extracted(url, context, choice=Choice(audio_only=True))
    assert (alone.finish.name, len(alone.fetches)) == ("m.m4a", 2)
    assert await extracted(url, replace(context, choice=Choice(audio_only=True))) == alone


async def test_dash(server: FileServer, context: Context) -> None:
    extraction = await extracted(server.put("/a/manifest.mpd", MPD.encode()), context)
    assert [(fetch.name, fetch.urls) for fetch in extraction.fetches] == [("video.mp4", (server.url("/a/film.mp4"),))]
    assert (extraction.title, extraction.finish.duration_s) == ("a", 4.0)
    assert extraction.finish.tracks[0].form == "file"


async def test_a_text_that_is_known_is_not_fetched(server: FileServer, context: Context) -> None:
    extraction = await extracted(server.url("/x/index.m3u8"), context, text=MEDIA.decode())
    assert extraction.fetches[0].urls == (server.url("/x/one.ts"),)
    assert server.log == []


async def test_a_long_title(server: FileServer, context: Context) -> None:
    extraction = await extracted(server.put("/a.m3u8", MEDIA), context, title="ü" * 10_000)
    assert len(extraction.finish.name.encode()) <= 255
    assert extraction.finish.name.endswith(".mp4")


# What goes where


async def test_what_is_secret_stays_at_home(context: Context) -> None:
    """Another port is another host. What is no secret goes everywhere, of the Referer its origin; and what aria2 says
    itself nowhere."""
    names = (
        "Authorization",
        "X-Token",
        "Referer",
        "User-Agent",
        "Origin",
        "Cookie",
        "Range",
        "Accept-Encoding",
        "Host",
    )
    page = "http://page.test/film?token=value"
    headers = tuple(Header(name=name, value=page if name == "Referer" else "value") for name in names)
    async with FileServer() as home, FileServer() as other:
        text = f"{HEAD}#EXTINF:2.5,\n{other.url('/one.ts')}\n#EXTINF:2.5,\ntwo.ts\n{END}"
        home.put("/list.m3u8", text.encode())
        url = home.put(
            "/m.m3u8", redirect=other.put("/m.m3u8", MASTER.replace(b"v/", home.url("/list.m3u8#").encode()))
        )
        extraction = await extracted(url, context, headers=headers)
        assert sent_to(extraction, 0)[0] == {"Referer", "User-Agent", "Origin"}
        assert sent_to(extraction, 1)[0] == {"Referer", "User-Agent", "Origin", "Authorization", "X-Token"}
        referers = [h.value for each in extraction.fetches for h in extraction.headers_of(each) if h.name == "Referer"]
        assert referers == ["http://page.test/", page], "at home as the player has sent it there"
        (asked,) = other.log
        assert (asked.headers.get("referer"), asked.headers.get("x-token")) == ("http://page.test/", None)
        assert asked.headers.get("authorization") is None
        assert [request.headers.get("x-token") for request in home.log] == ["value", "value"]
        assert {request.headers["accept-encoding"] for request in home.log} == {"identity"}


async def test_user_info_of_the_url_stays_at_home(context: Context) -> None:
    async with FileServer() as home, FileServer() as other:
        text = f"{HEAD}#EXTINF:2.5,\n{other.url('/one.ts', user='stolen:x')}\n#EXTINF:2.5,\ntwo.ts\n{END}"
        home.put("/list.m3u8", text.encode(), user=("me", "secret"))
        extraction = await extracted(home.url("/list.m3u8", user="me:secret"), context)
        assert extraction.fetches[0].urls == (other.url("/one.ts"),)
        assert extraction.fetches[1].urls == (home.url("/two.ts", user="me:secret"),)
        assert "secret" not in (extraction.title or "") + extraction.finish.name


def cookie(domain: str = "127.0.0.1", **how: Any) -> Cookie:
    return Cookie(name="given", value="1", domain=domain, **how)


async def test_cookies_go_where_they_belong(server: FileServer, context: Context) -> None:
    """Also those that the manifest's own answer sets."""
    text = MEDIA.decode().replace("two.ts", "http://localhost/two.ts")
    server.put("/list.m3u8", text.encode(), headers=(("Set-Cookie", "set=2; Path=/"),))
    extraction = await extracted(server.url("/list.m3u8"), context, cookies=Jar([cookie(), cookie("example.org")]))
    assert server.log[0].headers["cookie"] == "given=1"
    assert sent_to(extraction, 0)[1] == {"given", "set"}
    assert sent_to(extraction, 1)[1] == set()
    assert "example.org" not in {each.domain for each in extraction.cookies}, "nothing of it is fetched there"


async def test_cookies_of_a_redirect_to_the_manifest_go_with_its_segments(server: FileServer, context: Context) -> None:
    server.put("/in", redirect="/list.m3u8", headers=(("Set-Cookie", "way=1; Path=/"),))
    server.put("/list.m3u8", MEDIA, headers=(("Set-Cookie", "end=2; Path=/"),))
    extraction = await extracted(server.url("/in"), context)
    assert sent_to(extraction, 0)[1] == {"way", "end"}


@pytest.mark.parametrize(
    ("given", "url", "goes"),
    [
        (cookie("a.org"), "http://a.org/x", True),
        (cookie("a.org"), "http://b.a.org/x", False),
        (cookie(".a.org", host_only=False), "http://b.a.org/x", True),
        (cookie("a.org", host_only=False), "http://ba.org/x", False),
        (cookie("0.0.1", host_only=False), "http://127.0.0.1/x", False),
        (cookie("a.org", secure=True), "http://a.org/x", False),
        (cookie("a.org", secure=True), "https://a.org/x", True),
        (cookie("a.org", path="/v"), "http://a.org/v/1", True),
        (cookie("a.org", path="/v"), "http://a.org/video", False),
        (cookie("a.org", path="/v/"), "http://a.org/v/1", True),
    ],
)
def test_where_a_cookie_goes(given: Cookie, url: str, goes: bool) -> None:
    assert cookie_goes_to(given, url) is goes


# Bad input


async def test_an_endless_manifest(server: FileServer, context: Context) -> None:
    url = server.put("/m.m3u8", MEDIA * 10_000, endless=True)
    assert (await failure(url, context)).code == "too_large"
    assert server.log[0].sent < 64 * 1024 * 1024
    assert (await failure(url, context, text="#EXTM3U" + " " * 20_000_000)).code == "too_large"


@pytest.mark.parametrize("target", ["master.m3u8", "other.m3u8", "?again=1"])
async def test_a_master_that_names_a_master(server: FileServer, context: Context, target: str) -> None:
    loop = MASTER.replace(b"v/index.m3u8?a=1", target.encode())
    server.put("/other.m3u8", loop)
    url = server.put("/master.m3u8", loop)
    assert (await failure(url, context)).code == "bad_manifest"
    assert len(server.log) == 2


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "bad_manifest"),
        (b"\x00\x01\x02\xff" * 100, "bad_manifest"),
        (b"", "bad_manifest"),
        (MEDIA.replace(b"one.ts", b"file:///etc/passwd"), "bad_manifest"),
        (MEDIA.replace(b"one.ts", b"concat:/etc/passwd|x.ts"), "bad_manifest"),
        (MEDIA.replace(b"one.ts", b"http://host:99999/"), "bad_manifest"),
        (MEDIA.replace(b"one.ts", b"http://ho st/"), "bad_manifest"),
        (MEDIA.replace(END.encode(), b"#EXT-X-MEDIA-SEQUENCE:9\n"), "live"),
        (MEDIA.replace(b"#EXTINF", b'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://k"\n#EXTINF', 1), "drm"),
        (HEAD.encode() + b"#EXTINF:2.0,\na.ts\n" * 20_001 + END.encode(), "too_many_parts"),
        (MPD.replace("<MPD ", '<MPD type="dynamic" minimumUpdatePeriod="PT2S" ').encode(), "live"),
        (b'<!DOCTYPE MPD [<!ENTITY a "b">]>' + MPD.replace("film", "&a;").encode(), "bad_manifest"),
    ],
)
async def test_what_is_refused(server: FileServer, context: Context, body: bytes, word: str) -> None:
    assert (await failure(server.put("/m.m3u8", body), context)).code == word


async def test_a_page_is_said_to_be_one(server: FileServer, context: Context) -> None:
    assert "web page" in (await failure(server.put("/m.m3u8", b"<html>"), context)).message


async def test_servers_that_do_not_answer(server: FileServer, hasty: Context) -> None:
    url = server.put("/master.m3u8", MASTER)
    gone = await failure(url, hasty)
    assert (gone.code, gone.retryable) == ("not_found", False)
    server.put("/v/index.m3u8", MEDIA, stall_after=10)
    late = await failure(url, hasty)
    assert (late.code, late.retryable) == ("timeout", True)
    server.put("/v/index.m3u8", MEDIA, cut_after=10)
    assert (await failure(url, hasty)).code == "connection_lost"
    server.put("/v/index.m3u8", redirect="magnet:?xt=urn:btih:" + "0" * 40)
    assert (await failure(url, hasty)).code == "bad_manifest"


async def test_two_tracks_share_the_limit(server: FileServer, context: Context) -> None:
    lines = "".join(f"#EXTINF:2.0,\n{n}.ts\n" for n in range(10_001))
    group = '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="n",URI="a.m3u8"\n'
    for name in ("/v.m3u8", "/a.m3u8"):
        server.put(name, f"{HEAD}{lines}{END}".encode())
    master = group + '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="g"\nv.m3u8\n'
    error = await failure(server.put("/m.m3u8", master.encode()), context)
    assert (error.code, "20,002" in error.message) == ("too_many_parts", True)
