"""HOURS: outside them nothing is begun, and what runs goes on."""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.job import State
from tests.core.world import ONE, World


def test_outside_the_hours_nothing_is_claimed() -> None:
    world = World()
    world.feed(events.HoursChanged(open=False))
    world.up().feed(events.DatabaseChanged("file"))
    assert world.the(commands.PollRows).claim == 0
    world.feed(events.RowsPolled(), events.HoursChanged(open=True))
    assert world.the(commands.PollRows).claim == 1


def test_what_runs_goes_on() -> None:
    world = World().up().fetching(ONE)
    world.feed(events.HoursChanged(open=False))
    assert world.machine.jobs[1].state is State.FETCHING
    assert not [each for each in world.last if isinstance(each, commands.RemoveTransfers | commands.StopWork)]
