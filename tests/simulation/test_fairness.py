"""Nobody waits for long, and the figures of the documentation are reached."""

from __future__ import annotations

import pytest

from tests.simulation.fairness import check, limits, outcome, six_hours
from tests.simulation.mutants import UNFAIR, mutated

RUNS, RUNS_MUTATED = 8, 5


@pytest.mark.fault(74)
@pytest.mark.timeout(300)
def test_no_owner_waits_for_longer_than_it_takes_the_others_to_have_their_slices() -> None:
    cut = [check(seed) for seed in range(RUNS)]
    assert sum(cut) > 5 * RUNS, "hardly anything was cut"


@pytest.mark.nightly
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", UNFAIR)
def test_it_is_found(name: str) -> None:
    with mutated(UNFAIR[name]):
        assert any(_broken(seed) for seed in range(RUNS_MUTATED))


def _broken(seed: int) -> bool:
    try:
        check(seed)
    except AssertionError:
        return True
    return False


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_one_slot_for_six_hours() -> None:
    found = outcome(limits(), six_hours())
    assert found.done == 32
    assert found.median_min <= 1.8
    assert found.longest_min <= 4.0
    assert found.greedy >= 106


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_files_that_take_an_hour_are_cut() -> None:
    found = outcome(limits(), six_hours(greedy=(20, 40_000)))
    assert found.done == 32
    assert found.median_min <= 1.8
    assert found.longest_min <= 6.0
    assert found.greedy >= 5
    assert found.yields
    without = outcome(limits(slice_s=0.0), six_hours(greedy=(20, 40_000)))
    assert without.median_min > 10 * found.median_min
