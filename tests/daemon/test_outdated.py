"""A yt-dlp that has grown old is told of, at the start and once a day."""

from __future__ import annotations

from datetime import date

import anyio
import pytest

from reactor import notices
from reactor.daemon import clock, outdated
from reactor.daemon.leaving import Leaving
from reactor.journal.journal import Journal


@pytest.mark.parametrize(("version", "told"), [("2026.7.1", 62), ("2026.8.31", None), (None, None)])
async def test_it_is_told_when_it_is_old(
    monkeypatch: pytest.MonkeyPatch, version: str | None, told: int | None
) -> None:
    heard: list[notices.Notice] = []
    asked = anyio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds == outdated.DAY_S
        asked.set()
        await anyio.Event().wait()

    monkeypatch.setattr(outdated, "installed_version", lambda: version)
    monkeypatch.setattr(clock, "today", lambda: date(2026, 9, 1))
    monkeypatch.setattr(anyio, "sleep", sleep)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(
            outdated.tell_outdated, Journal([lambda entry: heard.append(entry.notice)], now=lambda: 0.0), Leaving()
        )
        await asked.wait()
        tasks.cancel_scope.cancel()
    assert heard == ([] if told is None else [notices.YtdlpOutdated(version=str(version), days=told)])
