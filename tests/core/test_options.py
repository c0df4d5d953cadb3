"""What a row asks for goes with all the work that is done for it; what cannot be understood fails it at once."""

from __future__ import annotations

from reactor.core import commands, events
from reactor.core.rows import ClaimedRow
from reactor.errors import Failure
from reactor.models import Kind
from reactor.options import Options
from tests.core.world import INSTANCE, ONE, World, connected, detection, gid, one_file, take_down

ASKED = Options(quality=720)
BAD = Failure("bad_options", "There is no option `qualty`.", "Is `quality` meant?")
URL = "http://host.example/1"


def test_options_go_with_the_work() -> None:
    world = World().up().claim(ONE, options=ASKED)
    assert world.the(commands.Detect).options == ASKED
    world.feed(events.Detected(ONE, detection()))
    assert world.the(commands.Extract).options == ASKED
    world.feed(events.Reclassified(ONE, detection(Kind.YTDLP)))
    assert world.the(commands.Extract).options == ASKED


def test_the_next_row_is_looked_into_as_it_asks() -> None:
    world = World().up().feed(events.DatabaseChanged("file"))
    world.feed(events.RowsPolled(claimed=(ClaimedRow(ONE, URL),), next_url="http://host.example/2", next_options=ASKED))
    assert world.the(commands.Prefetch) == commands.Prefetch("http://host.example/2", ASKED)


def test_a_row_whose_options_cannot_be_understood_fails_and_its_place_is_free() -> None:
    world = World().up().claim(ONE, refusal=BAD)
    assert not world.of(commands.Detect)
    world.feed(events.Discarded(ONE))
    assert world.the(commands.SaveFailed).failure == BAD
    world.feed(events.Saved(ONE))
    assert not world.machine.jobs


def test_so_does_one_that_was_under_way_and_aria2_has_nothing_of_it_any_more() -> None:
    plan = one_file()
    row = ClaimedRow(ONE, URL, plan=plan, plan_attempt=1, stage="fetching", refusal=BAD)
    world = World().feed(events.Recovered((row,), (), INSTANCE))
    world.feed(connected())
    assert gid(ONE) in world.the(commands.RemoveTransfers).gids
    take_down(world)
    assert world.the(commands.SaveFailed).failure == BAD
