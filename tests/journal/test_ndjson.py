"""Lines, their schema, and reading them back."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, get_args

import pytest

from reactor.journal.journal import Journal
from reactor.journal.ndjson import BrokenLine, from_line, line_schema, to_line
from reactor.notices import Entry, Notice
from tests.journal.samples import EVERY, failed

AT = "2026-01-31T12:00:00.000Z"


schema_once = cache(line_schema)


def definition(event: str) -> dict[str, Any]:
    """The schema's part for one event, found as a reader of the schema would."""
    schema = schema_once()
    reference: str = schema["discriminator"]["mapping"][event]
    part: dict[str, Any] = schema["$defs"][reference.removeprefix("#/$defs/")]
    return part


def test_the_samples_hold_one_of_every_notice() -> None:
    assert {type(notice) for notice in EVERY} == set(get_args(Notice))


@pytest.mark.parametrize("notice", EVERY, ids=lambda notice: notice.event)
class TestEveryNotice:
    def test_comes_back_from_its_line(self, notice: Notice) -> None:
        entry = Entry(seq=9, at=AT, notice=notice)
        assert from_line(to_line(entry)) == entry

    def test_is_flat_and_stamped_first(self, notice: Notice) -> None:
        fields = json.loads(to_line(Entry(seq=9, at=AT, notice=notice)))
        assert list(fields)[:4] == ["v", "seq", "at", "event"]
        assert fields["v"] == 1
        assert fields["seq"] == 9
        assert fields["event"] == notice.event

    def test_has_exactly_the_fields_of_the_schema(self, notice: Notice) -> None:
        fields = json.loads(to_line(Entry(seq=9, at=AT, notice=notice)))
        part = definition(notice.event)
        assert set(part["properties"]) == set(part["required"]) == set(fields)
        assert part["properties"]["event"]["const"] == notice.event
        assert "additionalProperties" not in part


def test_a_hostile_title_stays_on_one_ascii_line() -> None:
    line = to_line(Entry(seq=1, at=AT, notice=failed(1, "a\nb\u2028c\x1b[2J\x00é")))
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["error"] == "a\nb\u2028c\x1b[2J\x00é"


def test_fields_of_a_newer_reactor_are_passed_over() -> None:
    fields = json.loads(to_line(Entry(seq=1, at=AT, notice=failed(4))))
    assert from_line(json.dumps(fields | {"mood": "fine"})) == Entry(seq=1, at=AT, notice=failed(4))


@pytest.mark.parametrize("change", [{"event": "tea_served"}, {"v": 2}, {"event": None}])
def test_what_a_newer_reactor_says_means_nothing_to_us(change: dict[str, Any]) -> None:
    fields = json.loads(to_line(Entry(seq=1, at=AT, notice=failed(4))))
    assert from_line(json.dumps(fields | change)) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '"text"',
        "{}",
        "ÿ",
        "[" * 100000,
        '{"v":1,"seq":1,"at":"x","event":"download_failed"}',
        '{"v":1,"seq":"no","at":"x","event":"seeding_ended"}',
    ],
    ids=lambda line: line[:20],
)
def test_a_broken_line_is_said_to_be_one(line: str) -> None:
    with pytest.raises(BrokenLine):
        from_line(line)


def test_a_journal_counts_from_one_and_stamps_each_entry() -> None:
    seen: list[Entry] = []
    moments = iter([0.0, 1_769_860_800.1234, 1_769_860_801.0])
    journal = Journal([seen.append], now=lambda: next(moments))
    for number in range(3):
        journal.tell(failed(number))
    assert [entry.seq for entry in seen] == [1, 2, 3]
    assert [entry.at for entry in seen] == [
        "1970-01-01T00:00:00.000Z",
        "2026-01-31T12:00:00.123Z",
        "2026-01-31T12:00:01.000Z",
    ]


def test_every_sink_hears_every_notice_in_the_same_order() -> None:
    one: list[Entry] = []
    two: list[Entry] = []
    journal = Journal([one.append, two.append], now=lambda: 0.0)
    for notice in EVERY:
        journal.tell(notice)
    assert [entry.notice for entry in one] == list(EVERY)
    assert one == two
