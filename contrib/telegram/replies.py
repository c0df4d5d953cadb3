"""Says things beside the work: whoever handles an update does not wait until its answer has gone out."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiogram.exceptions import AiogramError
from aiogram.types import CallbackQuery, InlineKeyboardMarkup, Message
from anyio.abc import TaskGroup
from patience import patiently

TRIES = 8
"""For an answer; a download's own message is not given up."""
log = logging.getLogger(__name__)


class Replies:
    """What Telegram will not have is dropped."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks

    def send(self, message: Message, text: str, buttons: InlineKeyboardMarkup | None = None) -> None:
        """Answer a message."""
        to = message.as_reply_parameters(allow_sending_without_reply=True)
        self._tasks.start_soon(
            self._patiently, partial(message.answer, text, reply_parameters=to, reply_markup=buttons)
        )

    def answer(self, callback: CallbackQuery, text: str) -> None:
        """Answer a button."""
        self._tasks.start_soon(self._patiently, partial(callback.answer, text[:200]))

    def edit(self, callback: CallbackQuery, text: str, buttons: InlineKeyboardMarkup) -> None:
        """Let the message of a button say something else."""
        if isinstance(callback.message, Message):
            self._tasks.start_soon(self._patiently, partial(callback.message.edit_text, text, reply_markup=buttons))

    async def _patiently(self, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            await patiently(call, TRIES)
        except AiogramError as error:
            log.info("An answer was not taken: %s", error)
