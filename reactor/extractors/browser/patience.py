"""Calls to a browser that may never return: a page hangs, a frame or a tab is closed."""

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
    """Await `work`, and ignore that its page, frame or browser was closed."""
    with suppress(PlaywrightError):
        await work


async def with_timeout(work: Awaitable[T], otherwise: T, *, within_s: float = ANSWER_S) -> T:
    """The result of `work`, or `otherwise` when it fails or takes too long."""
    try:
        return await asyncio.wait_for(work, within_s)
    except (PlaywrightError, TimeoutError):
        return otherwise


def frame_of(request: Request) -> Frame | None:
    """The frame of a request; None when it is gone or there was none."""
    try:
        return request.frame
    except PlaywrightError:
        return None


def now() -> float:
    """Seconds, of the loop's clock."""
    return asyncio.get_running_loop().time()
