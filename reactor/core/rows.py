"""A row as the core is told of it when it is to work on it."""

from __future__ import annotations

from reactor.core.job import Attempt
from reactor.errors import Failure
from reactor.options import NO_OPTIONS, Options
from reactor.plan import Detection, Extraction
from reactor.records import dataclass


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A row that is ours to work on: just claimed, or found under way at the start."""

    attempt: Attempt
    url: str
    retry_count: int = 0
    waited_s: float | None = None
    """Seconds between `added_date` and the claim, where that can be told."""
    plan: Extraction | None = None
    """What was extracted for it last, with `plan_attempt` the number of the attempt that did."""
    plan_attempt: int = 0
    stage: str | None = None
    """The stage it was in, when it was found under way."""
    done: frozenset[int] = frozenset()
    """Of the plan's many parts, those that are whole on the disk."""
    progress: float | None = None
    """As the row has it, 0 to 100."""
    error_code: str | None = None
    """How the attempt before this one ended, where that was badly."""
    crashes: int = 0
    """How often in a row the process has died while it worked on it."""
    held: bool = False
    """True when that was so often that not even its plan was read."""
    detection: Detection | None = None
    """What kind of URL it is, where its text tells and it was just claimed."""
    options: Options = NO_OPTIONS
    """What it asks for beyond its URL."""
    owner: str | None = None
    """Whose it is."""
    refusal: Failure | None = None
    """Why it fails at once: its options cannot be understood."""
    generation: int = 0
    """How many lists it is in, one inside the other."""
    parts: int = 0
    """Of a `held` one: how many transfers of this attempt aria2 may have."""
