"""What the disk must keep, and what becomes of that for which it has no room."""

from __future__ import annotations

import pytest

from reactor.aria2.failures import ARIA2
from reactor.core import commands, events
from reactor.core.disk import FRESH_S, INTERVAL_S
from reactor.core.job import Attempt, State
from reactor.core.quotas import FREE_SPACE_MIN, MIB
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish, Track
from tests.core.test_quotas import failure, limits
from tests.core.world import INSTANCE, World, connected, detection, gid, one_file, report, reported

ONE, TWO = Attempt(1, 1), Attempt(2, 1)
KEPT = limits(min_free_disk=100 * MIB)


def seen(world: World, free: int | None, **held: int) -> World:
    """The disk is looked at as often as is asked for: what is free, and what the rows hold (`_1=…`)."""
    assert world.of(commands.MeasureDisk)
    world.feed(events.DiskMeasured(free))
    looks = world.of(commands.MeasureDisk)
    if looks:
        ids = looks[-1].folders or ()
        world.feed(events.DiskMeasured(free, tuple((id, held.get(f"_{id}", 0)) for id in ids)))
    return world


def extracted(world: World, attempt: Attempt, size: int | None, **more: object) -> World:
    """A row that would be handed to aria2 now."""
    world.claim(attempt, **more)
    return world.feed(events.Detected(attempt, detection()), events.Extracted(attempt, one_file(size=size)))


def begun(world: World, attempt: Attempt, size: int) -> World:
    """One for which there was room."""
    seen(extracted(world, attempt, size), 10**12)
    assert world.the(commands.AddTransfers).attempt == attempt
    return world.feed(events.TransfersAdded(attempt, (0,)))


def states(world: World) -> dict[int, State]:
    return {job.id: job.state for job in world.machine.jobs.values()}


def test_what_can_never_fit_is_not_begun() -> None:
    world = extracted(World(limits(min_free_disk=20 * MIB)).up(), ONE, 60 * MIB)
    assert not world.of(commands.AddTransfers), "not before it is known whether there is room"
    seen(world, 40 * MIB)
    assert not [command for command in world.log if isinstance(command, commands.AddTransfers)]
    assert failure(world) == (
        "no_space",
        "It needs 60.0 MiB of the disk, which has room for 20.0 MiB. Free some space, then ask for it again.",
    )
    world.feed(events.Discarded(ONE))
    assert world.the(commands.SaveFailed)
    world.feed(events.RowsPolled(), events.Saved(ONE))
    assert world.the(commands.PollRows).claim == 2, "nobody else is held up"


def test_what_is_small_is_begun_without_a_look() -> None:
    world = extracted(World(KEPT).up(), ONE, FREE_SPACE_MIN)
    assert world.the(commands.AddTransfers)
    assert not world.of(commands.MeasureDisk)


def test_where_the_disk_cannot_be_seen_all_is_begun() -> None:
    world = seen(extracted(World(KEPT).up(), ONE, 10**13), None)
    assert world.the(commands.AddTransfers)


def test_a_size_that_aria2_finds_out_is_weighed_then() -> None:
    world = World(limits()).up().fetching(ONE, one_file(size=None))
    world.feed(reported(report(ONE, "active", 0, 60 * MIB)))
    seen(world, 40 * MIB)
    assert failure(world)[0] == "no_space"
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE),)
    assert world.feed(events.TransfersRemoved(ONE)).of(commands.Discard), "its partial file goes"


def test_what_is_there_already_needs_no_room_again() -> None:
    plan = one_file(size=60 * MIB)
    world = extracted(World(KEPT).up(), Attempt(1, 2), 60 * MIB, plan=plan, plan_attempt=1)
    seen(world, 131 * MIB, _1=30 * MIB)
    assert world.the(commands.AddTransfers)


def test_room_that_is_promised_to_one_is_not_given_to_another() -> None:
    world = begun(World(KEPT).up(), ONE, 60 * MIB)
    extracted(world, TWO, 60 * MIB)
    seen(world, 200 * MIB, _1=10 * MIB)
    assert states(world) == {1: State.FETCHING, 2: State.SAVING}
    waiting = world.the(commands.SaveWaiting)
    assert (waiting.retry_count, waiting.failure and waiting.failure.code) == (0, "no_space")


def test_media_needs_room_for_its_parts_and_for_what_is_made_of_them() -> None:
    whole = one_file(size=60 * MIB)
    media = whole.model_copy(update={"finish": whole.finish.model_copy(update={"how": "media"})})
    world = World(KEPT).up().claim(ONE)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, media))
    seen(world, 200 * MIB)
    assert "It needs 120.0 MiB" in failure(world)[1]


def test_a_track_of_parts_needs_no_more_they_are_read_where_they_are() -> None:
    fetches = tuple(Fetch(urls=(f"http://host.example/{n}",), name=f"{n}.m4s", size=30 * MIB) for n in range(2))
    finish = Finish(how="media", name="a.mp4", tracks=(Track(form="concat", first=0, count=2),))
    world = World(KEPT).up().claim(ONE)
    media = Extraction(kind=Kind.DIRECT, fetches=fetches, finish=finish)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, media))
    seen(world, 200 * MIB)
    assert "It needs 120.0 MiB" in failure(world)[1]


@pytest.mark.fault(43)
def test_what_grows_and_fills_the_disk_by_itself_gives_up_what_it_has_and_the_others_go_on() -> None:
    world = begun(World(KEPT).up(), TWO, 20 * MIB)
    world.fetching(ONE, one_file(size=None))
    world.feed(events.TimePassed(), after=5.0)
    seen(world, 99 * MIB, _1=500 * MIB, _2=10 * MIB)
    assert states(world) == {1: State.REMOVING, 2: State.FETCHING}
    assert world.feed(events.TransfersRemoved(ONE)).the(commands.Discard).attempt == ONE
    waiting = world.feed(events.Discarded(ONE)).the(commands.SaveWaiting)
    assert (waiting.retry_count, waiting.failure and waiting.failure.code) == (1, "no_space"), "it has an end"
    world.feed(events.Saved(ONE), events.RowsPolled(), events.TimePassed(), after=INTERVAL_S)
    assert seen(world, 599 * MIB).of(commands.PollRows)[-1].claim == 1


@pytest.mark.fault(43)
def test_so_it_is_when_aria2_found_no_room_first() -> None:
    world = World(limits()).up().fetching(ONE, one_file(size=None))
    world.feed(reported(report(ONE, "error", 50, 0, error_code=9, error_message="")))
    seen(world, 0, _1=500 * MIB)
    assert world.feed(events.TransfersRemoved(ONE)).the(commands.Discard)
    assert world.feed(events.Discarded(ONE)).the(commands.SaveWaiting).retry_count == 1


@pytest.mark.fault(43)
def test_a_disk_that_somebody_else_fills_holds_the_queue_and_it_goes_on_when_there_is_room() -> None:
    world = begun(World(KEPT).up(), ONE, 60 * MIB)
    world.feed(events.TimePassed(), after=5.0)
    seen(world, 99 * MIB, _1=30 * MIB)
    assert [notice.event for notice in world.told()] == ["disk_full"]
    world.feed(events.TransfersRemoved(ONE))
    waiting = world.the(commands.SaveWaiting)
    assert (waiting.retry_count, waiting.failure and waiting.failure.code) == (0, "no_space")
    assert not [command for command in world.log if isinstance(command, commands.Discard)], "what is there is kept"
    world.feed(events.Saved(ONE))
    assert world.the(commands.PollRows).claim == 0
    for _ in range(3):
        world.feed(events.RowsPolled(), events.TimePassed(), after=INTERVAL_S)
        seen(world, 99 * MIB)
        assert not world.told(), "said once"
    world.feed(events.TimePassed(), after=INTERVAL_S)
    seen(world, 200 * MIB)
    assert [notice.event for notice in world.told()] == ["disk_freed"]
    assert world.the(commands.PollRows).claim == 2
    assert not world.machine.disk.full


def test_a_file_for_which_aria2_finds_no_room_holds_up_nobody_else_and_has_an_end() -> None:
    """The disk has more than has to stay free."""
    world = World(KEPT).up().fetching(ONE)
    world.feed(reported(report(ONE, "error", 50, error_code=9, error_message="")))
    seen(world, 200 * MIB)
    assert failure(world) == (ARIA2[9].code, ARIA2[9].text)
    assert world.the(commands.PollRows).claim == 1, "the other place is free"
    assert world.feed(events.TransfersRemoved(ONE)).the(commands.SaveWaiting).retry_count == 1


@pytest.mark.parametrize("free", [200 * MIB, None], ids=["there-is-room", "nobody-can-see"])
def test_where_there_was_no_room_nothing_is_begun_before_the_disk_was_looked_at(free: int | None) -> None:
    world = World(limits()).up().fetching(ONE)
    world.feed(reported(report(ONE, "error", 50, error_code=9, error_message="")))
    world.feed(events.DatabaseChanged("file"))
    assert world.the(commands.PollRows).claim == 0
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloading", False),)))
    assert not world.of(commands.PollRows)
    world.feed(events.DiskMeasured(free))
    seen(world, free) if world.of(commands.MeasureDisk) else None
    assert world.the(commands.PollRows).claim == 1


def test_without_a_limit_a_disk_is_full_when_nothing_fits() -> None:
    world = World(limits()).up().fetching(ONE)
    world.feed(events.TimePassed(), after=5.0)
    assert not world.of(commands.MeasureDisk), "nobody asked for it"
    world.feed(events.WorkFailed(ONE, ARIA2[9]))
    seen(world, FREE_SPACE_MIN - 1)
    assert world.machine.disk.full


@pytest.mark.parametrize("state", ["detecting", "extracting"])
def test_no_room_before_there_is_anything_to_hold(state: str) -> None:
    world = World(KEPT).up().claim(ONE)
    if state == "extracting":
        world.feed(events.Detected(ONE, detection()))
    world.feed(events.WorkFailed(ONE, ARIA2[9]))
    assert states(world) == {1: State.SAVING}


def test_nothing_is_begun_before_the_disk_was_looked_at() -> None:
    world = World(KEPT).feed(events.Recovered((), (), INSTANCE), connected())
    assert world.of(commands.MeasureDisk)
    world.feed(events.RowsPolled(), events.DatabaseChanged("file"))
    assert [look.claim for look in world.of(commands.PollRows)] == [0]
    world.feed(events.DiskMeasured(200 * MIB), events.RowsPolled())
    assert world.the(commands.PollRows).claim == 2


def test_what_was_seen_of_the_disk_is_believed_for_a_moment_only() -> None:
    """Small files need no look of their own: many of them fill it all the same."""
    world = World(KEPT).up()
    assert world.feed(events.DatabaseChanged("file")).the(commands.PollRows).claim == 2
    world.feed(events.RowsPolled())
    world.feed(events.DatabaseChanged("file"), after=FRESH_S)
    assert world.the(commands.PollRows).claim == 0
    assert world.the(commands.MeasureDisk)
    world.feed(events.DatabaseChanged("file"))
    assert not world.of(commands.MeasureDisk), "one look is on its way"
    world.feed(events.RowsPolled(), events.RowsPolled(), events.DiskMeasured(99 * MIB))
    assert [notice.event for notice in world.told()] == ["disk_full"]
    assert all(look.claim == 0 for look in world.of(commands.PollRows))
    world.feed(events.TimePassed(), after=INTERVAL_S)
    assert world.feed(events.DiskMeasured(200 * MIB)).the(commands.PollRows).claim == 2
