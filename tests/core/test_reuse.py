"""What another row has brought is given to a row that asks for the same, and nothing is fetched."""

from __future__ import annotations

from dataclasses import replace

from reactor.core import commands, events
from reactor.core.job import State
from reactor.core.rows import ClaimedRow
from reactor.errors import Failure
from reactor.plan import Brought, Extraction
from tests.core.world import ONE, World, detection, gid, one_file, report, reported, take_down

THERE = Brought(download_id=7, path="/downloads/a.bin", bytes=100)
GONE = Failure("files_missing", "What was there already is there no more.", None, True)


def reusing() -> Extraction:
    bare = one_file()
    return bare.model_copy(update={"finish": bare.finish.model_copy(update={"reused": THERE})})


def extracted() -> World:
    return World().up().claim(ONE).feed(events.Detected(ONE, detection()), events.Extracted(ONE, reusing()))


def test_it_is_planned_and_finished_without_a_fetch() -> None:
    world = extracted()
    assert world.the(commands.SavePlan).extraction == reusing()
    assert world.the(commands.Finish).extraction.finish.reused == THERE
    assert not world.of(commands.AddTransfers)
    assert [each.reuses for each in world.told() if each.event == "download_extracted"] == [7]
    world.feed(events.Finished(ONE, "/downloads/a (1).bin", 100))
    assert world.the(commands.SaveDownloaded).path == "/downloads/a (1).bin"
    world.feed(events.Saved(ONE))
    assert not world.machine.jobs


def test_what_has_gone_meanwhile_is_fetched() -> None:
    world = extracted().feed(events.WorkFailed(ONE, GONE))
    assert world.the(commands.SavePlan).extraction == one_file()
    assert world.the(commands.AddTransfers).additions[0].fetch == one_file().fetches[0]
    world.feed(events.TransfersAdded(ONE, (0,)), reported(report(ONE, "complete", 100)))
    assert world.the(commands.Finish).extraction == one_file()


def test_after_a_restart_it_is_asked_for_again_and_what_has_gone_is_fetched() -> None:
    row = ClaimedRow(ONE, "http://host.example/a.bin", plan=reusing(), plan_attempt=1, stage="finishing")
    world = World().up(row)
    assert world.the(commands.Finish).resumed
    world.feed(events.WorkFailed(ONE, GONE))
    assert world.the(commands.SavePlan).extraction == one_file()
    assert world.the(commands.AskStatus).gids == (gid(ONE),), "nobody knows whether aria2 had it"
    world.feed(reported(report(ONE, "unknown")))
    assert world.the(commands.AddTransfers)


def test_a_cancel_takes_it_back() -> None:
    world = extracted().seen(ONE, cancelled=True)
    assert world.the(commands.StopWork)
    assert world.the(commands.Discard) == commands.Discard(ONE), "with what may have been published"
    take_down(world)
    assert world.the(commands.SaveCancelled)


def test_what_the_disk_refuses_is_tried_again() -> None:
    world = extracted().feed(events.WorkFailed(ONE, replace(GONE, code="no_space")))
    assert world.machine.jobs[1].state is State.AWAITING_SPACE
    hold = world.machine.jobs[1].budget.hold_until
    assert hold is not None
    world.feed(events.TimePassed(), after=hold - world.now)
    assert world.the(commands.Finish).extraction.finish.reused == THERE
