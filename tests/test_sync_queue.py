"""The blocking twin: the same rows, from bots that do not await, and from any of their threads."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import pytest

from reactor.errors import DatabaseError
from reactor.sync_queue import SyncQueue
from tests.database.sqlite.bot import DEADLINE_S, query

Isolation = Literal["DEFERRED", "IMMEDIATE"] | None
URL = "http://host.example/a"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.db"


def test_a_row_is_added_read_cancelled_and_tried_again(path: Path) -> None:
    with SyncQueue(path) as queue:
        query(path, "ALTER TABLE downloads ADD COLUMN chat_id INTEGER")
        id = queue.add(URL, chat_id=42)
        row = queue.get(id)
        assert row is not None
        assert (row.url, row.status, row.extra) == (URL, "pending", {"chat_id": 42})
        assert not queue.retry(id)
        assert queue.cancel(id)
        query(path, "UPDATE downloads SET status = 'cancelled'")
        assert not queue.cancel(id)
        assert queue.retry(id)
        assert [row.id for row in queue.list()] == [row.id for row in queue.list("pending")] == [id]
        assert queue.list("failed") == []
        assert queue.get(99) is None
        with pytest.raises(DatabaseError, match="`no`"):
            queue.add(URL, no=1)


def test_a_watch_follows_to_the_end(path: Path) -> None:
    seen = []
    with SyncQueue(path) as queue:
        for row in queue.watch(queue.add(URL)):
            seen.append((row.status, row.progress))
            if row.status == "pending":
                query(path, "UPDATE downloads SET status = 'downloading', progress = 5")
            else:
                query(path, "UPDATE downloads SET status = 'downloaded', progress = 100")
        assert list(queue.watch(99)) == []
    assert seen == [("pending", None), ("downloading", 5), ("downloaded", 100)]


def test_a_watch_of_all_may_be_left_in_the_midst(path: Path) -> None:
    with SyncQueue(path) as queue:
        ids = [queue.add(URL) for _ in range(3)]
        for row in queue.watch_all():
            if row.id == ids[1]:
                break
        assert [row.id for _, row in zip(ids, queue.watch_all(), strict=False)] == ids


def test_what_a_bot_looks_up_itself_is_waited_for(path: Path) -> None:
    with pytest.raises(DatabaseError, match="not open"):
        next(SyncQueue(path).changes())
    with SyncQueue(path) as queue:
        id = queue.add(URL)
        assert (queue.counts().pending, queue.counts().downloading) == (1, 0)
        assert [row.id for row in queue.overview().queued] == [id]
        for _ in queue.changes():
            ((status,),) = query(path, "SELECT status FROM downloads")
            if status == "uploaded":
                break
            query(path, "UPDATE downloads SET status = ?", {"pending": "uploading", "uploading": "uploaded"}[status])


def test_its_threads_share_it(path: Path) -> None:
    def serve(number: int) -> int:
        id = queue.add(f"{URL}{number}")
        for row in queue.watch(id):
            if row.status == "pending":
                query(path, "UPDATE downloads SET status = 'failed' WHERE id = ?", id)
        return id

    with SyncQueue(path) as queue, ThreadPoolExecutor(4) as threads:
        ids = list(threads.map(serve, range(12)))
        assert len(set(ids)) == 12
        assert {row.status for row in queue.list()} == {"failed"}


def test_closing_it_ends_the_watches_of_other_threads(path: Path) -> None:
    begun = threading.Barrier(3)
    seen: list[int] = []

    def follow(all_of_them: bool) -> None:
        for row in queue.watch_all() if all_of_them else queue.watch(1):
            seen.append(row.id)
            begun.wait(DEADLINE_S)

    before = threading.active_count()
    with ThreadPoolExecutor(2) as threads:
        with SyncQueue(path) as queue:
            queue.add(URL)
            watches = [threads.submit(follow, all_of_them) for all_of_them in (True, False)]
            begun.wait(DEADLINE_S)
        for watch in watches:
            watch.result(DEADLINE_S)
    assert seen == [1, 1]
    assert threading.active_count() == before
    assert not path.with_name("bot.db-wal").exists()
    with pytest.raises(DatabaseError, match="closed"):
        queue.add(URL)
    with queue:
        assert len(queue.list()) == 1, "it may be opened again"


INTERRUPTED = """
import sys
from reactor import SyncQueue
with SyncQueue(sys.argv[1]) as queue:
    id = queue.add("http://host.example/a")
    try:
        for row in queue.watch(id):
            print("begun", flush=True)
    except KeyboardInterrupt:
        print(queue.get(id).status, flush=True)
"""


def test_a_watch_is_left_by_ctrl_c(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED, path], stdout=subprocess.PIPE, text=True) as bot:
        assert bot.stdout is not None
        assert bot.stdout.readline() == "begun\n"
        os.kill(bot.pid, signal.SIGINT)
        printed, _ = bot.communicate(timeout=DEADLINE_S)
    assert (printed, bot.returncode) == ("pending\n", 0)


def test_a_database_that_is_not_there_is_made_only_when_asked(path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(DatabaseError, match=str(path)), SyncQueue(path, create=False):
        pass
    assert not path.exists()
    assert threading.active_count() == before


def as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    """What bots like their rows to be."""
    return {name: value for (name, *_), value in zip(cursor.description, row, strict=True)}


@pytest.mark.parametrize("isolation_level", [None, "DEFERRED", "IMMEDIATE"])
def test_a_row_is_part_of_the_bots_own_transaction(path: Path, isolation_level: Isolation) -> None:
    with SyncQueue(path) as queue, closing(sqlite3.connect(path, isolation_level=isolation_level)) as bot:
        bot.row_factory = as_dict
        own = SyncQueue.within(bot)
        if isolation_level is None:
            bot.execute("BEGIN")
        id = own.add(URL, title="mine")
        assert bot.in_transaction
        assert [row.title for row in own.list()] == ["mine"]
        assert queue.get(id) is None, "it is not committed"
        bot.rollback()
        assert own.get(id) is None
        id = own.add(URL)
        assert own.cancel(id)
        bot.execute("UPDATE downloads SET status = 'failed', title = CAST(x'FF' AS TEXT)")
        assert [row.title for row in own.list("failed")] == ["�"]
        assert own.retry(id)
        bot.commit()
        row = queue.get(id)
        assert row is not None
        assert (row.status, row.cancelled) == ("pending", False)
        assert bot.execute("SELECT status FROM downloads").fetchone() == {"status": "pending"}
        assert bot.text_factory is str
