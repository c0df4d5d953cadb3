"""The bot's own columns in reactor's table, and the statements about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiosqlite


class Store:
    """Who asked (`channel_id`, `user_id`), where it is told (`message_id`) and what that message says (`shown`), why a
    file could not be sent (`upload_error`), or some of a list (`unsent`), what is marked of a question (`picked`)."""

    COLUMNS = ("channel_id", "user_id", "message_id", "shown", "upload_error", "unsent", "picked")
    TOLD = ("status", "stage", "cancelled", "upload_error", "unsent", "picked")
    SAYS = "(" + " || ' ' || ".join(f"coalesce({name}, '')" for name in TOLD) + ")"
    OPEN = "status IN ('pending', 'downloading', 'choosing') AND item_key IS NULL"
    INDEXES = (
        f"bot_untold ON downloads (channel_id) WHERE channel_id IS NOT NULL AND shown IS NOT {SAYS}",
        f"bot_waiting ON downloads (user_id) WHERE {OPEN}",
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
            for statement in missing:
                await store.all(statement)
            await store._index()
            await store.all(
                "UPDATE downloads SET status = 'downloaded' WHERE status = 'uploading' AND channel_id IS NOT NULL"
            )
            yield store

    async def _index(self) -> None:
        """Make the indexes, anew where an earlier version has made another."""
        there = dict(await self.all("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
        for index in self.INDEXES:
            name, wanted = index.partition(" ")[0], f"CREATE INDEX {index}"
            if there.get(name, wanted) != wanted:
                await self.all(f"DROP INDEX {name}")
            if there.get(name) != wanted:
                await self.all(wanted)

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

    async def upload_ended(self, id: int, status: str, why: str | None) -> None:
        """How sending a file went: `uploaded`, or `downloaded` with a sentence. Of an entry its list says so, too."""
        sql = """UPDATE downloads SET status = ?, upload_error = ? WHERE id = ? AND status = 'uploading'
            RETURNING item_key IS NOT NULL"""
        ((entry,),) = await self.all(sql, status, why, id) or [(False,)]
        if entry and why:
            await self.all(
                """WITH RECURSIVE line(id) AS (VALUES(?) UNION SELECT d.parent_id FROM line JOIN downloads AS d
                    ON d.id = line.id WHERE d.item_key IS NOT NULL)
                UPDATE downloads SET unsent = ? WHERE id IN line AND item_key IS NULL""",
                *(id, why),
            )

    async def upload_again(self, id: int) -> bool:
        """Try again to send a file, or those of a list. False when none was given up."""
        sql = """WITH RECURSIVE tree(id) AS (VALUES(?) UNION SELECT d.id FROM tree JOIN downloads AS d
                ON d.parent_id = tree.id WHERE d.item_key IS NOT NULL)
            UPDATE downloads SET upload_error = NULL
            WHERE id IN tree AND status = 'downloaded' AND upload_error IS NOT NULL RETURNING id"""
        again = await self.all(sql, id)
        await self.all("UPDATE downloads SET unsent = NULL WHERE id = ? AND unsent IS NOT NULL", id)
        return bool(again)

    async def waiting_of(self, user_id: int) -> int:
        """How many downloads of somebody are not over. A list is one."""
        sql = f"SELECT count(*) FROM downloads WHERE user_id = ? AND {self.OPEN}"
        return int((await self.all(sql, user_id))[0][0])

    async def live_in(self, channel_id: int | None) -> list[int]:
        """The downloads of a channel that are not over."""
        sql = f"SELECT id FROM downloads WHERE channel_id = ? AND {self.OPEN} ORDER BY id"
        return [id for (id,) in await self.all(sql, channel_id)]
