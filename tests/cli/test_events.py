"""`reactor events`: the schema, and recorded journals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reactor.journal.ndjson import to_line
from reactor.notices import Entry
from tests.cli.command import reactor, refused
from tests.journal.samples import EVERY

RECORDED = [
    to_line(Entry(seq=number, at=f"2026-01-31T12:00:{number:02}.500Z", notice=notice))
    for number, notice in enumerate(EVERY, 1)
]


def test_the_schema_is_json_and_always_the_same(tmp_path: Path) -> None:
    first, second = reactor("events", "--schema", cwd=tmp_path), reactor("events", "--schema", cwd=tmp_path)
    assert first.returncode == 0
    assert first.stdout == second.stdout
    assert set(json.loads(first.stdout)["discriminator"]["mapping"]) == {notice.event for notice in EVERY}


@pytest.mark.parametrize("place", ["file", "-"])
def test_a_recorded_journal_becomes_lines_for_people(tmp_path: Path, place: str) -> None:
    text = "\n".join(RECORDED) + "\n"
    (tmp_path / "file").write_text(text)
    done = reactor("events", place, cwd=tmp_path, stdin=text.encode() if place == "-" else b"")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == len(RECORDED)
    assert lines[0] == "2026-01-31 12:00:01  reactor 1.2.3 serves bot.db; files go to downloads"
    assert any(line.endswith("  #3    started: http://127.0.0.1/a.bin") for line in lines)
    assert not any(character in done.stdout for character in "\x1b\r")


def test_broken_lines_are_counted_and_newer_ones_passed_over(tmp_path: Path) -> None:
    newer = json.dumps(json.loads(RECORDED[0]) | {"event": "tea_served"})
    lines = [RECORDED[0], "oh", newer, RECORDED[1], "", RECORDED[2][:30]]
    (tmp_path / "file").write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\x00\n")
    done = reactor("events", "file", cwd=tmp_path)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == "reactor: 3 lines could not be read.\n"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("nothing", "nothing does not exist."), (".", "cannot be read"), ("picture", "picture is not a journal")],
)
def test_what_is_no_journal_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "picture").write_bytes(bytes(range(256)) * 10)
    assert sentence in refused(reactor("events", name, cwd=tmp_path))
