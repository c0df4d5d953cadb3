"""The only loop: an event, what the machine makes of it, and on to those who carry it out.

It awaits nothing but the inbox, so that nobody who writes to the inbox can hold it up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from reactor.core import commands
from reactor.core.commands import Command
from reactor.core.events import Event, TimePassed
from reactor.core.machine import Machine
from reactor.daemon import clock

INBOX_EVENTS_MAX = 1000
"""Events that wait; whoever has one more waits with it."""

Submit = Callable[[Sequence[Command]], None]


async def run_loop(machine: Machine, inbox: MemoryObjectReceiveStream[Event], submit: Submit) -> None:
    """Serve until the machine says Exit."""
    submit(machine.start())
    while True:
        event = await _next(inbox, machine.next_deadline())
        decided = machine.handle(event, clock.monotonic())
        if decided:
            submit(decided)
            if isinstance(decided[-1], commands.Exit):
                return


async def _next(inbox: MemoryObjectReceiveStream[Event], deadline: float | None) -> Event:
    """The next event; TimePassed when the deadline comes first."""
    try:
        return inbox.receive_nowait()
    except anyio.WouldBlock:
        pass
    if deadline is None:
        return await inbox.receive()
    with anyio.move_on_after(max(0.0, deadline - clock.monotonic())):
        return await inbox.receive()
    return TimePassed()
