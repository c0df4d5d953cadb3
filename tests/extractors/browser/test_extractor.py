"""From a page to an extraction, by the players that people meet; and what is made of what a browser saw."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from reactor.errors import DownloadError, Failure
from reactor.extractors import EXTRACTORS
from reactor.extractors.base import Context, Reclassified, Several
from reactor.extractors.browser.browser import Browser
from reactor.extractors.browser.extractor import Titles, parse_found, title_of
from reactor.extractors.context import open_context
from reactor.extractors.findings import Findings
from reactor.models import Kind
from reactor.net.jar import Jar
from reactor.net.redirects import follow
from reactor.options import Options, parse_options
from reactor.plan import Cookie, Detection, Extraction, Fetch
from tests.media.samples import SECONDS, Samples
from tests.pages import players
from tests.pages.site import Site, master
from tests.tools import needed


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[Context]:
    async with open_context() as context:
        yield replace(context, browser=browser)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    needed("chromium")
    players.files()
    async with Site() as site:
        yield site


async def extracted(url: str, context: Context) -> Extraction:
    return await EXTRACTORS[Kind.PLAYWRIGHT].extract(Detection(kind=Kind.PLAYWRIGHT, url=url, why="test"), context)


async def fetched(found: Extraction, fetch: Fetch, context: Context) -> bytes:
    """What a server gives to who asks as the fetch says."""
    headers = {header.name: header.value for header in found.headers_of(fetch)}
    headers["Cookie"] = Jar(found.cookies).line(fetch.urls[0])
    async with follow("GET", fetch.urls[0], context.http, headers) as (_, response):
        assert response.status == 200
        return b"".join([piece async for piece in response.pieces()])


# The players


@pytest.mark.variants(2)
@pytest.mark.parametrize(
    ("page", "address", "title"),
    [
        ("hlsjs", "/hls/main.m3u8", "A film by hls.js"),
        ("dashjs", "/dash/index.mpd", "A film by dash.js"),
        ("videojs", "/hls/main.m3u8", "A film by video.js"),
        ("shaka", "/dash/index.mpd", "A film by shaka-player"),
    ],
)
async def test_a_player_of_streams(
    site: Site, samples: Samples, context: Context, page: str, address: str, title: str
) -> None:
    site.media("/hls", master(samples.hls("hls")))
    site.media("/dash", samples.dash("dash"))
    found = await extracted(site.page(page, address), context)
    assert (found.kind, found.title, found.finish.how, found.finish.name) == (
        *(Kind.PLAYWRIGHT, title),
        *("media", f"{title}.mp4"),
    )
    assert found.finish.duration_s == pytest.approx(SECONDS, rel=0.05)
    assert {name for track in found.finish.tracks for name in track.holds} in ({"video", "audio"}, set())
    parts = [await fetched(found, fetch, context) for fetch in found.fetches]
    assert sorted(parts) == sorted({site.data(fetch.urls[0].removeprefix(site.url(""))) for fetch in found.fetches})


async def test_cookies_of_whoever_asked_are_the_pages_and_in_no_plan(
    site: Site, samples: Samples, context: Context
) -> None:
    site.put("/film.mp4", samples.film().read_bytes(), content_type="video/mp4")
    site.put("/elsewhere.png", b"", content_type="image/png")
    away = site.url("/elsewhere.png", host="localhost")
    url = site.html(
        "<title></title><video id=v src='/film.mp4' controls></video>"
        f"<script>document.title = document.cookie; document.cookie = 'own=3'; new Image().src = '{away}'</script>",
    )
    given = (
        Cookie(name="sid", value="S3CRET", domain=site.host, http_only=True),
        Cookie(name="seen", value="1", domain=site.host),
        Cookie(name="__Host-odd", value="2", domain=site.host),  # no browser keeps it: it is not secure
        Cookie(name="other", value="S3CRET", domain="site.example", host_only=False),
    )
    found = await extracted(url, replace(context, http=replace(context.http, cookies=given)))
    assert found.title == "seen=1", "scripts do not see what is for the server alone"
    assert [(each.name, each.value) for each in found.cookies] == [("own", "3")]
    for path in ("/page", "/film.mp4"):
        assert {"sid=S3CRET", "seen=1"} <= set(site.requests(path)[0].headers["cookie"].split("; "))
    assert {request.headers.get("cookie") for request in site.requests("/elsewhere.png")} == {None}
    (again,) = (await extracted(url, context)).cookies
    assert again.name == "own", "nothing of it is left in the browser"


@pytest.mark.nightly
async def test_plyr(site: Site, samples: Samples, context: Context) -> None:
    site.put("/film.mp4", samples.film().read_bytes(), content_type="video/mp4", etag='"1"')
    found = await extracted(site.page("plyr", "/film.mp4"), context)
    (fetch,) = found.fetches
    assert (found.title, found.finish.how, found.finish.name) == ("A film by plyr", "file", "A film by plyr.mp4")
    assert (fetch.urls, fetch.size, fetch.validator) == (
        (site.url("/film.mp4"),),
        len(site.data("/film.mp4")),
        '"1"',
    )
    assert "range" not in {header.name for header in found.headers_of(fetch)}


TWO_TRACKS = """<title>Two tracks</title><video id=v muted></video><script>
const source = new MediaSource();
v.src = URL.createObjectURL(source);
source.onsourceopen = async () => {
  const all = [["v", 'video/mp4; codecs="CODEC"'], ["a", 'audio/mp4; codecs="mp4a.40.2"']].map(
    ([name, type]) => [name, source.addSourceBuffer(type)]);
  for (const [name, buffer] of all) {
    buffer.appendBuffer(await (await fetch(atob("ADDRESS") + name + ".mp4")).arrayBuffer());
    await new Promise(done => buffer.onupdateend = done);
  }
  source.endOfStream();
  v.play();
};
</script>"""


@pytest.mark.nightly
async def test_a_player_that_is_fed_with_two_files(site: Site, samples: Samples, context: Context) -> None:
    """The picture alone is not the film."""
    for name, which in (("v", "0:v"), ("a", "0:a")):
        path = samples.root / f"fed-{name}.mp4"
        how = ("-c:v", "libx264", "-profile:v", "baseline", "-c:a", "aac")
        samples.run("-i", samples.film(), "-map", which, *how, "-movflags", "+frag_keyframe+empty_moov", path)
        site.put(f"/fed/{name}.mp4", path.read_bytes(), content_type="video/mp4")
    address = base64.b64encode(site.url("/fed/").encode()).decode()
    url = site.html(TWO_TRACKS.replace("CODEC", "avc1.42c01e").replace("ADDRESS", address))
    found = await extracted(url, context)
    assert [fetch.urls[0] for fetch in found.fetches] == [site.url("/fed/v.mp4"), site.url("/fed/a.mp4")]
    assert [track.holds for track in found.finish.tracks] == [("video",), ("audio",)]
    assert found.finish.name == "Two tracks.mp4"


@pytest.mark.nightly
async def test_a_player_whose_pieces_cannot_be_asked_for_again(site: Site, samples: Samples, context: Context) -> None:
    path = samples.root / "posted.mp4"
    samples.run("-i", samples.film(), "-map", "0:v", "-movflags", "+frag_keyframe+empty_moov", "-c:v", "libx264", path)
    data = base64.b64encode(path.read_bytes()).decode()
    made = f"Uint8Array.from(atob('{data}'), one => one.charCodeAt(0))"
    page = TWO_TRACKS.replace("CODEC", "avc1.640015")
    page = page.replace(""", ["a", 'audio/mp4; codecs="mp4a.40.2"']""", "")
    page = page.replace('await (await fetch(atob("ADDRESS") + name + ".mp4")).arrayBuffer()', made)
    with pytest.raises(DownloadError, match="not all of them could be found") as caught:
        await extracted(site.html(page), context)
    assert caught.value.code == "unsupported"


@pytest.mark.nightly
async def test_hls_that_the_browser_plays_by_itself(site: Site, samples: Samples, context: Context) -> None:
    """Its list of qualities is read, and not only the one that was played first."""
    site.media("/native", master(samples.hls("hls")))
    url = site.html(f'<video src="{site.url("/native/main.m3u8")}" autoplay muted></video>')
    found = await extracted(url, context)
    assert found.finish.tracks[0].holds == ("video", "audio"), "what only the list says"


async def test_a_server_that_wants_the_page_and_its_cookie(site: Site, samples: Samples, context: Context) -> None:
    site.media("/guarded", master(samples.hls("hls")))
    url = site.page("hlsjs", "/guarded/main.m3u8", headers=(("Set-Cookie", "pass=given; Path=/; HttpOnly"),))
    found = await extracted(url, context)
    assert [await fetched(found, fetch, context) for fetch in found.fetches] == [
        site.data(f"/guarded/part{number}.ts") for number in range(3)
    ]
    assert {request.status for request in site.requests() if request.path.startswith("/guarded/part")} <= {200, 206}


async def test_a_live_stream_is_refused(site: Site, samples: Samples, context: Context) -> None:
    live = samples.hls("hls")["index.m3u8"].replace(b"#EXT-X-ENDLIST", b"").replace(b"#EXT-X-PLAYLIST-TYPE:VOD", b"")
    live = live.replace(b"#EXT-X-MEDIA-SEQUENCE:0", b"#EXT-X-MEDIA-SEQUENCE:7")
    assert b"SEQUENCE:7" in live, "its beginning is gone"
    site.put("/live.m3u8", live, content_type="application/vnd.apple.mpegurl")
    with pytest.raises(DownloadError) as caught:
        await extracted(site.html("<script>fetch('/live.m3u8')</script>"), context)
    assert caught.value.code == "live"


@pytest.mark.nightly
async def test_a_page_without_a_film(site: Site, context: Context) -> None:
    with pytest.raises(DownloadError, match="No video or audio was found on this page") as caught:
        await extracted(site.html("<p>text</p><img src=/x.png>"), context)
    assert (caught.value.code, caught.value.retryable) == ("unsupported", False)


# What is said without a browser


async def test_without_what_drives_a_browser(context: Context) -> None:
    with pytest.raises(DownloadError, match=r"pip install 'aria2-reactor\[browser\]'") as caught:
        await extracted("http://h/", replace(context, browser=None))
    assert caught.value.code == "program_missing"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "chrome://version", "data:text/html,x", "javascript:1"])
async def test_only_web_pages_are_opened(context: Context, url: str) -> None:
    with pytest.raises(DownloadError, match="Only http and https") as caught:
        await extracted(url, context)
    assert caught.value.code == "unsupported"


class Told:
    """In place of a browser: what one has told."""

    def __init__(self, **told: Any) -> None:
        self.told = {**NOTHING, **told}

    async def sniff(self, url: str, *, save: bool = False, **_: object) -> Mapping[str, Any]:
        return self.told


NOTHING: Mapping[str, Any] = {
    **{"candidates": [], "cookies": [], "titles": {}},
    **{"status": None, "failure": None, "crashed": False, "left": None},
}


def candidate(url: str = "http://h/a.mp4", **more: Any) -> dict[str, Any]:
    plain = {"manifest": False, "advertising": False, "live": False, "text": None, "size": None}
    return {"url": url, "base": url, "content_type": "video/mp4", **plain, "sent": {}, "received": {}} | more


async def of_told(context: Context, **told: Any) -> Extraction:
    browser: Any = Told(**told)
    return await extracted("http://me:secret@h.test/page", replace(context, browser=browser))


@pytest.mark.parametrize(
    ("told", "word", "retryable"),
    [
        ({}, "timeout", True),
        ({"failure": "Page.goto: net::ERR_NAME_NOT_RESOLVED at http://h.test/"}, "dns", True),
        ({"failure": "Page.goto: net::ERR_CONNECTION_REFUSED"}, "unreachable", True),
        ({"failure": "Page.goto: net::ERR_CERT_DATE_INVALID"}, "tls", False),
        ({"failure": "Page.goto: net::ERR_TOO_MANY_REDIRECTS"}, "redirect_loop", False),
        ({"failure": "Page.goto: net::ERR_UNSAFE_REDIRECT"}, "bad_redirect", False),
        ({"failure": "Page.goto: net::ERR_EMPTY_RESPONSE"}, "connection_lost", True),
        ({"failure": "what"}, "connection_lost", True),
        ({"status": 404}, "not_found", False),
        ({"status": 503}, "server_error", True),
        ({"status": 200, "crashed": True}, "browser_crashed", False),
        ({"status": 200, "left": "chrome"}, "bad_redirect", False),
        ({"status": 200, "candidates": [candidate(advertising=True)]}, "unsupported", False),
        ({"status": 200, "candidates": [candidate(live=True)]}, "live", False),
        ({"status": 200}, "unsupported", False),
    ],
)
async def test_the_sentence_for_what_went_wrong(
    context: Context, told: dict[str, Any], word: str, retryable: bool
) -> None:
    with pytest.raises(DownloadError) as caught:
        await of_told(context, **told)
    assert (caught.value.code, caught.value.retryable) == (word, retryable)
    assert "secret" not in str(caught.value)


async def test_what_is_no_manifest_after_all_gives_way_to_the_next(context: Context) -> None:
    bad = candidate("http://h/a.m3u8", manifest=True, text="#EXTM3U\n#EXTINF:nonsense")
    found = await of_told(context, candidates=[bad, candidate()], status=200)
    assert found.fetches[0].urls == ("http://h/a.mp4",)


async def test_the_player_that_a_page_names_is_looked_at_where_there_is_nothing_else(context: Context) -> None:
    players = ["http://h.test/page#x", "http://h.test:0/", "http://player.test/embed/7"]
    with pytest.raises(Reclassified) as caught:
        await of_told(context, status=200, players=players)
    assert (caught.value.detection.kind, caught.value.detection.url) == (Kind.YTDLP, "http://player.test/embed/7")
    found = await of_told(context, candidates=[candidate()], status=200, players=players)
    assert found.fetches[0].urls == ("http://h/a.mp4",)


async def test_all_films_of_a_page(context: Context) -> None:
    """Where the row asks for all; what only decorates the page is none."""
    films = [candidate("http://h/a.mp4"), candidate("http://h/b.mp4"), candidate("http://h/c.mp4", decor=True)]
    options = parse_options({"playlist": {"mode": "all"}}, Options)
    every = replace(context, playlist_max=50, options=options)
    with pytest.raises(Several) as several:
        await of_told(every, candidates=films, status=200)
    assert [each.url for each in several.value.listing.entries] == ["http://h/a.mp4", "http://h/b.mp4"]
    assert (await of_told(every, candidates=films[:1], status=200)).fetches[0].urls == ("http://h/a.mp4",)
    assert (await of_told(replace(context, playlist_max=50), candidates=films, status=200)).fetches[0].urls == (
        "http://h/a.mp4",
    )


def begun(url: str, **more: Any) -> dict[str, Any]:
    plain = {"url": url, "name": "a.zip", "method": "GET", "sent": {}, "wanted": True}
    return {"begun": [plain | more], "links": [], "gates": [], "page": "", "agent": ""}


class Twice(Told):
    """The same; and another thing when it is to save what the page has."""

    def __init__(self, again: dict[str, Any], **told: Any) -> None:
        super().__init__(**told)
        self.again = again

    async def sniff(self, url: str, *, save: bool = False, **_: object) -> Mapping[str, Any]:
        return {**self.told, "offers": self.again} if save else self.told


class Counted(Told):
    """The same, and how often it was asked."""

    asked = 0

    async def sniff(self, url: str, *, save: bool = False, **_: object) -> Mapping[str, Any]:
        self.asked += 1
        return self.told


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("seen", "answer", "times"),
    [
        pytest.param({}, {"want": "audio"}, 1, id="a file"),
        pytest.param({}, {"quality": 720}, 2, id="a file in another quality"),
        pytest.param({"manifest": True, "text": PLAYLIST}, {"quality": 720}, 1, id="a manifest in another quality"),
        pytest.param({"manifest": True, "text": "#EXTM3U\nnothing"}, {}, 2, id="what is of no use any more"),
    ],
)
async def test_an_answer_does_not_open_the_page_again(
    context: Context, seen: dict[str, Any], answer: dict[str, Any], times: int
) -> None:
    browser: Any = Counted(candidates=[candidate(**seen)], status=200)
    asked = replace(context, browser=browser, findings=Findings(), options=Options(ask="all"))
    with suppress(DownloadError):
        await extracted("http://h.test/page", asked)
    with suppress(DownloadError):
        await extracted("http://h.test/page", replace(asked, options=Options(**answer)))
    assert browser.asked == times
    with suppress(DownloadError):
        await extracted("http://h.test/page", replace(asked, options=Options(**answer)))
    assert browser.asked == times + 1, "what was found is used once: it expires"


async def test_a_link_for_one_use_is_used_by_the_browser(site: Site, context: Context) -> None:
    used = site.put("/used", b"", status=410)
    browser: Any = Twice(begun(used, saved="http://files/1", size=3), offers=begun(used), status=200)
    found = await extracted("http://h.test/page", replace(context, browser=browser))
    assert (found.fetches[0].urls, found.finish.name) == (("http://files/1",), "a.zip")
    browser = Twice(begun(used), offers=begun(used), status=200)
    with pytest.raises(DownloadError, match="410"):
        await extracted("http://h.test/page", replace(context, browser=browser))


async def test_a_film_before_a_download_that_is_another_thing(site: Site, context: Context) -> None:
    film, file = candidate(), site.put("/a.zip", b"PK")
    found = await of_told(context, candidates=[film], offers=begun(file), status=200)
    assert found.fetches[0].urls == ("http://h/a.mp4",)
    found = await of_told(context, candidates=[candidate(file)], offers=begun(file), status=200)
    assert (found.fetches[0].urls, found.finish.name) == ((file,), "a.zip"), "it is the download itself"
    found = await of_told(context, candidates=[candidate(advertising=True)], offers=begun(file), status=200)
    assert found.fetches[0].urls == (file,)


async def test_of_two_extractors_the_better_sentence(context: Context) -> None:
    browser: Any = Told(status=200)
    earlier = Failure("forbidden", "The site said no.")
    detection = Detection(kind=Kind.PLAYWRIGHT, url="http://h.test/page", why="test", earlier=earlier)
    with pytest.raises(DownloadError, match="said no") as caught:
        await EXTRACTORS[Kind.PLAYWRIGHT].extract(detection, replace(context, browser=browser))
    assert caught.value.code == "forbidden"


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (candidate("http://h/a/Film%20one.mp4?x=.exe"), "T.mp4"),
        (candidate("http://h/stream", content_type="video/webm"), "T.webm"),
        (candidate("http://h/get.php", content_type="audio/mpeg"), "T.mp3"),
        (candidate("http://h/get.php", content_type="video/strange"), "T.mp4"),
    ],
)
async def test_the_name_of_a_file(context: Context, seen: dict[str, Any], name: str) -> None:
    found = await of_told(context, candidates=[seen], titles={"title": "T"}, status=200)
    assert (found.finish.name, found.fetches[0].name) == (name, name)


async def test_what_a_file_of_a_page_cannot_be(context: Context) -> None:
    said: dict[str, Any] = {"quality": 720, "subtitles": {"languages": ["de"]}}
    asked = replace(context, options=parse_options(said, Options))
    found = await of_told(asked, candidates=[candidate(lines=360)], status=200)
    sentences = ("There is no picture of 720 lines: this one has 360.", "There are no subtitles in de.")
    assert found.finish.unmet == sentences
    assert (await of_told(context, candidates=[candidate(lines=360)], status=200)).finish.unmet == ()
    nothing = replace(context, options=parse_options({"want": "subtitles"}, Options))
    with pytest.raises(DownloadError, match="no subtitles"):
        await of_told(nothing, candidates=[candidate()], status=200)


async def test_a_page_without_a_title_and_a_file_with_a_long_name(context: Context) -> None:
    found = await of_told(context, candidates=[candidate(f"http://h/{'x' * 12_000}.mp4")], status=200)
    assert found.title == "x" * 1000
    assert len(found.finish.name) <= 255


async def test_an_address_that_is_too_long_gives_way_to_the_next(context: Context) -> None:
    long = candidate(f"http://h/{'é' * 12_000}.mp4")
    found = await of_told(context, candidates=[long, candidate()], status=200)
    assert found.fetches[0].urls == ("http://h/a.mp4",)


@pytest.mark.parametrize(
    "told",
    [
        {"candidates": [candidate(size=-1)]},
        {"candidates": [candidate(sent={"a": 1})]},
        {"candidates": "x"},
        {"cookies": [{"name": "a"}]},
        {"status": "200"},
    ],
)
async def test_nonsense_is_refused_at_the_border(context: Context, told: dict[str, Any]) -> None:
    with pytest.raises(DownloadError) as caught:
        await of_told(context, **told)
    assert caught.value.code == "bad_answer"


@pytest.mark.parametrize("titles", [{"og": 5}, {"ld": "x"}, [], None])
def test_a_title_that_makes_no_sense_is_none(titles: Any) -> None:
    assert parse_found({**NOTHING, "titles": titles}).titles == Titles()


def test_more_than_we_know_is_no_nonsense() -> None:
    assert parse_found({**NOTHING, "spoiled": False, "new": 1}).candidates == []


def ld(told: Any) -> str:
    return json.dumps(told)


@pytest.mark.parametrize(
    ("titles", "title"),
    [
        (Titles(og=" A \n film ", title="x"), "A film"),
        (Titles(ld=[ld({"@type": "VideoObject", "name": "V"})], title="x"), "V"),
        (Titles(ld=[ld({"@graph": [{"@type": "WebPage", "name": "W"}, {"@type": ["Movie"], "name": "M"}]})]), "M"),
        (Titles(ld=["{", "7", ld([{"@type": {}, "name": 1}]), "[" * 5000], title="x"), "x"),
        (Titles(og="é" * 2000), "é" * 1000),
        (Titles(og="half a sign: \ud83d"), "half a sign: ?"),
        (Titles(), None),
    ],
)
def test_titles(titles: Titles, title: str | None) -> None:
    assert title_of(titles) == title
