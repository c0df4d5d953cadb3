"""The figures of what comes in parts: parts that are missing, other bytes, or a disk that is not slow end the run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contrib.bench import part_bounds, parts
from contrib.bench.bench import QUICK, Bench, opened
from contrib.bench.part_bounds import open_steps
from contrib.bench.slow_disk import slow_disk
from contrib.bench.streams import MANY_BITS, QUICKLY, check_film, film, sound
from contrib.bench.subjects import bare_aria2c
from contrib.bench.validity import Invalid
from tests.tools import needed

PARTS = 7
FEW = replace(QUICK, segments=PARTS, segment_rounds=1, large_segments=PARTS, slow_segments=4, stream_rounds=1)


@pytest.fixture
def bench() -> Iterator[Bench]:
    needed("nginx")
    with opened(FEW, None, lambda text: None) as run:
        yield run


def test_streams_have_as_many_parts_as_they_are_to_have_and_as_large(bench: Bench) -> None:
    small, large = sound(bench, "small", PARTS, MANY_BITS), film(bench, "large", PARTS)
    for stream, least, most in ((small, 6_000, 10_000), (large, 900_000, 1_100_000)):
        sizes = [(stream.folder / name).stat().st_size for name in stream.names]
        assert len(sizes) == PARTS
        assert least < min(sizes) <= max(sizes) < most
        assert [url.rpartition("/")[2] for url in stream.parts] == stream.names


def test_a_film_that_is_not_all_of_its_stream_ends_the_run(bench: Bench, tmp_path: Path) -> None:
    stream, path = film(bench, "film", PARTS), tmp_path / "film.ts"
    pieces = [(stream.folder / name).read_bytes() for name in stream.names]
    path.write_bytes(b"".join(pieces))
    check_film(path, stream)
    path.write_bytes(b"".join(pieces[:-1]))
    with pytest.raises(Invalid, match=r"film\.ts lasts 19\.2 s instead of 22\.40 s"):
        check_film(path, stream)
    path.write_bytes(pieces[0])
    with pytest.raises(Invalid, match=r"film\.ts has \d+ bytes of \d+"):
        check_film(path, stream)
    with pytest.raises(Invalid, match="has 0 bytes"):
        check_film(tmp_path / "missing.ts", stream)


def test_each_step_of_a_film_is_measured_by_itself_and_leaves_nothing(bench: Bench) -> None:
    with open_steps(bench, sound(bench, "steps", PARTS, MANY_BITS), rounds=2) as steps:
        for _ in range(2):
            steps.measure()
    assert [*steps.took] == [*part_bounds.STEPS]
    assert all(len(samples.values) == 2 for samples in steps.took.values())
    assert list(bench.folder.glob("bound-parts-*")) == []


def test_a_part_that_comes_with_other_bytes_ends_the_run(bench: Bench, tmp_path: Path) -> None:
    stream = sound(bench, "other", PARTS, MANY_BITS)
    shutil.copytree(stream.folder, tmp_path / "served")
    (tmp_path / "served" / stream.names[3]).write_bytes(b"another")
    ends = pytest.raises(Invalid, match="bytes are not the 7 that were served")
    with ends, open_steps(bench, replace(stream, folder=tmp_path / "served"), rounds=1):
        pass


def test_a_part_that_is_not_there_ends_the_run(bench: Bench) -> None:
    stream = sound(bench, "gone", PARTS, MANY_BITS)
    (stream.folder / stream.names[3]).unlink()
    with pytest.raises(Invalid, match="1 parts failed"), open_steps(bench, stream, rounds=1):
        pass


@pytest.mark.nightly
def test_large_parts_are_fetched_by_all_and_have_their_bounds(bench: Bench) -> None:
    rows = parts.large_parts(bench)
    assert [row.figure.strip() for row in rows[:2]] == [
        "7 segments of 1 MB, beside yt-dlp -N 16",
        "the same beside bare aria2c",
    ]
    assert rows[2].figure.startswith("  bound: ")
    assert rows[-1].figure == "  bound: all of it"
    assert rows[-1].measured >= sum(row.measured for row in rows if "read" in row.figure or "handed" in row.figure)
    assert not [*bench.nginx[0].rglob("*.ts")]


# A slow disk


def test_what_is_synced_on_a_slow_disk_is_counted(tmp_path: Path) -> None:
    needed("gcc")
    disk = slow_disk(tmp_path)
    program = "import os; f = os.open('a', os.O_CREAT | os.O_WRONLY); os.fsync(f); os.fdatasync(f); os.fsync(f)"
    environment = os.environ | disk.environment
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
    assert disk.syncs == 3
    disk.check("python", 3)
    with pytest.raises(Invalid, match="python synced 3 times instead of 4 at least: the disk was not slow for it"):
        disk.check("python", 4)
    disk.forget()
    assert disk.syncs == 0


def test_aria2c_syncs_each_file_once_on_a_slow_disk(bench: Bench, tmp_path: Path) -> None:
    needed("gcc")
    disk, stream = slow_disk(tmp_path), sound(bench, "synced", PARTS, MANY_BITS)
    bare_aria2c(tmp_path / "bare", stream.parts, *QUICKLY, program=disk.aria2c)
    assert PARTS <= disk.syncs < 2 * PARTS  # with an auto-save-interval it would be three times as many


@pytest.mark.nightly
def test_a_film_comes_to_a_slow_disk(bench: Bench) -> None:
    needed("gcc")
    assert [row.figure for row in parts.slow(bench)] == [
        "4 segments of 8 kB, fsync takes 5 ms, beside bare aria2c -j16",
        "  7 of them",
    ]


def test_there_is_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Invalid, match="a compiler is missing"):
        slow_disk(tmp_path)
