"""How much of a job is in aria2 at once, and what comes of parts that fail, and of an aria2 that dies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import IN_TRANSFER, STOPPING, Attempt, State
from reactor.core.quotas import Quotas
from reactor.core.steps.finish import SPACE_WAITS_MAX
from reactor.core.steps.window import REFILL_S, SETBACKS_MAX, WINDOW_BYTES_MAX, WINDOW_MAX
from reactor.core.suspects import ARIA2_TRIAL_ASK_S, ARIA2_TRIAL_S, DEATHS_MAX
from reactor.errors import Failure
from reactor.models import Kind
from reactor.plan import Cookie
from tests.core.parts import kept, parts, wait
from tests.core.world import LIMITS, World, connected, detection, gid, magnet, one_file, report, reported

ONE, TWO = Attempt(1, 1), Attempt(2, 1)


def given(world: World) -> int:
    return len(world.machine.jobs[1].progress.given)


def state(world: World) -> State:
    return world.machine.jobs[1].state


def begun(count: int, limits: Limits) -> World:
    """A job of `count` parts, of which aria2 was given some."""
    world = World(limits).up().claim(ONE)
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)), events.Extracted(ONE, parts(count)))
    return took(world)


def took(world: World) -> World:
    """aria2 takes what it was handed last."""
    return world.feed(events.TransfersAdded(ONE, numbers(world)))


def numbers(world: World) -> tuple[int, ...]:
    return tuple(each.n for added in world.of(commands.AddTransfers) for each in added.additions)


def ended(world: World, *done: int, **how: Any) -> World:
    """aria2 tells of these, and answers what it is asked of them."""
    reports = {gid(ONE, n): report(ONE, gid=gid(ONE, n), **({"status": "complete"} | how)) for n in done}
    asked: list[str] = []
    for one, told in reports.items():
        world.feed(events.TransferNotified(one, told.status))
        asked += [each for ask in world.of(commands.AskStatus) if not ask.periodic for each in ask.gids]
    return world.feed(reported(*[reports[one] for one in asked]))


def test_no_more_than_so_many_parts_are_in_aria2_at_once_where_they_are_slow() -> None:
    world = begun(40, replace(LIMITS, parts=4))
    for _ in range(8):
        assert given(world) <= 4
        world.feed(after=REFILL_S)
        took(ended(world, *sorted(world.machine.jobs[1].progress.given)[:2]))
    assert world.machine.jobs[1].progress.done == 16


def test_one_part_at_a_time_where_no_more_are_allowed() -> None:
    world = begun(5, replace(LIMITS, parts=1))
    for n in range(4):
        assert list(world.machine.jobs[1].progress.given) == [n]
        world.feed(after=REFILL_S)
        took(ended(world, n))


@pytest.mark.fault(54)
def test_parts_with_long_headers_are_fewer_at_a_time() -> None:
    """aria2 keeps 60 kB of cookies with each of them: a window of 512 would be 30 MB."""
    cookies = tuple(Cookie(name=f"c{n}", value="v" * 4000, domain="host.example") for n in range(15))
    plan = parts(2000).model_copy(update={"cookies": cookies})
    world = World(LIMITS).up().claim(ONE)
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)), events.Extracted(ONE, plan))
    assert world.the(commands.AddTransfers).cookies == cookies
    took(world)
    most = 0
    while state(world) is State.FETCHING:
        most = max(most, given(world))
        took(ended(world, *sorted(world.machine.jobs[1].progress.given)))
    assert 100 < most <= WINDOW_BYTES_MAX // 60_000


def test_two_thousand_quick_parts_cost_few_requests() -> None:
    world = begun(2000, LIMITS)
    while state(world) is State.FETCHING:
        took(ended(world, *sorted(world.machine.jobs[1].progress.given)))
    asked = [command for command in world.log if isinstance(command, commands.AskStatus)]
    added = [command for command in world.log if isinstance(command, commands.AddTransfers)]
    assert len(asked) + len(added) <= 36
    assert max(len(command.additions) for command in added) <= WINDOW_MAX


class Counted(list[Any]):
    """A list that counts how often it is gone through."""

    rounds = 0

    def __iter__(self) -> Iterator[Any]:
        self.rounds += 1
        return super().__iter__()


@pytest.mark.parametrize("quotas", [Quotas(), Quotas(max_file_size=10**9)])
def test_what_is_told_of_one_part_does_not_make_all_be_looked_at(quotas: Quotas) -> None:
    world = begun(400, replace(LIMITS, parts=400, quotas=quotas))
    job = world.machine.jobs[1]
    counted = job.progress.transfers = Counted(job.progress.transfers)
    world.feed(reported(*[report(ONE, "active", 1, gid=gid(ONE, n)) for n in range(400)], periodic=True))
    failing = [report(ONE, "error", gid=gid(ONE, n), error_code=2) for n in range(100)]
    for each in failing:
        world.feed(events.TransferNotified(each.gid, "error"), reported(each))
    world.feed(*[events.AddFailed(ONE, (n,), Failure("aria2_lost", "lost", None, True)) for n in range(100, 200)])
    assert counted.rounds < 10


def test_parts_that_are_too_large_together_are_stopped_as_soon_as_that_is_known() -> None:
    world = begun(3, replace(LIMITS, quotas=Quotas(max_file_size=250)))
    world.feed(reported(*[report(ONE, "active", 1, 100, gid=gid(ONE, n)) for n in range(2)], periodic=True))
    assert state(world) is State.FETCHING
    world.feed(reported(report(ONE, "complete", 100, 100, gid=gid(ONE, 2)), periodic=True))
    assert state(world) in STOPPING


def test_what_is_planned_again_is_not_asked_about() -> None:
    world = begun(300, replace(LIMITS, parts=300))
    world.feed(*[events.TransferNotified(gid(ONE, n), "stop") for n in range(300)])
    (asked,) = world.of(commands.AskStatus)
    world.feed(reported(*[report(ONE, "unknown", gid=one) for one in asked.gids]))
    assert len(numbers(world)) == 300
    took(world)
    world.feed(*[events.TransferNotified(gid(ONE, n), "complete") for n in range(299)])
    assert not world.of(commands.AskStatus)


def test_what_aria2_has_told_of_and_forgotten_is_done() -> None:
    """It keeps so many results and no more; that it was complete it said before."""
    world = begun(300, replace(LIMITS, parts=300))
    world.feed(*[events.TransferNotified(gid(ONE, n), "complete") for n in range(300)])
    (asked,) = world.of(commands.AskStatus)
    world.feed(reported(*[report(ONE, "unknown", gid=one) for one in asked.gids]))
    assert world.the(commands.Finish)
    assert not world.of(commands.AddTransfers)


def test_one_file_goes_before_the_parts_of_another_row() -> None:
    world = World(replace(LIMITS, concurrent=2)).up().claim(ONE)
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)), events.Extracted(ONE, parts(40)))
    assert not any(each.first for each in world.the(commands.AddTransfers).additions)
    world.claim(TWO)
    world.feed(events.Detected(TWO, detection()), events.Extracted(TWO, one_file()))
    assert world.the(commands.AddTransfers).additions[0].first


def test_a_part_that_waits_for_its_turn_does_not_hide_that_the_others_have_stalled() -> None:
    world = begun(8, replace(LIMITS, stall_timeout_s=60.0))
    some = [report(ONE, "active", 5, gid=gid(ONE, n)) for n in range(4)]
    some += [report(ONE, "waiting", 0, 0, gid=gid(ONE, n)) for n in range(4, 8)]
    world.feed(reported(*some, periodic=True))
    world.feed(reported(*some, periodic=True), after=61.0)
    assert state(world) in STOPPING


def test_a_job_whose_turn_has_not_come_has_not_stalled() -> None:
    world = begun(8, replace(LIMITS, stall_timeout_s=60.0))
    queued = reported(*[report(ONE, "waiting", 0, 0, gid=gid(ONE, n)) for n in range(8)], periodic=True)
    world.feed(queued).feed(queued, after=61.0)
    assert state(world) is State.FETCHING


def test_a_cancel_is_about_those_only_that_aria2_may_have() -> None:
    world = begun(400, LIMITS)
    ended(world, *range(3))
    world.seen(ONE, cancelled=True)
    assert world.the(commands.RemoveTransfers).gids == tuple(gid(ONE, n) for n in range(LIMITS.parts))


# Parts that fail


def test_a_server_that_had_enough_is_left_alone_for_a_while_and_then_asked_for_one_part() -> None:
    enough = {"status": "error", "error_code": 22, "error_message": "status=429"}
    world, asked = begun(300, LIMITS), 0
    for _ in range(SETBACKS_MAX):
        asked += given(world)
        ended(world, *sorted(world.machine.jobs[1].progress.given), **enough)
        if state(world) in IN_TRANSFER:
            assert not numbers(world)
            ended(
                world,
                *sorted(world.machine.jobs[1].progress.given),
                status="error",
                error_code=22,
                error_message="status=429",
            )
            took(wait(world))
            assert given(world) == 1
    assert state(world) in STOPPING
    assert asked == LIMITS.parts + SETBACKS_MAX - 1


def test_a_part_that_cannot_be_continued_begins_anew_and_the_others_stay() -> None:
    world = begun(8, LIMITS)
    ended(world, 0, 1, 2)
    ended(world, 3, status="error", error_code=8)
    wait(world)
    (again,) = world.the(commands.AddTransfers).additions
    assert (again.n, again.must_redownload) == (3, True)
    assert not world.of(commands.Discard)


def test_parts_that_are_worth_nothing_are_fetched_again_and_no_others() -> None:
    world = begun(8, LIMITS)
    ended(world, *range(8))
    assert world.the(commands.Finish)
    page = Failure("bad_part", "It is a page.", None, True)
    world.feed(events.WorkFailed(ONE, page, (2, 5)))
    assert kept(world) == frozenset(range(8)) - {2, 5}
    assert {one for each in world.of(commands.ForgetTransfers) for one in each.gids} == {gid(ONE, 2), gid(ONE, 5)}
    took(wait(world))
    assert list(world.machine.jobs[1].progress.given) == [2, 5]
    ended(world, 2, 5)
    assert world.the(commands.Finish)


def test_a_part_that_is_a_page_each_time_fails_the_attempt_and_the_others_stay() -> None:
    page = Failure("bad_part", "It is a page.", None, True)
    world = begun(8, LIMITS)
    ended(world, *range(8))
    while state(world) not in STOPPING:
        world.feed(events.WorkFailed(ONE, page, (2,)))
        if state(world) is State.FETCHING:
            ended(took(wait(world)), 2)
    assert world.machine.jobs[1].plan.complete_parts == frozenset(range(8)) - {2}
    world.feed(events.TransfersRemoved(ONE))
    assert world.the(commands.SaveWaiting).failure == page


def test_where_there_is_no_room_to_join_the_parts_it_waits_with_them() -> None:
    world = begun(8, LIMITS)
    ended(world, *range(8))
    full = events.WorkFailed(ONE, Failure("no_space", "There is no room.", None, True))
    for _ in range(SPACE_WAITS_MAX):
        world.feed(full)
        assert not world.of(commands.Finish)
        assert not world.of(commands.SaveProgress)
        wait(world)
        assert world.the(commands.Finish)
    world.feed(full)
    assert world.the(commands.MeasureDisk), "what becomes of it is for the disk to tell"
    assert not world.of(commands.SaveProgress), "the parts stay"
    world.feed(events.DiskMeasured(0, ())).feed(events.TransfersRemoved(ONE))
    assert world.the(commands.SaveWaiting).failure is not None


def test_a_part_that_may_not_exist_is_not_missed() -> None:
    plan = parts(8)
    last = replace(plan.fetches[7], optional=True)
    world = World().up().claim(ONE)
    plan = plan.model_copy(update={"fetches": (*plan.fetches[:7], last)})
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)), events.Extracted(ONE, plan))
    ended(took(world), 7, status="error", error_code=3)
    assert state(world) is State.FETCHING
    ended(world, *range(7))
    assert world.the(commands.Finish)


# aria2 dies


def dies(world: World, session: int) -> World:
    """With all that it had; it is asked about that, and handed it again."""
    world.feed(events.Aria2Lost("It ended."), connected(f"s{session}"), after=6.0)
    asked = [one for ask in world.of(commands.AskStatus) for one in ask.gids]
    world.feed(reported(*[report(ONE, "unknown", gid=one) for one in asked]))
    for added in world.of(commands.AddTransfers):
        world.feed(events.TransfersAdded(added.attempt, tuple(each.n for each in added.additions)))
    return world


def test_an_aria2_that_dies_costs_no_row_that_moves_an_attempt() -> None:
    world = World().up().fetching(ONE)
    for n in range(3 * DEATHS_MAX):
        world.feed(reported(report(ONE, "active", n + 1), periodic=True))
        dies(world, n + 2)
    assert state(world) is State.FETCHING


def test_a_row_of_which_no_byte_comes_before_aria2_dies_again_waits_for_its_next_attempt() -> None:
    world = World().up().fetching(ONE)
    for n in range(DEATHS_MAX):
        assert state(world) is State.FETCHING
        dies(world, n + 2)
    world.feed(events.TransfersRemoved(ONE))
    saved = world.the(commands.SaveWaiting)
    assert saved.failure is not None
    assert (saved.failure.code, saved.retry_count) == ("aria2_lost", 1)


def test_a_magnet_link_that_ends_aria2_each_time_does_not_do_so_for_ever() -> None:
    world = World().up().fetching(ONE, magnet())
    world.feed(reported(report(ONE, "complete", 1, 1, followed_by=("aa",))))
    for n in range(DEATHS_MAX):
        assert state(world) is State.FETCHING
        dies(world, n + 2)
    assert state(world) in STOPPING


def answers(world: World, killer: Attempt) -> World:
    """aria2 lives as long as it does not have `killer`; of the others a byte comes when they are asked about."""
    session, read = 2, 0
    while world.machine.jobs[killer.download_id].state is State.FETCHING:
        assert session < 20
        added = [each.attempt for each in world.log[read:] if isinstance(each, commands.AddTransfers)]
        read = len(world.log)
        for attempt in added:
            world.feed(events.TransfersAdded(attempt, (0,)))
        if killer in added:
            dies_at(world, session)
            session += 1
            continue
        world.feed(events.TimePassed(), after=ARIA2_TRIAL_ASK_S)
        asked = {gid for ask in world.of(commands.AskStatus) for gid in ask.gids}
        theirs = [job for job in world.machine.jobs.values() if job.attempt != killer]
        for job, transfer in ((job, job.progress.transfers[0]) for job in theirs):
            if transfer.gid in asked:
                world.feed(reported(report(job.attempt, "active", transfer.completed + 1)))
    return world


def dies_at(world: World, session: int) -> None:
    world.feed(events.Aria2Lost("It ended."), connected(f"s{session}"), after=1.0)
    asked = [one for ask in world.of(commands.AskStatus) for one in ask.gids]
    world.feed(reported(*[report(ONE, "unknown", gid=one) for one in asked]))


@pytest.mark.fault(65)
@pytest.mark.parametrize("killer", [1, 2, 3])
def test_of_several_the_one_that_aria2_dies_of_is_found_out(killer: int) -> None:
    """Whichever came first."""
    world = World(replace(LIMITS, concurrent=3)).up()
    attempts = [Attempt(id, 1) for id in (1, 2, 3)]
    for attempt in attempts:
        world.feed(after=1.0).fetching(attempt)
    world.log.clear()
    dies_at(world, 99)
    assert sum(isinstance(each, commands.AddTransfers) for each in world.log) == 3, "it may have been an accident"
    answers(world, attempts[killer - 1])
    states = {job.id: job.state for job in world.machine.jobs.values()}
    others = {attempt.download_id: State.FETCHING for attempt in attempts}
    assert states == {**others, killer: State.REMOVING}


def test_a_suspect_of_which_nothing_comes_holds_up_the_others_for_a_while_only() -> None:
    world = World(replace(LIMITS, concurrent=2)).up().fetching(ONE).fetching(TWO)
    dies(world, 98)
    dies_at(world, 99)
    assert world.the(commands.AddTransfers).attempt == ONE
    world.feed(events.TransfersAdded(ONE, (0,)), events.TimePassed(), after=ARIA2_TRIAL_S / 2)
    assert not world.of(commands.AddTransfers)
    world.feed(events.TimePassed(), after=ARIA2_TRIAL_S / 2)
    assert world.the(commands.AddTransfers).attempt == TWO


def test_when_the_suspect_is_cancelled_the_next_one_is_begun() -> None:
    world = World(replace(LIMITS, concurrent=2)).up().fetching(ONE).fetching(TWO)
    dies(world, 98)
    dies_at(world, 99)
    world.feed(events.TransfersAdded(ONE, (0,)), events.DatabaseChanged("file"))
    rows = (events.WatchedRow(1, 1, "downloading", True), events.WatchedRow(2, 1, "downloading", False))
    world.feed(events.RowsPolled(watched=rows))
    assert world.the(commands.AddTransfers).attempt == TWO


def test_a_row_whose_turn_has_not_come_does_not_kill_aria2() -> None:
    world = World().up().fetching(ONE)
    for n in range(2 * DEATHS_MAX):
        world.feed(reported(report(ONE, "waiting"), periodic=True))
        dies(world, n + 2)
    assert state(world) is State.FETCHING


def test_what_aria2_loses_again_and_again_may_come_later() -> None:
    world = World().up().fetching(ONE)
    for _ in range(9):
        if state(world) is State.FETCHING:
            world.feed(reported(report(ONE, "unknown")))
            for added in world.of(commands.AddTransfers):
                world.feed(events.TransfersAdded(added.attempt, (0,)))
    world.feed(events.TransfersRemoved(ONE))
    assert world.the(commands.SaveWaiting)
