"""Opening, closing, and what can be wrong with a database."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from reactor.database.sql.connection import transaction
from reactor.database.sqlite.connection import BUSY_SLICES, Database
from reactor.database.sqlite.lock import lock
from reactor.errors import DatabaseError
from tests.database.sqlite.bot import DEADLINE_S, a_bot, opened, python, query
from tests.tools import sqlite3_program


async def refusal(path: Path, *, create: bool = True) -> DatabaseError:
    with pytest.raises(DatabaseError) as refused:
        async with Database.open(path, create=create):
            pass
    assert str(path) in str(refused.value)
    return refused.value


async def test_a_missing_file_is_made_only_when_asked(path: Path) -> None:
    assert (await refusal(path, create=False)).code == "database_gone"
    assert not path.exists()
    async with Database.open(path):
        assert path.exists()


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    assert "is a folder" in str(await refusal(tmp_path))


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert f"no folder {tmp_path / 'no'}" in str(await refusal(tmp_path / "no" / "bot.db"))


async def test_a_text_file_is_no_database_and_stays_as_it_is(path: Path) -> None:
    text = "This is a shopping list, not a database.\n" * 100
    path.write_text(text)
    assert "not an SQLite database" in str(await refusal(path))
    assert path.read_text() == text


async def test_a_pipe_is_no_database(path: Path) -> None:
    os.mkfifo(path)
    assert "not a file" in str(await refusal(path))


OPEN_AS_NOBODY = """
import anyio, os, sys
from reactor.database.sqlite.connection import BUSY_SLICES, Database
from reactor.errors import DatabaseError
async def main(path):
    try:
        async with Database.open(path):
            print("opened")
    except DatabaseError as error:
        print(error)
anyio.run(main, sys.argv[1])  # whatever is imported late is there now
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
anyio.run(main, sys.argv[2])
"""


def open_as_nobody(path: Path, tmp_path: Path) -> str:
    """Open it without the rights that root has; what came of it."""
    first, _, then = python(OPEN_AS_NOBODY, tmp_path / "mine.db", path).partition("\n")
    assert first == "opened"
    return then


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # TMPDIR may be this user's alone
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.fault(10)
async def test_a_database_that_may_not_be_written_is_refused_at_once(open_folder: Path, tmp_path: Path) -> None:
    path = open_folder / "bot.db"
    async with Database.open(path):
        query(path, "PRAGMA journal_mode")
    query(path, "PRAGMA journal_mode = DELETE")
    path.chmod(0o444)
    open_folder.chmod(0o555)
    assert "cannot be written" in open_as_nobody(path, tmp_path)


async def test_a_folder_that_may_not_be_written_is_refused(open_folder: Path, tmp_path: Path) -> None:
    open_folder.chmod(0o555)
    assert "cannot be opened" in open_as_nobody(open_folder / "bot.db", tmp_path)


@pytest.mark.fault(11)
async def test_a_full_disk_is_told_and_leaves_no_transaction(path: Path) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute("INSERT INTO downloads (url) VALUES (zeroblob(10000000))")

    async with Database.open(path) as database:
        await database.run(lambda c: c.execute("PRAGMA max_page_count = 100").close())
        with pytest.raises(DatabaseError, match="full") as full:
            await database.run(fill)
        assert full.value.retryable
        assert not await database.run(lambda c: c.in_transaction)
        assert query(path, "SELECT count(*) FROM downloads") == [(0,)]


async def test_what_a_bots_own_trigger_refuses_is_told_in_its_words(path: Path) -> None:
    async with Database.open(path) as database:
        sqlite3_program(
            path, "CREATE TRIGGER no BEFORE INSERT ON downloads BEGIN SELECT RAISE(ABORT, 'not on Sundays'); END"
        )
        with pytest.raises(DatabaseError, match="not on Sundays") as refused:
            await database.run(lambda c: c.execute("INSERT INTO downloads (url) VALUES ('u')").close())
        assert not refused.value.retryable


async def test_a_bot_that_holds_the_lock_is_an_error_that_may_pass(path: Path) -> None:
    def insert(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute("INSERT INTO downloads (url) VALUES ('u')")

    async with Database.open(path) as database, a_bot(path) as bot:
        await database.run(lambda c: c.execute("PRAGMA busy_timeout = 50").close())
        await bot("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseError, match="locked") as busy:
            await database.run(insert)
        assert (busy.value.retryable, busy.value.code) == (True, "database_busy")
        await bot("COMMIT")
        await database.run(insert)
        assert query(path, "SELECT count(*) FROM downloads") == [(1,)]


@pytest.mark.fault(51)
@pytest.mark.parametrize("waiting", [False, True])
async def test_whoever_is_to_leave_waits_for_no_lock(path: Path, waiting: bool) -> None:
    tried, begun = list[int](), threading.Event()

    def insert(connection: sqlite3.Connection) -> None:
        tried.append(1)
        begun.set()
        with transaction(connection):
            connection.execute("INSERT INTO downloads (url) VALUES ('u')")

    async def insert_in_vain(database: Database) -> None:
        with pytest.raises(DatabaseError, match="locked"):
            await database.run(insert)

    async with Database.open(path) as database, a_bot(path) as bot, anyio.create_task_group() as tasks:
        await bot("BEGIN IMMEDIATE")
        if waiting:
            tasks.start_soon(insert_in_vain, database)
            await anyio.to_thread.run_sync(begun.wait, DEADLINE_S)
            database.hurry()
        else:
            database.hurry()
            await insert_in_vain(database)
    assert len(tried) < BUSY_SLICES
    assert waiting or len(tried) == 1


async def test_a_lock_is_waited_for_a_slice_at_a_time(path: Path) -> None:
    tried, ready, free = list[int](), threading.Event(), threading.Event()

    def insert(connection: sqlite3.Connection) -> None:
        tried.append(1)
        if len(tried) == 3:
            ready.set()
            assert free.wait(DEADLINE_S)
        with transaction(connection):
            connection.execute("INSERT INTO downloads (url) VALUES ('u')")

    async with Database.open(path) as database, a_bot(path) as bot, anyio.create_task_group() as tasks:
        await bot("BEGIN IMMEDIATE")
        tasks.start_soon(database.run, insert)
        await anyio.to_thread.run_sync(ready.wait, DEADLINE_S)
        await bot("COMMIT")
        free.set()
    assert len(tried) == 3
    assert query(path, "SELECT count(*) FROM downloads") == [(1,)]


async def test_a_mistake_of_ours_is_not_hidden_as_trouble_of_the_database(path: Path) -> None:
    async with Database.open(path) as database:
        with pytest.raises(sqlite3.ProgrammingError):
            await database.run(lambda c: c.execute("SELECT ?").close())
        with pytest.raises(ZeroDivisionError):
            await database.run(lambda c: 1 / 0)


@pytest.mark.fault(16)
async def test_whoever_is_cancelled_leaves_no_lock_behind(path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        with transaction(connection):
            connection.execute("INSERT INTO downloads (url) VALUES ('u')")
            begun.set()
            assert go_on.wait(DEADLINE_S)

    async with Database.open(path) as database:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.run, slow)
            while not begun.is_set():
                await anyio.sleep(0.001)
            tasks.cancel_scope.cancel()
            go_on.set()
        assert not await database.run(lambda c: c.in_transaction)
        assert sqlite3_program(path, "INSERT INTO downloads (url) VALUES ('v'); SELECT url FROM downloads") == "u\nv\n"


async def test_nothing_is_left_after_closing(path: Path) -> None:
    def state() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    before = state()
    for _ in range(3):
        async with Database.open(path) as database:
            await database.run(lambda c: c.execute("INSERT INTO downloads (url) VALUES ('u')").close())
            assert threading.active_count() == before[0] + 1
        with suppress(DatabaseError):
            async with Database.open(path.parent):
                pass
    assert state() == before
    assert not path.with_name("bot.db-wal").exists()


async def test_a_file_that_is_gone_is_neither_written_nor_made_anew(path: Path, tmp_path: Path) -> None:
    async with Database.open(path) as database:
        path.rename(tmp_path / "away")
        for _ in range(2):
            with pytest.raises(DatabaseError, match="gone") as gone:
                await database.run(lambda c: c.execute("INSERT INTO downloads (url) VALUES ('u')").close())
        assert gone.value.retryable
        assert not path.exists()
        (tmp_path / "away").rename(path)
        assert await database.run(lambda c: c.execute("SELECT count(*) FROM downloads").fetchone()) == (0,)


async def test_a_file_that_was_replaced_is_not_written_to(path: Path, tmp_path: Path) -> None:
    async with Database.open(tmp_path / "other"):
        pass
    async with Database.open(path) as database:
        (tmp_path / "other").replace(path)
        with pytest.raises(DatabaseError, match="replaced") as replaced:
            await database.run(lambda c: c.execute("INSERT INTO downloads (url) VALUES ('u')").close())
        assert replaced.value.code == "database_replaced"


async def test_a_wal_that_was_replaced_counts_as_a_replaced_database(path: Path) -> None:
    async with Database.open(path) as database:
        path.with_name("bot.db-wal").unlink()
        for suffix in ("", "-shm"):
            assert path.with_name(f"bot.db{suffix}").exists()
        with pytest.raises(DatabaseError, match="replaced"):
            await database.run(lambda c: c.execute("SELECT 1").close())


async def test_a_bot_may_turn_on_wal_while_we_are_there(path: Path) -> None:
    with opened(path) as bot:
        bot.execute("CREATE TABLE other (x)")
        async with Database.open(path) as database:
            assert database.journal_mode == "delete"
            assert bot.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
            await database.run(lambda c: c.execute("INSERT INTO downloads (url) VALUES ('u')").close())
            assert database.trouble() is None
            assert bot.execute("SELECT url FROM downloads").fetchall() == [("u",)]


async def test_a_symbolic_link_leads_to_the_database(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    async with Database.open(path):
        pass
    link.symlink_to(path)
    async with Database.open(link) as database:
        assert (database.path, database.file) == (link, path)
        assert database.trouble() is None


@pytest.mark.fault(12)
async def test_text_that_is_no_utf8_hides_no_row(path: Path) -> None:
    async with Database.open(path) as database:
        query(path, "INSERT INTO downloads (url) VALUES (CAST(x'68FF69' AS TEXT))")
        assert await database.run(lambda c: c.execute("SELECT url FROM downloads").fetchall()) == [("h\ufffdi",)]


def test_what_a_signal_interrupts_closes_the_database_all_the_same(path: Path) -> None:
    """The process ends: no thread keeps it."""
    program = """
import anyio, sys
from reactor.database.sqlite.connection import BUSY_SLICES, Database
async def main():
    async with Database.open(sys.argv[1]):
        raise SystemExit(0)
anyio.run(main)
"""
    assert python(program, path) == ""
    assert sys.platform != "linux" or not path.with_name("bot.db-wal").exists()


def modes(path: Path) -> dict[str, int]:
    return {each.name: each.stat().st_mode & 0o777 for each in path.parent.glob("bot.db*")}


@pytest.mark.fault(59)
@pytest.mark.parametrize(("setgid", "wanted"), [(False, 0o600), (True, 0o660)])
async def test_a_new_database_and_what_is_beside_it_is_private(path: Path, setgid: bool, wanted: int) -> None:
    path.parent.chmod(0o2770 if setgid else 0o777)
    before = os.umask(0)
    try:
        async with Database.open(path) as database:
            with lock(path):
                await database.run(lambda sqlite: sqlite.execute("INSERT INTO downloads (url) VALUES ('u')"))
                assert modes(path) == dict.fromkeys(
                    ("bot.db", "bot.db-wal", "bot.db-shm", "bot.db.reactor.lock"), wanted
                )
    finally:
        os.umask(before)


async def test_a_bots_own_database_keeps_its_mode_and_the_rest_follows(path: Path) -> None:
    async with a_bot(path) as bot:
        await bot("PRAGMA journal_mode = WAL")
        await bot("CREATE TABLE mine (id)")
        path.chmod(0o660)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").chmod(0o644)
        Path(f"{path}.reactor.lock").touch(mode=0o644)
        async with Database.open(path):
            with lock(path):
                assert modes(path) == {
                    "bot.db": 0o660,
                    "bot.db-wal": 0o640,
                    "bot.db-shm": 0o640,
                    "bot.db.reactor.lock": 0o640,
                }
