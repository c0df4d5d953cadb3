"""What was found out for rows that ask, until somebody answers."""

from __future__ import annotations

import pytest

from reactor.daemon import clock
from reactor.daemon.findings_cache import BYTES_MAX, KEPT_S, ROWS_MAX, FindingsCache
from reactor.options import NO_OPTIONS, Options

ASKS, ANSWERED = Options(ask="formats"), Options(ask="never", quality=720)


def test_it_is_there_for_the_answer_and_for_nobody_else() -> None:
    answers = FindingsCache()
    assert answers.of(1, NO_OPTIONS) is None
    asked = answers.of(1, ASKS)
    assert asked is not None
    assert answers.of(1, ASKS) is answers.of(1, ANSWERED) is asked
    assert answers.of(2, ANSWERED) is None
    assert answers.of(1, Options(ask="never", cookies="mine")) is None, "that decides what the site says"


def test_it_goes_with_the_time_and_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, now = FindingsCache(), clock.monotonic()
    asked = [answers.of(id, ASKS) for id in range(ROWS_MAX + 1)]
    assert answers.of(ROWS_MAX, ANSWERED) is asked[-1]
    assert answers.of(0, ANSWERED) is None
    assert asked[5] is not None
    asked[5].keep("a", b"", 1)
    asked[5].kept_bytes = BYTES_MAX + 1
    assert answers.of(5, ANSWERED) is None
    monkeypatch.setattr(clock, "monotonic", lambda: now + KEPT_S + 1)
    assert answers.of(ROWS_MAX, ANSWERED) is None
