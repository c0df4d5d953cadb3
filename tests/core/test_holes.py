"""Parts that the server does not have: which of them a video can do without, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reactor.core import commands, events
from reactor.core.job import State
from reactor.core.steps.window import ADDS_MAX
from reactor.errors import Failure
from reactor.models import Kind
from reactor.plan import Extraction, Track
from tests.core.parts import parts, wait
from tests.core.world import ONE, World, detection, gid, report, reported

COUNT = 50
EMPTY = Failure("bad_part", "A part of this video is empty.", None, True)


def film(count: int = COUNT, *, holes: int = 1, optional: int = 0, text: bool = False, **more: Any) -> Extraction:
    """`optional`: so many at the end are only counted; `text`: the last one is a track of subtitles."""
    plan = parts(count)
    fetches = tuple(replace(each, optional=n >= count - optional) for n, each in enumerate(plan.fetches))
    track = Track(form="hls", first=0, count=count - text, playlist="#EXTM3U\n", holes=holes, **more)
    tracks = (track, Track(form="webvtt", first=count - 1, count=1)) if text else (track,)
    finish = plan.finish.model_copy(update={"tracks": tracks})
    return plan.model_copy(update={"fetches": fetches, "finish": finish})


def fetching(plan: Extraction) -> World:
    world = World().up().claim(ONE)
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)), events.Extracted(ONE, plan))
    return took(world)


def took(world: World) -> World:
    for command in world.of(commands.AddTransfers):
        world.feed(events.TransfersAdded(ONE, tuple(each.n for each in command.additions)))
    return world


def come(world: World, *numbers: int) -> World:
    """These are whole; aria2 is given the next ones whenever there is room."""
    for n in numbers:
        took(world.feed(reported(report(ONE, "complete", 5, 5, gid=gid(ONE, n), files=()))))
    return world


def fail(world: World, *numbers: int, code: int = 3) -> World:
    for n in numbers:
        took(world.feed(reported(report(ONE, "error", gid=gid(ONE, n), error_code=code))))
    return took(wait(world)) if world.machine.jobs[1].budget.expired else world


def renewed(world: World, plan: Extraction) -> list[int]:
    """What is fetched by the new URLs."""
    assert state(world) is State.RENEWING
    world.feed(events.TransfersRemoved(ONE), events.Extracted(ONE, plan))
    added = [each.n for command in world.of(commands.AddTransfers) for each in command.additions]
    took(world)
    return added


def state(world: World) -> State:
    return world.machine.jobs[1].state


def failed(world: World) -> Failure:
    assert world.machine.jobs[1].ending.failure
    return world.machine.jobs[1].ending.failure


@pytest.mark.parametrize("lost", [0, 24, COUNT - 1])
def test_one_of_many_may_be_missing_when_new_urls_do_not_have_it_either(lost: int) -> None:
    world, plan = fetching(film()), film()
    fail(come(world, *range(lost)), lost)
    come(world, *range(lost + 1, COUNT))
    assert renewed(world, plan) == [lost], "nothing that is whole is fetched twice"
    fail(world, lost)
    assert state(world) is State.FINISHING


def test_new_urls_may_have_it() -> None:
    world = fail(fetching(film()), 3)
    come(world, *(n for n in range(COUNT) if n != 3))
    assert renewed(world, film()) == [3]
    come(world, 3)
    assert state(world) is State.FINISHING


@pytest.mark.parametrize(
    ("plan", "lost", "said"),
    [
        (film(holes=2), (3, 4), "2 of 50 parts (4, 5)"),
        (film(holes=1), (3, 9), "2 of 50 parts (4, 10)"),
        (film(holes=0), (3,), "Part 4 of 50"),
        (film(holes=1, needed=(3,)), (3,), "Part 4 of 50"),
        (film(holes=2, needed=(4,)), (3, 5), "2 of 50 parts (4, 6)"),
    ],
)
def test_two_in_a_row_too_many_or_what_no_other_can_do_without(
    plan: Extraction, lost: tuple[int, ...], said: str
) -> None:
    """New URLs may have it; if not, the sentence says which, and how many."""
    world = fetching(plan)
    for _ in range(3):
        fail(world, *lost)
        renewed(world, plan)
    fail(world, *lost)
    world.feed(events.TransfersRemoved(ONE), events.Discarded(ONE))
    assert failed(world).code == "not_found"
    assert said in failed(world).message


def test_two_that_are_not_neighbours() -> None:
    world, plan = fetching(film(holes=2)), film(holes=2)
    fail(world, 3, 5)
    come(world, *(n for n in range(COUNT) if n not in (3, 5)))
    assert renewed(world, plan) == [3, 5]
    assert state(fail(world, 3, 5)) is State.FINISHING


def test_an_empty_part_is_fetched_again_and_then_left_out() -> None:
    world = come(fetching(film()), *range(COUNT))
    assert state(world) is State.FINISHING
    world.feed(events.WorkFailed(ONE, EMPTY, (7,)))
    wait(world)
    come(took(world), 7)
    assert state(world) is State.FINISHING
    world.feed(events.WorkFailed(ONE, EMPTY, (7,)))
    assert renewed(world, film()) == [7]
    come(world, 7)
    world.feed(events.WorkFailed(ONE, EMPTY, (7,)))
    assert state(world) is State.BACKING_OFF, "it is tried as often as before"
    wait(world)
    come(took(world), 7)
    world.feed(events.WorkFailed(ONE, EMPTY, (7,)))
    assert world.the(commands.Finish)


def test_a_part_over_which_the_server_fails_again_and_again() -> None:
    world = come(fetching(film()), *(n for n in range(COUNT) if n != 3))
    for _ in range(ADDS_MAX - 1):
        assert state(fail(world, 3, code=29)) is State.BACKING_OFF
        took(wait(world))
    assert renewed(fail(world, 3, code=29), film()) == [3]


def test_what_was_only_counted_is_missing_at_the_end() -> None:
    world = fail(come(fetching(film(optional=6)), *range(COUNT - 2)), COUNT - 1, COUNT - 2)
    assert state(world) is State.FINISHING, "a duration that is rounded up"
    world = fail(come(fetching(film(optional=6)), *range(COUNT - 4)), *range(COUNT - 4, COUNT))
    assert renewed(world, film(optional=6)) == [46, 47, 48, 49]
    assert state(fail(world, *range(COUNT - 4, COUNT))) is State.FINISHING, "how long it is, the parts tell"


@pytest.mark.parametrize("code", [3, 24, 6])
def test_subtitles_that_cannot_be_fetched_cost_nothing_but_themselves(code: int) -> None:
    world = come(fetching(film(text=True)), *range(COUNT - 1))
    for _ in range(3):
        if state(world) is State.FETCHING:
            fail(world, COUNT - 1, code=code)
        if state(world) is State.BACKING_OFF:
            took(wait(world))
    assert state(world) is State.FINISHING


def test_a_server_that_is_asked_too_often_for_subtitles_is_asked_for_the_video_alone() -> None:
    world = come(fetching(film(text=True)), *range(COUNT - 2))
    often = Failure("rate_limited", "It was asked too often.", None, True)
    refusal = report(ONE, "error", gid=gid(ONE, COUNT - 1), failure=often)
    took(world.feed(reported(refusal)))
    assert state(world) is State.FETCHING, "and at its own pace"
    assert state(come(world, COUNT - 2)) is State.FINISHING


def test_the_notes_of_the_result_reach_its_row() -> None:
    world = come(fetching(film()), *range(COUNT))
    world.feed(events.Finished(ONE, "/film.mp4", 100, ("One.", "Two.")))
    assert world.the(commands.SaveDownloaded).notes == "One.\nTwo."
