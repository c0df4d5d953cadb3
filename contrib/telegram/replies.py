"""Says things beside the work: whoever handles an update does not wait until its answer has gone out."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
from aiogram.exceptions import AiogramError, TelegramRetryAfter
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message
from anyio.abc import TaskGroup
from patience import insistently, patiently
from store import Store

TRIES = 8
FLOOD_S = 60.0
"""For an answer; after that nobody waits for it. A download's own message is not given up."""
ASKING_S = 2.0
log = logging.getLogger(__name__)


class Replies:
    """What Telegram will not have is dropped."""

    def __init__(self, tasks: TaskGroup, store: Store) -> None:
        self._tasks, self._store = tasks, store

    def send(self, message: Message, text: str, buttons: InlineKeyboardMarkup | None = None) -> None:
        """Answer a message."""
        to = message.as_reply_parameters(allow_sending_without_reply=True)
        call = partial(message.answer, text, reply_parameters=to, reply_markup=buttons)
        self._tasks.start_soon(self._patiently, call, message.chat.id)

    def answer(self, callback: CallbackQuery, text: str) -> None:
        """Answer a button."""
        self._tasks.start_soon(self._patiently, partial(callback.answer, text[:200]), None)

    def edit(self, callback: CallbackQuery, text: str, buttons: InlineKeyboardMarkup) -> None:
        """Let the message of a button say something else."""
        if isinstance(callback.message, Message):
            call = partial(callback.message.edit_text, text, reply_markup=buttons)
            self._tasks.start_soon(self._patiently, call, callback.message.chat.id)

    async def _patiently(self, call: Callable[[], Awaitable[Any]], chat_id: int | None) -> None:
        try:
            if chat_id is not None and await self._quiet_for(chat_id) > FLOOD_S:
                return
            await patiently(call, TRIES, FLOOD_S)
        except TelegramRetryAfter as error:
            if chat_id is not None:
                await insistently(partial(self._store.hush, chat_id, error.retry_after))
        except AiogramError as error:
            log.info("An answer was not taken: %s", error)

    async def _quiet_for(self, chat_id: int) -> float:
        """Seconds for which a chat is to be left alone, as far as the database says so at once: what is answered may
        be that it is in trouble."""
        with anyio.move_on_after(ASKING_S), suppress(sqlite3.Error):
            return await self._store.quiet_for(chat_id)
        return 0.0
