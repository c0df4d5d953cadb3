"""What bounds a start: what is imported is what a reactor says, and what fails ends the run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from contrib.bench import latencies
from contrib.bench.bench import QUICK, opened
from contrib.bench.imports import LEVELS, Imports, imported
from contrib.bench.validity import Invalid

SAID = """import time: self [us] | cumulative | imported package
import time:       771 |       1046 |   json
{"event": "reactor_started"}
import time:       198 |        198 |     reactor.patterns
import time:        12 |         12 | json
import time:        12 |         12 | reactor.__main__
"""


def test_what_a_process_has_imported_is_read_from_what_it_says() -> None:
    assert imported(SAID) == ["json", "reactor.patterns"]
    with pytest.raises(Invalid, match=r"did not say what it imports \(2 modules\)"):
        imported(SAID.replace("reactor.", "others."))


def test_each_level_imports_what_it_says_and_nothing_else(tmp_path: Path) -> None:
    """The library is one that would say so, and so would reactor's module."""
    (tmp_path / "library.py").write_text(f"open({str(tmp_path / 'told')!r}, 'a').write('library ')")
    (tmp_path / "reactor.py").write_text(f"open({str(tmp_path / 'told')!r}, 'a').write('reactor ')")
    bounds = Imports(tmp_path, ["library", "not_there", "reactor"], 2)
    for _ in range(2):
        bounds.take({**os.environ})
    assert (tmp_path / "told").read_text() == "library library reactor " * 2
    assert [row.figure for row in bounds.rows()] == [f"  bound: {what}" for what in LEVELS.values()]


def test_a_process_that_does_not_come_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "reactor.py").write_text("raise SystemExit(3)")
    with pytest.raises(Invalid, match=r"modules\.py ended with 3"):
        Imports(tmp_path, ["reactor"], 1).take({**os.environ})


@pytest.mark.nightly
def test_a_start_has_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[str]] = []

    class Noted(Imports):
        def __init__(self, folder: Path, modules: list[str], rounds: int) -> None:
            made.append(modules)
            super().__init__(folder, modules, rounds)

    monkeypatch.setattr(latencies, "Imports", Noted)
    with opened(replace(QUICK, starts=1), None, lambda text: None) as run:
        rows = latencies.starts(run)
    assert [row.figure for row in rows[2:]] == [f"  bound: {what}" for what in LEVELS.values()]
    (modules,) = made
    assert {"aiosqlite", "pydantic", "websockets", "reactor.core.machine", "reactor.aria2.embedded"} <= {*modules}
    assert not {"yt_dlp", "httpx", "rich"} & {*modules}
