"""Several machines serve one queue: what is under way here goes on only while the lease is held."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.job import WORKING, Attempt, State
from reactor.core.lease import AGAIN_S, BEAT_S, HELD_S
from reactor.core.lifecycle import TABLE
from reactor.core.rows import ClaimedRow
from reactor.core.steps.teardown import STOP_PATIENCE_S
from reactor.errors import Failure
from tests.core.world import INSTANCE, LIMITS, ONE, World, connected, gid, left, one_file, report, reported

CUT = Failure("database", "The server does not answer.", None, True)
BEGINS = (commands.Detect, commands.Extract, commands.AddTransfers, commands.Finish, commands.ReadPlan)
RENEWED = events.LeaseRenewed()


def leased(*rows: ClaimedRow) -> World:
    """A machine that has a lease, and was told so at once."""
    world = World(replace(LIMITS, leased=True))
    return world.feed(RENEWED).up(*rows)


def planned(attempt: Attempt = ONE) -> ClaimedRow:
    return ClaimedRow(attempt, "http://host.example/1", plan=one_file(), plan_attempt=attempt.number, stage="fetching")


def lost(world: World) -> World:
    """The database has not answered for as long as a lease is held."""
    world.feed(events.RenewalFailed(CUT), after=HELD_S - 1)
    return world.feed(events.TimePassed(), after=1)


def renew(world: World, *, overdue: bool = False) -> World:
    """The database answers a renewal that was asked for just now."""
    world.feed(events.TimePassed(), after=BEAT_S)
    return world.feed(events.LeaseRenewed(overdue))


def test_nothing_is_read_before_there_is_a_lease() -> None:
    world = World(replace(LIMITS, leased=True))
    assert world.last == [commands.RenewLease()]
    world.feed(connected(), events.DatabaseChanged("start"))
    assert not world.of(commands.PollRows)
    assert world.feed(RENEWED).the(commands.Recover)


def test_where_nobody_else_serves_nothing_is_renewed() -> None:
    world = World().up()
    assert world.feed(events.TimePassed(), after=10 * HELD_S).last == []
    assert not any(isinstance(command, commands.RenewLease) for command in world.log)


def test_it_is_renewed_with_each_beat_one_at_a_time_and_sooner_after_a_failure() -> None:
    world = leased()
    assert world.machine.next_deadline() == BEAT_S
    assert world.feed(events.TimePassed(), after=BEAT_S).the(commands.RenewLease)
    assert not world.feed(events.TimePassed(), after=BEAT_S).of(commands.RenewLease), "it is still on the way"
    world.feed(events.RenewalFailed(CUT))
    assert world.machine.next_deadline() == 2 * BEAT_S + AGAIN_S
    assert world.feed(events.TimePassed(), after=AGAIN_S).the(commands.RenewLease)
    assert not world.told(), "there is time yet"


def test_what_is_overdue_is_taken_over() -> None:
    world = leased()
    assert not renew(world).of(commands.TakeOver)
    assert renew(world, overdue=True).the(commands.TakeOver)
    assert not world.feed(events.TakenOver()).last, "another machine was about it"
    assert renew(world, overdue=True).the(commands.TakeOver)
    assert world.feed(events.TakenOver(any=True)).of(commands.PollRows), "there is more to claim"
    assert not world.of(commands.RenewLease)


def test_after_a_takeover_that_failed_it_is_asked_again_soon() -> None:
    world = leased()
    renew(world, overdue=True)
    assert world.machine.next_deadline() == 2 * BEAT_S
    world.feed(events.TakenOver(failed=True))
    assert world.machine.next_deadline() == BEAT_S + AGAIN_S
    assert world.feed(events.TimePassed(), after=AGAIN_S).the(commands.RenewLease)
    assert world.feed(events.LeaseRenewed(overdue=True)).the(commands.TakeOver)


def test_a_takeover_that_takes_long_holds_up_no_renewal_and_there_is_one_at_a_time() -> None:
    world = leased()
    renew(world, overdue=True)
    for _ in range(3):
        world.feed(events.TimePassed(), after=BEAT_S)
        assert world.the(commands.RenewLease)
        assert not world.feed(events.LeaseRenewed(overdue=True)).of(commands.TakeOver)
    world.feed(events.TakenOver(any=True))
    assert renew(world, overdue=True).the(commands.TakeOver)


def test_after_a_full_batch_the_lease_is_renewed_at_once_to_ask_for_the_next_one() -> None:
    world = leased()
    renew(world, overdue=True)
    assert world.feed(events.TakenOver(any=True, more=True)).the(commands.RenewLease)
    assert world.feed(events.LeaseRenewed(overdue=True)).the(commands.TakeOver)
    assert not world.feed(events.TakenOver(any=True, more=False)).of(commands.RenewLease)


def test_it_is_renewed_when_the_next_machine_would_be_lost() -> None:
    world = leased()
    world.feed(events.TimePassed(), after=BEAT_S)
    world.feed(events.LeaseRenewed(lost_in_s=2.0), after=0.5)
    assert world.machine.next_deadline() == BEAT_S + 2, "from when it was asked for"
    assert not world.feed(events.TimePassed(), after=1).of(commands.RenewLease)
    assert world.feed(events.TimePassed(), after=0.5).the(commands.RenewLease)
    world.feed(events.LeaseRenewed(lost_in_s=4 * BEAT_S))
    assert world.machine.next_deadline() == 2 * BEAT_S + 2, "a beat at most"


def test_an_answer_that_comes_after_that_moment_is_asked_for_again_at_once() -> None:
    world = leased()
    world.feed(events.TimePassed(), after=BEAT_S)
    assert world.feed(events.LeaseRenewed(lost_in_s=2.0), after=3).the(commands.RenewLease)


def test_it_is_held_from_when_it_was_asked_for_not_from_when_that_was_answered() -> None:
    world = leased().fetching(ONE)
    world.feed(events.TimePassed(), after=BEAT_S)
    world.feed(RENEWED, after=HELD_S - BEAT_S - 1)
    assert world.machine.next_deadline() is not None
    assert not world.feed(events.TimePassed(), after=BEAT_S).of(commands.Fence)
    assert world.feed(events.TimePassed(), after=1).the(commands.Fence)


@pytest.mark.fault(76)
def test_a_machine_that_is_cut_off_stops_its_transfers() -> None:
    world = lost(leased().fetching(ONE))
    assert world.the(commands.Fence) == commands.Fence(ONE, (gid(ONE),))
    assert world.told() == [notices.LeaseLost(held_s=HELD_S)]
    assert not world.of(commands.Discard), "what is there of it stays"
    assert not [command for command in world.last if commands.is_save(command)]
    world.feed(events.TransfersRemoved(ONE))
    world.feed(events.DatabaseChanged("poll")).feed(events.RowsPolled())
    assert not any(isinstance(command, BEGINS) for command in world.last)


@pytest.mark.fault(76)
def test_whatever_comes_first_after_a_pause_the_lease_is_looked_at_before() -> None:
    world = leased().fetching(ONE)
    world.feed(events.TransferNotified(gid(ONE), "complete"))
    world.feed(reported(report(ONE, "complete", 100)), after=10 * HELD_S)
    assert world.the(commands.Fence)
    assert not world.of(commands.Finish)


def test_what_is_still_its_own_goes_on_where_it_was() -> None:
    world = lost(leased().fetching(ONE)).feed(events.TransfersRemoved(ONE))
    assert renew(world).the(commands.ReadPlan) == commands.ReadPlan(ONE)
    assert world.told() == [notices.LeaseRegained()]
    world.feed(events.PlanRead(ONE, planned()))
    assert world.the(commands.Finish).resumed, "what is there is looked at first"
    world.feed(events.WorkFailed(ONE, Failure("files_missing", "It is not there.", None, True)))
    world.feed(reported(report(ONE, "unknown")))
    assert world.the(commands.AddTransfers).attempt == ONE


def test_it_does_not_go_on_before_aria2_has_let_go_of_it() -> None:
    world = lost(leased().fetching(ONE))
    assert not renew(world).of(commands.ReadPlan)
    world.feed(events.TimePassed(), after=STOP_PATIENCE_S)
    assert world.the(commands.Fence).gids == (gid(ONE),), "it is asked again"
    world.feed(events.Aria2Lost("It is gone."), connected("s2"))
    assert world.the(commands.Fence).gids == (gid(ONE),)
    assert world.feed(events.TransfersRemoved(ONE)).the(commands.ReadPlan)


def test_what_another_machine_has_taken_over_goes_and_nothing_is_written() -> None:
    world = lost(leased().fetching(ONE)).feed(events.TransfersRemoved(ONE))
    world.log.clear()
    renew(world)
    world.seen(Attempt(1, 2))
    assert world.the(commands.Discard) == commands.Discard(ONE)
    world.feed(events.Discarded(ONE))
    assert world.machine.jobs == {}
    assert [type(command) for command in world.log if commands.is_save(command)] == [commands.ForgetPlan]


def test_nothing_is_claimed_without_it_and_what_was_claimed_meanwhile_waits() -> None:
    world = leased()
    world.feed(events.DatabaseChanged("file"))
    if world.of(commands.MeasureDisk):
        world.feed(events.DiskMeasured(10**12), events.RowsPolled())
    assert world.the(commands.PollRows).claim == 1
    world.feed(events.TimePassed(), after=HELD_S)
    world.feed(events.RowsPolled(claimed=(ClaimedRow(ONE, "http://host.example/1"),)))
    assert not any(isinstance(command, BEGINS) for command in world.last)
    world.feed(events.DatabaseChanged("file"))
    assert all(poll.claim == 0 for poll in world.of(commands.PollRows))
    renew(world)
    assert world.the(commands.ReadPlan).attempt == ONE
    assert world.feed(events.PlanRead(ONE, ClaimedRow(ONE, "http://host.example/1"))).the(commands.Detect)


def test_what_was_read_before_it_was_lost_is_read_again() -> None:
    world = World(replace(LIMITS, leased=True)).feed(RENEWED, connected())
    world.feed(events.Recovered((planned(),), (), INSTANCE), after=HELD_S)
    assert world.machine.jobs == {}
    assert renew(world).the(commands.Recover)
    world.feed(events.Recovered((planned(),), (), INSTANCE))
    assert world.the(commands.Finish).attempt == ONE


def test_what_the_process_has_died_of_is_held_back_anew() -> None:
    held = ClaimedRow(ONE, "http://host.example/", plan_attempt=1, crashes=2, held=True, parts=2)
    world = World(replace(LIMITS, leased=True)).feed(RENEWED, connected(), events.Recovered((held,), (), INSTANCE))
    assert world.machine.jobs[1].state is State.HELD_BACK
    assert lost(world).the(commands.Fence).gids == left(ONE, 2), "an aria2 elsewhere may have it"
    renew(world.feed(events.TransfersRemoved(ONE)))
    world.feed(events.PlanRead(ONE, held))
    assert world.machine.jobs[1].state is State.HELD_BACK
    assert math.isfinite(world.machine.jobs[1].budget.hold_until or math.inf)


def test_what_is_being_taken_down_does_not_wait_for_the_database_either() -> None:
    world = leased().fetching(ONE).seen(ONE, cancelled=True)
    assert lost(world).the(commands.Fence).gids == (gid(ONE),)
    assert world.machine.jobs[1].state is State.REMOVING


def test_whatever_works_is_fenced() -> None:
    fenced = {
        state for (state, event), entry in TABLE.items() if event is events.LeaseLost and State.FENCED in entry.to
    }
    assert fenced == WORKING


def test_a_machine_that_is_asked_to_end_takes_out_of_aria2_what_others_may_begin() -> None:
    world = leased().fetching(ONE).feed(events.ShutdownRequested("SIGTERM"))
    assert world.the(commands.Fence) == commands.Fence(ONE, (gid(ONE),))
    assert world.the(commands.Exit)


def test_what_an_attempt_has_left_in_aria2_is_stopped_too() -> None:
    """To clean it up may wait for the database."""
    world = leased().feed(events.RowsPolled(leftovers=(events.Leftover(ONE, 2),)))
    assert lost(world).the(commands.Fence) == commands.Fence(ONE, left(ONE, 2))
