"""The bot's own columns in reactor's table, and the statements about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiosqlite


class Store:
    """Who asked (`channel_id`, `user_id`), where it is told (`message_id`) and what that message says (`shown`), and
    why a file could not be sent (`upload_error`)."""

    COLUMNS = ("channel_id", "user_id", "message_id", "shown", "upload_error")
    SAYS = "(coalesce(status, '') || coalesce(stage, '') || coalesce(cancelled, '') || coalesce(upload_error, ''))"
    INDEXES = (
        f"bot_untold ON downloads (channel_id) WHERE channel_id IS NOT NULL AND shown IS NOT {SAYS}",
        "bot_waiting ON downloads (user_id) WHERE status IN ('pending', 'downloading')",
        "bot_unsent ON downloads (id) WHERE status = 'downloaded' AND upload_error IS NULL",
    )

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Self]:
        """Add what the table of an open Queue lacks. What was being sent when the bot ended is to be sent again."""
        async with aiosqlite.connect(path, isolation_level=None, timeout=120) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            store = cls(connection)
            there = {column[1] for column in await store.all("PRAGMA table_info(downloads)")}
            missing = [f"ALTER TABLE downloads ADD COLUMN {column}" for column in cls.COLUMNS if column not in there]
            for statement in [*missing, *(f"CREATE INDEX IF NOT EXISTS {index}" for index in cls.INDEXES)]:
                await store.all(statement)
            await store.all(
                "UPDATE downloads SET status = 'downloaded' WHERE status = 'uploading' AND channel_id IS NOT NULL"
            )
            yield store

    async def all(self, sql: str, *values: Any) -> list[Any]:
        return list(await self._connection.execute_fetchall(sql, values))

    async def untold(self) -> list[tuple[int, str]]:
        """(download, what its message has to say) where a message may be out of date; news first. The entries of a list
        have none: that of the list tells of them."""
        return await self.all(
            f"""SELECT id, {self.SAYS} FROM downloads
            WHERE channel_id IS NOT NULL AND shown IS NOT {self.SAYS} AND item_key IS NULL
            UNION ALL SELECT id, {self.SAYS} FROM downloads
            WHERE status = 'downloading' AND channel_id IS NOT NULL AND shown IS {self.SAYS} AND item_key IS NULL"""
        )

    async def claim_upload(self) -> int | None:
        """Take the next finished download that nobody has sent. A list has no file: its entries do."""
        sql = """UPDATE downloads SET status = 'uploading' WHERE status = 'downloaded' AND id = (SELECT min(id) FROM
            downloads WHERE status = 'downloaded' AND upload_error IS NULL AND channel_id IS NOT NULL
            AND items_total IS NULL) RETURNING id"""
        return next((id for (id,) in await self.all(sql)), None)
