"""What is larger than an upload takes is split: films play piece by piece, anything else is bytes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import anyio
import pytest

from reactor.errors import DownloadError, ProgramMissing
from reactor.files import copying
from reactor.files.staging import RESULT_FOLDER
from reactor.media import pieces
from reactor.media.pieces import SCRAP_S, split
from reactor.media.probing import probe
from reactor.media.room import Room
from tests.media.samples import SECONDS, Samples
from tests.media.test_clips import pictures


def there(folder: Path) -> dict[str, int]:
    """All that stands in a folder, with the sizes."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def no_ffmpeg() -> Path:
    raise ProgramMissing("There is no ffmpeg.")


@pytest.mark.variants(1)
@pytest.mark.parametrize(
    ("name", "codecs", "suffix"),
    [
        ("film.mp4", (), ".mp4"),
        ("film.webm", ("-c:v", "libvpx", "-c:a", "libopus"), ".webm"),
        ("film.avi", ("-c:v", "mpeg4", "-c:a", "mp2"), ".mkv"),
        ("film.mov", ("-c:v", "libx264", "-c:a", "aac"), ".mp4"),
    ],
)
async def test_the_pieces_of_a_film_play_by_themselves_and_are_small_enough(
    ffmpeg: Path, samples: Samples, tmp_path: Path, name: str, codecs: tuple[str, ...], suffix: str
) -> None:
    film = tmp_path / name
    film.write_bytes(samples.film(name, codecs=codecs).read_bytes())
    limit, shares = film.stat().st_size // 3, list[float]()
    files = [(film, PurePosixPath(f"A: film{film.suffix}"))]
    told = await split(lambda: ffmpeg, tmp_path, files, limit, progress=shares.append)
    result = tmp_path / RESULT_FOLDER
    made = sorted(result.iterdir())
    assert told == ()
    assert [path.name for path in made] == [f"A: film.{n:03}{suffix}" for n in range(1, len(made) + 1)]
    assert len(made) >= 3
    found = [await probe(ffmpeg, path) for path in made]
    assert all(path.stat().st_size <= limit for path in made)
    assert all(each.video for each in found)
    assert sum(each.duration_s or 0 for each in found) == pytest.approx(SECONDS, abs=1)
    assert sum(pictures(ffmpeg, path) for path in made) == pictures(ffmpeg, film), "each picture once"
    assert film.exists()
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {path.name for path in tmp_path.iterdir()} == {film.name, RESULT_FOLDER}


async def test_what_is_too_large_still_is_cut_again(ffmpeg: Path, samples: Samples, tmp_path: Path) -> None:
    """A film of which the beginning has nearly all the bytes."""
    film = tmp_path / "film.mp4"
    samples.run(
        *("-f", "lavfi", "-i", "nullsrc=size=96x64:rate=10:duration=2,geq=random(1)*255:128:128"),
        *("-f", "lavfi", "-i", "color=size=96x64:rate=10:duration=20"),
        *("-filter_complex", "concat=n=2:v=1:a=0", "-g", "2", "-c:v", "libx264", "-preset", "ultrafast"),
        *("-pix_fmt", "yuv420p", film),
    )
    limit = film.stat().st_size // 4
    assert await split(lambda: ffmpeg, tmp_path, [(film, PurePosixPath("film.mp4"))], limit) == ()
    made = sorted((tmp_path / RESULT_FOLDER).iterdir())
    assert max(path.stat().st_size for path in made) <= limit
    assert sum(pictures(ffmpeg, path) for path in made) == 220


@pytest.mark.variants(2)
@pytest.mark.parametrize(
    ("name", "codecs"),
    [("a.mp3", ("-c:a", "libmp3lame")), ("a.opus", ("-c:a", "libopus")), ("a.m4a", ("-c:a", "aac")), ("a.wav", ())],
)
async def test_so_do_the_pieces_of_a_sound(
    ffmpeg: Path, samples: Samples, tmp_path: Path, name: str, codecs: tuple[str, ...]
) -> None:
    sound = tmp_path / name
    samples.run("-i", samples.film(), "-vn", *codecs, sound)
    limit = sound.stat().st_size // 2
    assert await split(lambda: ffmpeg, tmp_path, [(sound, PurePosixPath(name))], limit) == ()
    made = sorted((tmp_path / RESULT_FOLDER).iterdir())
    assert max(path.stat().st_size for path in made) <= limit
    lasts = [(await probe(ffmpeg, path)).duration_s or 0 for path in made]
    assert sum(lasts) == pytest.approx(SECONDS, abs=0.5)
    assert min(lasts) > SCRAP_S, "no scrap of a few frames at the end"


@pytest.mark.parametrize("why", ["one keyframe", "no film", "no ffmpeg"])
async def test_what_cannot_be_cut_so_is_bytes_that_make_it_again(
    ffmpeg: Path, samples: Samples, tmp_path: Path, why: str
) -> None:
    film = tmp_path / "film.mp4"
    if why == "one keyframe":
        samples.run("-i", samples.film(), "-an", "-c:v", "libx264", "-g", "1000", "-sc_threshold", "0", film)
    else:
        film.write_bytes(random.Random(3).randbytes(100_000) if why == "no film" else samples.film().read_bytes())
    limit = film.stat().st_size // 2 - 1
    find = no_ffmpeg if why == "no ffmpeg" else lambda: ffmpeg
    files = [(film, PurePosixPath("film.mp4"))]
    with pytest.raises(DownloadError) as strict:
        await split(find, tmp_path, files, limit, strict=True)
    assert strict.value.code == "not_as_wished"
    (told,) = await split(find, tmp_path, files, limit)
    assert "`split_mib`" in told
    made = sorted((tmp_path / RESULT_FOLDER).iterdir())
    assert [path.name for path in made] == ["film.mp4.001", "film.mp4.002", "film.mp4.003"]
    assert [path.stat().st_size for path in made] == [limit, limit, film.stat().st_size - 2 * limit]
    whole = hashlib.sha256(b"".join(path.read_bytes() for path in made)).hexdigest()
    assert whole == hashlib.sha256(film.read_bytes()).hexdigest()
    assert {path.name for path in tmp_path.iterdir()} == {film.name, RESULT_FOLDER}


async def test_of_several_files_only_the_large_ones_are_split(tmp_path: Path) -> None:
    large, small, named = tmp_path / "large.iso", tmp_path / "small.txt", tmp_path / "named"
    large.write_bytes(b"x" * 25)
    small.write_bytes(b"y" * 10)
    named.write_bytes(b"z")
    files = [(large, PurePosixPath("deep/large.iso")), (small, PurePosixPath("a.txt"))]
    files.append((named, PurePosixPath("deep/large.iso.001")))
    assert await split(no_ffmpeg, tmp_path, files, 10) == ()
    assert there(tmp_path / RESULT_FOLDER) == {
        "a.txt": 10,
        "deep/large.iso.001": 1,
        "deep/large.iso (1).001": 10,
        "deep/large.iso.002": 10,
        "deep/large.iso.003": 5,
    }
    (tmp_path / "other").mkdir()
    assert await split(no_ffmpeg, tmp_path / "other", files[1:], 10) == ()
    assert there(tmp_path / "other") == {}, "they are small enough"


async def test_what_was_made_before_is_replaced_by_its_pieces(tmp_path: Path) -> None:
    joined = tmp_path / ".joined.iso"
    joined.write_bytes(b"x" * 25)
    (tmp_path / pieces.MAKING).mkdir()
    (tmp_path / pieces.MAKING / "half").write_bytes(b"of a process that was killed")
    await split(no_ffmpeg, tmp_path, [(joined, PurePosixPath("film.iso"))], 10)
    assert there(tmp_path) == {f"{RESULT_FOLDER}/film.iso.00{n}": size for n, size in ((1, 10), (2, 10), (3, 5))}


async def test_a_long_name_has_room_for_its_number(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 25)
    await split(no_ffmpeg, tmp_path, [(tmp_path / "a", PurePosixPath("ü" * 120 + ".iso"))], 10)
    assert len(there(tmp_path / RESULT_FOLDER)) == 3


@pytest.mark.parametrize(
    ("room", "limit", "code"),
    [(Room(spare=2**60), 500, "no_space"), (Room(size_max=999), 500, "too_large"), (Room(), 1, "too_large")],
)
async def test_what_there_is_no_room_for_is_not_begun(tmp_path: Path, room: Room, limit: int, code: str) -> None:
    file = tmp_path / "a.iso"
    file.write_bytes(b"x" * 1000)
    with pytest.raises(DownloadError) as caught:
        await split(no_ffmpeg, tmp_path, [(file, PurePosixPath("a.iso"))], limit, room=room)
    assert caught.value.code == code
    assert there(tmp_path) == {"a.iso": 1000}


@pytest.mark.parametrize("what", ["film", "bytes"])
async def test_a_cancel_stops_it_at_once_and_nothing_is_left(
    ffmpeg: Path, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    file = tmp_path / ("a.mp4" if what == "film" else "a.iso")
    file.write_bytes(samples.film().read_bytes())
    with anyio.CancelScope() as scope:

        def cancel(*_: object) -> None:
            anyio.from_thread.run_sync(scope.cancel) if what == "bytes" else scope.cancel()

        if what == "bytes":
            monkeypatch.setattr(pieces, "copy_bytes", _cancelled_in(cancel, copying.copy_bytes))
        files = [(file, PurePosixPath(file.name))]
        await split(lambda: ffmpeg, tmp_path, files, 20_000, progress=cancel)
        raise AssertionError("it was cancelled")
    assert there(tmp_path) == {file.name: file.stat().st_size}


def _cancelled_in(cancel: Callable[[], None], copy: Callable[..., int]) -> Callable[..., int]:
    def copying(*args: object, **more: object) -> int:
        cancel()
        return copy(*args, **more)

    return copying
