"""A broadcast that is recorded: when what there is of it has arrived, it is asked for more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reactor.core import commands, events
from reactor.core.quotas import MIB, Quotas
from reactor.core.rows import ClaimedRow
from reactor.errors import Failure
from reactor.models import Kind
from reactor.plan import Extraction, Recording, Source
from tests.core.parts import parts
from tests.core.world import LIMITS, ONE, World, detection, gid, report, reported, take_down

URL = "http://host.example/1"


def broadcast(count: int, *, over: bool = False) -> Extraction:
    found = parts(count)
    recording = Recording(url=URL, sources=(Source(url=URL, after=count),), most_s=60, over=over)
    return found.model_copy(update={"finish": found.finish.model_copy(update={"recording": recording})})


def extracted(count: int = 2, *, world: World | None = None) -> World:
    world = (world or World()).up().claim(ONE)
    return world.feed(events.Detected(ONE, detection(Kind.YTDLP)), events.Extracted(ONE, broadcast(count)))


def said(n: int, status: str, **more: Any) -> events.TransfersReported:
    return reported(report(ONE, status, gid=gid(ONE, n), **more))


def lost(n: int) -> events.TransfersReported:
    return said(n, "error", error_code=3, error_message="Resource not found")


def arrived(world: World, *numbers: int, size: int = 100) -> World:
    world.feed(events.TransfersAdded(ONE, numbers))
    return world.feed(*(said(n, "complete", completed=size, total=size) for n in numbers))


def test_it_goes_on_with_what_has_come_since_until_it_is_over() -> None:
    world = arrived(extracted(), 0, 1)
    assert world.the(commands.Extract).so_far == broadcast(2)
    assert world.the(commands.Extract).detection == detection(Kind.YTDLP)
    assert not world.of(commands.Finish)
    world.feed(events.Extracted(ONE, broadcast(3)))
    assert world.the(commands.SavePlan) == commands.SavePlan(ONE, broadcast(3), frozenset({0, 1}), continues=True)
    assert [each.n for each in world.the(commands.AddTransfers).additions] == [2]
    assert not [each for each in world.told() if each.event == "download_extracted"], "said once"
    arrived(world, 2)
    world.feed(events.Extracted(ONE, broadcast(3, over=True)))
    assert world.the(commands.Finish).extraction == broadcast(3, over=True)


def test_others_are_served_beside_it() -> None:
    world = extracted()
    world.feed(events.DatabaseChanged("file"))
    assert world.machine.jobs[1].slow
    world = arrived(extracted(), 0, 1)
    assert world.machine.jobs[1].slow, "also while it is asked for more"
    world.feed(events.Extracted(ONE, broadcast(2, over=True)))
    assert not world.machine.jobs[1].slow


def test_what_cannot_be_had_is_passed_by_and_not_asked_for_again() -> None:
    world = extracted()
    world.feed(events.TransfersAdded(ONE, (0, 1)), said(0, "complete", completed=100), lost(1))
    assert world.the(commands.Extract).so_far == broadcast(2)
    world.feed(events.Extracted(ONE, broadcast(3)))
    assert world.the(commands.SavePlan).done == {0}
    assert [each.n for each in world.the(commands.AddTransfers).additions] == [2]
    arrived(world, 2)
    world.feed(events.Extracted(ONE, broadcast(3, over=True)))
    assert world.the(commands.Finish)


def test_a_cancel_stops_the_asking() -> None:
    world = arrived(extracted(), 0, 1).seen(ONE, cancelled=True)
    assert world.the(commands.StopWork)
    take_down(world)
    assert world.the(commands.SaveCancelled)


def test_after_a_restart_and_in_the_next_attempt_it_goes_on() -> None:
    row = ClaimedRow(ONE, URL, plan=broadcast(2), plan_attempt=1, stage="fetching", done=frozenset({0}))
    world = World().up(row)
    asked = world.the(commands.Extract)
    assert (asked.so_far, asked.detection.url) == (broadcast(2), URL)
    assert not world.of(commands.Detect)
    world.feed(events.Extracted(ONE, broadcast(3)))
    assert [each.n for each in world.the(commands.AddTransfers).additions] == [1, 2]
    again = World().up().claim(ONE, plan=broadcast(2, over=True), plan_attempt=0)
    assert again.the(commands.Extract).so_far == broadcast(2, over=True)


def test_it_is_ended_before_it_is_larger_or_in_more_parts_than_is_allowed() -> None:
    small = replace(LIMITS, quotas=Quotas(max_file_size=4 * MIB))
    world = arrived(extracted(world=World(limits=small)), 0, 1, size=MIB)
    assert not world.of(commands.Extract), "as much again would be too much"
    sealed = world.the(commands.Finish).extraction
    assert sealed.finish.recording
    assert sealed.finish.recording.over
    assert sealed.finish.notes[0].startswith("The recording was ended here. It has 6.0 MiB; 4 MiB are allowed")
    few = arrived(extracted(world=World(limits=replace(LIMITS, quotas=Quotas(max_parts=3)))), 0, 1)
    few.feed(events.Extracted(ONE, broadcast(4)))
    assert few.the(commands.SavePlan).extraction.finish.recording == broadcast(2, over=True).finish.recording
    assert len(few.the(commands.Finish).extraction.fetches) == 2


def test_nothing_of_it_is_renewed() -> None:
    world = extracted()
    world.feed(events.TransfersAdded(ONE, (0, 1)))
    world.feed(lost(0), lost(1))
    assert world.the(commands.Extract).so_far == broadcast(2)
    assert not world.of(commands.RemoveTransfers)


def test_what_could_not_be_put_together_is_not_fetched_anew() -> None:
    world = arrived(extracted(), 0, 1)
    world.feed(events.Extracted(ONE, broadcast(2, over=True)))
    assert world.the(commands.Finish)
    world.feed(events.WorkFailed(ONE, Failure("join_failed", "ffmpeg failed.", None, True)))
    assert not [row for save in world.of(commands.SaveProgress) for row in save.rows if row.done == frozenset()]
