"""Windows of speed and of hours, by the local clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from reactor.hours import is_open, limit_at, next_boundary, next_opening, speed, speed_windows, windows

Zone = Callable[[str], None]
MIB = 1024 * 1024


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """Sets the time zone of the process, as rules that need no files: EU's are those of Berlin."""

    def to(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield to
    monkeypatch.undo()
    time.tzset()


BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def shown(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()[:16]


def test_the_first_window_that_fits_counts(zone: Zone) -> None:
    zone(BERLIN)
    limits = speed_windows("mon-fri 08-22 2M; sat,sun 10-12:30 500K; * 0")
    at = {
        "2026-07-06T05:59": 0,  # Monday, 07:59 in Berlin
        "2026-07-06T06:00": 2 * MIB,
        "2026-07-06T19:59": 2 * MIB,
        "2026-07-06T20:00": 0,
        "2026-07-11T10:29": 512000,
        "2026-07-11T10:30": 0,
    }
    assert {text: limit_at(limits, 7, utc(text)) for text in at} == at
    assert limit_at(speed_windows("mon 08-22 2M"), 7, utc("2026-07-07T12:00")) == 7


def test_a_night_belongs_to_the_day_on_which_it_begins(zone: Zone) -> None:
    zone("UTC")
    friday = windows("fri 22-07")
    assert [is_open(friday, utc(f"2026-07-{day}T{hour}")) for day, hour in (("10", "21:59"), ("10", "22:00"))] == [0, 1]
    assert [is_open(friday, utc(f"2026-07-{day}T{hour}")) for day, hour in (("11", "06:59"), ("11", "07:00"))] == [1, 0]
    assert not is_open(friday, utc("2026-07-10T03:00"))
    assert is_open((), 0.0), "without hours it is always time"
    assert shown(next_opening(friday, utc("2026-07-11T08:00"))) == "2026-07-17T22:00"


def test_the_next_boundary(zone: Zone) -> None:
    zone(BERLIN)
    those = windows("mon-fri 08-22; sat 10:30-12")
    assert shown(next_boundary(those, utc("2026-07-06T06:00"))) == "2026-07-06T08:30"
    assert shown(next_boundary(windows("22-07"), utc("2026-07-06T06:00"))) == "2026-07-06T20:00"
    assert next_boundary((), 0.0) is None


def test_where_the_clock_is_set_forward(zone: Zone) -> None:
    zone(BERLIN)  # on 29 March 2026 at 01:00 UTC it is 03:00 instead of 02:00
    those = windows("02-05")
    assert not is_open(those, utc("2026-03-29T00:59"))
    assert is_open(those, utc("2026-03-29T01:00")), "it is 03:00"
    assert not is_open(those, utc("2026-03-29T03:00"))
    assert shown(next_boundary(those, utc("2026-03-29T00:30"))) == "2026-03-29T01:00"
    assert shown(next_boundary(those, utc("2026-03-29T01:00"))) == "2026-03-29T03:00"


def test_where_the_clock_is_set_back(zone: Zone) -> None:
    zone(BERLIN)  # on 25 October 2026 at 01:00 UTC it is 02:00 instead of 03:00
    those = windows("02:30-03")
    at = ["2026-10-25T00:29", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"]
    assert [is_open(those, utc(text)) for text in at] == [False, True, False, True, False]
    boundaries, now = [], utc(at[0])
    for _ in range(4):
        now = next_boundary(those, now) or 0.0
        boundaries.append(shown(now))
    assert boundaries == ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"]


@pytest.mark.parametrize(("text", "bytes_s"), [("0", 0), ("2M", 2 * MIB), ("500k", 512000), ("1.5M", 1572864)])
def test_speeds(text: str, bytes_s: int) -> None:
    assert speed(text) == bytes_s


@pytest.mark.parametrize("text", ["", "fast", "-1", "2MB", "1", "9999G", "1e3"])
def test_what_is_no_speed_is_said(text: str) -> None:
    with pytest.raises(ValueError, match="no speed"):
        speed(text)


@pytest.mark.parametrize("text", ["25-07", "08-08", "8", "monday 08-22", "mon 08-22 2M", "08:60-09", "mon tue", "-"])
def test_what_is_no_window_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|are no"):
        windows(text)


def test_too_many_windows() -> None:
    with pytest.raises(ValueError, match="more than"):
        windows("08-22;" * 51)
