"""From a URL to an extraction, with yt-dlp's own extractors on pages that are served here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from reactor.egress.proxy import Guard
from reactor.errors import DownloadError
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, Reclassified
from reactor.extractors.browser.browser import Browser
from reactor.extractors.context import open_context
from reactor.extractors.detect import detect
from reactor.extractors.ytdlp.extractor import Ytdlp, YtdlpConfig
from reactor.extractors.ytdlp.process import YtdlpSetup
from reactor.media.choice import Choice
from reactor.models import Kind
from reactor.plan import Cookie, Extraction
from reactor.preset_options import PresetOptions
from tests.servers import FileServer

HLS = "application/vnd.apple.mpegurl"
MEDIA = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\n1.ts\n#EXTINF:4.0,\n2.ts\n#EXT-X-ENDLIST\n"
MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=640x360,CODECS="avc1.64001f,mp4a.40.2"
low/v.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=2000000,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2"
high/v.m3u8
"""


@pytest.fixture(scope="module")
async def warm() -> AsyncIterator[Ytdlp]:
    async with Ytdlp(YtdlpConfig(timeout_s=60.0), setup=YtdlpSetup(plugins=Path(__file__).parent / "plugins")) as ytdlp:
        yield ytdlp


@pytest.fixture
async def context(warm: Ytdlp) -> AsyncIterator[Context]:
    async with open_context() as context:
        yield replace(context, ytdlp=warm)


@pytest.fixture(autouse=True)
def films(server: FileServer) -> None:
    """What the pages of these tests lead to."""
    for name in ("film.mp4", "low.mp4", "high.mp4", "og.mp4", "a.m4a", "a.webm", "avc.mp4", "av1.mp4", "tall.mp4"):
        server.put(f"/{name}", b"film", content_type="video/mp4")


def page(server: FileServer, body: str, *, title: str = "A &amp; B", path: str = "/page", **how: object) -> str:
    text = f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>"
    return server.put(path, text.encode(), content_type="text/html; charset=utf-8", **how)


async def both_stages(url: str, context: Context) -> Extraction:
    """As a row goes: detected, extracted, handed over at most once."""
    detection = await detect(url, context)
    try:
        return await EXTRACTORS[detection.kind].extract(detection, context)
    except Reclassified as other:
        return await EXTRACTORS[other.detection.kind].extract(other.detection, context)


@dataclass(frozen=True)
class Told:
    """What becomes of an info dict of our own, by way of yt-dlp."""

    context: Context
    path: Path

    async def __call__(self, **info: object) -> Extraction:
        self.path.write_text(json.dumps(info))
        return await both_stages(f"https://trials.test/told?path={quote(str(self.path))}", self.context)


@pytest.fixture
def told(context: Context, tmp_path: Path) -> Told:
    return Told(context, tmp_path / "info.json")


def hls(server: FileServer) -> str:
    server.put("/hls/low/v.m3u8", MEDIA.encode(), content_type=HLS)
    server.put("/hls/high/v.m3u8", MEDIA.encode(), content_type=HLS)
    return server.put("/hls/master.m3u8", MASTER.encode(), content_type=HLS)


# Stage 1


async def test_a_site_is_known_by_its_name_alone(context: Context) -> None:
    found = await detect("https://trials.test/film", context)
    assert (found.kind, found.why, found.probe) == (Kind.YTDLP, "yt-dlp's extractor Trials", None)


async def test_a_suffix_decides_before_any_site(context: Context, warm: Ytdlp) -> None:
    async with Ytdlp() as cold:
        assert (await detect("https://www.youtube.com/film.mp4", replace(context, ytdlp=cold))).kind is Kind.DIRECT
        assert cold.starts == 0


async def test_a_page_of_no_known_site(server: FileServer, context: Context) -> None:
    found = await detect(page(server, "<video src=film.mp4></video>"), context)
    assert (found.kind, found.probe is not None) == (Kind.YTDLP, True)


async def test_detection_goes_on_without_the_list(server: FileServer, context: Context, tmp_path: Path) -> None:
    async with Ytdlp(setup=YtdlpSetup(plugins=tmp_path / "nowhere")) as broken:
        found = await detect(page(server, "<p>"), replace(context, ytdlp=broken))
    assert found.kind is Kind.YTDLP


# Stage 2


async def test_a_video_element(server: FileServer, context: Context) -> None:
    url = page(server, "<video src='film.mp4' poster='p.jpg'></video>", headers=(("Set-Cookie", "session=1; Path=/"),))
    found = await both_stages(url, context)
    (fetch,) = found.fetches
    assert (found.kind, found.finish.how, found.finish.name) == (Kind.YTDLP, "file", "A & B.mp4")
    assert fetch.urls == (server.url("/film.mp4"),)
    assert ("Referer", url) in [(header.name, header.value) for header in found.headers_of(fetch)]
    assert [(c.name, c.value, c.domain, c.host_only) for c in found.cookies] == [("session", "1", "127.0.0.1", True)]
    assert fetch.size == 4, "as the server says"


async def test_what_a_site_says_of_a_film(told: Told) -> None:
    found = await told(
        id="x1",
        title="A film",
        url="https://media.test/film.mp4",
        ext="mp4",
        duration=100,
        uploader="Anna",
        upload_date="20240531",
        thumbnail="https://media.test/x.webp",
        chapters=[{"start_time": 0, "end_time": 10, "title": "One"}, {"start_time": 10, "title": "Two"}],
    )
    about = found.finish.about
    assert (about.id, about.title, about.uploader, about.date) == ("x1", "A film", "Anna", "2024-05-31")
    assert (about.url.startswith("https://trials.test/told"), about.thumbnail) == (True, "https://media.test/x.webp")
    assert [(each.start_s, each.end_s, each.title) for each in found.finish.chapters] == [
        (0.0, 10.0, "One"),
        (10.0, 100.0, "Two"),
    ]


async def test_a_page_without_a_title_is_not_called_none(server: FileServer, context: Context) -> None:
    found = await both_stages(page(server, "<video src='film.mp4'></video>", title="", path="/"), context)
    assert (found.title, found.finish.name) == (None, "video.mp4")


async def test_the_better_of_two_sources(server: FileServer, context: Context) -> None:
    sources = "<source src='low.mp4' res='360' label='360p'><source src='high.mp4' res='1080' label='1080p'>"
    found = await both_stages(page(server, f"<video>{sources}</video>"), context)
    assert found.fetches[0].urls == (server.url("/high.mp4"),)


async def test_json_ld(server: FileServer, context: Context) -> None:
    film = server.put("/ld.mp4", b"film", content_type="video/mp4")
    video = {
        "@context": "https://schema.org",
        "@type": "VideoObject",
        "name": "Told by JSON-LD",
        "contentUrl": film,
        "duration": "PT1M30S",
        "contentSize": "5000",
    }
    found = await both_stages(page(server, f'<script type="application/ld+json">{json.dumps(video)}</script>'), context)
    assert found.fetches[0].urls == (film,)
    assert found.title == "Told by JSON-LD"
    assert found.fetches[0].size == 4, "the page's word is no promise, the server's is one"


async def test_open_graph(server: FileServer, context: Context) -> None:
    meta = f'<meta property="og:video" content="{server.url("/og.mp4")}"><meta property="og:title" content="OG">'
    found = await both_stages(page(server, meta), context)
    assert found.fetches[0].urls == (server.url("/og.mp4"),)


async def test_a_page_with_a_playlist(server: FileServer, context: Context) -> None:
    master = hls(server)
    found = await both_stages(page(server, f"<video><source src='{master}' type='{HLS}'></video>"), context)
    assert (found.kind, found.finish.how, found.finish.duration_s) == (Kind.YTDLP, "media", 8.0)
    assert {fetch.urls[0] for fetch in found.fetches} == {server.url(f"/hls/high/{n}.ts") for n in (1, 2)}
    assert found.finish.name.endswith(".mp4")


async def test_one_piece_is_preferred_to_parts_of_the_same(server: FileServer, told: Told) -> None:
    formats = [
        {"url": hls(server), "ext": "mp4", "protocol": "m3u8_native", "height": 720, "tbr": 3000},
        {"url": server.url("/film.mp4"), "ext": "mp4", "height": 720, "tbr": 2000},
    ]
    codecs = {"vcodec": "avc1.64001f", "acodec": "mp4a.40.2"}
    found = await told(formats=[{**format_, **codecs} for format_ in formats])
    assert found.fetches[0].urls == (server.url("/film.mp4"),)


async def test_h264_is_preferred_but_not_to_more_lines(server: FileServer, told: Told) -> None:
    sound = {"url": server.url("/a.m4a"), "ext": "m4a", "vcodec": "none", "acodec": "mp4a.40.2"}
    opus = {"url": server.url("/a.webm"), "ext": "webm", "vcodec": "none", "acodec": "opus", "abr": 160}
    silent = {"acodec": "none", "ext": "mp4"}
    avc = {**silent, "url": server.url("/avc.mp4"), "vcodec": "avc1.64001f", "height": 1080}
    av1 = {**silent, "url": server.url("/av1.mp4"), "vcodec": "av01.0.08M.08", "height": 1080}
    taller = {**av1, "url": server.url("/tall.mp4"), "height": 2160}
    found = await told(formats=[sound, opus, avc, av1])
    assert [fetch.urls[0] for fetch in found.fetches] == [avc["url"], sound["url"]]
    found = await told(formats=[sound, avc, taller], cookie=["127.0.0.1", "a", "b"])
    assert [fetch.urls[0] for fetch in found.fetches] == [taller["url"], sound["url"]]
    assert [cookie.name for cookie in found.cookies] == ["a"]


async def test_what_yt_dlp_does_not_know_goes_to_a_browser(server: FileServer, context: Context) -> None:
    url = page(server, "<p>Nothing to see.</p>")
    detection = await detect(url, context)
    with pytest.raises(Reclassified) as caught:
        await EXTRACTORS[Kind.YTDLP].extract(detection, context)
    assert (caught.value.detection.kind, caught.value.detection.url) == (Kind.PLAYWRIGHT, url)


async def test_two_videos_are_a_list(server: FileServer, context: Context) -> None:
    with pytest.raises(DownloadError, match="list of 2 videos") as caught:
        await both_stages(page(server, "<video src=1.mp4></video><video src=2.mp4></video>"), context)
    assert caught.value.code == "playlist"


FEED = """<?xml version="1.0"?><rss version="2.0"><channel><title>Pod</title>{}</channel></rss>"""
ITEM = '<item><title>One</title><enclosure url="{}" type="audio/mpeg" length="1"/></item>'


@pytest.mark.parametrize("content_type", ["application/rss+xml", "text/html"])
async def test_a_feed_is_a_list_and_no_document(server: FileServer, context: Context, content_type: str) -> None:
    url = server.put("/feed", FEED.format(2 * ITEM.format(server.url("/a.mp3"))).encode(), content_type=content_type)
    async with Browser() as browser:
        with pytest.raises(DownloadError, match="list of 2 videos") as caught:
            await both_stages(url, replace(context, browser=browser))
        assert browser.starts == 0
    assert caught.value.code == "playlist"


async def test_a_feed_of_one_is_that_one(server: FileServer, context: Context) -> None:
    one = server.put("/a.mp3", b"ID3", content_type="audio/mpeg")
    found = await both_stages(
        server.put("/feed", FEED.format(ITEM.format(one)).encode(), content_type="text/xml"), context
    )
    assert found.fetches[0].urls[0].endswith("/feed"), "what is XML is looked into when it is there"
    url = server.put("/rss", FEED.format(ITEM.format(one)).encode(), content_type="application/rss+xml")
    assert (await both_stages(url, context)).fetches[0].urls == (one,)


async def test_which_of_two_videos_a_browser_can_tell(server: FileServer, context: Context) -> None:
    url = page(server, "<video src=1.mp4></video><video src=2.mp4></video>")
    async with Browser(timeout_s=5.0) as browser:
        seeing = replace(context, browser=browser)
        with pytest.raises(Reclassified) as caught:
            await EXTRACTORS[Kind.YTDLP].extract(await detect(url, seeing), seeing)
        assert browser.starts == 0
    assert (caught.value.detection.kind, caught.value.detection.url) == (Kind.PLAYWRIGHT, url)


class Seeing:
    """In place of a browser: one that has seen what is named, or nothing."""

    def __init__(self, *urls: str) -> None:
        self.urls = urls
        self.asked: list[str] = []

    async def sniff(
        self, url: str, *, save: bool = False, choice: Choice | None = None, cookies: Sequence[Cookie] = ()
    ) -> Mapping[str, Any]:
        self.asked.append(url)
        plain = {"manifest": False, "advertising": False, "live": False, "text": None, "size": 4}
        rest: dict[str, Any] = {**plain, "content_type": "video/mp4", "sent": {}, "received": {}}
        return {
            "candidates": [{"url": each, "base": each, **rest} for each in self.urls],
            **{"cookies": [], "titles": {}, "status": 200, "failure": None, "crashed": False, "left": None},
        }


# What a page tells of, or has as its decoration: a browser looks whether it plays something else.
GUESSES = {
    "og:video": '<meta property="og:video" content="/preview.mp4">',
    "a background": "<video autoplay muted loop src='/preview.mp4'></video>",
}


@pytest.mark.parametrize("name", GUESSES)
async def test_a_preview_gives_way_to_what_a_browser_plays(server: FileServer, context: Context, name: str) -> None:
    server.put("/preview.mp4", b"clip", content_type="video/mp4")
    url, seeing, blind = page(server, GUESSES[name]), Seeing("https://h/film.mp4"), Seeing()
    found = await both_stages(url, replace(context, browser=seeing))
    assert (found.fetches[0].urls, seeing.asked) == (("https://h/film.mp4",), [url])
    found = await both_stages(url, replace(context, browser=blind))
    assert (found.fetches[0].urls, found.kind, blind.asked) == ((server.url("/preview.mp4"),), Kind.YTDLP, [url])


async def test_a_player_with_controls_needs_no_browser(server: FileServer, context: Context) -> None:
    seeing = Seeing("https://h/other.mp4")
    found = await both_stages(
        page(server, "<video controls loop muted src='/film.mp4'></video>"), replace(context, browser=seeing)
    )
    assert (found.fetches[0].urls, seeing.asked) == ((server.url("/film.mp4"),), [])


async def test_a_page_that_is_gone(server: FileServer, context: Context) -> None:
    url = page(server, "x", status=404)
    assert context.ytdlp
    with pytest.raises(DownloadError, match="answered 404") as caught:
        await context.ytdlp.extract(url)
    assert caught.value.code == "not_found"


async def test_a_page_that_never_comes(server: FileServer, context: Context) -> None:
    assert context.ytdlp
    url = server.put("/hang", hang=True)
    with pytest.raises(DownloadError, match="did not finish") as caught:
        await context.ytdlp.extract(url, timeout_s=2.0)
    assert (caught.value.code, caught.value.retryable) == ("timeout", True)


async def test_a_page_that_redirects_to_a_file_of_this_machine(server: FileServer, context: Context) -> None:
    assert context.ytdlp
    for target in ("file:///etc/passwd", "data:text/html,x"):
        with pytest.raises(DownloadError):
            await context.ytdlp.extract(server.put("/there", redirect=target))


async def test_a_bare_manifest_needs_no_yt_dlp(server: FileServer, context: Context) -> None:
    found = await both_stages(hls(server), replace(context, ytdlp=None))
    assert (found.kind, found.finish.how) == (Kind.YTDLP, "media")
    assert {fetch.urls[0] for fetch in found.fetches} == {server.url(f"/hls/high/{n}.ts") for n in (1, 2)}


@pytest.mark.fault(46)
async def test_without_yt_dlp_a_page_says_what_to_install(server: FileServer, context: Context) -> None:
    with pytest.raises(DownloadError, match=r"aria2-reactor\[media\]") as caught:
        await both_stages(page(server, "<video src=1.mp4></video>"), replace(context, ytdlp=None))
    assert (caught.value.code, caught.value.retryable) == ("unsupported", False)


async def test_without_yt_dlp_a_page_goes_to_a_browser(server: FileServer, context: Context) -> None:
    url = page(server, "<video src=1.mp4></video>")
    async with Browser() as browser:
        bare = replace(context, ytdlp=None, browser=browser)
        detection = await detect(url, bare)
        with pytest.raises(Reclassified, match="yt-dlp is not installed") as caught:
            await EXTRACTORS[Kind.YTDLP].extract(detection, bare)
        assert browser.starts == 0
    assert (caught.value.detection.kind, caught.value.detection.url) == (Kind.PLAYWRIGHT, url)


async def test_the_proxy_of_a_preset_is_asked_in_place_of_the_guard(server: FileServer) -> None:
    """The server of these tests, for what it is asked for is what a proxy is asked for."""
    page(server, '<video><source src="/film.mp4" type="video/mp4"></video>')
    through = PresetOptions(proxy=server.url(""))
    async with Guard() as guard, Ytdlp(YtdlpConfig(timeout_s=60.0), guard=guard) as ytdlp:
        info = await ytdlp.extract("http://site.example/page", options=through)
    assert info["formats"][0]["url"] == "http://site.example/film.mp4"
    assert {request.headers["host"] for request in server.requests("/page")} == {"site.example"}
