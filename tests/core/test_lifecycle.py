"""The law of one job: the table is what it is known to be, and a step that leads elsewhere raises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reactor.core import events, lifecycle
from reactor.core.context import Commands, Context, Limits
from reactor.core.job import Attempt, Job, State, derive_gid
from reactor.core.lifecycle import BEGIN, TABLE, Entry, IllegalTransition, advance, mermaid, show

ONE = Attempt(1, 1)
COPY = Path(__file__).parent / "lifecycle.txt"


def job(state: State) -> Job:
    return Job(ONE, "http://host.example/a", state, 0.0)


def test_the_table_is_the_one_that_was_reviewed() -> None:
    """After a change that is meant: python -c "from reactor.core.lifecycle import show; print(show(), end='')" """
    assert show() == COPY.read_text(encoding="utf-8")


def test_what_is_not_in_the_table_changes_nothing() -> None:
    one, context = job(State.ENDED), Context(Limits())
    assert advance(one, events.Finished(ONE, "/a", 1), context) == []
    assert (one.state, context.taken) == (State.ENDED, {})


def test_a_step_that_leads_where_its_entry_does_not_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def astray(job: Job, event: Any, context: Context) -> Commands:
        job.state = State.SEEDING
        return []

    entry = Entry(astray, frozenset({State.EXTRACTING}), "astray")
    monkeypatch.setattr(lifecycle, "TABLE", {(State.DETECTING, events.TimeUp): entry})
    with pytest.raises(IllegalTransition, match="led from detecting to seeding"):
        advance(job(State.DETECTING), events.TimeUp(ONE), Context(Limits()))


def test_the_step_that_was_taken_is_told_by_its_name() -> None:
    context = Context(Limits())
    advance(job(State.DETECTING), events.Overtaken(ONE, "asked"), context)
    assert list(context.taken) == ["teardown.overtaken"]


def test_every_state_can_be_reached_and_every_state_but_the_last_can_be_left() -> None:
    reached = {*BEGIN, *(to for entry in TABLE.values() for to in entry.to)}
    left = {state for (state, _), entry in TABLE.items() if entry.to - {state}}
    assert reached == set(State)
    assert set(State) - left == {State.ENDED}


def test_a_row_becomes_final_only_by_a_write_but_for_one_that_is_gone() -> None:
    """Whatever else may lead to the end does so for a row that nobody writes to any more."""
    into_seeding = {(state, event) for (state, event), entry in TABLE.items() if State.SEEDING in entry.to}
    assert into_seeding == {(State.SAVING, events.Saved), (State.DOUBTED, events.Saved)}


def test_the_diagram_has_an_arrow_for_every_move() -> None:
    drawn = mermaid()
    for (state, event), entry in TABLE.items():
        for to in entry.to - {state}:
            one, other = (each.value.replace(" ", "_") for each in (state, to))
            lines = [line for line in drawn.splitlines() if event.__name__ in line]
            lines = [line for line in lines if line.strip().startswith((one, "working -->"))]
            assert any(f"--> {other} " in line or "--> stopping " in line for line in lines), (state, event, to)


def test_gids_are_sixteen_hex_digits_and_differ_by_everything_they_derive_from() -> None:
    gids = {derive_gid(i, Attempt(d, a), n) for i in "xy" for d in (1, 2) for a in (1, 2) for n in (0, 1)}
    assert len(gids) == 16
    assert all(len(gid) == 16 and int(gid, 16) for gid in gids)
    assert derive_gid("x", Attempt(1, 2), 3) == derive_gid("x", Attempt(1, 2), 3)


def test_the_architecture_page_shows_the_table_as_it_is() -> None:
    page = Path(__file__).parents[2] / "contrib" / "docs" / "architecture.md"
    text = page.read_text(encoding="utf-8")
    assert f"```mermaid\n{mermaid()}\n```" in text
