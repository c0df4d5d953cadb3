"""Questions that are not answered."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest
from playwright.async_api import Error as PlaywrightError

from reactor.extractors.browser.patience import ignore_closed, with_timeout


async def never() -> int:
    await asyncio.Event().wait()
    return 1


async def gone() -> NoReturn:
    raise PlaywrightError("Target closed")


async def answer() -> int:
    return 1


async def test_what_comes_in_time() -> None:
    assert await with_timeout(answer(), 0) == 1
    assert await with_timeout(gone(), 0) == 0
    assert await with_timeout(never(), 0, within_s=0.001) == 0
    await ignore_closed(gone())


async def test_other_errors_are_not_hidden() -> None:
    async def mistaken() -> NoReturn:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await with_timeout(mistaken(), None)
    with pytest.raises(ValueError, match="ours"):
        await ignore_closed(mistaken())
