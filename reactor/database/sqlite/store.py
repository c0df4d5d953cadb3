"""`reactor.database.store` on SQLite."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from reactor.core.commands import PollRows, ReadPlan, Save
from reactor.core.events import PlanRead
from reactor.database.jars import Jars
from reactor.database.mirror import MirrorMended
from reactor.database.presence import Presence
from reactor.database.sql import admission, crashes, downloads, plans, presence, saving
from reactor.database.sql.published import PublishedRows
from reactor.database.sqlite import mirrors
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.compatibility import check_table
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.unserved import unserved
from reactor.database.store import ByText, Polled, Recovery, Store, Unsaved, Unserved, not_told
from reactor.database.table import Change
from reactor.models import Brought
from reactor.row_options import ReadOptions, asked_of


class SqliteStore:
    """Store on an open database. One process serves it (`lock.py`), so nobody waits for a lease to end."""

    def __init__(
        self, database: Database, owner: str, mended: list[MirrorMended], owner_column: str | None = None
    ) -> None:
        """`mended`: mirrors that were mended since `unserved` was asked last."""
        self._owner_column = owner_column
        self._database = database
        self._owner = owner
        self._mended = mended

    @property
    def instance(self) -> str:
        return self._database.instance

    @property
    def created(self) -> bool:
        return self._database.created

    @property
    def jars(self) -> Jars:
        return Jars(self._database.file, self.instance)

    @property
    def published(self) -> PublishedRows:
        return PublishedRows(self._database.run, self.instance)

    async def join(self) -> None:
        await self._database.run(downloads.count_crashes)

    async def leave(self) -> None:
        await self._database.run(crashes.leave)

    async def recover(self, read: ReadOptions = asked_of) -> Recovery:
        return await self._database.run(lambda sqlite: Recovery(downloads.recover(sqlite, read), plans.owners(sqlite)))

    async def poll(
        self,
        command: PollRows,
        now: float,
        retry_max_s: float,
        by_text: ByText = not_told,
        read: ReadOptions = asked_of,
    ) -> Polled:
        how = by_text, read, self._owner_column
        return await self._database.run(downloads.poll, command, self._owner, now, retry_max_s, *how)

    async def find_same(self, media_key: str, owner: str | None, besides: int) -> tuple[Brought, ...]:
        return await self._database.run(downloads.find_same, media_key, owner, besides)

    async def read_plan(self, command: ReadPlan, read: ReadOptions = asked_of) -> PlanRead | None:
        return await self._database.run(downloads.read_plan, command, read)

    async def save(self, saves: Sequence[Save], now: float) -> tuple[Unsaved, ...]:
        return await self._database.run(saving.apply, saves, now)

    async def renew(self, presence_now: Presence) -> None:
        await self._database.run(presence.store, presence_now)

    async def unserved(self) -> Unserved:
        found = await self._database.run(unserved)
        mended = tuple(self._mended)
        del self._mended[: len(mended)]  # the connection's thread may have added one meanwhile
        return replace(found, mended=mended)

    async def check(self) -> None:
        await self._database.run(_read_one)

    def changes(
        self, poll_interval_s: float, on_fallback: Callable[[str], None]
    ) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return ChangeFeed(self._database, poll_interval=poll_interval_s, on_fallback=on_fallback)

    def hurry(self) -> None:
        self._database.hurry()

    async def close(self) -> None:
        await self._database.close()


def _read_one(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1 FROM downloads LIMIT 1").fetchall()


@asynccontextmanager
async def open_store(
    path: str | os.PathLike[str], *, owner: str, create: bool = True, owner_column: str | None = None
) -> AsyncIterator[Store]:
    """As `reactor.database.engine.open_store`."""
    mended: list[MirrorMended] = []
    async with Database.open(
        path, create=create, check=check_table, mend=lambda sqlite: mended.extend(mirrors.mend(sqlite))
    ) as database:
        await database.run(admission.check_column, owner_column)
        yield SqliteStore(database, owner, mended, owner_column)
