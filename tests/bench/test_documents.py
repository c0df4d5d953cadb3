"""The documents of the bench are read, not refused; and what is done for one of them grows as it does."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from contrib.bench import documents
from contrib.bench.documents import KINDS, PER_DOUBLING_MAX

EVERY = [(kind, how) for kind, hows in KINDS.items() for how in hows]


def calls(work: Callable[[], object]) -> int:
    """How many functions it calls, Python's and C's: the same on every machine, at any load."""
    count = 0

    def seen(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.variants(4)
@pytest.mark.fault(71)
@pytest.mark.parametrize(("kind", "how"), EVERY)
def test_twice_as_many_take_twice_as_many_calls(kind: str, how: str) -> None:
    made = KINDS[kind][how]
    once, twice = made(400), made(800)
    assert once() > 0
    assert twice() > 0
    assert calls(twice) / calls(once) < PER_DOUBLING_MAX


def test_the_curve_says_which_doubling_is_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    took = {20: 1.0, 40: 2.0, 80: 6.0, 160: 12.0}
    monkeypatch.setattr(documents, "_best_ms", lambda reads, rounds: took)
    row = documents._curve("HLS", "keys", 160, 1)
    assert (row.measured, row.met) == (3.0, False)
    assert row.note == "HLS, keys: 20: 1.00 ms, 40: 2.00 ms, 80: 6.00 ms, 160: 12.0 ms."
