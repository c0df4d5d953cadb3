"""The simulation is worth what it finds: each way to break the core, within some hundred storms."""

from __future__ import annotations

import pytest

from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.runs import first_broken

SEEDS = 800


@pytest.mark.parametrize("name", MUTANTS)
def test_it_is_found(name: str) -> None:
    with mutated(MUTANTS[name]):
        assert first_broken(range(SEEDS)) is not None
    assert first_broken(range(3)) is None, "the core is as it was"
