"""The retry policy: how often a failure is retried, and after which delay."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from reactor.core.job import Attempt
from reactor.errors import Failure
from reactor.failures import FAILURES
from reactor.records import dataclass

LATER, ELSEWHERE = "Try it again later.", "Look for it elsewhere."

CHANGED = Failure("changed", "The file on the server was changed while it was downloaded.", None, True)
"""Seen by us: bytes of two versions would have been put together."""

FROM_ZERO = frozenset({"cannot_resume", "changed", "checksum"})
"""After these the partial file is of no use."""

UNTOLD = Failure("server_error", "The server answered with an error.", None, True)
"""An HTTP error whose status aria2 does not report: so it is when a connection had broken before."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long."""

    retries_max: int
    delay_base_s: float
    delay_max_s: float

    def next_delay_s(self, failure: Failure, attempt: Attempt, retry_count: int, *, costs: bool = True) -> float | None:
        """Seconds until the next attempt after `retry_count` retries, or None when there is none. Those that cost
        nothing have no limit, and are waited for longer each time all the same.

        Backoff doubles, with full jitter: anything between nothing and all of it. What is drawn derives from the
        attempt, so that it is the same in a replay. A server's Retry-After is not undercut, up to `delay_max_s`."""
        if not failure.retryable or (costs and retry_count >= self.retries_max):
            return None
        doublings = retry_count if costs else attempt.number - 1
        cap = min(self.delay_max_s, self.delay_base_s * float(1 << min(doublings, 32)))
        delay = cap * chance("jitter", attempt.download_id, attempt.number)
        return max(delay, min(failure.retry_after_s or 0.0, self.delay_max_s))

    def final(self, failure: Failure, retry_count: int) -> Failure:
        """The failure as the row that gives up shows it: with the number of tries, where there were several, and
        what the person can do."""
        tried = [f"It was tried {retry_count + 1} times."] if failure.retryable and retry_count else []
        hint = failure.hint or (LATER if failure.retryable else ELSEWHERE)
        return replace(failure, hint=" ".join([*tried, hint]))

    def costs(self, failure: Failure) -> bool:
        """True when this failure uses up one of the retries."""
        return FAILURES[failure.code].uses_retry if failure.code in FAILURES else True


def chance(*identity: object) -> float:
    """A number in [0, 1) that belongs to `identity`: no dice, so that it is the same in a replay."""
    digest = hashlib.sha256("/".join(map(str, identity)).encode()).digest()
    return int.from_bytes(digest[:7]) / (1 << 56)
