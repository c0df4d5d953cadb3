"""What whoever uploads a finished file has to say of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reactor.errors import ProgramMissing
from reactor.files.mime_types import mime_type
from reactor.media.tagging import jpg_size
from reactor.media.thumbnails import SIDE_MAX
from reactor.media.uploads import FILES_MAX, upload_of
from reactor.models import Upload
from tests.media.samples import Samples


def no_ffmpeg() -> Path:
    raise ProgramMissing("There is none.")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *(("a.MP4", "video/mp4"), ("a.mp3", "audio/mpeg"), ("a.mkv", "video/x-matroska")),
        *(("a.tar.gz", "application/gzip"), ("a.jpg", "image/jpeg"), ("a", None), ("a.odd", None), (".mp4", None)),
    ],
)
def test_the_usual_media_type_of_a_name(name: str, said: str | None) -> None:
    assert mime_type(name) == said


async def test_of_a_film(ffmpeg: Path, samples: Samples, tmp_path: Path) -> None:
    film, thumbnail = samples.film("large.mp4", size="640x360"), tmp_path / "made" / "1.jpg"
    said = await upload_of(film, lambda: ffmpeg, thumbnail)
    assert (said.mime_type, said.width, said.height, said.thumbnail_path) == ("video/mp4", 640, 360, str(thumbnail))
    assert said.duration_s == pytest.approx(10.0, abs=9.5)
    assert max(jpg_size(thumbnail.read_bytes())) == SIDE_MAX
    other = await upload_of(thumbnail.rename(tmp_path / "film.mp4"), lambda: ffmpeg, tmp_path / "2.jpg")
    assert other.duration_s is None, "a picture is no film"


async def test_a_film_that_was_taken_upright_and_a_sound_with_its_cover(
    ffmpeg: Path, samples: Samples, tmp_path: Path
) -> None:
    film = samples.film("upright.mp4", size="64x96")
    turned = tmp_path / "turned.mp4"
    samples.run("-display_rotation", "90", "-i", film, "-c", "copy", turned)
    said = await upload_of(turned, lambda: ffmpeg, tmp_path / "1.jpg")
    assert (said.width, said.height) == (96, 64)
    sound = tmp_path / "sound.m4a"
    samples.run(
        "-i",
        film,
        "-i",
        tmp_path / "1.jpg",
        "-map",
        "0:a",
        "-map",
        "1:v",
        "-c",
        "copy",
        "-disposition:v",
        "attached_pic",
        sound,
    )
    said = await upload_of(sound, lambda: ffmpeg, tmp_path / "2.jpg")
    assert (said.mime_type, said.width, said.thumbnail_path) == ("audio/mp4", None, str(tmp_path / "2.jpg"))


async def test_of_a_folder_its_files_and_the_one_film_in_it(ffmpeg: Path, samples: Samples, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    (folder / "in").mkdir(parents=True)
    shutil.copy(samples.film(), folder / "in" / "film.mp4")
    (folder / "film.srt").write_text("1")
    said = await upload_of(folder, lambda: ffmpeg, tmp_path / "1.jpg")
    assert [(file.path, file.mime_type) for file in said.files] == [
        ("film.srt", "application/x-subrip"),
        ("in/film.mp4", "video/mp4"),
    ]
    assert (said.mime_type, said.width) == (None, 96)
    for n in range(FILES_MAX):
        (folder / f"{n}.mp4").touch()
    said = await upload_of(folder, lambda: ffmpeg, tmp_path / "2.jpg")
    assert (len(said.files), said.width) == (FILES_MAX, None)


async def test_of_what_cannot_be_read_and_without_an_ffmpeg_less_is_said(
    ffmpeg: Path, samples: Samples, tmp_path: Path
) -> None:
    (tmp_path / "odd.mp4").write_bytes(b"x" * 5000)
    for result in (tmp_path / "odd.mp4", samples.film()):
        find = no_ffmpeg if result.name == "film.mp4" else lambda: ffmpeg
        assert await upload_of(result, find, tmp_path / "1.jpg") == Upload(mime_type="video/mp4")
    assert not (tmp_path / "1.jpg").exists()
