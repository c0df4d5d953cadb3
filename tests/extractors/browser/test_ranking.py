"""Which of the things a page asked for is the film."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reactor.extractors.browser.elements import Element, Role, Source
from reactor.extractors.browser.ranking import (
    NAMED,
    Candidate,
    Form,
    Sight,
    better_source,
    is_ad_host,
    is_file,
    is_sure,
    manifest_duration,
    manifest_form,
    named_by,
    rank,
)
from reactor.media.choice import Choice

SITE = "https://films.test"
HLS = "application/vnd.apple.mpegurl"


def playlist(seconds: float = 600.0, *, name: str = "1.ts", end: bool = True) -> str:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:{seconds},\n{name}\n" + "#EXT-X-ENDLIST\n" * end


def master(*names: str) -> str:
    return "#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1\n{name}\n" for name in names)


def mpd(seconds: str = "PT10M", kind: str = "static") -> str:
    return f'<?xml version="1.0"?><MPD type="{kind}" mediaPresentationDuration="{seconds}"></MPD>'


def hls(path: str, text: str | None) -> Sight:
    return Sight(f"{SITE}{path}", content_type=HLS, text=text)


def film(path: str, size: int | None = None, *, resource: str = "media", asked: str = "", frame: str = "") -> Sight:
    kind = "video/mp4"
    return Sight(f"{SITE}{path}", content_type=kind, size=size, resource=resource, asked=asked, frame=frame)


VAST = "<VAST><MediaFile type='video/mp4'><![CDATA[ https://films.test/x.mp4?a=1&b=2 ]]></MediaFile></VAST>"

# name: (sights, durations of elements by path, the paths of the candidates, best first)
CASES: dict[str, tuple[list[Sight], dict[str, float], list[str]]] = {
    "nothing": ([], {}, []),
    "one file": ([film("/a.mp4")], {}, ["/a.mp4"]),
    "a master hides its qualities": (
        [hls("/m.m3u8", master("a/v.m3u8", "b/v.m3u8")), hls("/a/v.m3u8", playlist()), hls("/b/v.m3u8", playlist())],
        {},
        ["/m.m3u8"],
    ),
    "a master before a strange playlist": (
        [hls("/other.m3u8", playlist()), hls("/m.m3u8", master("v.m3u8")), hls("/v.m3u8", playlist())],
        {},
        ["/m.m3u8", "/other.m3u8"],
    ),
    "a manifest before a file of its length": (
        [film("/a.mp4"), hls("/v.m3u8", playlist(600))],
        {"/a.mp4": 590.0},
        ["/v.m3u8", "/a.mp4"],
    ),
    "the long file before the short manifest": (
        [hls("/teaser/v.m3u8", playlist(30)), film("/a.mp4")],
        {"/a.mp4": 3600.0},
        ["/a.mp4", "/teaser/v.m3u8"],
    ),
    "an unknown length is not short": (
        [film("/a.mp4"), hls("/m.m3u8", master("v.m3u8"))],
        {"/a.mp4": 20.0},
        ["/m.m3u8", "/a.mp4"],
    ),
    "a clip before the film": (
        [film("/clip.mp4"), film("/b.mp4")],
        {"/clip.mp4": 15.0, "/b.mp4": 900.0},
        ["/b.mp4", "/clip.mp4"],
    ),
    "an advertisement longer than the film": (
        [film("/ads/long.mp4"), film("/b.mp4")],
        {"/ads/long.mp4": 900.0, "/b.mp4": 100.0},
        ["/b.mp4", "/ads/long.mp4"],
    ),
    "films with words of advertising in their names": (
        [film("/videos/ad-astra.mp4"), film("/the-vast-of-night.mp4"), film("/x/commercial-break.mp4")],
        {"/videos/ad-astra.mp4": 20.0, "/the-vast-of-night.mp4": 30.0, "/x/commercial-break.mp4": 28.0},
        ["/the-vast-of-night.mp4", "/x/commercial-break.mp4", "/videos/ad-astra.mp4"],
    ),
    "what VAST names": (
        [
            Sight(f"{SITE}/tag", content_type="text/xml", text=VAST),
            hls("/v.m3u8", playlist(20)),
            film("/x.mp4?a=1&b=2"),
        ],
        {"/x.mp4?a=1&b=2": 30.0},
        ["/v.m3u8", "/x.mp4?a=1&b=2"],
    ),
    "a frame of a server of advertisements": (
        [film("/x.mp4", frame="https://a.doubleclick.net/f"), film("/b.mp4", frame=f"{SITE}/")],
        {},
        ["/b.mp4", "/x.mp4"],
    ),
    "segments of any name": (
        [
            hls("/v.m3u8", playlist(name="piece-a.mp4")),
            film("/piece-a.mp4", resource="fetch"),
            film("/next.mp4", resource="xhr"),
            Sight(f"{SITE}/1.ts", content_type="video/mp2t"),
            Sight(f"{SITE}/2.m4s", content_type="video/mp4"),
        ],
        {},
        ["/v.m3u8"],
    ),
    "an init segment and numbered parts without a manifest": (
        [
            film("/init.mp4", resource="fetch"),
            film("/seg-12.mp4", resource="fetch"),
            film("/f.mp4?range=0-99", resource="xhr"),
        ],
        {},
        [],
    ),
    "a file that a script fetches whole": ([film("/whole.mp4", resource="fetch")], {}, ["/whole.mp4"]),
    "by suffix alone": (
        [Sight(f"{SITE}/a.MP4", resource="media", content_type="application/octet-stream"), Sight(f"{SITE}/b.mpd")],
        {},
        ["/b.mpd", "/a.MP4"],
    ),
    "by content alone": (
        [Sight(f"{SITE}/stream.txt", content_type="text/plain", text=playlist())],
        {},
        ["/stream.txt"],
    ),
    "a page of a video's name": ([Sight(f"{SITE}/a.mp4", content_type="text/html", resource="document")], {}, []),
    "picture before sound": (
        [Sight(f"{SITE}/ding.mp3", content_type="audio/mpeg", resource="media", size=9_000_000), film("/a.mp4", 10)],
        {},
        ["/a.mp4", "/ding.mp3"],
    ),
    "a preview beside the film": ([film("/preview.mp4", 99), film("/a.mp4", 9)], {}, ["/a.mp4", "/preview.mp4"]),
    "the larger of two unknown": ([film("/a.mp4", 10), film("/b.mp4", 99)], {}, ["/b.mp4", "/a.mp4"]),
    "the earlier of two equal": ([film("/a.mp4"), film("/b.mp4")], {}, ["/a.mp4", "/b.mp4"]),
    "DASH before the sound of HLS": (
        [hls("/v.m3u8", playlist()), Sight(f"{SITE}/m", text=mpd())],
        {},
        ["/m", "/v.m3u8"],
    ),
    "what can be watched again before what is live": (
        [hls("/live.m3u8", playlist(end=False)), hls("/v.m3u8", playlist(10))],
        {},
        ["/v.m3u8", "/live.m3u8"],
    ),
    "once asked, twice answered": ([film("/a.mp4", 5), film("/a.mp4", 5)], {}, ["/a.mp4"]),
    "the element knows the address before the redirect": (
        [film("/cdn/1.mp4", asked=f"{SITE}/a.mp4"), film("/b.mp4")],
        {"/a.mp4": 900.0, "/b.mp4": 30.0},
        ["/cdn/1.mp4", "/b.mp4"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_ranking(name: str) -> None:
    sights, durations, wanted = CASES[name]
    elements = [Element(f"{SITE}{path}", seconds) for path, seconds in durations.items()]
    assert [sights[each.index].url.removeprefix(SITE) for each in rank(sights, elements)] == wanted


@pytest.mark.parametrize(
    ("path", "seconds", "refused"),
    [
        ("/ads/1.mp4", 30.0, True),
        ("/video/ad_03.mp4", None, True),
        ("/pre-roll/x.mp4", 15.0, True),
        ("/x/midroll2.mp4", 15.0, True),
        ("/tv/AD/film.mp4", 7000.0, False),
        ("/videos/ad-astra.mp4", None, False),
        ("/the-vast-of-night/master.mp4", None, False),
    ],
)
def test_a_name_alone_makes_no_long_film_an_advertisement(path: str, seconds: float | None, refused: bool) -> None:
    (only,) = rank([film(path)], [Element(f"{SITE}{path}", seconds)])
    assert only.advertising is refused


def test_the_freshest_request_of_an_address_is_taken() -> None:
    assert [each.index for each in rank([film("/a.mp4"), film("/a.mp4")])] == [1]


def test_a_master_is_as_long_as_its_qualities() -> None:
    (found,) = rank([hls("/m.m3u8", master("v.m3u8")), hls("/v.m3u8", playlist(77))])
    assert (found.form, found.duration_s, found.live) == (Form.MASTER, 77.0, False)


def test_a_live_master() -> None:
    (found,) = rank([hls("/m.m3u8", master("v.m3u8")), hls("/v.m3u8", playlist(end=False))])
    assert (found.live, found.duration_s) == (True, None)


@pytest.mark.parametrize(("size", "live"), [(None, True), (5, False)])
def test_a_broadcast_has_no_size(size: int | None, live: bool) -> None:
    (found,) = rank([film("/radio", size)], [Element(f"{SITE}/radio", endless=True)])
    assert found.live is live


@pytest.mark.parametrize(
    ("candidate", "sure"),
    [
        (Candidate(0, Form.MASTER), True),
        (Candidate(0, Form.PLAYLIST, duration_s=3600.0), True),
        (Candidate(0, Form.PLAYLIST, duration_s=15.0), False),
        (Candidate(0, Form.FILE, duration_s=300.0), True),
        (Candidate(0, Form.FILE), False),
        (Candidate(0, Form.FILE, live=True), True),
        (Candidate(0, Form.MASTER, advertising=True), False),
    ],
)
def test_nothing_better_has_to_be_waited_for(candidate: Candidate, sure: bool) -> None:
    assert is_sure(candidate) is sure


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (playlist(12.5), 12.5),
        ("\ufeff" + playlist(3), 3.0),
        (playlist(12.5, end=False), None),
        (master("a"), None),
        (mpd("PT1H2M3.5S"), 3723.5),
        (mpd("P1DT1S"), 86401.0),
        (mpd("PT10M", "dynamic"), None),
        (mpd("nonsense"), None),
        (mpd("P1.2.3DT1S"), None),
        ("", None),
    ],
)
def test_the_length_of_a_manifest(text: str, seconds: float | None) -> None:
    assert manifest_duration(text) == seconds


def test_a_page_is_no_manifest_whatever_its_name() -> None:
    assert manifest_form(hls("/v.m3u8", "<html>404</html>")) is None
    assert manifest_form(hls("/v.m3u8", "#EXTM3U\n")) is None
    assert manifest_form(hls("/v.m3u8", None)) is Form.PLAYLIST


def test_what_a_manifest_names() -> None:
    text = '#EXTM3U\n#EXT-X-MAP:URI="../i.mp4"\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n1.ts?x#y\n\nhttps://[bad\n//cdn.test/2.ts'
    assert named_by(hls("/a/v.m3u8", text)) == {
        f"{SITE}/i.mp4",
        f"{SITE}/a/k",
        f"{SITE}/a/1.ts?x",
        "https://cdn.test/2.ts",
    }


def test_what_ends_a_line_in_unicode_alone_ends_none_of_a_manifest() -> None:
    text = "#EXTM3U\n#EXTINF:4,One\u2028Two\n1.ts\r2.ts\n"
    assert named_by(hls("/a/v.m3u8", text)) == {f"{SITE}/a/1.ts", f"{SITE}/a/2.ts"}


def test_no_blob_is_a_file() -> None:
    assert not is_file(Sight("blob:https://films.test/1", content_type="video/mp4", resource="media"))


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("https://doubleclick.net/", True),
        ("https://pubads.g.doubleclick.net/x", True),
        ("https://notdoubleclick.net/", False),
        ("https://doubleclick.net.films.test/", False),
        ("blob:x", False),
    ],
)
def test_servers_of_advertisements(url: str, known: bool) -> None:
    assert is_ad_host(url) is known


def test_what_an_element_plays_counts_whatever_its_type_says() -> None:
    """By its address, by what its `blob:` address was made of, by what its player was fed with."""
    sights = [Sight(f"{SITE}/get?id={n}", resource="fetch", content_type="application/octet-stream") for n in range(4)]
    elements = [
        Element(f"{SITE}/get?id=0", 12.0, playable=True),
        Element("blob:1", 12.0, playable=True, fetched=(f"{SITE}/get?id=1",)),
        Element("blob:2", 12.0, playable=True, fed=(f"{SITE}/get?id=2",)),
    ]
    assert [(each.index, each.duration_s) for each in rank(sights, elements)] == [(0, 12.0), (1, 12.0), (2, 12.0)]
    post = [replace(sight, method="POST") for sight in sights]
    assert rank(post, elements) == []


def played(path: str, seconds: float, **more: Any) -> Element:
    return Element(f"{SITE}{path}", seconds, **({"width": 640.0, "height": 360.0, "started": True} | more))


# Of the two films of a page the first is its own.
OWN: dict[str, tuple[Element, Element]] = {
    "beside a longer one in the margin": (
        played("/a.mp4", 12.0, controls=True),
        played("/b.mp4", 90.0, width=220.0, height=124.0, silent=True),
    ),
    "above a longer one far below": (
        played("/a.mp4", 12.0, controls=True),
        played("/b.mp4", 90.0, controls=True, y=2000.0),
    ),
    "after a click, where another began by itself": (
        played("/a.mp4", 12.0, silent=True, clicked=True),
        played("/b.mp4", 30.0, silent=True),
    ),
    "the longer one of two alike": (played("/a.mp4", 90.0), played("/b.mp4", 12.0)),
    "not a second of it, whatever plays it": (
        played("/a.mp4", 3600.0, silent=True),
        played("/b.mp4", 5.0, controls=True),
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_which_film_the_page_is_about(name: str) -> None:
    own, other = OWN[name]
    sights = [film("/b.mp4"), film("/a.mp4")]
    assert [sights[each.index].url for each in rank(sights, [other, own])] == [own.source, other.source]


def test_a_playlist_is_its_elements() -> None:
    """By its parts; else by the only player of its frame."""
    text = playlist(12, name="1.ts")
    sights = [replace(hls("/a/v.m3u8", text), frame=f"{SITE}/f"), replace(hls("/b/v.m3u8", text), frame=f"{SITE}/g")]
    background = Element("blob:1", loop=True, fed=(f"{SITE}/a/1.ts",), assembled=True, frame=f"{SITE}/f")
    teaser = Element("blob:2", started=True, silent=True, assembled=True, frame=f"{SITE}/g")
    assert {each.index: each.role for each in rank(sights, [background, teaser])} == {0: Role.DECOR, 1: Role.TEASER}


def test_what_a_page_plays_goes_before_what_it_tells_of_and_what_its_worker_makes_up() -> None:
    sights = [
        film("/told.mp4", resource=NAMED),
        replace(film("/made-up.mp4", 9), indirect=True),
        film("/played.mp4"),
    ]
    found = rank(sights, [Element(f"{SITE}/told.mp4", 90.0)])
    assert [(each.index, each.named) for each in found] == [(2, False), (0, True), (1, False)]


def test_the_best_of_an_elements_sources() -> None:
    sources = (Source(f"{SITE}/low.mp4", 180), Source(f"{SITE}/high.mp4", 720), Source(f"{SITE}/x.mp4", 0))
    element = Element(f"{SITE}/low.mp4", sources=sources)
    low, high, _ = sources
    assert better_source(film("/low.mp4"), [element]) == high
    assert better_source(film("/high.mp4"), [replace(element, source=high.url)]) == high
    assert better_source(film("/other.mp4"), [element]) is None
    assert better_source(film("/high.mp4"), [replace(element, source=high.url)], Choice(max_lines=480)) == low
    assert better_source(film("/high.mp4"), [replace(element, source=high.url)], Choice(worst=True)) == low
    alike = replace(element, sources=(replace(low, height=720), high))
    assert better_source(film("/low.mp4"), [alike]) == replace(low, height=720), "what plays is as good"


def test_what_decorates_a_page_is_not_its_film() -> None:
    """Played over and over, without its sound: whatever it is like, another film goes before it, and may still come."""
    sights = [
        Sight("https://h/bg.mp4", resource="media", content_type="video/mp4", size=90_000_000),
        Sight("https://h/film.mp4", resource="media", content_type="video/mp4", size=1000),
    ]
    elements = [Element("https://h/bg.mp4", 90.0, loop=True), Element("https://h/film.mp4", 12.0)]
    first, second = rank(sights, elements)
    assert (first.index, second.index) == (1, 0)
    (alone,) = rank(sights[:1], elements)
    assert alone.loop
    assert not is_sure(alone)
