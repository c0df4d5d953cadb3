"""Calls to Telegram that go on until it listens: it may say "later", drop the connection, or be away."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeVar

import anyio
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramEntityTooLarge,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)

Result = TypeVar("Result")
DATABASE_S = 5.0
"""After the database could not be used."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
log = logging.getLogger(__name__)


class Waits:
    """How long to wait after each failure of a run of them."""

    def __init__(self) -> None:
        self._next = FIRST_WAIT_S

    def after(self, error: Exception) -> float | None:
        """Seconds until the next try. None when another try would end no better."""
        if isinstance(error, TelegramRetryAfter):
            return float(error.retry_after)
        if isinstance(error, TelegramEntityTooLarge) or not isinstance(
            error, TelegramNetworkError | TelegramServerError | ClientDecodeError
        ):
            return None
        wait, self._next = self._next, min(LONGEST_WAIT_S, 2 * self._next)
        return wait

    def over(self) -> None:
        """A call went well."""
        self._next = FIRST_WAIT_S


async def patiently(call: Callable[[], Awaitable[Result]], tries: int = 1000, flood_s: float = inf) -> Result:
    """The answer of a call, made again for as long as that may help. Raises what Telegram refuses for good, and
    TelegramRetryAfter where it wants to be left alone for longer than `flood_s`."""
    waits = Waits()
    for left in reversed(range(tries)):
        try:
            return await call()
        except Exception as error:
            wait = waits.after(error)
            if wait is None or not left or (isinstance(error, TelegramRetryAfter) and wait > flood_s):
                raise
            log.info("Telegram: %s; again in %.1f s", error, wait)
            await anyio.sleep(wait)
    raise AssertionError("no try at all")


async def insistently(write: Callable[[], Awaitable[None]]) -> None:
    """Write what must not be lost, again and again until the database takes it."""
    while True:
        try:
            return await write()
        except sqlite3.Error as error:
            log.warning("The database cannot be written to: %s; again in %.0f s", error, DATABASE_S)
            await anyio.sleep(DATABASE_S)
