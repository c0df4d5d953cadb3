"""What yt-dlp itself chooses for a row, of formats as sites have them."""

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
from reactor.extractors.findings import Findings
from reactor.extractors.ytdlp.extractor import Ytdlp, YtdlpConfig, YtdlpExtractor
from reactor.extractors.ytdlp.info import extraction_of, parse_info
from reactor.extractors.ytdlp.process import YtdlpSetup
from reactor.extractors.ytdlp.selection import choice_of
from reactor.models import Kind
from reactor.options import Options, parse_options
from reactor.plan import Detection, Extraction

Chosen = Callable[..., Awaitable[tuple[list[str], tuple[str, ...]]]]
OPERATOR = "bv*[height<=144]+ba/b[height<=144]/b"


def both(name: str, width: int, height: int, **more: Any) -> dict[str, Any]:
    """A format with picture and sound."""
    told = {"vcodec": "avc1.64001f", "acodec": "mp4a.40.2", "ext": "mp4", "width": width, "height": height}
    return {"format_id": name, "url": f"https://media.test/{name}", **told, **more}


def picture(name: str, width: int, height: int, **more: Any) -> dict[str, Any]:
    return both(name, width, height, **{"acodec": "none"} | more)


def sound(name: str, **more: Any) -> dict[str, Any]:
    told = {"vcodec": "none", "acodec": "mp4a.40.2", "ext": "m4a", "abr": 128}
    return {"format_id": name, "url": f"https://media.test/{name}", **told, **more}


LADDER = [both(f"{lines}p", lines * 16 // 9, lines) for lines in (144, 360, 720, 1080)]
APART = [
    picture("v144", 256, 144),
    picture("v720", 1280, 720),
    picture("vp9", 1920, 1080, vcodec="vp09.00.40", ext="webm"),
    picture("av1", 3840, 2160, vcodec="av01.0.12M.08"),
    sound("en", language="en", language_preference=10),
    sound("de", language="de"),
    sound("opus", acodec="opus", ext="webm", abr=160, language="en", language_preference=10),
]


@pytest.fixture(scope="module")
async def operator() -> AsyncIterator[Ytdlp]:
    """yt-dlp as an operator has it set who wants small films."""
    setup = YtdlpSetup(plugins=Path(__file__).parent / "plugins")
    async with Ytdlp(YtdlpConfig(format=OPERATOR, timeout_s=60.0), setup=setup) as ytdlp:
        yield ytdlp


@pytest.fixture
def chosen(operator: Ytdlp, context: Context, tmp_path: Path) -> Chosen:
    """The formats that are taken by these options, and what is said of them."""

    async def choose(formats: list[dict[str, Any]], **said: Any) -> tuple[list[str], tuple[str, ...]]:
        path = tmp_path / "info.json"
        path.write_text(json.dumps({"formats": formats}))
        options = parse_options(said, Options)
        told = await operator.extract(f"https://trials.test/told?path={quote(str(path))}", options=options)
        asked = replace(context, options=options, choice=choice_of(OPERATOR))
        found = await extraction_of(parse_info(told), asked)
        return [fetch.urls[0].rpartition("/")[2] for fetch in found.fetches], found.finish.unmet

    return choose


@pytest.mark.parametrize(
    ("said", "name", "unmet"),
    [
        ({}, "144p", ()),
        ({"quality": 720}, "720p", ()),
        ({"quality": 800}, "720p", ("There is no picture of 800 lines: this one has 720.",)),
        ({"quality": "best"}, "1080p", ()),
        ({"quality": "worst"}, "144p", ()),
        ({"codec": "h264"}, "144p", ()),
        ({"format": "360p"}, "360p", ()),
        ({"format": "all"}, "144p", ("There is no format all.",)),
        ({"language": "de"}, "144p", ("There is no sound in de: its language is not told.",)),
    ],
)
async def test_picture_and_sound_in_one(
    chosen: Chosen, said: dict[str, Any], name: str, unmet: tuple[str, ...]
) -> None:
    """The operator's own format is what a row gets that says nothing, and never beats one that does."""
    assert await chosen(LADDER, **said) == ([name], unmet)


@pytest.mark.parametrize(
    ("said", "names", "unmet"),
    [
        ({"quality": "best"}, ["av1", "en"], ()),
        ({"quality": 1080}, ["vp9", "en"], ()),
        ({"quality": 1080, "codec": "h264"}, ["v720", "en"], ("There is no picture of 1080 lines: this one has 720.",)),
        ({"quality": "best", "container": "webm"}, ["av1", "opus"], ()),
        ({"quality": "best", "codec": "h265"}, ["av1", "en"], ("There is no picture in h265: this one is in av1.",)),
        ({"language": "deu"}, ["v144", "de"], ()),
        ({"want": "audio"}, ["en"], ()),
        ({"want": "audio", "language": "de-AT"}, ["de"], ()),
        ({"want": "audio", "audio": {"format": "opus"}}, ["opus"], ()),
        ({"format": "v720"}, ["v720", "en"], ()),
        ({"format": "v720+de"}, ["v720", "de"], ()),
        ({"format": "de"}, ["de"], ()),
    ],
)
async def test_picture_and_sound_apart(
    chosen: Chosen, said: dict[str, Any], names: list[str], unmet: tuple[str, ...]
) -> None:
    assert await chosen(APART, **said) == (names, unmet)


async def test_a_portrait_film(chosen: Chosen) -> None:
    """Its lines are its smaller side: `[height<=720]` would take the smallest."""
    tall = [both(f"{wide}w", wide, wide * 16 // 9) for wide in (360, 720, 1080)]
    assert await chosen(tall, quality=720) == (["720w"], ())


async def test_languages_as_formats(chosen: Chosen) -> None:
    """Some sites list each language as a film of its own; the language comes before the lines of the picture."""
    films = [both("en", 1920, 1080, language="en"), both("de", 1280, 720, language="de-DE"), both("x", 640, 360)]
    assert await chosen(films, language="de", quality="best") == (["de"], ())
    assert await chosen(films, language="fr", quality="best") == (
        ["en"],
        ("There is no sound in fr: this one is in en.",),
    )


async def test_a_sound_is_no_film(chosen: Chosen) -> None:
    """A page with a film in one piece and a sound in the language: the film is what is wanted."""
    found, _ = await chosen([both("film", 640, 360, language="en"), sound("de", language="de")], language="de")
    assert "film" in found


async def test_the_sound_of_films_that_have_no_other(chosen: Chosen) -> None:
    assert (await chosen(LADDER, want="audio", quality=1080))[0] == ["144p"], "of the film nothing else is kept"


async def test_an_extractor_s_own_preference_comes_second(chosen: Chosen) -> None:
    formats = [both("site", 640, 360, preference=10, quality=9), both("asked", 1280, 720, preference=-1, quality=1)]
    assert (await chosen(formats, quality=720))[0] == ["asked"]


async def test_an_answer_asks_the_site_no_more(operator: Ytdlp, context: Context, tmp_path: Path) -> None:
    """What was found before the question is chosen from, with the cookies that were set then; once."""
    file = tmp_path / "info.json"
    told = {"formats": LADDER, "subtitles": {"de": [{"url": "https://media.test/de.vtt"}]}, "duration": 7.5}
    file.write_text(json.dumps(told | {"cookie": ["media.test", "sid", "7"]}))
    detection = Detection(kind=Kind.YTDLP, url=f"https://trials.test/told?path={quote(str(file))}", why="")
    shared = replace(context, ytdlp=operator, findings=Findings())

    async def found(**said: Any) -> Extraction:
        return await YtdlpExtractor().extract(detection, replace(shared, options=parse_options(said, Options)))

    asked = await found(ask="formats", quality=144)
    assert shared.findings is not None
    labels = [each.label for each in shared.findings.choices(asked, Options()).formats]
    assert labels == ["1080p", "720p", "360p", "144p", "sound"]
    file.unlink()
    film = await found(quality=720, subtitles={"languages": ["de"]})
    assert [fetch.urls[0].rpartition("/")[2] for fetch in film.fetches] == ["720p", "de.vtt"]
    assert [(each.name, each.value) for each in film.cookies] == [("sid", "7")]
    assert (film.title, film.finish.duration_s) == (asked.title, 7.5) == ("The told", 7.5)
    with pytest.raises(DownloadError, match="No such file"):  # asked again, as for links that have expired
        await found(quality=720)
