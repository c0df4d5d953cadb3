"""Of a video in segments only those are fetched that the clips need, and the clips show what was asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.extractors.manifest import extract_manifest
from reactor.files.staging import RESULT_FOLDER
from reactor.media.convert import convert
from reactor.media.excerpt import excerpted
from reactor.media.local import Segment, write_playlist
from reactor.models import Kind
from reactor.options import Options, parse_options
from reactor.plan import Extraction, Fetch, Finish, Track
from tests.media.conftest import Serve
from tests.media.joining import joined
from tests.media.samples import Samples

LONG_S = 24
"""Twelve segments."""


@pytest.fixture(scope="session")
def long(samples: Samples) -> Path:
    path = samples.root / "long.mp4"
    samples.run(
        *("-f", "lavfi", "-i", f"testsrc2=size=96x64:rate=10:duration={LONG_S}"),
        *("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=22050:duration={LONG_S}"),
        *("-g", "10", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", path),
    )
    return path


def likeness(ffmpeg: Path, film: Path, clip: Path, start_s: float, end_s: float) -> list[float]:
    """Of each picture of a clip, how much it is the one that the film shows then (PSNR, in dB)."""
    command: list[str | Path] = [ffmpeg, "-nostdin", "-v", "error"]
    command += ["-ss", f"{start_s:.3f}", "-t", f"{end_s - start_s:.3f}", "-i", film, "-i", clip]
    command += ["-filter_complex", "[0:v]setpts=N/10/TB[a];[1:v]setpts=N/10/TB[b];[a][b]psnr=f=-", "-f", "null", "-"]
    told = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout
    return [float(line.partition("psnr_avg:")[2].split()[0].replace("inf", "99")) for line in told.splitlines()]


def asking(extraction: Extraction, asked: dict[str, Any]) -> Extraction:
    finish = extraction.finish.model_copy(update={"options": parse_options(asked, Options)})
    return extraction.model_copy(update={"finish": finish})


FORMS = ("ts", "fmp4", "ranges", "dash", "encrypted")


def files_of(samples: Samples, long: Path, form: str) -> tuple[dict[str, bytes], str]:
    match form:
        case "ts":
            return samples.hls("long-ts", film=long), "index.m3u8"
        case "fmp4":
            return samples.fmp4("long-fmp4", film=long), "index.m3u8"
        case "ranges":
            return samples.hls("long-ranges", "-hls_flags", "single_file", film=long), "index.m3u8"
        case "encrypted":
            folder = samples.root / "long.info"
            (samples.root / "long.key").write_bytes(b"0123456789abcdef")
            folder.write_text(f"secret.key\n{samples.root / 'long.key'}\n\n")
            found = samples.hls("long-encrypted", "-hls_key_info_file", folder, film=long)
            return found | {"secret.key": b"0123456789abcdef"}, "index.m3u8"
        case _:
            return samples.dash("long-dash", film=long), "index.mpd"


@pytest.mark.variants(4)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("clips", [[[9.3, 12.6]], [[20, 22], [3.2, 5]]], ids=["one", "two"])
async def test_the_clips_of_a_video_in_segments(
    ffmpeg: Path,
    samples: Samples,
    long: Path,
    context: Context,
    serve: Serve,
    tmp_path: Path,
    form: str,
    clips: list[Sequence[float]],
) -> None:
    files, manifest = files_of(samples, long, form)
    whole = await extract_manifest(serve(files) + manifest, context, kind=Kind.DIRECT)
    extraction = excerpted(asking(whole, {"clip": clips, "cut": "exact"}))
    if form != "ranges":
        assert len(extraction.fetches) < len(whole.fetches) * (0.7 if len(clips) == 1 else 0.9)
    async with httpx.AsyncClient(trust_env=False) as client:
        for part in extraction.fetches:
            (tmp_path / part.name).write_bytes((await client.get(part.urls[0])).content)
    film = await joined(ffmpeg, tmp_path, extraction, parsers=context.parsers)
    notes = (await convert(ffmpeg, tmp_path, film.path, extraction.finish, begins=film.begins)).notes
    assert (*film.notes, *notes) == ()
    made = sorted((tmp_path / RESULT_FOLDER).iterdir()) if len(clips) > 1 else [next(tmp_path.glob(".joined.*"))]
    assert len(made) == len(clips)
    for path, (start, end) in zip(made, clips, strict=True):
        alike = likeness(ffmpeg, long, path, start, end)
        assert len(alike) == pytest.approx((end - start) * 10, abs=1.1)
        assert min(alike[1:-1]) > 25, "each picture is the one of that moment, but for one at either end"


def listed(lasts: Sequence[float], **more: Any) -> Extraction:
    names = [f"{n}.ts" for n in range(len(lasts))]
    playlist = write_playlist(Segment(name, seconds) for name, seconds in zip(names, lasts, strict=True))
    track = Track(form="hls", first=0, count=len(names), playlist=playlist)
    finish = Finish.model_validate({"how": "media", "name": "x.mp4", "tracks": (track,), **more})
    fetches = tuple(Fetch(urls=(f"http://h/{name}",), name=name) for name in names)
    return Extraction(kind=Kind.DIRECT, fetches=fetches, finish=finish)


def test_clips_that_are_near_are_one_range() -> None:
    found = excerpted(asking(listed([2.0] * 100), {"clip": [[10, 12], [14, 16], [100, 101]]}))
    assert [(each.section, each.start_s) for each in found.finish.excerpts] == [(0, 8.0), (1, 98.0)]
    assert [fetch.name for fetch in found.fetches] == [f"{n}.ts" for n in (*range(4, 9), *range(49, 51))]


def test_the_last_clip_ends_with_the_video() -> None:
    found = excerpted(asking(listed([2.0] * 100), {"clip": [[190, 500]]}))
    assert [fetch.name for fetch in found.fetches] == [f"{n}.ts" for n in range(94, 100)]


def test_a_clip_after_the_end() -> None:
    with pytest.raises(DownloadError, match="05:00 to 06:00 begins after the end of the video, at 03:20") as caught:
        excerpted(asking(listed([2.0] * 100), {"clip": [[300, 360]]}))
    assert caught.value.code == "not_as_wished"


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        ({}, {}),
        ({"clip": [[0, 195]]}, {}),
        ({"clip": [[10, 20]]}, {"start_s": 5.0}),
        ({"clip": [[10, 20]], "subtitles": {"languages": ["de"]}}, {}),
    ],
)
def test_all_of_it_is_fetched_where_that_is_needed(asked: dict[str, Any], more: dict[str, Any]) -> None:
    whole = asking(listed([2.0] * 100, **more), asked)
    assert excerpted(whole) == whole


def test_a_video_of_which_no_times_are_known_is_fetched_as_a_whole() -> None:
    whole = asking(listed([0.0] * 100), {"clip": [[10, 20]]})
    assert excerpted(whole) == whole
    track = Track(form="concat", first=0, count=100, needed=(0,))
    finish = whole.finish.model_copy(update={"tracks": (track,)})
    assert excerpted(whole.model_copy(update={"finish": finish})).fetches == whole.fetches


async def test_what_segments_of_different_lengths_last_is_read_where_clips_are_wanted(
    samples: Samples, long: Path, context: Context, serve: Serve
) -> None:
    """Cut at scenes: 4 s, then 2 s each, by a SegmentTimeline."""
    files = samples.dash("long-dash", film=long)
    mpd = files["index.mpd"].decode()
    assert "<SegmentTimeline>" in mpd
    plain = await extract_manifest(serve(files) + "index.mpd", context, kind=Kind.DIRECT)
    assert not any(track.lasts for track in plain.finish.tracks)
    asked = parse_options({"clip": [[1, 2]]}, Options)
    timed = await extract_manifest(serve(files) + "index.mpd", replace(context, options=asked), kind=Kind.DIRECT)
    for track in timed.finish.tracks:
        assert len(track.lasts) == track.count - 1
        assert sum(track.lasts) == pytest.approx(LONG_S, abs=0.1)
