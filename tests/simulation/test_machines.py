"""Several machines in one world, in some storms; and each way to let two of them have one row is found."""

from __future__ import annotations

import pytest

from tests.simulation.base import first_seed
from tests.simulation.machines import Cluster
from tests.simulation.mutants import UNLEASED, mutated
from tests.simulation.runs import broken

SEEDS, EACH, SEEDS_MUTATED = 20, 10, 300


@pytest.mark.fault(75, 76)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(0, SEEDS, EACH))
def test_every_row_has_one_file_and_nothing_goes_on_without_a_lease(number: int) -> None:
    for seed in range(first_seed() + number, first_seed() + number + EACH):
        assert broken(Cluster(seed)) is None, f"python -m tests.simulation.machines {seed} 1"


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", UNLEASED)
def test_it_is_found(name: str) -> None:
    with mutated(UNLEASED[name]):
        assert any(broken(Cluster(seed)) for seed in range(SEEDS_MUTATED))
    assert broken(Cluster(0)) is None, "the core is as it was"
