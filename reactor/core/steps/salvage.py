"""Salvage: of a torrent that nobody shares any more the files that are whole stay for the person (PARTIAL_TORRENTS).

The plan is replaced by one that wants these files only, and says so (`finish.notes`). aria2 gets the torrent anew with
it, finds by their hashes that all is there, and the row ends as every other one does: a crash in between finds the one
plan or the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reactor.core.context import Commands, Context
from reactor.core.job import Job, State
from reactor.core.steps import teardown
from reactor.errors import Failure
from reactor.plan import Extraction

NAMES_MAX = 20
"""Files that are named where they are missing."""
SALVAGED = "Nobody shared all of this torrent"


def or_fail(job: Job, failure: Failure, context: Context) -> Commands:
    """Want no more of a torrent than there is, where nothing more comes of it; or end the attempt."""
    plan = _of_what_is_whole(job) if context.limits.partial_torrents else None
    policy, retries = context.limits.retry, teardown.retries_of(job, failure)
    if plan is None or policy.next_delay_s(failure, job.attempt, retries, costs=policy.costs(failure)) is not None:
        return teardown.fail(job, failure, context)
    job.state, job.plan.next_plan = State.SALVAGING, plan
    return teardown.remove(job, context)


def _of_what_is_whole(job: Job) -> Extraction | None:
    found, extraction = job.progress.why_still, job.plan.extraction
    if found is None or extraction is None or not found.whole or not found.lacking:
        return None
    if any(note.startswith(SALVAGED) for note in extraction.finish.notes):
        return None  # it was tried already
    (fetch,) = extraction.fetches
    assert fetch.torrent is not None  # nothing else is asked for its files
    numbers = [number for number, _ in found.whole]
    torrent = fetch.torrent.model_copy(update={"select": ",".join(map(str, numbers))})
    fetch = replace(fetch, torrent=torrent, size=sum(size for _, size in found.whole))
    notes = (*extraction.finish.notes, _note(len(numbers), found.lacking))
    finish = extraction.finish.model_copy(update={"notes": notes})
    return extraction.model_copy(update={"fetches": (fetch,), "finish": finish})


def _note(whole: int, lacking: Sequence[str]) -> str:
    named = ", ".join(lacking[:NAMES_MAX]) + (", …" if len(lacking) > NAMES_MAX else "")
    here = "1 of its files is" if whole == 1 else f"{whole} of its files are"
    return f"{SALVAGED}: {here} here. Missing: {named}."
