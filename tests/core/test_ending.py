"""Cancels, failures and what the row says afterwards: a cancel that committed first wins, always."""

from __future__ import annotations

from typing import Any

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import CLOSING, STOPPING, Attempt, State
from reactor.core.retry import CHANGED
from reactor.core.rows import ClaimedRow
from reactor.core.steps.teardown import STOP_PATIENCE_S
from reactor.core.steps.window import ADDS_MAX
from reactor.errors import Failure
from tests.core.world import (
    LASTING,
    ONE,
    PASSING,
    World,
    connected,
    detection,
    gid,
    left,
    magnet,
    one_file,
    report,
    reported,
    take_down,
    until,
)


@pytest.mark.fault(14)
@pytest.mark.parametrize("state", [State.DETECTING, State.EXTRACTING, State.FETCHING, State.FINISHING])
@pytest.mark.parametrize("how", ["asked", "status"])
def test_a_cancel_in_every_stage(state: State, how: str) -> None:
    world = until(state)
    world.seen(ONE, "cancelled" if how == "status" else "downloading", cancelled=how == "asked")
    assert world.the(commands.StopWork).attempt == ONE
    assert bool(world.of(commands.RemoveTransfers)) is (state in (State.FETCHING, State.FINISHING))
    take_down(world)
    assert world.the(commands.SaveCancelled) == commands.SaveCancelled(ONE)
    world.feed(events.Saved(ONE))
    (notice,) = world.told()
    assert isinstance(notice, notices.DownloadCancelled)
    assert notice.how == how
    assert not world.machine.jobs


@pytest.mark.fault(13)
@pytest.mark.parametrize("state", [State.DETECTING, State.EXTRACTING, State.FETCHING, State.FINISHING])
def test_a_deleted_row_is_stopped_and_not_written(state: State) -> None:
    world = until(state)
    world.feed(events.DatabaseChanged("file")).feed(events.RowsPolled())
    take_down(world)
    assert [type(c) for c in world.log if isinstance(c, commands.SaveCancelled | commands.SaveFailed)] == []
    assert world.of(commands.ForgetPlan)
    assert not world.machine.jobs


def test_a_row_that_somebody_took_is_left_to_them() -> None:
    world = until(State.FETCHING).seen(ONE, "uploading")
    take_down(world)
    assert not world.of(commands.SaveCancelled)
    assert not world.machine.jobs


@pytest.mark.fault(13)
def test_a_row_inserted_anew_under_the_same_id_waits_until_the_old_one_is_gone() -> None:
    world = until(State.FETCHING)
    world.feed(events.DatabaseChanged("file"))
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 0, "pending", False),)))
    world.feed(events.DatabaseChanged("file"))
    assert 1 in world.the(commands.PollRows).held
    take_down(world.feed(events.RowsPolled()).feed(events.TransfersRemoved(ONE)))
    assert 1 not in world.of(commands.PollRows)[-1].held


@pytest.mark.parametrize("more", [{}, {"detection": detection()}])
def test_a_row_under_the_id_of_one_that_was_just_downloaded_is_kept_apart_from_its_file(more: dict[str, Any]) -> None:
    world = World().up().claim(Attempt(2, 1)).fetching(ONE)
    world.feed(reported(report(ONE, "complete", 100)), events.Finished(ONE, "/downloads/a.bin", 100))
    world.feed(events.Saved(ONE)).claim(ONE, **more)
    (begun,) = world.of(commands.Extract) if more else world.of(commands.Detect)
    assert begun.clear
    world.feed(events.DatabaseChanged("file"))
    rows = events.WatchedRow(1, 1, "downloading", True), events.WatchedRow(2, 1, "downloading", False)
    world.feed(events.RowsPolled(watched=rows))
    assert world.the(commands.Discard) == commands.Discard(ONE, keep_result=True), "the file is not this row's"
    world.feed(events.Discarded(ONE), events.Saved(ONE)).feed(events.RowsPolled())
    assert not world.of(commands.Tidy), "nothing of the first one is left to be tidied"


def test_after_a_crash_a_row_without_a_plan_begins_in_an_empty_folder() -> None:
    world = World().up(ClaimedRow(ONE, "http://host.example/a.bin"))
    clears = [command.clear for command in world.log if isinstance(command, commands.Detect)]
    assert clears == [True]


def test_what_a_stopped_worker_still_says_is_dropped() -> None:
    world = until(State.EXTRACTING).seen(ONE, cancelled=True)
    world.feed(events.Extracted(ONE, one_file()))
    assert not world.last
    assert world.machine.jobs[1].state in STOPPING


def test_a_cancel_that_overtakes_the_last_write_takes_the_published_file_back() -> None:
    world = until(State.FINISHING)
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100), events.SaveStale(ONE, last=True))
    assert not world.told()
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloading", True),)))
    take_down(world.feed(events.TransfersRemoved(ONE)))
    assert commands.Discard(ONE) in world.log
    assert world.the(commands.SaveCancelled)
    assert not any(isinstance(c, commands.Tell) and isinstance(c.notice, notices.DownloadCompleted) for c in world.log)


def test_a_look_from_before_the_refused_write_decides_nothing() -> None:
    world = until(State.FINISHING)
    world.feed(events.DatabaseChanged("file"))
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100), events.SaveStale(ONE, last=True))
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloading", False),)))
    assert world.machine.jobs[1].state in CLOSING
    assert world.the(commands.PollRows), "another look, begun after the refusal"


def test_a_row_that_says_so_is_downloaded_though_another_write_of_it_was_refused() -> None:
    """The same one, say, that was written twice."""
    world = until(State.FINISHING)
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100), events.SaveStale(ONE, last=True))
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloaded", False),)))
    assert not world.of(commands.StopWork)
    assert any(isinstance(notice, notices.DownloadCompleted) for notice in world.told())
    assert 1 not in world.machine.jobs


@pytest.mark.fault(15)
def test_a_cancel_taken_back_before_the_last_write_changes_nothing() -> None:
    world = until(State.FINISHING)
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100), events.SaveStale(ONE, last=True))
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloading", False),)))
    assert world.the(commands.SaveDownloaded)


@pytest.mark.fault(15)
def test_a_cancel_taken_back_while_it_is_carried_out_makes_the_row_pending_again() -> None:
    world = take_down(until(State.FETCHING).seen(ONE, cancelled=True))
    world.feed(events.SaveStale(ONE, last=True))
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloading", False),)))
    take_down(world)
    assert world.the(commands.SaveWaiting) == commands.SaveWaiting(ONE, None, 0, 0.0)


def test_a_save_refused_on_the_way_is_explained_by_the_next_look() -> None:
    world = World().up().claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.SaveStale(ONE))
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloading", True),)))
    take_down(world)
    assert world.the(commands.SaveCancelled)


def test_a_failure_that_may_pass_waits_for_its_retry_and_keeps_its_partial_file() -> None:
    world = until(State.FETCHING)
    world.feed(reported(report(ONE, "error", error_code=2)))
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE),)
    world.feed(events.TransfersRemoved(ONE))
    saved = world.the(commands.SaveWaiting)
    assert (saved.retry_count, saved.failure and saved.failure.code) == (1, "timeout")
    assert 15.0 <= saved.delay_s <= 30.0
    assert not [command for command in world.log if isinstance(command, commands.Discard)]
    world.feed(events.Saved(ONE)).feed(events.RowsPolled(due_in_s=saved.delay_s))
    assert world.machine.next_deadline() == world.now + saved.delay_s
    world.feed(events.TimePassed(), after=saved.delay_s)
    assert world.the(commands.PollRows).claim == 1


@pytest.mark.parametrize("number", [8, 10, 32])
def test_a_partial_file_that_is_of_no_use_goes_before_the_retry(number: int) -> None:
    world = until(State.FETCHING)
    world.feed(reported(report(ONE, "error", error_code=number)), events.TransfersRemoved(ONE))
    assert world.the(commands.Discard)
    world.feed(events.Discarded(ONE))
    assert world.the(commands.SaveWaiting)


@pytest.mark.parametrize(
    ("number", "before", "arrives", "over"),
    [
        (8, "cannot_resume", False, True),
        (8, "cannot_resume", True, False),
        (8, "timeout", False, False),
        (10, "changed", False, True),
        (32, "checksum", True, True),
        (32, "changed", True, False),
    ],
)
def test_what_began_from_zero_and_ends_in_the_same_way_is_over(
    number: int, before: str, arrives: bool, over: bool
) -> None:
    two = Attempt(1, 2)
    world = World().up().fetching(two, retry_count=1, error_code=before)
    world.feed(reported(report(two, "active", 1)), reported(report(two, "active", 2 if arrives else 1)))
    world.feed(reported(report(two, "error", 0, error_code=number)))
    world.feed(events.TransfersRemoved(two), events.Discarded(two))
    assert bool(world.of(commands.SaveFailed)) is over
    assert bool(world.of(commands.SaveWaiting)) is not over


@pytest.mark.fault(32)
@pytest.mark.parametrize("before", [None, "unreachable", "changed"])
def test_another_version_on_the_server_is_begun_at_once_but_once(before: str | None) -> None:
    """Bytes arrived: still it is of no use to begin again and again."""
    world = World().up().fetching(ONE, retry_count=1, error_code=before)
    world.feed(reported(report(ONE, "active", 50)), reported(report(ONE, "complete", 100)))
    world.feed(events.WorkFailed(ONE, CHANGED))
    take_down(world)
    if before == "changed":
        assert "was changed" in world.the(commands.SaveFailed).failure.text
    else:
        waiting = world.the(commands.SaveWaiting)
        assert (waiting.delay_s, waiting.retry_count) == (0, 2)
        assert [command for command in world.log if isinstance(command, commands.Discard)]


@pytest.mark.parametrize(("before", "single"), [("changed", True), ("cannot_resume", True), ("timeout", False)])
def test_what_begins_from_zero_comes_by_one_connection(before: str, single: bool) -> None:
    world = World().up().claim(ONE, retry_count=1, error_code=before)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file()))
    assert world.the(commands.AddTransfers).additions[0].single is single
    world.feed(events.TransfersAdded(ONE, (0,)), reported(report(ONE, "complete", 100)))
    assert world.the(commands.Finish).single is single


def test_what_somebody_takes_out_of_aria2_is_not_put_there_again() -> None:
    world = until(State.FETCHING).feed(reported(report(ONE, "removed", 50)))
    take_down(world)
    assert world.the(commands.SaveFailed).failure.code == "removed"


def test_a_row_that_was_sent_back_begins_anew_whatever_it_says_of_the_last_time() -> None:
    world = World().up().fetching(Attempt(1, 9), retry_count=0, error_code="checksum")
    world.feed(reported(report(Attempt(1, 9), "error", 0, error_code=32)))
    world.feed(events.TransfersRemoved(Attempt(1, 9)), events.Discarded(Attempt(1, 9)))
    assert world.the(commands.SaveWaiting)


def test_an_earlier_write_that_was_refused_says_nothing_against_the_last_one() -> None:
    world = until(State.FINISHING).feed(events.SaveStale(ONE))
    look = world.the(commands.PollRows)
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100))
    assert world.the(commands.SaveDownloaded)
    assert look.watch == (1,)
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloaded", False),)))
    world.feed(events.SaveStale(ONE))
    world.feed(
        events.DatabaseChanged("file"), events.RowsPolled(watched=(events.WatchedRow(1, 1, "uploading", False),))
    )
    assert not [command for command in world.log if isinstance(command, commands.Discard)], "the file is the row's"
    assert isinstance(world.feed(events.Saved(ONE)).told()[0], notices.DownloadCompleted)


def test_the_same_torrent_again_ends_the_serving_of_the_first() -> None:
    two = Attempt(2, 1)
    world = World(Limits(seeding=True)).up().fetching(ONE, magnet())
    world.feed(reported(report(ONE, "active", 100, seeder=True)))
    world.feed(events.Finished(ONE, "/downloads/t", 100), events.Saved(ONE), events.RowsPolled())
    world.fetching(two, magnet())
    world.feed(reported(report(two, "error", error_code=12)))
    assert world.the(commands.CleanUp) == commands.CleanUp(ONE, left(ONE), keep_result=True)
    assert isinstance(world.told()[-1], notices.SeedingEnded)
    world.feed(events.CleanedUp(ONE), events.TransfersRemoved(two))
    waiting = world.the(commands.SaveWaiting)
    assert (waiting.retry_count, waiting.failure and waiting.failure.code) == (0, "duplicate")


def test_a_failure_that_will_not_pass_ends_the_row() -> None:
    world = until(State.EXTRACTING).feed(events.WorkFailed(ONE, LASTING))
    take_down(world)
    assert world.the(commands.SaveFailed).failure == LASTING
    world.feed(events.Saved(ONE))
    assert isinstance(world.told()[0], notices.DownloadFailed)


def test_the_last_retry_says_how_often_it_was_tried() -> None:
    world = World().up().claim(Attempt(1, 3), retry_count=2)
    world.feed(events.WorkFailed(Attempt(1, 3), PASSING), events.Discarded(Attempt(1, 3)))
    assert (
        world.the(commands.SaveFailed).failure.text
        == "The server stopped answering. It was tried 3 times. Try it again later."
    )


def test_a_cancel_overtakes_a_failure_that_is_being_cleaned_up() -> None:
    world = until(State.FETCHING).feed(reported(report(ONE, "error", error_code=2)))
    world.seen(ONE, cancelled=True)
    take_down(world.feed(events.TransfersRemoved(ONE)))
    assert world.the(commands.SaveCancelled)


@pytest.mark.fault(33)
@pytest.mark.parametrize(("speed", "stopped"), [(1000, True), (1024, False)])
def test_a_transfer_that_drips_is_stopped(speed: int, stopped: bool) -> None:
    world = World(Limits(min_speed=1024.0)).up().fetching(ONE, one_file(size=None))
    for second in range(0, 600, 5):
        world.feed(events.TimePassed(), after=5.0)
        if not world.of(commands.AskStatus):
            break
        world.feed(reported(report(ONE, "active", second * speed, 10**9, files=()), periodic=True))
    assert (world.machine.jobs[1].state in STOPPING) is stopped
    if stopped:
        world.feed(events.TransfersRemoved(ONE))
        failure = world.the(commands.SaveWaiting).failure
        assert failure is not None
        assert failure.text == "It came at less than 1 KiB/s (MIN_SPEED_KIB) for 120 s."


def test_what_is_all_there_is_not_stopped_for_having_been_slow() -> None:
    world = World(Limits(min_speed=1024.0)).up().fetching(ONE, one_file(size=None))
    for completed, status in ((1, "active"), (2, "active"), (100, "complete")):
        world.feed(reported(report(ONE, status, completed, files=()), periodic=True), after=60.0)
    assert world.machine.jobs[1].state is State.FETCHING
    world.feed(reported(report(ONE, "complete", 100)))
    assert world.of(commands.Finish)


@pytest.mark.fault(33)
def test_parts_in_aria2s_queue_do_not_speak_for_those_that_stand_still() -> None:
    world = World().up().claim(ONE)
    fetches = tuple(one_file(f"{n}.bin").fetches[0] for n in range(2))
    both_of_it = one_file().model_copy(update={"fetches": fetches})
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, both_of_it))
    world.feed(events.TransfersAdded(ONE, (0, 1)))
    while world.machine.jobs[1].state is State.FETCHING and world.now < 600:
        world.feed(events.TimePassed(), after=5.0)
        both = report(ONE, "active", 10), report(ONE, "waiting", 0, gid=gid(ONE, 1))
        world.feed(reported(*both, periodic=True))
    assert world.machine.jobs[1].state in STOPPING


@pytest.mark.fault(33)
def test_a_transfer_that_stands_still_is_stopped_and_one_in_a_queue_is_not() -> None:
    for status, stopped in (("active", True), ("waiting", False), ("paused", False)):
        world = until(State.FETCHING)
        for _ in range(30):
            world.feed(events.TimePassed(), after=5.0)
            if not world.of(commands.AskStatus):
                break
            world.feed(reported(report(ONE, status, 10, files=()), periodic=True))
        assert (world.machine.jobs[1].state in STOPPING) is stopped


def test_a_magnet_that_nobody_serves_says_so() -> None:
    world = World().up().fetching(ONE, magnet())
    while world.machine.jobs[1].state is State.FETCHING:
        world.feed(events.TimePassed(), after=5.0)
        world.feed(reported(report(ONE, "active", 0, 0, files=()), periodic=True))
    world.feed(events.TransfersRemoved(ONE))
    failure = world.the(commands.SaveWaiting).failure
    assert failure is not None
    assert failure.code == "no_peers"
    assert failure.message == "Nobody who has this torrent was found within 600 s."


def test_a_row_that_aria2_refuses_again_and_again_fails() -> None:
    refusal = Failure("aria2_refused", "aria2 refused: no.")
    world = until(State.FETCHING)
    world.feed(reported(report(ONE, "unknown")))
    for _ in range(ADDS_MAX - 1):
        assert world.the(commands.AddTransfers)
        world.feed(events.AddFailed(ONE, (0,), refusal)).feed(reported(report(ONE, "unknown")))
    take_down(world)
    assert world.the(commands.SaveFailed).failure.message == refusal.message


def test_a_cancel_while_aria2_is_away_ends_the_row_and_owes_the_rest() -> None:
    world = until(State.FETCHING).feed(events.Aria2Lost("reset"))
    world.seen(ONE, cancelled=True)
    assert not world.of(commands.RemoveTransfers)
    assert world.machine.next_deadline() == world.now + STOP_PATIENCE_S
    world.feed(events.TimePassed(), after=STOP_PATIENCE_S)
    assert world.the(commands.SaveCancelled) == commands.SaveCancelled(ONE, keep_plan=True)
    world.feed(events.Saved(ONE))
    assert world.the(commands.PollRows).held == (1,), "the row is not taken up before that is cleaned up"
    world.feed(connected())
    assert world.the(commands.CleanUp) == commands.CleanUp(ONE, left(ONE))
    world.feed(events.CleanedUp(ONE))
    assert world.the(commands.ForgetPlan)
    assert not world.machine.leftovers


def test_a_cancel_while_aria2_is_away_for_a_moment_is_carried_out_when_it_is_back() -> None:
    world = until(State.FETCHING).feed(events.Aria2Lost("reset"))
    world.seen(ONE, cancelled=True).feed(connected(), after=1.0)
    assert world.the(commands.RemoveTransfers)
    take_down(world)
    assert world.the(commands.SaveCancelled) == commands.SaveCancelled(ONE)


def test_pending_rows_that_were_cancelled_are_told() -> None:
    world = World().up().feed(events.DatabaseChanged("file")).feed(events.RowsPolled(swept=(4, 5)))
    assert [(n.download_id, n.how) for n in world.told() if isinstance(n, notices.DownloadCancelled)] == [
        (4, "pending"),
        (5, "pending"),
    ]
