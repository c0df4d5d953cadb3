"""The quality that a row asks for, of real manifests, as far as the joined film."""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from reactor.extractors.base import Context
from reactor.extractors.manifest import extract_manifest
from reactor.media.choice import Choice
from reactor.models import Kind
from reactor.options import Options, parse_options
from reactor.plan import Extraction
from tests.media.conftest import Serve
from tests.media.joining import join
from tests.media.samples import Samples

Film = Callable[..., Awaitable[tuple[Path, Extraction]]]
SIZES = ("256x144", "144x256", "480x270")
AVC, SOUND = "avc1.42c01e", "mp4a.40.2"


@pytest.fixture
def ladder(samples: Samples, serve: Serve) -> str:
    """An HLS of three qualities, one of them portrait, and a sound apart in two languages; its address."""
    files, lines = dict[str, bytes](), ["#EXTM3U"]
    for tag, default, pitch in (("en", "YES", 440), ("de", "NO", 880)):
        path = samples.root / f"{tag}.m4a"
        if not path.exists():
            samples.run("-f", "lavfi", "-i", f"sine=frequency={pitch}:duration=2", "-c:a", "aac", path)
        files |= _under(tag, samples.hls(f"sound-{tag}", film=path))
        told = f'TYPE=AUDIO,GROUP-ID="g",NAME="{tag}",LANGUAGE="{tag}",DEFAULT={default},URI="{tag}/index.m3u8"'
        lines.append(f"#EXT-X-MEDIA:{told}")
    for n, size in enumerate(SIZES):
        film = samples.root / f"{size}.mp4"
        if not film.exists():
            picture = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=5:duration=2", "-pix_fmt", "yuv420p")
            samples.run(*picture, "-c:v", "libx264", "-preset", "ultrafast", film)
        files |= _under(size, samples.hls(f"hls-{size}", film=film))
        told = f'BANDWIDTH={n + 1}000000,RESOLUTION={size},CODECS="{AVC},{SOUND}",AUDIO="g"'
        lines += [f"#EXT-X-STREAM-INF:{told}", f"{size}/index.m3u8"]
    return serve(files | {"master.m3u8": "\n".join(lines).encode()}) + "master.m3u8"


def _under(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": data for name, data in files.items()}


@pytest.fixture
def film(context: Context, samples: Samples, tmp_path: Path) -> Film:
    """What comes of a manifest by these options, under an operator who has set something else."""

    async def run(url: str, **said: Any) -> tuple[Path, Extraction]:
        asked = replace(context, options=parse_options(said, Options), choice=Choice(max_lines=144))
        found = await extract_manifest(url, asked, kind=Kind.YTDLP)
        async with httpx.AsyncClient(trust_env=False) as client:
            for part in found.fetches:
                (tmp_path / part.name).write_bytes((await client.get(part.urls[0])).content)
        return await join(samples.ffmpeg, tmp_path, found), found

    return run


def shown(samples: Samples, path: Path) -> str:
    command = [str(samples.ffmpeg), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stderr


def pitch(samples: Samples, path: Path) -> int:
    """Of the sound, by its changes of sign in a second."""
    command = [str(samples.ffmpeg), "-v", "error", "-i", str(path), "-vn", "-ac", "1", "-ar", "8000", "-f", "s8", "-"]
    raw = subprocess.run(command, capture_output=True, timeout=60).stdout[4000:12_000]
    signs = [each < 128 for each in raw if each]
    return sum(one and not two for one, two in pairwise(signs))


@pytest.mark.variants(3)
@pytest.mark.parametrize(
    ("said", "size", "unmet"),
    [
        ({}, "144x256", ()),
        ({"quality": "best"}, "480x270", ()),
        ({"quality": 200}, "144x256", ("There is no picture of 200 lines: this one has 144.",)),
        ({"quality": "worst"}, "256x144", ()),
        ({"format": "hls-1000"}, "256x144", ()),
        ({"quality": "best", "codec": "av1"}, "480x270", ("There is no picture in av1: this one is in h264.",)),
    ],
)
async def test_the_picture(
    ladder: str, film: Film, samples: Samples, said: dict[str, Any], size: str, unmet: tuple[str, ...]
) -> None:
    path, found = await film(ladder, **said)
    assert f" {size}" in shown(samples, path)
    assert found.finish.unmet == unmet


async def test_the_language_of_the_sound(ladder: str, film: Film, samples: Samples) -> None:
    path, found = await film(ladder, language="de-DE", quality=144)
    assert abs(pitch(samples, path) - 880) < 60
    assert (found.finish.unmet, "Video:" in shown(samples, path)) == ((), True)


async def test_the_sound_alone(ladder: str, film: Film, samples: Samples) -> None:
    path, found = await film(ladder, want="audio", language="it")
    assert abs(pitch(samples, path) - 440) < 30
    assert (path.suffix, "Video:" in shown(samples, path)) == (".m4a", False)
    assert found.finish.unmet == ("There is no sound in it: this one is in en.",)
    assert all("/en/" in fetch.urls[0] for fetch in found.fetches), "nothing of a picture is fetched"


@pytest.mark.parametrize(("container", "suffix", "held"), [("mkv", ".mkv", "matroska"), ("mp4", ".mp4", "mp4")])
async def test_the_container(ladder: str, film: Film, samples: Samples, container: str, suffix: str, held: str) -> None:
    path, found = await film(ladder, container=container, quality=144)
    assert (path.suffix, found.finish.unmet) == (suffix, ())
    assert held in shown(samples, path).partition("from")[0]
