"""A bench run in which anything is missing or wrong ends loudly, and without figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from contrib.bench import latencies, server, servers, validity
from contrib.bench.bench import QUICK, Bench, opened
from contrib.bench.report import Row, save_json
from contrib.bench.servers import ROOT, measuring
from contrib.bench.subjects import Reactor
from contrib.bench.validity import Invalid, Samples


@pytest.mark.parametrize("taken", [0, 2, 4])
def test_samples_that_are_missing_or_too_many(taken: int) -> None:
    samples = Samples("pick-up", 3, [1.0] * taken)
    with pytest.raises(Invalid, match=f"pick-up: {taken} samples instead of 3"):
        _ = samples.median
    with pytest.raises(Invalid, match="samples instead of"):
        _ = samples.p99


@pytest.mark.parametrize("value", [-0.1, 0.0, float("nan"), float("inf")])
def test_samples_that_cannot_be_true(value: float) -> None:
    with pytest.raises(Invalid, match="is none"):
        Samples("cancel", 1).add(value)


def test_median_and_p99() -> None:
    samples = Samples("start", 200, [float(n) for n in range(200, 0, -1)])
    assert (samples.median, samples.p99) == (100.5, 198.0)
    assert Samples("start", 2, [3.0, 1.0]).p99 == 3.0


def test_bytes_that_differ(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"abd")
    with pytest.raises(Invalid, match="not the 3 that were served"):
        validity.check_bytes(file, b"abc")
    with pytest.raises(Invalid, match="cannot be read"):
        validity.check_bytes(tmp_path / "missing.bin", b"abc")
    validity.check_bytes(file, b"abd")


@pytest.mark.parametrize("copy", [b"abd", b"ab", b"abcd", None])
def test_copies_that_differ(tmp_path: Path, copy: bytes | None) -> None:
    (tmp_path / "original").write_bytes(b"abc")
    if copy is not None:
        (tmp_path / "copy").write_bytes(copy)
    with pytest.raises(Invalid):
        validity.check_copy(tmp_path / "copy", tmp_path / "original")
    validity.check_copy(tmp_path / "original", tmp_path / "original")


def test_folders_with_a_file_too_few_or_too_many(tmp_path: Path) -> None:
    served, found = tmp_path / "served", tmp_path / "found"
    for folder in (served, found):
        folder.mkdir()
        (folder / "a.bin").write_bytes(b"a")
    (served / "b.bin").write_bytes(b"b")
    validity.check_folder(found, served, ["a.bin"])
    with pytest.raises(Invalid, match=r"1 files instead of 2; one side only: \['b.bin'\]"):
        validity.check_folder(found, served, ["a.bin", "b.bin"])
    with pytest.raises(Invalid, match="1 files instead of 0"):
        validity.check_folder(found, served, [])


def test_any_part_of_the_content_is_that_part_of_it() -> None:
    whole = server.content(0, 600_000)
    assert len(whole) == 600_000
    assert server.content(299_999, 300_001) == whole[299_999:300_001]


def test_what_the_server_never_saw() -> None:
    with measuring() as measured, pytest.raises(Invalid, match=r"never saw `get` of nobody\.bin"):
        measured.when("get", "nobody.bin", patience_s=0.01)


def test_a_subject_that_ends_comes_with_its_last_words(tmp_path: Path) -> None:
    class Broken(Reactor):
        def _command(self) -> list[str]:
            return [sys.executable, "-c", "raise SystemExit('out of order')"]

    with (
        pytest.raises(Invalid, match=r"ended with 1\n  reactor said last:\n  out of order"),
        Broken(tmp_path).running(),
    ):
        pass


def test_a_download_that_fails(tmp_path: Path) -> None:
    with measuring() as measured, Reactor(tmp_path).running() as reactor:
        reactor.bot.add([measured.url("a.bin", 1).replace("http:", "gopher:")])
        with pytest.raises(Invalid, match=r"rows \(1,\) did not come to their end: failed"):
            reactor.bot.until(1, "downloaded")


def test_one_download_is_measured_in_order() -> None:
    def measure(run: Bench) -> tuple[float, float]:
        with Reactor(run.place("reactor")).running() as reactor:
            return latencies.download(run, reactor, 0.0)

    with opened(QUICK, None, lambda text: None) as run:
        pickup, completion = measure(run)
    assert pickup > 0
    assert completion > 0


def test_nginx_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(servers, "SBIN", ())
    with pytest.raises(Invalid, match="nginx is missing"):
        servers.find_nginx()


def test_a_figure_that_is_none() -> None:
    command = [sys.executable, "-m", "contrib.bench", "--only", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'speed'" in done.stderr


def test_json_has_what_was_promised(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "bench.json"
    save_json([Row("idle", "%", 0.1, 0.2, 2.0, "≤ 0.15 %", True, "a note")], file)
    assert file.read_text().replace("\n", "").replace("  ", "") == (
        '[{"figure": "idle","unit": "%","measured": 0.1,"rival": 0.2,"ratio": 2.0,"target": "≤ 0.15 %","met": true}]'
    )
