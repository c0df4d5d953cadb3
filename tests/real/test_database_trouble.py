"""The database replaced, deleted, or locked under the running reactor."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.real.elsewhere import Elsewhere, elsewhere
from tests.real.harness import Reactor, running
from tests.servers import FileServer

DATA = random.Random(5).randbytes(300_000)


@pytest.mark.fault(6)
async def test_a_database_restored_from_a_backup_is_taken_up(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (done,) = reactor.add(server.put("/done.bin", DATA))
        await reactor.until_final()
        with sqlite3.connect(reactor.db) as live, sqlite3.connect(tmp_path / "backup.db") as backup:
            live.backup(backup)
        live.close()
        backup.close()
        reactor.add(server.put("/lost.bin", DATA, stall_after=1000))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        (tmp_path / "backup.db").replace(reactor.db)
        await reactor.until(lambda: any(event["replaced"] for event in reactor.events("database_recovered")))
        await server.until(lambda: server.requests("/lost.bin", "GET")[-1].ended == "closed by client")
        (new,) = reactor.add(server.put("/new.bin", DATA))
        await reactor.until_final(done, new)
        await reactor.until(lambda: not reactor.staged())
        assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 2
    assert sorted(reactor.files()) == ["done.bin", "new.bin"]


def another(path: Path) -> Path:
    """A queue of another instance, in which nothing was asked for yet."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT)")
    db.close()
    return path


@pytest.mark.fault(6)
@pytest.mark.parametrize("where", ["embedded", "elsewhere"])
async def test_what_another_database_had_under_way_is_over_before_the_next_is_served(
    tmp_path: Path, where: str
) -> None:
    """Both have a row 1. The file that comes first is none; the process stays."""
    async with AsyncExitStack() as stack:
        server, settings = await stack.enter_async_context(FileServer()), dict[str, str]()
        if where == "elsewhere":
            aria2c = await stack.enter_async_context(elsewhere(tmp_path / "there"))
            same = f"{tmp_path / 'downloads'}={tmp_path / 'downloads'}"
            settings = aria2c.settings(DOWNLOAD_PATH_MAP=same)
        reactor = await stack.enter_async_context(running(tmp_path, **settings))
        assert reactor.process is not None
        pid, before = reactor.process.pid, set(reactor.children())
        reactor.add(server.put("/old.bin", DATA, stall_after=1000))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        old = {Path(name).parts[1] for name in reactor.staged()}
        (tmp_path / "none.db").write_bytes(b"no database" * 1000)
        (tmp_path / "none.db").replace(reactor.db)
        await reactor.until(lambda: reactor.events("database_troubled"))
        await server.until(lambda: server.requests("/old.bin", "GET")[-1].ended == "closed by client")
        another(tmp_path / "other.db").replace(reactor.db)
        await reactor.until(lambda: any(event["replaced"] for event in reactor.events("database_recovered")))
        (new,) = reactor.add(server.put("/new.bin", DATA))
        assert new == 1
        await reactor.until_final(new)
        assert reactor.row(new)["status"] == "downloaded"
        await reactor.until(lambda: not reactor.staged())
        assert reactor.process.pid == pid
        if where == "embedded":
            assert not before & set(reactor.children())
        else:
            assert not [each for each in told_of(aria2c) if set(Path(each["dir"]).parts) & old]
    assert list(reactor.files()) == ["new.bin"]
    assert [event["event"] for event in reactor.events() if event["event"].startswith("reactor_")] == [
        "reactor_started",
        "reactor_stopped",
    ]


def told_of(aria2c: Elsewhere) -> list[dict[str, str]]:
    """All that an aria2c knows of."""
    lists = (
        aria2c.rpc("aria2.tellActive"),
        aria2c.rpc("aria2.tellWaiting", 0, 100),
        aria2c.rpc("aria2.tellStopped", 0, 100),
    )
    return [each for found in lists for each in found]


@pytest.mark.fault(6, 51)
async def test_a_reactor_whose_database_cannot_be_opened_any_more_ends_when_it_is_asked_to(tmp_path: Path) -> None:
    async with running(tmp_path) as reactor:
        (tmp_path / "none.db").write_bytes(b"no database" * 1000)
        (tmp_path / "none.db").replace(reactor.db)
        await reactor.until(lambda: reactor.events("database_troubled"))
        await reactor.stop()
        assert reactor.process is not None
        assert reactor.process.returncode == 0
    assert reactor.events()[-1]["event"] == "reactor_stopped"


@pytest.mark.fault(7)
async def test_a_database_that_was_deleted_is_not_made_anew_and_one_that_comes_is_taken_up(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        shutil.copyfile(reactor.db, tmp_path / "copy.db")
        for suffix in ("", "-wal", "-shm"):
            reactor.db.with_name(f"{reactor.db.name}{suffix}").unlink(missing_ok=True)
        await reactor.until(lambda: reactor.events("database_troubled"))
        assert not reactor.db.exists()
        another(tmp_path / "other.db").replace(reactor.db)
        await reactor.until(lambda: reactor.events("database_recovered"))
        await reactor.until(lambda: "status" in str(_columns(reactor.db)))
        (one,) = reactor.add(server.put("/a.bin", DATA))
        await reactor.until_final()
        assert reactor.row(one)["status"] == "downloaded"


def _columns(path: Path) -> list[str]:
    with sqlite3.connect(path) as db:
        found = [row[1] for row in db.execute("PRAGMA table_info(downloads)")]
    db.close()
    return found


@pytest.mark.fault(8)
async def test_what_ends_while_a_bot_holds_the_write_lock_is_written_afterwards(tmp_path: Path) -> None:
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=1000))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        bot = sqlite3.connect(reactor.db, isolation_level=None)
        bot.execute("BEGIN IMMEDIATE")
        server.release()
        await reactor.until(lambda: reactor.events("database_troubled"))
        await reactor.until(lambda: (tmp_path / "downloads" / "a.bin").exists())
        assert reactor.row(one)["status"] == "downloading"
        bot.execute("COMMIT")
        bot.close()
        await reactor.until_final()
        assert reactor.row(one)["status"] == "downloaded"
        await reactor.until(lambda: reactor.events("database_recovered"))


BOTS_OWN = """CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT NOT NULL, chat_id INTEGER,
    file_size INTEGER CHECK (file_size < 1000), title TEXT);
    CREATE TRIGGER bots BEFORE UPDATE OF status ON downloads WHEN NEW.url LIKE '%never%' AND NEW.status = 'downloaded'
    BEGIN SELECT RAISE(ABORT, 'not this one'); END"""


@pytest.mark.fault(12)
async def test_a_row_that_the_bots_own_table_refuses_ends_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "bot.db") as bot:
        bot.executescript(BOTS_OWN)
    bot.close()
    async with FileServer() as server, running(tmp_path) as reactor:
        large, never, fine = reactor.add(
            server.put("/large.bin", DATA), server.put("/never.bin", b"small"), server.put("/fine.bin", b"small")
        )
        await reactor.until_final()
        assert [reactor.row(id)["status"] for id in (large, never, fine)] == ["failed", "failed", "downloaded"]
        assert "CHECK constraint failed: file_size < 1000" in reactor.row(large)["error"]
        assert "not this one" in reactor.row(never)["error"]
        assert reactor.row(never)["error_code"] == "constraint"
        await reactor.until(lambda: not reactor.staged())
        assert not reactor.events("database_troubled")
    assert sorted(reactor.files()) == ["fine.bin"]


@pytest.mark.fault(12)
async def test_a_table_that_nothing_could_be_written_into_is_refused_at_once(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "bot.db") as bot:
        moment = "finished_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP"
        bot.execute(f"CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, {moment})")
    bot.close()
    with pytest.raises(AssertionError, match=r"ended with 2: .*`finished_at` is NOT NULL"):
        await Reactor(tmp_path).start()


@pytest.mark.fault(51)
@pytest.mark.parametrize("number", [1, 2])
async def test_a_reactor_that_is_to_end_does_not_wait_for_the_lock_of_a_bot(tmp_path: Path, number: int) -> None:
    """In order as long as it has the time, or at once with the second signal; the row is the next run's."""
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=1000))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        bot = sqlite3.connect(reactor.db, isolation_level=None)
        bot.execute("BEGIN IMMEDIATE")
        server.release()
        await reactor.until(lambda: (tmp_path / "downloads" / "a.bin").exists())
        assert reactor.process is not None
        for _ in range(number - 1):
            reactor.process.send_signal(signal.SIGTERM)
        await reactor.stop()
        assert reactor.process.returncode == 0
        assert bot.in_transaction, "the lock is still held"
        bot.execute("COMMIT")
        bot.close()
        await reactor.start()
        await reactor.until_final()
        assert reactor.row(one)["status"] == "downloaded"
    assert reactor.files() == {"a.bin": DATA}


@pytest.mark.fault(12)
async def test_a_table_that_the_bot_makes_anew_is_served_on(tmp_path: Path) -> None:
    """As a migration does it, without our columns: nobody can tell any more what was under way."""
    async with FileServer() as server, running(tmp_path) as reactor:
        (one,) = reactor.add(server.put("/a.bin", DATA, stall_after=1000))
        await server.until(lambda: any(request.sent == 1000 for request in server.log))
        for statement in (
            "CREATE TABLE anew (id INTEGER PRIMARY KEY, url TEXT NOT NULL, chat_id INTEGER)",
            "INSERT INTO anew (id, url) SELECT id, url FROM downloads",
            "DROP TABLE downloads",
            "ALTER TABLE anew RENAME TO downloads",
        ):
            reactor.execute(statement)
        await reactor.until(lambda: "error_code" in _columns(reactor.db))
        server.release()
        (two,) = reactor.add(server.put("/b.bin", b"small"))
        await reactor.until_final(one, two)
        assert [reactor.row(id)["status"] for id in (one, two)] == ["downloaded"] * 2
        await reactor.until(lambda: not reactor.staged())
    assert reactor.files() == {"a.bin": DATA, "b.bin": b"small"}


async def test_what_an_earlier_downloader_left_under_way_begins_anew(tmp_path: Path) -> None:
    async with FileServer() as server:
        with sqlite3.connect(tmp_path / "bot.db") as bot:
            bot.execute(
                "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT, status DEFAULT 'pending', progress REAL)"
            )
            rows = [(server.put("/a.bin", DATA), "downloading"), (server.put("/b.bin", DATA), "downloaded")]
            bot.executemany("INSERT INTO downloads (url, status, progress) VALUES (?, ?, 40)", rows)
        bot.close()
        async with running(tmp_path) as reactor:
            await reactor.until_final()
            assert [row["status"] for row in reactor.rows()] == ["downloaded"] * 2
        assert reactor.files() == {"a.bin": DATA}
