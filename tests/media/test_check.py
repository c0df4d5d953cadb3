"""A look at thousands of parts: what of it stays in memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from reactor.extractors.parsing import Parsers
from reactor.media.check import check_parts, measure_parts
from reactor.media.containers import measure
from reactor.media.inputs import track_inputs
from reactor.media.local import Segment, write_playlist
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish, Track
from tests.media.samples import Samples

PARTS = 3000
EACH_MAX = 400
"""Bytes of memory for each part, at most: its size by its name, its turn, its line in a playlist that is written."""


@pytest.mark.nightly
async def test_of_thousands_of_parts_little_more_than_their_sizes_is_held(samples: Samples, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(samples.hls("ts")["part0.ts"][: 40 * 188])
    with part.open("rb") as file:
        measured = measure(file)
    assert measured is not None
    assert measured.main is not None
    lasts = measured.main.end_s - measured.main.start_s
    names = [f"{n:04}.ts" for n in range(PARTS)]
    for name in names:
        (tmp_path / name).hardlink_to(part)
    film = Extraction(
        kind=Kind.YTDLP,
        fetches=tuple(Fetch(urls=("http://host.example/",), name=name) for name in names),
        finish=Finish(
            how="media",
            name="film.mp4",
            tracks=(
                Track(
                    form="hls", first=0, count=PARTS, playlist=write_playlist(Segment(name, lasts) for name in names)
                ),
            ),
        ),
    )
    async with Parsers() as parsers:
        await parsers.clocks(tmp_path, [])
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            checked = await check_parts(tmp_path, film)
            await measure_parts(tmp_path, checked, parsers.clocks)
            (track,) = checked.tracks
            await track_inputs(tmp_path, 0, track, checked.sizes, picky=False)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert checked.sizes == dict.fromkeys(names, 40 * 188)
    (group,) = track.groups
    assert (group.count, group.known, group.streams) == (PARTS, True, measured.streams)
    assert peak - before < EACH_MAX * PARTS
