"""Where the storms of the test suite begin: at another seed each day."""

from __future__ import annotations

import os
from datetime import UTC, datetime

VARIABLE = "SIM_FIRST"
SEEDS = 200
"""Storms for each change, others each day; `just nightly` has 20 000."""
EACH = 20


def first_seed() -> int:
    """That of today, or the one that is to be repeated."""
    return int(os.environ.get(VARIABLE) or datetime.now(UTC).date().toordinal() * 10 * SEEDS)


def told() -> str:
    """A line for the head of a test run."""
    return f"simulation: {SEEDS} storms from seed {first_seed()} on; {VARIABLE}={first_seed()} repeats them"
