"""From a pending row to `downloaded`: what is decided on the way, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import Attempt, CookieSource, State
from reactor.core.machine import FORGET_AT
from reactor.core.rows import ClaimedRow
from reactor.core.steps.finish import FILES_MISSING
from reactor.errors import Failure
from reactor.models import Kind, Stage
from reactor.plan import Extraction
from reactor.preset_options import PresetOptions
from tests.core.world import LIMITS, World, connected, detection, gid, left, magnet, one_file, report, reported

ONE = Attempt(1, 1)
URL = "http://host.example/1"
FIRST = ClaimedRow(ONE, URL)
NOBODYS = CookieSource(None, None, URL)


def test_the_way_of_a_row() -> None:
    world = World()
    assert world.last == [commands.Recover()]
    world.feed(events.Recovered(instance="i"))
    assert world.the(commands.PollRows).claim == 0, "nothing is claimed before aria2 is there"
    world.feed(connected())
    assert not world.of(commands.PollRows), "one look at a time"
    world.feed(events.RowsPolled())
    assert world.the(commands.PollRows).claim == 1

    world.feed(events.RowsPolled(claimed=(FIRST,)))
    assert world.the(commands.Detect) == commands.Detect(ONE, URL, cookies_of=NOBODYS)
    world.feed(events.Detected(ONE, detection()))
    assert [type(c) for c in world.last] == [commands.SaveStage, commands.Tell, commands.Extract]
    world.feed(events.Extracted(ONE, one_file()))
    kinds = [type(command) for command in world.last]
    assert kinds.index(commands.SavePlan) < kinds.index(commands.AddTransfers)
    (addition,) = world.the(commands.AddTransfers).additions
    assert not world.feed(events.TransfersAdded(ONE, (0,))).last
    world.feed(events.TransferNotified(addition.gid, "complete"))
    assert not world.of(commands.AskStatus), "its size was promised"
    assert world.the(commands.SaveStage).stage is Stage.FINISHING
    assert (world.the(commands.Finish).total, world.the(commands.Finish).presumed) == (100, True)
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100))
    assert world.the(commands.SaveDownloaded) == commands.SaveDownloaded(ONE, "/downloads/a.bin", 100, "a.bin")
    assert not world.told(), "the world hears of it when the row says so"

    world.feed(events.Saved(ONE))
    assert isinstance(world.told()[0], notices.DownloadCompleted)
    assert world.the(commands.PollRows).claim == 1
    assert not world.machine.jobs
    world.feed(events.RowsPolled())
    assert world.the(commands.ForgetTransfers).gids == (addition.gid,)


@pytest.mark.parametrize(
    ("extraction", "embedded"), [(one_file(size=None), True), (one_file(), False)], ids=["size unknown", "elsewhere"]
)
def test_aria2_is_asked_how_much_there_is(extraction: Extraction, embedded: bool) -> None:
    world = World(replace(LIMITS, embedded=embedded)).up().fetching(ONE, extraction)
    world.feed(events.TransferNotified(gid(ONE), "complete"))
    assert world.the(commands.AskStatus) == commands.AskStatus((gid(ONE),))
    world.feed(reported(report(ONE, "complete", 90, 90)))
    assert (world.the(commands.Finish).total, world.the(commands.Finish).presumed) == (90, False)
    assert world.the(commands.Finish).files == (("/staging/a.bin",),)


def test_a_file_that_is_not_as_long_as_was_promised_is_asked_for() -> None:
    """A page that is made anew for each who asks: what answered the fetch knows its length."""
    world = World().up().fetching(ONE)
    world.feed(events.TransferNotified(gid(ONE), "complete"))
    assert world.the(commands.Finish).presumed
    world.feed(events.WorkFailed(ONE, Failure(FILES_MISSING, "It has 90 bytes instead of 100.")))
    assert world.the(commands.AskStatus) == commands.AskStatus((gid(ONE),))
    assert world.the(commands.SaveStage).stage is Stage.FETCHING
    world.feed(events.TransferNotified(gid(ONE), "complete"))
    assert world.of(commands.AskStatus), "once more it is not taken for granted"
    world.feed(reported(report(ONE, "complete", 90, 90)))
    assert (world.the(commands.Finish).total, world.the(commands.Finish).presumed) == (90, False)


def test_a_row_whose_url_tells_what_it_is_begins_with_stage_2() -> None:
    """The claim said so, too: nothing is written."""
    world = World().up().claim(ONE, detection=detection())
    assert [type(command) for command in world.last] == [commands.Tell, commands.Tell, commands.Extract]
    assert [notice.event for notice in world.told()] == ["download_claimed", "download_detected"]
    assert world.the(commands.Extract) == commands.Extract(ONE, detection(), cookies_of=NOBODYS)
    assert world.feed(events.Extracted(ONE, one_file())).of(commands.AddTransfers)


def test_no_more_rows_than_there_are_places() -> None:
    world = World(Limits(concurrent=3)).up()
    world.claim(Attempt(1, 1), Attempt(2, 1))
    world.feed(events.DatabaseChanged("file"))
    look = world.the(commands.PollRows)
    assert (look.claim, look.watch, look.held) == (1, (1, 2), (1, 2))


def test_while_a_row_is_claimed_the_next_ones_server_is_asked_already() -> None:
    world = World().up().feed(events.DatabaseChanged("file"))
    world.feed(events.RowsPolled(claimed=(FIRST,), next_url="http://host.example/2"))
    nobodys = CookieSource(None, None, "http://host.example/2")
    assert world.the(commands.Prefetch) == commands.Prefetch("http://host.example/2", cookies_of=nobodys)


def test_a_burst_of_doorbells_is_one_look_and_one_more() -> None:
    world = World().up()
    world.feed(*[events.DatabaseChanged("file")] * 100)
    assert len(world.of(commands.PollRows)) == 1
    world.feed(events.RowsPolled())
    assert len(world.of(commands.PollRows)) == 1
    world.feed(events.RowsPolled())
    assert not world.last


def test_an_idle_machine_waits_for_nothing_and_asks_nothing() -> None:
    world = World().up()
    assert world.machine.next_deadline() is None
    world.feed(events.TimePassed(), after=3600)
    assert not world.last


def test_progress_is_asked_for_in_one_batch_and_written_in_one_save() -> None:
    two = Attempt(2, 1)
    world = World(Limits(concurrent=2)).up()
    world.fetching(ONE)
    world.fetching(two)
    assert world.machine.next_deadline() == 5.0
    world.feed(events.TimePassed(), after=5.0)
    assert world.the(commands.AskStatus) == commands.AskStatus((gid(ONE), gid(two)), periodic=True)
    world.feed(events.TimePassed(), after=5.0)
    assert not world.of(commands.AskStatus), "one question at a time"
    moving = [report(one, "active", 50, speed=10, files=()) for one in (ONE, two)]
    world.feed(reported(*moving, periodic=True))
    rows = world.the(commands.SaveProgress).rows
    assert [(row.attempt, row.progress, row.speed, row.eta_s, row.size) for row in rows] == [
        (ONE, 50.0, 10, 5, 100),
        (two, 50.0, 10, 5, 100),
    ]
    world.feed(events.TimePassed(), after=5.0)
    world.feed(reported(*moving, periodic=True))
    assert not world.of(commands.SaveProgress), "what the row says already is not written again"


def test_progress_never_runs_backwards_within_an_attempt() -> None:
    world = World().up().fetching(ONE)
    seen = []
    for completed in (30, 60, 10, 70):
        world.feed(events.TimePassed(), after=5.0)
        world.feed(reported(report(ONE, "active", completed, speed=completed, files=()), periodic=True))
        seen += [row.progress for save in world.of(commands.SaveProgress) for row in save.rows]
    assert seen == [30.0, 60.0, 60.0, 70.0]


def test_what_ended_while_nobody_told_is_found_by_the_periodic_question() -> None:
    world = World().up().fetching(ONE)
    world.feed(events.TimePassed(), after=5.0)
    world.feed(reported(report(ONE, "complete", 100, files=()), periodic=True))
    assert world.the(commands.AskStatus) == commands.AskStatus((gid(ONE),)), "once more, for its files"
    world.feed(reported(report(ONE, "complete", 100)))
    assert world.the(commands.Finish)


def test_a_magnet_is_followed_to_the_torrent_itself() -> None:
    world = World().up().fetching(ONE, magnet())
    follower = "f" * 16
    world.feed(events.TransferNotified(gid(ONE), "complete"))
    world.feed(reported(report(ONE, "complete", 5, 5, followed_by=(follower,))))
    assert world.the(commands.AskStatus) == commands.AskStatus((follower,))
    world.feed(reported(report(ONE, "active", 10, gid=follower, info_name="Some torrent")))
    world.feed(events.TransferNotified(follower, "bt_complete"))
    assert world.the(commands.AskStatus) == commands.AskStatus((follower,))
    world.feed(reported(report(ONE, "complete", 100, gid=follower)))
    assert world.the(commands.Finish).total == 100
    world.feed(events.Finished(ONE, "/downloads/Some torrent", 100))
    assert world.the(commands.SaveDownloaded).title == "Some torrent"
    world.feed(events.Saved(ONE)).feed(events.RowsPolled())
    assert world.the(commands.ForgetTransfers).gids == (gid(ONE), follower)
    assert world.the(commands.Tidy).ids == (1,)


def test_a_torrent_that_aria2_has_yet_to_stop_is_cleared_up_when_it_has() -> None:
    """It writes its control file when it stops, into a folder that is empty by then."""
    world = World().up().fetching(ONE, magnet())
    world.feed(reported(report(ONE, "active", 100, seeder=True)))
    world.feed(reported(report(ONE, "active", 100, seeder=True)))
    world.feed(events.Finished(ONE, "/downloads/Some torrent", 100))
    assert world.the(commands.SaveDownloaded).keep_plan
    world.feed(events.Saved(ONE))
    assert world.the(commands.CleanUp) == commands.CleanUp(ONE, left(ONE), keep_result=True)
    world.feed(events.CleanedUp(ONE), events.RowsPolled())
    assert (world.of(commands.Tidy), world.of(commands.ForgetTransfers)) == ([], [])
    assert world.the(commands.ForgetPlan).attempt == ONE


@pytest.mark.fault(29)
def test_results_are_dropped_many_at_a_time_while_there_is_more_to_do() -> None:
    world = World().up()
    for number in range(1, FORGET_AT + 1):
        one = Attempt(number, 1)
        world.fetching(one)
        world.feed(reported(report(one, "complete", 100)), events.Finished(one, "/downloads/a.bin", 100))
        world.feed(events.Saved(one))
        assert bool(world.of(commands.ForgetTransfers)) is bool(world.of(commands.Tidy)) is (number == FORGET_AT)
        world.feed(events.RowsPolled(claimed=(ClaimedRow(Attempt(number + 1000, 1), "http://host.example/"),)))
        world.machine.jobs.pop(number + 1000)


def test_a_torrent_that_is_served_to_others_ends_the_row_and_keeps_its_files() -> None:
    world = World(Limits(seeding=True)).up().fetching(ONE, magnet())
    world.feed(reported(report(ONE, "active", 100, seeder=True)))
    assert world.the(commands.Finish).keep
    world.feed(events.Finished(ONE, "/downloads/t", 100))
    assert world.the(commands.SaveDownloaded).keep_plan
    world.feed(events.Saved(ONE))
    assert world.machine.jobs[1].state is State.SEEDING
    assert world.the(commands.PollRows).claim == 1, "it takes up no place, and nobody has to ring for the next row"


def test_a_torrent_is_done_when_it_has_its_bytes_and_is_not_served_unless_wanted() -> None:
    world = World().up().fetching(ONE, magnet())
    world.feed(reported(report(ONE, "active", 100, seeder=True)))
    assert not world.the(commands.Finish).keep


@pytest.mark.parametrize(("ratio", "usual", "kept"), [(1.5, False, True), (0.0, True, False)])
def test_a_preset_may_say_otherwise(ratio: float, usual: bool, kept: bool) -> None:
    preset = PresetOptions(seed_ratio=ratio)
    world = World(Limits(seeding=usual)).up().fetching(ONE, magnet(), options=preset)
    assert [each.seed_ratio for each in world.log if isinstance(each, commands.AddTransfers)] == [ratio]
    world.feed(reported(report(ONE, "active", 100, seeder=True)))
    assert world.the(commands.Finish).keep is kept


def serving() -> World:
    """A torrent that is served to others, and a look on its way that began before that."""
    world = World(Limits(seeding=True)).up().fetching(ONE, magnet())
    world.feed(reported(report(ONE, "active", 100, seeder=True)), events.DatabaseChanged("file"))
    return world.feed(events.Finished(ONE, "/downloads/t", 100), events.Saved(ONE))


def test_a_look_from_before_the_serving_says_nothing_against_it() -> None:
    world = serving().feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "downloading", False),)))
    assert world.machine.jobs[1].state is State.SEEDING
    world.feed(events.RowsPolled(watched=(events.WatchedRow(1, 1, "uploading", False),)))
    assert world.machine.jobs[1].state is State.SEEDING, "a bot may go on with its row"
    world.feed(events.DatabaseChanged("file"), events.RowsPolled())
    assert world.machine.jobs[1].state is State.SEEDING, "or delete it"


def test_a_row_that_is_wanted_again_ends_the_serving() -> None:
    world = serving().feed(events.RowsPolled(watched=(events.WatchedRow(1, 0, "pending", False),)))
    assert world.the(commands.CleanUp) == commands.CleanUp(ONE, left(ONE), keep_result=True)
    assert not world.machine.jobs
    world.feed(events.CleanedUp(ONE), events.RowsPolled(), events.DatabaseChanged("file"))
    assert world.of(commands.PollRows)[-1].held == ()


def test_when_seeding_is_over_its_files_go() -> None:
    world = World(Limits(seeding=True)).up().fetching(ONE, magnet())
    world.feed(reported(report(ONE, "active", 100, seeder=True)))
    world.feed(events.Finished(ONE, "/downloads/t", 100), events.Saved(ONE))
    world.feed(events.TransferNotified(gid(ONE), "complete"))
    world.feed(reported(report(ONE, "complete", 100)))
    assert world.the(commands.Discard) == commands.Discard(ONE, keep_result=True)
    assert world.the(commands.ForgetPlan)
    assert not world.machine.jobs


def test_a_url_is_handed_on_to_another_kind_but_never_in_circles() -> None:
    world = World().up().claim(ONE)
    world.feed(events.Detected(ONE, detection(Kind.DIRECT)))
    world.feed(events.Reclassified(ONE, detection(Kind.YTDLP)))
    assert world.the(commands.SaveStage).kind is Kind.YTDLP
    assert world.the(commands.Extract).detection.kind is Kind.YTDLP
    world.feed(events.Reclassified(ONE, detection(Kind.DIRECT)))
    assert not world.of(commands.Extract)
    world.feed(events.Discarded(ONE))
    assert world.the(commands.SaveFailed).failure.code == "unsupported"


def test_partial_files_are_continued_only_when_they_are_the_beginning_of_the_same_thing() -> None:
    two = Attempt(1, 2)
    for validator, other in (('"1"', False), ('"2"', True)):
        world = World().up().claim(two, plan=one_file(validator='"1"'), plan_attempt=1)
        world.feed(events.Detected(two, detection()), events.Extracted(two, one_file(validator=validator)))
        if other:
            assert world.the(commands.Discard).must
            assert not world.of(commands.SavePlan), "a plan that a crash would find must not be about other bytes"
            world.feed(events.Discarded(two))
        assert world.the(commands.SavePlan).continues is not other
        assert world.the(commands.AddTransfers)


def test_what_comes_from_an_attempt_that_is_over_is_dropped() -> None:
    world = World().up().fetching(Attempt(1, 2))
    for stale in (
        events.Detected(ONE, detection()),
        events.Extracted(ONE, one_file()),
        events.Finished(ONE, "/x", 1),
        events.Saved(ONE),
        events.TransfersRemoved(ONE),
        events.Discarded(ONE),
    ):
        world.feed(stale)
        assert not world.last
    assert world.machine.jobs[1].state is State.FETCHING


def test_the_same_events_lead_to_the_same_commands() -> None:
    def run() -> list[commands.Command]:
        world = World().up().fetching(ONE)
        world.feed(reported(report(ONE, "error", error_code=2)))
        world.feed(events.TransfersRemoved(ONE), events.Saved(ONE))
        return world.log

    assert run() == run()
