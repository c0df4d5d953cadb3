"""The bots' side: rows in, rows out, and watching them while another process writes."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
import pytest

from reactor.errors import DatabaseError, DownloadError
from reactor.models import Download
from reactor.options import Options
from reactor.queue import Queue
from tests.database.sqlite.bot import DEADLINE_S, a_bot, python, query
from tests.tools import sqlite3_program

URL = "http://host.example/a"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.db"


async def test_a_row_is_added_read_cancelled_and_tried_again(path: Path) -> None:
    async with Queue(path) as queue:
        id = await queue.add(URL)
        row = await queue.get(id)
        assert row is not None
        assert (row.id, row.url, row.status, row.cancelled, row.extra) == (id, URL, "pending", False, {})
        assert row.added_date is not None
        assert not await queue.retry(id)
        assert await queue.cancel(id)
        assert query(path, "SELECT status, cancelled FROM downloads") == [("pending", 1)]
        query(
            path, "UPDATE downloads SET status = 'cancelled', error = 'no', retry_count = 3, progress = 7, attempt = 2"
        )
        assert not await queue.cancel(id)
        assert await queue.retry(id)
        row = await queue.get(id)
        assert row is not None
        assert (row.status, row.cancelled, row.error, row.retry_count, row.progress) == ("pending", False, None, 0, 0)
        assert row.attempt == 2, "an attempt's number is never used again"


async def test_what_an_owner_always_wants_is_checked_where_it_is_set(path: Path) -> None:
    async with Queue(path) as queue:
        with pytest.raises(DownloadError, match="`quality`"):
            await queue.set_defaults(7, {"qualty": 720})
        await queue.set_defaults(7, Options(quality=720))
        assert await queue.defaults("7") == {"quality": 720}
        await queue.set_defaults(7, {})
        assert await queue.defaults(7) == {}
        assert query(path, "SELECT * FROM reactor_defaults") == []
    async with Queue(path, read_only=True) as queue:
        assert await queue.defaults(7) == {}


async def test_a_row_that_is_not_there_is_none(path: Path) -> None:
    async with Queue(path) as queue:
        assert await queue.get(99) is None
        assert not await queue.cancel(99)
        assert not await queue.retry(99)
        with anyio.fail_after(DEADLINE_S):
            assert [row async for row in queue.watch(99)] == []


async def test_a_row_is_pending_whatever_the_bots_column_has_by_default(path: Path) -> None:
    query(path, "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, Status TEXT NOT NULL DEFAULT 'new')")
    async with Queue(path) as queue:
        columns: list[tuple[dict[str, Any], str]] = [
            ({}, "pending"),
            ({"status": "new"}, "new"),
            ({"STATUS": "later"}, "later"),
        ]
        for own, status in columns:
            row = await queue.get(await queue.add(URL, **own))
            assert row is not None
            assert row.status == status


async def test_what_has_no_room_is_told_in_a_sentence(path: Path) -> None:
    async with Queue(path) as queue:
        for call in (queue.get, queue.cancel, queue.retry):
            with pytest.raises(DatabaseError, match="number is too large"):
                await call(2**63)
        with pytest.raises(DatabaseError, match="half a character"):
            await queue.add(URL + "\ud800")
        async with aiosqlite.connect(path) as bot:
            with pytest.raises(DatabaseError, match="half a character"):
                await Queue.within(bot).add("\udcff")
        assert await queue.list() == []


async def test_a_queue_that_is_not_open_says_so(path: Path) -> None:
    queue = Queue(path)
    for _ in range(2):
        with pytest.raises(DatabaseError, match="not open"):
            await queue.get(1)
        async with queue:
            assert await queue.list() == []
    with pytest.raises(DatabaseError, match="not open"):
        await anext(Queue(path).watch(1))


async def test_a_bots_own_columns_come_and_go_with_the_row(path: Path) -> None:
    sqlite3_program(
        path,
        """CREATE TABLE downloads (id INTEGER PRIMARY KEY, URL TEXT, chat_id INTEGER, "odd name" TEXT, note BLOB,
        added_date TIMESTAMP)""",
    )
    async with Queue(path) as queue:
        own: dict[str, Any] = {"chat_id": 42, "odd name": "'; --", "note": b"\xff"}
        id = await queue.add(URL, **own)
        row = await queue.get(id)
        assert row is not None
        assert row.extra == own
        assert row.added_date is not None, "filled in where the bot's column has no default"
        row = await queue.get(await queue.add(URL, added_date="2026-01-01"))
        assert row is not None
        assert row.added_date == "2026-01-01"
        with pytest.raises(DatabaseError, match="`no`"):
            await queue.add(URL, no=1)
        with pytest.raises(DatabaseError, match='`x", "y`'):
            await queue.add(URL, **dict[str, Any]({'x", "y': 1}))


async def test_odd_values_hide_no_row(path: Path) -> None:
    async with Queue(path) as queue:
        id = await queue.add(URL)
        query(
            path,
            """UPDATE downloads SET status = NULL, cancelled = 'x', title = x'FF', file_size = 'big', progress = 'x',
            retry_count = NULL, attempt = 'x', started_at = 5, download_speed = 9e999, eta_seconds = 1.5""",
        )
        row = await queue.get(id)
        assert row is not None
        assert (row.status, row.cancelled, row.title, row.file_size, row.progress) == ("", False, "�", None, None)
        assert (row.retry_count, row.attempt, row.started_at) == (0, 0, "5")
        assert (row.download_speed, row.eta_seconds) == (None, 1)


async def test_rows_are_listed_oldest_first(path: Path) -> None:
    async with Queue(path) as queue:
        ids = [await queue.add(f"{URL}{number}") for number in range(5)]
        query(path, "UPDATE downloads SET status = 'failed' WHERE id % 2 = 0")
        assert [row.id for row in await queue.list()] == ids
        assert [row.id for row in await queue.list(limit=2)] == ids[-2:]
        assert [row.id for row in await queue.list("failed")] == [id for id in ids if id % 2 == 0]
        assert await queue.list("no such status") == []


async def test_a_watch_follows_another_process_to_the_end(path: Path) -> None:
    seen = []
    async with Queue(path) as queue, a_bot(path) as bot:
        id = await queue.add(URL)
        with anyio.fail_after(DEADLINE_S):
            async for row in queue.watch(id):
                seen.append((row.status, row.progress))
                if row.status == "pending":
                    await bot("UPDATE downloads SET status = 'downloading', progress = 5")
                    await bot("UPDATE users SET name = 'x'")
                elif row.progress == 5:
                    await bot("UPDATE downloads SET status = 'downloaded', progress = 100")
    assert seen == [("pending", None), ("downloading", 5), ("downloaded", 100)]


async def test_a_watch_ends_when_the_row_is_deleted_or_the_bot_has_moved_it_on(path: Path) -> None:
    async with Queue(path) as queue, a_bot(path) as bot:
        first, second = await queue.add(URL), await queue.add(URL)
        with anyio.fail_after(DEADLINE_S):
            async for _ in queue.watch(first):
                await bot(f"DELETE FROM downloads WHERE id = {first}")
            rows = []
            async for row in queue.watch(second):
                rows.append(row.status)
                await bot("UPDATE downloads SET status = 'uploading', finished_at = '2026-01-01'")
    assert rows == ["pending", "uploading"]


async def test_a_watch_of_all_tells_what_changed_only(path: Path) -> None:
    async with Queue(path) as queue, a_bot(path) as bot:
        for _ in range(3):
            await queue.add(URL)
        await bot("UPDATE downloads SET status = 'downloaded' WHERE id = 1")
        seen: list[tuple[int, str]] = []
        steps = iter(
            [
                "UPDATE downloads SET progress = 5 WHERE id = 2",
                "INSERT INTO downloads (url, status) VALUES ('u', 'failed')",
                "UPDATE downloads SET status = 'cancelled' WHERE id = 3",
                "UPDATE downloads SET status = 'pending' WHERE id = 1",
            ]
        )
        with anyio.fail_after(DEADLINE_S):
            async for row in queue.watch_all():
                seen.append((row.id, row.status))
                if len(seen) >= 2:
                    if (step := next(steps, None)) is None:
                        break
                    await bot(step)
    assert seen == [(2, "pending"), (3, "pending"), (2, "pending"), (4, "failed"), (3, "cancelled"), (1, "pending")]


async def test_a_bots_own_statement_is_waited_for_too(path: Path) -> None:
    looks = 0
    async with Queue(path) as queue, a_bot(path) as bot:
        await bot("INSERT INTO downloads (url, status) VALUES ('u', 'downloaded')")
        with anyio.fail_after(DEADLINE_S):
            async with aclosing(queue.changes()) as beats:
                async for _ in beats:
                    looks += 1
                    (status,) = query(path, "SELECT status FROM downloads")[0]
                    if status == "uploaded":
                        break
                    after = {"downloaded": "uploading", "uploading": "uploaded"}[status]
                    await bot(f"UPDATE downloads SET status = '{after}'")
    assert looks >= 3


async def test_several_watches_share_one_doorbell(path: Path) -> None:
    ended: list[int] = []

    async def follow(queue: Queue, id: int) -> None:
        async for row in queue.watch(id):
            if row.status == "failed":
                ended.append(row.id)

    async with Queue(path) as queue, a_bot(path) as bot:
        ids = [await queue.add(URL) for _ in range(5)]
        with anyio.fail_after(DEADLINE_S):
            async with anyio.create_task_group() as tasks:
                for id in ids:
                    tasks.start_soon(follow, queue, id)
                await bot("UPDATE downloads SET status = 'failed'")
    assert sorted(ended) == ids


async def test_a_watch_goes_on_in_the_file_that_took_the_databases_place(path: Path, tmp_path: Path) -> None:
    async with Queue(tmp_path / "backup.db") as backup:
        await backup.add("http://host.example/restored")
        query(tmp_path / "backup.db", "UPDATE downloads SET status = 'downloaded'")
    seen: list[Download] = []
    async with Queue(path) as queue:
        id = await queue.add(URL)
        with anyio.fail_after(DEADLINE_S):
            async for row in queue.watch(id):
                if not seen:
                    (tmp_path / "backup.db").replace(path)
                seen.append(row)
        assert seen[-1].url == "http://host.example/restored"
        assert await queue.add(URL) == 2


async def test_a_bot_that_watches_nothing_goes_on_in_the_file_that_took_the_databases_place(
    path: Path, tmp_path: Path
) -> None:
    for name in ("first.db", "second.db"):
        async with Queue(tmp_path / name) as backup:
            await backup.add(f"http://host.example/{name}")
    before = threading.active_count()
    async with Queue(path) as queue:
        await queue.add(URL)
        (tmp_path / "first.db").replace(path)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(queue.add, URL)
        assert [row.url for row in await queue.list()] == ["http://host.example/first.db", *[URL] * 5]
        assert query(path, "PRAGMA integrity_check") == [("ok",)]
        (tmp_path / "garbage").write_bytes(b"no database" * 999)
        (tmp_path / "garbage").replace(path)
        for _ in range(2):
            with pytest.raises(DatabaseError, match="not an SQLite database"):
                await queue.add(URL)
        (tmp_path / "second.db").replace(path)
        assert await queue.add(URL) == 2
    assert threading.active_count() == before
    assert not path.with_name("bot.db-wal").exists()


async def test_what_is_asked_beside_a_watch_goes_on_in_the_file_that_took_the_databases_place(
    path: Path, tmp_path: Path
) -> None:
    async with Queue(tmp_path / "backup.db") as backup:
        await backup.add("http://host.example/restored")
    async with Queue(path) as queue:
        with anyio.fail_after(DEADLINE_S):
            async with aclosing(queue.watch(await queue.add(URL))) as watch:
                await anext(watch)
                (tmp_path / "backup.db").replace(path)
                assert await queue.add(URL) == 2
                assert (await anext(watch)).url == "http://host.example/restored"
        assert query(path, "PRAGMA integrity_check") == [("ok",)]


async def test_a_database_that_is_not_there_is_made_only_when_asked(path: Path) -> None:
    with pytest.raises(DatabaseError, match=str(path)):
        async with Queue(path, create=False):
            pass
    assert not path.exists()


async def test_a_bots_own_error_arrives_as_itself(path: Path) -> None:
    async def bot() -> None:
        async with Queue(path) as queue:
            async for _ in queue.watch(await queue.add(URL)):
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await bot()


async def test_nothing_is_left_after_closing_in_the_midst_of_a_watch(path: Path) -> None:
    before = threading.active_count()
    async with Queue(path) as queue:
        watch = queue.watch(await queue.add(URL))
        await anext(watch)
        await watch.aclose()
    assert threading.active_count() == before
    assert not path.with_name("bot.db-wal").exists()


async def test_a_watch_ends_when_the_queue_is_closed(path: Path) -> None:
    async def follow(rows: AsyncGenerator[Download, None], begun: anyio.Event) -> None:
        async for _ in rows:
            begun.set()

    with anyio.fail_after(DEADLINE_S):
        async with anyio.create_task_group() as tasks, Queue(path) as queue:
            for watch in (queue.watch(await queue.add(URL)), queue.watch_all()):
                begun = anyio.Event()
                tasks.start_soon(follow, watch, begun)
                await begun.wait()


async def test_a_row_is_part_of_the_bots_own_transaction(path: Path) -> None:
    async with Queue(path) as queue, aiosqlite.connect(path) as bot:
        await bot.execute("CREATE TABLE chats (id INTEGER PRIMARY KEY, download_id INTEGER)")
        bot.row_factory = sqlite3.Row
        await bot.execute("INSERT INTO chats (id) VALUES (7)")
        own = Queue.within(bot)
        id = await own.add(URL, title="mine")
        await bot.execute("UPDATE chats SET download_id = ?", (id,))
        assert [row.title for row in await own.list()] == ["mine"]
        assert await queue.list() == [], "it is not committed"
        await bot.rollback()
        assert await queue.list() == await own.list() == []
        id = await own.add(URL)
        await bot.commit()
        with anyio.fail_after(DEADLINE_S):
            async for row in queue.watch(id):
                if not row.cancelled:
                    assert await own.cancel(id)
                    await bot.execute("UPDATE downloads SET status = 'cancelled'")
                    await bot.commit()
        assert await own.retry(id)
        await bot.commit()
        assert [row.status for row in await queue.list("pending")] == ["pending"]
        assert bot.row_factory is sqlite3.Row


async def test_a_table_that_nobody_has_made_ready_is_refused_with_a_hint(path: Path) -> None:
    query(path, "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT)")
    async with aiosqlite.connect(path) as bot:
        with pytest.raises(DatabaseError, match="not ready") as caught:
            await Queue.within(bot).add(URL)
    assert caught.value.hint is not None


BRINGS = {"aiosqlite", "annotated_types", "anyio", "pydantic", "pydantic_core", "sniffio"} | {
    "typing_extensions",
    "typing_inspection",
}
"""Packages that a queue is made of, and what they are made of."""
ROOMS = {"reactor", "reactor.database", "reactor.errors", "reactor.models", "reactor.queue", "reactor.sync_queue"} | {
    "reactor.patterns",
    "reactor.choices",
    "reactor.concurrency",
    "reactor.database_path",
    "reactor.files",
    "reactor.numbers",
    "reactor.options",
    "reactor.records",
    "reactor.row_options",
    "reactor.server_address",
    "reactor.watching",
}
IMPORTED = """
import sys
def new():
    return {name for name in sys.modules.keys() - before if name.partition(".")[0] not in sys.stdlib_module_names}
before = set(sys.modules)
import reactor
assert new() == {"reactor"}, new()
getattr(reactor, sys.argv[1])
print(*new())
"""


@pytest.mark.parametrize("name", ["Queue", "SyncQueue"])
def test_a_bot_pays_for_nothing_it_does_not_use(name: str) -> None:
    imported = python(IMPORTED, name).split()
    ours = {".".join(module.split(".")[:2]) for module in imported if module.startswith("reactor")}
    others = {module.partition(".")[0] for module in imported if not module.startswith(("reactor", "_"))}
    assert ours <= ROOMS
    assert others <= BRINGS


async def test_what_sqlite_cannot_store_is_the_callers_mistake(path: Path) -> None:
    async with Queue(path) as queue:
        with pytest.raises(sqlite3.Error):
            await queue.add(URL, title=object())
        assert await queue.list() == []


async def test_options_are_checked_before_they_stand_in_the_row(path: Path) -> None:
    async with Queue(path) as queue:
        for good in ({"quality": 720}, Options(quality=720), {"quality": 720, "codec": None}):
            row = await queue.get(await queue.add(URL, options=good))
            assert row is not None
            assert row.options == dict(good if isinstance(good, dict) else good.said())
        row = await queue.get(await queue.add(URL, options={}))
        assert row is not None
        assert row.options == {}
        before = len(await queue.list())
        for bad in ({"quality": 7}, {"q": 1}, {"name": object()}, {"use": "a"}, ["quality"]):
            with pytest.raises(DownloadError) as caught:
                await queue.add(URL, options=bad)  # type: ignore[arg-type]
            assert caught.value.code == "bad_options"
        assert len(await queue.list()) == before
