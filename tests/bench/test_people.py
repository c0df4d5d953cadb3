"""The load of the people who wait for each other, and what is said of their waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrib.bench import people
from contrib.bench.people import FILES, GREEDY, LONG, MORE, NORMAL, RULES, SLOW, Outcome, Row, load, markdown
from contrib.bench.validity import percentile


def test_everybody_is_in_the_load_in_order() -> None:
    wishes = load(30)
    of = {person: [wish for wish in wishes if wish.person == person] for person in (*NORMAL, SLOW, GREEDY)}
    assert [len(each) for each in of.values()] == [FILES] * 3 + [2, LONG + MORE]
    assert [wish.at for wish in wishes] == sorted(wish.at for wish in wishes)
    assert max(wish.at for wish in wishes) < 30 * 60
    assert load(30) == wishes, "each rule has the same"


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (95, 4.0), (100, 4.0), (1, 1.0)])
def test_percentiles_are_values_that_were_measured(percent: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == value


def test_a_wait_without_an_end_is_marked() -> None:
    rows = [Row(NORMAL[0], 0.0, 10.0, 20.0), Row(NORMAL[0], 0.0, 12.0), Row(NORMAL[0], 60.0)]
    others = [Row(person, 0.0, 1.0, 2.0) for person in (*NORMAL[1:], SLOW, GREEDY)]
    lines = markdown({"turns": Outcome(100.0, rows + others)}).splitlines()
    assert lines[2] == "| normal 1 | 3 | turns | 2 | 1 | 12 s | ≥ 40 s | ≥ 40 s |"
    assert lines[3] == "| normal 2 | 1 | turns | 1 | 1 | 1 s | 1 s | 1 s |"


@pytest.mark.nightly
def test_a_short_run_serves_people_in_turns_whom_the_greedy_one_would_keep_waiting(tmp_path: Path) -> None:
    outcomes = people.measure(tmp_path, 0.2)
    assert outcomes.keys() == RULES.keys()
    first_come = outcomes["first come"]
    assert [row for row in first_come.rows if row.begun_at is not None] == [
        row for row in first_come.of(GREEDY) if row.begun_at is not None
    ]
    assert any(row.begun_at is not None for person in NORMAL for row in outcomes["turns"].of(person))
