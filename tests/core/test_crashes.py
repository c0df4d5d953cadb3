"""Rows that the process has died with: which are taken up again, and when."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.crashes import CRASHES_MAX, HELD_FROM, HOLD_S, ROW_TRIAL_S
from reactor.core.job import Attempt
from reactor.core.rows import ClaimedRow
from reactor.errors import Failure
from tests.core.world import INSTANCE, World, connected, left, one_file, report, reported

ONE, TWO = Attempt(1, 1), Attempt(2, 3)
MISSING = Failure("files_missing", "aria2c said it was done.", None, True)
WORK = (commands.Detect, commands.Extract, commands.AddTransfers, commands.Finish, commands.ReadPlan)


def held(attempt: Attempt, crashes: int, parts: int = 1) -> ClaimedRow:
    """As a row is found that the process has died with too often to read its plan."""
    return ClaimedRow(attempt, "http://host.example/", plan_attempt=1, crashes=crashes, held=True, parts=parts)


def under_way(attempt: Attempt, crashes: int, stage: str = "fetching") -> ClaimedRow:
    """As a row is found whose plan is read."""
    plan = {"plan": one_file(), "plan_attempt": attempt.number, "stage": stage, "progress": 50.0}
    return ClaimedRow(attempt, "http://host.example/", crashes=crashes, **plan)  # type: ignore[arg-type]


def recovered(*rows: ClaimedRow) -> World:
    return World().feed(connected(), events.Recovered(rows, (), INSTANCE))


def begun(world: World) -> set[int]:
    """The rows for which something was begun just now."""
    return {command.attempt.download_id for command in world.last if isinstance(command, WORK)}


@pytest.mark.fault(66)
def test_the_third_death_in_a_row_is_the_last_one() -> None:
    world = recovered(held(ONE, CRASHES_MAX, parts=2), under_way(TWO, 0))
    assert begun(world) == {2}, "the others go on"
    removed = world.the(commands.RemoveTransfers)
    assert (removed.attempt, removed.gids) == (ONE, left(ONE, 2)), "an aria2 elsewhere has outlived us"
    world.feed(events.TransfersRemoved(ONE)).feed(events.Discarded(ONE))
    saved = world.the(commands.SaveFailed)
    assert (saved.attempt, saved.failure.code) == (ONE, "crashed")
    assert saved.failure.text.startswith("reactor itself ended 3 times in a row while it worked on this")


def test_one_that_failed_so_leaves_a_debt_where_aria2_is_away() -> None:
    world = World().feed(events.Recovered((held(ONE, CRASHES_MAX, parts=2),), (), INSTANCE))
    world.feed(events.TimePassed(), after=600.0)
    world.feed(events.Saved(ONE)).feed(connected())
    assert world.the(commands.CleanUp).gids == left(ONE, 2)


def test_a_first_death_holds_up_nobody() -> None:
    world = recovered(under_way(ONE, 1))
    assert world.the(commands.Finish).attempt == ONE
    (notice,) = [each for each in world.told() if isinstance(each, notices.DownloadResumed)]
    assert notice.crashes == 1


def test_after_the_second_it_is_left_alone_for_a_while_and_that_it_is_tried_is_written_down_first() -> None:
    world = recovered(held(ONE, HELD_FROM))
    assert not begun(world)
    (notice,) = [each for each in world.told() if isinstance(each, notices.DownloadHeldBack)]
    assert (notice.crashes, notice.delay_s) == (HELD_FROM, HOLD_S)
    assert world.machine.next_deadline() == HOLD_S
    world.feed(events.TimePassed(), after=HOLD_S)
    kinds = [type(each) for each in world.last]
    assert kinds.index(commands.SaveTakenUp) < kinds.index(commands.ReadPlan)
    world.feed(events.PlanRead(ONE, under_way(ONE, HELD_FROM)))
    assert world.the(commands.Finish).resumed


def test_several_of_them_are_tried_one_after_the_other() -> None:
    world = recovered(held(ONE, HELD_FROM), held(TWO, HELD_FROM))
    assert begun(world.feed(events.TimePassed(), after=HOLD_S)) == {1}
    assert begun(world.feed(events.TimePassed(), after=ROW_TRIAL_S)) == {2}


SEVERAL = Limits(concurrent=3)
STILL_THERE = events.RowsPolled((events.WatchedRow(1, 1, "downloading", False),))


def claims(world: World) -> list[int]:
    """How many rows each of the last polls may claim."""
    return [poll.claim for poll in world.of(commands.PollRows)]


def tried() -> World:
    """ONE is tried since now, there are slots for others, and the rows are polled once more."""
    world = World(SEVERAL).up(held(ONE, HELD_FROM)).seen(ONE)
    assert claims(world) == [2], "others go on while it is held back"
    world.feed(STILL_THERE, events.TimePassed(), after=HOLD_S)
    world.feed(events.PlanRead(ONE, under_way(ONE, HELD_FROM)), events.DatabaseChanged("poll"))
    return world


@pytest.mark.fault(66)
@pytest.mark.parametrize("answer", [STILL_THERE, events.DatabaseFailed(Failure("database", "It is locked."))])
def test_it_is_not_tried_before_a_poll_that_may_claim_others_is_answered(answer: events.Event) -> None:
    world = World(SEVERAL).up(held(ONE, HELD_FROM)).seen(ONE)
    assert claims(world) == [2]
    world.feed(events.TimePassed(), after=HOLD_S)
    assert not world.last
    assert (world.machine.next_deadline() or math.inf) > world.now
    assert world.feed(answer).the(commands.SaveTakenUp).attempt == ONE


@pytest.mark.fault(66)
def test_while_it_is_tried_no_other_row_is_claimed_that_the_process_could_die_of_instead() -> None:
    world = tried()
    assert claims(world) == [0]
    world.seen(ONE)
    assert claims(world) == [0]
    world.feed(STILL_THERE)
    assert world.machine.next_deadline() == HOLD_S + ROW_TRIAL_S
    assert claims(world.feed(events.TimePassed(), after=ROW_TRIAL_S)) == [2], "the process has lived with it"


def test_it_is_no_longer_tried_once_it_has_come_further() -> None:
    world = tried().feed(STILL_THERE, events.WorkFailed(ONE, MISSING))
    assert claims(world) == []
    assert claims(world.feed(reported(report(ONE, "active", 60), periodic=True))) == [2]


def test_a_cancel_does_not_wait_until_it_is_tried() -> None:
    world = recovered(held(ONE, HELD_FROM))
    world.seen(ONE, cancelled=True)
    assert world.the(commands.RemoveTransfers).gids == left(ONE)
    world.feed(events.TransfersRemoved(ONE)).feed(events.Discarded(ONE))
    assert world.the(commands.SaveCancelled).attempt == ONE
    assert not begun(world.feed(events.TimePassed(), after=HOLD_S))


def arriving(row: ClaimedRow, *completed: int) -> World:
    """The row is taken up, something of it is missing, and so much of it is there then."""
    world = recovered(row).feed(events.WorkFailed(row.attempt, MISSING))
    for amount in completed:
        world.feed(reported(report(row.attempt, "active", amount), periodic=True))
    return world


@pytest.mark.parametrize(("completed", "acquitted"), [(49, False), (50, False), (51, True)])
def test_one_that_comes_further_than_it_ever_was_is_not_to_blame(completed: int, acquitted: bool) -> None:
    assert bool(arriving(under_way(ONE, 2), completed).of(commands.ForgetCrashes)) is acquitted


def test_that_is_written_once() -> None:
    assert not arriving(under_way(ONE, 2), 51, 60).of(commands.ForgetCrashes)
    assert not arriving(under_way(ONE, 0), 60).of(commands.ForgetCrashes)


def test_one_that_the_process_died_with_when_all_was_there_is_not_acquitted_by_bytes() -> None:
    assert not arriving(under_way(ONE, 2, stage="finishing"), 60).of(commands.ForgetCrashes)


def test_a_row_that_has_become_another_one_meanwhile_is_not_taken_up() -> None:
    world = recovered(held(ONE, HELD_FROM)).feed(events.TimePassed(), after=HOLD_S)
    world.feed(events.PlanRead(replace(ONE, number=2), under_way(replace(ONE, number=2), 2)))
    assert not begun(world)
