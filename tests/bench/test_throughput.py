"""The figures of small files and of a server that paces: all that is fetched is looked at, by whatever way it came."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from contrib.bench import bounds, small, throughput
from contrib.bench.bench import MIB, QUICK, Bench, opened
from contrib.bench.small import make_small
from contrib.bench.validity import Invalid
from tests.tools import needed

FEW = replace(QUICK, small_files=9, small_rounds=1, paced_bytes=5 * MIB)


@pytest.fixture
def bench() -> Iterator[Bench]:
    needed("nginx")
    with opened(FEW, None, lambda text: None) as run:
        yield run


@pytest.mark.parametrize(
    ("which", "at_once"), [("driven", 1), ("looked", 4), ("kept", 1), ("placed", 1), ("placed", 4)]
)
def test_a_rung_brings_every_file_and_keeps_every_row_that_it_has_claimed(
    bench: Bench, which: str, at_once: int
) -> None:
    files, url = bench.nginx
    names = make_small(files, 9)
    found = bounds.rung(bench, which, url, files, names, at_once)
    assert found.rate > 0
    assert found.cpu_ms > 0
    (folder,) = bench.folder.glob(f"bound-{which}-*")
    with closing(sqlite3.connect(folder / "bot.db")) as db:
        rows = db.execute("SELECT status, file_path FROM downloads ORDER BY id").fetchall()
    kept = which in ("kept", "placed")
    assert [status for status, _ in rows] == ["downloaded" if kept else "pending"] * 9
    assert [path and Path(path).name for _, path in rows] == (names if kept else [None] * 9)
    assert [*(folder / "downloads" / ".reactor").glob("*")] == [], "it has tidied up"


def test_a_rung_that_brings_something_else_ends_the_run(bench: Bench, tmp_path: Path) -> None:
    files, url = bench.nginx
    names = make_small(files, 2)
    make_small(tmp_path, 2)
    (tmp_path / names[1]).write_bytes(b"another")
    with pytest.raises(Invalid, match=r"small-0001\.bin: its 20000 bytes are not the 7 that were served"):
        bounds.rung(bench, "driven", url, tmp_path, names)


@pytest.mark.nightly
def test_several_small_files_have_a_rate_a_cost_and_their_bounds(bench: Bench) -> None:
    rows = small.several_small(bench)
    assert [row.figure.strip() for row in rows] == [
        "many small (9), 8 at a time, beside bare aria2c -j8",
        "CPU a file",
        *(f"bound: {name}" for name in bounds.RUNGS),
    ]
    assert all(row.measured > 0 for row in rows)


@pytest.mark.nightly
def test_a_file_that_is_paced_is_fetched_by_all_and_nothing_of_it_is_left(bench: Bench) -> None:
    rows = throughput.paced(bench)
    assert [row.figure.strip() for row in rows] == [
        "5 MiB at 5 MB/s per connection, beside aria2c -x16 -s16",
        "the same beside aria2c -x16 -s16 -k4M",
    ]
    assert not (bench.nginx[0] / "large.bin").exists()
