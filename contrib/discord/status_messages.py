"""Keeps the messages of all downloads up to date."""

from __future__ import annotations

import logging

import anyio
import discord
from client import Fetcher
from components import view
from replies import AWAY
from words import about

from reactor.models import Download

Shown = tuple[str, str]
log = logging.getLogger("bot")


class StatusMessages:
    """The messages."""

    def __init__(self, client: Fetcher) -> None:
        self._client, self._queue, self._store, self._config = client, client.queue, client.store, client.config
        self._shown: dict[int, Shown] = {}  # what the messages of downloads under way say, and what is below them

    async def tell(self) -> None:
        """Bring all messages up to date; one of them in trouble holds up no other. discord.py itself waits where
        Discord says "later"."""
        moved, trouble = True, None
        while moved and trouble is None:
            moved = False
            for id, says in await self._store.untold():
                try:
                    moved = await self._tell(id, says) or moved
                except AWAY as error:
                    trouble = error
        if trouble is not None:
            raise trouble

    async def _tell(self, id: int, says: str) -> bool:
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
        if told and row.status in ("pending", "downloading"):
            self._shown[id] = now
        else:
            self._shown.pop(id, None)
        await self._store.all("UPDATE downloads SET shown = ?, message_id = ? WHERE id = ?", says, message_id, id)
        if new:
            await anyio.sleep(self._config.edit_interval)
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
