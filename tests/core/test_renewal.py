"""URLs that an extractor found and that expire are renewed within the attempt, without a retry, while bytes come."""

from __future__ import annotations

from typing import Any

import pytest

from reactor.core import commands, events
from reactor.core.job import STOPPING, Attempt, State
from reactor.core.rows import ClaimedRow
from reactor.core.steps.renew import RENEWALS_MAX
from reactor.core.steps.teardown import STOP_PATIENCE_S
from reactor.errors import Failure
from reactor.models import Kind, Stage
from reactor.plan import Detection, Extraction
from tests.core.parts import COUNT, parts, wait
from tests.core.world import INSTANCE, ONE, World, connected, gid, one_file, report, reported

URL = "http://host.example/watch"
FORBIDDEN: dict[str, Any] = {"error_code": 22, "error_message": "status=403"}
TWO = Attempt(1, 2)


def found(attempt: Attempt = ONE) -> events.Detected:
    return events.Detected(attempt, Detection(kind=Kind.YTDLP, url=URL, why="a page"))


def fetching(extraction: Extraction, attempt: Attempt = ONE, **more: Any) -> World:
    world = World().up().claim(attempt, **more)
    world.feed(found(attempt), events.Extracted(attempt, extraction))
    return world.feed(events.TransfersAdded(attempt, tuple(range(len(extraction.fetches)))))


def film(size: int | None = None) -> Extraction:
    """One file that a page led to."""
    return one_file("film.mp4", size=size, validator=None).model_copy(update={"kind": Kind.YTDLP})


def expire(world: World, *, n: int = 0, completed: int = 0, attempt: Attempt = ONE, **why: Any) -> World:
    """A link has expired, when so many bytes had come; nothing of the others arrives meanwhile."""
    world.feed(reported(report(attempt, "error", completed, gid=gid(attempt, n), **(why or FORBIDDEN))))
    return wait(world) if state(world) is State.BACKING_OFF else world


def renew(world: World, extraction: Extraction, attempt: Attempt = ONE) -> World:
    """aria2 has nothing of it any more, and the page has new links."""
    world.feed(events.TransfersRemoved(attempt))
    assert world.the(commands.Extract).detection.url == URL
    world.feed(events.Extracted(attempt, extraction))
    world.feed(events.TransfersAdded(attempt, tuple(range(len(extraction.fetches)))))
    return world


def state(world: World) -> State:
    return world.machine.jobs[1].state


def test_an_expired_url_is_renewed_in_the_same_attempt_with_the_files_that_are_there() -> None:
    world = fetching(parts())
    world.feed(reported(*[report(ONE, "complete", 5, 5, gid=gid(ONE, n)) for n in range(5)]))
    expire(world, n=7)
    assert state(world) is State.RENEWING
    assert world.the(commands.StopWork).attempt == ONE, "nothing is handed over behind the removal"
    assert gid(ONE, 7) in world.the(commands.RemoveTransfers).gids
    world.feed(events.TransfersRemoved(ONE))
    assert state(world) is State.EXTRACTING
    assert world.the(commands.SaveStage).stage is Stage.EXTRACTING
    world.feed(events.Extracted(ONE, parts()))
    saved = world.the(commands.SavePlan)
    assert (saved.continues, saved.done) == (True, frozenset(range(5)))
    added = world.the(commands.AddTransfers)
    assert {each.n for each in added.additions} == set(range(5, COUNT))
    assert (added.wipe_staging, added.additions[0].gid) == (False, gid(ONE, 5))
    assert not [each for each in world.log if isinstance(each, commands.SaveWaiting | commands.Discard)]


def test_what_is_under_way_arrives_before_urls_are_renewed_and_is_not_fetched_twice() -> None:
    world = fetching(parts())
    given = list(range(COUNT))
    world.feed(reported(report(ONE, "error", gid=gid(ONE, 3), **FORBIDDEN)))
    assert state(world) is State.BACKING_OFF
    assert not world.of(commands.RemoveTransfers)
    for n in given[:3] + given[4:-1]:
        world.feed(reported(report(ONE, "complete", 5, 5, gid=gid(ONE, n))))
        assert not world.of(commands.AddTransfers), "nothing is begun with links that have expired"
    world.feed(reported(report(ONE, "error", gid=gid(ONE, given[-1]), **FORBIDDEN)))
    assert state(world) is State.RENEWING, "there is nothing to wait for any more"
    world.feed(events.TransfersRemoved(ONE), events.Extracted(ONE, parts()))
    added = world.the(commands.AddTransfers)
    assert {each.n for each in added.additions}.isdisjoint(given[:3] + given[4:-1])


@pytest.mark.parametrize(
    "why",
    [
        FORBIDDEN,
        {"error_code": 3},
        {"error_code": 24},
        {"error_code": 22, "error_message": "No URI available."},
    ],
    ids=["forbidden", "not-found", "needs-login", "untold"],
)
def test_whatever_the_server_says_of_it(why: dict[str, Any]) -> None:
    assert state(expire(fetching(film()), **why)) is State.RENEWING


@pytest.mark.fault(47)
def test_a_long_film_behind_short_links_is_renewed_as_often_as_it_takes() -> None:
    world = fetching(film())
    for turn in range(1, 30):
        expire(world, completed=10 * turn)
        assert state(world) is State.RENEWING
        renew(world, film())
    world.feed(reported(report(ONE, "complete", 300, 300)))
    assert state(world) is State.FINISHING
    world.feed(events.Finished(ONE, "/film.mp4", 300))
    assert world.the(commands.SaveDownloaded)
    assert not [each for each in world.log if isinstance(each, commands.SaveWaiting)]


def test_links_that_bring_no_byte_end_it() -> None:
    world = fetching(film())
    for _ in range(RENEWALS_MAX):
        expire(world, completed=50)  # found on the disk, with the first link
        renew(world, film())
    expire(world, completed=50)
    assert state(world) in STOPPING
    world.feed(events.TransfersRemoved(ONE), events.Discarded(ONE))
    assert world.the(commands.SaveFailed).failure.code == "forbidden"


def test_new_links_to_something_else_begin_from_zero() -> None:
    world = fetching(parts())
    world.feed(reported(report(ONE, "complete", 5, 5)))
    expire(world, n=7)
    world.feed(events.TransfersRemoved(ONE), events.Extracted(ONE, parts(COUNT + 1)))
    assert state(world) is State.EMPTYING
    assert world.the(commands.Discard).must
    world.feed(events.Discarded(ONE))
    assert world.the(commands.SavePlan).done == frozenset()
    assert world.the(commands.AddTransfers).wipe_staging


def test_a_row_found_under_way_is_renewed_from_its_own_url() -> None:
    row = ClaimedRow(ONE, URL, plan=parts(), plan_attempt=1, stage="fetching")
    world = World().feed(
        events.Recovered((row,), (), INSTANCE),
        connected(),
        events.WorkFailed(ONE, Failure("files_missing", "They are not there.", None, True)),
    )
    unknown = [events.TransferReport(gid(ONE, n), events.TransferStatus.UNKNOWN) for n in range(COUNT)]
    world.feed(reported(*unknown)).feed(events.TransfersAdded(ONE, tuple(range(COUNT))))
    expire(world, n=3)
    world.feed(events.TransfersRemoved(ONE))
    assert world.the(commands.Detect).url == row.url


def test_while_aria2_is_away_the_renewal_waits_for_it() -> None:
    world = fetching(parts())
    expire(world, n=1).feed(events.Aria2Lost("It was cut."))
    world.feed(events.TimePassed(), after=STOP_PATIENCE_S)
    assert not world.of(commands.RemoveTransfers)
    world.feed(connected())
    assert world.the(commands.RemoveTransfers)
    assert state(world) is State.RENEWING


def test_a_removal_without_an_answer_is_asked_for_again() -> None:
    world = expire(fetching(parts()), n=1)
    assert world.machine.next_deadline() == world.now + STOP_PATIENCE_S
    world.feed(events.TimePassed(), after=STOP_PATIENCE_S)
    assert world.the(commands.RemoveTransfers)


def test_a_cancel_during_a_renewal_takes_it_down() -> None:
    world = expire(fetching(parts()), n=1).seen(ONE, cancelled=True)
    assert state(world) is State.REMOVING
    world.feed(events.TransfersRemoved(ONE), events.Discarded(ONE))
    assert world.the(commands.SaveCancelled)


@pytest.mark.parametrize(
    ("before", "arrives", "renewed"),
    [
        ("timeout", False, True),
        ("forbidden", False, False),
        ("forbidden", True, True),
        ("not_found", False, True),
    ],
    ids=["after-a-blip", "in-vain", "bytes-came", "in-another-way"],
)
@pytest.mark.fault(47)
def test_a_url_is_renewed_unless_the_attempt_before_ended_so_and_no_byte_came(
    before: str, arrives: bool, renewed: bool
) -> None:
    world = fetching(parts(1), TWO, retry_count=1, error_code=before)
    world.feed(reported(report(TWO, "active", 50)))
    assert not world.machine.jobs[1].progress.bytes_arrived, "it may have been there"
    expire(world, completed=51 if arrives else 50, attempt=TWO)
    assert (state(world) is State.RENEWING) is renewed


def test_the_file_of_a_plain_link_is_not_renewed() -> None:
    world = World().up().fetching(ONE)
    expire(world).feed(events.TransfersRemoved(ONE), events.Discarded(ONE))
    assert world.the(commands.SaveFailed).failure.code == "forbidden"


# The budget of retries


@pytest.mark.parametrize(("comes_to", "retries"), [(30, 2), (31, 1)], ids=["no-further", "further"])
def test_retries_count_from_0_again_when_it_came_further_than_ever(comes_to: int, retries: int) -> None:
    size, plan, world = 100, one_file(size=100), World().up()
    world.claim(TWO, retry_count=1, plan=plan, plan_attempt=1, progress=30.0, error_code="timeout")
    world.feed(found(TWO), events.Extracted(TWO, plan), events.TransfersAdded(TWO, (0,)))
    world.feed(reported(report(TWO, "active", comes_to, size)))
    world.feed(reported(report(TWO, "error", comes_to, size, error_code=2)), events.TransfersRemoved(TWO))
    assert world.the(commands.SaveWaiting).retry_count == retries


def test_a_row_tells_its_progress_rounded_and_what_comes_no_further_than_that_uses_up_its_retries() -> None:
    size, plan, world = 9_000_000, one_file(size=9_000_000), World().up()
    world.claim(TWO, retry_count=1, plan=plan, plan_attempt=1, progress=99.76, error_code="timeout")
    world.feed(found(TWO), events.Extracted(TWO, plan), events.TransfersAdded(TWO, (0,)))
    world.feed(reported(report(TWO, "error", 8_978_432, size, error_code=2)), events.TransfersRemoved(TWO))  # 99.7604 %
    assert world.the(commands.SaveWaiting).retry_count == 2


def test_how_far_it_came_is_written_when_it_fails_so_that_what_comes_no_further_uses_up_its_retries() -> None:
    size, plan, world = 100, one_file(size=100), World().up()
    world.claim(TWO, retry_count=1, plan=plan, plan_attempt=1, error_code="timeout")
    world.feed(found(TWO), events.Extracted(TWO, plan), events.TransfersAdded(TWO, (0,)))
    world.feed(reported(report(TWO, "error", 30, size, error_code=2)))  # before anybody has asked how far it is
    assert [save.rows[0].progress for save in world.of(commands.SaveProgress)] == [30.0]
    world.feed(events.TransfersRemoved(TWO))
    assert world.the(commands.SaveWaiting).retry_count == 1


def test_what_begins_from_zero_each_time_uses_up_its_retries() -> None:
    world = World().up().claim(TWO, retry_count=1, progress=30.0, error_code="timeout")
    world.feed(found(TWO), events.Extracted(TWO, one_file()), events.TransfersAdded(TWO, (0,)))
    world.feed(reported(report(TWO, "active", 90)), reported(report(TWO, "error", 90, error_code=2)))
    world.feed(events.TransfersRemoved(TWO))
    assert world.the(commands.SaveWaiting).retry_count == 2
