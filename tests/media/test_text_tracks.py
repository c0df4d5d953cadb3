"""Subtitles that a row asks for, of real films: in them, beside them, alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.manifest import extract_manifest
from reactor.extractors.parsing import Parsers
from reactor.media import ffmpeg
from reactor.media.check import HELPER
from reactor.media.local import Segment, write_playlist
from reactor.media.text_tracks import BESIDE, gather
from reactor.models import Kind
from reactor.options import Options, parse_options
from reactor.plan import Extraction, Fetch, Finish, Track
from tests.media.conftest import Serve
from tests.media.samples import SECONDS, Samples, playlist_of
from tests.media.test_join import SETS, period, periods

Made = Callable[..., Awaitable[tuple[Path, tuple[str, ...]]]]
TEXT = "WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n"


def hls(samples: Samples) -> dict[str, bytes]:
    """A film with subtitles in four languages, one of which nobody can read."""
    files = dict(samples.hls("ts"))
    lines = ["#EXTM3U"]
    for tag, name in (("de", "../../Deutsch\x00"), ("en", "English"), ("en", "English (SDH)"), ("fr", "none")):
        place = f"{tag}-{len(lines)}"
        files[f"{place}.vtt"] = b"<html>gone" if tag == "fr" else TEXT.format(place).encode()
        files[f"{place}.m3u8"] = playlist_of(f"#EXTINF:6,\n{place}.vtt\n")
        told = f'TYPE=SUBTITLES,GROUP-ID="s",NAME="{name}",LANGUAGE="{tag}",URI="{place}.m3u8"'
        lines.append(f"#EXT-X-MEDIA:{told}")
    lines += ['#EXT-X-STREAM-INF:BANDWIDTH=1,SUBTITLES="s"', "index.m3u8"]
    return files | {"m.m3u8": "\n".join(lines).encode()}


async def extracted(context: Context, url: str, folder: Path, said: dict[str, Any]) -> Extraction:
    asked = replace(context, options=parse_options(said, Options))
    found = await extract_manifest(url, asked, kind=Kind.YTDLP, title="A film")
    async with httpx.AsyncClient(trust_env=False) as client:
        for part in found.fetches:
            (folder / part.name).write_bytes((await client.get(part.urls[0])).content)
    return found


@pytest.fixture
def made(context: Context, samples: Samples, tmp_path: Path) -> Made:
    """What is to be published of a manifest, and what is said of it."""

    async def run(url: str, **said: Any) -> tuple[Path, tuple[str, ...]]:
        found = await extracted(context, url, tmp_path, said)
        parts = {part.name for part in found.fetches}
        async with Parsers() as parsers:
            joined = await ffmpeg.join(samples.ffmpeg, tmp_path, found, parsers)
        gather(tmp_path, found.finish)
        (result,) = (path for path in tmp_path.iterdir() if path.name not in parts and path.name != BESIDE)
        return result, (*joined.notes, *joined.unmet, *found.finish.unmet)

    return run


def inside(samples: Samples, path: Path) -> list[str]:
    """The subtitles in a film, as ffmpeg tells of them."""
    command = [str(samples.ffmpeg), "-hide_banner", "-i", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60).stderr
    return [line.split(": ", 1)[0].strip() for line in said.splitlines() if "Subtitle:" in line]


def asks(*languages: str, **more: str) -> dict[str, Any]:
    return {"languages": list(languages), **more}


async def test_beside_the_film(samples: Samples, serve: Serve, made: Made) -> None:
    url = serve(hls(samples)) + "m.m3u8"
    folder, notes = await made(url, subtitles=asks("en-GB", "de", "it", "fr"))
    assert sorted(path.name for path in folder.iterdir()) == ["A film.de.srt", "A film.en.srt", "A film.mp4"]
    assert (folder / "A film.de.srt").read_text() == "1\n00:00:01,000 --> 00:00:02,000\nde-1\n"
    assert "en-2" in (folder / "A film.en.srt").read_text(), "one for each language"
    assert inside(samples, folder / "A film.mp4") == []
    assert notes == ("Subtitles that are not in the file: none.", "There are no subtitles in it.")


@pytest.mark.parametrize(("container", "count"), [("mkv", 2), ("mp4", 2)])
async def test_in_the_film(samples: Samples, serve: Serve, made: Made, container: str, count: int) -> None:
    asked = asks("de", "en", **{"as": "embed"})
    path, notes = await made(serve(hls(samples)) + "m.m3u8", subtitles=asked, container=container)
    assert (path.name, len(inside(samples, path)), notes) == (f".joined.{container}", count, ())
    assert inside(samples, path)[0].endswith(("(ger)", "(deu)"))


async def test_in_it_and_beside_it(samples: Samples, serve: Serve, made: Made) -> None:
    asked = asks("de", format="ass", **{"as": "both"})
    folder, _ = await made(serve(hls(samples)) + "m.m3u8", subtitles=asked)
    assert len(inside(samples, folder / "A film.mp4")) == 1
    assert "Dialogue: 0,0:00:01.00" in (folder / "A film.de.ass").read_text()


async def test_nothing_but_subtitles(samples: Samples, serve: Serve, made: Made, tmp_path: Path) -> None:
    """Not a byte of the film is fetched."""
    url = serve(hls(samples)) + "m.m3u8"
    path, _ = await made(url, want="subtitles", subtitles=asks("de", format="vtt"))
    assert (path.name, path.read_text().splitlines()[0]) == (".joined.de.vtt", "WEBVTT")
    assert {each.name[:5] for each in tmp_path.iterdir() if each.is_file()} == {"text-", ".join"}
    for left in tmp_path.iterdir():
        left.rmdir() if left.is_dir() else left.unlink()
    folder, _ = await made(url, want="subtitles")
    assert sorted(path.name for path in folder.iterdir()) == ["A film.de.srt", "A film.en-2.srt", "A film.en.srt"]


async def test_where_there_are_none(samples: Samples, serve: Serve, made: Made) -> None:
    url = serve(samples.hls("ts")) + "index.m3u8"
    path, notes = await made(url, subtitles=asks("de"))
    assert (path.name, notes) == (".joined.mp4", ("There are no subtitles in de.",))
    with pytest.raises(DownloadError, match="no subtitles in de") as caught:
        await made(url, want="subtitles", subtitles=asks("de"))
    assert caught.value.code == "not_as_wished"


async def test_those_of_a_dash(samples: Samples, serve: Serve, made: Made) -> None:
    """TTML in fragments of MP4, made by ffmpeg, beside a picture whose clock begins elsewhere."""
    (samples.root / "dash.srt").write_text("1\n00:00:01,000 --> 00:00:02,500\nHello\n")
    flags = "+frag_keyframe+empty_moov+default_base_moof"
    samples.run("-i", "dash.srt", "-c:s", "ttml", "-movflags", flags, "dash-text.mp4")
    files = samples.dash("dash")
    text = """<AdaptationSet contentType="text" lang="de" mimeType="application/mp4" codecs="stpp">
      <Representation id="t"><BaseURL>text.mp4</BaseURL></Representation></AdaptationSet></Period>"""
    files["index.mpd"] = files["index.mpd"].replace(b"</Period>", text.encode())
    url = serve(files | {"text.mp4": (samples.root / "dash-text.mp4").read_bytes()}) + "index.mpd"
    folder, notes = await made(url, subtitles=asks("de"))
    # ffmpeg moves them to the beginning; the sound begins before the picture, and the result with it.
    assert (folder / "A film.de.srt").read_text() == "1\n00:00:00,046 --> 00:00:01,546\nHello\n"
    assert notes == ()


async def test_a_container_that_does_not_hold_it(samples: Samples, serve: Serve, made: Made) -> None:
    path, notes = await made(serve(samples.hls("ts")) + "index.m3u8", container="webm")
    assert (path.suffix, notes) == (".mp4", ("A webm does not hold h264 and aac: this is an mp4.",))


async def test_a_failure_leaves_nothing_beside(
    samples: Samples, serve: Serve, context: Context, tmp_path: Path
) -> None:
    said = {"subtitles": asks("de")}
    found = await extracted(context, serve(hls(samples)) + "m.m3u8", tmp_path, said)
    broken = found.finish.model_copy(update={"least_s": 2.0 * SECONDS})
    async with Parsers() as parsers:
        with pytest.raises(DownloadError, match="only a piece"):
            await ffmpeg.join(samples.ffmpeg, tmp_path, found.model_copy(update={"finish": broken}), parsers)
    assert {path.name for path in tmp_path.iterdir()} == {part.name for part in found.fetches}


@pytest.mark.parametrize(("where", "named"), [("file", "A film.mp4"), ("embed", "")])
async def test_a_film_in_one_file(samples: Samples, tmp_path: Path, where: str, named: str) -> None:
    """Beside it, it stays as it came, byte by byte; a text that is no subtitles costs it nothing."""
    (tmp_path / "video-0.mp4").write_bytes(samples.film().read_bytes())
    (tmp_path / "text-0-00001.vtt").write_text(TEXT.format("Hello"))
    (tmp_path / "text-1-00001.vtt").write_text("<html>gone</html>")
    fetches = [
        Fetch(urls=(f"https://h/{n}",), name=name)
        for n, name in enumerate(sorted(each.name for each in tmp_path.iterdir()))
    ]
    texts = [
        Track(form="webvtt", first=n, count=1, playlist=write_playlist([Segment(fetches[n].name, 0.0)]), language=tag)
        for n, tag in enumerate(("../d\x00e", "../de"))
    ]
    film = Track(form="file", first=2, count=1)
    options = parse_options({"subtitles": asks("de", **{"as": where})}, Options)
    finish = Finish(how="media", name="A film.mp4", tracks=(film, *texts), options=options)
    found = Extraction(kind=Kind.YTDLP, fetches=tuple(fetches), finish=finish)
    async with Parsers() as parsers:
        joined = await ffmpeg.join(samples.ffmpeg, tmp_path, found, parsers)
    gather(tmp_path, finish)
    assert joined.notes == ("Subtitles that are not in the file: ../de.",)
    if named:
        assert sorted(path.name for path in (tmp_path / ".joined.folder").iterdir()) == ["A film.de.srt", named]
        assert (tmp_path / ".joined.folder" / named).read_bytes() == samples.film().read_bytes()
    else:
        assert len(inside(samples, joined.path)) == 1
    assert (tmp_path / "video-0.mp4").exists(), "the part stays, for whatever comes after"


async def test_nothing_that_can_be_read_is_a_failure(samples: Samples, tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text("<html>gone</html>")
    track = Track(form="webvtt", first=0, count=1, playlist=write_playlist([Segment("a.vtt", 0.0)]), language="de")
    finish = Finish(how="media", name="a.srt", tracks=(track,), options=parse_options({"want": "subtitles"}, Options))
    found = Extraction(kind=Kind.YTDLP, fetches=(Fetch(urls=("https://h/",), name="a.vtt"),), finish=finish)
    async with Parsers() as parsers:
        with pytest.raises(DownloadError, match="None of the subtitles"):
            await ffmpeg.join(samples.ffmpeg, tmp_path, found, parsers)
    assert [path.name for path in tmp_path.iterdir()] == ["a.vtt"]


def test_what_is_there_already_keeps_its_place(tmp_path: Path) -> None:
    """A folder that was made of the film takes the subtitles up."""
    (tmp_path / ".joined.folder").mkdir()
    (tmp_path / ".joined.folder" / "A film.jpg").touch()
    (tmp_path / BESIDE).mkdir()
    (tmp_path / BESIDE / "de.srt").touch()
    finish = Finish(how="media", name="A film.mp4")
    gather(tmp_path, finish)
    gather(tmp_path, finish)
    assert sorted(path.name for path in (tmp_path / ".joined.folder").iterdir()) == ["A film.de.srt", "A film.jpg"]
    assert not list(tmp_path.glob(f"{HELPER}*"))


async def test_those_of_several_periods(samples: Samples, serve: Serve, made: Made, tmp_path: Path) -> None:
    """A film with an advertisement in its midst, which has none: one file for both pieces, fetched once, whose times
    count on across them; and one in fragments of TTML for each."""
    film = samples.dash("periods-0", *SETS)
    ad = samples.dash("periods-ad-0", *SETS, film=samples.film("wide.mp4", size="128x96"))
    (samples.root / "dash.srt").write_text("1\n00:00:01,000 --> 00:00:02,500\nHello\n")
    flags = "+frag_keyframe+empty_moov+default_base_moof"
    samples.run("-i", "dash.srt", "-c:s", "ttml", "-movflags", flags, "dash-text.mp4")
    files = {"de.vtt": b"WEBVTT\n\n00:01.000 --> 00:02.000\none\n\n00:05.500 --> 00:07.000\ntwo\n"}

    def piece(folder: str, offset: int) -> tuple[str, dict[str, bytes]]:
        told, its = period(film, folder)
        texts = f"""<AdaptationSet contentType="text" lang="de" mimeType="text/vtt"><Representation id="t{offset}">
          <BaseURL>../de.vtt</BaseURL><SegmentBase presentationTimeOffset="{offset}"/></Representation></AdaptationSet>
          <AdaptationSet contentType="text" lang="en" mimeType="application/mp4" codecs="stpp">
          <Representation id="e"><BaseURL>text.mp4</BaseURL></Representation></AdaptationSet></Period>"""
        its = its | {f"{folder}/text.mp4": (samples.root / "dash-text.mp4").read_bytes()}
        return told.replace("</Period>", texts), its

    all_of_it = periods(piece("a", 0), period(ad, "ad"), piece("b", SECONDS))
    url = serve(files | all_of_it) + "index.mpd"
    folder, notes = await made(url, subtitles=asks("de", "en", "fr"))
    german = (folder / "A film.de.srt").read_text()
    assert [line.split(",")[0] for line in german.splitlines() if "-->" in line] == ["00:00:01", "00:00:05", "00:00:12"]
    assert [line for line in german.splitlines() if line.isalpha()] == ["one", "two", "two"]
    english = (folder / "A film.en.srt").read_text()
    assert [line[:8] for line in english.splitlines() if "-->" in line] == ["00:00:00", "00:00:12"]
    assert notes == ("There are no subtitles in fr.",)
    for left in tmp_path.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    alone, _ = await made(url, want="subtitles", subtitles=asks("de"))
    assert [line[:8] for line in alone.read_text().splitlines() if "-->" in line] == [
        "00:00:01",
        "00:00:05",
        "00:00:12",
    ]
    assert len([each for each in tmp_path.iterdir() if each.suffix == ".vtt"]) == 1
