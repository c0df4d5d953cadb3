"""What one download may take, and what the disk must keep."""

from __future__ import annotations

import dataclasses

import pytest

from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import STOPPING, Attempt, State
from reactor.core.quotas import MIB, PLAN_TOO_LARGE, Quotas
from reactor.errors import Failure
from reactor.numbers import SIZE_MAX
from tests.core.parts import parts
from tests.core.world import LIMITS, World, detection, gid, one_file, report, reported, until

ONE, TWO = Attempt(1, 1), Attempt(2, 1)


def limits(**quotas: float) -> Limits:
    return dataclasses.replace(LIMITS, concurrent=2, quotas=Quotas(**quotas))  # type: ignore[arg-type]


def failure(world: World) -> tuple[str, str]:
    """The code and the sentence of the job that is being taken down."""
    (job,) = world.machine.jobs.values()
    assert job.state in STOPPING
    assert job.ending is not None
    assert job.ending.failure is not None
    return job.ending.failure.code, job.ending.failure.text


def test_a_size_that_is_known_before() -> None:
    world = World(limits(max_file_size=5 * MIB)).up().claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file(size=6 * MIB)))
    assert not world.of(commands.AddTransfers)
    assert failure(world) == (
        "too_large",
        "It has 6.0 MiB; 5 MiB are allowed (MAX_FILE_SIZE_MIB). Whoever runs this can allow more.",
    )


def test_what_putting_it_together_writes_counts_too() -> None:
    world = World(limits(max_file_size=5 * MIB)).up().claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file(size=1000), joined=6 * MIB))
    assert not world.of(commands.AddTransfers)
    assert failure(world)[0] == "too_large"


def test_what_no_disk_of_this_size_has_room_for_is_not_waited_for() -> None:
    world = until(State.FINISHING)
    world.feed(events.WorkFailed(ONE, Failure("no_space", "It is too small.", None, retryable=False)))
    assert failure(world)[0] == "no_space"
    world.feed(events.TransfersRemoved(ONE), events.Discarded(ONE))
    assert world.the(commands.SaveFailed)


@pytest.mark.fault(54)
def test_a_plan_has_a_size_too() -> None:
    """Many parts with long addresses: it is refused before anything is written or fetched."""
    long = "http://host.example/" + "a" * 8000
    fetches = tuple(dataclasses.replace(fetch, urls=(f"{long}/{fetch.name}",)) for fetch in parts(2000).fetches)
    world = World(limits()).up().claim(ONE)
    plan = parts(2000).model_copy(update={"fetches": fetches})
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, plan))
    assert not world.of(commands.AddTransfers)
    assert not world.of(commands.SavePlan)
    code, sentence = failure(world)
    assert (code, sentence.startswith(PLAN_TOO_LARGE.message)) == ("too_large", True)


@pytest.mark.parametrize(("completed", "total"), [(0, 6 * MIB), (6 * MIB, 0)])
def test_a_size_that_aria2_finds_out(completed: int, total: int) -> None:
    world = World(limits(max_file_size=5 * MIB)).up().fetching(ONE, one_file(size=None))
    world.feed(reported(report(ONE, "active", completed, total)))
    assert failure(world)[0] == "too_large"
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE),)
    world.feed(events.TransfersRemoved(ONE))
    assert world.of(commands.Discard), "nothing of it stays"


def test_a_size_that_no_file_has_is_refused_whatever_is_allowed() -> None:
    for told, found in ((SIZE_MAX + 1, 0), (None, SIZE_MAX + 1)):
        world = World(limits()).up().claim(ONE)
        world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file(size=told)))
        assert bool(world.of(commands.AddTransfers)) is (told is None), "aria2 is not asked for it"
        if told is None:
            world.feed(events.TransfersAdded(ONE, (0,)), reported(report(ONE, "active", 0, found)))
        assert failure(world)[:1] == ("too_large",)
        assert failure(world)[1].startswith("It is said to have more than 16 TiB, which no file has.")


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
        "It was not done after 50 s (DOWNLOAD_TIMEOUT_S). Whoever runs this can allow more.",
    )
