"""Crashes, lost connections, a database in trouble: going on where it was."""

from __future__ import annotations

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import STOPPING, Attempt
from reactor.core.rows import ClaimedRow
from reactor.errors import Failure
from reactor.models import Stage
from tests.core.world import INSTANCE, World, connected, detection, gid, left, magnet, one_file, report, reported

ONE, TWO = Attempt(1, 1), Attempt(2, 3)
BUSY = Failure("database", "The database is locked by another program.", None, True)


MISSING = Failure("files_missing", "aria2c said it was done.", None, True)


def planned(attempt: Attempt, stage: str = "fetching") -> ClaimedRow:
    return ClaimedRow(attempt, "http://host.example/1", plan=one_file(), plan_attempt=attempt.number, stage=stage)


@pytest.mark.fault(17)
def test_after_a_crash_a_live_transfer_is_adopted_and_not_added() -> None:
    world = World().feed(events.Recovered((planned(ONE),), (), INSTANCE))
    assert world.the(commands.Finish).resumed, "what is there already is not fetched again"
    assert not world.of(commands.AddTransfers)
    world.feed(events.WorkFailed(ONE, MISSING), connected())
    assert world.the(commands.AskStatus).gids == (gid(ONE),)
    world.feed(reported(report(ONE, "active", 40)))
    assert not world.of(commands.AddTransfers)
    world.feed(events.TransferNotified(gid(ONE), "complete"))
    assert world.the(commands.Finish)


@pytest.mark.fault(17)
@pytest.mark.parametrize("stage", ["fetching", "finishing"])
def test_after_a_crash_it_counts_what_the_row_says_of_its_bytes(stage: str) -> None:
    world = World().feed(events.Recovered((planned(ONE, stage),), (), INSTANCE))
    assert world.the(commands.Finish).said_whole is (stage == "finishing")
    world.feed(connected(), events.WorkFailed(ONE, MISSING))
    assert world.the(commands.SaveStage).stage is Stage.FETCHING, "the next crash is not to find it said again"
    world.feed(reported(report(ONE, "unknown")))
    assert world.the(commands.AddTransfers).alone
    world.feed(events.TransfersAdded(ONE, (0,)), reported(report(ONE, "complete", 100)))
    assert world.the(commands.Finish).continued, "a part of it had come before"


def test_after_a_crash_a_row_that_fails_before_aria2_was_asked_leaves_nothing_in_it() -> None:
    world = World().feed(events.Recovered((planned(ONE),), (), INSTANCE), connected())
    world.feed(events.WorkFailed(ONE, Failure("storage", "It cannot be written.")))
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE),)


@pytest.mark.fault(23)
def test_after_a_crash_of_both_it_is_added_again_under_the_same_gid_and_continued() -> None:
    world = World().feed(connected(), events.Recovered((planned(TWO),), (), INSTANCE))
    world.feed(events.WorkFailed(TWO, MISSING))
    assert world.the(commands.AskStatus).gids == (gid(TWO),)
    world.feed(reported(report(TWO, "unknown")))
    added = world.the(commands.AddTransfers)
    assert (added.attempt, added.additions[0].gid, added.wipe_staging) == (TWO, gid(TWO), False)


def test_a_row_that_was_not_planned_yet_begins_again_in_the_same_attempt() -> None:
    world = World().feed(events.Recovered((ClaimedRow(TWO, "http://host.example/2", stage="detecting"),)))
    assert world.the(commands.Detect).attempt == TWO


def test_a_plan_of_an_earlier_attempt_is_not_adopted() -> None:
    row = ClaimedRow(TWO, "http://host.example/2", plan=one_file(), plan_attempt=2, stage="extracting")
    world = World().feed(events.Recovered((row,)))
    assert world.the(commands.Detect).attempt == TWO


def test_a_row_whose_bytes_are_all_there_after_a_crash_is_done() -> None:
    world = World().feed(events.Recovered((planned(ONE, "finishing"),), (), INSTANCE))
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100))
    assert world.the(commands.SaveDownloaded)


def test_a_row_whose_bytes_turn_out_missing_is_fetched_once_more_and_then_fails() -> None:
    world = World().up().fetching(ONE)
    for again in (True, False):
        world.feed(reported(report(ONE, "complete", 100)))
        assert not world.the(commands.Finish).resumed
        world.feed(events.WorkFailed(ONE, MISSING))
        assert bool(world.of(commands.AskStatus)) is again
        world.feed(reported(report(ONE, "unknown"))).feed(events.TransfersAdded(ONE, (0,)))
    assert world.machine.jobs[1].state in STOPPING


def test_debts_are_paid_first_and_hold_their_rows() -> None:
    leftover = events.Leftover(ONE, 2)
    world = World().feed(events.Recovered((), (leftover,), INSTANCE))
    assert world.the(commands.PollRows).held == (1,)
    world.feed(connected())
    assert world.the(commands.CleanUp) == commands.CleanUp(ONE, left(ONE, 2))
    world.feed(events.RowsPolled(), events.CleanedUp(ONE)).feed(events.RowsPolled())
    assert world.the(commands.PollRows).held == ()


def test_a_debt_that_cannot_be_paid_is_tried_again() -> None:
    world = World().up(leftovers=(events.Leftover(ONE, 1),))
    world.feed(events.RowsPolled()).feed(events.RowsPolled()).feed(events.RemoveFailed(ONE, BUSY))
    deadline = world.machine.next_deadline()
    assert deadline is not None
    world.feed(events.TimePassed(), after=deadline - world.now)
    assert world.the(commands.CleanUp)


@pytest.mark.fault(22)
def test_a_lost_reply_is_cleared_up_by_asking() -> None:
    world = World().up().claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file()))
    world.feed(events.AddFailed(ONE, (0,), Failure("aria2_timeout", "aria2 did not answer.", None, True)))
    assert world.the(commands.AskStatus).gids == (gid(ONE),)
    world.feed(reported(report(ONE, "active", 1)))
    assert not world.of(commands.AddTransfers)


@pytest.mark.fault(21)
def test_every_connect_reconciles_before_anything_else() -> None:
    world = World().up().fetching(ONE)
    world.feed(events.Aria2Lost("reset"))
    assert world.machine.next_deadline() is None, "deadlines rest while aria2 is away"
    world.feed(connected("s2"), after=600.0)
    (notice,) = [n for n in world.told() if isinstance(n, notices.Aria2Connected)]
    assert notice.restarted
    assert world.the(commands.AskStatus).gids == (gid(ONE),)
    world.feed(reported(report(ONE, "unknown")))
    assert world.the(commands.AddTransfers).additions[0].gid == gid(ONE)


def test_an_add_under_way_when_the_connection_breaks_is_asked_for_at_the_next() -> None:
    world = World().up().claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file()), events.Aria2Lost("reset"))
    world.feed(events.AddFailed(ONE, (0,), Failure("aria2_lost", "lost", None, True)))
    assert not world.of(commands.AskStatus)
    world.feed(connected())
    assert world.the(commands.AskStatus).gids == (gid(ONE),)
    assert not world.of(commands.AddTransfers)


def overtaken() -> World:
    """An addition is on its way while aria2 is started anew; asked in between, aria2 knows nothing of it."""
    world = World().up().claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file()))
    world.feed(events.Aria2Lost("reset"), connected("s2"))
    assert world.the(commands.AskStatus).gids == (gid(ONE),)
    return world.feed(reported(report(ONE, "unknown")))


@pytest.mark.fault(21, 22)
def test_an_addition_that_may_arrive_yet_counts_as_there() -> None:
    world = overtaken()
    assert not world.of(commands.AddTransfers), "it is not handed over twice"
    world.seen(ONE, cancelled=True)
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE),)


def test_an_addition_that_did_not_arrive_after_all_is_made_again() -> None:
    world = overtaken()
    world.feed(events.AddFailed(ONE, (0,), Failure("aria2_lost", "lost", None, True)))
    assert world.the(commands.AskStatus).gids == (gid(ONE),)
    world.feed(reported(report(ONE, "unknown")))
    assert world.the(commands.AddTransfers).additions[0].gid == gid(ONE)


def test_an_addition_that_arrived_after_all_is_as_good_as_any() -> None:
    world = overtaken()
    world.feed(events.TransfersAdded(ONE, (0,)), reported(report(ONE, "complete", 100)))
    assert world.the(commands.Finish)


def test_what_was_extracted_while_aria2_was_away_is_added_when_it_is_back() -> None:
    world = World().up().claim(ONE)
    world.feed(events.Aria2Lost("reset"), events.Detected(ONE, detection()), events.Extracted(ONE, one_file()))
    assert not world.of(commands.AddTransfers)
    world.feed(connected())
    assert world.the(commands.AddTransfers)
    assert not world.of(commands.AskStatus)


def test_nothing_waits_for_a_notification_alone() -> None:
    world = World().up().fetching(ONE)
    assert world.machine.next_deadline() is not None


@pytest.mark.fault(24)
def test_foreign_gids_are_nobodys_business() -> None:
    world = World().up().fetching(ONE)
    world.feed(events.TransferNotified("e" * 16, "complete"))
    world.feed(reported(report(ONE, "error", gid="e" * 16, error_code=1)))
    assert not world.last


def test_a_database_in_trouble_is_told_once_and_looked_at_again() -> None:
    world = World().up().feed(events.DatabaseChanged("poll"))
    pauses = []
    for _ in range(6):
        world.feed(events.DatabaseFailed(BUSY))
        deadline = world.machine.next_deadline()
        assert deadline is not None
        pauses.append(round(deadline - world.now, 3))
        world.feed(events.TimePassed(), after=deadline - world.now)
        assert world.the(commands.Recover)
    assert pauses == [0.2, 0.5, 1.0, 2.0, 5.0, 5.0]
    world.feed(events.Recovered((), (), INSTANCE)).feed(events.RowsPolled())
    told = [c.notice.event for c in world.log if isinstance(c, commands.Tell)]
    assert told.count("database_troubled") == told.count("database_recovered") == 1


@pytest.mark.fault(75)
def test_a_claim_whose_answer_was_lost_is_found_and_what_is_known_stays_as_it_is() -> None:
    """The connection broke behind its COMMIT."""
    world = World(Limits(concurrent=2)).up().fetching(ONE)
    world.feed(events.DatabaseChanged("file"), events.DatabaseFailed(BUSY))
    world.feed(events.TimePassed(), after=0.2)
    claimed = ClaimedRow(TWO, "http://host.example/2")
    world.feed(events.Recovered((planned(ONE), claimed), (), INSTANCE))
    assert world.the(commands.Detect).attempt == TWO
    assert not world.of(commands.Finish)
    world.feed(events.RowsPolled()).seen(ONE)
    assert world.of(commands.PollRows) == []


def test_what_has_ended_since_it_was_read_is_not_begun_again() -> None:
    world = World(Limits(concurrent=2)).up().fetching(ONE).feed(reported(report(ONE, "complete", 100)))
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100))
    world.feed(events.DatabaseChanged("file"), events.DatabaseFailed(BUSY)).feed(events.TimePassed(), after=0.2)
    assert world.the(commands.Recover)
    world.feed(events.Saved(ONE))
    assert [notice.event for notice in world.told()] == ["download_completed"]
    world.feed(events.Recovered((planned(ONE, "finishing"),), (), INSTANCE))
    assert not world.machine.jobs
    assert not world.of(commands.Finish)


def test_what_is_only_read_is_read_again() -> None:
    world = World().up().fetching(ONE).feed(events.DatabaseChanged("poll"), events.DatabaseFailed(BUSY))
    world.feed(events.TimePassed(), after=0.2)
    assert world.the(commands.PollRows)


@pytest.mark.fault(11)
def test_a_save_in_trouble_does_not_lead_to_a_second_look_beside_the_first() -> None:
    world = World().up().feed(events.DatabaseChanged("poll"))
    assert len(world.of(commands.PollRows)) == 1
    world.feed(events.DatabaseFailed(BUSY, saving=True))
    assert not world.of(commands.PollRows)
    world.feed(events.RowsPolled())
    assert [n.event for n in world.told()] == ["database_recovered"]


def test_a_start_that_fails_is_tried_again() -> None:
    world = World().feed(connected(), events.DatabaseFailed(BUSY))
    world.feed(events.TimePassed(), after=0.2)
    assert world.the(commands.Recover)
    assert not world.of(commands.PollRows), "no row is touched before what an earlier run left is known"


@pytest.mark.fault(6)
def test_of_a_database_that_is_no_longer_served_everything_goes_but_what_is_done() -> None:
    world = World(Limits(concurrent=3, seeding=True)).up(leftovers=(events.Leftover(Attempt(9, 1), 2),))
    serving, fetching, detecting = (Attempt(n, 1) for n in (1, 2, 3))
    world.feed(events.RowsPolled()).fetching(serving, magnet())
    world.feed(reported(report(serving, "active", 100, seeder=True)))
    world.feed(events.Finished(serving, "/downloads/t", 100), events.Saved(serving), events.RowsPolled())
    world.fetching(fetching).claim(detecting)
    removed, results = world.machine.abandon()
    assert removed == [
        commands.CleanUp(serving, (gid(serving),), keep_result=True),
        commands.CleanUp(fetching, (gid(fetching),)),
        commands.CleanUp(detecting, ()),
        commands.CleanUp(Attempt(9, 1), left(Attempt(9, 1), 2)),
    ]
    assert not results.gids


@pytest.mark.fault(6)
def test_what_was_published_for_a_row_of_such_a_database_stays_when_the_row_is_being_told() -> None:
    world = World().up().fetching(ONE)
    world.feed(reported(report(ONE, "complete", 100)))
    ((before,), _) = world.machine.abandon()
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100))
    ((told,), _) = world.machine.abandon()
    assert (before.keep_result, told.keep_result) == (False, True)
    world.feed(events.Saved(ONE))
    assert world.machine.abandon() == ([], commands.ForgetTransfers((gid(ONE),)))


def test_a_shutdown_leaves_everything_resumable() -> None:
    world = World().up().fetching(ONE)
    world.feed(events.ShutdownRequested("SIGTERM"))
    assert isinstance(world.last[-1], commands.Exit)
    assert world.the(commands.StopWork)
    assert not [c for c in world.last if isinstance(c, commands.RemoveTransfers | commands.SaveWaiting)]
    (notice,) = world.told()
    assert isinstance(notice, notices.ReactorStopped)
    assert notice.left == 1
    world.feed(events.Detected(ONE, detection()), events.TimePassed())
    assert not world.last


def test_a_shutdown_waits_for_the_last_word_of_a_row_that_is_being_written() -> None:
    world = World().up().fetching(ONE)
    world.feed(reported(report(ONE, "complete", 100)), events.Finished(ONE, "/downloads/a.bin", 100))
    world.feed(events.ShutdownRequested("SIGTERM"), events.RowsPolled(), events.TimePassed())
    assert not world.of(commands.Exit)
    assert world.machine.next_deadline() is None
    world.feed(events.Saved(ONE))
    assert [type(command) for command in world.last[-2:]] == [commands.Tell, commands.Exit]
    assert [notice.event for notice in world.told()] == ["download_completed", "reactor_stopped"]
    assert world.the(commands.Tidy).ids == (ONE.download_id,)


def draining(*attempts: Attempt) -> World:
    """It was asked to end, and what is under way may end before."""
    world = World(Limits(concurrent=3)).up()
    for attempt in attempts:
        world.fetching(attempt)
    return world.feed(events.ShutdownRequested("SIGTERM", 1_800_000_000.0))


def test_a_shutdown_lets_what_is_under_way_end_and_begins_nothing_more() -> None:
    world = draining(ONE, TWO)
    (told,) = world.told()
    assert told == notices.ReactorDraining(reason="SIGTERM", under_way=2, until=1_800_000_000.0)
    assert not world.of(commands.StopWork)
    world.feed(reported(report(ONE, "complete", 100)), events.Finished(ONE, "/downloads/a.bin", 100))
    world.feed(events.Saved(ONE))
    assert world.the(commands.PollRows).claim == 0
    assert world.seen(TWO).the(commands.PollRows).claim == 0, "it hears of cancels still"
    assert not world.of(commands.Exit)
    world.feed(reported(report(TWO, "complete", 100)), events.Finished(TWO, "/downloads/b.bin", 100))
    world.feed(events.Saved(TWO))
    assert isinstance(world.last[-1], commands.Exit)
    assert world.told()[-1] == notices.ReactorStopped(reason="SIGTERM", left=0)


@pytest.mark.parametrize("until", [None, 1_900_000_000.0])
def test_a_second_request_ends_the_wait(until: float | None) -> None:
    world = draining(ONE)
    world.feed(events.ShutdownRequested("SIGINT", until))
    assert isinstance(world.last[-1], commands.Exit)
    assert world.the(commands.StopWork)
    assert world.told()[-1] == notices.ReactorStopped(reason="SIGINT", left=1)


def test_a_shutdown_with_time_ends_at_once_where_nothing_is_under_way() -> None:
    world = World().up().feed(events.ShutdownRequested("SIGTERM", 1_800_000_000.0))
    assert world.told() == [notices.ReactorStopped(reason="SIGTERM", left=0)]
    assert world.the(commands.Exit)


def test_what_is_to_be_tried_again_is_left_to_the_next_run() -> None:
    world = World().up().claim(ONE).feed(events.ShutdownRequested("SIGTERM", 1_800_000_000.0))
    world.feed(events.WorkFailed(ONE, BUSY), events.Saved(ONE))
    assert world.the(commands.SaveWaiting)
    assert [notice.event for notice in world.told()] == ["download_retry_scheduled", "reactor_stopped"]


def test_a_torrent_whose_files_were_published_may_still_be_served_by_an_aria2_elsewhere() -> None:
    row = ClaimedRow(ONE, "http://host.example/1", plan=magnet(), plan_attempt=1, stage="finishing")
    world = World().feed(events.Recovered((row,), (), INSTANCE), connected())
    world.feed(events.Finished(ONE, "/downloads/t", 100))
    assert world.the(commands.SaveDownloaded).keep_plan, "somebody has to find it after a crash"
    world.feed(events.Saved(ONE))
    assert world.the(commands.CleanUp) == commands.CleanUp(ONE, left(ONE), keep_result=True)
    assert world.feed(events.CleanedUp(ONE)).of(commands.ForgetPlan)


@pytest.mark.parametrize(
    "unsaved",
    [events.SaveStale(ONE, last=True), events.SaveRejected(ONE, Failure("constraint", "CHECK constraint failed."))],
)
def test_a_shutdown_leaves_a_row_whose_last_word_was_refused_to_the_next_run(unsaved: events.Event) -> None:
    world = World().up().fetching(ONE)
    world.feed(reported(report(ONE, "complete", 100)), events.Finished(ONE, "/downloads/a.bin", 100))
    world.feed(events.ShutdownRequested("SIGTERM"), unsaved)
    assert [notice.event for notice in world.told()] == ["reactor_stopped"]
    assert isinstance(world.last[-1], commands.Exit)
    assert not world.of(commands.Tidy)
