"""The bot's own columns in reactor's table, and the statements about them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import aiosqlite

from reactor.errors import DatabaseError
from reactor.server_address import ServerAddress

if TYPE_CHECKING:
    from media import Part

    from reactor.models import Download

LINE = """WITH RECURSIVE line(id) AS (VALUES(?1) UNION
    SELECT d.parent_id FROM line JOIN downloads AS d ON d.id = line.id WHERE d.item_key IS NOT NULL)"""
"""A download and the lists that it is in."""
TREE = """WITH RECURSIVE tree(id) AS (VALUES(?) UNION
    SELECT d.id FROM tree JOIN downloads AS d ON d.parent_id = tree.id WHERE d.item_key IS NOT NULL)"""
"""A download and the entries that it has become."""


@dataclass(frozen=True)
class Stats:
    """What was fetched in a channel: so many downloads of so many bytes in the last 24 hours, and since a date."""

    day_count: int
    day_bytes: int
    count: int
    bytes: int
    failed: int
    since: str | None


class Where(NamedTuple):
    """A message of the bot's."""

    guild_id: int | None
    channel_id: int
    message_id: int


class Store:
    """Who asked where (`channel_id`, `guild_id`, `user_id`) in which language (`language`), where it is told
    (`message_id`) and what that message says (`shown`), how much of a file is sent (`sent_bytes`), why one could not be
    (`upload_error`), or some of a list (`unsent`), what is marked of a question (`picked`). `cancelled` of what is
    `uploading` stops that."""

    COLUMNS = (
        *("channel_id", "guild_id", "user_id", "language", "message_id", "shown"),
        *("sent_bytes", "upload_error", "unsent", "picked"),
    )
    TABLES = (
        # In which language somebody wants to be spoken to; NULL: in that of their Discord.
        "bot_people (user_id INTEGER PRIMARY KEY, language TEXT)",
        # Until when Discord wants to be left alone in a channel, in seconds since the epoch.
        "bot_channels (channel_id INTEGER PRIMARY KEY, quiet_until REAL NOT NULL)",
        # In which message a file is that Discord has: the same thing, asked for in the same form, in the same size.
        "bot_files (media_key TEXT, part TEXT, bytes INTEGER, guild_id INTEGER, channel_id INTEGER NOT NULL, "
        "message_id INTEGER NOT NULL, PRIMARY KEY (media_key, part)) WITHOUT ROWID",
        # The files of a download that have been sent, until all of them are.
        "bot_sent (download INTEGER, part TEXT, PRIMARY KEY (download, part)) WITHOUT ROWID",
    )
    STOPPED = '{"code": "stopped"}'
    UNSENT = "status = 'downloaded' AND upload_error IS NULL AND items_total IS NULL AND channel_id IS NOT NULL"
    LIVE = "status IN ('pending', 'downloading', 'uploading', 'choosing')"
    TOLD = ("status", "stage", "cancelled", "upload_error", "unsent", "picked")
    SAYS = "(" + " || ' ' || ".join(f"coalesce({name}, '')" for name in TOLD) + ")"
    OPEN = "status IN ('pending', 'downloading', 'choosing') AND item_key IS NULL"
    INDEXES = (
        f"bot_untold ON downloads (channel_id) WHERE channel_id IS NOT NULL AND shown IS NOT {SAYS}",
        "bot_channel ON downloads (channel_id)",
        f"bot_live ON downloads (channel_id) WHERE {LIVE}",
        f"bot_waiting ON downloads (user_id) WHERE {OPEN}",
        f"bot_unsent ON downloads (channel_id, id) WHERE {UNSENT}",
        "bot_uploading ON downloads (id) WHERE status = 'uploading'",
    )
    # How sending a download (?1) has ended, of an entry in its list, too: its status (?2), and why it stays here (?3).
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

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._languages: dict[int, str | None] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path | ServerAddress) -> AsyncIterator[Self]:
        """Add what the table of an open Queue lacks. What was being sent when the bot ended is to be sent again."""
        if isinstance(path, ServerAddress):
            raise DatabaseError("This bot knows SQLite only.", hint="DOWNLOAD_DB has to be a path.")
        async with aiosqlite.connect(path, isolation_level=None, timeout=120) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", "replace")
            store = cls(connection)
            there = {column[1] for column in await store.all("PRAGMA table_info(downloads)")}
            missing = [f"ALTER TABLE downloads ADD COLUMN {column}" for column in cls.COLUMNS if column not in there]
            for statement in missing:
                await store.all(statement)
            await store._index()
            for table in cls.TABLES:
                await store.all(f"CREATE TABLE IF NOT EXISTS {table}")
            await store.return_uploads()
            store._languages = dict(await store.all("SELECT user_id, language FROM bot_people"))
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

    # People and channels

    def language_of(self, user_id: int) -> str | None:
        """The language that somebody has chosen. It is known without the database, which may be locked."""
        return self._languages.get(user_id)

    async def set_language(self, user_id: int, code: str | None, instead: str) -> None:
        """Somebody has chosen a language, or, with None, that of their Discord, which is `instead` now."""
        await self.all("INSERT OR REPLACE INTO bot_people VALUES(?, ?)", user_id, code)
        self._languages[user_id] = code
        sql = f"UPDATE downloads SET language = ?, shown = NULL WHERE user_id = ? AND {self.LIVE} AND item_key IS NULL"
        await self.all(sql, code or instead, user_id)

    async def hush(self, channel_id: int, seconds: float) -> None:
        """Discord wants to be left alone in a channel for so long."""
        sql = """INSERT INTO bot_channels VALUES(?, ?) ON CONFLICT (channel_id) DO UPDATE SET
            quiet_until = max(quiet_until, excluded.quiet_until)"""
        await self.all(sql, channel_id, time.time() + seconds)

    async def quiet_for(self, channel_id: int) -> float:
        """Seconds for which a channel is still to be left alone; 0 when it need not."""
        found = await self.all("SELECT quiet_until FROM bot_channels WHERE channel_id = ?", channel_id)
        return max([0.0, *(float(until) - time.time() for (until,) in found)])

    async def next_sound(self) -> float:
        """Seconds until the next of those channels can be spoken to again; infinite where there is none."""
        now = time.time()
        ((until,),) = await self.all("SELECT min(quiet_until) FROM bot_channels WHERE quiet_until > ?", now)
        return math.inf if until is None else float(until) - now

    async def stats_of(self, channel_id: int | None) -> Stats:
        """What was fetched in a channel. A list is what its entries are."""
        sql = """SELECT count(*) FILTER (WHERE came AND fresh), sum(file_size) FILTER (WHERE came AND fresh),
            count(*) FILTER (WHERE came), sum(file_size) FILTER (WHERE came), count(*) FILTER (WHERE status = 'failed'),
            min(date(added_date)) FROM (SELECT *, status IN ('downloaded', 'uploading', 'uploaded') AS came,
            julianday(finished_at) > julianday('now', '-1 day') AS fresh
            FROM downloads WHERE channel_id = ? AND items_total IS NULL)"""
        ((*counts, since),) = await self.all(sql, channel_id)
        day_count, day_bytes, count, size, failed = (int(each or 0) for each in counts)
        return Stats(day_count, day_bytes, count, size, failed, since)

    # What they are told

    async def untold(self) -> list[tuple[int, int, str, bool]]:
        """(channel, download, what its message has to say, whether that is more than a number) where a message may be
        out of date. The entries of a list have none: that of the list tells of them."""
        found = await self.all(
            f"""SELECT channel_id, id, {self.SAYS}, 1 FROM downloads
            WHERE channel_id IS NOT NULL AND shown IS NOT {self.SAYS} AND item_key IS NULL
            UNION ALL SELECT channel_id, id, {self.SAYS}, 0 FROM downloads
            WHERE {self.LIVE} AND status IN ('downloading', 'uploading') AND channel_id IS NOT NULL
            AND shown IS {self.SAYS} AND item_key IS NULL"""
        )
        return [(channel_id, id, says, bool(fresh)) for channel_id, id, says, fresh in found]

    # What is sent to them

    async def return_uploads(self) -> None:
        """What was being sent when the bot ended is to be sent again, but for what was stopped."""
        # The `+`: by the channels SQLite would look at all that was ever asked for.
        await self.all(f"""UPDATE downloads SET status = 'downloaded', cancelled = 0, sent_bytes = NULL,
            upload_error = CASE WHEN cancelled THEN '{self.STOPPED}' END
            WHERE status = 'uploading' AND +channel_id IS NOT NULL""")
        await self.all("""DELETE FROM bot_sent WHERE NOT EXISTS
            (SELECT 1 FROM downloads WHERE id = download AND status = 'downloaded')""")

    async def unsent(self) -> dict[int, int]:
        """Channel → the first download that is to be sent there, for all channels that may be spoken to."""
        sql = f"""SELECT channel_id, min(id) FROM downloads WHERE {self.UNSENT} AND channel_id NOT IN
            (SELECT channel_id FROM bot_channels WHERE quiet_until > ?) GROUP BY channel_id"""
        return dict(await self.all(sql, time.time()))

    async def unsent_in(self, channel_id: int | None) -> list[int]:
        """The downloads of a channel that are to be sent, or are being."""
        sql = f"SELECT id FROM downloads WHERE channel_id = ? AND (status = 'uploading' OR {self.UNSENT}) ORDER BY id"
        return [id for (id,) in await self.all(sql, channel_id)]

    async def claim_upload(self, id: int) -> bool:
        """Take a finished download, to send it. False when it is not to be sent any more."""
        sql = f"UPDATE downloads SET status = 'uploading', sent_bytes = 0 WHERE id = ? AND {self.UNSENT} RETURNING id"
        return bool(await self.all(sql, id))

    async def sending(self, id: int, count: int) -> None:
        """So many bytes of a download are sent."""
        await self.all("UPDATE downloads SET sent_bytes = ? WHERE id = ? AND status = 'uploading'", count, id)

    async def stop_upload(self, id: int) -> bool:
        """Have a download not sent, of a list none of its entries. False when there is nothing to be sent."""
        sql = f"""{TREE} UPDATE downloads SET cancelled = status = 'uploading',
            upload_error = CASE WHEN status = 'downloaded' THEN '{self.STOPPED}' END
            WHERE id IN tree AND (status = 'uploading' AND NOT cancelled OR {self.UNSENT}) RETURNING id"""
        return bool(await self.all(sql, id))

    async def stopped_uploads(self) -> list[int]:
        """Those that somebody has stopped while they were being sent."""
        return [id for (id,) in await self.all("SELECT id FROM downloads WHERE status = 'uploading' AND cancelled")]

    async def sent_parts(self, id: int) -> set[str]:
        """The files of a download that have been sent."""
        return {part for (part,) in await self.all("SELECT part FROM bot_sent WHERE download = ?", id)}

    async def parts_sent(self, row: Download, album: Sequence[Part], message_id: int | None) -> None:
        """These files of a download have been sent, with this message; with None they were known already."""
        names = json.dumps([part.name for part in album])
        await self.all("INSERT OR IGNORE INTO bot_sent SELECT ?, value FROM json_each(?)", row.id, names)
        if row.media_key and message_id is not None:
            # Another message with one of them would bring it twice.
            await self.all(
                """DELETE FROM bot_files WHERE media_key = ?1 AND message_id IN (SELECT message_id FROM bot_files
                WHERE media_key = ?1 AND part IN (SELECT value FROM json_each(?2)))""",
                row.media_key,
                names,
            )
            where = row.extra["guild_id"], row.extra["channel_id"], message_id
            known = json.dumps([(part.name, part.bytes) for part in album])
            sql = """INSERT OR REPLACE INTO bot_files
                SELECT ?, json_extract(value, '$[0]'), json_extract(value, '$[1]'), ?, ?, ? FROM json_each(?)"""
            await self.all(sql, row.media_key, *where, known)

    async def messages_with(self, media_key: str, parts: Sequence[Part]) -> dict[Where, list[str]]:
        """The messages that have some of these files and no other → their names. Of another size it would be another
        file: the same film in what only another account gets."""
        sql = "SELECT part, bytes, guild_id, channel_id, message_id FROM bot_files WHERE media_key = ? ORDER BY part"
        found: dict[Where, list[tuple[str, int]]] = {}
        for part, count, *where in await self.all(sql, media_key):
            found.setdefault(Where(*where), []).append((part, count))
        wanted = {(part.name, part.bytes) for part in parts}
        return {where: [name for name, _ in has] for where, has in found.items() if wanted.issuperset(has)}

    async def upload_ended(self, id: int, status: str, why: str | None) -> None:
        """How sending a file went: `uploaded`, or `downloaded` with a sentence, or to be taken again unless it was
        stopped meanwhile. Of an entry its list says so, too."""
        await self.all(self.ENDED, id, status, why)
        if status == "uploaded":
            await self.all("DELETE FROM bot_sent WHERE download = ?", id)

    async def upload_again(self, id: int) -> bool:
        """Try again to send a file, or those of a list. False when none was given up."""
        sql = f"""{TREE} UPDATE downloads SET upload_error = NULL
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
        sql = f"SELECT id FROM downloads WHERE channel_id = ? AND {self.LIVE} AND item_key IS NULL ORDER BY id"
        return [id for (id,) in await self.all(sql, channel_id)]
