"""Many watches of single rows, and how often the database is asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest

from reactor import Queue
from reactor.database import engine
from reactor.database.table import ChangeCursor, Table
from reactor.errors import DatabaseError
from reactor.models import Download
from reactor.watching import AT_ONCE, Watch, Watches

ROWS = 2 * AT_ONCE + 50
DEADLINE_S = 30.0


class Counted:
    """A table that counts what it is asked."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.asked = self.fails_at = 0

    async def changed_among(self, cursor: ChangeCursor, ids: Sequence[int]) -> dict[int, Download | None]:
        self.asked += 1
        if self.asked == self.fails_at:
            raise DatabaseError("It is locked.", retryable=True)
        return await self._table.changed_among(cursor, ids)


async def told(watch: Watch) -> Download | None:
    with anyio.fail_after(DEADLINE_S):
        return await anext(watch.rows())


async def test_one_read_serves_hundreds_and_who_is_not_concerned_is_not_woken(tmp_path: Path) -> None:
    async with engine.open_table(tmp_path / "bot.db") as opened:
        ids = [await opened.add("http://host.example/a", {}) for _ in range(ROWS)]
        table: Any = Counted(opened)
        watches = Watches()
        each = [watches.enter(id) for id in ids]
        await watches.look(table)
        assert table.asked == 3
        for id, watch in zip(ids, each, strict=True):
            row = await told(watch)
            assert row is not None
            assert row.id == id
        assert await opened.cancel(ids[7])
        assert (list(await watches.look(table)), table.asked) == ([ids[7]], 6)
        for id, watch in zip(ids, each, strict=True):
            watches.leave(id, watch)
        assert list(await watches.look(table)) == []
        assert table.asked == 6, "there is nobody to read for"


async def test_what_was_read_before_the_database_failed_is_told(tmp_path: Path) -> None:
    async with engine.open_table(tmp_path / "bot.db") as opened:
        ids = [await opened.add("http://host.example/a", {}) for _ in range(ROWS)]
        table: Any = Counted(opened)
        watches = Watches()
        first, *_ = [watches.enter(id) for id in ids]
        table.fails_at = 2
        with pytest.raises(DatabaseError):
            await watches.look(table)
        row = await told(first)
        assert row is not None
        assert row.id == ids[0]
        assert len(list(await watches.look(table))) == ROWS - AT_ONCE, "and the others when it goes on"


async def test_who_comes_later_is_told_what_the_others_know(tmp_path: Path) -> None:
    async with engine.open_table(tmp_path / "bot.db") as table:
        id = await table.add("http://host.example/a", {})
        watches = Watches()
        first = watches.enter(id)
        for _ in range(2):
            await watches.look(table)
            assert (await told(first)) == await table.get(id)
            rang = watches.bell.next
            second = watches.enter(id)
            assert rang.is_set()
        await watches.look(table)
        watches.leave(id, first)
        assert (await told(second)) == await table.get(id)


async def test_of_several_changes_the_last_is_told_and_what_was_told_comes_before_the_end() -> None:
    watch = Watch()
    for number in range(3):
        watch.tell(Download(id=number, url="u", status="pending"))
    watch.end(DatabaseError("It is gone."))
    row = await told(watch)
    assert row is not None
    assert row.id == 2
    with pytest.raises(DatabaseError, match="It is gone"):
        await told(watch)


async def test_a_database_that_fails_ends_all_watches_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    path, kept, garbage = tmp_path / "bot.db", tmp_path / "kept.db", tmp_path / "garbage"
    async with Queue(kept) as queue:
        await queue.add("http://host.example/kept")
    garbage.write_bytes(b"no database" * 999)
    async with Queue(path) as queue:
        ids = [await queue.add("http://host.example/a") for _ in range(3)]
        begun: list[int] = []
        failed: list[str] = []

        async def follow(id: int) -> None:
            try:
                async for _ in queue.watch(id):
                    begun.append(id)
                    if len(begun) == len(ids):
                        garbage.replace(path)
            except DatabaseError as error:
                failed.append(str(error))

        with anyio.fail_after(DEADLINE_S):
            async with anyio.create_task_group() as tasks:
                for id in ids:
                    tasks.start_soon(follow, id)
            assert len(failed) == len(ids)
            assert all("not an SQLite database" in each for each in failed)
            kept.replace(path)
            async with aclosing(queue.watch(1)) as rows:
                assert (await anext(rows)).url == "http://host.example/kept"
