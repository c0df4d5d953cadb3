"""The contract laid over a database: a new one, and one that a bot has had for years."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reactor.database.sqlite.connection import Database
from reactor.errors import DatabaseError
from tests.database.sqlite.bot import a_bot, opened, query
from tests.tools import sqlite3_program

CONTRACT = {
    *("media_key", "mime_type", "duration_s", "width", "height", "thumbnail_path", "files", "file_url", "machine"),
    *(
        "id",
        "url",
        "status",
        "cancelled",
        "owner",
        "options",
        "priority",
        "not_before",
        "added_date",
        "title",
        "file_size",
        "file_path",
        "progress",
    ),
    *("download_speed", "eta_seconds", "stage", "url_type", "retry_count", "next_attempt_at", "started_at"),
    *("finished_at", "error", "error_code", "notes", "choices", "parent_id", "position", "item_key"),
    *("items_total", "items_done", "items_failed", "attempt", "claimed_by", "lease_until"),
}
BOTS_OWN = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE "downloads" (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- the bot's comment
    chat_id INTEGER NOT NULL DEFAULT 7, "odd name" BLOB, url VARCHAR(200) NOT NULL UNIQUE, Title CLOB,
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status <> 'nonsense'),
    user_id INTEGER REFERENCES users (id)
);
CREATE INDEX by_chat ON downloads (chat_id);
CREATE VIEW urgent AS SELECT * FROM downloads WHERE chat_id = 1;
CREATE TABLE log (what TEXT);
CREATE TRIGGER remember AFTER UPDATE OF status ON downloads BEGIN INSERT INTO log VALUES (NEW.status); END;
INSERT INTO users VALUES (1, 'Ann');
INSERT INTO downloads (chat_id, "odd name", url, Title, status, user_id)
VALUES (1, x'00FF', 'http://host.example/1', 'One', 'uploading', 1);
"""


def columns_of(path: Path) -> set[str]:
    return {row[1].lower() for row in query(path, "PRAGMA table_info(downloads)")}


async def test_a_new_database_has_the_contract_and_is_in_wal_mode(path: Path) -> None:
    async with Database.open(path) as database:
        assert database.journal_mode == "wal"
        assert columns_of(path) == CONTRACT
        sqlite3_program(path, "INSERT INTO downloads (url) VALUES ('http://host.example/')")
        (row,) = query(path, "SELECT status, cancelled, added_date, retry_count, attempt FROM downloads")
        assert (row[0], row[1], *row[3:]) == ("pending", 0, 0, 0)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", row[2])


@pytest.mark.fault(12)
async def test_what_the_bot_owns_stays_as_it_is(path: Path) -> None:
    sqlite3_program(path, BOTS_OWN)
    schema = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    before = query(path, schema)
    row = query(path, 'SELECT id, chat_id, "odd name", url, Title, status, user_id FROM downloads')
    async with Database.open(path) as database:
        assert database.journal_mode == "delete"
        assert columns_of(path) == CONTRACT | {"chat_id", "odd name", "user_id"}
    after = [
        entry for entry in query(path, schema) if not entry[1].startswith(("reactor_", "sqlite_autoindex_reactor"))
    ]
    assert [entry for entry in after if entry[1] != "downloads"] == [e for e in before if e[1] != "downloads"]
    table, extended = (next(e[3] for e in entries if e[1] == "downloads") for entries in (before, after))
    assert extended.startswith(table.rstrip().removesuffix(")").rstrip())
    assert query(path, 'SELECT id, chat_id, "odd name", url, Title, status, user_id FROM downloads') == row
    assert query(path, "SELECT * FROM log") == []
    assert query(path, "PRAGMA journal_mode") == [("delete",)]


async def test_rows_that_are_there_when_status_is_added_are_pending(path: Path) -> None:
    sqlite3_program(
        path, "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT); INSERT INTO downloads VALUES (1, 'u')"
    )
    async with Database.open(path):
        assert query(path, "SELECT status, cancelled, attempt, added_date FROM downloads") == [("pending", 0, 0, None)]


async def test_a_strict_table_is_extended_too(path: Path) -> None:
    sqlite3_program(path, "CREATE TABLE downloads (id INTEGER PRIMARY KEY, url TEXT NOT NULL) STRICT")
    async with Database.open(path):
        assert columns_of(path) == CONTRACT


async def test_a_database_that_fits_is_not_written_to(path: Path) -> None:
    async with Database.open(path) as first:
        instance = first.instance
    async with a_bot(path) as bot:
        await bot("BEGIN IMMEDIATE")
        async with Database.open(path) as again:
            assert again.instance == instance
        assert await bot("COMMIT") == "[]"


async def test_an_index_of_another_release_is_made_anew(path: Path) -> None:
    async with Database.open(path):
        pass
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> '' ORDER BY name"
    query(path, "CREATE INDEX reactors_own ON downloads (url)")  # the bot's, whatever its name
    defined = query(path, indexes)
    query(path, "DROP INDEX reactor_ready")
    query(path, "CREATE INDEX reactor_ready ON downloads (owner, id) WHERE status = 'pending'")
    assert query(path, indexes) != defined
    async with Database.open(path):
        assert query(path, indexes) == defined


async def test_every_database_has_an_instance_of_its_own(tmp_path: Path) -> None:
    instances = set()
    for name in ("one", "two"):
        async with Database.open(tmp_path / name) as database:
            instances.add(database.instance)
    assert len(instances) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", instance) for instance in instances)


@pytest.mark.fault(12)
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE TABLE downloads (id INTEGER PRIMARY KEY, link TEXT)", "no column `url`"),
        ("CREATE TABLE downloads (url TEXT)", "`id`"),
        ("CREATE TABLE downloads (id TEXT PRIMARY KEY, url TEXT)", "`id`"),
        ("CREATE TABLE downloads (id INT PRIMARY KEY, url TEXT)", "`id`"),
        ("CREATE TABLE downloads (id INTEGER, url TEXT, PRIMARY KEY (id, url))", "`id`"),
        ("CREATE VIEW downloads AS SELECT 1 AS id, 'u' AS url", "a view"),
    ],
)
async def test_a_table_that_cannot_carry_it_is_refused_untouched(path: Path, statement: str, what: str) -> None:
    sqlite3_program(path, statement)
    before = query(path, "SELECT * FROM sqlite_master")
    with pytest.raises(DatabaseError, match=re.escape(what)) as refused:
        async with Database.open(path):
            pass
    assert not refused.value.retryable
    assert query(path, "SELECT * FROM sqlite_master") == before


@pytest.mark.parametrize("key", ["ID INTEGER PRIMARY KEY", "id BIGINT NOT NULL PRIMARY KEY"])
async def test_other_forms_of_a_whole_number_key_will_do(path: Path, key: str) -> None:
    sqlite3_program(path, f"CREATE TABLE Downloads ({key}, URL TEXT)")
    async with Database.open(path):
        assert columns_of(path) == CONTRACT


async def test_a_database_of_a_newer_reactor_is_refused(path: Path) -> None:
    async with Database.open(path):
        query(path, "UPDATE reactor_meta SET value = '2' WHERE key = 'schema'")
    with pytest.raises(DatabaseError, match="newer"):
        async with Database.open(path):
            pass


async def test_two_that_open_at_once_make_one_table(path: Path) -> None:
    with opened(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    async with Database.open(path) as one, Database.open(path) as two:
        assert one.instance == two.instance
