"""What one download may take, and what the disk must keep."""

from __future__ import annotations

import dataclasses

import pytest

from reactor.core import commands, events
from reactor.core.disk import INTERVAL_S, ROOM_MIN
from reactor.core.endings import Limits
from reactor.core.job import Attempt, State
from reactor.core.quotas import MIB, Quotas
from reactor.core.retry import ARIA2
from tests.core.test_parts import parts
from tests.core.world import LIMITS, World, detection, gid, one_file, report, reported

ONE, TWO = Attempt(1, 1), Attempt(2, 1)


def limits(**quotas: float) -> Limits:
    return dataclasses.replace(LIMITS, concurrent=2, quotas=Quotas(**quotas))  # type: ignore[arg-type]


def failure(world: World) -> tuple[str, str]:
    """The code and the sentence of the job that is being taken down."""
    (job,) = world.machine.jobs.values()
    assert job.state is State.STOPPING
    assert job.ending is not None
    assert job.ending.failure is not None
    return job.ending.failure.code, job.ending.failure.sentence


def test_a_size_that_is_known_before() -> None:
    world = World(limits(max_file_size=5 * MIB)).up().claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file(size=6 * MIB)))
    assert not world.of(commands.AddTransfers)
    assert failure(world) == (
        "too_large",
        "It has 6.0 MiB; 5 MiB are allowed (MAX_FILE_SIZE). Whoever runs this can allow more.",
    )


@pytest.mark.parametrize(("completed", "total"), [(0, 6 * MIB), (6 * MIB, 0)])
def test_a_size_that_aria2_finds_out(completed: int, total: int) -> None:
    world = World(limits(max_file_size=5 * MIB)).up().fetching(ONE, one_file(size=None))
    world.feed(reported(report(ONE, "active", completed, total)))
    assert failure(world)[0] == "too_large"
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE),)
    world.feed(events.TransfersRemoved(ONE))
    assert world.of(commands.Discard), "nothing of it stays"


def test_so_much_is_just_allowed() -> None:
    world = World(limits(max_file_size=5 * MIB)).up().fetching(ONE, one_file(size=5 * MIB))
    world.feed(reported(report(ONE, "complete", 5 * MIB, 5 * MIB)))
    assert world.the(commands.Finish)


def test_too_many_parts() -> None:
    world = World(limits(max_parts=19)).up().claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, parts(20)))
    assert failure(world) == (
        "too_large",
        "It comes in 20 parts; 19 are allowed (MAX_PARTS). Whoever runs this can allow more.",
    )


def test_an_attempt_that_takes_too_long() -> None:
    world = World(limits(download_timeout_s=50)).up().fetching(ONE)
    deadline = world.machine.next_deadline()
    assert deadline is not None
    world.feed(reported(report(ONE, "active", 50)), after=49.0)
    assert world.machine.jobs[1].state is State.FETCHING
    world.feed(events.TimePassed(), after=1.0)
    assert failure(world) == (
        "timeout",
        "It was not done after 50 s (DOWNLOAD_TIMEOUT). Whoever runs this can allow more.",
    )


@pytest.mark.fault(43)
def test_a_full_disk_holds_the_queue_and_says_so_and_it_goes_on_when_there_is_room() -> None:
    world = World(limits(min_free_disk=100 * MIB)).up().fetching(ONE)
    world.feed(events.TimePassed(), after=5.0)
    assert world.the(commands.LookAtDisk)
    world.feed(events.DiskSeen(99 * MIB))
    assert [notice.event for notice in world.told()] == ["disk_full"]
    world.feed(events.TransfersRemoved(ONE))
    waiting = world.the(commands.SaveWaiting)
    assert (waiting.retry_count, waiting.failure and waiting.failure.code) == (0, "no_space")
    assert not [command for command in world.log if isinstance(command, commands.Discard)], "what is there is kept"
    world.feed(events.Saved(ONE))
    assert world.the(commands.Look).claim == 0
    for _ in range(3):
        world.feed(events.RowsSeen(), events.TimePassed(), after=INTERVAL_S)
        assert world.the(commands.LookAtDisk)
        world.feed(events.DiskSeen(99 * MIB))
        assert not world.told(), "said once"
    world.feed(events.TimePassed(), after=INTERVAL_S).feed(events.DiskSeen(200 * MIB))
    assert [notice.event for notice in world.told()] == ["disk_freed"]
    assert world.the(commands.Look).claim == 2
    assert not world.machine.disk.full


def test_a_file_that_does_not_fit_holds_up_nobody_else() -> None:
    """aria2 had no room for it; the disk has more than has to stay free."""
    world = World(limits(min_free_disk=100 * MIB)).up().fetching(ONE)
    world.feed(reported(report(ONE, "error", 50, error_code=9, error_message="")))
    assert world.the(commands.LookAtDisk)
    assert failure(world) == (ARIA2[9].code, ARIA2[9].sentence)
    world.feed(events.DiskSeen(200 * MIB))
    assert world.the(commands.Look).claim == 1, "the other place is free"


@pytest.mark.parametrize("free", [200 * MIB, None], ids=["there-is-room", "nobody-can-see"])
def test_where_there_was_no_room_nothing_is_begun_before_the_disk_was_looked_at(free: int | None) -> None:
    world = World(limits()).up().fetching(ONE)
    world.feed(reported(report(ONE, "error", 50, error_code=9, error_message="")))
    world.feed(events.TransfersRemoved(ONE), events.Saved(ONE))
    assert world.the(commands.Look).claim == 0
    world.feed(events.RowsSeen())
    assert not world.of(commands.Look)
    world.feed(events.DiskSeen(free))
    assert world.the(commands.Look).claim == 2


def test_without_a_limit_a_disk_is_full_when_nothing_fits() -> None:
    world = World(limits()).up().fetching(ONE)
    world.feed(events.TimePassed(), after=5.0)
    assert not world.of(commands.LookAtDisk), "nobody asked for it"
    world.feed(events.WorkFailed(ONE, ARIA2[9]), events.DiskSeen(ROOM_MIN - 1))
    assert world.machine.disk.full
