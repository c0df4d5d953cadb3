"""The bot's own columns in reactor's table, and the few statements about them.

Who asked (`chat_id`, `user_id`, `request_id`: the message with the link) in which language (`language`), where it is
told (`message_id`), what that message says by now (`shown`), how much of a file is sent (`sent_bytes`), and why it
could not be (`upload_error`), or some of a list (`unsent`). Of a question: what is marked by now (`picked`: codes with
commas) and which page of it is seen (`page`). `cancelled` of a row that is `uploading` is ours: it stops the upload.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiosqlite

from reactor.errors import DatabaseError
from reactor.server_address import ServerAddress

if TYPE_CHECKING:  # the bot needs none of it
    from media import Ids, Part

    from reactor.models import Download

COLUMNS = (
    *("chat_id", "user_id", "request_id", "message_id", "shown"),
    "language",
    *("sent_bytes", "upload_error", "unsent", "picked", "page"),
)
TABLES = (
    # In which language somebody wants to be spoken to; NULL: in that of their Telegram.
    "bot_people (user_id INTEGER PRIMARY KEY, language TEXT)",
    # Until when Telegram wants to be left alone in a chat, in seconds since the epoch.
    "bot_chats (chat_id INTEGER PRIMARY KEY, quiet_until REAL NOT NULL)",
    # What Telegram calls a file that it has: the same thing, asked for in the same form, in the same size.
    "bot_files (media_key TEXT, part TEXT, bytes INTEGER, kind TEXT NOT NULL, file_id TEXT NOT NULL, "
    "PRIMARY KEY (media_key, part)) WITHOUT ROWID",
    # The files of a download that have been sent, until all of them are.
    "bot_sent (download INTEGER, part TEXT, PRIMARY KEY (download, part)) WITHOUT ROWID",
)
SAYS = (
    "("
    + " || ' ' || ".join(
        f"COALESCE({name}, '')" for name in ("status", "stage", "cancelled", "upload_error", "unsent", "picked", "page")
    )
    + ")"
)
"""What a row's message has to say, but for numbers that move."""
UNSENT = "status = 'downloaded' AND upload_error IS NULL AND items_total IS NULL AND typeof(chat_id) = 'integer'"
"""Is finished, and nobody has tried to send it. A list has no file: its entries do."""
LIVE = "status IN ('pending', 'downloading', 'uploading', 'choosing')"
"""Is not over."""
WAITING = "status IN ('pending', 'downloading', 'choosing') AND item_key IS NULL"
"""The same, but for what is being sent. A list is one."""
INDEXES = (
    f"bot_untold ON downloads (chat_id) WHERE chat_id IS NOT NULL AND shown IS NOT {SAYS}",
    "bot_requests ON downloads (chat_id, request_id)",
    "bot_messages ON downloads (chat_id, message_id)",
    f"bot_live ON downloads (chat_id) WHERE {LIVE}",
    f"bot_waiting ON downloads (user_id) WHERE {WAITING}",
    f"bot_unsent ON downloads (chat_id, id) WHERE {UNSENT}",
    "bot_uploading ON downloads (id) WHERE status = 'uploading'",
)
STOPPED = '{"code": "stopped"}'
"""`upload_error` of what somebody has stopped."""
LOCKED_S = 120
"""How long a statement waits for its turn."""
LINE = """WITH RECURSIVE line(id) AS (VALUES(?1) UNION
    SELECT d.parent_id FROM line JOIN downloads AS d ON d.id = line.id WHERE d.item_key IS NOT NULL)"""
"""A download and the lists that it is in."""
TREE = """WITH RECURSIVE tree(id) AS (VALUES(?) UNION
    SELECT d.id FROM tree JOIN downloads AS d ON d.parent_id = tree.id WHERE d.item_key IS NOT NULL)"""
"""A download and the entries that it has become."""

ENDED = f"""{LINE}, ended(end_id, why) AS (
    SELECT id, CASE WHEN cancelled AND ?2 = 'downloaded' THEN '{STOPPED}' ELSE ?3 END
    FROM downloads WHERE id = ?1 AND status = 'uploading')
UPDATE downloads SET
    status = CASE id WHEN end_id THEN ?2 ELSE status END,
    upload_error = CASE id WHEN end_id THEN why ELSE upload_error END,
    cancelled = CASE id WHEN end_id THEN 0 ELSE cancelled END,
    sent_bytes = CASE id WHEN end_id THEN NULL ELSE sent_bytes END,
    unsent = CASE id WHEN end_id THEN unsent ELSE why END
FROM ended WHERE id = end_id OR id IN line AND item_key IS NULL AND why IS NOT NULL"""
"""How sending a download (?1) has ended, of an entry in its list, too: its status (?2), and why it stays here (?3)."""


def whole(value: object) -> int | None:
    """An id that the table holds as such."""
    return value if isinstance(value, int) else None


@dataclass(frozen=True)
class Stats:
    """What was fetched in a chat: so many downloads of so many bytes in the last 24 hours, and since a date."""

    day_count: int
    day_bytes: int
    count: int
    bytes: int
    failed: int
    since: str | None


class Store:
    """The bot's view of the table. A method is one statement or two, each a commit of its own."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._languages: dict[int, str | None] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path | ServerAddress) -> AsyncIterator[Store]:
        """Open the database of a Queue that is open."""
        if isinstance(path, ServerAddress):
            raise DatabaseError("This bot knows SQLite only.", hint="DOWNLOAD_DB has to be a path.")
        async with aiosqlite.connect(path, isolation_level=None, timeout=LOCKED_S) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            store = cls(connection)
            await store._complete()
            store._languages = dict(await store._all("SELECT user_id, language FROM bot_people"))
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
        for table in TABLES:
            await self._do(f"CREATE TABLE IF NOT EXISTS {table}")
        await self._do("COMMIT")

    # People

    def language_of(self, user_id: int) -> str | None:
        """The language that somebody has chosen. It is known without the database, which may be locked."""
        return self._languages.get(user_id)

    async def set_language(self, user_id: int, code: str | None, instead: str | None = None) -> None:
        """Somebody has chosen a language, or, with None, that of their Telegram, which is `instead` now."""
        await self._do("INSERT OR REPLACE INTO bot_people VALUES(?, ?)", user_id, code)
        self._languages[user_id] = code
        sql = f"UPDATE downloads SET language = ?, shown = NULL WHERE user_id = ? AND {LIVE}"
        await self._do(sql, code or instead, user_id)

    # What people asked for

    async def asked_already(self, chat_id: int, request_id: int) -> set[str]:
        """The links that a message has put into the table: Telegram may hand over a message twice."""
        sql = "SELECT url FROM downloads WHERE chat_id = ? AND request_id = ?"
        return {url for (url,) in await self._all(sql, chat_id, request_id)}

    async def waiting_of(self, user_id: int) -> int:
        """How many downloads of somebody are not over. A list is one."""
        sql = f"SELECT count(*) FROM downloads WHERE user_id = ? AND {WAITING}"
        return int((await self._all(sql, user_id))[0][0])

    async def live_in(self, chat_id: int) -> list[int]:
        """What a chat is waiting for."""
        sql = f"""SELECT id FROM downloads WHERE chat_id = ? AND {LIVE} AND item_key IS NULL
            ORDER BY added_date, id"""
        return [id for (id,) in await self._all(sql, chat_id)]

    async def told_by(self, chat_id: int, message_id: int) -> int | None:
        """The download that one of our messages, or the message with its link, is about."""
        sql = """SELECT id FROM downloads WHERE chat_id = ?1 AND (message_id = ?2 OR request_id = ?2)
            AND item_key IS NULL ORDER BY id DESC"""
        return next((id for (id,) in await self._all(sql, chat_id, message_id)), None)

    async def counts(self) -> dict[str, int]:
        """How many rows are waiting and under way, of everybody."""
        sql = """SELECT 'pending', count(*) FROM downloads WHERE status = 'pending'
            UNION ALL SELECT 'downloading', count(*) FROM downloads WHERE status = 'downloading'"""
        return dict(await self._all(sql))

    async def stats_of(self, chat_id: int) -> Stats:
        """What was fetched in a chat. A list is what its entries are."""
        sql = """SELECT count(*) FILTER (WHERE came AND fresh), sum(file_size) FILTER (WHERE came AND fresh),
            count(*) FILTER (WHERE came), sum(file_size) FILTER (WHERE came), count(*) FILTER (WHERE status = 'failed'),
            min(date(added_date)) FROM (SELECT *, status IN ('downloaded', 'uploading', 'uploaded') AS came,
            julianday(finished_at) > julianday('now', '-1 day') AS fresh
            FROM downloads WHERE chat_id = ? AND items_total IS NULL)"""
        ((*counts, since),) = await self._all(sql, chat_id)
        day_count, day_bytes, count, size, failed = (int(each or 0) for each in counts)
        return Stats(day_count, day_bytes, count, size, failed, since)

    async def marked(self, id: int, picked: str | None, page: int | None) -> None:
        """This is marked in a question by now, and this page of it is seen."""
        await self._do("UPDATE downloads SET picked = ?, page = ? WHERE id = ?", picked, page, id)

    # What they are told

    async def untold(self) -> list[tuple[int, int, str, bool]]:
        """(chat, download, what its message has to say, whether that is more than a number) for all whose message may
        be out of date, the oldest first. The entries of a list have none of their own: that of the list tells of
        them."""
        # With ORDER BY, SQLite reads the whole table in its order.
        sql = f"""SELECT chat_id, id, {SAYS}, 1 FROM downloads
            WHERE chat_id IS NOT NULL AND shown IS NOT {SAYS} AND typeof(chat_id) = 'integer' AND item_key IS NULL
            UNION ALL SELECT chat_id, id, {SAYS}, 0 FROM downloads
            WHERE chat_id IS NOT NULL AND {LIVE} AND status IN ('downloading', 'uploading') AND shown IS {SAYS}
            AND typeof(chat_id) = 'integer' AND item_key IS NULL"""
        found = sorted(await self._all(sql), key=itemgetter(1))
        return [(chat_id, id, says, bool(fresh)) for chat_id, id, says, fresh in found]

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

    # Chats that want to be left alone

    async def hush(self, chat_id: int, seconds: float) -> None:
        """Telegram wants to be left alone in a chat for so long."""
        sql = """INSERT INTO bot_chats VALUES(?, ?) ON CONFLICT (chat_id) DO UPDATE SET
            quiet_until = max(quiet_until, excluded.quiet_until)"""
        await self._do(sql, chat_id, time.time() + seconds)

    async def quiet_for(self, chat_id: int) -> float:
        """Seconds for which a chat is still to be left alone; 0 when it need not."""
        found = await self._all("SELECT quiet_until FROM bot_chats WHERE chat_id = ?", chat_id)
        return max([0.0, *(float(until) - time.time() for (until,) in found)])

    async def next_sound(self) -> float | None:
        """Seconds until the next of those chats can be spoken to again; None where there is none."""
        now = time.time()
        ((until,),) = await self._all("SELECT min(quiet_until) FROM bot_chats WHERE quiet_until > ?", now)
        return None if until is None else float(until) - now

    # What is sent to them

    async def return_uploads(self) -> None:
        """What was being sent when the last uploader ended is to be sent again, but for what was stopped."""
        # The `+`: by the chats SQLite would look at all that was ever asked for.
        await self._do(f"""UPDATE downloads SET status = 'downloaded', cancelled = 0, sent_bytes = NULL,
            upload_error = CASE WHEN cancelled THEN '{STOPPED}' END
            WHERE status = 'uploading' AND +chat_id IS NOT NULL""")
        await self._do("""DELETE FROM bot_sent WHERE NOT EXISTS
            (SELECT 1 FROM downloads WHERE id = download AND status = 'downloaded' AND chat_id IS NOT NULL)""")

    async def unsent(self) -> dict[int, int]:
        """Chat → the first download that is to be sent there, for all chats that may be spoken to."""
        sql = f"""SELECT chat_id, min(id) FROM downloads WHERE {UNSENT} AND chat_id NOT IN
            (SELECT chat_id FROM bot_chats WHERE quiet_until > ?) GROUP BY chat_id"""
        return dict(await self._all(sql, time.time()))

    async def unsent_in(self, chat_id: int) -> list[int]:
        """The downloads of a chat that are to be sent, or are being."""
        sql = f"SELECT id FROM downloads WHERE chat_id = ? AND (status = 'uploading' OR {UNSENT}) ORDER BY id"
        return [id for (id,) in await self._all(sql, chat_id)]

    async def claim_upload(self, id: int) -> bool:
        """Take a download, to send it. False when it is not to be sent any more."""
        sql = f"UPDATE downloads SET status = 'uploading', sent_bytes = 0 WHERE id = ? AND {UNSENT} RETURNING id"
        return bool(await self._all(sql, id))

    async def sending(self, id: int, count: int) -> None:
        """So many bytes of a download are sent."""
        await self._do("UPDATE downloads SET sent_bytes = ? WHERE id = ? AND status = 'uploading'", count, id)

    async def stop_upload(self, id: int) -> bool:
        """Have a download not sent, of a list none of its entries. False when there is nothing to be sent."""
        sql = f"""{TREE} UPDATE downloads SET cancelled = status = 'uploading',
            upload_error = CASE WHEN status = 'downloaded' THEN '{STOPPED}' END
            WHERE id IN tree AND (status = 'uploading' AND NOT cancelled OR {UNSENT}) RETURNING id"""
        return bool(await self._all(sql, id))

    async def stopped_uploads(self) -> list[int]:
        """Those that somebody has stopped while they were being sent."""
        return [id for (id,) in await self._all("SELECT id FROM downloads WHERE status = 'uploading' AND cancelled")]

    async def upload_ended(self, id: int, status: str, why: str | None) -> None:
        """`uploaded`: it has arrived. `downloaded`: it stays here, and a sentence says why, or it is taken again unless
        it was stopped meanwhile. Of an entry the list says so, too."""
        await self._do(ENDED, id, status, why)
        if status == "uploaded":
            await self._do("DELETE FROM bot_sent WHERE download = ?", id)

    async def sent_parts(self, id: int) -> set[str]:
        """The files of a download that have been sent."""
        return {part for (part,) in await self._all("SELECT part FROM bot_sent WHERE download = ?", id)}

    async def part_sent(self, row: Download, album: Sequence[Part], ids: Ids) -> None:
        """These files of a download have been sent; Telegram calls them so."""
        names = json.dumps([part.name for part in album])
        await self._do("INSERT OR IGNORE INTO bot_sent SELECT ?, value FROM json_each(?)", row.id, names)
        known = [(part.name, part.bytes, *ids[part.name]) for part in album if part.name in ids]
        if row.media_key and known:
            columns = ", ".join(f"json_extract(value, '$[{n}]')" for n in range(4))
            sql = f"INSERT OR REPLACE INTO bot_files SELECT ?, {columns} FROM json_each(?)"
            await self._do(sql, row.media_key, json.dumps(known))

    async def file_ids(self, media_key: str, album: Sequence[Part]) -> Ids:
        """What Telegram calls these files, of those that it has. Of another size it would be another file: the same
        film in what only another account gets."""
        found = await self._all("SELECT part, bytes, kind, file_id FROM bot_files WHERE media_key = ?", media_key)
        wanted = {(part.name, part.bytes) for part in album}
        return {part: (kind, file_id) for part, count, kind, file_id in found if (part, count) in wanted}

    async def forget_ids(self, media_key: str | None, names: Iterable[str]) -> None:
        """Telegram does not take these any more."""
        sql = "DELETE FROM bot_files WHERE media_key = ? AND part IN (SELECT value FROM json_each(?))"
        await self._do(sql, media_key, json.dumps([*names]))

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
