"""The only loop: an event, what the machine makes of it, and on to those who carry it out.

`post` takes an event from whoever has one and works off all that are waiting before it returns. The machine is
quick and awaits nothing, so an event costs no turn of the event loop underneath, and nobody who posts can
hold up another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from reactor.core.commands import Command
from reactor.core.events import Event, TimePassed
from reactor.core.machine import Machine
from reactor.daemon import clock

Submit = Callable[[Sequence[Command]], None]
Post = Callable[[Event], None]
"""Takes an event, and awaits nothing."""
Note = Callable[[Event, float, Sequence[Command]], None]


class Loop:
    """Feeds one machine, from the thread of the event loop only. Close it to let go of its timer."""

    def __init__(self, machine: Machine, note: Note | None = None) -> None:
        """`note` is told of every event, of when it came and of what was decided."""
        self._machine = machine
        self._note = note
        self._submit: Submit | None = None
        self._inbox: deque[Event] = deque()
        self._working = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None

    def start(self, submit: Submit) -> None:
        """Begin with the machine's first command, then what was posted meanwhile. `submit` takes what is decided."""
        self._submit = submit
        submit(self._machine.start(clock.monotonic()))
        self._work_off()

    def post(self, event: Event) -> None:
        """Have the machine decide on `event`; on the events that this leads to at once, too."""
        self._inbox.append(event)
        self._work_off()

    def _work_off(self) -> None:
        if self._submit is None or self._working or self._closed:
            return
        self._working = True
        try:
            while self._inbox:
                event, now = self._inbox.popleft(), clock.monotonic()
                decided = self._machine.handle(event, now)
                if self._note is not None:
                    self._note(event, now, decided)
                if decided:
                    self._submit(decided)
        finally:
            self._working = False
        self._arm()

    def close(self) -> None:
        """Hand the machine no more events."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def take_in(self) -> None:
        """Hand the machine what was posted after the end, so that it knows all that is under way. Nobody carries out
        any more what it decides."""
        while self._inbox:
            self._machine.handle(self._inbox.popleft(), clock.monotonic())

    def _arm(self) -> None:
        """See to it that time passes for the machine at its next deadline. A timer that is early is left alone:
        it finds nothing to do and sets the next."""
        deadline = self._machine.next_deadline()
        if deadline is None or (self._armed_for is not None and self._armed_for <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = deadline
        delay = max(0.0, deadline - clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        self._armed_for = self._timer = None
        self.post(TimePassed())
