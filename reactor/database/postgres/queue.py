"""`reactor.database.table` on PostgreSQL."""

from __future__ import annotations

import builtins
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reactor.database.postgres.changes import ChangeFeed
from reactor.database.postgres.connection import Database
from reactor.database.postgres.migration import fit, fit_read_only
from reactor.database.postgres.waking import ringing
from reactor.database.presence import Presence
from reactor.database.sql import defaults, overview, owners, presence, sessions, table
from reactor.database.table import LIST_MAX, Change, ChangeCursor, Counts, Overview, Story, Table
from reactor.models import Download, OwnerAccount, Position
from reactor.server_address import ServerAddress

if TYPE_CHECKING:
    from reactor.database.jars import Jars
    from reactor.database.sql.published import PublishedRows


class PostgresTable:
    """Table on an open database."""

    def __init__(self, database: Database) -> None:
        self._database, self._run = database, database.run

    async def add(self, url: str, own_columns: Mapping[str, Any]) -> int:
        return await self._run(ringing, table.add, url, own_columns)

    async def cancel(self, id: int) -> bool:
        return await self._run(ringing, table.mark_cancelled, id)

    async def retry(self, id: int) -> bool:
        return await self._run(ringing, table.retry, id)

    async def choose(self, id: int, codes: Sequence[str]) -> bool:
        return await self._run(ringing, table.choose, id, codes)

    async def remove(self, id: int) -> bool:
        return await self._run(ringing, table.remove, id)

    async def set_defaults(self, owner: str | int | None, options: str | None) -> None:
        await self._run(defaults.put, owner, options)

    async def defaults(self, owner: str | int | None) -> dict[str, Any]:
        return await self._run(defaults.get, owner)

    async def set_weight(self, owner: str | int | None, weight: float) -> None:
        await self._run(owners.set_weight, owner, weight)

    async def get(self, id: int) -> Download | None:
        return await self._run(table.get_download, id)

    async def children(self, id: int) -> builtins.list[Download]:
        return await self._run(table.children, id)

    async def list(self, status: str | None = None, limit: int = LIST_MAX) -> builtins.list[Download]:
        if status is None:
            return await self._run(table.list_downloads, limit)
        return await self._run(table.get_downloads_by_status, status, limit)

    async def count(self, status: str | None = None) -> int:
        return await self._run(table.count, status)

    async def folded(self, limit: int = LIST_MAX) -> tuple[builtins.list[Download], int]:
        return await self._run(table.folded, limit)

    async def entries(self, id: int, offset: int = 0, limit: int = LIST_MAX) -> tuple[builtins.list[Download], int]:
        return await self._run(table.entries, id, offset, limit)

    async def counts(self) -> Counts:
        return await self._run(overview.counts)

    async def overview(self, shown_max: int) -> Overview:
        return await self._run(overview.overview, shown_max)

    async def position(self, id: int) -> Position | None:
        from reactor.database.sql import position  # with it comes the core's rule, which a bot seldom needs

        return await self._run(position.position, id)

    async def owners(self, limit: int = LIST_MAX) -> builtins.list[OwnerAccount]:
        return await self._run(owners.owners, limit)

    async def story(self, id: int) -> Story | None:
        from reactor.database.sql import story

        return await self._run(story.story, id)

    async def presence(self) -> Presence | None:
        return await self._run(presence.read)

    async def changed(self, cursor: ChangeCursor) -> builtins.list[Download]:
        return await self._run(table.changed, cursor)

    async def changed_among(self, cursor: ChangeCursor, ids: Sequence[int]) -> dict[int, Download | None]:
        return await self._run(table.changed_among, cursor, ids)

    def changes(self, poll_interval_s: float) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        return ChangeFeed(self._database, poll_interval_s)

    async def jars(self) -> Jars:
        return jars_of(self._database)

    async def published(self) -> PublishedRows:
        from reactor.database.sql.published import PublishedRows  # bots have nothing to do with it

        return PublishedRows(self._run, self._database.instance)

    async def ended_sessions(self) -> dict[str, int]:
        return await self._run(sessions.ended)

    async def end_session(self, session: str, until: int, now: float) -> None:
        await self._run(sessions.end, session, until, now)


def jars_of(database: Database) -> Jars:
    """The cookies that owners of rows have left: on this machine, in the user's own folder, for there is no file that
    they could stand beside."""
    from reactor.database.jars import Jars  # most bots have none

    folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "reactor"
    file = folder / database.instance
    with suppress(OSError):  # whoever puts a jar there is told
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)  # whose jars they are, and whose they may be: as of a file of SQLite's
    return Jars(file, database.instance)


@asynccontextmanager
async def open_table(address: ServerAddress, *, create: bool = True, read_only: bool = False) -> AsyncIterator[Table]:
    """As `reactor.database.engine.open_table`."""
    how = fit_read_only if read_only else fit
    async with Database.open(address, how, create=create and not read_only, read_only=read_only) as database:
        yield PostgresTable(database)
