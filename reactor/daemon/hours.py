"""SPEED_LIMIT, SPEED_WINDOWS and HOURS: what holds now is told to aria2, to the core and to the journal, when it
changes."""

from __future__ import annotations

from contextlib import suppress

import anyio

from reactor import hours, notices
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.router import Aria2Router
from reactor.core import events
from reactor.daemon import clock
from reactor.daemon.loop import Post
from reactor.errors import Aria2Error
from reactor.journal.journal import Journal
from reactor.settings import Settings

AGAIN_S = 3600.0
"""It is looked at the clock after so long at the latest, for that may be set."""


class Hours:
    """What holds by the clock."""

    def __init__(self, settings: Settings, aria2: Aria2Connection | Aria2Router, post: Post, journal: Journal) -> None:
        self._otherwise = hours.speed(settings.speed_limit)
        self._limits = hours.speed_windows(settings.speed_windows)
        self._windows = hours.windows(settings.hours)
        self._aria2, self._post, self._journal = aria2, post, journal
        self._open, self._limit = True, self._otherwise
        self._connected = anyio.Event()

    def connected(self) -> None:
        """aria2 is there, and may be another one than before."""
        self._connected.set()

    def begin(self) -> None:
        """Before anything is claimed: say whether it is the time for that."""
        now_open = hours.is_open(self._windows, clock.wall())
        if now_open != self._open:
            self._open = now_open
            self._post(events.HoursChanged(open=now_open))
            self._journal.tell(notices.HoursChanged(open=now_open))

    async def run(self) -> None:
        """From each change to the next. Without any of the settings nothing is done, and aria2's own limit holds."""
        limited = bool(self._otherwise or self._limits)
        those = [*self._windows, *(window for window, _ in self._limits)]
        while limited or those:
            self._connected = anyio.Event()
            self.begin()
            if limited:
                limit = hours.limit_at(self._limits, self._otherwise, clock.wall())
                if limit != self._limit:
                    self._limit = limit
                    self._journal.tell(notices.SpeedLimitChanged(limit=limit))
                with suppress(Aria2Error):  # it is told when it is there
                    await self._aria2.limit_speed(limit)
            now = clock.wall()
            boundary = hours.next_boundary(those, now)
            with anyio.move_on_after(AGAIN_S if boundary is None else min(AGAIN_S, boundary - now)):
                await self._connected.wait()
