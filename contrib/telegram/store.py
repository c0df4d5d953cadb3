"""The bot's own columns in reactor's table, and the few statements about them.

Who asked (`chat_id`, `user_id`, `request_id`: the message with the link), where it is told (`message_id`), what that
message says by now (`shown`), and why a file could not be sent (`upload_error`), or some of a list (`unsent`). Of a
question: what is marked by now (`picked`: codes with commas) and which page of it is seen (`page`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

COLUMNS = (
    *("chat_id", "user_id", "request_id", "message_id", "shown"),
    *("upload_error", "unsent", "picked", "page"),
)
SAYS = (
    "("
    + " || ' ' || ".join(
        f"COALESCE({name}, '')" for name in ("status", "stage", "cancelled", "upload_error", "unsent", "picked", "page")
    )
    + ")"
)
"""What a row's message has to say, but for numbers that move."""
INDEXES = (
    f"bot_untold ON downloads (chat_id) WHERE chat_id IS NOT NULL AND shown IS NOT {SAYS}",
    "bot_requests ON downloads (chat_id, request_id)",
    "bot_messages ON downloads (chat_id, message_id)",
    "bot_live ON downloads (chat_id) WHERE status IN ('pending', 'downloading', 'uploading', 'choosing')",
    "bot_waiting ON downloads (user_id) WHERE status IN ('pending', 'downloading', 'choosing') AND item_key IS NULL",
    "bot_unsent ON downloads (id) WHERE status = 'downloaded' AND upload_error IS NULL",
)
LOCKED_S = 120
"""How long a statement waits for its turn."""
LIVE = "('pending', 'downloading', 'uploading', 'choosing')"

LINE = """WITH RECURSIVE line(id) AS (VALUES(?) UNION
    SELECT d.parent_id FROM line JOIN downloads AS d ON d.id = line.id WHERE d.item_key IS NOT NULL)"""
"""A download and the lists that it is in."""
TREE = """WITH RECURSIVE tree(id) AS (VALUES(?) UNION
    SELECT d.id FROM tree JOIN downloads AS d ON d.parent_id = tree.id WHERE d.item_key IS NOT NULL)"""
"""A download and the entries that it has become."""


class Store:
    """The bot's view of the table. Every method is one statement."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path) -> AsyncIterator[Store]:
        """Open the database of a Queue that is open."""
        async with aiosqlite.connect(path, isolation_level=None, timeout=LOCKED_S) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            store = cls(connection)
            await store._complete()
            yield store

    async def _complete(self) -> None:
        """Add to the table what is missing. Bot and uploader may do so at the same time."""
        await self._do("BEGIN IMMEDIATE")
        there = {str(column[1]).lower() for column in await self._all("PRAGMA table_info(downloads)")}
        for column in COLUMNS:
            if column not in there:
                await self._do(f"ALTER TABLE downloads ADD COLUMN {column}")
        sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'bot/_%' ESCAPE '/'"
        indexes: dict[str, str] = dict(await self._all(sql))
        for index in INDEXES:
            name, wanted = index.partition(" ")[0], f"CREATE INDEX {index}"
            if name in indexes and indexes[name] != wanted:  # made by an earlier version
                await self._do(f"DROP INDEX {name}")
            if indexes.get(name) != wanted:
                await self._do(wanted)
        await self._do("COMMIT")

    # What people asked for

    async def asked_already(self, chat_id: int, request_id: int) -> set[str]:
        """The links that a message has put into the table: Telegram may hand over a message twice."""
        sql = "SELECT url FROM downloads WHERE chat_id = ? AND request_id = ?"
        return {url for (url,) in await self._all(sql, chat_id, request_id)}

    async def waiting_of(self, user_id: int) -> int:
        """How many downloads of somebody are not over. A list is one."""
        sql = """SELECT count(*) FROM downloads WHERE user_id = ? AND status IN ('pending', 'downloading', 'choosing')
            AND item_key IS NULL"""
        return int((await self._all(sql, user_id))[0][0])

    async def live_in(self, chat_id: int) -> list[int]:
        """What a chat is waiting for."""
        sql = f"""SELECT id FROM downloads WHERE chat_id = ? AND status IN {LIVE} AND item_key IS NULL
            ORDER BY added_date, id"""
        return [id for (id,) in await self._all(sql, chat_id)]

    async def told_by(self, chat_id: int, message_id: int) -> int | None:
        """The download that one of our messages, or the message with its link, is about."""
        sql = """SELECT id FROM downloads WHERE chat_id = ?1 AND (message_id = ?2 OR request_id = ?2)
            AND item_key IS NULL ORDER BY id DESC"""
        return next((id for (id,) in await self._all(sql, chat_id, message_id)), None)

    async def counts(self) -> dict[str, int]:
        """How many rows are waiting and under way, of everybody."""
        sql = "SELECT status, count(*) FROM downloads WHERE status IN ('pending', 'downloading') GROUP BY status"
        return dict(await self._all(sql))

    async def marked(self, id: int, picked: str | None, page: int | None) -> None:
        """This is marked in a question by now, and this page of it is seen."""
        await self._do("UPDATE downloads SET picked = ?, page = ? WHERE id = ?", picked, page, id)

    # What they are told

    async def untold(self) -> list[tuple[int, int, str, bool]]:
        """(chat, download, what its message has to say, whether that is more than a number) for all whose message may
        be out of date. The entries of a list have none of their own: that of the list tells of them."""
        sql = f"""SELECT chat_id, id, {SAYS}, 1 FROM downloads
            WHERE chat_id IS NOT NULL AND shown IS NOT {SAYS} AND typeof(chat_id) = 'integer' AND item_key IS NULL
            UNION ALL SELECT chat_id, id, {SAYS}, 0 FROM downloads
            WHERE status = 'downloading' AND shown IS {SAYS} AND typeof(chat_id) = 'integer' AND item_key IS NULL
            ORDER BY id"""
        return [(chat_id, id, says, bool(fresh)) for chat_id, id, says, fresh in await self._all(sql)]

    async def told(self, id: int, says: str | None, message_id: int | None) -> None:
        """A download's message is this one, and says this."""
        await self._do("UPDATE downloads SET shown = ?, message_id = ? WHERE id = ?", says, message_id, id)

    async def moved(self, old_chat: int, new_chat: int) -> None:
        """A group has become a supergroup: another chat, in which our messages are not ours to edit."""
        await self._do(
            "UPDATE downloads SET chat_id = ?, message_id = NULL, request_id = NULL, shown = NULL WHERE chat_id = ?",
            new_chat,
            old_chat,
        )

    # What is sent to them

    async def return_uploads(self) -> None:
        """What was being sent when the last uploader ended is to be sent again."""
        await self._do("UPDATE downloads SET status = 'downloaded' WHERE status = 'uploading' AND chat_id IS NOT NULL")

    async def claim_upload(self) -> int | None:
        """Take the next finished download that nobody has sent. A list has no file: its entries do."""
        sql = """UPDATE downloads SET status = 'uploading' WHERE status = 'downloaded' AND id =
            (SELECT min(id) FROM downloads WHERE status = 'downloaded' AND upload_error IS NULL AND chat_id IS NOT NULL
            AND items_total IS NULL) RETURNING id"""
        return next((id for (id,) in await self._all(sql)), None)

    async def upload_ended(self, id: int, status: str, why: str | None) -> None:
        """`uploaded`: it has arrived. `downloaded`: it stays here, and a sentence says why, or it is taken again. Of an
        entry the list says so, too."""
        sql = """UPDATE downloads SET status = ?, upload_error = ? WHERE id = ? AND status = 'uploading'
            RETURNING item_key IS NOT NULL"""
        ((entry,),) = await self._all(sql, status, why, id) or [(False,)]
        if entry and why:
            await self._do(f"{LINE} UPDATE downloads SET unsent = ? WHERE id IN line AND item_key IS NULL", id, why)

    async def upload_again(self, id: int) -> bool:
        """Let the uploader have another try, of a list with all that it has given up. False when that is nothing."""
        again = await self._all(
            f"""{TREE} UPDATE downloads SET upload_error = NULL
            WHERE id IN tree AND status = 'downloaded' AND upload_error IS NOT NULL RETURNING id""",
            id,
        )
        await self._do("UPDATE downloads SET unsent = NULL WHERE id = ? AND unsent IS NOT NULL", id)
        return bool(again)

    async def _all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement to its end, so that it holds no lock: SQLite keeps one while rows are left to be fetched."""
        return [tuple(row) for row in await self._connection.execute_fetchall(sql, values)]

    async def _do(self, sql: str, *values: Any) -> None:
        await self._all(sql, *values)
