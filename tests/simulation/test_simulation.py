"""The core in thousands of storms; `just sim` goes on for as long as it is told."""

from __future__ import annotations

import pytest

from tests.simulation.base import EACH, SEEDS, first_seed
from tests.simulation.runs import first_broken
from tests.simulation.world import World


@pytest.mark.fault(14, 15, 17, 21, 22, 23, 49)
@pytest.mark.parametrize("number", range(0, SEEDS, EACH))
def test_every_promise_is_kept(number: int) -> None:
    first = first_seed() + number
    found = first_broken(range(first, first + EACH))
    assert found is None, str(found)


def test_a_seed_is_the_same_each_time() -> None:
    one, other = (World(7, keep_log=True) for _ in range(2))
    one.run()
    other.run()
    assert one.history
    assert one.history == other.history
