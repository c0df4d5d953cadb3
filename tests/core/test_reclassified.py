"""What arrived is something else than was promised: another extractor goes on with it, in the same attempt."""

from __future__ import annotations

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.job import Attempt, State
from reactor.core.rows import ClaimedRow
from reactor.models import Content, Kind, Stage
from reactor.plan import Detection, HttpProbe
from tests.core.world import World, detection, gid, one_file, report, reported, take_down, until

ONE = Attempt(1, 1)


def other(kind: Kind = Kind.YTDLP, url: str = "http://host.example/redirected") -> events.Reclassified:
    seen = HttpProbe(url=url, begins=Content.HLS)
    return events.Reclassified(ONE, Detection(kind=kind, url=url, why="what arrived is an HLS playlist", probe=seen))


@pytest.mark.fault(34)
def test_what_arrived_goes_on_to_another_extractor_without_a_retry() -> None:
    world = until(State.FINISHING)
    world.feed(other())
    assert world.the(commands.SaveStage) == commands.SaveStage(ONE, Stage.EXTRACTING, Kind.YTDLP)
    asked = world.the(commands.Extract).detection
    assert (asked.url, asked.probe) == (detection().url, other().detection.probe), "as it was sent"
    assert world.the(commands.ForgetTransfers).gids == (gid(ONE),), "its gid is needed again"
    (told,) = world.told()
    assert isinstance(told, notices.DownloadReclassified)
    assert (told.from_kind, told.to_kind) == (Kind.DIRECT, Kind.YTDLP)

    film = one_file("film.mp4", size=None, validator=None)
    world.feed(events.Extracted(ONE, film))
    assert world.the(commands.Discard) == commands.Discard(ONE, must=True)
    assert not world.of(commands.SavePlan)
    world.feed(events.Discarded(ONE))
    assert not world.the(commands.SavePlan).continues
    assert world.the(commands.AddTransfers).wipe_staging
    world.feed(events.TransfersAdded(ONE, (0,)), reported(report(ONE, "complete", 100)))
    assert world.the(commands.Finish).extraction == film
    world.feed(events.Finished(ONE, "/downloads/film.mp4", 100), events.Saved(ONE))
    assert not world.machine.jobs


def test_a_report_of_what_was_given_up_changes_nothing() -> None:
    world = until(State.FINISHING)
    world.feed(other(), reported(report(ONE, "complete", 100)))
    assert world.machine.jobs[1].state is State.EXTRACTING
    assert not world.of(commands.Finish)


def test_it_goes_round_in_no_circle() -> None:
    world = until(State.FINISHING)
    world.feed(other(Kind.DIRECT))
    take_down(world)
    failed = world.the(commands.SaveFailed).failure
    assert failed.code == "unsupported"


def test_a_cancel_after_it_leaves_nothing() -> None:
    world = until(State.FINISHING)
    world.feed(other()).seen(ONE, cancelled=True)
    assert world.the(commands.Discard) == commands.Discard(ONE)
    take_down(world)
    assert world.of(commands.SaveCancelled)


def test_what_was_found_after_a_restart_is_looked_into_too() -> None:
    world = World()
    row = ClaimedRow(ONE, "http://host.example/1", plan=one_file(), plan_attempt=1, stage="finishing")
    world.up(row)
    assert world.machine.jobs[1].state is State.FINISHING
    world.feed(other())
    assert world.the(commands.Extract).detection.url == other().detection.url, "as it was sent nobody knows any more"
