"""What the bot's own table does not take: the row ends, and holds up no other."""

from __future__ import annotations

import pytest

from reactor import notices
from reactor.core import commands, events
from reactor.core.job import Attempt, State
from reactor.errors import Failure
from tests.core.world import LIMITS, ONE, World, take_down, until

FORBIDDEN = Failure("constraint", "CHECK constraint failed.", "Change it.")


@pytest.mark.parametrize("state", [State.EXTRACTING, State.FETCHING, State.FINISHING])
def test_a_row_that_its_table_does_not_let_on_fails(state: State) -> None:
    world = until(state)
    take_down(world.feed(events.SaveRejected(ONE, FORBIDDEN)))
    save = world.the(commands.SaveFailed)
    assert (save.failure.code, save.keep_plan) == ("constraint", False)
    world.feed(events.Saved(ONE))
    assert [notice.event for notice in world.told()] == ["download_failed"]
    assert not world.machine.jobs


def test_what_is_published_and_cannot_be_said_in_the_row_is_taken_back() -> None:
    world = until(State.FINISHING)
    world.feed(events.Finished(ONE, "/downloads/a.bin", 100), events.SaveRejected(ONE, FORBIDDEN))
    take_down(world)
    assert commands.Discard(ONE) in world.log
    assert world.the(commands.SaveFailed).failure.code == "constraint"


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_row_that_its_table_lets_not_even_end_is_left_and_holds_up_nobody(cancelled: bool) -> None:
    world = until(State.FETCHING)
    if cancelled:
        take_down(world.seen(ONE, cancelled=True))
    else:
        take_down(world.feed(events.SaveRejected(ONE, FORBIDDEN)))
    world.feed(events.SaveRejected(ONE, FORBIDDEN))
    assert [notice.event for notice in world.told()] == ["download_cancelled" if cancelled else "download_failed"]
    assert not world.machine.jobs
    assert world.the(commands.PollRows).claim == LIMITS.concurrent


def test_a_row_that_cannot_be_claimed_has_failed_and_its_place_is_free() -> None:
    world = World().up()
    world.feed(events.DatabaseChanged("file"))
    world.feed(events.RowsPolled(rejected=(events.SaveRejected(Attempt(1, 0), FORBIDDEN),)))
    (notice,) = world.told()
    assert isinstance(notice, notices.DownloadFailed)
    assert (notice.download_id, notice.code) == (1, "constraint")
    assert world.the(commands.PollRows).claim == LIMITS.concurrent
