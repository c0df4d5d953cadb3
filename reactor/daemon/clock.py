"""The only reader of time."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime


def monotonic() -> float:
    """Seconds that only go forward: what deadlines are kept in."""
    return time.monotonic()


def wall() -> float:
    """Seconds since the epoch: what rows and the journal show. May jump."""
    return time.time()


def today() -> date:
    """The day, in UTC."""
    return datetime.fromtimestamp(wall(), UTC).date()
