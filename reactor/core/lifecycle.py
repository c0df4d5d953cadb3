"""The law of one job: what each event makes of it in each state.

Rule 1: a job is moved by `advance` and by nothing else, once it has begun (`steps.claim`).
Rule 2: what is not in TABLE changes nothing: work that was stopped said its last word, or aria2 answered twice.
Rule 3: a step leads to one of the states that its entry names, or leaves the job where it is. Anything else is a bug
of ours, and raises.

`show` prints the table; the diagram in the docs is drawn from it (`mermaid`), so that it cannot be out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from reactor.core import events as e
from reactor.core.context import Commands, Context
from reactor.core.job import IN_TRANSFER, STOPPING, WORKING, Job, State
from reactor.core.steps import claim, fetch, finish, lease, listing, renew, seed, teardown, window
from reactor.records import dataclass

Step = Callable[[Job, Any, Context], Commands]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is done, and the states that it may lead to beside the one that the job is in."""

    step: Step
    to: frozenset[State]
    name: str
    """`phase.step`."""


class IllegalTransition(AssertionError):
    """A step has led where its entry does not: a bug, never a condition of the world."""


S = State
END = frozenset({S.REMOVING, S.DISCARDING, S.SAVING, S.ENDED})
"""Where a job goes that is to be taken down: as far as there is something to take down."""
FAIL = END | {S.OUT_OF_SPACE}
"""Of what has files on the disk: there may be no space for them."""


def _to(step: Step, *to: State, also: Collection[State] = ()) -> Entry:
    return Entry(step, frozenset({*to, *also}), f"{step.__module__.rpartition('.')[2]}.{step.__name__}")


Table = Mapping[tuple[State, type[e.JobEvent | e.DerivedEvent]], Entry]

TABLE: Table = {
    # Claimed, or found under way
    (S.HELD_BACK, e.HoldElapsed): _to(claim.take_up, S.READING_PLAN),
    (S.READING_PLAN, e.PlanRead): _to(claim.plan_read, S.DETECTING, S.EXTRACTING, S.FINISHING, S.HELD_BACK, also=END),
    # Stage 1 and 2
    (S.DETECTING, e.Detected): _to(fetch.detected, S.EXTRACTING, also=END),
    (S.EXTRACTING, e.Reclassified): _to(fetch.reclassified, also=END),
    (S.EXTRACTING, e.Extracted): _to(fetch.extracted, S.EMPTYING, S.FETCHING, S.FINISHING, also=END),
    (S.EXTRACTING, e.Listed): _to(listing.listed, S.LISTING, also=END),
    (S.LISTING, e.EntriesSaved): _to(listing.entries_saved, S.DISCARDING),
    (S.EMPTYING, e.Discarded): _to(fetch.emptied, S.FETCHING, S.FINISHING, also=END),
    # Stage 3
    **{
        key: entry
        for state in sorted(IN_TRANSFER)
        for key, entry in {
            (state, e.TransfersAdded): _to(window.added),
            (state, e.AddFailed): _to(window.add_failed, S.RENEWING, also=FAIL),
            (state, e.TransferHeard): _to(window.notified),
            (state, e.TransferReported): _to(
                fetch.reported, S.BACKING_OFF, S.RENEWING, S.EXTRACTING, S.FINISHING, also=FAIL
            ),
            (state, e.ProgressDue): _to(fetch.progress_due, S.SALVAGING, also=FAIL),
            (state, e.Aria2Back): _to(window.connected, S.RENEWING, also=FAIL),
            (state, e.Aria2Gone): _to(window.disconnected),
            (state, e.Inquired): _to(fetch.inquired),
        }.items()
    },
    (S.FETCHING, e.WindowOpened): _to(window.opened, S.RENEWING, also=FAIL),
    (S.BACKING_OFF, e.HoldElapsed): _to(window.resumed, S.FETCHING, S.RENEWING, also=FAIL),
    (S.RENEWING, e.TransferReported): _to(renew.reported),
    (S.RENEWING, e.TransfersRemoved): _to(renew.removed, S.EXTRACTING, S.DETECTING),
    (S.RENEWING, e.Aria2Back): _to(teardown.connected),
    (S.RENEWING, e.PatienceElapsed): _to(renew.out_of_patience),
    (S.SALVAGING, e.TransfersRemoved): _to(fetch.salvaged, S.FETCHING),
    (S.SALVAGING, e.Aria2Back): _to(teardown.connected),
    (S.SALVAGING, e.PatienceElapsed): _to(renew.out_of_patience),
    # Finishing
    (S.FINISHING, e.Joined): _to(finish.joined),
    (S.FINISHING, e.Finished): _to(finish.finished, S.SAVING),
    (S.FINISHING, e.Extracted): _to(fetch.described, S.EMPTYING, S.FETCHING, also=END),
    (S.FINISHING, e.Reclassified): _to(fetch.reclassified, S.EXTRACTING, also=END),
    (S.FINISHING, e.WorkFailed): _to(
        finish.work_failed, S.FETCHING, S.BACKING_OFF, S.RENEWING, S.AWAITING_SPACE, also=FAIL
    ),
    (S.AWAITING_SPACE, e.HoldElapsed): _to(finish.space_awaited, S.FINISHING),
    # Whatever it does, it can fail, be cancelled, and turn out not to be ours any more
    **{
        (state, e.WorkFailed): _to(teardown.work_failed, also=END)
        for state in (S.READING_PLAN, S.DETECTING, S.EXTRACTING, S.EMPTYING)
    },
    **{(state, e.WorkFailed): _to(teardown.work_failed, also=FAIL) for state in sorted(IN_TRANSFER)},
    **{
        key: entry
        for state in sorted(WORKING | {S.FENCED})
        for key, entry in {
            (state, e.SaveStale): _to(teardown.stale),
            (state, e.SaveRejected): _to(teardown.rejected, also=END),
            (state, e.Overtaken): _to(teardown.overtaken, also=END),
            (state, e.RowConfirmed): _to(teardown.confirmed, also=END),
            (state, e.Condemned): _to(teardown.condemned, also=END),
            (state, e.TimeUp): _to(teardown.time_up, also=END),
        }.items()
    },
    # The lease of this machine is lost, and held again
    **{(state, e.LeaseLost): _to(lease.lost, S.FENCED) for state in sorted(WORKING)},
    (S.REMOVING, e.LeaseLost): _to(lease.still_stopping),
    (S.FENCED, e.TransfersRemoved): _to(lease.removed, S.READING_PLAN),
    (S.FENCED, e.LeaseRegained): _to(lease.regained, S.READING_PLAN),
    (S.FENCED, e.Aria2Back): _to(lease.ask_again),
    (S.FENCED, e.PatienceElapsed): _to(lease.ask_again),
    # Taking down
    (S.REMOVING, e.TransfersRemoved): _to(teardown.removed, S.DISCARDING, S.SAVING, S.ENDED),
    (S.REMOVING, e.Aria2Back): _to(teardown.connected),
    (S.REMOVING, e.PatienceElapsed): _to(teardown.out_of_patience, S.SAVING, S.ENDED),
    (S.DISCARDING, e.Discarded): _to(teardown.discarded, S.SAVING, S.ENDED),
    **{(state, e.Overtaken): _to(teardown.overtaken) for state in sorted(STOPPING)},
    **{(state, e.RowConfirmed): _to(teardown.confirmed) for state in sorted(STOPPING)},
    # The last write
    **{
        key: entry
        for state in (S.SAVING, S.DOUBTED)
        for key, entry in {
            (state, e.Saved): _to(teardown.saved, S.SEEDING, S.ENDED),
            (state, e.SaveStale): _to(teardown.last_stale, S.DOUBTED),
            (state, e.SaveRejected): _to(teardown.rejected, also=END),
        }.items()
    },
    (S.DOUBTED, e.Overtaken): _to(teardown.overtaken, also=END),
    (S.DOUBTED, e.RowConfirmed): _to(teardown.save_again, also=END),
    # Its row is final, and others are served
    (S.SEEDING, e.TransferReported): _to(seed.reported, S.ENDED),
    (S.SEEDING, e.TransferHeard): _to(seed.notified),
    (S.SEEDING, e.Aria2Back): _to(seed.connected),
    (S.SEEDING, e.Superseded): _to(seed.superseded, S.ENDED),
}
"""{(state, event): what is done, and where it may lead}."""

BEGIN = (S.DETECTING, S.EXTRACTING, S.FINISHING, S.HELD_BACK)
"""Where a job begins: when it is claimed, and when its URL's text tells the kind; when it is found under way with its
plan, and again and again. Where the lease was lost meanwhile it goes on from there to `fenced` at once."""


def advance(job: Job, event: e.JobEvent | e.DerivedEvent, context: Context) -> Commands:
    """Do what the table says. Raises IllegalTransition where a step leads to a state that its entry does not name."""
    before = job.state
    entry = TABLE.get((before, type(event)))
    if entry is None:
        return []
    context.taken[entry.name] = None
    decided = entry.step(job, event, context)
    if job.state is not before and job.state not in entry.to:
        raise IllegalTransition(f"{job.attempt}: {entry.name} led from {before} to {job.state}")
    return decided


def show() -> str:
    """The table, a line for each entry."""
    rows = [
        (state.value, event.__name__, entry.name, ", ".join(to.value for to in State if to in entry.to))
        for (state, event), entry in sorted(TABLE.items(), key=lambda item: _order(*item[0]))
    ]
    widths = [max(len(row[n]) for row in rows) for n in range(3)]
    lines = ["  ".join([*(row[n].ljust(widths[n]) for n in range(3)), row[3]]).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


def _order(state: State, event: type) -> tuple[int, str]:
    return list(State).index(state), event.__name__


def mermaid() -> str:
    """The table as a Mermaid state diagram.

    What works and what takes a job down are drawn as boxes, and what may happen to all that works as one arrow; events
    that move no job are left out."""
    ends = [event for event in _events() if all(_ends(TABLE.get((state, event))) for state in WORKING)]
    out = {event: to for event in _events() if (to := _left_for(event)) is not None}
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, event), entry in sorted(TABLE.items(), key=lambda item: _order(*item[0])):
        if state in WORKING and (event in ends or event in out):
            continue
        stops = _ends(entry)
        for to in State:
            if to in entry.to and to is not state and not (stops and to in END):
                arrows.setdefault((_box(state), _box(to)), []).append(event.__name__)
        if stops:
            arrows.setdefault((_box(state), "stopping"), []).append(event.__name__)
    boxes = {"working": {_box(state) for state in WORKING}, "stopping": {_box(state) for state in STOPPING}}
    lines = ["stateDiagram-v2"]
    for box, within in boxes.items():
        lines.append(f"    state {box} {{")
        lines += [f"        [*] --> {_box(state)}" for state in BEGIN if box == "working"]
        lines += [f"        {arrow}" for pair, arrow in _drawn(arrows) if {*pair} <= within]
        lines.append("    }")
    inner = list(boxes.values())
    lines += ["    [*] --> working", f"    working --> stopping : {', '.join(event.__name__ for event in ends)}"]
    lines += [f"    working --> {_box(to)} : {event.__name__}" for event, to in out.items()]
    lines += [f"    {arrow}" for pair, arrow in _drawn(arrows) if not any({*pair} <= within for within in inner)]
    return "\n".join([*lines, f"    {_box(State.ENDED)} --> [*]"])


def _events() -> list[type]:
    return sorted({event for _, event in TABLE}, key=lambda event: event.__name__)


def _left_for(event: type) -> State | None:
    """The one state to which all that works goes with this event."""
    entries = [TABLE.get((state, event)) for state in WORKING]
    led = {entry.to if entry is not None else frozenset[State]() for entry in entries}
    (to,) = led.pop() if len(led) == 1 and len(min(led)) == 1 else (None,)
    return to


def _ends(entry: Entry | None) -> bool:
    return entry is not None and entry.to >= END


def _drawn(arrows: Mapping[tuple[str, str], list[str]]) -> list[tuple[tuple[str, str], str]]:
    return [(pair, f"{pair[0]} --> {pair[1]} : {', '.join(names)}") for pair, names in arrows.items()]


def _box(state: State) -> str:
    return state.value.replace(" ", "_")
