"""Questions to a browser that need not answer: a page hangs, a frame is gone, a tab is closed meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Frame, Request

ANSWER_S = 2.0
"""A page that hangs in a script answers no question; so long is waited for each."""

T = TypeVar("T")


async def ignore_closed(work: Awaitable[Any]) -> None:
    """Something whose failure tells nothing: what it was done to is gone."""
    with suppress(PlaywrightError):
        await work


async def with_timeout(work: Awaitable[T], otherwise: T, *, within_s: float = ANSWER_S) -> T:
    """What `work` says in time, else `otherwise`."""
    try:
        return await asyncio.wait_for(work, within_s)
    except (PlaywrightError, TimeoutError):
        return otherwise


def frame_of(request: Request) -> Frame | None:
    """The frame that asked; None for one that is gone, or was never there."""
    try:
        return request.frame
    except PlaywrightError:
        return None
