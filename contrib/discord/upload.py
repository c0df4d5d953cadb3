"""Sends what has been downloaded: several downloads at once, and channels take turns."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial

import anyio
import discord
from anyio.abc import TaskGroup
from client import Fetcher
from media import NotSent
from replies import AGAIN_S, TROUBLE, insistently
from sending import Progress, Sender

log = logging.getLogger("bot")


@dataclass
class Sending:
    """A download that is under way."""

    channel_id: int
    progress: Progress = field(default_factory=Progress)
    told: int = 0
    """Bytes that the table says."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Uploads:
    """The files of finished downloads."""

    def __init__(self, client: Fetcher, tasks: TaskGroup) -> None:
        self._client, self._queue, self._store, self._config = client, client.queue, client.store, client.config
        self._tasks, self._sender = tasks, Sender(client)
        self._under_way: dict[int, Sending] = {}
        self._turns: list[int] = []
        """Channels that have had a turn, the latest last."""
        self._news = anyio.Event()

    async def look(self) -> None:
        """There may be something new to send, or to stop."""
        self._news.set()

    async def run(self) -> None:
        """Send until cancelled."""
        self._tasks.start_soon(self._tell)
        while True:
            self._news = anyio.Event()
            try:
                pause = await self._go_on()
            except TROUBLE as error:
                log.warning("%s; going on in %.0f s", error, AGAIN_S)
                pause = AGAIN_S
            with anyio.move_on_after(pause):
                await self._news.wait()

    async def _tell(self) -> None:
        """Write down how much is sent, as often as a message can say so."""
        while True:
            await anyio.sleep(self._config.edit_interval)
            for id, upload in list(self._under_way.items()):
                if (count := upload.progress.bytes) != upload.told:
                    await insistently(partial(self._store.sending, id, count))
                    upload.told = count

    async def _go_on(self) -> float:
        """Stop what is to be stopped, and begin what can be. Returns when to look again, in seconds."""
        for id in await self._store.stopped_uploads():
            if id in self._under_way:
                self._under_way[id].scope.cancel()
        while len(self._under_way) < self._config.uploads:
            waiting = await self._store.unsent()
            if (channel_id := self._next(waiting)) is None:
                break
            id = waiting[channel_id]
            if await self._store.claim_upload(id):
                self._under_way[id] = Sending(channel_id)
                self._tasks.start_soon(self._upload, id)
        return await self._store.next_sound()

    def _next(self, waiting: dict[int, int]) -> int | None:
        """The channel whose turn it is: with the fewest under way, then the one whose last turn was longest ago. None
        of them gets the last place, unless it is the only one."""
        mine = [upload.channel_id for upload in self._under_way.values()]
        free = [channel_id for channel_id in waiting if mine.count(channel_id) < max(1, self._config.uploads - 1)]
        turns = {channel_id: turn for turn, channel_id in enumerate(self._turns)}
        found = min(free, key=lambda channel_id: (mine.count(channel_id), turns.get(channel_id, -1)), default=None)
        if found is not None:
            self._turns = [*(each for each in self._turns if each in waiting and each != found), found]
        return found

    async def _upload(self, id: int) -> None:
        """Send a download, and write down how that went."""
        upload, status, why = self._under_way[id], "downloaded", None
        with upload.scope:
            try:
                if (row := await self._queue.get(id)) is not None:
                    await self._sender.send(row, upload.progress)
                status = "uploaded"
            except NotSent as error:
                log.warning("Download %s: %s", id, error)
                why = str(error)
            except discord.RateLimited as error:
                await insistently(partial(self._store.hush, upload.channel_id, error.retry_after))
            except TROUBLE as error:
                log.warning("Download %s: %s; going on in %.0f s", id, error, AGAIN_S)
                await anyio.sleep(AGAIN_S)
        if upload.scope.cancelled_caught:
            why = self._store.STOPPED
        await insistently(partial(self._store.upload_ended, id, status, why))
        del self._under_way[id]
        self._news.set()
