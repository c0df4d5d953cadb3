"""Keeps the messages of all downloads up to date. Each channel has a task of its own while there is something to tell,
so that one in which Discord says "later" holds up no other."""

from __future__ import annotations

import logging
from functools import partial
from typing import NamedTuple

import anyio
import discord
from anyio.abc import TaskGroup
from client import Fetcher
from components import view
from replies import AGAIN_S, TROUBLE, insistently
from words import about

from reactor.models import Download

Shown = tuple[str, str]
log = logging.getLogger("bot")


class Due(NamedTuple):
    """What a message has to say, and whether that is more than a number that moved."""

    says: str
    fresh: bool


class StatusMessages:
    """The messages."""

    def __init__(self, client: Fetcher, tasks: TaskGroup) -> None:
        self._client, self._queue, self._store, self._config = client, client.queue, client.store, client.config
        self._tasks = tasks
        self._shown: dict[int, Shown] = {}  # what the messages of downloads under way say, and what is below them
        self._due: dict[int, dict[int, Due]] = {}  # channel → download → what there is to tell, in turns

    async def look(self) -> None:
        """See what there is to tell, and have it told. discord.py itself waits where Discord says "later", but for so
        long that the channel is better left alone."""
        for channel_id, id, says, fresh in await self._store.untold():
            if channel_id not in self._due:
                self._due[channel_id] = {}
                self._tasks.start_soon(self._serve, channel_id)
            self._due[channel_id][id] = Due(says, fresh)

    async def _serve(self, channel_id: int) -> None:
        """Tell a channel what there is to tell, then end."""
        due = self._due[channel_id]
        while due:
            id = next((id for id, each in due.items() if each.fresh), next(iter(due)))
            one = due[id]
            try:
                if (quiet := await self._store.quiet_for(channel_id)) > 0:
                    await anyio.sleep(quiet)  # what changes meanwhile is told once, as it is then
                    continue
                del due[id]
                if await self._tell(id, one.says):
                    await anyio.sleep(self._config.edit_interval)
            except discord.RateLimited as error:
                due.setdefault(id, one)
                await insistently(partial(self._store.hush, channel_id, error.retry_after))
            except TROUBLE as error:
                due.setdefault(id, one)
                log.warning("Channel %s: %s; going on in %.0f s", channel_id, error, AGAIN_S)
                await anyio.sleep(AGAIN_S)
        del self._due[channel_id]

    async def _tell(self, id: int, says: str) -> bool:
        """Bring one message up to date. Returns whether Discord was asked to."""
        row = await self._queue.get(id)
        if row is None:
            return False
        now: Shown = (about(row), str(view(row).to_components()))
        if now == self._shown.get(id) and row.extra["shown"] == says:
            return False
        message_id, new, told = row.extra["message_id"], now != self._shown.get(id), True
        if new:
            before, message_id = message_id, await self._say(row, message_id)
            if before and not message_id:  # it was deleted, or archived: news are told by a new one
                says, told = row.extra["shown"], False
        if told and row.status in ("pending", "downloading", "uploading"):
            self._shown[id] = now
        else:
            self._shown.pop(id, None)
        await self._store.all("UPDATE downloads SET shown = ?, message_id = ? WHERE id = ?", says, message_id, id)
        return new

    async def _say(self, row: Download, message_id: int | None) -> int | None:
        """Edit the message of a row, or send one; its id. None when Discord takes no edit, or nobody can be told."""
        channel, text = self._client.get_partial_messageable(row.extra["channel_id"]), about(row)
        try:
            if message_id is None:
                return (await channel.send(text, view=view(row), suppress_embeds=True)).id
            return (await channel.get_partial_message(message_id).edit(content=text, view=view(row))).id
        except discord.HTTPException as error:
            if error.status not in (400, 403, 404):
                raise
            log.warning("Download %s cannot be told: %s", row.id, error)
            return None
