"""A slot is given up to another owner that has had less, once it was used for long enough; and only then."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import Attempt, End, Job, State
from reactor.core.turns import Account
from reactor.plan import Extraction
from tests.core.parts import parts
from tests.core.world import LIMITS, ONE, World, connected, detection, gid, magnet, one_file, report, reported

SLICE_S = 300.0
SIZE = 10**9
SLICED = dataclasses.replace(LIMITS, slice_s=SLICE_S, slow_max=0, stall_timeout_s=10_000.0)
TWO = Attempt(2, 1)
OTHER = Account("bob", 10.0, waits=True)


def ranged(**more: Any) -> Extraction:
    """A file whose server sends parts of it."""
    file = one_file(size=SIZE)
    (fetch,) = file.fetches
    return file.model_copy(update={"fetches": (dataclasses.replace(fetch, ranges=True, **more),)})


def fetching(extraction: Extraction | None = None, *, limits: Limits = SLICED, owner: str | None = "ann") -> World:
    """A row of an owner comes at 1 MB/s."""
    world = begin(World(limits).up().claim(ONE, owner=owner), extraction or ranged())
    return come(come(world, 1, 0.0), 2, 1.0)


def begin(world: World, extraction: Extraction, attempt: Attempt = ONE) -> World:
    """What was claimed is handed to aria2."""
    world.feed(events.Detected(attempt, detection()), events.Extracted(attempt, extraction))
    world.feed(events.DiskMeasured(10**12))
    return world.feed(events.TransfersAdded(attempt, (0,)))


def come(world: World, million: int, after: float, *, attempt: Attempt = ONE, **more: Any) -> World:
    found = report(attempt, "active", million * 10**6, SIZE, **{"speed": 10**6, **more})
    return world.feed(reported(found, periodic=True), after=after)


def answer(world: World, *accounts: Account) -> World:
    """All polls are answered: these wait, or have had their slices."""
    while world.of(commands.PollRows):
        jobs = world.machine.jobs.values()
        rows = tuple(events.WatchedRow(job.id, job.attempt.number, "downloading", False) for job in jobs)
        spent = world.the(commands.PollRows).spent
        world.feed(events.RowsPolled(watched=rows, accounts=accounts if spent else ()))
    return world


def over(world: World, *accounts: Account) -> World:
    """Its slice is over, and these are the accounts."""
    world.feed(events.TimePassed(), after=SLICE_S)
    return answer(world, Account("ann", 300.0, waits=False), *accounts)


def yields(world: World) -> bool:
    return any(job.teardown.ending is not None and job.teardown.ending.end is End.YIELDED for job in jobs(world))


def jobs(world: World) -> list[Job]:
    return [*world.machine.jobs.values()]


@pytest.mark.fault(74)
def test_who_has_had_a_slice_yields_to_another_owner() -> None:
    world = fetching()
    assert world.machine.next_deadline() is not None
    over(world, OTHER)
    assert not yields(world), "it is not known what is there of it"
    come(world, 303, 5.0)
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE),)
    assert world.the(commands.SaveProgress).rows[0].progress == pytest.approx(30.3)
    assert not world.of(commands.SaveWaiting)
    world.feed(events.TransfersRemoved(ONE), after=1.0)
    assert world.the(commands.SaveWaiting) == commands.SaveWaiting(ONE, None, 0, 0.0, yielded=True)
    assert world.the(commands.ChargeOwner).owner == "ann"
    assert not [each for each in world.log if isinstance(each, commands.Discard)], "what is there of it stays"
    world.feed(events.Saved(ONE))
    (told,) = (each for each in world.told() if isinstance(each, notices.DownloadYielded))
    assert told.used_s == pytest.approx(307.0)
    assert not world.machine.jobs
    assert world.feed(events.RowsPolled()).the(commands.PollRows).claim == 1
    assert not world.machine.leftovers


def test_a_slot_that_nobody_else_wants_is_not_taken_away() -> None:
    world = over(fetching())
    come(world, 303, 5.0)
    assert not yields(world)
    over(world, Account("ann", 900.0, waits=True))
    come(world, 700, 5.0)
    assert not yields(world), "a row of the same owner waits"


def test_one_who_comes_later_is_heard_at_once() -> None:
    world = answer(over(fetching()))
    world.feed(events.DatabaseChanged("file"))
    assert world.the(commands.PollRows).spent == ("ann",)
    answer(world, Account("ann", 300.0, waits=False), OTHER)
    come(world, 303, 5.0)
    assert yields(world)


def test_without_owners_nothing_comes_of_it() -> None:
    world = fetching(owner=None)
    world.feed(events.TimePassed(), after=SLICE_S)
    assert world.the(commands.PollRows).spent == (None,)
    answer(world, Account(None, 0.0, waits=True))
    come(world, 303, 5.0)
    assert not world.of(commands.PollRows), "that is not asked again with each progress"
    assert not yields(world)
    assert not [each for each in world.log if isinstance(each, commands.ChargeOwner)]


def test_a_row_of_nobody_gives_way_to_the_first_who_has_an_owner() -> None:
    world = fetching(owner=None)
    world.feed(events.TimePassed(), after=SLICE_S)
    bob = Account("bob", 0.0, waits=True)
    come(answer(world, Account(None, 0.0, waits=False), bob), 303, 5.0)
    assert world.the(commands.ChargeOwner).seconds == pytest.approx(306.0)
    answer(world, Account(None, 306.0, waits=False), bob)
    come(world, 308, 5.0)
    assert yields(world)


def test_a_slice_of_nothing_is_no_limit() -> None:
    world = fetching(limits=dataclasses.replace(SLICED, slice_s=0.0))
    world.feed(events.TimePassed(), events.DatabaseChanged("file"), after=2 * SLICE_S)
    assert world.the(commands.PollRows).spent == ()


def test_one_who_has_had_more_waits_until_it_is_less() -> None:
    world = over(fetching(), Account("bob", 304.0, waits=True))
    come(world, 303, 5.0)
    assert not yields(world)
    answer(world, Account("ann", 305.0, waits=False), Account("bob", 304.0, waits=True))
    come(world, 308, 5.0)
    assert yields(world)


def test_one_who_has_as_many_slots_waits_for_its_own() -> None:
    world = World(dataclasses.replace(SLICED, concurrent=2)).up()
    begin(world.claim(ONE, owner="ann"), ranged())
    begin(world.claim(TWO, owner="bob"), ranged(), TWO)

    def both(million: int, after: float) -> None:
        found = [report(ONE, "active", million * 10**6, SIZE, gid=gid(each)) for each in (ONE, TWO)]
        world.feed(reported(*found, periodic=True), after=after)

    both(1, 0.0)
    both(2, 1.0)
    answer(world).feed(events.TimePassed(), after=SLICE_S)
    assert world.the(commands.PollRows).spent == ("ann", "bob")
    accounts = Account("ann", 300.0, waits=True), Account("bob", 10.0, waits=True)
    answer(world, *accounts)
    both(303, 5.0)
    assert not yields(world)
    answer(world, *accounts, Account("carl", 5.0, waits=True))
    both(308, 5.0)
    assert world.machine.jobs[1].state is State.REMOVING, "that of the owner who has had most"
    assert world.machine.jobs[2].state is State.FETCHING, "one slot is on its way"


@pytest.mark.fault(74)
@pytest.mark.parametrize(
    ("extraction", "more", "cut"),
    [
        (one_file(size=SIZE), {}, False),
        (one_file(size=SIZE), {"connections": 4}, True),
        (ranged(validator=None), {"connections": 4}, False),
        (ranged(validator=None, checksum="md5=" + "0" * 32), {}, True),
    ],
    ids=["no ranges", "several parts at once", "no validator", "a digest"],
)
def test_what_cannot_go_on_where_it_was_is_never_cut(
    extraction: Extraction, more: dict[str, Any], *, cut: bool
) -> None:
    world = come(over(fetching(extraction), OTHER), 303, 5.0, **more)
    answer(world, Account("ann", 305.0, waits=False), OTHER)
    come(world, 308, 5.0, **more)
    assert yields(world) is cut
    assert cut or world.the(commands.ChargeOwner).seconds > 0


def test_a_torrent_goes_on_where_it_was() -> None:
    world = come(over(fetching(magnet()), OTHER), 303, 5.0, info_name="album")
    assert not yields(world), "what had come was its metadata"
    answer(world, Account("ann", 305.0, waits=False), OTHER)
    come(world, 308, 5.0, info_name="album")
    assert yields(world)


def test_of_many_parts_those_that_are_whole_stay() -> None:
    world = World(SLICED).up().fetching(ONE, parts(), owner="ann")
    world.feed(events.TransfersAdded(ONE, tuple(range(16))))

    def came(done: int, after: float, **more: int) -> None:
        some = [report(ONE, "complete", 10**6, 10**6, gid=gid(ONE, n)) for n in range(done)]
        rest = [report(ONE, "active", 10**5, 10**6, gid=gid(ONE, n), **more) for n in range(done, 16)]
        world.feed(reported(*some, *rest, periodic=True), after=after)

    came(0, 0.0)
    came(1, 1.0)
    over(world, OTHER)
    came(1, 5.0)
    assert not yields(world), "more would be lost than has come"
    answer(world, Account("ann", 301.0, waits=False), OTHER)
    came(12, 5.0)
    answer(world, Account("ann", 305.0, waits=False), OTHER)
    came(13, 5.0)
    assert yields(world)


def test_what_had_to_begin_anew_is_not_cut_again() -> None:
    world = World(SLICED).up().claim(ONE, owner="ann", plan=ranged(validator='"0"'), plan_attempt=1)
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, ranged()))
    world.feed(events.Discarded(ONE), events.DiskMeasured(10**12)).feed(events.TransfersAdded(ONE, (0,)))
    come(come(world, 1, 0.0), 2, 1.0)
    world.feed(events.TimePassed(), events.DatabaseChanged("file"), after=SLICE_S)
    assert world.the(commands.PollRows).spent == ()


def test_what_stands_still_is_a_matter_of_its_retries() -> None:
    world = come(over(fetching(limits=dataclasses.replace(SLICED, min_speed=10_000.0)), OTHER), 2, 5.0)
    assert not yields(world)


def test_what_is_over_in_a_moment_may_have_it() -> None:
    world = come(over(fetching(), OTHER), 990, 5.0)
    assert not yields(world)
    answer(world, Account("ann", 305.0, waits=False), OTHER)
    answer(come(world, 995, SLICE_S / 10), Account("ann", 335.0, waits=False), OTHER)
    come(world, 996, 5.0)
    assert yields(world), "it was said to be over by now"


def test_a_full_disk_gives_a_slot_to_nobody() -> None:
    world = fetching()
    world.feed(events.DiskMeasured(0))
    world.feed(events.TimePassed(), events.DatabaseChanged("file"), after=SLICE_S)
    assert world.the(commands.PollRows).spent == ()


def test_without_aria2_nobody_waits_for_a_slot() -> None:
    world = fetching()
    world.feed(events.Aria2Lost("It was cut."), events.TimePassed(), events.DatabaseChanged("file"), after=SLICE_S)
    assert world.the(commands.PollRows).spent == ()


def leaving() -> World:
    """It gives way: its transfers are being taken out of aria2."""
    world = come(over(fetching(), OTHER), 303, 5.0)
    assert world.machine.jobs[1].state is State.REMOVING
    return world


def test_a_cancel_overtakes_it() -> None:
    world = leaving()
    world.feed(events.DatabaseChanged("file"))
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloading", cancelled=True),)))
    world.feed(events.TransfersRemoved(ONE)).feed(events.Discarded(ONE))
    assert world.the(commands.SaveCancelled)


def test_aria2_is_lost_meanwhile() -> None:
    world = leaving()
    world.feed(events.Aria2Lost("It was cut."))
    world.feed(events.TimePassed(), after=5.0)
    assert world.machine.jobs[1].state is State.REMOVING, "its slot is not free yet"
    world.feed(connected("s2"))
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE),)
    world.feed(events.TransfersRemoved(ONE))
    assert world.the(commands.SaveWaiting).yielded


def test_reactor_ends_meanwhile() -> None:
    world = leaving()
    world.feed(events.ShutdownRequested("SIGTERM"))
    assert world.of(commands.Exit)
    assert not world.of(commands.SaveWaiting), "its row stays as it is, and the next run goes on with it"


@pytest.mark.parametrize(("came", "retries"), [(303, 0), (103, 2)])
def test_it_uses_no_retry_and_has_them_back_where_it_came_further(came: int, retries: int) -> None:
    limits = dataclasses.replace(SLICED, min_speed=0.0)
    world = World(limits).up().claim(ONE, owner="ann", plan=ranged(), plan_attempt=1, retry_count=2, progress=20.0)
    begin(world, ranged())
    come(come(world, 1, 0.0), came - 1, 1.0)
    over(world, OTHER)
    come(world, came, 5.0)
    world.feed(events.TransfersRemoved(ONE))
    assert world.the(commands.SaveWaiting).retry_count == retries


def test_what_crawls_has_no_slot_to_give() -> None:
    limits = dataclasses.replace(SLICED, slow_max=1, slow_speed=2.0 * 10**6, slow_after_s=60.0)
    world = fetching(limits=limits)
    come(world, 62, 60.0)
    assert world.machine.jobs[1].slow
    answer(world).feed(events.TimePassed(), events.DatabaseChanged("file"), after=2 * SLICE_S)
    assert world.the(commands.PollRows).spent == ()
