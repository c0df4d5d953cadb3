"""Many seeds, one after the other, and what one that fails looks like."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tests.simulation.world import World


@dataclass(frozen=True)
class Broken:
    """A seed in which a promise was broken."""

    seed: int
    reason: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.reason}\nreplay it: just sim --seed {self.seed}"


def first_broken(seeds: Iterable[int]) -> Broken | None:
    """Run until one fails."""
    for seed in seeds:
        reason = broken(World(seed))
        if reason is not None:
            return Broken(seed, reason)
    return None


class Run(Protocol):
    """What raises when a promise was broken."""

    def run(self) -> None: ...


def broken(world: Run) -> str | None:
    """Run one world; what was wrong in it, in a line."""
    try:
        world.run()
    except Exception as error:  # noqa: BLE001 - whatever the core raises is a promise broken
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:1000]} ({at.name}, line {at.lineno})"
    return None
