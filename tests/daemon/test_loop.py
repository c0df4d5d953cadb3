"""The loop: what is posted reaches the machine in order, and time passes when the machine asks for it."""

from __future__ import annotations

import anyio

from reactor.core import commands, events
from reactor.core.context import Limits
from reactor.core.job import Attempt
from reactor.core.machine import Machine
from reactor.daemon.loop import Loop
from reactor.errors import Failure


async def test_what_is_posted_before_the_start_is_worked_off_after_the_first_command() -> None:
    decided: list[commands.Command] = []
    loop = Loop(Machine(Limits()))
    loop.post(events.Recovered(instance="i"))
    assert not decided
    loop.start(decided.extend)
    assert [type(command) for command in decided] == [commands.Recover, commands.PollRows]
    loop.close()


async def test_events_that_carrying_out_leads_to_at_once_come_after_the_one_that_is_worked_off() -> None:
    seen: list[str] = []
    loop = Loop(Machine(Limits()))

    def submit(batch: object) -> None:
        seen.append(repr(batch))
        if len(seen) == 2:
            loop.post(events.RowsPolled())
            assert len(seen) == 2

    loop.start(submit)
    loop.post(events.Recovered(instance="i"))
    loop.post(events.DatabaseChanged("file"))
    assert len(seen) == 3
    loop.close()


async def test_time_passes_at_the_machines_deadline_and_not_after_closing() -> None:
    decided: list[commands.Command] = []
    again = anyio.Event()

    def submit(batch: object) -> None:
        assert isinstance(batch, list)
        decided.extend(batch)
        if sum(isinstance(command, commands.PollRows) for command in decided) == 2:
            again.set()

    loop = Loop(Machine(Limits()))
    loop.start(submit)
    loop.post(events.Recovered(instance="i"))
    loop.post(events.DatabaseFailed(Failure("database", "The database is locked.", None, True)))
    with anyio.fail_after(30):
        await again.wait()
    loop.close()
    loop.post(events.RowsPolled())
    assert sum(isinstance(command, commands.PollRows) for command in decided) == 2


async def test_what_was_recovered_is_known_to_the_machine_also_when_the_database_was_replaced_meanwhile() -> None:
    decided: list[commands.Command] = []
    machine = Machine(Limits())
    loop = Loop(machine)
    loop.start(decided.extend)
    loop.close()
    left = events.Leftover(Attempt(7, 1), 2)
    loop.post(events.Recovered(leftovers=(left,), instance="i"))
    assert [type(command) for command in decided] == [commands.Recover]
    assert machine.abandon()[0] == []
    loop.take_in()
    assert [each.attempt for each in machine.abandon()[0]] == [left.attempt]
    assert [type(command) for command in decided] == [commands.Recover]
