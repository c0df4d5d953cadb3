"""A queue that moves from SQLite to PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reactor.database import engine
from reactor.errors import DatabaseError, DatabaseInUse
from tests.cli.command import reactor
from tests.database.postgres.bot import Bot
from tests.real.harness import LOOK_S

pytestmark = pytest.mark.execs


@pytest.fixture
async def old(tmp_path: Path) -> Path:
    """A database of SQLite that has served for a while: a list, a file that is there, one that is under way."""
    path = tmp_path / "bot.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT NOT NULL, chat_id INTEGER, vip BOOL, x REAL)"
        )
    async with engine.open_table(path) as table:
        for n in range(5):
            await table.add(f"http://host.example/{n}", {"chat_id": n, "vip": n % 2, "owner": str(n), "options": "{}"})
        await table.set_defaults("7", '{"audio": true}')
        await table.set_weight("7", 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(
            "UPDATE downloads SET status = 'downloaded', file_path = '/d/ä.bin', file_size = 5, media_key = 'k',"
            " progress = 100.0, x = 0.1 WHERE id = 1"
        )
        db.execute(
            "UPDATE downloads SET status = 'downloading', stage = 'fetching', claimed_by = 'me', attempt = 3"
            " WHERE id = 2"
        )
        db.execute("UPDATE downloads SET status = 'downloading', stage = 'items', items_total = 2 WHERE id = 3")
        db.execute("UPDATE downloads SET parent_id = 3, position = 1, item_key = 'a', not_before = '' WHERE id = 4")
        db.execute("UPDATE downloads SET title = 'a' || char(0) || 'b', chat_id = NULL WHERE id = 5")
        db.execute("INSERT INTO reactor_published VALUES (9, 1, 1, 'folder', 'ä.bin', 5, 'c', 1.5)")
        db.execute("INSERT INTO reactor_history VALUES (4, 5, 1, 2.5, 'timeout', 'Too slow.', NULL)")
    return path


def run(path: Path, bot: Bot) -> subprocess.CompletedProcess[str]:
    return reactor("copy", path, bot.url, cwd=path.parent)


def of_old(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(statement).fetchall()


async def test_every_row_is_there_with_its_id_and_the_bots_own_columns(old: Path, bot: Bot) -> None:
    done = run(old, bot)
    assert done.stdout == "5 rows copied, counted and compared.\n", done.stderr
    assert "1 download had begun" in done.stderr
    assert "chat_id, vip, x" in done.stderr
    same = (
        "SELECT id, url, chat_id, x, owner, added_date, file_path, file_size, media_key, progress, parent_id, position,"
    )
    same += " item_key, items_total, attempt FROM downloads ORDER BY id"
    assert bot.sql(same) == of_old(old, same)
    assert bot.sql("SELECT status, stage, claimed_by FROM downloads ORDER BY id") == [
        ("downloaded", None, None),
        ("pending", None, None),
        ("downloading", "items", None),
        *[("pending", None, None)] * 2,
    ]
    assert bot.sql("SELECT vip FROM downloads ORDER BY id") == [(False,), (True,), (False,), (True,), (False,)]
    assert bot.sql("SELECT title, not_before FROM downloads WHERE id IN (4, 5) ORDER BY id") == [
        (None, None),
        ("a\ufffdb", None),
    ]
    assert bot.sql("SELECT id, name, at FROM reactor_published") == [(9, "ä.bin", 1.5)]
    assert bot.sql("SELECT download_id, sentence FROM reactor_history") == [(5, "Too slow.")]
    assert bot.sql("SELECT owner, weight FROM reactor_owners WHERE owner = '7'") == [("7", 2.0)]
    async with bot.table() as table:
        assert await table.add("http://host.example/next", {"chat_id": 1}) == 6
        assert await table.defaults("7") == {"audio": True}
        assert [row.id for row in await table.children(3)] == [4]


async def test_it_goes_beside_rows_with_other_ids_and_into_no_row_that_is_there(old: Path, bot: Bot) -> None:
    bot.sql("CREATE TABLE downloads (id bigserial PRIMARY KEY, url text NOT NULL, chat_id bigint NOT NULL DEFAULT 0)")
    bot.sql("INSERT INTO downloads (id, url) VALUES (100, 'http://host.example/theirs')")
    done = run(old, bot)
    assert (done.returncode, "null value" in done.stderr) == (2, True), done.stderr
    assert "Row 5" in done.stderr
    bot.sql("ALTER TABLE downloads ALTER COLUMN chat_id DROP NOT NULL")
    done = run(old, bot)
    assert done.returncode == 0, done.stderr
    assert "lacks columns, which were left out: vip, x" in done.stderr
    async with bot.table() as table:
        assert await table.add("http://host.example/next", {}) == 101
    done = run(old, bot)
    assert "has a row 1 already" in done.stderr
    assert bot.sql("SELECT count(*) FROM downloads") == [(7,)]


async def test_a_value_that_has_no_place_is_told_and_nothing_is_copied(old: Path, bot: Bot) -> None:
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.execute("UPDATE downloads SET chat_id = 'nobody' WHERE id = 4")
    done = run(old, bot)
    assert done.returncode == 2
    assert "Row 4 of `downloads` does not fit into the other database (column `chat_id`)" in done.stderr
    assert bot.sql("SELECT count(*) FROM downloads") == [(0,)]
    assert not bot.sql(
        "SELECT 1 FROM information_schema.columns WHERE table_name = 'downloads' AND column_name = 'vip'"
    )


async def test_it_waits_for_nobody_who_serves(old: Path, bot: Bot, tmp_path: Path) -> None:
    with engine.lock(old), pytest.raises(DatabaseInUse, match="serves the database"):
        engine.copy(old, bot.url)
    async with bot.store("machine-1"):
        with pytest.raises(DatabaseInUse, match="The reactor machine-1 serves"):
            engine.copy(old, bot.url)
    with pytest.raises(DatabaseError, match="out of SQLite's file"):
        engine.copy(old, tmp_path / "other.db")
    with pytest.raises(DatabaseError):
        engine.copy(tmp_path / "none.db", bot.url)
    with closing(sqlite3.connect(tmp_path / "empty.db")) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(DatabaseError, match="no table `downloads` to copy"):
        engine.copy(tmp_path / "empty.db", bot.url)
    assert bot.sql("SELECT count(*) FROM downloads") == [(0,)]


async def test_one_that_is_killed_in_its_midst_leaves_nothing(old: Path, bot: Bot) -> None:
    async with bot.table():
        pass
    held = psycopg.connect(bot.url)
    held.execute("LOCK TABLE reactor_history IN ACCESS EXCLUSIVE MODE")  # the last of what is copied
    copying = await asyncio.create_subprocess_exec(sys.executable, "-m", "reactor", "copy", str(old), bot.url)
    waits = "SELECT count(*) FROM pg_locks WHERE relation = 'reactor_history'::regclass AND NOT granted"
    while bot.sql(waits) != [(1,)]:
        assert copying.returncode is None
        await asyncio.sleep(LOOK_S)
    copying.kill()
    await copying.wait()
    held.close()
    gone = "SELECT count(*) FROM pg_locks WHERE relation = 'downloads'::regclass AND mode = 'ShareRowExclusiveLock'"
    while bot.sql(gone) != [(0,)]:
        await asyncio.sleep(LOOK_S)
    assert bot.sql("SELECT count(*) FROM downloads") == [(0,)]
    assert bot.sql("SELECT count(*) FROM reactor_published") == [(0,)]
    assert run(old, bot).returncode == 0


async def test_what_arrives_as_something_else_is_told(old: Path, bot: Bot) -> None:
    bot.sql("CREATE TABLE downloads (id bigserial PRIMARY KEY, url text NOT NULL)")
    bot.sql(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.url = upper(NEW.url); RETURN NEW; END $$"
    )
    bot.sql("CREATE TRIGGER t BEFORE INSERT ON downloads FOR EACH ROW EXECUTE FUNCTION f()")
    done = run(old, bot)
    assert "Row 1 of `downloads` is another one in the other database: its column `url` differs" in done.stderr
    assert bot.sql("SELECT count(*) FROM downloads") == [(0,)]
