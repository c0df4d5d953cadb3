"""Sends what has been downloaded: a process of its own beside the bot, which never has to wait for an upload.

    python upload.py

It takes rows that are `downloaded`, sets them to `uploading`, sends the file to the chat that asked, and sets them to
`uploaded`; the bot's message says so. What Telegram does not take stays `downloaded`, with a sentence. Several are sent
at once, and chats take turns: whatever waits in one of them, another has a place.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from contextlib import aclosing
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import anyio
from aiogram.exceptions import TelegramMigrateToChat, TelegramRetryAfter
from anyio.abc import TaskGroup
from config import Config, log_to_stderr, what_is_wrong
from media import NotSent
from patience import DATABASE_S, insistently, patiently
from sending import Progress, Sender
from store import STOPPED, Store

from reactor import Queue
from reactor.database.engine import lock
from reactor.errors import DatabaseError
from reactor.settings import Settings

log = logging.getLogger("upload")


@dataclass
class Sending:
    """One that is under way."""

    chat_id: int
    progress: Progress = field(default_factory=Progress)
    told: int = 0
    """Bytes that the table says."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Uploads:
    """All that are under way."""

    def __init__(self, sender: Sender, queue: Queue, store: Store, config: Config) -> None:
        self._sender, self._queue, self._store, self._config = sender, queue, store, config
        self._under_way: dict[int, Sending] = {}
        self._turns: list[int] = []
        """Chats that have had a turn, the latest last."""
        self._news = anyio.Event()

    async def run(self) -> None:
        """Send until cancelled."""
        await insistently(self._store.return_uploads)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow)
            tasks.start_soon(self._tell)
            while True:
                self._news = anyio.Event()
                try:
                    pause = await self._look(tasks)
                except (DatabaseError, sqlite3.Error) as error:
                    log.warning("The downloads cannot be read or written just now: %s", error)
                    pause = DATABASE_S
                with anyio.move_on_after(pause):
                    await self._news.wait()

    async def _follow(self) -> None:
        """Look again after each change of the database."""
        while True:
            try:
                async with aclosing(self._queue.changes()) as beats:
                    async for _ in beats:
                        self._news.set()
            except DatabaseError as error:
                log.warning("The downloads cannot be read just now: %s", error)
                await anyio.sleep(DATABASE_S)

    async def _tell(self) -> None:
        """Write down how much is sent, as often as a message can say so."""
        while True:
            await anyio.sleep(self._config.edit_interval)
            for id, upload in list(self._under_way.items()):
                if (count := upload.progress.bytes) != upload.told:
                    await insistently(lambda id=id, count=count: self._store.sending(id, count))  # type: ignore[misc]
                    upload.told = count

    async def _look(self, tasks: TaskGroup) -> float:
        """Stop what is to be stopped, and begin what can be. Returns when to look again, in seconds."""
        for id in await self._store.stopped_uploads():
            if id in self._under_way:
                self._under_way[id].scope.cancel()
        while len(self._under_way) < self._config.uploads:
            waiting = await self._store.unsent()
            if (chat_id := self._next(waiting)) is None:
                break
            id = waiting[chat_id]
            if await self._store.claim_upload(id):
                self._under_way[id] = Sending(chat_id)
                tasks.start_soon(self._upload, id)
        quiet = await self._store.next_sound()
        return inf if quiet is None else quiet

    def _next(self, waiting: dict[int, int]) -> int | None:
        """The chat whose turn it is: with the fewest under way, then the one whose last turn was longest ago. None of
        them gets the last place, unless it is the only one."""
        mine = [upload.chat_id for upload in self._under_way.values()]
        most = max(1, self._config.uploads - 1)
        free = [chat_id for chat_id in waiting if mine.count(chat_id) < most]
        turns = {chat_id: turn for turn, chat_id in enumerate(self._turns)}
        found = min(free, key=lambda chat_id: (mine.count(chat_id), turns.get(chat_id, -1)), default=None)
        if found is not None:
            self._turns = [*(chat_id for chat_id in self._turns if chat_id in waiting and chat_id != found), found]
        return found

    async def _upload(self, id: int) -> None:
        upload, status, why = self._under_way[id], "downloaded", None
        try:
            with upload.scope:
                status, why = await self._send(id, upload)
            if upload.scope.cancelled_caught:
                why = STOPPED
            await insistently(lambda: self._store.upload_ended(id, status, why))
        finally:
            del self._under_way[id]
            self._news.set()

    async def _send(self, id: int, upload: Sending) -> tuple[str, str | None]:
        """Send a download. Returns its status from now on, and why it stays here."""
        try:
            row = await self._queue.get(id)
            if row is not None:
                log.info("Download %s: sending %s", id, row.file_path)
                await self._sender.send(row, upload.progress)
        except TelegramRetryAfter as error:
            seconds = error.retry_after
            log.info("Chat %s is to be left alone for %s s", upload.chat_id, seconds)
            await insistently(lambda: self._store.hush(upload.chat_id, seconds))
            return "downloaded", None
        except TelegramMigrateToChat as error:
            new = error.migrate_to_chat_id
            await insistently(lambda: self._store.moved(upload.chat_id, new))
            return "downloaded", None
        except (DatabaseError, sqlite3.Error) as error:
            log.warning("Download %s: the database cannot be used: %s", id, error)
            await anyio.sleep(DATABASE_S)
            return "downloaded", None
        except (NotSent, OSError) as error:
            said = error if isinstance(error, NotSent) else NotSent("unreadable", why=error.strerror or "?")
            log.warning("Download %s: %s", id, said)
            return "downloaded", str(said)
        return "uploaded", None


async def main() -> None:
    """Send until SIGTERM or SIGINT."""
    config, settings = Config.load(), Settings.load()
    path = settings.download_db
    log_to_stderr(config.bot_token)
    with lock(path, "uploader"):  # another one would take our files for left over, and send them too
        async with config.bot() as bot, Queue(path) as queue, Store.open(path) as store:
            await patiently(bot.get_me)
            sender = Sender(bot, store, config, settings.ffmpeg_path)
            await Uploads(sender, queue, store, config).run()


if __name__ == "__main__":
    os.chdir(Path(__file__).parent)  # where .env and the database are
    try:
        anyio.run(main)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        if (sentence := what_is_wrong(error)) is None:
            raise
        sys.exit(f"upload: {sentence}")
