"""A clip of a video, and a film that comes in several files: what is wanted of it, picture and sound."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from reactor.errors import DownloadError
from reactor.media.probing import probe
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish, Track
from tests.media.joining import join
from tests.media.samples import SECONDS, Samples


def film(folder: Path, samples: Samples, tracks: list[tuple[int, tuple[str, ...]]], **finish: Any) -> Extraction:
    """One of these tracks, each its section and the streams that it has, as files in `folder`."""
    fetches, listed = [], []
    for n, (section, which) in enumerate(tracks):
        name = f"{n}.mp4"
        maps = [word for stream in which for word in ("-map", f"0:{stream}")]
        samples.run("-i", samples.film(), *maps, "-c", "copy", folder / name)
        fetches.append(Fetch(urls=(f"http://h/{name}",), name=name))
        listed.append(Track(form="file", first=n, count=1, section=section))
    finish = {"how": "media", "name": "x.mp4", "tracks": tuple(listed), **finish}
    return Extraction(kind=Kind.YTDLP, fetches=tuple(fetches), finish=Finish(**finish))


def pictures(ffmpeg: Path, file: Path) -> int:
    """How many are shown, what lies before the beginning not counted."""
    command: list[str | Path] = [
        ffmpeg,
        "-nostdin",
        "-v",
        "error",
        "-xerror",
        "-i",
        file,
        "-map",
        "0:v:0",
        "-f",
        "framecrc",
        "-",
    ]
    run = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return sum(not line.startswith(b"#") for line in run.stdout.splitlines())


@pytest.mark.variants(3)
@pytest.mark.parametrize(
    ("start_s", "end_s", "seconds"),
    [(2.0, 5.0, 3.0), (1.3, 4.1, 2.8), (0.0, 2.5, 2.5), (SECONDS - 1.7, None, 1.7), (3.0, 1000.0, SECONDS - 3.0)],
)
@pytest.mark.parametrize("tracks", [[(0, ("v", "a"))], [(0, ("v",)), (0, ("a",))]], ids=["together", "apart"])
async def test_a_clip_lasts_as_long_as_it_is_said_to(
    ffmpeg: Path, samples: Samples, tmp_path: Path, tracks: Any, start_s: float, end_s: float | None, seconds: float
) -> None:
    extraction = film(tmp_path, samples, tracks, start_s=start_s, end_s=end_s)
    path = await join(ffmpeg, tmp_path, extraction)
    found = await probe(ffmpeg, path)
    assert (found.video, found.audio) == ("h264", "aac")
    assert found.duration_s == pytest.approx(seconds, abs=0.25)
    assert pictures(ffmpeg, path) == pytest.approx(seconds * 10, abs=2)


async def test_a_clip_of_what_is_not_there(ffmpeg: Path, samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="after the end") as caught:
        await join(ffmpeg, tmp_path, film(tmp_path, samples, [(0, ("v", "a"))], start_s=1000.0))
    assert caught.value.code == "incomplete"


@pytest.mark.variants(1)
@pytest.mark.parametrize(
    "tracks",
    [[(0, ("v", "a")), (1, ("v", "a"))], [(0, ("v",)), (0, ("a",)), (1, ("v",)), (1, ("a",))]],
    ids=["together", "apart"],
)
async def test_a_film_in_two_pieces(ffmpeg: Path, samples: Samples, tmp_path: Path, tracks: Any) -> None:
    path = await join(ffmpeg, tmp_path, film(tmp_path, samples, tracks))
    found = await probe(ffmpeg, path)
    assert (found.video, found.audio) == ("h264", "aac")
    assert found.duration_s == pytest.approx(2 * SECONDS, abs=0.3)
    assert pictures(ffmpeg, path) == 2 * SECONDS * 10
