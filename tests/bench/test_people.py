"""The load of the people who wait for each other, and what is said of their waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from contrib.bench import people
from contrib.bench.people import (
    FILES,
    FIRST_COME,
    GREEDY,
    LINKS_MAX,
    LONG,
    MORE,
    NORMAL,
    RULES,
    SLOW,
    TURNS,
    Outcome,
    Row,
    load,
    markdown,
    messages,
)
from contrib.bench.validity import percentile


def test_everybody_is_in_the_load_in_order() -> None:
    wishes = load(30)
    of = {person: [wish for wish in wishes if wish.person == person] for person in (*NORMAL, SLOW, GREEDY)}
    assert [len(each) for each in of.values()] == [FILES] * 3 + [2, LONG + MORE]
    assert [wish.at for wish in wishes] == sorted(wish.at for wish in wishes)
    assert max(wish.at for wish in wishes) < 30 * 60
    assert load(30) == wishes, "each rule has the same"
    assert [wish.number for wish in wishes] == [*range(len(wishes))], "each has a name of its own"


def test_a_message_has_links_of_one_person_and_no_more_than_fit() -> None:
    said = [*messages(load(30))]
    assert [wish for message in said for wish in message] == load(30)
    assert {len({(wish.at, wish.person) for wish in message}) for message in said} == {1}
    assert [len(message) for message in said] == [LINKS_MAX] * 3 + [1] * (3 * FILES + 2)


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (95, 4.0), (100, 4.0), (1, 1.0)])
def test_percentiles_are_values_that_were_measured(percent: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == value


def test_a_wait_without_an_end_is_marked() -> None:
    rows = [Row(NORMAL[0], 0.0, 10.0, 20.0), Row(NORMAL[0], 0.0, 12.0), Row(NORMAL[0], 60.0)]
    others = [Row(person, 0.0, 1.0, 2.0, 3.0) for person in (*NORMAL[1:], SLOW, GREEDY)]
    lines = markdown({"turns": Outcome(100.0, rows + others)}).splitlines()
    assert lines[2] == "| normal 1 | 3 | turns | 2 | 1 | 0 | 12 s | ≥ 40 s | ≥ 40 s |"
    assert lines[3] == "| normal 2 | 1 | turns | 1 | 1 | 1 | 1 s | 1 s | 1 s |"


@pytest.mark.nightly
async def test_a_short_run_serves_people_in_turns_whom_the_greedy_one_would_keep_waiting(tmp_path: Path) -> None:
    outcomes = await people.measure(tmp_path, 0.3)
    assert outcomes.keys() == RULES.keys()
    begun = {rule: [row for row in outcome.rows if row.begun_at is not None] for rule, outcome in outcomes.items()}
    assert {row.person for row in begun[FIRST_COME]} == {GREEDY}
    assert any(row.arrived_at is not None for row in begun[TURNS] if row.person in NORMAL)
