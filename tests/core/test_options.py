"""What a row asks for goes with all the work that is done for it; what cannot be understood fails it at once."""

from __future__ import annotations

from dataclasses import replace

from reactor.core import commands, events
from reactor.core.allowance import SLACK
from reactor.core.job import STOPPING, CookieSource
from reactor.core.quotas import MIB, Quotas
from reactor.core.rows import ClaimedRow
from reactor.core.stalls import KIB
from reactor.core.steps.window import SHARING_MAX
from reactor.errors import Failure
from reactor.models import Kind
from reactor.options import Options
from reactor.plan import COOKIE_LINE_MAX
from tests.core.parts import parts
from tests.core.world import (
    INSTANCE,
    LIMITS,
    ONE,
    World,
    connected,
    detection,
    gid,
    one_file,
    report,
    reported,
    take_down,
)

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
    later, asked = "http://host.example/2", Options(quality=720, cookies="mine")
    claimed = (ClaimedRow(ONE, URL),)
    world.feed(events.RowsPolled(claimed=claimed, next_url=later, next_options=asked, next_owner="ann"))
    assert world.the(commands.Prefetch) == commands.Prefetch(later, asked, CookieSource("ann", "mine", later))


def test_whose_cookies_are_to_go_along_is_said_with_all_the_work_and_they_themselves_are_not() -> None:
    source, world = CookieSource("ann", "mine", URL), World().up()
    world.claim(ONE, options=Options(cookies="mine"), owner="ann")
    assert world.the(commands.Detect).cookies_of == source
    world.feed(events.Detected(ONE, detection()))
    assert world.the(commands.Extract).cookies_of == source
    world.feed(events.Extracted(ONE, parts(400)))
    added = world.the(commands.AddTransfers)
    assert (added.cookies_of, added.cookies) == (source, ())
    assert world.machine.jobs[1].plan.request_bytes >= COOKIE_LINE_MAX, "so that aria2 does not hold too many at once"


def test_the_next_attempt_asks_for_them_anew() -> None:
    row = ClaimedRow(ONE, URL, plan=one_file(), plan_attempt=1, owner="ann", options=Options(cookies="mine"))
    assert World().up(row).the(commands.Finish).cookies_of == CookieSource("ann", "mine", URL)


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


def test_a_row_may_ask_for_less_than_the_operator_allows_and_for_no_more() -> None:
    for operators, asked, refused in ((0, 1, True), (5, 1, True), (1, 5, True), (5, 5, False)):
        limits = replace(LIMITS, quotas=Quotas(max_file_size=operators * MIB))
        world = World(limits).up().claim(ONE, options=Options(max_mib=asked))
        world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file(size=2 * MIB)))
        assert bool(world.of(commands.AddTransfers)) is not refused
    world.feed(events.TransfersAdded(ONE, (0,)))
    world.feed(events.TransfersReported((report(ONE, "active", 100, 6 * MIB),)))
    take_down(world)
    assert "max_mib" not in world.the(commands.SaveFailed).failure.message, "it was the operator's that was met"


def test_what_comes_without_a_size_is_let_through_as_far_as_its_row_allows() -> None:
    world = World().up().claim(ONE, options=Options(max_mib=10))
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file(size=None)))
    world.feed(events.TransfersAdded(ONE, (0,)))
    allowed = [each.until for each in world.log if isinstance(each, commands.Allow)]
    assert allowed[-1] == 10 * MIB + SLACK
    take_down(world.seen(ONE, cancelled=True))
    world.feed(events.Saved(ONE))
    assert [each.until for each in world.log if isinstance(each, commands.Allow)][-1] is None


def test_a_limit_of_the_speed_is_shared_by_the_parts_that_come_at_once() -> None:
    world = World().up().claim(ONE, options=Options(speed_kib=100))
    world.feed(events.Detected(ONE, detection(Kind.YTDLP)), events.Extracted(ONE, parts(9)))
    added = world.the(commands.AddTransfers)
    assert (len(added.additions), added.speed) == (SHARING_MAX, 100 * 1024 // SHARING_MAX)
    done = events.TransfersReported((report(ONE, "complete", 100, gid=gid(ONE, 0)),))
    world.feed(events.TransfersAdded(ONE, tuple(range(SHARING_MAX))), done)
    assert len(world.the(commands.AddTransfers).additions) == 1
    world = World().up().claim(ONE, options=Options(speed_kib=100))
    world.feed(events.Detected(ONE, detection()), events.Extracted(ONE, one_file()))
    assert world.the(commands.AddTransfers).speed == 100 * 1024


def test_a_row_is_not_blamed_for_the_speed_that_it_asks_for() -> None:
    for asked, stopped in ((2, False), (None, True)):
        world = World(replace(LIMITS, min_speed=1000 * KIB)).up()
        world.fetching(ONE, one_file(size=None), options=Options(speed_kib=asked))
        for second in range(0, 600, 5):
            world.feed(events.TimePassed(), after=5.0)
            if not world.of(commands.AskStatus):
                break
            world.feed(reported(report(ONE, "active", second * 1500, 10**9, files=()), periodic=True))
        assert (world.machine.jobs[1].state in STOPPING) is stopped
