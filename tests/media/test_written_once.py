"""What is joined is written once: nothing is put together first, and an index at the beginning moves no film."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from reactor.errors import DownloadError
from reactor.files.staging import RESULT_FOLDER
from reactor.media import mp4_index, room
from reactor.media.choice import Choice
from reactor.media.convert import convert
from reactor.media.mp4 import boxes
from reactor.media.mp4_index import Target, write
from reactor.media.muxing import muxer_arguments
from reactor.media.pieces import split
from reactor.media.probing import probe
from reactor.media.room import Room
from reactor.models import Kind
from reactor.options import Options, parse_options
from reactor.plan import Extraction, Fetch, Finish, Track
from tests.media.conftest import Fetched, Serve
from tests.media.joining import join
from tests.media.samples import KEYS, Samples, files
from tests.media.test_clips import pictures

LASTS_S, RATE = 12, 25
FRAMES = LASTS_S * RATE
SETS = ("-adaptation_sets", "id=0,streams=v id=1,streams=a")
MORE = 1.2
"""Beside the film: its beginning, which is written nowhere, playlists, what is said through pipes."""
LEFT, MOVED = ["ftyp", "moov", "free", "free", "mdat"], ["ftyp", "moov", "free", "mdat"]
"""An mp4 in which something is left empty behind the index, and one to whose beginning it was moved."""


@pytest.fixture(autouse=True)
def small_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """No film is so small that it may be moved, and the beginning is less than all of it."""
    monkeypatch.setattr(mp4_index, "SECOND_PASS_MAX", 0)
    monkeypatch.setattr(mp4_index, "SAMPLE_S", LASTS_S / 12)


@pytest.fixture(scope="session")
def noise(samples: Samples) -> Path:
    """A film that is large for how long it lasts."""
    path = samples.root / "noise.mp4"
    if not path.exists():
        samples.run(
            *("-f", "lavfi", "-i", f"testsrc2=size=160x120:rate={RATE}:duration={LASTS_S},noise=alls=60:allf=t"),
            *("-f", "lavfi", "-i", f"sine=sample_rate=44100:duration={LASTS_S}", "-g", "25", "-pix_fmt", "yuv420p"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-crf", "10", "-c:a", "aac", path),
        )
    return path


def sparse(samples: Samples, folder: Path) -> Path:
    """A film that has one picture a second at its beginning, and many later."""
    film = folder / "film.mp4"
    samples.run(
        *("-f", "lavfi", "-i", f"testsrc2=size=96x64:rate=50:duration={LASTS_S},select='gte(t,5)+not(mod(n,50))'"),
        *("-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", film),
    )
    return film


def written() -> int:
    """Bytes that this process has written, and those it has started and seen end."""
    told = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(told["wchar"])


def layout(path: Path) -> list[str]:
    """What an mp4 is made of."""
    with path.open("rb") as file:
        return [kind.decode() for kind, _, _ in boxes(file, 0, path.stat().st_size)]


def left_empty(path: Path) -> int:
    with path.open("rb") as file:
        return sum(end - begin for kind, begin, end in boxes(file, 0, path.stat().st_size) if kind == b"free")


FORMS = ["hls", "fmp4", "encrypted", "one file", "dash", "apart"]


def stream(samples: Samples, noise: Path, form: str) -> dict[str, bytes]:
    match form:
        case "hls":
            return samples.hls("noise-ts", film=noise)
        case "fmp4":
            return samples.fmp4("noise-fmp4", film=noise)
        case "encrypted":
            key, info = samples.root / "noise.key", samples.root / "noise.info"
            key.write_bytes(KEYS[0])
            info.write_text(f"secret.key\n{key}\n")
            made = samples.hls("noise-aes", "-hls_key_info_file", info, film=noise)
            return made | {"secret.key": KEYS[0]}
        case "one file":
            return samples.hls("noise-ranges", "-hls_flags", "single_file", film=noise)
        case _:
            return samples.dash("noise-dash", *SETS, film=noise)


def apart(samples: Samples, noise: Path, folder: Path) -> Extraction:
    """Picture and sound as a file each."""
    tracks = []
    for n, (kind, name) in enumerate((("v", "video.mp4"), ("a", "audio.m4a"))):
        samples.run("-i", noise, "-map", f"0:{kind}", "-c", "copy", folder / name)
        tracks.append(Track(form="file", first=n, count=1))
    fetches = tuple(Fetch(urls=(f"http://h/{name}",), name=name) for name in ("video.mp4", "audio.m4a"))
    return Extraction(kind=Kind.YTDLP, fetches=fetches, finish=Finish(how="media", name="a.mp4", tracks=tuple(tracks)))


@pytest.mark.fault(58)
@pytest.mark.parametrize("form", FORMS)
async def test_every_form_is_written_once(
    samples: Samples, noise: Path, serve: Serve, fetched: Fetched, tmp_path: Path, form: str
) -> None:
    if form == "apart":
        extraction = apart(samples, noise, tmp_path)
    else:
        url = serve(stream(samples, noise, form)) + ("index.mpd" if form == "dash" else "index.m3u8")
        extraction = await fetched(url)
    before = written()
    path = await join(samples.ffmpeg, tmp_path, extraction)
    size = path.stat().st_size
    assert size <= written() - before <= MORE * size
    found = await probe(samples.ffmpeg, path)
    assert (path.suffix, found.video, found.audio) == (".mp4", "h264", "aac")
    assert found.duration_s == pytest.approx(LASTS_S, abs=0.3)
    assert pictures(samples.ffmpeg, path) == FRAMES
    assert layout(path) == LEFT
    assert left_empty(path) < 2 * mp4_index.SPARE_BYTES
    assert {each.name for each in tmp_path.iterdir()} == {path.name, *(fetch.name for fetch in extraction.fetches)}


async def test_a_film_whose_index_grows_is_written_again_with_the_room_for_it(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = sparse(samples, tmp_path)
    monkeypatch.setattr(mp4_index, "SPARE_BYTES", 0)
    arguments = ["-i", film.name, "-map", "0", "-c", "copy"]
    target = Target(tmp_path / "made.mp4", "h264", film.stat().st_size, float(LASTS_S))
    reserved = await mp4_index.reserve(samples.ffmpeg, arguments, target, 60)
    plain: list[str | Path] = [
        samples.ffmpeg,
        "-v",
        "error",
        *arguments,
        *muxer_arguments(".mp4", "h264", reserved),
        tmp_path / "x.mp4",
    ]
    assert _fails(plain, tmp_path), "what is left is too little"
    run = await write(samples.ffmpeg, arguments, target, deadline_s=60)
    assert run.code == 0
    assert layout(target.path) == LEFT
    assert pictures(samples.ffmpeg, target.path) == pictures(samples.ffmpeg, film)


def _fails(command: Sequence[str | Path], folder: Path) -> bool:
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return "reserved_moov_size is too small" in said.stderr


async def test_nothing_is_left_empty_where_the_film_would_be_too_large_with_it(
    samples: Samples, noise: Path, serve: Serve, fetched: Fetched, tmp_path: Path
) -> None:
    extraction = await fetched(serve(stream(samples, noise, "fmp4")) + "index.m3u8")
    parts = sum((tmp_path / fetch.name).stat().st_size for fetch in extraction.fetches)
    path = await join(samples.ffmpeg, tmp_path, extraction, room=Room(size_max=parts + 16 * 1024))
    assert layout(path) == MOVED
    assert left_empty(path) < 100
    assert pictures(samples.ffmpeg, path) == FRAMES
    smallest = Room(size_max=path.stat().st_size // 2)
    with pytest.raises(DownloadError) as caught:
        await join(samples.ffmpeg, tmp_path, extraction, room=smallest)
    assert caught.value.code == "too_large"


async def test_more_parts_than_a_process_may_have_open(
    samples: Samples, noise: Path, serve: Serve, fetched: Fetched, tmp_path: Path
) -> None:
    """Of the sound each part is three frames: what this process allows itself is raised as far as it may be."""
    files = samples.dash("frames", "-seg_duration", "0.06", *SETS, film=noise)
    extraction = await fetched(serve(files) + "index.mpd", Choice(audio_only=True))
    count = len(extraction.fetches)
    assert count > 100
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        before = written()
        path = await join(samples.ffmpeg, tmp_path, extraction)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    size, names = path.stat().st_size, len(room.parts_list(fetch.name for fetch in extraction.fetches))
    assert (await probe(samples.ffmpeg, path)).audio == "aac"
    assert written() - before < size + names + 64 * 1024, "nothing was put together first"


async def test_where_they_cannot_be_open_at_once_they_are_put_together_first(
    samples: Samples, noise: Path, serve: Serve, fetched: Fetched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    extraction = await fetched(serve(stream(samples, noise, "dash")) + "index.mpd")
    parts = {fetch.name: (tmp_path / fetch.name).stat().st_size for fetch in extraction.fetches}
    assert room.reckon(extraction, parts).helpers == 2 * room.BLOCK
    monkeypatch.setattr(room, "OTHER_FILES", 10**9)
    assert room.reckon(extraction, parts).helpers == sum(parts.values())
    before = written()
    path = await join(samples.ffmpeg, tmp_path, extraction)
    size = path.stat().st_size
    assert 2 * size <= written() - before + 2 * mp4_index.SPARE_BYTES <= 2 * MORE * size
    assert pictures(samples.ffmpeg, path) == FRAMES


async def test_a_name_is_not_what_it_may_look_like_in_a_list(samples: Samples, noise: Path, tmp_path: Path) -> None:
    made = {name: data for name, data in sorted(files(_dashed(samples, noise)).items()) if name.endswith(".m4s")}
    names = {name: f"it's {name}" for name in made if "stream0" in name}
    names = dict(sorted(names.items(), key=lambda pair: "init" not in pair[0]))
    for name, mine in names.items():
        (tmp_path / mine).write_bytes(made[name])
    fetches = tuple(Fetch(urls=("http://h/x",), name=name) for name in names.values())
    track = Track(form="concat", first=0, count=len(fetches), holds=("video",), needed=(0,))
    extraction = Extraction(kind=Kind.YTDLP, fetches=fetches, finish=Finish(how="media", name="a.mp4", tracks=(track,)))
    path = await join(samples.ffmpeg, tmp_path, extraction)
    assert pictures(samples.ffmpeg, path) == FRAMES


def _dashed(samples: Samples, noise: Path) -> Path:
    samples.dash("noise-dash", *SETS, film=noise)
    return samples.root / "noise-dash"


async def test_what_is_small_is_moved_and_what_only_we_read_is_not(
    samples: Samples, noise: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["-i", str(noise), "-map", "0", "-c", "copy"]
    target = Target(tmp_path / "a.mp4", "h264", noise.stat().st_size, float(LASTS_S), final=False)
    await write(samples.ffmpeg, arguments, target, deadline_s=60)
    assert layout(target.path) == ["ftyp", "free", "mdat", "moov"]
    monkeypatch.setattr(mp4_index, "SECOND_PASS_MAX", target.size)
    await write(samples.ffmpeg, arguments, replace(target, final=True), deadline_s=60)
    assert layout(target.path) == MOVED
    assert left_empty(target.path) == 0


async def test_so_are_the_pieces_of_a_film(samples: Samples, noise: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(noise.read_bytes())
    size = film.stat().st_size
    before = written()
    told = await split(lambda: samples.ffmpeg, tmp_path, [(film, PurePosixPath("film.mp4"))], size * 2 // 5)
    assert told == ()
    assert written() - before <= MORE * size
    pieces = sorted((tmp_path / RESULT_FOLDER).iterdir())
    assert len(pieces) >= 3
    assert [layout(each) for each in pieces] == [LEFT] * len(pieces)
    assert sum(pictures(samples.ffmpeg, each) for each in pieces) == FRAMES


async def test_pieces_whose_indexes_need_more_than_is_left_are_cut_again(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mp4_index, "SPARE_BYTES", 0)
    film = sparse(samples, tmp_path)
    size = film.stat().st_size
    await split(lambda: samples.ffmpeg, tmp_path, [(film, PurePosixPath("film.mp4"))], size * 2 // 5)
    pieces = sorted((tmp_path / RESULT_FOLDER).iterdir())
    assert [layout(each) for each in pieces] == [MOVED] * len(pieces)
    assert sum(pictures(samples.ffmpeg, each) for each in pieces) == pictures(samples.ffmpeg, film)


async def test_so_is_a_film_with_a_cover(samples: Samples, noise: Path, tmp_path: Path) -> None:
    """The picture is in the index, once however long the film is."""
    film = tmp_path / "film.mp4"
    film.write_bytes(noise.read_bytes())
    size, options = film.stat().st_size, parse_options({"thumbnail": "embed"}, Options)
    before = written()
    await convert(samples.ffmpeg, tmp_path, film, Finish(how="file", name="film.mp4", options=options))
    (made,) = tmp_path.glob(".joined.*")
    assert size <= written() - before <= MORE * size
    assert layout(made) == LEFT
    assert left_empty(made) < 2 * mp4_index.SPARE_BYTES
    found = await probe(samples.ffmpeg, made)
    assert (found.video, found.audio, found.cover) == ("h264", "aac", True)
    assert pictures(samples.ffmpeg, made) == FRAMES
