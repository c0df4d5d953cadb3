"""How many connections a large file is fetched by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import Attempt
from reactor.core.quotas import MIB
from reactor.core.retry import RetryPolicy
from reactor.core.widths import BEGIN_S, FEW, GAIN, MEASURE_S, WORTH_S
from reactor.errors import Failure
from reactor.options import Options
from reactor.plan import Extraction
from tests.core.world import LIMITS, World, connected, detection, gid, magnet, one_file, report

ONE = Attempt(1, 1)
MOST = 16
SIZE = 200 * MIB
SPEED = 10 * MIB
WIDE = replace(LIMITS, connections=MOST, retry=RetryPolicy(2, 30.0, 3600.0))


def begun(extraction: Extraction | None = None, limits: Limits = WIDE, **more: Any) -> World:
    world = World(limits).up().claim(ONE, **more).feed(events.Detected(ONE, detection()))
    world.feed(events.Extracted(ONE, extraction or one_file(size=SIZE)))
    if world.of(commands.MeasureDisk):
        world.feed(events.DiskMeasured(10**12))
    assert world.of(commands.AddTransfers)
    return world.feed(events.TransfersAdded(ONE, (0,)))


def pass_by(world: World, seconds: float) -> World:
    """Up to the next moment that the machine asks for, which is to be this one."""
    deadline = world.machine.next_deadline()
    assert deadline is not None
    assert deadline - world.now == pytest.approx(seconds)
    return world.feed(events.TimePassed(), after=seconds)


def has(world: World, completed: float, connections: int = FEW) -> World:
    """It was asked, and aria2 says so many bytes."""
    assert world.the(commands.AskStatus).gids == (gid(ONE),)
    told = report(ONE, "active", int(completed), SIZE, connections=connections)
    return world.feed(events.TransfersReported((told,)))


def measured(world: World, begins_at: float, speed: float) -> World:
    """By two looks."""
    has(pass_by(world, BEGIN_S), begins_at)
    return has(pass_by(world, MEASURE_S), begins_at + speed * MEASURE_S)


def test_more_connections_are_kept_where_they_bring_more() -> None:
    world = measured(begun(), SPEED, SPEED)
    assert world.the(commands.Widen) == commands.Widen(ONE, gid(ONE), MOST)
    measured(world, 4 * SPEED, GAIN * SPEED)
    assert not world.of(commands.Widen)
    assert (world.machine.next_deadline() or 0) > world.now + MEASURE_S, "it is decided"


def test_and_taken_back_where_they_do_not() -> None:
    world = measured(begun(), SPEED, SPEED)
    measured(world, 4 * SPEED, 0.99 * GAIN * SPEED)
    assert world.the(commands.Widen) == commands.Widen(ONE, gid(ONE), FEW)
    world.feed(events.TimePassed(), after=MEASURE_S)
    assert not world.of(commands.Widen)


def test_what_is_over_soon_keeps_its_few() -> None:
    world = measured(begun(), SIZE - WORTH_S * SPEED, SPEED)
    assert not world.of(commands.Widen)


def test_a_server_that_gives_no_ranges_is_not_asked_for_more() -> None:
    world = has(pass_by(begun(), BEGIN_S), SPEED, connections=1)
    has(pass_by(world, MEASURE_S), 2 * SPEED, connections=1)
    assert not world.of(commands.Widen)


def test_what_aria2_does_not_answer_is_asked_with_all_the_others() -> None:
    world = pass_by(begun(), BEGIN_S)
    world.feed(events.AskFailed((gid(ONE),), Failure("aria2_lost", "It is gone.", None, True)))
    world.feed(events.TimePassed(), after=MEASURE_S)
    assert not world.of(commands.AskStatus)
    world.feed(events.TimePassed(), after=WIDE.progress_interval_s)
    assert world.the(commands.AskStatus).periodic


def test_an_aria2_that_was_started_anew_begins_with_a_few_and_is_measured_again() -> None:
    world = measured(begun(), SPEED, SPEED)
    assert world.of(commands.Widen)
    world.feed(events.Aria2Lost("It is gone."), connected("s2"))
    unknown = events.TransferReport(gid(ONE), events.TransferStatus.UNKNOWN)
    world.feed(events.TransfersReported((unknown,)))
    assert world.of(commands.AddTransfers)
    world.feed(events.TransfersAdded(ONE, (0,)))
    has(pass_by(world, BEGIN_S), SPEED)


@pytest.mark.parametrize(
    ("extraction", "more"),
    [
        pytest.param(one_file(size=WIDE.wide_bytes - 1), {}, id="small"),
        pytest.param(magnet(), {}, id="torrent"),
        pytest.param(one_file(size=SIZE), {"options": Options(speed_kib=500)}, id="limited"),
        pytest.param(one_file(size=SIZE), {"retry_count": 1, "error_code": "rate_limited"}, id="in trouble before"),
    ],
)
def test_nothing_else_is_measured(extraction: Extraction, more: dict[str, Any]) -> None:
    world = begun(extraction, **more)
    world.feed(events.TimePassed(), after=BEGIN_S)
    assert not world.of(commands.AskStatus)


def test_where_no_more_than_a_few_are_allowed_nothing_is() -> None:
    world = begun(limits=replace(WIDE, connections=FEW))
    world.feed(events.TimePassed(), after=BEGIN_S)
    assert not world.of(commands.AskStatus)
