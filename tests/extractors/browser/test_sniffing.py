"""Pages that do not play by themselves, and what is seen on them."""

from __future__ import annotations

import pytest

from reactor.extractors.browser.browser import Browser
from reactor.media.choice import Choice
from tests.extractors.browser.seen import sniffed
from tests.media.samples import Samples
from tests.pages.site import Site


def loads(script: str) -> str:
    return f"<!doctype html><title>T</title><body><script>{script}</script></body>"


async def test_a_player_that_needs_a_click(site: Site, browser: Browser) -> None:
    seen = await sniffed(browser, site.page("click", "/hls/main.m3u8"))
    assert (seen.best.url, seen.best.manifest) == (site.url("/hls/main.m3u8"), True)


@pytest.mark.nightly
async def test_the_quality_of_a_page_that_names_several(site: Site, browser: Browser) -> None:
    sources = "".join(f"<source src=/{name} type=video/mp4 label={lines}p>" for name, lines in SOURCES)
    url = site.html(f"<title>T</title><video muted autoplay>{sources}</video>")
    for choice, name, lines in ((Choice(), "film.mp4", 1080), (Choice(max_lines=480), "clip.mp4", 360)):
        seen = await sniffed(browser, url, choice=choice)
        assert (seen.best.url, seen.best.lines) == (site.url(f"/{name}"), lines)


SOURCES = (("film.mp4", 1080), ("clip.mp4", 360))


@pytest.mark.nightly
async def test_an_advertisement_first(site: Site, browser: Browser) -> None:
    seen = await sniffed(browser, site.page("advert", "/film.mp4"))
    assert [each.url for each in seen.found.candidates] == [site.url("/film.mp4"), site.url("/clip.mp4")]


@pytest.mark.nightly
async def test_a_film_that_comes_slowly_after_an_advertisement(site: Site, browser: Browser) -> None:
    """Its length is known only when the advertisement has long been over."""
    site.put("/film.mp4", site.data("/film.mp4"), content_type="video/mp4", rate=40_000)
    film = "v.src = `/clip.mp4`; v.onended = () => v.src = `/film.mp4`"
    url = site.html(
        f"<video id=v width=480 height=320 autoplay></video><button class=play-button onclick='{film}'>Play</button>"
    )
    seen = await sniffed(browser, url)
    assert [each.url for each in seen.found.candidates] == [site.url("/film.mp4"), site.url("/clip.mp4")]


async def test_an_advertisement_from_where_such_things_come(site: Site, browser: Browser) -> None:
    site.put("/ads/spot.mp4", site.data("/clip.mp4"), content_type="video/mp4")
    film = "<video id=v muted autoplay src=/ads/spot.mp4></video>"
    url = site.html(f"{film}<button class=skip-ad onclick='v.src = `/film.mp4`'>Skip</button>")
    assert (await sniffed(browser, url)).best.url == site.url("/film.mp4")


@pytest.mark.nightly
async def test_two_frames_deep_on_another_host(site: Site, browser: Browser) -> None:
    site.page("hlsjs", "/hls/main.m3u8", path="/player")
    inner = site.page("framed", site.url("/player", host="localhost"), path="/inner", hidden=False)
    seen = await sniffed(browser, site.page("framed", inner, hidden=False))
    assert seen.best.url == site.url("/hls/main.m3u8", host="localhost")
    assert seen.best.sent["referer"] == site.url("/player", host="localhost")
    assert seen.found.titles.title == "A film in a frame"


async def test_what_a_worker_fetches(site: Site, browser: Browser) -> None:
    site.put("/worker.js", b"fetch('/hls/main.m3u8')", content_type="text/javascript")
    seen = await sniffed(browser, site.html(loads("new Worker('/worker.js')")))
    assert seen.best.url == site.url("/hls/main.m3u8")
    assert seen.best.text
    assert seen.best.text.startswith("#EXTM3U")


@pytest.mark.nightly
async def test_a_manifest_that_the_page_has_made(site: Site, browser: Browser) -> None:
    text = "fetch(URL.createObjectURL(new Blob(['#EXTM3U\\n#EXTINF:100,\\n/hls/part0.ts\\n#EXT-X-ENDLIST\\n'])))"
    url = site.html(loads(text))
    seen = await sniffed(browser, url)
    assert (seen.best.url[:5], seen.best.base, seen.best.manifest) == ("blob:", url, True)


async def test_a_manifest_by_no_name_and_of_no_type(site: Site, browser: Browser) -> None:
    site.put("/api/1", site.data("/hls/index.m3u8"), content_type="text/plain")
    seen = await sniffed(browser, site.html(loads("fetch('/api/1')")))
    assert (seen.best.url, seen.best.manifest) == (site.url("/api/1"), True)


async def test_headers_and_cookies_of_the_player(site: Site, browser: Browser) -> None:
    script = "fetch('/hls/main.m3u8', {headers: {'X-Token': 'abc', Authorization: 'Bearer x'}})"
    url = site.html(loads(script), headers=(("Set-Cookie", "a=1; Path=/; HttpOnly"),))
    seen = await sniffed(browser, url)
    sent = seen.best.sent
    assert (sent["x-token"], sent["authorization"], sent["referer"]) == ("abc", "Bearer x", url)
    assert "Headless" not in sent["user-agent"]
    assert [(each.name, each.value, each.domain) for each in seen.found.cookies] == [("a", "1", site.host)]


async def test_user_info_of_the_url_stays_with_its_site(site: Site, browser: Browser) -> None:
    to_all = (("Access-Control-Allow-Origin", "*"),)
    site.put("/other.m3u8", site.data("/hls/main.m3u8"), headers=to_all)
    other = site.url("/other.m3u8", host="localhost")
    site.html(loads(f"fetch('{other}')"), path="/locked", user=("me", "secret"))
    seen = await sniffed(browser, site.url("/locked", user="me:secret"))
    assert seen.found.status == 200
    assert "authorization" not in seen.best.sent
    assert [each.url for each in seen.found.candidates] == [other]


async def test_each_page_is_a_stranger_to_the_one_before(site: Site, browser: Browser) -> None:
    page = loads("localStorage.n = (+localStorage.n || 0) + 1; fetch('/hls/main.m3u8?n=' + localStorage.n)")
    url = site.html(page, headers=(("Set-Cookie", "a=1"),))
    for _ in range(2):
        assert (await sniffed(browser, url)).best.url.endswith("?n=1")
    assert [request.headers.get("cookie") for request in site.requests("/page")] == [None, None]
    assert browser.starts == 1


@pytest.mark.nightly
async def test_a_file_tells_its_size_and_version(site: Site, browser: Browser) -> None:
    seen = await sniffed(browser, site.html("<video src=/film.mp4 muted autoplay></video>"))
    assert seen.best.size == len(site.data("/film.mp4"))
    assert (seen.best.received["etag"], seen.best.manifest) == ('"1"', False)


@pytest.mark.nightly
async def test_a_broadcast(site: Site, samples: Samples, browser: Browser) -> None:
    sound = samples.root / "sound.mp3"
    samples.run("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "libmp3lame", "-write_xing", "0", sound)
    site.put("/radio", sound.read_bytes(), content_type="audio/mpeg", endless=True, rate=200_000, ranges=False)
    seen = await sniffed(browser, site.html("<audio src=/radio autoplay></audio>"))
    assert (seen.best.url, seen.best.live, seen.best.size) == (site.url("/radio"), True, None)
