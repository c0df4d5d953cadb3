"""The law of one job: what the table has, what it does not, and that nothing else moves a job."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from reactor.core.job import Attempt, Job, State, derive_gid
from reactor.core.lifecycle import TRANSITIONS, IllegalTransition, Trigger, mermaid, move


def job(state: State) -> Job:
    return Job(Attempt(1, 1), "http://host.example/a", state, 0, 0.0)


@pytest.mark.parametrize(("state", "trigger"), list(itertools.product(State, Trigger)))
def test_a_job_moves_as_the_table_says_and_in_no_other_way(state: State, trigger: Trigger) -> None:
    one = job(state)
    following = TRANSITIONS[state].get(trigger)
    if following is None:
        with pytest.raises(IllegalTransition):
            move(one, trigger)
        assert one.state is state
    else:
        move(one, trigger)
        assert one.state is following


def test_every_state_can_be_reached_and_every_state_but_the_last_can_be_left() -> None:
    reached = {State.DETECTING, *(to for row in TRANSITIONS.values() for to in row.values())}
    assert reached == set(State) == set(TRANSITIONS)
    assert [state for state, row in TRANSITIONS.items() if not row] == [State.ENDED]


def test_whatever_works_can_be_stopped() -> None:
    working = (State.DETECTING, State.EXTRACTING, State.FETCHING, State.FINISHING, State.STOPPING, State.CLOSING)
    assert all(TRANSITIONS[state][Trigger.STOP] is State.STOPPING for state in working)


def test_a_row_becomes_final_only_by_a_write() -> None:
    into_the_end = {trigger for row in TRANSITIONS.values() for trigger, to in row.items() if to is State.ENDED}
    assert into_the_end == {Trigger.SAVED, Trigger.SEEDED}


def test_the_diagram_has_every_transition() -> None:
    drawn = mermaid()
    for state, row in TRANSITIONS.items():
        for trigger, following in row.items():
            assert f"    {state} --> {following} : {trigger}" in drawn


def test_gids_are_sixteen_hex_digits_and_differ_by_everything_they_derive_from() -> None:
    gids = {derive_gid(i, Attempt(d, a), n) for i in "xy" for d in (1, 2) for a in (1, 2) for n in (0, 1)}
    assert len(gids) == 16
    assert all(len(gid) == 16 and int(gid, 16) for gid in gids)
    assert derive_gid("x", Attempt(1, 2), 3) == derive_gid("x", Attempt(1, 2), 3)


def test_the_architecture_page_shows_the_table_as_it_is() -> None:
    page = Path(__file__).parents[2] / "contrib" / "docs" / "architecture.md"
    assert f"```mermaid\n{mermaid()}\n```" in page.read_text(encoding="utf-8")
