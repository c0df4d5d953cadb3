"""How much may come before aria2 is asked again: MAX_FILE_SIZE_MIB holds, however fast the line is."""

from __future__ import annotations

import dataclasses

from reactor.core import commands, events
from reactor.core.allowance import PAUSE_MIN_S, SLACK
from reactor.core.job import STOPPING, Attempt
from reactor.core.quotas import MIB
from tests.core.parts import parts
from tests.core.test_quotas import limits
from tests.core.world import World, detection, gid, one_file, report, reported

ONE, TWO = Attempt(1, 1), Attempt(2, 1)
LIMIT = 50 * MIB
LIMITED = limits(max_file_size=LIMIT)


def told(world: World) -> int | None:
    """What the guard was told last."""
    return [command.until for command in world.log if isinstance(command, commands.Allow)][-1]


def answered(world: World, passed: int, *reports: events.TransferReport) -> World:
    return world.feed(events.TransfersReported(reports, passed=passed))


def test_without_a_limit_nothing_is_counted() -> None:
    world = World(limits()).up().fetching(ONE, one_file(size=None))
    world.feed(events.DiskMeasured(10))
    assert not [command for command in world.log if isinstance(command, commands.Allow)]


def test_so_much_may_come_that_it_gets_a_little_too_large() -> None:
    world = World(LIMITED).up().fetching(ONE, one_file(size=None))
    assert told(world) == LIMIT + SLACK
    world.feed(events.AllowanceUsed(LIMIT + SLACK))
    assert world.the(commands.AskStatus).gids == (gid(ONE),)
    on_its_way = report(ONE, "active", LIMIT - 3 * MIB, 0)
    assert answered(world, LIMIT + SLACK, on_its_way).the(commands.AskStatus).gids == (gid(ONE),)
    assert (told(world) or 0) <= LIMIT + SLACK, "what is between the guard and aria2 was not fetched twice"
    there = report(ONE, "active", LIMIT - MIB, 0)
    assert answered(world, LIMIT + SLACK, there).the(commands.AskStatus).gids == (gid(ONE),)
    answered(world, LIMIT + SLACK, there)
    assert told(world) == LIMIT + SLACK + SLACK + MIB, "what is fetched twice costs nothing"
    world.feed(events.AllowanceUsed(LIMIT + 9 * MIB))
    answered(world, LIMIT + 9 * MIB, report(ONE, "active", LIMIT + 1, 0))
    assert world.machine.jobs[1].state in STOPPING
    assert (told(world) or 0) <= LIMIT + 9 * MIB, "nothing more comes before aria2 has let go of it"
    world.feed(events.TransfersRemoved(ONE))
    assert told(world) is None


def test_a_size_that_aria2_has_told_is_enough() -> None:
    world = World(LIMITED).up().fetching(ONE, one_file(size=10))
    assert told(world) == LIMIT + SLACK, "what was said by HEAD may be another one"
    answered(world, 1000, report(ONE, "active", 5, 10))
    assert told(world) is None


def test_the_one_that_has_least_left_counts() -> None:
    world = World(LIMITED).up().fetching(ONE, one_file(size=None)).fetching(TWO, one_file(size=None))
    answered(world, 30 * MIB, report(ONE, "active", 20 * MIB, 0), report(TWO, "active", 10 * MIB, 0, gid=gid(TWO)))
    assert told(world) == 30 * MIB + 30 * MIB + SLACK
    answered(world, 40 * MIB, report(ONE, "complete", 20 * MIB, 20 * MIB))
    assert told(world) == 30 * MIB + 40 * MIB + SLACK, "of the other one nothing new was heard"


def test_parts_are_asked_for_all_together() -> None:
    """What was heard of one of them says nothing of the others."""
    world = World(LIMITED).up()
    world.claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, parts(3, size=None)))
    world.feed(events.TransfersAdded(ONE, (0, 1)))
    assert told(world) == LIMIT + SLACK
    one = report(ONE, "active", 10 * MIB, 0)
    answered(world, 30 * MIB, one)
    assert told(world) == LIMIT + SLACK - 10 * MIB
    world.feed(events.AllowanceUsed(60 * MIB))
    assert world.the(commands.AskStatus).gids == (gid(ONE, 0), gid(ONE, 1))
    world.feed(events.TransfersAdded(ONE, (2,)))
    assert world.the(commands.AskStatus).gids == (gid(ONE, 0), gid(ONE, 1), gid(ONE, 2))
    all_of_them = (one, *(report(ONE, "active", 10 * MIB, 0, gid=gid(ONE, n)) for n in (1, 2)))
    answered(world, 60 * MIB, *all_of_them)
    answered(world, 60 * MIB, *all_of_them)
    assert told(world) == 60 * MIB + LIMIT - 30 * MIB + SLACK


def test_where_nothing_passes_the_guard_aria2_is_asked_the_oftener_the_nearer_the_limit_is() -> None:
    world = World(dataclasses.replace(LIMITED, embedded=False)).up().fetching(ONE, one_file(size=None))
    soon = world.machine.next_deadline()
    assert soon is not None
    assert PAUSE_MIN_S <= soon < 0.1, "50 MiB are nothing for 10 Gbit/s"
    assert not world.feed(events.TimePassed(), after=soon).the(commands.AskStatus).periodic
    world.feed(reported(report(ONE, "active", 10, 100)))
    assert (world.machine.next_deadline() or 0) > 1, "its size is known"


def test_no_more_comes_than_the_disk_has_room_for() -> None:
    """Of what nobody knows the size of: a fast line brings gigabytes before the next look."""
    world = World(limits(min_free_disk=100 * MIB)).up()
    world.fetching(ONE, one_file(size=None))
    world.feed(events.TimePassed(), after=5.0)
    world.feed(events.DiskMeasured(300 * MIB), events.DiskMeasured(300 * MIB, ((1, 0),)))
    assert told(world) == 200 * MIB
    world.feed(events.AllowanceUsed(200 * MIB))
    assert world.of(commands.MeasureDisk)
    world.feed(events.DiskMeasured(150 * MIB), events.DiskMeasured(150 * MIB, ((1, 150 * MIB),)))
    assert told(world) == 250 * MIB, "half of it was for others"
    world.feed(
        events.AllowanceUsed(250 * MIB), events.DiskMeasured(99 * MIB), events.DiskMeasured(99 * MIB, ((1, 200 * MIB),))
    )
    assert world.machine.jobs[1].state in STOPPING
    answered(world, 0, report(ONE, "active", 5, 10))
    world.feed(events.TransfersRemoved(ONE))
    assert told(world) is None


def test_what_has_told_its_size_has_its_room_already() -> None:
    world = World(limits(min_free_disk=100 * MIB)).up().fetching(ONE, one_file(size=10))
    answered(world, 1000, report(ONE, "active", 5, 10))
    assert told(world) is None
