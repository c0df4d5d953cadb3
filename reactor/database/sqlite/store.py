"""`reactor.database.store` on SQLite."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from reactor.database.jars import Jars
from reactor.database.mirror import MirrorMended
from reactor.database.sql import admission
from reactor.database.sql.connection import Runner
from reactor.database.sql.store import SqlStore
from reactor.database.sqlite import mirrors
from reactor.database.sqlite.changes import ChangeFeed
from reactor.database.sqlite.compatibility import check_table
from reactor.database.sqlite.connection import Database
from reactor.database.sqlite.unserved import unserved
from reactor.database.store import Store, Unserved
from reactor.database.table import Change


class SqliteStore(SqlStore[Database]):
    """Store on an open database. One process serves it (`lock.py`), so nobody waits for a lease to end."""

    def __init__(
        self, database: Database, owner: str, mended: list[MirrorMended], owner_column: str | None = None
    ) -> None:
        """`mended`: mirrors that were mended since `unserved` was asked last."""
        super().__init__(database, owner, owner_column)
        self._mended = mended

    @property
    def _promptly(self) -> Runner:
        return self._database.promptly

    @property
    def jars(self) -> Jars:
        return Jars(self._database.file, self.instance)

    async def unserved(self) -> Unserved:
        found = await self._database.run(unserved)
        mended = tuple(self._mended)
        del self._mended[: len(mended)]  # the connection's thread may have added one meanwhile
        return replace(found, mended=mended)

    def changes(
        self, poll_interval_s: float, on_fallback: Callable[[str], None]
    ) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return ChangeFeed(self._database, poll_interval=poll_interval_s, on_fallback=on_fallback)


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
