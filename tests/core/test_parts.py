"""A job of many parts: asked about as a whole, one failing part tried by itself."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import pytest

from reactor.core import commands, events
from reactor.core.job import STOPPING, Attempt, State
from reactor.core.rows import ClaimedRow
from reactor.core.steps.window import ADDS_MAX, PARTS_MANY
from reactor.errors import Failure
from reactor.models import Kind
from reactor.notices import DownloadProgressed
from tests.core.parts import COUNT, kept, parts, wait
from tests.core.world import LIMITS, World, connected, detection, gid, report, reported

ONE = Attempt(1, 1)
ALL = replace(LIMITS, parts=COUNT)
MISSING = Failure("files_missing", "A part is not there.")


def fetching(count: int = COUNT) -> World:
    """All of them in aria2 at once."""
    world = World(ALL).up().claim(ONE)
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)), events.Extracted(ONE, parts(count)))
    (added,) = world.of(commands.AddTransfers)
    assert [addition.n for addition in added.additions] == list(range(count))
    return world.feed(events.TransfersAdded(ONE, tuple(range(count))))


def test_a_notification_for_each_part_leads_to_one_question() -> None:
    world = fetching()
    for n in range(COUNT - 1):
        world.feed(events.TransferNotified(gid(ONE, n), "complete"))
        assert not world.of(commands.AskStatus)
    world.feed(events.TransferNotified(gid(ONE, COUNT - 1), "complete"))
    assert world.the(commands.AskStatus).gids == tuple(gid(ONE, n) for n in range(COUNT))
    world.feed(reported(*[report(ONE, "complete", 5, 5, gid=gid(ONE, n)) for n in range(COUNT)]))
    assert world.the(commands.Finish)


def test_what_the_periodic_question_finds_done_is_not_asked_about_again() -> None:
    world = fetching()
    for n in range(5):
        world.feed(events.TransferNotified(gid(ONE, n), "complete"))
    world.feed(events.TimePassed(), after=5.0)
    assert len(world.the(commands.AskStatus).gids) == COUNT
    done = [report(ONE, "complete", 5, 5, gid=gid(ONE, n), files=()) for n in range(5)]
    begun = [report(ONE, "active", 5, 10, gid=gid(ONE, n), files=()) for n in range(5, 15)]
    queued = [report(ONE, "waiting", 0, 0, gid=gid(ONE, n), files=()) for n in range(15, COUNT)]
    some = [*done, *begun, *queued]
    world.feed(reported(*some, periodic=True))
    assert not world.of(commands.AskStatus)
    assert world.the(commands.SaveProgress).rows[0].progress == 100 * (5 + 10 * 0.5) / COUNT
    for n in range(5, COUNT):
        world.feed(events.TransferNotified(gid(ONE, n), "complete"))
    assert len(world.the(commands.AskStatus).gids) == COUNT - 5


def test_few_parts_are_asked_about_one_by_one() -> None:
    world = fetching(PARTS_MANY - 1)
    world.feed(events.TransferNotified(gid(ONE, 1), "complete"))
    assert world.the(commands.AskStatus).gids == (gid(ONE, 1),)


def test_a_part_that_fails_is_tried_again_by_itself() -> None:
    world = fetching()
    for _ in range(ADDS_MAX - 1):
        world.feed(events.TransferNotified(gid(ONE, 3), "error"))
        world.feed(reported(report(ONE, "error", gid=gid(ONE, 3), error_code=2)))
        assert world.the(commands.ForgetTransfers).gids == (gid(ONE, 3),)
        assert not world.of(commands.AddTransfers)
        wait(world)
        assert [addition.n for addition in world.the(commands.AddTransfers).additions] == [3]
        world.feed(events.TransfersAdded(ONE, (3,)))
    world.feed(reported(report(ONE, "error", gid=gid(ONE, 3), error_code=2)))
    assert world.machine.jobs[1].state in STOPPING
    assert len(world.the(commands.RemoveTransfers).gids) == COUNT


def test_a_part_is_not_handed_over_again_before_aria2_has_answered() -> None:
    world = fetching()
    failed = reported(report(ONE, "error", gid=gid(ONE, 3), error_code=2))
    world.feed(failed)
    wait(world)
    assert world.the(commands.AddTransfers)
    world.feed(events.Aria2Lost("It was cut."), connected(), failed)
    assert world.the(commands.ForgetTransfers)
    wait(world)
    assert not world.of(commands.AddTransfers), "the first order may still wait for the database"
    world.feed(events.AddFailed(ONE, (3,), Failure("aria2_lost", "The connection broke.", None, True)))
    assert [each.n for each in world.the(commands.AddTransfers).additions] == [3]


def test_parts_that_are_missing_are_asked_for_again_when_the_question_got_lost() -> None:
    done = frozenset(range(COUNT))
    world = World().up().claim(Attempt(1, 2), plan=parts(), plan_attempt=1, done=done)
    two = Attempt(1, 2)
    world.feed(events.Detected(two, detection(Kind.YTDLP)), events.Extracted(two, parts()))
    world.feed(events.WorkFailed(two, Failure("files_missing", "They are not there.", None, True)))
    lost = world.the(commands.AskStatus).gids
    world.feed(events.AskFailed(lost, Failure("aria2_lost", "The connection broke.", None, True)))
    world.feed(events.TimePassed(), after=5.0)
    assert world.the(commands.AskStatus) == commands.AskStatus(lost, periodic=True)


@pytest.mark.parametrize("before", [0.0, 75.0])
def test_a_row_that_fetches_again_tells_no_more_how_much_of_it_was_joined(before: float) -> None:
    world = fetching()
    if before:
        whole = [report(ONE, "complete", 5, 5, gid=gid(ONE, n)) for n in range(COUNT * 3 // 4)]
        world.feed(reported(*whole, periodic=True), after=60.0)
        assert [each.progress for each in world.the(commands.SaveProgress).rows] == [before]
    world.feed(reported(*[report(ONE, "complete", 5, 5, gid=gid(ONE, n)) for n in range(COUNT)]))
    world.feed(events.Joined(ONE, 0.5), after=5.0)
    assert [each.progress for each in world.the(commands.SaveProgress).rows] == [50.0]
    world.feed(events.WorkFailed(ONE, Failure("files_missing", "They are not there.", None, False)))
    assert world.the(commands.SaveStage).stage == "fetching"
    assert [each.progress for each in world.the(commands.SaveProgress).rows] == [before]


def test_a_file_that_is_refused_is_not_asked_for_again() -> None:
    world = World().up().fetching(ONE)
    world.feed(reported(report(ONE, "error", error_code=22, error_message="status=403")))
    world.feed(events.TransfersRemoved(ONE), events.Discarded(ONE))
    assert world.the(commands.SaveFailed).failure.code == "forbidden"


def test_the_joining_counts_from_0_and_is_written_as_seldom_as_all_progress() -> None:
    world = fetching()
    world.feed(reported(*[report(ONE, "complete", 5, 5, gid=gid(ONE, n)) for n in range(COUNT)]))
    world.feed(events.Joined(ONE, 0.25), after=4.9)
    assert world.last == []
    world.feed(events.Joined(ONE, 0.5), after=0.1)
    (row,) = world.the(commands.SaveProgress).rows
    assert (row.attempt, row.progress, row.speed, row.eta_s) == (ONE, 50.0, 0, None)
    (notice,) = world.told()
    assert isinstance(notice, DownloadProgressed)
    assert (notice.stage, notice.progress, notice.completed, notice.size) == ("finishing", 50.0, 50, 100)
    world.feed(events.Joined(ONE, 0.75), after=1.0)
    world.feed(events.Joined(Attempt(1, 2), 0.75), after=9.0)
    assert not world.of(commands.SaveProgress)
    world.feed(events.Finished(ONE, "film.mp4", 100), events.Joined(ONE, 1.0), after=9.0)
    assert not world.of(commands.SaveProgress)


# What is whole is not fetched again


def some_done(world: World, count: int) -> World:
    done = [report(ONE, "complete", 5, 5, gid=gid(ONE, n), files=()) for n in range(count)]
    queued = [report(ONE, "waiting", 0, 0, gid=gid(ONE, n), files=()) for n in range(count, COUNT)]
    return world.feed(events.TimePassed(), after=5.0).feed(reported(*done, *queued, periodic=True))


def test_the_parts_that_are_done_are_saved_with_the_progress_when_there_are_more_of_them() -> None:
    world = some_done(fetching(), 5)
    assert kept(world) == frozenset(range(5))
    more = [report(ONE, "active", 1, 10, gid=gid(ONE, n), files=()) for n in range(5, COUNT)]
    world.feed(events.TimePassed(), after=5.0).feed(reported(*more, periodic=True))
    assert kept(world) is None


def resumed(done: frozenset[int]) -> World:
    row = ClaimedRow(ONE, "http://host.example/", plan=parts(), plan_attempt=1, stage="fetching", done=done)
    world = World().up(row)
    assert world.the(commands.Finish).resumed
    return world.feed(events.WorkFailed(ONE, MISSING))


def test_after_a_crash_only_the_others_are_asked_for() -> None:
    world = resumed(frozenset(range(15)))
    asked = world.the(commands.AskStatus).gids
    assert asked == tuple(gid(ONE, n) for n in range(15, COUNT))
    world.feed(reported(*[report(ONE, "unknown", 0, 0, gid=one) for one in asked]))
    assert [addition.n for addition in world.the(commands.AddTransfers).additions] == list(range(15, COUNT))
    assert not world.the(commands.AddTransfers).wipe_staging


def test_after_a_crash_with_all_of_them_done_they_are_joined() -> None:
    world = resumed(frozenset(range(COUNT)))
    assert not world.of(commands.AskStatus)
    assert not world.the(commands.Finish).resumed


def test_what_is_missing_then_though_it_was_saved_as_done_is_asked_for_again() -> None:
    world = resumed(frozenset(range(COUNT)))
    world.feed(events.WorkFailed(ONE, MISSING))
    assert world.the(commands.AskStatus).gids == tuple(gid(ONE, n) for n in range(COUNT))


def test_the_next_attempt_keeps_them_when_it_fetches_the_same() -> None:
    two = Attempt(1, 2)
    world = World().up().claim(two, plan=parts(), plan_attempt=1, done=frozenset(range(15)))
    world.feed(events.Detected(two, detection(Kind.YTDLP)), events.Extracted(two, parts()))
    assert world.the(commands.SavePlan).done == frozenset(range(15))
    assert [addition.n for addition in world.the(commands.AddTransfers).additions] == list(range(15, COUNT))


def test_the_next_attempt_begins_anew_when_it_fetches_something_else() -> None:
    two, other = Attempt(1, 2), parts()
    elsewhere = [replace(fetch, urls=(f"http://host.example/720/{fetch.name}",)) for fetch in other.fetches]
    world = World(ALL).up().claim(two, plan=parts(), plan_attempt=1, done=frozenset(range(15)))
    other = other.model_copy(update={"fetches": tuple(elsewhere)})
    world.feed(events.Detected(two, detection(Kind.YTDLP)), events.Extracted(two, other), events.Discarded(two))
    assert world.the(commands.SavePlan).done == frozenset()
    assert len(world.the(commands.AddTransfers).additions) == COUNT
    assert world.the(commands.AddTransfers).wipe_staging


@pytest.mark.parametrize(("code", "lost"), [("incomplete", True), ("killed", False), ("no_space", False)])
def test_parts_that_could_not_be_joined_are_not_kept_unless_it_was_not_their_fault(code: str, lost: bool) -> None:
    world = some_done(fetching(), 5)
    world.feed(reported(*[report(ONE, "complete", 5, 5, gid=gid(ONE, n)) for n in range(5, COUNT)]))
    assert world.the(commands.Finish)
    assert kept(world) == frozenset(range(COUNT))
    world.feed(events.WorkFailed(ONE, Failure(code, "It did not work.", None, True)))
    told = [save.rows[0].done for save in world.of(commands.SaveProgress) if save.rows[0].done is not None]
    assert told == [frozenset()] * lost


def test_after_a_crash_a_cancel_is_about_all_that_aria2_may_have() -> None:
    row = ClaimedRow(ONE, "http://host.example/", plan=parts(), plan_attempt=1, stage="fetching")
    world = World().up(row).seen(ONE, cancelled=True)
    assert world.the(commands.RemoveTransfers).gids == tuple(gid(ONE, n) for n in range(COUNT))


def test_what_is_held_of_a_part_is_little_before_its_turn_and_after_it() -> None:
    """Of 20 000 parts each byte counts; aria2 has some at a time."""
    count = 3000
    held_of(10)  # so that what is made once for all is there
    planned, done = held_of(count)
    assert planned < 340 * count
    assert done < 370 * count


def held_of(count: int) -> tuple[int, int]:
    """Bytes that are held of so many parts: when they are planned, and when they are done."""
    world = World(LIMITS).up().claim(ONE)
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)))
    plan = events.Extracted(ONE, parts(count))
    tracemalloc.start()
    try:
        world.feed(plan)
        gc.collect()  # what nobody holds any more does not count, however large the process is
        planned, _ = tracemalloc.get_traced_memory()
        while added := world.of(commands.AddTransfers):
            numbers = [addition.n for each in added for addition in each.additions]
            world.feed(events.TransfersAdded(ONE, tuple(numbers)))
            world.feed(reported(*[report(ONE, "complete", 5, 5, gid=gid(ONE, n)) for n in numbers]), after=1.0)
            fetching, world.log[:] = world.machine.jobs[1].state is State.FETCHING, []
        gc.collect()
        done, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not fetching
    assert world.the(commands.Finish)
    return planned, done
