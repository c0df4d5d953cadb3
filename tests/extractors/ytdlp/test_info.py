"""An info dict → what there is to fetch."""

from __future__ import annotations

import math
from dataclasses import replace
from socket import socket
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.context import open_context
from reactor.extractors.unmet import as_asked
from reactor.extractors.ytdlp.info import extraction_of, parse_info
from reactor.media.excerpt import excerpted
from reactor.media.local import read_playlist
from reactor.models import Kind
from reactor.net.session import open_session
from reactor.options import Options, parse_options
from reactor.plan import Extraction
from tests.servers import FileServer

FILM = {"url": "https://media.test/film.mp4", "protocol": "https", "ext": "mp4"}
VIDEO = {**FILM, "vcodec": "avc1", "acodec": "none"}
AUDIO = {"url": "https://media.test/a.m4a", "protocol": "https", "ext": "m4a", "vcodec": "none", "acodec": "mp4a.40.2"}


def told(*formats: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"title": "A film", "formats": [FILM, *formats][-max(len(formats), 1) :], **more}


async def extraction(context: Context, *formats: dict[str, Any], **more: Any) -> Extraction:
    return await extraction_of(parse_info(told(*formats, **more)), context)


async def refusal(context: Context, *formats: dict[str, Any], **more: Any) -> DownloadError:
    with pytest.raises(DownloadError) as caught:
        await extraction(context, *formats, **more)
    return caught.value


# One URL


async def test_one_url_is_one_file(context: Context) -> None:
    cookie = {"name": "a", "value": "b", "domain": "media.test", "path": "/", "secure": True, "host_only": False}
    found = await extraction(
        context,
        {**FILM, "filesize": 1000, "http_headers": {"Referer": "https://h/", "Host": "evil"}},
        cookies=[cookie, {**cookie, "name": "a\n"}, {**cookie, "value": "v" * 5000}],
        duration=12.5,
    )
    (fetch,) = found.fetches
    assert (found.kind, found.title, found.finish.how, found.finish.name) == (
        Kind.YTDLP,
        "A film",
        "file",
        "A film.mp4",
    )
    assert (fetch.urls, fetch.name, fetch.size) == (("https://media.test/film.mp4",), "A film.mp4", 1000)
    assert [(header.name, header.value) for header in found.headers_of(fetch)] == [("Referer", "https://h/")]
    assert [(c.name, c.value, c.domain, c.secure, c.host_only) for c in found.cookies] == [
        ("a", "b", "media.test", True, False)
    ]


async def test_what_is_guessed_is_no_size(context: Context) -> None:
    for more in ({"filesize_approx": 1000}, {"filesize": 0}, {"filesize": 10.5}, {"filesize": -1}, {"filesize": 1e300}):
        assert (await extraction(context, {**FILM, **more})).size is None


@pytest.mark.parametrize(
    ("ext", "url", "name"),
    [
        ("webm", "https://h/x", "A film.webm"),
        ("unknown_video", "https://h/x.MP3?y", "A film.mp3"),
        ("unknown_video", "https://h/x", "A film"),
        ("desktop", "https://h/x.exe", "A film"),
        ("../x", "https://h/x", "A film"),
    ],
)
async def test_a_suffix_is_that_of_media(context: Context, ext: str, url: str, name: str) -> None:
    assert (await extraction(context, {**FILM, "ext": ext, "url": url})).finish.name == name


async def test_titles(context: Context) -> None:
    found = await extraction(context, title="../x" + "ü" * 10_240)
    assert found.title is not None
    assert len(found.title) == 1000
    assert len(found.finish.name.encode()) < 255
    assert found.finish.name.startswith("_x")
    assert found.finish.name.endswith(".mp4")
    assert (await extraction(context, title=" \n")).finish.name == "video.mp4"
    assert (await extraction(context, title=None)).title is None
    assert (await extraction(context, title="half a \ud800 character")).title == "half a ? character"


# Several


async def test_picture_and_sound_apart(context: Context) -> None:
    found = await extraction(context, AUDIO, VIDEO, duration=7.25)
    assert [fetch.name for fetch in found.fetches] == ["video-0.mp4", "audio-1.m4a"]
    assert [(t.form, t.first, t.count, t.holds) for t in found.finish.tracks] == [
        ("file", 0, 1, ("video",)),
        ("file", 1, 1, ("audio",)),
    ]
    assert (found.finish.how, found.finish.name, found.finish.duration_s) == ("media", "A film.mp4", 7.25)


async def test_a_length_that_is_rounded_is_a_promise_only_of_what_is_long(context: Context) -> None:
    assert (await extraction(context, VIDEO, AUDIO, duration=10)).finish.duration_s is None
    assert (await extraction(context, VIDEO, AUDIO, duration=100)).finish.duration_s == 100


async def test_fragments(context: Context) -> None:
    dash = {**VIDEO, "protocol": "http_dash_segments", "fragment_base_url": "https://media.test/dash/"}
    fragments = [{"path": "init.mp4"}, {"url": "https://cdn.test/1", "duration": 2.0}, {"path": "2?x", "duration": 1.5}]
    secret = {"Authorization": "Bearer s3cret", "X-Token": "s3cret", "User-Agent": "x"}
    secret |= {"Referer": "https://anna:s3cret@media.test/page?token=s3cret"}
    found = await extraction(context, {**dash, "fragments": fragments, "http_headers": secret}, duration=99.5)
    assert [fetch.urls[0] for fetch in found.fetches] == [
        "https://media.test/dash/init.mp4",
        "https://cdn.test/1",
        "https://media.test/dash/2?x",
    ]
    assert [fetch.name for fetch in found.fetches] == [f"video-0-0000{n}.m4s" for n in (1, 2, 3)]
    assert [len(found.headers_of(fetch)) for fetch in found.fetches] == [4, 2, 4], "a password stays with its host"
    referers = [h.value for fetch in found.fetches for h in found.headers_of(fetch) if h.name == "Referer"]
    assert referers == ["https://media.test/page", "https://media.test/", "https://media.test/page"]
    (track,) = found.finish.tracks
    assert (track.form, track.count, found.finish.duration_s) == ("concat", 3, 3.5)


def dash_formats(server: FileServer) -> list[dict[str, Any]]:
    """What yt-dlp makes of an MPD of two periods: one list of all."""
    parts = [f"{period}/{name}" for period in "ab" for name in ("i", "1", "2")]
    fragments: list[dict[str, Any]] = [
        {"path": part} | ({} if part.endswith("i") else {"duration": 2.0}) for part in parts
    ]
    both: dict[str, Any] = {"protocol": "http_dash_segments", "manifest_url": server.url("/d/x.mpd")}
    both |= {
        "fragments": fragments,
        "fragment_base_url": server.url("/d/"),
        "http_headers": {"Referer": "https://page.test/"},
    }
    return [{**VIDEO, **both, "height": 90, "tbr": 1.0}, {**AUDIO, **both, "tbr": 1.0, "language": "en"}]


def mpd_of_two_periods() -> bytes:
    template = '<SegmentTemplate media="{0}/$RepresentationID$/$Number$" initialization="{0}/$RepresentationID$/i" '
    template += 'duration="2"/>'
    qualities = '<Representation id="{0}" bandwidth="1000" codecs="{1}" {2}/>'
    video = qualities.format("low", "avc1", 'height="90"') + qualities.format("high", "avc1", 'height="720"')
    sets = f'<AdaptationSet mimeType="video/mp4">{video}{{0}}</AdaptationSet>'
    for language in ("de", "en"):
        sound = qualities.format(language, "mp4a.40.2", "")
        sets += f'<AdaptationSet mimeType="audio/mp4" lang="{language}">{sound}{{0}}</AdaptationSet>'
    period = f'<Period duration="PT4S">{sets}</Period>'
    return f"<MPD>{''.join(period.format(template.format(name)) for name in 'ab')}</MPD>".encode()


@pytest.mark.fault(70)
async def test_the_manifest_that_the_fragments_come_from_is_read_anew(server: FileServer, context: Context) -> None:
    """With what yt-dlp sends, for the quality that it has chosen: its list is one of all periods."""
    server.put("/d/x.mpd", mpd_of_two_periods())
    found = await extraction(context, *dash_formats(server), duration=8)
    assert [track.form for track in found.finish.tracks] == ["hls", "hls"]
    assert [track.holds for track in found.finish.tracks] == [("video",), ("audio",)]
    sections = [[s.section for s in read_playlist(track.playlist or "")] for track in found.finish.tracks]
    assert sections == [[0, 0, 1, 1]] * 2
    urls = [fetch.urls[0].removeprefix(server.url("/d/")) for fetch in found.fetches]
    assert urls[:6] == ["a/low/i", "a/low/1", "a/low/2", "b/low/i", "b/low/1", "b/low/2"]
    assert {url.split("/")[1] for url in urls[6:]} == {"en"}
    (asked,) = server.requests("/d/x.mpd")
    assert asked.headers["referer"] == "https://page.test/"


@pytest.mark.fault(70)
async def test_without_its_manifest_a_list_of_several_periods_is_refused(server: FileServer, context: Context) -> None:
    with pytest.raises(DownloadError, match="several pieces") as caught:
        await extraction(context, *dash_formats(server))
    assert caught.value.code == "unsupported"
    one = [{**each, "fragments": each["fragments"][:3]} for each in dash_formats(server)]
    found = await extraction(context, *one)
    assert [(track.form, track.count) for track in found.finish.tracks] == [("concat", 3)] * 2


async def test_what_a_manifest_says_of_itself_counts(server: FileServer, context: Context) -> None:
    lock = b'<ContentProtection schemeIdUri="urn:x"/></AdaptationSet>'
    server.put("/d/x.mpd", mpd_of_two_periods().replace(b"</AdaptationSet>", lock))
    with pytest.raises(DownloadError) as caught:
        await extraction(context, *dash_formats(server))
    assert caught.value.code == "drm"


async def test_sound_alone(context: Context) -> None:
    sound = {**AUDIO, "protocol": "http_dash_segments", "fragments": [{"url": "https://h/1"}, {"url": "https://h/2"}]}
    found = await extraction(context, sound)
    assert (found.finish.name, found.finish.tracks[0].holds) == ("A film.m4a", ("audio",))


def playlist(server: FileServer, path: str, *segments: str) -> str:
    text = '#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI="init.mp4"\n'
    text += "".join(f"#EXTINF:4.0,\n{segment}\n" for segment in segments) + "#EXT-X-ENDLIST\n"
    return server.put(path, text.encode(), content_type="application/vnd.apple.mpegurl")


async def test_hls(server: FileServer, context: Context) -> None:
    video = {**VIDEO, "protocol": "m3u8_native", "url": playlist(server, "/v/v.m3u8", "1.mp4", "2.mp4")}
    audio = {**AUDIO, "protocol": "m3u8_native", "url": playlist(server, "/a/a.m3u8", "1.mp4")}
    found = await extraction(context, {**video, "http_headers": {"Referer": "https://page.test/"}}, audio, duration=3)
    names = [fetch.name for fetch in found.fetches]
    assert len(names) == len(set(names)) == 5
    assert server.url("/v/2.mp4") in [fetch.urls[0] for fetch in found.fetches]
    assert server.url("/a/1.mp4") in [fetch.urls[0] for fetch in found.fetches]
    first, second = found.finish.tracks
    assert (first.first, first.count, second.first, second.count) == (0, 3, 3, 2)
    for track in found.finish.tracks:
        used = {part for s in read_playlist(track.playlist or "") for part in (s.name, s.init.name if s.init else "")}
        assert used == set(names[track.first : track.first + track.count])
    assert server.requests("/v/v.m3u8")[0].headers["referer"] == "https://page.test/"
    assert (found.finish.how, found.finish.duration_s) == ("media", 8.0)


async def test_of_a_clip_only_the_segments_are_fetched_of_picture_and_sound(
    server: FileServer, context: Context
) -> None:
    names = [f"{n}.mp4" for n in range(10)]
    formats = [
        {**kind, "protocol": "m3u8_native", "url": playlist(server, f"/{name}/x.m3u8", *names)}
        for kind, name in ((VIDEO, "v"), (AUDIO, "a"))
    ]
    asked = replace(context, options=parse_options({"clip": [[20, 22]]}, Options))
    found = excerpted(as_asked(await extraction(asked, *formats), asked.options))
    paths = [urlsplit(fetch.urls[0]).path for fetch in found.fetches]
    assert paths == [
        "/v/init.mp4",
        *(f"/v/{n}.mp4" for n in (3, 4, 5)),
        "/a/init.mp4",
        "/a/3.mp4",
        "/a/4.mp4",
        "/a/5.mp4",
    ]
    (excerpt,) = found.finish.excerpts
    assert (excerpt.section, excerpt.start_s) == (0, 12.0)


async def test_of_a_clip_only_the_fragments_are_fetched(context: Context) -> None:
    dash = {**VIDEO, "protocol": "http_dash_segments", "fragment_base_url": "https://media.test/dash/"}
    lasts = [2.0, 6.0, 2.0, 8.0, 4.0, 4.0]
    fragments = [{"path": "init.mp4"}, *({"path": str(n), "duration": each} for n, each in enumerate(lasts))]
    asked = replace(context, options=parse_options({"clip": [[11, 12]]}, Options))
    found = excerpted(as_asked(await extraction(asked, {**dash, "fragments": fragments}), asked.options))
    assert [urlsplit(fetch.urls[0]).path for fetch in found.fetches] == ["/dash/init.mp4", "/dash/3"]
    assert [each.start_s for each in found.finish.excerpts] == [10.0]
    plain = await extraction(context, {**dash, "fragments": fragments})
    assert plain.finish.tracks[0].lasts == ()


async def test_an_encrypted_playlist_that_came_with_the_page(server: FileServer, context: Context) -> None:
    text = '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="key"\n#EXTINF:4.0,\n1.ts\n#EXT-X-ENDLIST\n'
    hls = {**FILM, "protocol": "m3u8_native", "url": server.url("/x/v.m3u8"), "hls_media_playlist_data": text}
    found = await extraction(context, hls)
    (segment,) = read_playlist(found.finish.tracks[0].playlist or "")
    assert segment.key is not None
    assert {segment.name, segment.key.uri} == {fetch.name for fetch in found.fetches}
    assert {fetch.urls[0] for fetch in found.fetches} == {server.url("/x/1.ts"), server.url("/x/key")}
    assert server.log == [], "what is known is not asked for"


# What is refused


@pytest.mark.parametrize(
    ("format_", "code"),
    [
        ({**FILM, "protocol": "rtmp"}, "unsupported"),
        ({**FILM, "protocol": "mhtml"}, "unsupported"),
        ({**FILM, "protocol": "websocket_frag"}, "unsupported"),
        ({**FILM, "protocol": "http_dash_segments"}, "unsupported"),
        ({**FILM, "request_data": "x"}, "unsupported"),
        ({**FILM, "protocol": "m3u8_native", "hls_aes": {"key": "x"}}, "unsupported"),
        ({**FILM, "url": "file:///etc/passwd"}, "bad_answer"),
        ({**FILM, "url": "https://h/\r\nX: y"}, "bad_answer"),
        ({**FILM, "url": "https://h/\0"}, "bad_answer"),
        ({**FILM, "url": "film.mp4"}, "bad_answer"),
        ({**FILM, "http_headers": {"X": "a\r\nb"}}, "bad_answer"),
        ({**FILM, "http_headers": {"X Y": "a"}}, "bad_answer"),
        ({**FILM, "protocol": "m3u8_native", "url": "ftp://h/x.m3u8"}, "bad_answer"),
        ({**FILM, "protocol": "http_dash_segments", "fragments": [{}]}, "bad_answer"),
        ({**FILM, "protocol": "http_dash_segments", "fragments": [{"url": "https://h"}] * 20_001}, "too_many_parts"),
        (
            {
                **{**FILM, "protocol": "http_dash_segments", "fragment_base_url": f"https://h/{'b' * 8000}/"},
                "fragments": [{"path": "p"}] * 20_000,
            },
            "too_large",
        ),
    ],
)
async def test_formats_that_are_refused(context: Context, format_: dict[str, Any], code: str) -> None:
    error = await refusal(context, format_)
    assert (error.code, error.retryable) == (code, False)


async def test_a_clip_is_cut_out_of_the_video_that_it_is_of(context: Context) -> None:
    for clip, cut in (
        ({"section_start": 4.0, "section_end": 7}, (4.0, 7.0)),
        ({"section_end": 3.0}, (0.0, 3.0)),
        ({"section_start": 60}, (60.0, None)),
    ):
        finish = (await extraction(context, **clip)).finish
        assert (finish.how, finish.start_s, finish.end_s) == ("media", *cut)
    for whole in ({"section_start": None, "section_end": None}, {"section_start": 0}):
        assert (await extraction(context, **whole)).finish.how == "file"


async def test_a_film_in_pieces(context: Context) -> None:
    """Each piece is a section of the film; no two fetches have one name."""
    found = await extraction(context, AUDIO, VIDEO, then=[[FILM], [VIDEO, AUDIO]])
    assert [(track.section, track.holds) for track in found.finish.tracks] == [
        *((0, ("video",)), (0, ("audio",))),
        (1, ()),
        *((2, ("video",)), (2, ("audio",))),
    ]
    assert [track.first for track in found.finish.tracks] == [0, 1, 2, 3, 4]
    assert len({fetch.name for fetch in found.fetches}) == 5


async def test_live_streams(context: Context) -> None:
    assert (await refusal(context, is_live=True)).code == "live"
    error = await refusal(context, live_status="is_upcoming", release_timestamp=4_000_000_000)
    assert (error.code, error.retryable) == ("not_started", False)
    soon = await refusal(context, live_status="is_upcoming", release_timestamp=1_000_000_000)
    assert (soon.code, soon.retryable, soon.retry_after_s) == ("not_started", True, 0.0)


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        [],
        {},
        {"formats": []},
        {"formats": [FILM] * 9},
        {"formats": [{**FILM, "url": None}]},
        {"formats": [{**FILM, "url": 7}]},
        {"formats": [{"url": "https://h/"}]},
        {"formats": [FILM], "cookies": [1]},
        {"formats": [FILM], "title": 7},
    ],
)
def test_nonsense(nonsense: Any) -> None:
    with pytest.raises(DownloadError) as caught:
        parse_info(nonsense)
    assert (caught.value.code, caught.value.retryable) == ("bad_answer", False)


@pytest.mark.fault(61)
@pytest.mark.parametrize("said", ["long", math.inf, math.nan, 0, -1, 10**400, 1e300, True, [], None])
def test_a_duration_that_nothing_has_was_not_said(said: object) -> None:
    info = parse_info({"formats": [FILM], "duration": said, "release_timestamp": said})
    assert (info.duration, info.release_timestamp) == (None, None)
    assert parse_info({"formats": [FILM], "duration": 7}).duration == 7.0


WORDS = st.sampled_from(
    ["", "x", "/a b", "//[x/1.m4s", "é" * 20_000, "http://[", "https://h/\r\nX: 1", "\ud800", FILM["url"]]
)
NUMBERS = st.sampled_from([None, 0, -4.0, 1, 1e300, 2**80, 12.5, "5"])
FRAGMENTS = st.lists(st.fixed_dictionaries({}, optional={"url": WORDS, "path": WORDS, "duration": NUMBERS}), max_size=3)
FORMATS = st.fixed_dictionaries(
    {"url": WORDS, "protocol": st.sampled_from(["https", "http_dash_segments", "m3u8", "rtmp"])},
    optional={
        "ext": WORDS,
        "filesize": NUMBERS,
        "vcodec": st.sampled_from([None, "none"]),
        "fragments": FRAGMENTS,
        "fragment_base_url": WORDS,
        "hls_media_playlist_data": st.sampled_from(["", "#EXTM3U\n#EXTINF:-1,\n//[x\n#EXT-X-ENDLIST"]),
        "http_headers": st.dictionaries(WORDS, WORDS, max_size=2),
    },
)


@given(formats=st.lists(FORMATS, min_size=1, max_size=2), title=WORDS, duration=NUMBERS)
@example(formats=[FILM], title="\ud800", duration=None)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_worker_says_becomes_a_plan_or_a_sentence(
    formats: list[dict[str, Any]], title: str, duration: object
) -> None:
    async def both() -> tuple[str, ...]:
        async with open_context(open_session(timeout_s=5.0, dial=nobody)) as context:
            try:
                info = parse_info({"title": title, "duration": duration, "formats": formats})
                found = await extraction_of(info, context)
            except DownloadError as error:
                return (error.message,)
        return tuple(url for fetch in found.fetches for url in fetch.urls)

    assert all(told.endswith(".") or told.isascii() for told in anyio.run(both))


async def nobody(host: str, port: int) -> socket:
    raise OSError(f"{host}:{port} is not asked")
