"""What is carried out, and when: saves first, and nothing in vain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest

from reactor.core import commands, events
from reactor.core.commands import Addition
from reactor.core.job import Attempt
from reactor.daemon.perform import Performer
from reactor.daemon.workers import Workers
from reactor.database.store import Unsaved
from reactor.errors import Failure
from reactor.journal.journal import Journal
from reactor.models import Stage
from tests.core.world import one_file
from tests.extractors.processes import until

ONE, TWO = Attempt(1, 1), Attempt(2, 1)
PLAN = one_file()


class Rows:
    """A database that takes its time, and refuses what it is told to."""

    def __init__(self) -> None:
        self.unsaved: tuple[Unsaved, ...] = ()
        self.saves: list[commands.Save] = []
        self.read: list[commands.ReadPlan] = []
        self.ready = anyio.Event()
        self.leased = False

    async def apply(self, saves: Sequence[commands.Save]) -> tuple[Unsaved, ...]:
        await self.ready.wait()
        self.saves += saves
        return self.unsaved

    async def read_plan(self, command: commands.ReadPlan) -> None:
        self.read.append(command)


class Hands:
    """Everything else; it notes what was begun."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.broken: Attempt | None = None

    async def forget(self, command: commands.ForgetTransfers) -> None:
        self.begun.append(command)

    def __getattr__(self, name: str) -> Any:
        async def begin(command: Any) -> None:
            self.begun.append(command)
            if self.broken and command.attempt == self.broken:
                raise ValueError(f"cannot read {command}")

        return begin


@asynccontextmanager
async def performing() -> AsyncIterator[tuple[Performer, Rows, Hands, list[events.Event]]]:
    rows, hands, heard = Rows(), Hands(), list[events.Event]()

    async with anyio.create_task_group() as tasks:
        hand = cast("Any", hands)
        performer = Performer(cast("Any", rows), hand, hand, Workers(tasks), Journal([], now=lambda: 0.0), heard.append)
        tasks.start_soon(performer.run)
        yield performer, rows, hands, heard
        tasks.cancel_scope.cancel()


def add(attempt: Attempt) -> commands.AddTransfers:
    return commands.AddTransfers(attempt, (Addition(0, "0123456789abcdef", PLAN.fetches[0]),))


def plan(attempt: Attempt) -> commands.SavePlan:
    return commands.SavePlan(attempt, PLAN)


async def test_nothing_begins_before_what_was_decided_with_it_is_saved() -> None:
    async with performing() as (performer, rows, hands, _):
        performer.submit([plan(ONE), add(ONE)])
        performer.submit([add(TWO)])
        await anyio.wait_all_tasks_blocked()
        assert hands.begun == [add(TWO)], "nor does it hold up others"
        rows.ready.set()
        await anyio.wait_all_tasks_blocked()
        assert hands.begun == [add(TWO), add(ONE)]
        assert rows.saves == [plan(ONE)]


FORBIDDEN = events.SaveRejected(ONE, Failure("constraint", "CHECK constraint failed."))


@pytest.mark.parametrize("unsaved", [events.SaveStale(ONE), FORBIDDEN])
async def test_what_waited_behind_a_save_that_is_refused_does_not_begin_either(unsaved: Unsaved) -> None:
    """It was decided before the machine could know: nobody would find such a transfer again."""
    async with performing() as (performer, rows, hands, heard):
        rows.unsaved = (unsaved,)
        performer.submit([plan(ONE), add(ONE)])
        await anyio.wait_all_tasks_blocked()
        performer.submit([add(ONE), commands.ForgetTransfers(("0123456789abcdef",))])
        rows.ready.set()
        await anyio.wait_all_tasks_blocked()
        assert hands.begun == [commands.ForgetTransfers(("0123456789abcdef",))]
        assert heard == [unsaved]


async def test_what_is_decided_once_a_refusal_was_heard_begins() -> None:
    """Of a row that a bot has deleted and written anew: nothing else would ever begin it."""
    async with performing() as (performer, rows, hands, heard):
        rows.ready.set()
        rows.unsaved = (events.SaveStale(ONE),)
        performer.submit([commands.SaveStage(ONE, Stage.EXTRACTING)])
        await until(lambda: bool(heard))
        rows.unsaved = ()
        performer.submit([plan(ONE), add(ONE)])
        await anyio.wait_all_tasks_blocked()
        assert hands.begun == [add(ONE)]


async def test_a_fence_waits_for_nothing_and_what_is_queued_for_its_attempt_does_not_begin() -> None:
    """The database is what does not answer; what was decided is still written, if it may be."""
    fence = commands.Fence(ONE, ("0123456789abcdef",))
    async with performing() as (performer, rows, hands, _):
        performer.submit([plan(ONE), add(ONE)])
        await anyio.wait_all_tasks_blocked()
        performer.submit([plan(ONE), add(ONE), add(TWO)])
        performer.submit([plan(TWO), fence])
        await anyio.wait_all_tasks_blocked()
        assert hands.begun == [fence]
        performer.submit([commands.ReadPlan(ONE)])
        rows.ready.set()
        await anyio.wait_all_tasks_blocked()
        assert hands.begun == [fence, add(TWO)]
        assert rows.saves == [plan(ONE), plan(ONE), plan(TWO)]
        assert rows.read == [commands.ReadPlan(ONE)], "it is the next one's"


async def test_with_leases_time_passes_between_what_is_saved_and_what_begins_then() -> None:
    async with performing() as (performer, rows, hands, heard):
        rows.leased = True
        performer.submit([plan(ONE), add(ONE)])
        rows.ready.set()
        await anyio.wait_all_tasks_blocked()
        assert heard == [events.TimePassed()]
        assert hands.begun == [add(ONE)]


async def test_of_several_endings_of_an_attempt_the_last_is_written() -> None:
    """The earlier one has waited, and something was decided anew meanwhile."""
    async with performing() as (performer, rows, _, heard):
        performer.submit([plan(TWO)])
        await anyio.wait_all_tasks_blocked()
        first, again = (commands.SaveDownloaded(ONE, "/a", 1, None) for _ in range(2))
        performer.submit([first])
        performer.submit([again])
        rows.ready.set()
        await anyio.wait_all_tasks_blocked()
    assert rows.saves == [plan(TWO), again]
    assert heard == [events.Saved(ONE)]


async def test_a_mistake_of_ours_ends_the_attempt_it_was_made_over_and_no_other() -> None:
    async with performing() as (performer, _, hands, heard):
        hands.broken = ONE
        for attempt in (ONE, TWO):
            performer.submit([commands.Detect(attempt, "http://h/?token=hush")])
        await anyio.wait_all_tasks_blocked()
    (failed,) = heard
    assert isinstance(failed, events.WorkFailed)
    assert (failed.attempt, failed.failure.code, failed.failure.retryable) == (ONE, "internal", False)
    assert "ValueError" in failed.failure.message
    assert "hush" not in failed.failure.text
    assert [command.attempt for command in hands.begun] == [ONE, TWO]


async def test_entries_that_have_their_rows_are_told_and_refused_ones_are_not() -> None:
    async with performing() as (performer, rows, _, heard):
        rows.unsaved = (events.SaveStale(TWO),)
        for attempt in (ONE, TWO):
            performer.submit([commands.SaveEntries(attempt, (), 50)])
        rows.ready.set()
        with anyio.fail_after(5):
            while len(heard) < 2:
                await anyio.wait_all_tasks_blocked()
        assert heard == [events.SaveStale(TWO), events.EntriesSaved(ONE)]
