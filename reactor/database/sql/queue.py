"""`reactor.database.table` by the statements that engines share."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reactor.database.presence import Machine, Presence
from reactor.database.sql import defaults, overview, owners, presence, sessions, table
from reactor.database.sql.connection import Runner
from reactor.database.sql.statements import instance_of
from reactor.database.table import LIST_MAX, ChangeCursor, Counts, Overview, Story
from reactor.errors import DatabaseError
from reactor.models import Download, OwnerAccount, Position

if TYPE_CHECKING:
    from reactor.database.sql.published import PublishedRows


def _alone() -> DatabaseError:
    return DatabaseError("One reactor serves a database of SQLite.", hint="Several serve one on a PostgreSQL server.")


class SqlOperations:
    """RowOperations on a connection that `run` reaches."""

    def __init__(self, run: Runner, write: Runner | None = None) -> None:
        """`write`: in place of `run`, for what others are to hear of."""
        self._run, self._write = run, write or run

    async def add(self, url: str, own_columns: Mapping[str, Any]) -> int:
        return await self._write(table.add, url, own_columns)

    async def cancel(self, id: int) -> bool:
        return await self._write(table.mark_cancelled, id)

    async def retry(self, id: int) -> bool:
        return await self._write(table.retry, id)

    async def choose(self, id: int, codes: Sequence[str]) -> bool:
        return await self._write(table.choose, id, codes)

    async def remove(self, id: int) -> bool:
        return await self._write(table.remove, id)

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


class SqlTable(SqlOperations):
    """Table on an open database, but for what each engine does its own way: `changes` and `jars`."""

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

    async def machines(self) -> builtins.list[Machine]:
        return []

    async def drain(self, name: str, draining: bool) -> bool:
        raise _alone()

    async def story(self, id: int) -> Story | None:
        from reactor.database.sql import story

        return await self._run(story.story, id)

    async def presence(self) -> Presence | None:
        return await self._run(presence.read)

    async def changed(self, cursor: ChangeCursor) -> builtins.list[Download]:
        return await self._run(table.changed, cursor)

    async def changed_among(self, cursor: ChangeCursor, ids: Sequence[int]) -> dict[int, Download | None]:
        return await self._run(table.changed_among, cursor, ids)

    async def published(self) -> PublishedRows:
        from reactor.database.sql.published import PublishedRows  # bots have nothing to do with it

        return PublishedRows(self._run, await self._run(instance_of))

    async def ended_sessions(self) -> dict[str, int]:
        return await self._run(sessions.ended)

    async def end_session(self, session: str, until: int, now: float) -> None:
        await self._run(sessions.end, session, until, now)
