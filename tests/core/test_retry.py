"""The retry policy: how often a failure is retried, and after which delay."""

from __future__ import annotations

import pytest

from reactor.aria2.failures import ARIA2, classify_status
from reactor.core.job import Attempt
from reactor.core.retry import RetryPolicy
from reactor.errors import Failure
from reactor.failures import HTTP

POLICY = RetryPolicy(retries_max=5, delay_base_s=30.0, delay_max_s=3600.0)
PASSING = Failure("timeout", "The server stopped answering.", None, True)


@pytest.mark.parametrize("retries", [0, 5])
def test_whoever_reads_how_it_ended_reads_what_to_do(retries: int) -> None:
    for failure in (*ARIA2.values(), *map(classify_status, HTTP)):
        final = POLICY.final(failure, retries)
        assert final.hint
        assert ("tried 6 times" in final.hint) is (failure.retryable and retries == 5)


def test_the_delay_doubles_within_its_jitter_and_stays_under_its_maximum() -> None:
    for retries in range(5):
        cap, delays = 30.0 * 2**retries, []
        for download_id in range(50):
            delay = POLICY.next_delay_s(PASSING, Attempt(download_id, 1), retries)
            assert delay is not None
            assert 0 <= delay <= cap
            delays.append(delay / cap)
        assert min(delays) < 0.1 < 0.9 < max(delays), "the jitter is a full one"
    patient = RetryPolicy(100, 30.0, 3600.0)
    assert (patient.next_delay_s(PASSING, Attempt(1, 99), 99) or 0) <= 3600.0


def test_the_jitter_belongs_to_the_attempt() -> None:
    delays = {POLICY.next_delay_s(PASSING, Attempt(download_id, 1), 0) for download_id in range(50)}
    assert len(delays) == 50
    assert POLICY.next_delay_s(PASSING, Attempt(7, 1), 0) == POLICY.next_delay_s(PASSING, Attempt(7, 1), 0)


def test_no_retry_beyond_the_limit_nor_for_what_will_not_pass() -> None:
    assert POLICY.next_delay_s(PASSING, Attempt(1, 6), 5) is None
    assert POLICY.next_delay_s(ARIA2[3], Attempt(1, 1), 0) is None


def test_what_is_nobodys_fault_costs_no_retry() -> None:
    assert POLICY.next_delay_s(ARIA2[9], Attempt(1, 9), 5, costs=POLICY.costs(ARIA2[9])) is not None
    assert not POLICY.costs(ARIA2[9])
    assert POLICY.costs(PASSING)


def test_what_costs_nothing_is_waited_for_longer_each_time() -> None:
    delays = [
        max(POLICY.next_delay_s(ARIA2[12], Attempt(id, number), 0, costs=False) or 0 for id in range(50))
        for number in (1, 2, 4, 9)
    ]
    assert 15 < delays[0] < 30 < delays[1] < 60 < delays[2] < 240 < delays[3] < 3600


def test_retry_after_is_not_undercut() -> None:
    asked = Failure("rate_limited", "Too often.", None, True, retry_after_s=500.0)
    assert POLICY.next_delay_s(asked, Attempt(1, 1), 0) == 500.0
    absurd = Failure("rate_limited", "Too often.", None, True, retry_after_s=1e9)
    assert POLICY.next_delay_s(absurd, Attempt(1, 1), 0) == 3600.0
