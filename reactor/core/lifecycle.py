"""The law of one job.

Rule 1: a job changes its state here and nowhere else.
Rule 2: what is not in TRANSITIONS cannot happen. A missing key is a bug of ours, and raises.
Rule 3: this file does not know why a trigger came; `machine` and `flow` do.

The diagram in docs is drawn from the table (`mermaid`), so that it cannot be out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from reactor.core.job import Job, State


class Trigger(StrEnum):
    """What can move a job."""

    DETECTED = "detected"
    RECLASSIFIED = "reclassified"
    EXTRACTED = "extracted"
    FETCHED = "all fetched"
    FILES_MISSING = "files missing"
    """Finishing found the staged bytes gone: they are fetched again."""
    FINISHED = "finished"
    STOP = "failed, cancelled, gone"
    STOPPED = "all taken down"
    SAVED = "saved"
    SAVED_SEEDING = "saved, seeding"
    SEEDED = "seeding over"


class IllegalTransition(AssertionError):
    """The machine tried what the table does not have: a bug, never a condition of the world."""


TRANSITIONS: Mapping[State, Mapping[Trigger, State]] = {
    State.DETECTING: {
        Trigger.DETECTED: State.EXTRACTING,
        Trigger.STOP: State.STOPPING,
    },
    State.EXTRACTING: {
        Trigger.RECLASSIFIED: State.EXTRACTING,
        Trigger.EXTRACTED: State.FETCHING,
        Trigger.STOP: State.STOPPING,
    },
    State.FETCHING: {
        Trigger.FETCHED: State.FINISHING,
        Trigger.STOP: State.STOPPING,
    },
    State.FINISHING: {
        Trigger.FINISHED: State.CLOSING,
        Trigger.FILES_MISSING: State.FETCHING,
        # What arrived is something else, which another extractor goes on with.
        Trigger.RECLASSIFIED: State.EXTRACTING,
        Trigger.STOP: State.STOPPING,
    },
    State.STOPPING: {
        # A cancel overtakes a failure that is being cleaned up.
        Trigger.STOP: State.STOPPING,
        Trigger.STOPPED: State.CLOSING,
    },
    State.CLOSING: {
        # The guarded write was refused: the row was cancelled, deleted or un-cancelled under us.
        Trigger.STOP: State.STOPPING,
        Trigger.SAVED: State.ENDED,
        Trigger.SAVED_SEEDING: State.SEEDING,
    },
    State.SEEDING: {
        Trigger.SEEDED: State.ENDED,
    },
    State.ENDED: {},
}
"""{state: {trigger: next state}}."""


def move(job: Job, trigger: Trigger) -> None:
    """Move `job` as the table says. Raises IllegalTransition, and changes nothing, where it says nothing."""
    following = TRANSITIONS[job.state].get(trigger)
    if following is None:
        raise IllegalTransition(f"{job.attempt}: {trigger!r} in state {job.state!r}")
    job.state = following


def mermaid() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.DETECTING}"]
    for state, row in TRANSITIONS.items():
        lines += [f"    {state} --> {following} : {trigger}" for trigger, following in row.items()]
    return "\n".join([*lines, f"    {State.ENDED} --> [*]"])
