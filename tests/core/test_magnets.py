"""A magnet link: what it stands for is found out, looked into, and fetched as a torrent, in one attempt."""

from __future__ import annotations

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import METADATA, Attempt, State
from reactor.core.quotas import Quotas
from reactor.core.rows import ClaimedRow
from reactor.errors import Failure
from reactor.models import Kind, Stage
from reactor.plan import Extraction, Fetch, Finish, Torrent
from tests.core.world import LIMITS, ONE, World, connected, detection, gid, left, report, reported, take_down

HASH = "a" * 40
SIZE = 5000
TWO = Attempt(1, 2)


def magnet(info_hash: str = HASH) -> Extraction:
    torrent = Torrent(info_hash=info_hash, metadata_only=True)
    fetch = Fetch(urls=(f"magnet:?xt=urn:btih:{info_hash}",), name="magnet", torrent=torrent)
    return Extraction(kind=Kind.TORRENT, fetches=(fetch,), finish=Finish(how="metadata", name="magnet"))


def album(size: int = SIZE) -> Extraction:
    fetch = Fetch(name="album", size=size, torrent=Torrent(metainfo=b"d", info_hash=HASH))
    return Extraction(kind=Kind.TORRENT, title="album", fetches=(fetch,), finish=Finish(how="torrent", name="album"))


def asking(limits: Limits = LIMITS) -> World:
    return World(limits).up().fetching(ONE, magnet())


def whole(attempt: Attempt = ONE) -> events.TransfersReported:
    """aria2 has the metadata."""
    return reported(report(attempt, "complete", 700, 700, gid=gid(attempt, METADATA), files=()))


def looked_into(limits: Limits = LIMITS) -> World:
    return asking(limits).feed(whole())


def test_what_it_stands_for_is_looked_into_and_fetched_under_a_gid_of_its_own() -> None:
    world = asking()
    (first,) = [
        each for command in world.log if isinstance(command, commands.AddTransfers) for each in command.additions
    ]
    assert first.gid == gid(ONE, METADATA)
    world.feed(whole())
    assert world.the(commands.Finish).extraction == magnet()
    assert not world.of(commands.SaveStage)
    assert not world.told(), "it is not the torrent that is whole"
    world.feed(events.Extracted(ONE, album()))
    assert world.the(commands.ForgetTransfers).gids == (gid(ONE, METADATA),)
    assert world.the(commands.Discard) == commands.Discard(ONE, must=True)
    world.feed(events.Discarded(ONE))
    assert world.the(commands.SavePlan).extraction == album()
    (second,) = world.the(commands.AddTransfers).additions
    assert (second.gid, second.fetch) == (gid(ONE), album().fetches[0])
    world.feed(events.TransfersAdded(ONE, (0,)), reported(report(ONE, "active", SIZE, SIZE, seeder=True)))
    assert world.the(commands.Finish).extraction == album()
    assert isinstance(world.told()[-1], notices.DownloadFinishing)


def test_its_row_says_that_peers_are_asked_and_nothing_of_the_bytes_of_the_metadata() -> None:
    world = asking()
    world.feed(reported(report(ONE, "active", 100, 700, gid=gid(ONE, METADATA), connections=3), periodic=True))
    assert world.the(commands.SaveStage).stage is Stage.METADATA
    (row,) = world.the(commands.SaveProgress).rows
    assert (row.progress, row.size, row.eta_s) == (None, None, None)
    (told,) = world.told()
    assert isinstance(told, notices.DownloadProgressed)
    assert (told.stage, told.peers, told.completed, told.size) == ("metadata", 3, 0, None)
    world.feed(reported(report(ONE, "active", 100, 700, gid=gid(ONE, METADATA)), periodic=True))
    assert not world.of(commands.SaveStage), "once"


def test_metadata_that_aria2_has_and_has_not_written_is_not_there_yet() -> None:
    world = asking()
    world.feed(reported(report(ONE, "active", 700, 700, gid=gid(ONE, METADATA), seeder=True, info_name=None)))
    assert world.machine.jobs[1].state is State.FETCHING


@pytest.mark.fault(61)
def test_what_is_refused_ends_the_row() -> None:
    world = looked_into()
    world.feed(events.WorkFailed(ONE, Failure("bad_torrent", "It is not valid.")))
    take_down(world)
    assert world.the(commands.SaveFailed).failure.code == "bad_torrent"


def test_what_is_larger_than_allowed_is_not_fetched() -> None:
    world = looked_into(Limits(quotas=Quotas(max_file_size=SIZE - 1)))
    world.feed(events.Extracted(ONE, album()))
    take_down(world)
    assert world.the(commands.SaveFailed).failure.code == "too_large"
    assert not world.of(commands.SavePlan)


def test_a_cancel_while_peers_are_asked_takes_it_out_of_aria2() -> None:
    world = asking().seen(ONE, cancelled=True)
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE, METADATA),)
    take_down(world)
    assert world.of(commands.SaveCancelled)


def test_after_a_restart_what_is_there_is_looked_into() -> None:
    row = ClaimedRow(ONE, "magnet:", plan=magnet(), plan_attempt=1, stage="metadata")
    world = World().up(row)
    (asked,) = [command for command in world.log if isinstance(command, commands.Finish)]
    assert asked.extraction == magnet()
    world.feed(events.Extracted(ONE, album()), events.Discarded(ONE))
    assert world.the(commands.AddTransfers).additions[0].gid == gid(ONE)


def test_after_a_restart_what_is_not_there_is_asked_for() -> None:
    row = ClaimedRow(ONE, "magnet:", plan=magnet(), plan_attempt=1, stage="metadata")
    world = World().up(row).feed(events.WorkFailed(ONE, Failure("files_missing", "It is not there.", None, True)))
    assert world.the(commands.AskStatus).gids == (gid(ONE, METADATA),)
    world.feed(reported(report(ONE, "unknown", gid=gid(ONE, METADATA))))
    assert world.the(commands.AddTransfers).additions[0].gid == gid(ONE, METADATA)


def test_after_a_restart_what_aria2_says_it_has_and_is_gone_is_fetched_once_more() -> None:
    """The process died between emptying the folder for the torrent and saving its plan: no retry is used."""
    row = ClaimedRow(ONE, "magnet:", plan=magnet(), plan_attempt=1, stage="metadata")
    missing = Failure("files_missing", "It is not there.", None, False)
    whole = reported(report(ONE, "complete", 100, gid=gid(ONE, METADATA)))
    world = World().up(row).feed(events.WorkFailed(ONE, missing), whole)
    world.feed(events.WorkFailed(ONE, missing), whole, events.WorkFailed(ONE, missing))
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE, METADATA),)
    world.feed(events.TransfersRemoved(ONE), events.Detected(ONE, detection(Kind.TORRENT)))
    world.feed(events.Extracted(ONE, magnet()))
    assert world.the(commands.AddTransfers).additions[0].gid == gid(ONE, METADATA)
    assert not world.of(commands.Discard)


def test_the_next_attempt_goes_on_with_what_was_found_out() -> None:
    world = World().up().claim(TWO, plan=album(), plan_attempt=1, progress=40.0)
    world.feed(events.Detected(TWO, detection(Kind.TORRENT)), events.Extracted(TWO, magnet()))
    saved = world.the(commands.SavePlan)
    assert (saved.extraction, saved.continues) == (album(), True)
    assert not world.of(commands.Discard)


def test_another_link_begins_anew() -> None:
    world = World().up().claim(TWO, plan=album(), plan_attempt=1)
    world.feed(events.Detected(TWO, detection(Kind.TORRENT)), events.Extracted(TWO, magnet("b" * 40)))
    assert world.of(commands.Discard)
    world.feed(events.Discarded(TWO))
    assert world.the(commands.SavePlan).extraction == magnet("b" * 40)


def test_what_an_attempt_may_have_left_is_both() -> None:
    world = World().feed(events.Recovered((), (events.Leftover(ONE, 1),), "0123456789abcdef"), connected())
    assert world.the(commands.CleanUp).gids == left(ONE) == (gid(ONE, METADATA), gid(ONE))


@pytest.mark.parametrize(("total", "completed", "percent"), [(6000, 3000, 50.0), (SIZE, 100, 2.0), (6000, 6000, 100.0)])
def test_what_others_have_of_its_pieces_is_not_counted(total: int, completed: int, percent: float) -> None:
    world = World().up().fetching(ONE, album())
    world.feed(reported(report(ONE, "active", completed, total), periodic=True))
    (row,) = world.the(commands.SaveProgress).rows
    assert (row.progress, row.size) == (percent, SIZE)


def test_the_bytes_of_the_metadata_are_no_measure_for_the_speed_of_the_torrent() -> None:
    """aria2 counts both under one gid where it keeps on (an aria2 elsewhere)."""
    limits = Limits(min_speed=0.4, torrent_stall_timeout_s=30.0)
    world = asking(limits)
    for completed in (75, 80, 85, 90, 95):
        world.feed(reported(report(ONE, "active", completed, gid=gid(ONE, METADATA)), periodic=True), after=7.0)
    begun = report(ONE, "active", 0, gid=gid(ONE, METADATA), info_name="album")
    world.feed(reported(begun, periodic=True), after=7.0)
    assert world.machine.jobs[1].state is State.FETCHING
