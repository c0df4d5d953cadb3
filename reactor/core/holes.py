"""Parts that the server does not have: which of them a result can do without, and what is said of the others.

A missing segment is accepted where the plan allows holes (`Track.holes`). Extracted URLs may have expired: before the
result is put together without a segment, its URLs are renewed once.
"""

from __future__ import annotations

from reactor.core.job import Job, Transfer
from reactor.errors import Failure

NOT_THERE, TOO_MANY = "not_found", "rate_limited"
TRIES: dict[str, int] = {NOT_THERE: 1, "bad_part": 2, "server_error": 4}
"""Failures of one part that leave a hole, and after how many tries they do."""
EXTRA_TRIES = 3
"""How often what the result is whole without is tried."""
OF_OURS = frozenset({"no_space", "storage", "too_large", "aria2_lost"})
"""Failures that are not of the part, but of this machine."""
LISTED_MAX = 10


def can_do_without(job: Job, transfer: Transfer, failure: Failure) -> bool:
    """True if the job goes on without a part that has failed so."""
    extraction = job.plan.extraction
    if extraction is not None and extraction.finish.recording is not None:
        return _passes_by(job, transfer, failure)
    if extraction is None or len(job.progress.transfers) == 1:
        return False
    if _is_extra(job, transfer):
        # A server that has had too many requests is asked for what counts alone.
        given_up = failure.code == TOO_MANY and _has_more(job)
        return given_up or not failure.retryable or transfer.adds >= EXTRA_TRIES
    if transfer.adds < TRIES.get(failure.code, transfer.adds + 1):
        return False
    if transfer.fetch.optional:
        return failure.code == NOT_THERE
    return extraction.tolerates({transfer.n, *_segments(job)})


def _passes_by(job: Job, transfer: Transfer, failure: Failure) -> bool:
    """True if a broadcast goes on without a segment: what is not there now is not there later."""
    if failure.code in OF_OURS:
        return False
    tried = transfer.adds >= EXTRA_TRIES or job.budget.setbacks >= EXTRA_TRIES
    return tried or not failure.retryable or failure.code == NOT_THERE


def unsought(job: Job) -> frozenset[int]:
    """Missing parts for which no new URLs were asked yet."""
    extraction, missing = job.plan.extraction, _missing(job)
    if not missing or extraction is None or extraction.finish.recording is not None:
        return frozenset()
    early = extraction.ends_early(missing) or not extraction.tolerates(missing)
    return (missing if early else _segments(job)) - job.plan.sought


def is_bearable(job: Job) -> bool:
    """True if the result is worth having without the parts that are missing."""
    extraction, missing = job.plan.extraction, _missing(job)
    return not missing or (extraction is not None and extraction.tolerates(missing))


def failure(job: Job, *others: Transfer) -> Failure:
    """What is said of the missing parts, and of `others` that are missing, too."""
    numbers = sorted(n + 1 for n in _missing(job) | {each.n for each in others})
    listed = ", ".join(map(str, numbers[:LISTED_MAX])) + (" …" if len(numbers) > LISTED_MAX else "")
    count = len(job.progress.transfers)
    which = f"Part {listed} of {count}" if len(numbers) == 1 else f"{len(numbers)} of {count} parts ({listed})"
    verb = "is" if len(numbers) == 1 else "are"
    return Failure(NOT_THERE, f"{which} of this video {verb} missing on the server.")


def _missing(job: Job) -> frozenset[int]:
    transfers = job.progress.transfers
    return frozenset(n for n in job.progress.missing if not _is_extra(job, transfers[n]))


def _segments(job: Job) -> frozenset[int]:
    """Missing parts that were known to exist."""
    return frozenset(n for n in _missing(job) if not job.progress.transfers[n].fetch.optional)


def _is_extra(job: Job, transfer: Transfer) -> bool:
    """True for subtitles: a video is whole without them."""
    tracks = job.plan.extraction.finish.tracks if job.plan.extraction else ()
    return any(each.form == "webvtt" and each.first <= transfer.n < each.first + each.count for each in tracks)


def _has_more(job: Job) -> bool:
    """True if there is a video beside its subtitles."""
    return job.plan.extraction is not None and any(each.form != "webvtt" for each in job.plan.extraction.finish.tracks)
