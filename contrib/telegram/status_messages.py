"""Keeps the messages of all downloads up to date, as often as Telegram allows.

Every download has one message. What it has to say is looked up when the database changes; each chat has a task of
its own that tells it, one message at a time, so that a chat in which Telegram says "later" holds up no other. All it
needs to know is in the table: after a restart it goes on with the messages that are there.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import aclosing
from functools import partial
from typing import NamedTuple

import anyio
from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramRetryAfter,
)
from aiogram.types import InlineKeyboardMarkup, ReplyParameters
from anyio.abc import TaskGroup
from keyboards import keyboard
from patience import DATABASE_S, Waits, insistently
from store import Store, whole
from words import about

from reactor import Queue
from reactor.errors import DatabaseError
from reactor.models import Download

NEW_S = 1.0
"""Telegram's limit for messages to one person."""
Shown = tuple[str, InlineKeyboardMarkup | None]
log = logging.getLogger(__name__)


class StatusMessages:
    """The messages. `edit_interval` (s) is between two edits in one chat."""

    def __init__(self, bot: Bot, queue: Queue, store: Store, edit_interval: float) -> None:
        self._bot, self._queue, self._store = bot, queue, store
        self._interval = edit_interval
        self._due: dict[int, dict[int, Due]] = {}
        """Chat → download → what there is to tell, in turns. A chat that is in it has a task."""
        self._shown: dict[int, Shown] = {}
        """What the messages of downloads under way say, and their buttons."""
        self._sent: dict[int, int] = {}
        """Download → its message, until that is in the table."""

    async def run(self) -> None:
        """Tell until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                try:
                    async with aclosing(self._queue.changes()) as beats:
                        async for _ in beats:
                            await self._look(tasks)
                except (DatabaseError, sqlite3.Error) as error:
                    log.warning("The downloads cannot be read just now: %s", error)
                    await anyio.sleep(DATABASE_S)

    async def _look(self, tasks: TaskGroup) -> None:
        for chat_id, id, says, fresh in await self._store.untold():
            if chat_id not in self._due:
                self._due[chat_id] = {}
                tasks.start_soon(self._serve, chat_id)
            self._due[chat_id][id] = Due(says, fresh)

    async def _serve(self, chat_id: int) -> None:
        """Tell a chat what there is to tell, then end."""
        waits, due = Waits(), self._due[chat_id]
        while due:
            if (quiet := await self._quiet_for(chat_id)) > 0:
                for id in [id for id, one in due.items() if not one.fresh]:
                    del due[id]  # there will be other numbers by then
                await anyio.sleep(quiet)
                continue
            id = next((id for id, one in due.items() if one.fresh), next(iter(due)))
            one = due.pop(id)
            try:
                pause = await self._tell(chat_id, id, one.says)
                waits.over()
            except (AiogramError, DatabaseError, sqlite3.Error) as error:
                pause = waits.after(error) or DATABASE_S
                log.info("Chat %s, download %s: %s; again in %.1f s", chat_id, id, error, pause)
                due.setdefault(id, one)
                if isinstance(error, TelegramRetryAfter):  # kept in the table: a restart shortens no hour
                    await insistently(partial(self._store.hush, chat_id, error.retry_after))
                    continue
            await anyio.sleep(pause)
        del self._due[chat_id]

    async def _quiet_for(self, chat_id: int) -> float:
        try:
            return await self._store.quiet_for(chat_id)
        except sqlite3.Error as error:
            log.warning("Chat %s: the database cannot be used just now: %s", chat_id, error)
            return DATABASE_S

    async def _tell(self, chat_id: int, id: int, says: str) -> float:
        """Bring one message up to date. Returns how long the chat has to be left alone."""
        row = await self._queue.get(id)
        if row is None or row.extra["chat_id"] != chat_id:
            return 0.0
        now, pause = (about(row), keyboard(row)), 0.0
        shown: Shown | None = now
        message_id = whole(row.extra["message_id"]) or self._sent.get(id)
        try:
            if message_id is None:
                message_id = await self._send(row, *now)
                pause = min(NEW_S, self._interval) if chat_id > 0 else self._interval
            elif now != self._shown.get(id):
                pause = self._interval
                if not await self._edit(row, message_id, *now):
                    # News are told by a new message at once; for a number that moved nobody needs one.
                    message_id, shown, says = None, None, row.extra["shown"]
        except TelegramMigrateToChat as error:
            await self._store.moved(chat_id, error.migrate_to_chat_id)
            return 0.0
        if shown is None or row.status not in ("pending", "downloading", "uploading"):
            self._shown.pop(id, None)
        else:
            self._shown[id] = shown
        if (row.extra["shown"], row.extra["message_id"]) != (says, message_id):
            await self._store.told(id, says, message_id)
        self._sent.pop(id, None)
        return pause

    async def _send(self, row: Download, text: str, buttons: InlineKeyboardMarkup | None) -> int | None:
        """Send a download's message; its id, or None where nobody can be told."""
        request_id = whole(row.extra["request_id"])
        to = ReplyParameters(message_id=request_id, allow_sending_without_reply=True) if request_id else None
        try:
            sent = await self._bot.send_message(row.extra["chat_id"], text, reply_parameters=to, reply_markup=buttons)
        except (TelegramBadRequest, TelegramForbiddenError) as error:
            log.warning("Download %s: nobody can be told: %s", row.id, error)
            return None
        self._sent[row.id] = sent.message_id
        return sent.message_id

    async def _edit(self, row: Download, message_id: int, text: str, buttons: InlineKeyboardMarkup | None) -> bool:
        """Edit a download's message. False when there is none any more that could be edited."""
        try:
            await self._bot.edit_message_text(
                text, chat_id=row.extra["chat_id"], message_id=message_id, reply_markup=buttons
            )
        except (TelegramBadRequest, TelegramForbiddenError) as error:
            return "not modified" in error.message
        return True


class Due(NamedTuple):
    """What a message has to say, and whether that is more than a number that moved."""

    says: str
    fresh: bool
