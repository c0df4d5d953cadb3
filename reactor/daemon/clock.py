"""The only reader of time."""

from __future__ import annotations

import time


def monotonic() -> float:
    """Seconds that only go forward: what deadlines are kept in."""
    return time.monotonic()


def wall() -> float:
    """Seconds since the epoch: what rows and the journal show. May jump."""
    return time.time()
