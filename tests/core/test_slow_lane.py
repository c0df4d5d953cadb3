"""What comes slowly takes up no slot: others are served beside it."""

from __future__ import annotations

import dataclasses

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.events import TransferReport
from reactor.core.job import METADATA, Attempt
from tests.core.test_magnets import magnet
from tests.core.world import LIMITS, ONE, World, gid, one_file, report, reported

SLOW_AFTER_S, SLOW = 60.0, 1000
TWO = Attempt(2, 1)
LANE = dataclasses.replace(LIMITS, slow_speed=float(SLOW), slow_after_s=SLOW_AFTER_S, slow_max=1)
SIZE = 10**9


def fetching(limits: Limits = LANE) -> World:
    return World(limits).up().fetching(ONE, one_file(size=SIZE))


def progress(world: World, completed: int, after: float, attempt: Attempt = ONE) -> World:
    return world.feed(reported(on_the_way(attempt, completed), periodic=True), after=after)


def on_the_way(attempt: Attempt, completed: int) -> TransferReport:
    return report(attempt, "active", completed, SIZE)


def slots(world: World) -> int:
    """How many rows the look that was asked for last may claim."""
    return world.the(commands.PollRows).claim


def settled(world: World) -> World:
    """All looks are answered: nothing new."""
    while world.of(commands.PollRows):
        jobs = world.machine.jobs.values()
        rows = tuple(events.WatchedRow(job.id, job.attempt.number, "downloading", False) for job in jobs)
        world.feed(events.RowsPolled(watched=rows))
    return world


def crawl(world: World, attempt: Attempt = ONE) -> World:
    progress(world, 100, 1.0, attempt)
    progress(world, 100, 0.0, attempt)
    return progress(world, 100 + SLOW, SLOW_AFTER_S, attempt)


@pytest.mark.fault(73)
def test_what_crawls_for_a_minute_takes_up_no_slot() -> None:
    world = fetching()
    progress(world, 100, 1.0)
    progress(world, 100 + SLOW, SLOW_AFTER_S - 1)
    assert not world.of(commands.PollRows)
    progress(world, 200 + SLOW, 1.0)
    assert slots(world) == 1
    (told,) = (each for each in world.told() if isinstance(each, notices.DownloadLane))
    assert told.slow
    assert told.speed < SLOW


def test_what_is_quick_enough_keeps_its_slot() -> None:
    world = fetching()
    progress(world, 100, 1.0)
    progress(world, 100 + SLOW * 60, SLOW_AFTER_S)
    assert not world.of(commands.PollRows)
    assert not [each for each in world.told() if isinstance(each, notices.DownloadLane)]


def test_what_is_quick_again_takes_a_slot() -> None:
    world = settled(crawl(fetching()).claim(TWO))
    progress(world, 10**6, SLOW_AFTER_S)
    assert slots(world) == 0
    (told,) = (each for each in world.told() if isinstance(each, notices.DownloadLane))
    assert not told.slow


def test_no_more_than_allowed_are_served_beside_the_others() -> None:
    world = settled(crawl(fetching())).fetching(TWO, one_file(size=SIZE))
    both = [on_the_way(ONE, 2000), on_the_way(TWO, 100)]
    world.feed(reported(*both, periodic=True), after=1.0)
    world.feed(reported(*both, periodic=True), after=SLOW_AFTER_S)
    assert slots(world) == 0


def test_without_a_lane_what_crawls_keeps_its_slot() -> None:
    world = fetching(dataclasses.replace(LANE, slow_max=0))
    crawl(world)
    assert slots(world) == 0
    assert not [each for each in world.told() if isinstance(each, notices.DownloadLane)]


@pytest.mark.fault(73)
def test_a_magnet_link_that_nobody_answers_crawls() -> None:
    world = World(LANE).up().fetching(ONE, magnet())
    for after in (1.0, SLOW_AFTER_S):
        world.feed(reported(report(ONE, "active", 0, 0, gid=gid(ONE, METADATA)), periodic=True), after=after)
    assert slots(world) == 1


@pytest.mark.parametrize("status", ["waiting", "active"])
def test_what_aria2_lets_wait_does_not_crawl(status: str) -> None:
    world = fetching()
    for after in (1.0, SLOW_AFTER_S, SLOW_AFTER_S):
        world.feed(reported(report(ONE, status, 0, SIZE), periodic=True), after=after)
    assert world.machine.jobs[1].progress.crawls == (status == "active")


def test_its_slot_is_taken_again_while_it_is_put_together() -> None:
    world = crawl(fetching()).claim(TWO)
    world.feed(reported(report(ONE, "complete", SIZE, SIZE)))
    assert world.of(commands.Finish)
    world.seen(ONE)
    assert slots(world) == 0
