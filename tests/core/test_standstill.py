"""A torrent that stands still: why is asked before it is given up, said then, and what is whole of it may stay."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import METADATA, State
from reactor.core.retry import RetryPolicy
from reactor.core.rows import ClaimedRow
from reactor.errors import Failure
from reactor.models import Kind
from reactor.plan import Extraction, Fetch, Finish, Torrent
from tests.core.test_magnets import magnet
from tests.core.world import ONE, World, gid, report, reported, take_down

STALL_S = 10.0
LIMITS = Limits(torrent_stall_timeout_s=STALL_S, retry=RetryPolicy(0, 30.0, 3600.0), partial_torrents=True)
KEEPING_NONE = dataclasses.replace(LIMITS, partial_torrents=False)
MISSING = Failure("files_missing", "It is not there.", None, True)
TORRENT = Torrent(metainfo=b"d", info_hash="a" * 40, trackers=("http://t/",))


def album() -> Extraction:
    fetch = Fetch(name="album", size=100, torrent=TORRENT)
    return Extraction(kind=Kind.TORRENT, title="album", fetches=(fetch,), finish=Finish(how="torrent", name="album"))


def progress(world: World, completed: int, after: float, *, number: int = 0, connections: int = 0) -> None:
    told = report(ONE, "active", completed, gid=gid(ONE, number), connections=connections)
    world.feed(reported(told, periodic=True), after=after)


def standing(limits: Limits = KEEPING_NONE, completed: int = 99, connections: int = 0) -> World:
    world = World(limits).up().fetching(ONE, album())
    progress(world, completed, 1.0, connections=connections)
    progress(world, completed, STALL_S / 2)
    return world


def given_up(world: World, number: int = 0) -> str:
    progress(world, 99 if number == 0 else 0, STALL_S, number=number)
    take_down(world)
    failure = world.the(commands.SaveFailed).failure
    assert failure.code == "no_peers"
    return failure.text


def test_why_is_asked_once_when_half_of_the_time_is_over() -> None:
    world = World(KEEPING_NONE).up().fetching(ONE, album())
    progress(world, 10, 1.0)
    progress(world, 10, STALL_S / 2 - 0.1)
    assert not world.of(commands.Inquire)
    progress(world, 10, 0.2)
    assert world.the(commands.Inquire) == commands.Inquire(ONE, gid(ONE), TORRENT)
    progress(world, 10, 0.2)
    assert not world.of(commands.Inquire)
    progress(world, 20, 0.2)
    progress(world, 20, STALL_S / 2)
    assert world.of(commands.Inquire), "bytes had come in between"


def test_other_files_are_not_asked_about() -> None:
    world = World(dataclasses.replace(KEEPING_NONE, stall_timeout_s=STALL_S)).up().fetching(ONE)
    world.feed(reported(report(ONE, "active", 10), periodic=True), after=1.0)
    world.feed(reported(report(ONE, "active", 10), periodic=True), after=STALL_S / 2)
    assert not world.of(commands.Inquire)


@pytest.mark.parametrize(
    ("answer", "peers", "said"),
    [
        ({"refused": "Unregistered torrent."}, 3, "The tracker of this torrent refuses it: Unregistered torrent."),
        ({}, 0, "No byte of the torrent came for 10 s. 99 % are there. Nobody seems"),
        ({"seeds": 0}, 0, "99 % are there. Its tracker knows nobody who has all of it. Nobody"),
        ({"seeds": 2}, 0, "Its tracker knows 2 who have all of it."),
        ({"seeds": 0}, 2, "99 % are there. 2 peers were seen, who did not have the rest. Nobody"),
        ({}, 1, "1 peer was seen, who did not have the rest."),
        ({"whole": ((1, 50),), "lacking": ("b.bin", "c.xml")}, 0, "99 % are there. What is not whole: b.bin, c.xml."),
    ],
)
def test_what_is_known_is_said(answer: dict[str, object], peers: int, said: str) -> None:
    world = standing(connections=peers)
    world.feed(events.Inquired(ONE, **answer))  # type: ignore[arg-type]
    assert said in given_up(world)


def test_without_an_answer_it_is_given_up_all_the_same() -> None:
    assert given_up(standing()).startswith("No byte of the torrent came for 10 s.")


def test_what_was_found_out_is_old_news_when_bytes_have_come() -> None:
    world = standing(completed=50)
    world.feed(events.Inquired(ONE, refused="No."))
    progress(world, 99, 1.0)
    assert "refuses" not in given_up(world)


def test_of_a_magnet_link_nothing_is_there_yet() -> None:
    world = World(KEEPING_NONE).up().fetching(ONE, magnet())
    progress(world, 0, 1.0, number=METADATA, connections=2)
    said = given_up(world, METADATA)
    assert said.startswith("Nobody who has this torrent was found within 10 s. 2 peers were seen, who did not have it.")


HALF = events.Inquired(ONE, whole=((1, 30), (3, 20)), lacking=("b.bin",))


def test_what_is_whole_stays_where_that_is_wanted() -> None:
    world = standing(LIMITS).feed(HALF)
    progress(world, 99, STALL_S)
    assert world.the(commands.RemoveTransfers).gids == (gid(ONE),)
    assert not world.of(commands.SaveFailed)
    world.feed(events.TransfersRemoved(ONE))
    saved = world.the(commands.SavePlan)
    (fetch,) = saved.extraction.fetches
    assert saved.continues
    assert fetch.torrent
    assert (fetch.torrent.select, fetch.size, fetch.torrent.metainfo) == ("1,3", 50, TORRENT.metainfo)
    note = "Nobody shared all of this torrent: 2 of its files are here. Missing: b.bin."
    assert saved.extraction.finish.notes == (note,)
    added = world.the(commands.AddTransfers)
    assert (added.wipe_staging, added.additions[0].gid) == (False, gid(ONE))
    world.feed(events.TransfersAdded(ONE, (0,)), reported(report(ONE, "complete", 50, 50)))
    assert world.the(commands.Finish).extraction == saved.extraction


NOTHING, ALL = dataclasses.replace(HALF, whole=()), dataclasses.replace(HALF, lacking=())


@pytest.mark.parametrize("asked", [HALF, None, NOTHING, ALL])
def test_where_it_is_not_wanted_or_nothing_is_whole_the_row_fails(asked: events.Inquired | None) -> None:
    world = standing(KEEPING_NONE if asked is HALF else LIMITS)
    world.feed(*_some(asked))
    given_up(world)


def test_not_before_the_last_attempt() -> None:
    world = standing(dataclasses.replace(LIMITS, retry=RetryPolicy(1, 30.0, 3600.0))).feed(HALF)
    progress(world, 99, STALL_S)
    take_down(world)
    assert world.of(commands.SaveWaiting)


def test_not_twice() -> None:
    world = standing(LIMITS).feed(HALF)
    progress(world, 99, STALL_S)
    plan = world.feed(events.TransfersRemoved(ONE)).the(commands.SavePlan).extraction
    row = ClaimedRow(ONE, "http://host.example/", plan=plan, plan_attempt=1, stage="fetching")
    again = World(LIMITS).up(row)
    again.feed(events.WorkFailed(ONE, MISSING), reported(report(ONE, "active", 99)))
    progress(again, 99, STALL_S / 2)
    again.feed(HALF)
    assert again.machine.jobs[1].state is State.FETCHING
    given_up(again)


def test_a_cancel_overtakes_it() -> None:
    world = standing(LIMITS).feed(HALF)
    progress(world, 99, STALL_S)
    world.seen(ONE, cancelled=True)
    take_down(world)
    assert world.of(commands.SaveCancelled)


def _some(asked: events.Inquired | None) -> Sequence[events.Inquired]:
    return [] if asked is None else [asked]
