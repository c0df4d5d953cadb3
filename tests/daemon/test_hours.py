"""What the clock says is told to a real aria2c and to the core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import anyio
import pytest

from reactor import notices
from reactor.aria2 import methods
from reactor.aria2.connection import Aria2Connection
from reactor.aria2.embedded import EmbeddedAria2
from reactor.core import events
from reactor.daemon import clock
from reactor.daemon.hours import Hours
from reactor.journal.journal import Journal
from reactor.programs import find_aria2c
from reactor.settings import Settings

LIMIT = "max-overall-download-limit"
EIGHT = datetime(2026, 7, 6, 8).timestamp()
PATIENCE_S = 30.0


class Wall:
    """The clock on the wall."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def telling() -> tuple[Journal, list[notices.Notice]]:
    """A journal, and what it is told."""
    told = list[notices.Notice]()
    return Journal([lambda entry: told.append(entry.notice)], now=lambda: EIGHT), told


async def limit(aria2: Aria2Connection) -> str:
    return (await aria2.call(methods.get_global_option()))[LIMIT]


async def becomes(asked: Callable[[], Awaitable[str]], expected: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        while await asked() != expected:
            await anyio.sleep(0.02)


async def test_the_limit_is_told_to_aria2_when_it_changes_and_to_one_that_was_started_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wall = Wall(EIGHT - 0.5)
    monkeypatch.setattr(clock, "wall", wall)
    settings = Settings.load(speed_limit="1M", speed_windows="mon-fri 08-22 2M")
    posted, (journal, told) = list[events.Event](), telling()
    async with EmbeddedAria2(find_aria2c()) as embedded:

        def post(event: events.Event) -> None:
            posted.append(event)
            if isinstance(event, events.Aria2Connected):
                hours.connected()

        async with Aria2Connection(lambda: embedded.url, embedded.secret, post=post) as aria2:
            hours = Hours(settings, aria2, post, journal)
            await aria2.wait_connected()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hours.run)
                await becomes(lambda: limit(aria2), str(2**20))
                wall.now = EIGHT
                await becomes(lambda: limit(aria2), str(2 * 2**20))
                await aria2.call(methods.limit_speed(7 * 2**20))
                hours.connected()
                await becomes(lambda: limit(aria2), str(2 * 2**20))
                tasks.cancel_scope.cancel()
    assert not [event for event in posted if isinstance(event, events.HoursChanged)]
    assert told == [notices.SpeedLimitChanged(limit=2 * 2**20)]


async def test_without_a_limit_aria2s_own_stays(tmp_path: Path) -> None:
    async with (
        EmbeddedAria2(find_aria2c(), options={LIMIT: "3M"}) as embedded,
        Aria2Connection(lambda: embedded.url, embedded.secret, post=lambda event: None) as aria2,
    ):
        await aria2.wait_connected()
        await Hours(Settings.load(), aria2, lambda event: None, telling()[0]).run()
        assert await limit(aria2) == str(3 * 2**20)


async def test_the_core_hears_of_the_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, posted, (journal, told) = Wall(EIGHT), list[events.Event](), telling()
    monkeypatch.setattr(clock, "wall", wall)
    async with (
        EmbeddedAria2(find_aria2c()) as embedded,
        Aria2Connection(lambda: embedded.url, embedded.secret, post=lambda event: None) as aria2,
    ):
        hours = Hours(Settings.load(hours="22-07"), aria2, posted.append, journal)
        hours.begin()
        hours.begin()
        wall.now = EIGHT + 15 * 3600
        hours.begin()
    assert posted == [events.HoursChanged(open=False), events.HoursChanged(open=True)]
    assert told == [notices.HoursChanged(open=False), notices.HoursChanged(open=True)]
