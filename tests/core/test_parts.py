"""A job of many parts: asked about as a whole, one failing part tried by itself."""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.flow import ADDS_MAX, PARTS_MANY
from reactor.core.job import Attempt, State
from reactor.models import Extraction, Fetch, Finish, Kind, Track
from tests.core.world import World, detection, gid, report, reported

ONE = Attempt(1, 1)
COUNT = 20


def parts(count: int = COUNT, *, size: int | None = None) -> Extraction:
    fetches = tuple(
        Fetch(urls=(f"http://host.example/{n}.ts",), name=f"{n:04}.ts", size=size) for n in range(1, count + 1)
    )
    track = Track(form="hls", first=0, count=count, playlist="#EXTM3U\n")
    return Extraction(
        kind=Kind.YTDLP, title="film", fetches=fetches, finish=Finish(how="media", name="film.mp4", tracks=(track,))
    )


def fetching(count: int = COUNT) -> World:
    world = World().up().claim(ONE)
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)), events.Extracted(ONE, parts(count)))
    (added,) = world.of(commands.AddTransfers)
    assert [addition.n for addition in added.additions] == list(range(count))
    return world.feed(events.TransfersAdded(ONE, tuple(range(count))))


def test_a_notification_for_each_part_leads_to_one_question() -> None:
    world = fetching()
    for n in range(COUNT - 1):
        world.feed(events.TransferNotified(gid(ONE, n), "complete"))
        assert not world.of(commands.AskStatus)
    world.feed(events.TransferNotified(gid(ONE, COUNT - 1), "complete"))
    assert world.the(commands.AskStatus).gids == tuple(gid(ONE, n) for n in range(COUNT))
    world.feed(reported(*[report(ONE, "complete", 5, 5, gid=gid(ONE, n)) for n in range(COUNT)]))
    assert world.the(commands.Finish)


def test_what_the_periodic_question_finds_done_is_not_asked_about_again() -> None:
    world = fetching()
    for n in range(5):
        world.feed(events.TransferNotified(gid(ONE, n), "complete"))
    world.feed(events.TimePassed(), after=5.0)
    assert len(world.the(commands.AskStatus).gids) == COUNT
    done = [report(ONE, "complete", 5, 5, gid=gid(ONE, n), files=()) for n in range(5)]
    begun = [report(ONE, "active", 5, 10, gid=gid(ONE, n), files=()) for n in range(5, 15)]
    queued = [report(ONE, "waiting", 0, 0, gid=gid(ONE, n), files=()) for n in range(15, COUNT)]
    some = [*done, *begun, *queued]
    world.feed(reported(*some, periodic=True))
    assert not world.of(commands.AskStatus)
    assert world.the(commands.SaveProgress).rows[0].progress == 100 * (5 + 10 * 0.5) / COUNT
    for n in range(5, COUNT):
        world.feed(events.TransferNotified(gid(ONE, n), "complete"))
    assert len(world.the(commands.AskStatus).gids) == COUNT - 5


def test_few_parts_are_asked_about_one_by_one() -> None:
    world = fetching(PARTS_MANY - 1)
    world.feed(events.TransferNotified(gid(ONE, 1), "complete"))
    assert world.the(commands.AskStatus).gids == (gid(ONE, 1),)


def test_a_part_that_fails_is_tried_again_by_itself() -> None:
    world = fetching()
    for _ in range(ADDS_MAX - 1):
        world.feed(events.TransferNotified(gid(ONE, 3), "error"))
        world.feed(reported(report(ONE, "error", gid=gid(ONE, 3), error_code=2)))
        assert world.the(commands.ForgetTransfers).gids == (gid(ONE, 3),)
        assert [addition.n for addition in world.the(commands.AddTransfers).additions] == [3]
        world.feed(events.TransfersAdded(ONE, (3,)))
    world.feed(reported(report(ONE, "error", gid=gid(ONE, 3), error_code=2)))
    assert world.machine.jobs[1].state is State.STOPPING
    assert len(world.the(commands.RemoveTransfers).gids) == COUNT


def test_a_part_whose_url_has_run_out_has_the_page_asked_anew_at_once() -> None:
    world = fetching()
    world.feed(reported(report(ONE, "error", gid=gid(ONE, 3), error_code=22, error_message="status=403")))
    world.feed(events.TransfersRemoved(ONE))
    saved = world.the(commands.SaveWaiting)
    assert (saved.delay_s, saved.retry_count) == (0.0, 1)


def test_a_file_that_is_refused_is_not_asked_for_again() -> None:
    world = World().up().fetching(ONE)
    world.feed(reported(report(ONE, "error", error_code=22, error_message="status=403")))
    world.feed(events.TransfersRemoved(ONE), events.Discarded(ONE))
    assert world.the(commands.SaveFailed).failure.code == "forbidden"
