"""What a site says of a film, in the joined file: read by mutagen and by ffmpeg."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import mutagen

from reactor.media.tagging import ffmetadata, jpg_size, language_arguments, tags_of
from reactor.models import Kind
from reactor.options import Options
from reactor.plan import NO_ABOUT, About, Chapter, Extraction, Fetch, Finish, Track
from tests.media.joining import join
from tests.media.samples import Samples

ABOUT = About(
    id="x1", title="A film = ; # \\", uploader="Ein Ärzteverein", date="2024-05-31", url="https://site.test/watch?v=x1"
)
CHAPTERS = (Chapter(start_s=0, end_s=2.5, title="One"), Chapter(start_s=2.5, end_s=6, title="Two = ; # \\"))


def told(ffmpeg: Path, file: Path) -> str:
    """What ffmpeg says of a file."""
    run = subprocess.run(
        [ffmpeg, "-nostdin", "-hide_banner", "-i", file], capture_output=True, check=False, timeout=60, text=True
    )
    return run.stderr


def chapters(ffmpeg: Path, file: Path) -> list[tuple[float, float, str]]:
    found = re.findall(
        r"Chapter #0:\d+: start ([\d.]+), end ([\d.]+)\n(?: +Metadata:\n +title +: (.*)\n)?", told(ffmpeg, file)
    )
    return [(float(start), float(end), title) for start, end, title in found]


def film(samples: Samples, folder: Path, **finish: object) -> Extraction:
    (folder / "a.mp4").write_bytes(samples.film().read_bytes())
    fetch = Fetch(urls=("http://h/a.mp4",), name="a.mp4")
    track = Track(form="file", first=0, count=1, language="de-AT")
    whole = Finish.model_validate({"how": "media", "name": "x.mp4", "tracks": (track,), **finish})
    return Extraction(kind=Kind.YTDLP, fetches=(fetch,), finish=whole)


async def test_a_joined_film_has_tags_chapters_and_languages(ffmpeg: Path, samples: Samples, tmp_path: Path) -> None:
    path = await join(ffmpeg, tmp_path, film(samples, tmp_path, about=ABOUT, chapters=CHAPTERS))
    tags: Any = mutagen.File(path)
    assert {name: tags[name] for name in ("\xa9nam", "\xa9ART", "\xa9day", "\xa9cmt")} == {
        "\xa9nam": [ABOUT.title],
        "\xa9ART": [ABOUT.uploader],
        "\xa9day": [ABOUT.date],
        "\xa9cmt": [ABOUT.url],
    }
    assert chapters(ffmpeg, path) == [(0.0, 2.5, "One"), (2.5, 6.0, "Two = ; # \\")]
    assert re.search(r"Stream #0:1\S*\(deu\): Audio", told(ffmpeg, path))


async def test_marked_parts_are_chapters(ffmpeg: Path, samples: Samples, tmp_path: Path) -> None:
    marks = (Chapter(start_s=1, end_s=2, title="sponsor"),)
    options = Options.model_validate({"sponsorblock": "mark"})
    path = await join(ffmpeg, tmp_path, film(samples, tmp_path, marks=marks, options=options))
    assert chapters(ffmpeg, path) == [(0.0, 1.0, ""), (1.0, 2.0, "[Sponsor]"), (2.0, 6.0, "")]


async def test_chapters_that_are_not_wanted(ffmpeg: Path, samples: Samples, tmp_path: Path) -> None:
    options = Options(chapters="none")
    path = await join(ffmpeg, tmp_path, film(samples, tmp_path, chapters=CHAPTERS, options=options))
    assert chapters(ffmpeg, path) == []


async def test_the_sound_alone_where_it_is_wanted(ffmpeg: Path, samples: Samples, tmp_path: Path) -> None:
    path = await join(ffmpeg, tmp_path, film(samples, tmp_path, about=ABOUT, options=Options(want="audio")))
    assert path.suffix == ".m4a"
    assert "Video:" not in told(ffmpeg, path)


def test_nothing_is_said_of_what_nobody_says() -> None:
    assert tags_of(NO_ABOUT) == {}
    assert language_arguments("", "a:0") == language_arguments("x-klingon", "a:0") == []
    assert ffmetadata() == ";FFMETADATA1\n"


def test_a_stranger_adds_no_line() -> None:
    found = tags_of(About(title="x\nartist=y\r\0"))
    assert found == {"title": "x artist=y"}
    chapter = Chapter(start_s=0, end_s=1, title="x\n[CHAPTER]\n")
    assert ffmetadata([chapter]).splitlines().count("[CHAPTER]") == 1


def test_what_is_no_jpg_has_no_size() -> None:
    for data in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\xff\xff" + b"x" * 20, b"<html>"):
        assert jpg_size(data) == (0, 0)
