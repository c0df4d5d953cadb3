"""Subtitles as sites have them: which are asked for, and that none of them costs the film."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.ytdlp.extractor import Ytdlp, YtdlpConfig
from reactor.extractors.ytdlp.info import extraction_of, parse_info
from reactor.extractors.ytdlp.process import YtdlpSetup
from reactor.options import Options, parse_options
from reactor.plan import Extraction, Track
from tests.servers import FileServer

Told = Callable[..., Awaitable[Extraction]]
FILM = {"format_id": "1", "url": "https://media.test/film.mp4", "ext": "mp4", "vcodec": "avc1", "acodec": "mp4a"}
HEAD, END = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n", "#EXT-X-ENDLIST\n"


@pytest.fixture(scope="module")
async def ytdlp() -> AsyncIterator[Ytdlp]:
    setup = YtdlpSetup(plugins=Path(__file__).parent / "plugins")
    async with Ytdlp(YtdlpConfig(timeout_s=60.0), setup=setup) as ytdlp:
        yield ytdlp


@pytest.fixture
def told(ytdlp: Ytdlp, context: Context, tmp_path: Path) -> Told:
    """What becomes of a film with these subtitles."""

    async def tell(info: dict[str, Any], said: dict[str, Any]) -> Extraction:
        path, options = tmp_path / "info.json", parse_options(said, Options)
        path.write_text(json.dumps({"formats": [FILM], **info}))
        found = await ytdlp.extract(f"https://trials.test/told?path={quote(str(path))}", options=options)
        return await extraction_of(parse_info(found), replace(context, options=options))

    return tell


def entries(tag: str, *forms: str) -> list[dict[str, Any]]:
    return [{"url": f"https://texts.test/{tag}.{form}", "ext": form, "name": tag.upper()} for form in forms or ("vtt",)]


def texts(found: Extraction) -> list[tuple[Track, list[str]]]:
    tracks = [track for track in found.finish.tracks if track.form == "webvtt"]
    return [(each, [f.urls[0] for f in found.fetches[each.first : each.first + each.count]]) for each in tracks]


def urls(found: Extraction) -> list[str]:
    return [url.rpartition("/")[2] for _, addresses in texts(found) for url in addresses]


SUBTITLES = {
    "en": entries("en", "json3", "vtt", "srt"),
    "de-AT": entries("de-AT", "ttml"),
    "live_chat": [{"url": "https://texts.test/chat", "ext": "json", "protocol": "youtube_live_chat"}],
    "danmaku": entries("danmaku", "ass"),
}
AUTOMATIC = {"en": entries("auto-en", "vtt", "srt"), "fr": entries("auto-fr"), "de-en": entries("auto-de-en")}
BOTH = {"subtitles": SUBTITLES, "automatic_captions": AUTOMATIC}


def asks(*languages: str, **more: str) -> dict[str, Any]:
    return {"subtitles": {"languages": list(languages), **more}}


@pytest.mark.parametrize(
    ("said", "names", "unmet"),
    [
        ({}, [], ()),
        (asks("en"), ["en.vtt"], ()),
        (asks("de", "fr", "en"), ["de-AT.ttml", "auto-fr.vtt", "en.vtt"], ()),
        (asks("fr", auto="never"), [], ("There are no subtitles in fr.",)),
        (asks("en", "de", auto="prefer"), ["auto-en.srt", "auto-de-en.vtt"], ()),
        (asks("en", auto="only"), ["auto-en.srt"], ()),
        (
            asks("live-chat", "danmaku"),
            [],
            ("There are no subtitles in live-chat.", "There are no subtitles in danmaku."),
        ),
    ],
)
async def test_which_are_taken(told: Told, said: dict[str, Any], names: list[str], unmet: tuple[str, ...]) -> None:
    """Those that people made before those of a machine; never a chat; without being asked for, none."""
    found = await told(BOTH, said)
    assert (urls(found), found.finish.unmet) == (names, unmet)
    assert found.finish.how == ("media" if names else "file")
    assert all(fetch.optional for fetch in found.fetches[1:]), "the film is whole without them"
    assert found.fetches[0].urls == ("https://media.test/film.mp4",)


async def test_nothing_but_subtitles(told: Told) -> None:
    found = await told(BOTH, {"want": "subtitles"})
    assert (urls(found), len(found.fetches), found.finish.name) == (["en.vtt", "de-AT.ttml"], 2, "The told.srt")
    for nothing in ({}, {"subtitles": {"live_chat": SUBTITLES["live_chat"]}}):
        with pytest.raises(DownloadError, match="no subtitles") as caught:
            await told(nothing, {"want": "subtitles"} | asks("it"))
        assert caught.value.code == "not_as_wished"


async def test_those_in_segments(told: Told, server: FileServer) -> None:
    """A playlist is read here; one that cannot be had costs only itself. Fragments of MP4 begin with their init."""
    playlist = server.put("/de.m3u8", f"{HEAD}#EXTINF:9,\n1.vtt\n#EXTINF:9,\n2.vtt\n{END}".encode())
    gone = server.put("/gone.m3u8", b"", status=429)
    fragments = {
        "url": server.url("/x.mpd"),
        "ext": "mp4",
        "protocol": "http_dash_segments",
        "fragment_base_url": "https://texts.test/f/",
        "fragments": [{"path": "i"}, {"path": "1", "duration": 2.0}],
    }
    hls = {"ext": "vtt", "protocol": "m3u8_native"}
    info = {"de": [{"url": playlist, **hls}], "fr": [{"url": gone, "name": "French", **hls}], "en": [fragments]}
    found = await told({"subtitles": info}, asks("de", "fr", "en"))
    assert urls(found) == ["1.vtt", "2.vtt", "i", "1"]
    assert found.finish.notes == ("Subtitles that are not in the file: French.",)
    (_, (mp4, _)) = texts(found)
    assert "text-2-00001.m4s" in (mp4.playlist or "").split("EXT-X-MAP")[1]
    assert all(fetch.optional for fetch in found.fetches[1:])


async def test_hostile_ones(told: Told) -> None:
    """No more than what is asked for is read; nothing of a stranger's is a name of a file."""
    tag = "de-" + "x" * 500 + "/../\n"
    many = {f"x{n}": entries(f"x{n}") for n in range(2000)}
    bad = {"it": [{"url": "file:///etc/passwd", "ext": "vtt"}], "fr": [{"url": "https://texts.test/x", "ext": "exe"}]}
    found = await told({"subtitles": {tag: entries("de"), **bad, **many}}, asks("de", "fr", "it", "xx"))
    assert urls(found) == ["de.vtt"]
    assert all(fetch.name == "text-0-00001.vtt" for fetch in found.fetches[1:])
    assert [track.language for track, _ in texts(found)] == [tag[:100]]
